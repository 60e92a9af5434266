//! How a program is launched again: the path that stays right, the directory, and what the first
//! words of a command mean. The arguments of the first start are never repeated: they were for
//! that start.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::entry::Kind;
use crate::error::{Error, ErrorCode, Result};
use crate::sys::{file, trust};

/// The command that launches this process's program.
///
/// # Errors
/// `registry` when the program's path is not known or not UTF-8.
pub(crate) fn this_program() -> Result<Vec<String>> {
    let unknown = || Error::new(ErrorCode::Registry, "the path of this program is not known");
    let running = env::current_exe().map_err(|error| unknown().source(error))?;
    let image = app_image(env::var_os("APPIMAGE"), env::var_os("APPDIR"), &running);
    let program = image.unwrap_or_else(|| file::plain(&running));
    match program.to_str() {
        Some(text) => Ok(vec![without_mark(text).to_owned()]),
        None => Err(Error::new(
            ErrorCode::Registry,
            format!("the path of this program is not UTF-8: {}", program.display()),
        )),
    }
}

/// The directory to launch this process's program in: the current one. Where others could plant
/// files (such as `/tmp`), or when it is gone, it is the root directory (on Windows the
/// system's own) instead, because a launch in such a directory is refused.
pub(crate) fn this_directory() -> PathBuf {
    match env::current_dir() {
        Ok(directory) if trust::check_path(&directory, ErrorCode::Refused).is_ok() => directory,
        _ => trust::neutral_directory(),
    }
}

/// An AppImage runs from a mount that is gone afterwards; the image itself stays. The variables
/// are inherited by whatever is started from inside one, so the program must be in the mount.
fn app_image(
    image: Option<impl AsRef<OsStr>>,
    mount: Option<impl AsRef<OsStr>>,
    running: &Path,
) -> Option<PathBuf> {
    let image = PathBuf::from(image?.as_ref());
    let inside = mount.is_none_or(|mount| running.starts_with(mount.as_ref()));
    (inside && image.is_absolute() && image.is_file()).then_some(image)
}

/// The kernel marks the path of a program that was replaced while it runs.
fn without_mark(running: &str) -> &str {
    match running.strip_suffix(" (deleted)") {
        Some(path) if !Path::new(running).exists() => path,
        _ => running,
    }
}

/// The command with an absolute program and, for a script, an absolute script; both exist.
///
/// # Errors
/// `no_such_app` when one of them does not exist, `registry` when the result is not UTF-8.
pub(crate) fn resolve(kind: Kind, mut command: Vec<String>, cwd: &Path) -> Result<Vec<String>> {
    let search = env::var_os("PATH").unwrap_or_default();
    if let Some(first) = command.first_mut() {
        let found = if is_bare(first) {
            in_path(first, &search).ok_or_else(|| {
                let what = format!("no program {first:?} is in PATH");
                Error::new(ErrorCode::NoSuchApp, what).hint("Give its full path.")
            })?
        } else {
            let given = cwd.join(&*first);
            file::spellings(&given).into_iter().find(|path| path.is_file()).unwrap_or(given)
        };
        *first = existing(found)?;
    }
    if let (Kind::Script, Some(script)) = (kind, command.get_mut(1)) {
        *script = existing(cwd.join(&*script))?;
    }
    Ok(command)
}

/// Whether it is a name alone, without a directory or drive.
fn is_bare(program: &str) -> bool {
    Path::new(program).file_name() == Some(OsStr::new(program))
}

fn in_path(program: &str, search: &OsStr) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| path.is_absolute() && file::is_executable(path);
    env::split_paths(search)
        .flat_map(|directory| file::spellings(&directory.join(program)))
        .find(is_program)
}

