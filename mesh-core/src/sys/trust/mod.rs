//! Whether a file or directory is safe to build on: nobody but the user and the system's own
//! accounts may change it, nor any directory on the way to it. What that means differs: see the
//! file of the platform.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Component, Path};

use crate::error::{Error, ErrorCode, Result};

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(windows)]
pub(crate) use platform::who_and_repair;
pub(crate) use platform::{check_file, check_parent, check_path, kind_of, neutral_directory};

/// The names on a path, without its root; `..` is one of them.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// What an open file is; anything but a regular one is refused.
fn regular(file: &File, path: &Path, code: ErrorCode) -> Result<Metadata> {
    let about = file.metadata().map_err(|error| unreadable(path, code, error))?;
    if about.is_file() {
        return Ok(about);
    }
    let what = format!("{} is {}, not a regular file", path.display(), kind_of(&about));
    Err(Error::new(ErrorCode::Refused, what))
}

fn unreadable(path: &Path, code: ErrorCode, error: io::Error) -> Error {
    Error::new(code, format!("{} cannot be looked at", path.display())).source(error)
}
