//! Files by handles and access lists.
//!
//! Whoever opens a file says what others may do with it meanwhile. Ours are opened such that they
//! can be read, written, renamed and replaced under the reader, as on Unix. Programs that are not
//! ours (a virus scanner, a backup) may hold a file for a moment without that; what meets them
//! is tried again for up to [`PATIENCE`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf, Prefix};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use crate::sys::access::{Access, Descriptor};
use crate::sys::win32::code;
use crate::sys::{clock, user};

/// How long a file that somebody else holds is tried again.
const PATIENCE: Duration = Duration::from_secs(4);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(10);
/// Longer paths are given to the system in their verbatim form; a directory must leave room for
/// a short name.
const PLAIN_MAX: usize = 240;
/// What `CreateProcess` runs, the last two by the command interpreter.
const PROGRAMS: [&str; 4] = ["exe", "com", "bat", "cmd"];

/// Opens for reading, without following a link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    patiently(is_shared_badly, || open_with(path, OpenOptions::new().read(true)))
}

/// Opens for reading and writing, and creates the file if it is missing. Nobody can delete or
/// rename it while it is open: this is how lock files are held. Whom that meets waits elsewhere.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    open_with(path, &mut options)
}

/// Opens for appending, and creates the file if it is missing.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let open = || open_with(path, OpenOptions::new().append(true).create(true));
    let file = patiently(is_shared_badly, open)?;
    make_private(&file)?;
    Ok(file)
}

fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)?;
    let about = file.metadata()?;
    if about.is_file() && about.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
}

/// Tries again, for up to [`PATIENCE`], while the error is one that passes.
fn patiently<T>(
    passes: impl Fn(&io::Error) -> bool,
    mut act: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let end = Instant::now() + PATIENCE;
    let mut step = FIRST_PAUSE;
    loop {
        match act() {
            Err(error) if passes(&error) && Instant::now() < end => clock::pause(step),
            done => return done,
        }
        step = (step * 2).min(LAST_PAUSE);
    }
}

fn is_shared_badly(error: &io::Error) -> bool {
    is_any(error, &[ERROR_SHARING_VIOLATION])
}

fn is_any(error: &io::Error, codes: &[u32]) -> bool {
    codes.contains(&code(error))
}

/// Closes the file to other users. One made in a private directory is so already, because it
/// inherits the directory's list; but one that was moved there kept its own, and the system lets
/// anybody who knows a path pass through directories that are closed to them.
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    let access = Access::of(file)?;
    if !access.is_open && access.guests(&user::own()).is_empty() {
        return Ok(());
    }
    Descriptor::private()?.apply(file)
}

/// Whether `path` is a file that the system can start. There is no mode that says so, only the
/// name. The empty files that stand for programs of the Store are not followed.
pub(crate) fn is_executable(path: &Path) -> bool {
    is_program_name(path) && path.is_file()
}

fn is_program_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|found| PROGRAMS.iter().any(|known| found.eq_ignore_ascii_case(known)))
}

/// What to do about a file that is not executable.
pub(crate) fn how_executable(path: &Path) -> String {
    format!(
        "Windows starts .exe, .com, .bat and .cmd files: if {} is a script, register its \
         interpreter before it.",
        path.display()
    )
}

/// The files that the name of a program may mean, the first that exists: with an extension that the
/// system starts it is meant as it is, else one of those of `PATHEXT` is added.
pub(crate) fn spellings(program: &Path) -> Vec<PathBuf> {
    let extensions = std::env::var("PATHEXT").unwrap_or_default();
    spellings_with(program, &extensions)
}

fn spellings_with(program: &Path, extensions: &str) -> Vec<PathBuf> {
    if is_program_name(program) {
        return vec![program.to_owned()];
    }
    let known = extensions.split(';').filter_map(|extension| extension.strip_prefix('.'));
    let mut known: Vec<&str> = known.collect();
    if known.is_empty() {
        known = PROGRAMS.to_vec();
    }
    let add = |extension: &str| {
        let mut name = program.as_os_str().to_owned();
        name.push(".");
        name.push(extension.to_ascii_lowercase());
        PathBuf::from(name)
    };
    known.into_iter().map(add).filter(|path| is_program_name(path)).collect()
}

