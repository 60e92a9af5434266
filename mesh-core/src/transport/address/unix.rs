//! Addresses on Unix: a socket file, `run/<name>.sock` below the home.
//!
//! The system takes about a hundred bytes of path; a longer one is reached through a symbolic link
//! with a short name in a private directory of the user's, never cut.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode, Result};
use crate::name::AppName;
use crate::sys::home::Home;
use crate::sys::user;

/// Bytes of a socket path that every system takes (104 with the final zero, on macOS).
const PATH_MAX: usize = 103;

/// Where an app listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Address {
    /// The socket file.
    pub(crate) path: PathBuf,
    /// A path to the same file that is short enough for the system.
    pub(in crate::transport) short: PathBuf,
}

impl Address {
    /// How the file in the run directory ends that every name with a listener has.
    pub(crate) const TRACE: &str = ".sock";

    /// The address of an app below a home. Looks at the disk only when the path is long.
    ///
    /// # Errors
    /// `refused` when the directory for short links is not the user's own; `home` when it cannot
    /// be made.
    pub(crate) fn of(home: &Home, name: &AppName) -> Result<Self> {
        let path = home.socket_path(name);
        let short = if path.as_os_str().len() <= PATH_MAX {
            path.clone()
        } else {
            link_to(&home.run_dir())?.join(format!("{name}.sock"))
        };
        if short.as_os_str().len() > PATH_MAX {
            let text = format!("the path {} is too long for a socket", short.display());
            return Err(Error::new(ErrorCode::Home, text).hint("Use a shorter name."));
        }
        Ok(Self { path, short })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// A short link to `directory`, made if it is missing, verified if it is there.
fn link_to(directory: &Path) -> Result<PathBuf> {
    let user = user::euid();
    let private = PathBuf::from(format!("/tmp/mesh-{user}"));
    let failed = |error: io::Error| {
        Error::new(ErrorCode::Home, format!("cannot use {} for short paths", private.display()))
            .hint("The home's path is long; set MESH_HOME to a shorter one.")
            .source(error)
    };
    match fs::DirBuilder::new().mode(0o700).create(&private) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let seen = fs::symlink_metadata(&private).map_err(failed)?;
    if !seen.is_dir() || seen.uid() != user || seen.mode() & 0o077 != 0 {
        let text = format!(
            "{} is not a private directory of this user (owner {}, mode {:o})",
            private.display(),
            seen.uid(),
            seen.mode() & 0o7777
        );
        let hint = "Have its owner remove it, or set MESH_HOME to a shorter path.";
        return Err(Error::new(ErrorCode::Refused, text).hint(hint));
    }
    let link = private.join(format!("{:012x}", hash(directory.as_os_str().as_encoded_bytes())));
    match symlink(directory, &link) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(failed)?,
    }
    let target = fs::read_link(&link).map_err(failed)?;
    if target != directory {
        let text = format!("{} leads to {}", link.display(), target.display());
        return Err(Error::new(ErrorCode::Refused, text).hint("Remove the link."));
    }
    Ok(link)
}

/// The low 48 bits of FNV-1a, fixed for ever: it is part of the address.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash & 0xffff_ffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_path_is_its_own_address() {
        let name = AppName::parse("a").unwrap();
        let address = Address::of(&Home::at("/h"), &name).unwrap();
        assert_eq!((address.path.clone(), address.short), (address.path.clone(), address.path));
    }

    #[test]
    fn a_long_path_goes_through_a_link_and_two_of_them_differ() {
        let home = tempfile::tempdir().unwrap();
        let name = AppName::parse(&"n".repeat(63)).unwrap();
        let long = |tail: &str| Home::at(home.path().join("x".repeat(120)).join(tail));
        let first = Address::of(&long("a"), &name).unwrap();
        let second = Address::of(&long("b"), &name).unwrap();
        assert!(first.short.as_os_str().len() <= PATH_MAX);
        assert_ne!(first.short, second.short);
        for address in [first, second] {
            let _removed = fs::remove_file(address.short.parent().unwrap());
        }
    }
}
