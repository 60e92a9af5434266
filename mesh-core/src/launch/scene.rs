//! A place for launches in tests. An app "owns its name" by a file that holds its pid: a number for
//! ready, an empty file for starting. What a child does is a script of [`script`].

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Launch, LaunchEvent, Launched, Probe, starting};
use crate::error::Result;
use crate::name::AppName;
use crate::registry::{Entry, Kind, Registry};
use crate::sys::clock;
use crate::sys::home::Home;
use crate::sys::process::Handle;
use crate::sys::spawn::script::{self, SCRIPT_VARIABLE};

pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
    pub(super) home: Home,
    pub(super) registry: Registry,
    pub(super) name: AppName,
}

impl Scene {
    /// A home with one app, which does these steps.
    pub(super) fn new(steps: &str, ready_timeout: Duration) -> Self {
        let scene = Self::with(script::command(), ready_timeout);
        scene.change(|entry| {
            entry.env.insert(SCRIPT_VARIABLE.to_owned(), steps.to_owned());
            // A sticky directory above the build is trusted on Unix, and nowhere else.
            #[cfg(windows)]
            {
                let program = scene.dir.path().join("child.exe");
                fs::hard_link(&entry.command[0], &program)
                    .or_else(|_| fs::copy(&entry.command[0], &program).map(drop))
                    .unwrap();
                entry.command[0] = program.to_str().unwrap().to_owned();
            }
        });
        scene
    }

    /// A home with one app, which is started by this command.
    pub(super) fn with(command: Vec<String>, ready_timeout: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        let (registry, name) = (Registry::at(&home), AppName::parse("app").unwrap());
        let cwd = home.root().to_owned();
        let mut entry = Entry::new(Kind::Binary, command, cwd).unwrap();
        entry.launch.ready_timeout = Some(ready_timeout);
        for variable in ["owner", "count", "gate"] {
            let path = dir.path().join(variable).to_str().unwrap().to_owned();
            entry.env.insert(variable.to_uppercase(), path);
        }
        registry.put(&name, entry).unwrap();
        fs::write(dir.path().join("gate"), "closed").unwrap();
        Self { dir, home, registry, name }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Entry)) {
        let mut entry = self.registry.entry(&self.name).unwrap().unwrap();
        change(&mut entry);
        self.registry.put(&self.name, entry).unwrap();
    }

    /// Lets the children that wait for it go on.
    pub(super) fn open_gate(&self) {
        fs::remove_file(self.dir.path().join("gate")).unwrap();
    }

    pub(super) fn owner_path(&self) -> PathBuf {
        self.dir.path().join("owner")
    }

    /// How often a script was started that counts.
    pub(super) fn starts(&self) -> usize {
        fs::read_to_string(self.dir.path().join("count")).unwrap_or_default().lines().count()
    }

    /// Blocks until the one script that was started has counted itself.
    pub(super) fn wait_for_start(&self) {
        let end = Instant::now() + LONG;
        while self.starts() == 0 && Instant::now() < end {
            clock::pause(Duration::from_millis(5));
        }
        assert_eq!(self.starts(), 1);
    }

    pub(super) fn probe(&self) -> Result<Probe> {
        Ok(match fs::read_to_string(self.owner_path()) {
            Ok(text) if text == "silent" => Probe::Silent { pid: 1 },
            Ok(text) => match text.trim().parse() {
                Ok(pid) => Probe::Ready { pid },
                Err(_) => Probe::Starting { pid: 1 },
            },
            Err(_) => Probe::Absent,
        })
    }

    pub(super) fn run(&self) -> Result<Launched> {
        self.run_with(Wish::default())
    }

    pub(super) fn run_with(&self, wish: Wish<'_>) -> Result<Launched> {
        let launch = Launch {
            home: &self.home,
            registry: &self.registry,
            name: &self.name,
            call_path: wish.call_path,
            until: wish.until,
            cancelled: wish.cancelled,
            observe: wish.observe,
            probe: &|| self.probe(),
        };
        launch.run()
    }

    /// Runs a wait in `callers` threads, and `then` once each of them has been told that the
    /// app is starting.
    pub(super) fn run_many(
        &self,
        callers: usize,
        then: impl FnOnce(),
    ) -> Vec<(Result<Launched>, Instant)> {
        let (tell, told) = crossbeam_channel::bounded(callers);
        std::thread::scope(|scope| {
            let run = || {
                let first = Cell::new(true);
                let observe = |_: &LaunchEvent| {
                    if first.replace(false) {
                        tell.send(()).unwrap();
                    }
                };
                let wish = Wish { observe: &observe, ..Wish::default() };
                (self.run_with(wish), Instant::now())
            };
            let callers: Vec<_> = (0..callers).map(|_| scope.spawn(run)).collect();
            for _ in &callers {
                told.recv_timeout(LONG).unwrap();
            }
            then();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        })
    }

    pub(super) fn end(&self) {
        if let Some(process) = starting(&self.home, &self.name)
            && let Some(handle) = Handle::of(&process)
        {
            handle.kill();
        }
    }
}

/// What differs between callers.
pub(super) struct Wish<'a> {
    pub(super) until: Option<Instant>,
    pub(super) cancelled: &'a dyn Fn() -> bool,
    pub(super) call_path: &'a [String],
    pub(super) observe: &'a dyn Fn(&LaunchEvent),
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { until: None, cancelled: &|| false, call_path: &[], observe: &|_| {} }
    }
}

/// Longer than any launch of a test.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// Registers a program that the system cannot run.
pub(super) fn register_junk(scene: &Scene) {
    let program = scene.dir.path().join("junk.exe");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, mode).unwrap();
    }
    scene.change(|entry| entry.command = vec![program.to_str().unwrap().to_owned()]);
}
