//! What is not to be trusted is refused and nothing is run from it. The commands run without
//! privileges, because root may do everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(unix)] // unix-only: a test that needs root
use crate::support::not_here;
use crate::support::output::Output;
use crate::support::platform::{close, give, private, share, unprivileged};
#[cfg(unix)] // unix-only: what the tests of modes and accounts need
use crate::support::platform::{is_root, mode, mode_of};
use crate::support::programs::{copied, test_app};
use crate::support::{Home, Proc, program};

/// An account's home with copies of the programs that it may run.
struct Account {
    home: Home,
    mesh: PathBuf,
    app: PathBuf,
}

impl Account {
    fn new() -> Self {
        let home = Home::unprivileged();
        let bin = home.beside("bin");
        fs::create_dir(&bin).unwrap();
        give(&bin);
        let mesh = copied(&program("mesh"), &bin);
        let app = copied(Path::new(test_app()), &bin);
        Self { home, mesh, app }
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.home.command(program);
        unprivileged(&mut command);
        command
    }

    #[track_caller]
    fn mesh(&self, args: &[&str]) -> Output {
        Proc::spawn(self.command(&self.mesh).args(args)).wait()
    }

    /// Registers the test app; it traces its starts.
    fn registered(&self) {
        let (app, trace) = (self.app.display().to_string(), self.home.trace("one"));
        let trace = trace.display().to_string();
        self.mesh(&["registry", "add", "one", "--", &app, "one", "--trace", &trace]).exits(0);
    }

    /// A call is refused for safety, names the path and starts nothing.
    #[track_caller]
    fn refuses(&self, path: &Path) {
        let call = self.mesh(&["call", "one", "pid"]).exits(6).prints("");
        assert!(call.stderr.contains(path.to_str().unwrap()), "{} in\n{call}", path.display());
        assert!(self.home.starts("one").is_empty());
    }
}

#[test]
#[cfg(unix)] // unix-only: modes and umask
fn everything_in_the_home_is_private_under_any_umask() {
    for umask in ["000", "002", "022", "077"] {
        let account = Account::new();
        fs::remove_dir(account.home.path()).unwrap();
        let mut shell = account.command("/bin/sh");
        shell.arg("-c").arg(format!("umask {umask}; exec '{}' one", account.app.display()));
        let mut app = Proc::spawn(&mut shell);
        app.line("ready");
        all_private(&account.home.path());
    }
}

/// Folders 0700, all else 0600.
#[cfg(unix)] // unix-only: modes
fn all_private(path: &Path) {
    let kind = path.symlink_metadata().unwrap().file_type();
    if kind.is_symlink() {
        return;
    }
    let expected = if kind.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(mode_of(path), expected, "{}", path.display());
    if kind.is_dir() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| all_private(&entry.path()));
    }
}

#[test]
fn a_registry_that_others_may_write_is_refused() {
    let account = Account::new();
    account.registered();
    let file = account.home.registry_file();
    let before = fs::read(&file).unwrap();
    share(&file);
    account.refuses(&file);
    assert_eq!(fs::read(&file).unwrap(), before);
    close(&file);
    account.mesh(&["call", "one", "pid"]).exits(0);
}

#[test]
fn a_home_or_an_ancestor_that_others_may_write_is_refused() {
    let account = Account::new();
    account.registered();
    let home = account.home.path();
    share(&home);
    account.refuses(&home);
    private(&home);
    let above = home.parent().unwrap();
    share(above);
    account.refuses(above);
    close(above);
    account.mesh(&["call", "one", "pid"]).exits(0);
}

#[test]
fn a_program_that_others_may_write_is_not_run() {
    let account = Account::new();
    account.registered();
    share(&account.app);
    account.refuses(&account.app);
    close(&account.app);
    let bin = account.app.parent().unwrap();
    share(bin);
    account.refuses(bin);
    close(bin);
    account.mesh(&["call", "one", "pid"]).exits(0);
}

#[test]
#[cfg(unix)] // unix-only: root can give a file away
fn a_registry_of_another_account_is_refused() {
    use std::os::unix::fs::chown;
    if !is_root() {
        return not_here("a_registry_of_another_account_is_refused", "needs root to make one");
    }
    let account = Account::new();
    account.registered();
    let file = account.home.registry_file();
    mode(&file, 0o644);
    chown(&file, Some(54_321), Some(54_321)).unwrap();
    account.refuses(&file);
}

#[test]
#[cfg(unix)] // unix-only: on Windows a link needs a privilege
fn a_link_in_place_of_the_registry_is_not_followed() {
    let account = Account::new();
    account.registered();
    let file = account.home.registry_file();
    let elsewhere = account.home.beside("elsewhere.json");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    let call = account.mesh(&["call", "one", "pid"]);
    assert_ne!(call.code, 0, "{call}");
    account.mesh(&["registry", "add", "two", "--", "/bin/true"]);
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    assert!(account.home.starts("one").is_empty());
}

#[test]
#[cfg(unix)] // unix-only: a mode that shuts the owner out
fn an_unreadable_home_is_a_named_error() {
    let account = Account::new();
    account.registered();
    let home = account.home.path();
    mode(&home, 0o000);
    let list = account.mesh(&["registry", "list"]);
    assert!(list.code != 0 && list.stderr.contains(home.to_str().unwrap()), "{list}");
    let app = Proc::spawn(account.command(&account.app).arg("one")).wait();
    assert!(app.code != 0 && app.stderr.contains(home.to_str().unwrap()), "{app}");
    mode(&home, 0o700);
    account.mesh(&["call", "one", "pid"]).exits(0);
}

#[test]
#[cfg(unix)] // unix-only: root can run a program as another account
fn another_account_reaches_nothing() {
    if !is_root() {
        return not_here("another_account_reaches_nothing", "needs root for a second account");
    }
    let home = Home::new();
    let _app = home.app("one", &[]);
    mode(home.path().parent().unwrap(), 0o755);
    let mesh = copied(&program("mesh"), home.path().parent().unwrap());
    for args in
        [&["call", "one", "pid"][..], &["ping", "one"], &["stop", "one"], &["registry", "list"]]
    {
        let mut command = home.command(&mesh);
        let other = Proc::spawn(unprivileged(&mut command).args(args).current_dir("/")).wait();
        assert_ne!(other.code, 0, "{args:?}: {other}");
        assert_eq!(other.stdout, "", "{args:?}");
    }
    home.mesh(&["call", "one", "pid"]).exits(0);
}