fn existing(path: PathBuf) -> Result<String> {
    // `join` keeps a `./` or `../` of the command; the former is only noise.
    let path = file::plain(&path.components().collect::<PathBuf>());
    if !path.is_file() {
        let what = match path.metadata() {
            Ok(about) => format!("{} is {}, not a program", path.display(), trust::kind_of(&about)),
            Err(_) => format!("the program {} does not exist", path.display()),
        };
        return Err(Error::new(ErrorCode::NoSuchApp, what).hint("Check the path."));
    }
    path.into_os_string().into_string().map_err(|path| {
        let what = format!("the program's path is not UTF-8: {}", path.display());
        Error::new(ErrorCode::Registry, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_image_is_named_by_its_image_only_from_inside() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("x.AppImage");
        let mount = Some("/tmp/.mount_x");
        let inside = Path::new("/tmp/.mount_x/usr/bin/x");
        assert_eq!(app_image(Some(&image), mount, inside), None, "it does not exist");
        std::fs::write(&image, "").unwrap();
        assert_eq!(app_image(Some(&image), mount, inside), Some(image.clone()));
        assert_eq!(app_image(Some(&image), mount, Path::new("/usr/bin/y")), None);
        assert_eq!(app_image(None::<&str>, mount, inside), None);
    }

    #[test]
    fn a_replaced_program_keeps_its_path() {
        assert_eq!(without_mark("/x/y (deleted)"), "/x/y");
        assert_eq!(without_mark("/x/y"), "/x/y");
    }

    #[test]
    fn a_command_becomes_absolute() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("s.sh");
        std::fs::write(&script, "").unwrap();
        // On Windows it is `cmd.exe`, named without its extension.
        let shell = if cfg!(windows) { "cmd" } else { "sh" };
        let made = resolve(Kind::Script, words(&[shell, "./s.sh", "./a"]), dir.path()).unwrap();
        assert!(Path::new(&made[0]).is_absolute() && Path::new(&made[0]).is_file());
        assert_eq!(made[1..], words(&[script.to_str().unwrap(), "./a"]));
        for missing in ["no-such-program-xyz", "./nothing", ".", ".."] {
            let error = resolve(Kind::Binary, words(&[missing]), dir.path()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::NoSuchApp, "{missing:?}");
        }
        let directory = dir.path().to_str().unwrap();
        let error = resolve(Kind::Binary, words(&[directory]), dir.path()).unwrap_err();
        assert!(error.message().contains(&format!("{directory} is a directory")), "{error:?}");
    }

    #[test]
    fn a_name_with_a_directory_is_not_looked_for_in_path() {
        assert!(is_bare("python") && is_bare("python3.12"));
        for other in ["", "./x", "a/x", "x/", ".", "..", "/x"] {
            assert!(!is_bare(other), "{other:?}");
        }
        // On Unix these are odd names.
        for other in [r".\x", "C:x", r"C:\x", r"\\s\h\x"] {
            assert_eq!(is_bare(other), cfg!(unix), "{other:?}");
        }
    }

    #[test]
    fn a_path_may_have_spaces_and_letters_of_any_script() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("\u{fc}ber \u{30e1}\u{30c3} (x86)");
        std::fs::create_dir(&folder).unwrap();
        let program = folder.join(format!("a b{}", env::consts::EXE_SUFFIX));
        std::fs::write(&program, "").unwrap();
        let given = folder.join("a b").to_str().unwrap().to_owned();
        let made = resolve(Kind::Binary, vec![given], dir.path()).unwrap();
        assert_eq!(Path::new(&made[0]), program);
    }

    #[test]
    fn a_path_may_be_longer_than_old_systems_allow() {
        let dir = tempfile::tempdir().unwrap();
        let folder = (0..6).fold(dir.path().to_owned(), |path, _| path.join("x".repeat(60)));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join(format!("p{}", env::consts::EXE_SUFFIX));
        crate::sys::trust::testing::make_program(&program);
        let made =
            resolve(Kind::Binary, vec![program.to_str().unwrap().to_owned()], dir.path()).unwrap();
        assert_eq!(Path::new(&made[0]), program);
        assert!(file::is_executable(&program));
        trust::check_path(&program, ErrorCode::Refused).unwrap();
    }
}
