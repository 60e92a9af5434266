//! [`Home`]: a private mesh of one test. Whatever was started in it, launched or detached, is
//! killed when the test ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mesh_core::{AppName, Client, Entry, Kind, Registry, Value};
use tempfile::TempDir;

use super::heavy::{Permit, light};
use super::output::Output;
use super::platform::{self, ENVIRONMENT, HOME, Herd};
use super::process::Proc;
use super::programs::{program, test_app};
use super::wait::{SOON, eventually};

/// A temporary home with everything that runs in it.
pub(crate) struct Home {
    herd: Herd,
    root: PathBuf,
    /// Removed when nobody uses it any more.
    folder: TempDir,
    /// Last: the next test begins when all is gone.
    _permit: Option<Permit>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::named("home")
    }

    /// A home whose last name is `name`: a long one makes every path in it long.
    pub(crate) fn named(name: &str) -> Self {
        let permit = light();
        let folder = tempfile::Builder::new().prefix("mesh-").tempdir().expect("a new folder");
        let root = folder.path().join(name);
        fs::create_dir(&root).expect("a new folder");
        platform::private(&root);
        Self { herd: Herd::of(&root), root, folder, _permit: permit }
    }

    /// A home that the account without privileges owns, for tests of permissions.
    pub(crate) fn unprivileged() -> Self {
        let home = Self::new();
        platform::give(home.folder.path());
        platform::give(&home.root);
        home
    }

    /// The home itself: `MESH_HOME`.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.clone()
    }

    /// A path beside the home, for the test's own files.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn core(&self) -> mesh_core::Home {
        mesh_core::Home::at(self.path())
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::at(&self.core())
    }

    pub(crate) fn registry_file(&self) -> PathBuf {
        self.core().registry_path()
    }

    /// A client of the test's own process.
    pub(crate) fn client(&self) -> Client {
        Client::builder().home(self.core()).name("test").build().expect("a client")
    }

    /// A command in this home, with a small environment.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        // Where the tests are started may be a folder in which nothing is launched.
        command.current_dir(self.folder.path());
        command.env_clear().env("MESH_HOME", self.path()).env(HOME, self.folder.path());
        for key in ENVIRONMENT {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        command
    }

    pub(crate) fn mesh_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(program("mesh"));
        command.args(args);
        command
    }

    /// Runs the `mesh` command to its end.
    #[track_caller]
    pub(crate) fn mesh(&self, args: &[&str]) -> Output {
        Proc::spawn(&mut self.mesh_command(args)).wait_within(SOON)
    }

    pub(crate) fn app_command(&self, name: &str, flags: &[&str]) -> Command {
        let mut command = self.command(test_app());
        command.arg(name).args(flags);
        command
    }

    /// Starts the test app and waits until it is ready.
    #[track_caller]
    pub(crate) fn app(&self, name: &str, flags: &[&str]) -> Proc {
        let mut app = Proc::spawn(&mut self.app_command(name, flags));
        app.line("ready");
        app
    }

    /// Registers the test app without starting it; it traces its starts in [`Home::starts`].
    pub(crate) fn registered(&self, name: &str, flags: &[&str]) {
        let trace = self.trace(name).to_string_lossy().into_owned();
        let mut command = vec![test_app().to_owned(), name.to_owned(), "--trace".to_owned(), trace];
        command.extend(flags.iter().map(|&flag| flag.to_owned()));
        self.put(name, command);
    }

    /// Registers a command.
    pub(crate) fn put(&self, name: &str, command: Vec<String>) {
        let entry = Entry::new(Kind::Binary, command, self.folder.path().to_owned());
        let entry = entry.expect("an entry");
        self.registry().put(&app_name(name), entry).expect("the registry takes the entry");
    }

    /// The pids of all starts of an app that traces.
    pub(crate) fn starts(&self, name: &str) -> Vec<u32> {
        let trace = fs::read_to_string(self.trace(name)).unwrap_or_default();
        trace.lines().map(|line| line.parse().expect("a pid")).collect()
    }

    pub(crate) fn trace(&self, name: &str) -> PathBuf {
        self.beside(&format!("{name}.starts"))
    }

    /// A counter of the test app.
    #[track_caller]
    pub(crate) fn counter(&self, app: &str, name: &str) -> u64 {
        self.client().call(app, "counter", (name,)).expect("a counter")
    }

    /// How many connections an app has; that of the asking client is one.
    #[track_caller]
    pub(crate) fn connections(&self, app: &str) -> u64 {
        let stats: Value = self.client().call(app, "mesh.stats", ()).expect("its figures");
        stats.get("connections").and_then(Value::as_u64).expect("a figure")
    }

    /// A folder beside the home with so many files.
    pub(crate) fn folder_of(&self, files: usize) -> String {
        let folder = self.beside("files");
        fs::create_dir(&folder).expect("a new folder");
        for n in 0..files {
            fs::write(folder.join(n.to_string()), "x").expect("a new file");
        }
        folder.into_os_string().into_string().expect("a path in UTF-8")
    }

    /// Waits until a counter of the test app has reached `least`.
    #[track_caller]
    pub(crate) fn counted(&self, app: &str, name: &str, least: u64) {
        let client = self.client();
        eventually(SOON, &format!("{least} x {name} in {app}"), || {
            let count: u64 = client.call(app, "counter", (name,)).expect("a counter");
            (count >= least).then_some(())
        });
    }

    /// Kills the live app of this name the hard way and waits until it is gone.
    #[track_caller]
    pub(crate) fn kill_app(&self, name: &str) {
        let pid: u32 = self.client().request(name, "pid").no_launch().call().expect("its pid");
        assert!(self.processes().contains(&pid), "pid {pid} runs in this home");
        platform::kill(pid);
        eventually(SOON, "the end of a killed app", || {
            (!self.processes().contains(&pid)).then_some(())
        });
    }

    /// Every process of this home that has not ended.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.herd.processes()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A process that is being killed may have started another one.
        for _ in 0..3 {
            self.processes().into_iter().for_each(platform::kill);
        }
    }
}

pub(crate) fn app_name(name: &str) -> AppName {
    AppName::parse(name).expect("a name")
}
