//! Trust by owners and access lists.
//!
//! An owner is the user, SYSTEM, Administrators or TrustedInstaller. What anybody else is granted
//! decides:
//!
//! - a file may not be written, deleted or given another list;
//! - the directory that holds it may besides get no new entry: a library or module that is put
//!   beside a program is loaded by it. The same holds for a working directory;
//! - of a directory further up nothing may be deleted, nor the directory itself, nor its list be
//!   changed. New entries are harmless there, and the root of a system's drive lets every user
//!   make some. The root itself cannot be deleted, whatever its list says.
//!
//! Links are walked one by one, since whoever owns a link decides where it leads.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::path::{Component, Path, PathBuf};

use super::{names, regular, unreadable};
use crate::error::{Error, ErrorCode, Result};
use crate::sys::access::{self, Access, CONTROL, EXTEND, REMOVE, REMOVE_CHILD, WRITE};
use crate::sys::user;

/// Links on one path, as many as the system follows.
const LINKS_MAX: usize = 63;

/// What a component is to the path; it says what others may not do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The root of the drive or share.
    Root,
    /// A directory further up, or a link.
    OnTheWay,
    /// The directory that holds the end.
    Holder,
    /// The end: a file, or a directory to work in.
    End,
}

impl Place {
    fn forbidden(self) -> u32 {
        match self {
            Self::Root => REMOVE_CHILD | CONTROL,
            Self::OnTheWay => REMOVE | REMOVE_CHILD | CONTROL,
            Self::Holder | Self::End => WRITE | EXTEND | REMOVE | REMOVE_CHILD | CONTROL,
        }
    }
}

/// Checks `path`, which must be absolute, and everything on the way to it.
///
/// # Errors
/// `refused` names the component, who may change it and the repairing command; another failure to
/// look at it is `code`.
pub(crate) fn check_path(path: &Path, code: ErrorCode) -> Result<()> {
    let end = walk(path, code)?;
    if let Some(holder) = end.parent() {
        check(holder, &look(holder, code)?.1, Place::Holder)?;
    }
    check(&end, &look(&end, code)?.1, Place::End)
}

/// As [`check_path`], for a directory in which something of ours is made: it is on the way.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn check_parent(path: &Path, code: ErrorCode) -> Result<()> {
    walk(path, code).map(drop)
}

/// Checks all components as on the way, and answers where the path leads.
fn walk(path: &Path, code: ErrorCode) -> Result<PathBuf> {
    let mut ahead: VecDeque<OsString> = names(path).collect();
    let mut here = root_of(path);
    let mut links = 0;
    check(&here, &look(&here, code)?.1, Place::Root)?;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let (about, access) = look(&next, code)?;
        check(&next, &access, Place::OnTheWay)?;
        if !about.file_type().is_symlink() {
            here = next;
            continue;
        }
        if ahead.is_empty() {
            // A program that is started by a link looks for its libraries beside the link.
            check(&here, &look(&here, code)?.1, Place::Holder)?;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(Error::new(code, format!("{} leads in circles", path.display())));
        }
        let target = fs::read_link(&next).map_err(|error| unreadable(&next, code, error))?;
        // What begins with a separator stays on the drive of the link.
        if target.has_root() {
            here = root_of(&here.join(&target));
            check(&here, &look(&here, code)?.1, Place::Root)?;
        }
        for name in names(&target).rev() {
            ahead.push_front(name);
        }
    }
    Ok(here)
}

/// Checks an opened regular file; the directories on the way to it are [`check_path`]'s.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn check_file(file: &File, path: &Path, code: ErrorCode) -> Result<()> {
    regular(file, path, code)?;
    let access = Access::of(file).map_err(|error| unreadable(path, code, error))?;
    check(path, &access, Place::End)
}

/// What kind of thing this is, for a message.
pub(crate) fn kind_of(about: &Metadata) -> &'static str {
    let kind = about.file_type();
    if kind.is_symlink() {
        "a symbolic link or junction"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "a regular file"
    } else {
        "a device"
    }
}

/// Whom a list lets in too far, in words, and the command that shuts them out; `None` when there
/// is nobody.
pub(crate) fn who_and_repair(
    path: &Path,
    access: &Access,
    strangers: &[&str],
) -> Option<(String, String)> {
    let at = path.display();
    if access.is_open {
        return Some(("it has no access list".to_owned(), format!("`icacls \"{at}\" /reset`")));
    }
    if strangers.is_empty() {
        return None;
    }
    let who: Vec<String> = strangers.iter().map(|who| access::named(who)).collect();
    let removed: Vec<String> = strangers.iter().map(|who| format!("*{who}")).collect();
    let repair = format!("`icacls \"{at}\" /inheritance:d /remove:g {}`", removed.join(" "));
    Some((who.join(", "), repair))
}

/// The directory where a program is started that has none of its own: one that is always there
/// and that others cannot change.
pub(crate) fn neutral_directory() -> PathBuf {
    let system = std::env::var_os("SystemRoot").map(PathBuf::from);
    system.filter(|path| path.is_absolute()).unwrap_or_else(|| PathBuf::from(r"C:\Windows"))
}

/// The drive or share, with the separator behind it.
fn root_of(path: &Path) -> PathBuf {
    let is_root = |part: &Component<'_>| matches!(part, Component::Prefix(_) | Component::RootDir);
    path.components().take_while(is_root).collect()
}

/// What something is and who may do what with it; a link itself, not its target.
fn look(path: &Path, code: ErrorCode) -> Result<(Metadata, Access)> {
    let seen = access::look_at(path).and_then(|file| Ok((file.metadata()?, Access::of(&file)?)));
    seen.map_err(|error| unreadable(path, code, error))
}

