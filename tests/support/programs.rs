//! The programs that tests run: built once for a run, with the profile and into the target
//! directory of the test binary itself, so that `cargo test` on a clean clone needs nothing else.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use super::platform::{close, give};
use super::wait::{SOON, eventually};

/// Whether another system has built this test: then its cargo cannot be run here.
const IS_CROSS: bool = cfg!(windows) && env!("CARGO").as_bytes()[0] == b'/';

/// The test app; cargo builds it with the tests.
pub(crate) fn test_app() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| absolute(env!("CARGO_BIN_EXE_mesh-test-app")));
    &PATH
}

/// The program of the README; cargo builds it with the tests.
pub(crate) fn face() -> String {
    absolute(env!("CARGO_BIN_EXE_mesh-test-face"))
}

/// A path of cargo's, which has no drive if another system has built this test.
fn absolute(path: &str) -> String {
    let path = std::path::absolute(path).expect("there is a current folder");
    path.into_os_string().into_string().expect("a path in UTF-8")
}

/// The path of a program of the workspace: `mesh`, `statusbar`, `scanner`, `launcher`.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(built).as_ref().unwrap_or_else(|error| panic!("{error}"));
    let path = executable(&folder.join(name));
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// The path with the ending that programs have on this system.
pub(crate) fn executable(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(std::env::consts::EXE_SUFFIX);
    PathBuf::from(path)
}

/// Copies a program that will be run. On Unix by another process: this one starts children in
/// other threads, and one that is born while the copy is open for writing keeps it busy.
pub(crate) fn copy(program: impl AsRef<Path>, to: &Path) {
    let from = program.as_ref();
    let copied = if cfg!(windows) {
        std::fs::copy(from, to).is_ok()
    } else {
        let copied = Command::new("cp").arg("--").arg(from).arg(to).status();
        copied.expect("cp runs").success()
    };
    assert!(copied, "{} is not copied", from.display());
}

/// A copy of a program in a folder, for whom it is `give`n to; a target directory may be private.
pub(crate) fn copied(program: &Path, folder: &Path) -> PathBuf {
    let to = folder.join(program.file_name().expect("a program has a name"));
    copy(program, &to);
    close(&to);
    give(&to);
    to
}

/// Removes a program that has been run: Windows keeps it for a moment longer than its process.
pub(crate) fn remove(program: &Path) {
    let busy = |error: &Error| cfg!(windows) && error.kind() == ErrorKind::PermissionDenied;
    let removed = eventually(SOON, "a program is removed", || {
        let removed = std::fs::remove_file(program);
        (!removed.as_ref().is_err_and(busy)).then_some(removed)
    });
    removed.expect("a program that may be removed");
}

/// Builds every program; answers their folder, or what the compiler said.
fn built() -> Result<PathBuf, String> {
    let folder = Path::new(test_app()).parent().ok_or("a program is in no folder")?;
    if IS_CROSS {
        // `.ci/windows` has built them.
        return Ok(folder.to_owned());
    }
    let target = folder.parent().ok_or("a profile's folder is in no target directory")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(named) => named,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let build = Command::new(cargo)
        .args(["build", "--workspace", "--bins", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(workspace())
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    match build.status.success() {
        true => Ok(folder.to_owned()),
        false => Err(format!("no build:\n{}", String::from_utf8_lossy(&build.stderr))),
    }
}

/// The folder of the workspace's Cargo.toml.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member")
}
