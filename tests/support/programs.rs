//! The programs that tests run: built once for a run, with the profile and into the target
//! directory of the test binary itself, so that `cargo test` on a clean clone needs nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The test app; cargo builds it with the tests.
pub(crate) const TEST_APP: &str = env!("CARGO_BIN_EXE_mesh-test-app");

/// The path of a program of the workspace: `mesh`, `statusbar`, `scanner`, `launcher`.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(built).as_ref().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// Copies a program that will be run. By another process: this one starts children in other
/// threads, and one that is born while the copy is open for writing keeps it busy.
pub(crate) fn copy(program: impl AsRef<Path>, to: &Path) {
    let copied = Command::new("cp").arg("--").arg(program.as_ref()).arg(to).status();
    assert!(copied.expect("cp runs").success(), "{} is not copied", program.as_ref().display());
}

/// Builds every program; answers their folder, or what the compiler said.
fn built() -> Result<PathBuf, String> {
    let folder = Path::new(TEST_APP).parent().ok_or("a program is in no folder")?;
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