fn check(path: &Path, access: &Access, place: Place) -> Result<()> {
    judge(path, access, place, &user::own())
}

/// Whether a component with this owner and list can be trusted by the user `own`.
fn judge(path: &Path, access: &Access, place: Place, own: &str) -> Result<()> {
    let at = path.display();
    if !access.is_owned_by(own) {
        let owner = access::named(&access.owner);
        let what = format!("{at} is not to be trusted: it belongs to {owner}, not to {own}");
        return Err(Error::new(ErrorCode::Refused, what)
            .hint(format!("If it is yours after all: `icacls \"{at}\" /setowner *{own}`.")));
    }
    let strangers = access.strangers(own, place.forbidden());
    let Some((who, repair)) = who_and_repair(path, access, &strangers) else { return Ok(()) };
    let what = format!("{at} is not to be trusted: others can change it ({who})");
    Err(Error::new(ErrorCode::Refused, what)
        .hint(format!("Check that nobody tampered with it, then {repair}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    use crate::sys::access::Descriptor;

    const OWN: &str = "S-1-5-21-1-2-3-1001";

    fn judged(list: &str, place: Place) -> Result<()> {
        let bytes = Descriptor::from_text(list).unwrap();
        judge(Path::new(r"C:\p q"), &Access::parse(bytes.bytes()).unwrap(), place, OWN)
    }

    fn all(list: &str) -> [bool; 4] {
        [Place::Root, Place::OnTheWay, Place::Holder, Place::End]
            .map(|place| judged(list, place).is_ok())
    }

    #[test]
    fn the_lists_of_a_plain_system_are_trusted_where_they_are() {
        let drive = "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464D:PAI\
            (A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)\
            (A;OICIIO;SDGXGWGR;;;AU)(A;;LC;;;AU)";
        assert_eq!(all(drive), [true, true, false, false], "every user may add a directory");
        let data = "O:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1301bf;;;AU)";
        assert_eq!(all(data), [true, false, false, false], "a root cannot be deleted");
        let programs = "O:SYD:PAI(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICIIO;GA;;;CO)";
        assert_eq!(all(programs), [true; 4]);
        let shared = "O:SYD:AI(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)(A;CI;DCLCRPCR;;;BU)";
        assert_eq!(all(shared), [true, true, false, false], "every user may add a file");
        let own = format!("O:{OWN}D:(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{OWN})");
        assert_eq!(all(&own), [true; 4]);
    }

    #[test]
    fn a_stranger_who_can_change_it_is_named_with_the_repair() {
        for right in ["SD", "WD", "WO", "0x40", "GA"] {
            let list = format!("O:{OWN}D:(A;;FA;;;{OWN})(A;;{right};;;BU)(A;;FR;;;WD)");
            let error = judged(&list, Place::OnTheWay).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Refused);
            assert!(error.message().contains("Users (S-1-5-32-545)"), "{right}: {error:?}");
            let repair = r#"`icacls "C:\p q" /inheritance:d /remove:g *S-1-5-32-545`"#;
            assert!(error.next_step().unwrap().contains(repair), "{error:?}");
        }
        assert!(judged(&format!("O:{OWN}"), Place::Root).unwrap_err().message().contains("no acc"));
        let error = judged("O:S-1-5-21-9D:(A;;FA;;;SY)", Place::End).unwrap_err();
        assert!(error.message().contains("belongs to S-1-5-21-9"), "{error:?}");
    }

    #[test]
    fn what_only_the_user_can_change_is_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "x").unwrap();
        check_path(&path, ErrorCode::Home).unwrap();
        check_parent(dir.path(), ErrorCode::Home).unwrap();
        check_file(&File::open(&path).unwrap(), &path, ErrorCode::Home).unwrap();
        let none = check_path(&dir.path().join("none"), ErrorCode::Home).unwrap_err();
        assert_eq!(none.code(), ErrorCode::Home);
    }

    #[test]
    fn what_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, path) = (dir.path().join("d"), dir.path().join(r"d\f"));
        let open = Descriptor::from_text("D:P(A;OICI;FA;;;WD)").unwrap();
        fs::create_dir(&inner).unwrap();
        open.apply(&access::look_at(&inner).unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let error = check_path(&path, ErrorCode::Home).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Refused);
        assert!(error.message().contains("Everyone (S-1-1-0)"), "{error:?}");
        Descriptor::private().unwrap().apply(&File::open(&path).unwrap()).unwrap();
        assert!(check_path(&path, ErrorCode::Home).is_err(), "its directory is still open");
    }

    #[test]
    fn a_junction_is_followed_and_its_target_checked() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, link) = (dir.path().join("d"), dir.path().join("l"));
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("f"), "x").unwrap();
        let mut shell = std::process::Command::new("cmd");
        let made = shell.args(["/c", "mklink", "/J"]).arg(&link).arg(&inner).output();
        if made.is_err() || !link.is_symlink() {
            // Past the capture of the test runner; Wine 8 makes none.
            let why = "NOT RUN: a_junction_is_followed_and_its_target_checked: no junction is made";
            let _ = writeln!(std::io::stderr(), "{why}");
            return;
        }
        check_path(&link.join("f"), ErrorCode::Home).unwrap();
        crate::sys::trust::testing::open_to_all(&inner, true);
        let error = check_path(&link.join("f"), ErrorCode::Home).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Refused, "{error:?}");
    }
}
