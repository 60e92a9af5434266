//! Files and directories that others may or may not use, for tests: by modes on Unix, by access
//! lists on Windows.

use std::path::Path;

/// Lets everybody read, or also write, what is this user's.
pub(crate) fn open_to_all(path: &Path, writable: bool) {
    #[cfg(unix)]
    change_mode(path, |mode| mode | if writable { 0o007 } else { 0o055 });
    #[cfg(windows)]
    {
        let (own, all) = (crate::sys::user::own(), if writable { "FA" } else { "FRFX" });
        apply(path, &format!("D:P(A;OICI;FA;;;{own})(A;OICI;{all};;;WD)"));
    }
}

/// Lets only this user use it.
pub(crate) fn close(path: &Path) {
    #[cfg(unix)]
    change_mode(path, |mode| mode & 0o700);
    #[cfg(windows)]
    apply(path, &format!("D:P(A;OICI;FA;;;{})", crate::sys::user::own()));
}

/// Whether only this user may use it, and may do so.
pub(crate) fn is_private(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let about = path.metadata().unwrap();
        about.mode() & 0o7777 == if about.is_dir() { 0o700 } else { 0o600 }
    }
    #[cfg(windows)]
    {
        use crate::sys::{access, user};
        let access = access::Access::of(&access::look_at(path).unwrap()).unwrap();
        !access.is_open && access.guests(&user::own()).is_empty()
    }
}

/// Makes an empty file that counts as a program; its name needs the extension of programs.
pub(crate) fn make_program(path: &Path) {
    std::fs::write(path, "").unwrap();
    #[cfg(unix)]
    change_mode(path, |_| 0o755);
}

/// A program that every system has.
pub(crate) fn some_program() -> String {
    #[cfg(unix)]
    return "/bin/sh".to_owned();
    #[cfg(windows)]
    super::neutral_directory().join(r"System32\cmd.exe").to_str().unwrap().to_owned()
}

#[cfg(unix)]
fn change_mode(path: &Path, change: impl Fn(u32) -> u32) {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_mode(change(permissions.mode() & 0o7777));
    std::fs::set_permissions(path, permissions).unwrap();
}

#[cfg(windows)]
fn apply(path: &Path, list: &str) {
    use crate::sys::access;
    let list = access::Descriptor::from_text(list).unwrap();
    list.apply(&access::look_at(path).unwrap()).unwrap();
}