/// The path as people write it: without the verbatim prefix, where the system takes it for the
/// same without.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let stripped = path.to_str().and_then(|text| {
        let rest = text.strip_prefix(r"\\?\")?;
        match path.components().next()? {
            Component::Prefix(prefix) => match prefix.kind() {
                Prefix::VerbatimDisk(_) => Some(PathBuf::from(rest)),
                Prefix::VerbatimUNC(..) => {
                    Some(PathBuf::from(format!(r"\\{}", rest.strip_prefix(r"UNC\")?)))
                }
                _ => None,
            },
            _ => None,
        }
    });
    let is_same = |plain: &PathBuf| {
        plain.as_os_str().len() < PLAIN_MAX && std::path::absolute(plain).is_ok_and(|a| a == *plain)
    };
    stripped.filter(is_same).unwrap_or_else(|| path.to_owned())
}

/// Puts a temporary file in the place of `path`, which others may have open.
pub(super) fn put(temp: NamedTempFile, path: &Path) -> io::Result<()> {
    // Kept, it loses the mark of a temporary file, whose bytes the system need not write.
    let (file, from) = temp.keep().map_err(|error| error.error)?;
    drop(file);
    // Who reads the file without letting it be replaced makes this a denied access too.
    let passing = [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION];
    let is_held = |error: &io::Error| is_any(error, &passing) && !path.is_dir();
    patiently(is_held, || fs::rename(&from, path)).inspect_err(|_| {
        let _ = fs::remove_file(&from);
    })
}

/// Does nothing: the file system writes the names of files to its journal, and there is no call
/// that waits for it without rights over the whole volume. After a loss of power the old or the
/// new file is found.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    super::directory_of(path).map(drop)
}

/// A path for a system call: absolute, verbatim if it is long, with a zero at its end.
pub(crate) fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let path = std::path::absolute(path)?;
    let plain: Vec<u16> = path.as_os_str().encode_wide().collect();
    if plain.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a path holds a NUL"));
    }
    let (prefix, rest) = match path.components().next() {
        Some(Component::Prefix(prefix)) if plain.len() >= PLAIN_MAX => match prefix.kind() {
            Prefix::Disk(_) => (r"\\?\", &plain[..]),
            Prefix::UNC(..) => (r"\\?\UNC\", plain.get(2..).unwrap_or_default()),
            _ => ("", &plain[..]),
        },
        _ => ("", &plain[..]),
    };
    Ok(prefix.encode_utf16().chain(rest.iter().copied()).chain([0]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file::{Durability, read_bounded, replace};

    // Windows replaces a file under those who read it by `open`. Wine 8 knows no such rename and
    // lets the writer wait for the reader, as older systems do: that is what can be shown.
    #[test]
    fn a_file_is_replaced_while_others_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, ".t-", b"one", Durability::Relaxed).unwrap();
        let reader = open(&path).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| replace(&path, ".t-", b"two", Durability::Relaxed));
            assert_eq!(read_bounded(&reader, 3).unwrap(), b"one");
            drop(reader);
            writer.join().unwrap().unwrap();
        });
        assert_eq!(read_bounded(&open(&path).unwrap(), 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_held_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "old").unwrap();
        let holder = OpenOptions::new().read(true).share_mode(0).open(&path).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_bounded(&open(&path)?, 3));
            drop(holder);
            assert_eq!(reader.join().unwrap().unwrap(), b"old");
        });
        let holder = OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(&path).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| replace(&path, ".t-", b"new", Durability::Relaxed));
            drop(holder);
            writer.join().unwrap().unwrap();
        });
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn what_is_no_file_is_neither_opened_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        fs::create_dir(&path).unwrap();
        assert!(open(&path).is_err() && open_or_create(&path).is_err());
        assert!(replace(&path, ".t-", b"x", Durability::Relaxed).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_log_is_appended_to_and_can_be_renamed_meanwhile() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("f"), dir.path().join("f.1"));
        fs::write(&path, "a").unwrap();
        let mut log = open_to_append(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        log.write_all(b"b").unwrap();
        assert_eq!(fs::read(&moved).unwrap(), b"ab");
        assert!(Access::of(&log).unwrap().guests(&user::own()).is_empty());
    }

    #[test]
    fn a_program_is_known_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is_program) in [("a.EXE", true), ("a.cmd", true), ("a.txt", false), ("a", false)]
        {
            fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(is_executable(&dir.path().join(name)), is_program, "{name}");
        }
        assert!(!is_executable(&dir.path().join("none.exe")));
    }

    #[test]
    fn a_program_may_be_named_without_its_extension() {
        let all = |program: &str, extensions: &str| {
            let found = spellings_with(Path::new(program), extensions);
            found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            all("python", ".COM;.EXE;.VBS;.CMD"),
            ["python.com", "python.exe", "python.cmd"]
        );
        assert_eq!(all("python3.12", ".EXE"), ["python3.12.exe"]);
        assert_eq!(all("a.Exe", ".EXE"), ["a.Exe"]);
        assert_eq!(all("a", "")[0], "a.exe");
    }

    #[test]
    fn a_verbatim_path_becomes_plain_where_it_means_the_same() {
        for (verbatim, expected) in [
            (r"\\?\C:\a b\c.exe", r"C:\a b\c.exe"),
            (r"\\?\UNC\s\h\x.exe", r"\\s\h\x.exe"),
            (r"\\?\C:\a.\b", r"\\?\C:\a.\b"),
            (r"\\?\Volume{1}\x", r"\\?\Volume{1}\x"),
            (r"C:\x", r"C:\x"),
        ] {
            assert_eq!(plain(Path::new(verbatim)).to_str().unwrap(), expected);
        }
        let long = format!(r"\\?\C:\{}", "x".repeat(PLAIN_MAX));
        assert_eq!(plain(Path::new(&long)), Path::new(&long));
    }

    #[test]
    fn a_long_path_is_given_verbatim() {
        let text = |path: &str| String::from_utf16(&wide(Path::new(path)).unwrap()).unwrap();
        let long = "x".repeat(PLAIN_MAX);
        assert_eq!(text(r"C:\a/b"), "C:\\a\\b\0");
        assert_eq!(text(&format!(r"C:\{long}")), format!("\\\\?\\C:\\{long}\0"));
        assert_eq!(text(&format!(r"\\s\h\{long}")), format!("\\\\?\\UNC\\s\\h\\{long}\0"));
    }
}
