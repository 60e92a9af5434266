//! Trust by owners and modes.
//!
//! An owner is the user or root. What others may write is refused; what a group may write only
//! when it is not the private group of the user or of root. A sticky directory of root's (such as
//! `/tmp`) is accepted on the way, because in it only an owner can replace an entry, and the owner
//! of the next component is checked too. Symbolic links are walked one by one, since whoever
//! owns a link decides where it leads. Access lists beside the modes are not looked at: on Linux
//! the mode tells what they grant at most, on macOS it does not.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{names, regular, unreadable};
use crate::error::{Error, ErrorCode, Result};
use crate::sys::user::euid;

/// Symbolic links on one path, as many as the kernel allows.
const LINKS_MAX: usize = 40;
const STICKY: u32 = 0o1000;
const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;

/// Checks `path`, which must be absolute, and everything on the way to it.
///
/// # Errors
/// `refused` names the component, its owner and mode and the repairing command; another failure
/// to look at it is `code`.
pub(crate) fn check_path(path: &Path, code: ErrorCode) -> Result<()> {
    walk(path, code, false)
}

/// As [`check_path`], for a directory in which something of ours is made: it is on the way.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn check_parent(path: &Path, code: ErrorCode) -> Result<()> {
    walk(path, code, true)
}

fn walk(path: &Path, code: ErrorCode, is_parent: bool) -> Result<()> {
    let mut ahead: VecDeque<OsString> = names(path).collect();
    let mut here = PathBuf::from("/");
    let mut links = 0;
    check(&here, &lstat(&here, code)?, is_parent || !ahead.is_empty())?;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let about = lstat(&next, code)?;
        if !about.file_type().is_symlink() {
            check(&next, &about, is_parent || !ahead.is_empty())?;
            here = next;
            continue;
        }
        check_owner(&next, &about)?;
        links += 1;
        if links > LINKS_MAX {
            return Err(Error::new(code, format!("{} leads in circles", path.display())));
        }
        let target = fs::read_link(&next).map_err(|error| unreadable(&next, code, error))?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for name in names(&target).rev() {
            ahead.push_front(name);
        }
    }
    Ok(())
}

/// Checks an opened regular file; the directories on the way to it are [`check_path`]'s.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn check_file(file: &File, path: &Path, code: ErrorCode) -> Result<()> {
    let about = regular(file, path, code)?;
    check(path, &about, false)
}

/// What kind of thing this is, for a message.
pub(crate) fn kind_of(about: &Metadata) -> &'static str {
    let kind = about.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_file() {
        "a regular file"
    } else {
        "a device"
    }
}

/// The directory where a program is started that has none of its own: one that is always there
/// and that others cannot change.
pub(crate) fn neutral_directory() -> PathBuf {
    PathBuf::from("/")
}

fn lstat(path: &Path, code: ErrorCode) -> Result<Metadata> {
    fs::symlink_metadata(path).map_err(|error| unreadable(path, code, error))
}

fn check(path: &Path, about: &Metadata, on_the_way: bool) -> Result<()> {
    check_owner(path, about)?;
    let mode = about.mode();
    if on_the_way && about.is_dir() && about.uid() == 0 && mode & STICKY != 0 {
        return Ok(());
    }
    if mode & OTHER_WRITE != 0 {
        return Err(unsafe_mode(path, about, "everybody", "o-w"));
    }
    if mode & GROUP_WRITE != 0 && !is_private_group(about.gid()) {
        return Err(unsafe_mode(path, about, &format!("group {}", about.gid()), "g-w"));
    }
    Ok(())
}

fn check_owner(path: &Path, about: &Metadata) -> Result<()> {
    let (owner, user) = (about.uid(), euid());
    if owner == user || owner == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Refused,
        format!(
            "{} is not to be trusted: it belongs to user {owner}, not to user {user} or root",
            path.display()
        ),
    )
    .hint(format!("If it is yours after all: `chown {user} {}`.", path.display())))
}

fn unsafe_mode(path: &Path, about: &Metadata, who: &str, repair: &str) -> Error {
    let hint = if about.mode() & STICKY != 0 {
        "It is meant to be shared: use a directory of your own instead.".to_owned()
    } else {
        let path = path.display();
        format!("Check that nobody tampered with it, then `chmod {repair} {path}`.")
    };
    Error::new(
        ErrorCode::Refused,
        format!(
            "{} is not to be trusted: {who} can write to it (owner {}, mode {:04o})",
            path.display(),
            about.uid(),
            about.mode() & 0o7777
        ),
    )
    .hint(hint)
}

