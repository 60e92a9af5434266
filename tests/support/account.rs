//! An account without privileges: root may read and write everything, so a permission test run
//! as root would prove nothing.
//!
//! Where the tests run as root, commands drop to the `nobody` account; else the tests' own account
//! is one already.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use super::platform::mode;

/// The uid and gid of `nobody`.
const NOBODY: u32 = if cfg!(target_os = "macos") { 4_294_967_294 } else { 65_534 };

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes the command run without privileges.
pub(crate) fn unprivileged(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Gives a path to the account without privileges.
pub(crate) fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
}

/// A copy of a program where the account can run it; a target directory may be private.
pub(crate) fn copied(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(program.file_name().expect("a program has a name"));
    super::programs::copy(program, &copy);
    mode(&copy, 0o755);
    give(&copy);
    copy
}

/// The permission bits of a path, links not followed.
pub(crate) fn mode_of(path: &Path) -> u32 {
    let about = path.symlink_metadata();
    about.unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}
