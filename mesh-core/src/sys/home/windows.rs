//! The home by owners and access lists.
//!
//! A directory of ours is made with a list that grants the user, SYSTEM and Administrators
//! everything and is handed on to what is made in it; what the directories above grant is not.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Instant;

use super::{Home, cannot_create};
use crate::error::{Error, ErrorCode, Result};
use crate::sys::access::{self, Access, CONTROL, Descriptor, EXTEND, REMOVE, REMOVE_CHILD, WRITE};
use crate::sys::{trust, user, volume};

/// Creates a directory and all above it that is missing, private.
pub(super) fn create_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_all(parent)?;
    }
    create_one(path)
}

fn create_one(path: &Path) -> io::Result<()> {
    match Descriptor::private()?.create_directory(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Refuses volumes that cannot be written or on which locks fail.
pub(super) fn check_file_system(home: &Home) -> Result<()> {
    let about = volume::about(home.root())
        .map_err(|error| home.unusable("cannot be looked at").source(error))?;
    if about.is_remote {
        return Err(home
            .unusable("is on a network drive, where locks fail")
            .hint("Set MESH_HOME to a directory on a local disk."));
    }
    if about.is_read_only {
        return Err(home
            .unusable("is on a read-only volume")
            .hint("Set MESH_HOME to a directory that can be written."));
    }
    Ok(())
}

/// Creates a private directory, or finds one.
pub(super) fn create(path: &Path) -> Result<()> {
    create_one(path).map_err(|error| cannot_create(path, error))
}

/// Makes an empty directory private that others could read but not write, such as one that the
/// user just made for `MESH_HOME`: nobody can have put anything into it. A directory with content
/// is left to [`verify`], because it may serve other purposes.
pub(super) fn close_if_empty(path: &Path) -> Result<()> {
    let Ok(directory) = access::look_at(path) else { return Ok(()) };
    let is_directory = directory.metadata().is_ok_and(|about| about.is_dir());
    let Ok(access) = Access::of(&directory) else { return Ok(()) };
    if !is_directory || !is_only_readable(&access, &user::own()) {
        return Ok(());
    }
    match fs::read_dir(path).map(|mut found| found.next().is_none()) {
        Ok(true) => Descriptor::private()
            .and_then(|private| private.apply(&directory))
            .map_err(|error| cannot_create(path, error)),
        _ => Ok(()),
    }
}

/// Whether it is the user's, and others can see it but not change it.
fn is_only_readable(access: &Access, own: &str) -> bool {
    let change = WRITE | EXTEND | REMOVE | REMOVE_CHILD | CONTROL;
    access.is_owned_by(own)
        && !access.is_open
        && !access.guests(own).is_empty()
        && access.strangers(own, change).is_empty()
}

/// Refuses a directory that is not this user's own and private. It is made whole in one step, so
/// there is nothing to wait for.
pub(super) fn verify(path: &Path, _until: Instant) -> Result<()> {
    let at = path.display();
    let unseen = |error| {
        let what = format!("the directory {at} cannot be looked at");
        Error::new(ErrorCode::Home, what).source(error)
    };
    let directory = access::look_at(path).map_err(unseen)?;
    let about = directory.metadata().map_err(unseen)?;
    if !about.is_dir() {
        let found = trust::kind_of(&about);
        return Err(Error::new(ErrorCode::Home, format!("{at} is {found}, not a directory"))
            .hint(format!("Move {at} away, or set MESH_HOME to another directory.")));
    }
    if !volume::about(path).map_err(unseen)?.keeps_access {
        let what = format!("{at} is on a volume that keeps no access lists (such as FAT)");
        return Err(Error::new(ErrorCode::Refused, what)
            .hint("Set MESH_HOME to a directory on an NTFS volume."));
    }
    judge(path, &Access::of(&directory).map_err(unseen)?, &user::own())
}

/// Whether what is known of a directory makes it `own`'s alone.
fn judge(path: &Path, access: &Access, own: &str) -> Result<()> {
    let at = path.display();
    if !access.is_owned_by(own) {
        let owner = access::named(&access.owner);
        let what = format!("{at} belongs to {owner}, but this process runs as {own}");
        return Err(Error::new(ErrorCode::Refused, what)
            .hint("Run it as the owner, or set MESH_HOME to a directory of your own."));
    }
    let guests = access.guests(own);
    let Some((who, repair)) = trust::who_and_repair(path, access, &guests) else { return Ok(()) };
    Err(Error::new(ErrorCode::Refused, format!("{at} is open to other users ({who})"))
        .hint(format!("Check that nobody tampered with it, then {repair}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "S-1-5-21-1-2-3-1001";

    fn access(text: &str) -> Access {
        Access::parse(Descriptor::from_text(text).unwrap().bytes()).unwrap()
    }

    #[test]
    fn a_home_is_the_users_and_closed_to_others() {
        let judge = |list: &str| judge(Path::new(r"C:\h"), &access(list), OWN);
        let closed = format!("(A;OICI;FA;;;{OWN})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)");
        judge(&format!("O:{OWN}D:P{closed}")).unwrap();
        judge(&format!("O:BAD:P{closed}(A;OICIIO;FA;;;CO)")).unwrap();
        for (list, why) in [
            (format!("O:{OWN}D:P{closed}(A;;FR;;;BU)"), "Users (S-1-5-32-545)"),
            (format!("O:{OWN}D:P{closed}(A;OICIIO;FR;;;WD)"), "Everyone (S-1-1-0)"),
            (format!("O:{OWN}"), "no access list"),
            (format!("O:S-1-5-21-9D:P{closed}"), "belongs to S-1-5-21-9,"),
        ] {
            let error = judge(&list).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Refused);
            assert!(error.message().contains(why), "{error:?}");
        }
    }

    #[test]
    fn only_what_others_cannot_write_is_made_private() {
        let is = |list: &str| is_only_readable(&access(list), OWN);
        assert!(is(&format!("O:{OWN}D:(A;;FA;;;{OWN})(A;;FR;;;BU)")));
        assert!(!is(&format!("O:{OWN}D:(A;;FA;;;{OWN})")), "it is private already");
        assert!(!is(&format!("O:{OWN}D:(A;;FA;;;{OWN})(A;;0x4;;;BU)")));
        assert!(!is(&format!("O:{OWN}")));
        assert!(!is("O:S-1-5-21-9D:(A;;FR;;;BU)"));
    }
}