/// Whether only this user, or only root, is in the group.
#[cfg(target_os = "linux")]
fn is_private_group(gid: u32) -> bool {
    let own = rustix::process::getegid().as_raw();
    let (owner, known) = match gid {
        gid if gid == own => (euid(), true),
        0 => (0, true),
        _ => (0, false),
    };
    known
        && match (fs::read_to_string("/etc/passwd"), fs::read_to_string("/etc/group")) {
            (Ok(users), Ok(groups)) => is_private_in(gid, owner, &users, &groups),
            _ => false,
        }
}

/// Whether nobody is in the group but who is root or may become it: `wheel` and `admin`. The group
/// of administrators can write to `/Applications` and to what Homebrew installs, and could replace
/// it as root just as well. Users' own groups are not private on macOS: all are in `staff`, and
/// who is in another one no file tells.
#[cfg(target_os = "macos")]
fn is_private_group(gid: u32) -> bool {
    const WHEEL: u32 = 0;
    const ADMIN: u32 = 80;
    matches!(gid, WHEEL | ADMIN)
}

/// The same, from the texts of the user and group databases.
#[cfg(target_os = "linux")]
fn is_private_in(gid: u32, owner: u32, users: &str, groups: &str) -> bool {
    let (gid, owner) = (gid.to_string(), owner.to_string());
    let mut own_names = Vec::new();
    for line in users.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, primary, ..] = fields[..] else { continue };
        if uid == owner {
            own_names.push(name);
        } else if primary == gid {
            return false;
        }
    }
    groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).all(|fields| match fields[..] {
        [_, _, id, members, ..] if id == gid => {
            members.split(',').filter(|name| !name.is_empty()).all(|name| own_names.contains(&name))
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> Error {
        let error = check_path(path, ErrorCode::Home).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Refused, "{error:?}");
        error
    }

    #[test]
    fn what_only_the_user_can_change_is_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "x").unwrap();
        chmod(&file, 0o644);
        check_path(&file, ErrorCode::Home).unwrap();
        check_file(&File::open(&file).unwrap(), &file, ErrorCode::Home).unwrap();
    }

    #[test]
    fn a_writable_file_or_ancestor_is_refused_with_the_repair() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, file) = (dir.path().join("d"), dir.path().join("d/f"));
        fs::create_dir(&inner).unwrap();
        fs::write(&file, "x").unwrap();
        chmod(&file, 0o666);
        let error = refused(&file);
        let repair = format!("chmod o-w {}", file.display());
        assert!(error.next_step().unwrap().contains(&repair), "{error:?}");
        chmod(&file, 0o600);
        chmod(&inner, 0o757);
        assert!(refused(&file).message().contains(inner.to_str().unwrap()));
        chmod(&inner, 0o1757);
        // Sticky is enough only on a directory of root's.
        assert_eq!(check_path(&file, ErrorCode::Home).is_ok(), euid() == 0);
    }

    #[test]
    fn a_link_is_followed_and_its_target_checked() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, link) = (dir.path().join("d"), dir.path().join("l"));
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("f"), "x").unwrap();
        symlink("d", &link).unwrap();
        check_path(&link.join("f"), ErrorCode::Home).unwrap();
        chmod(&inner, 0o757);
        refused(&link.join("f"));
        symlink("circle", dir.path().join("circle")).unwrap();
        let error = check_path(&dir.path().join("circle"), ErrorCode::Home).unwrap_err();
        assert!(error.message().contains("circles"), "{error:?}");
    }

    #[test]
    #[cfg(target_os = "macos")]
    fn administrators_are_trusted_and_the_group_of_all_users_is_not() {
        assert!(is_private_group(0) && is_private_group(80));
        assert!(!is_private_group(20));
    }

    /// macOS keeps its users in no file.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_group_is_private_when_nobody_else_is_in_it() {
        let users = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:";
        let groups = "root:x:0:\nann:x:1000:ann\nbob:x:1001:ann\nteam:x:50:ann,bob\n";
        assert!(is_private_in(1000, 1000, users, groups));
        assert!(!is_private_in(1001, 1001, users, groups), "ann is a member of bob's group");
        assert!(!is_private_in(50, 1000, users, groups));
        let shared = format!("{users}\neve:x:1002:1000::/:");
        assert!(!is_private_in(1000, 1000, &shared, groups), "it is eve's primary group too");
    }
}
