//! Launches of real children. A test app "owns its name" by a file that holds its pid: a line for
//! ready, an empty file for starting.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::ledger::Ledger;
use super::*;
use crate::registry::{Entry, Kind};
use crate::sys::clock;

struct Scene {
    dir: tempfile::TempDir,
    home: Home,
    registry: Registry,
    name: AppName,
}

impl Scene {
    /// A home with one app, which is this shell script. `$OWNER` is the file that owns the name.
    fn new(script: &str, ready_timeout: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        let (registry, name) = (Registry::at(&home), AppName::parse("app").unwrap());
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let mut entry = Entry::new(Kind::Binary, command, "/".into()).unwrap();
        entry.launch.ready_timeout = Some(ready_timeout);
        let scene = Self { dir, home, registry, name };
        let owner = scene.owner_path().to_str().unwrap().to_owned();
        entry.env.insert("OWNER".to_owned(), owner);
        entry.env.insert("COUNT".to_owned(), scene.count_path().to_str().unwrap().to_owned());
        scene.registry.put(&scene.name, entry).unwrap();
        scene
    }

    fn owner_path(&self) -> PathBuf {
        self.dir.path().join("owner")
    }

    fn count_path(&self) -> PathBuf {
        self.dir.path().join("count")
    }

    /// How often the script was started.
    fn starts(&self) -> usize {
        fs::read_to_string(self.count_path()).unwrap_or_default().lines().count()
    }

    fn probe(&self) -> Result<Probe> {
        Ok(match fs::read_to_string(self.owner_path()) {
            Ok(text) if text == "silent" => Probe::Silent { pid: 1 },
            Ok(text) => match text.trim().parse() {
                Ok(pid) => Probe::Ready { pid },
                Err(_) => Probe::Starting { pid: 1 },
            },
            Err(_) => Probe::Absent,
        })
    }

    fn run(&self) -> Result<Launched> {
        self.run_with(Wish::default())
    }

    fn run_with(&self, wish: Wish<'_>) -> Result<Launched> {
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
    fn run_many(&self, callers: usize, then: impl FnOnce()) -> Vec<(Result<Launched>, Instant)> {
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

    fn end(&self) {
        if let Some(process) = starting(&self.home, &self.name)
            && let Some(handle) = crate::sys::process::Handle::of(&process)
        {
            handle.kill();
        }
    }
}

/// What differs between callers.
struct Wish<'a> {
    until: Option<Instant>,
    cancelled: &'a dyn Fn() -> bool,
    call_path: &'a [String],
    observe: &'a dyn Fn(&LaunchEvent),
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { until: None, cancelled: &|| false, call_path: &[], observe: &|_| {} }
    }
}

const LONG: Duration = Duration::from_secs(20);
/// Counts a start.
const COUNT: &str = "echo start >>$COUNT;";
/// Owns the name and says so.
const READY: &str = "echo $$ >$OWNER.new; mv $OWNER.new $OWNER; echo >/dev/fd/$MESH_READY_FD;";

#[test]
fn fifty_callers_make_one_launch() {
    let scene = Scene::new(&format!("{COUNT} {READY} exec cat /dev/fd/0"), LONG);
    let results: Vec<Launched> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..50).map(|_| scope.spawn(|| scene.run().unwrap())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let started = |result: &&Launched| matches!(result, Launched::Started { .. });
    assert_eq!(results.iter().filter(started).count(), 1, "{results:?}");
    assert_eq!(scene.starts(), 1);
    assert_eq!(Ledger::read(&scene.home.ledger_path(&scene.name)).start, None);
}

#[test]
fn events_tell_the_start_and_the_end() {
    let scene = Scene::new(READY, LONG);
    let run = || {
        let events = RefCell::new(Vec::new());
        let observe = |event: &LaunchEvent| events.borrow_mut().push(format!("{event:?}"));
        let result = scene.run_with(Wish { observe: &observe, ..Wish::default() }).unwrap();
        (result, events.into_inner())
    };
    let (result, events) = run();
    assert!(matches!(result, Launched::Started { .. }), "{result:?}");
    assert!(events.first().unwrap().starts_with("Started"), "{events:?}");
    assert!(events.last().unwrap().starts_with("Ready"), "{events:?}");
    let (again, events) = run();
    assert!(matches!(again, Launched::AlreadyRunning { .. }), "{again:?}");
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn a_child_that_ends_at_once_fails_all_callers_soon_with_its_words() {
    // The child hangs in opening the gate until the test opens the other end.
    let scene = Scene::new("echo problem >&2; read line <$OWNER.go; exit 3", LONG);
    let gate = scene.dir.path().join("owner.go");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let died = Cell::new(Instant::now());
    let results = scene.run_many(10, || {
        drop(fs::OpenOptions::new().write(true).open(&gate).unwrap());
        died.set(Instant::now());
    });
    for (result, told) in results {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::LaunchFailed);
        assert!(error.message().contains("exit code 3"), "{error:?}");
        assert!(error.message().ends_with("problem"), "{error:?}");
        assert!(error.next_step().unwrap().contains("app.log"), "{error:?}");
        // The promise is 200 ms; a busy machine may need more to run eleven threads.
        assert!(told.saturating_duration_since(died.get()) < Duration::from_secs(2));
    }
}

#[test]
fn a_child_that_is_killed_is_told_by_the_signals_name() {
    let scene = Scene::new("kill -9 $$", LONG);
    let error = scene.run().unwrap_err();
    assert!(error.message().contains("signal SIGKILL"), "{error:?}");
    assert!(error.message().ends_with("printed nothing"), "{error:?}");
}

#[test]
fn a_child_that_never_gets_ready_is_told_as_starting_and_left_alone() {
    let scene = Scene::new(&format!("{COUNT} exec sleep 60"), Duration::from_millis(200));
    let error = scene.run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::LaunchFailed);
    assert!(error.message().contains("still starting"), "{error:?}");
    let child = starting(&scene.home, &scene.name).unwrap();
    assert!(error.message().ends_with(&format!("pid {}", child.pid)), "{error:?}");
    let again = scene.run().unwrap_err();
    assert!(again.message().contains("still starting"), "{again:?}");
    assert_eq!(scene.starts(), 1, "nobody launches another while it lives");
    scene.end();
}

#[test]
fn a_callers_own_deadline_or_cancel_leaves_the_start_alone() {
    let scene = Scene::new("exec sleep 60", LONG);
    let is_started = Cell::new(false);
    let wish = Wish {
        cancelled: &|| is_started.get(),
        observe: &|_| is_started.set(true),
        ..Wish::default()
    };
    assert_eq!(scene.run_with(wish).unwrap_err().code(), ErrorCode::Cancelled);
    let until = Instant::now() + Duration::from_millis(300);
    let error = scene.run_with(Wish { until: Some(until), ..Wish::default() }).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Deadline);
    assert!(error.message().contains("still starting"), "{error:?}");
    assert!(starting(&scene.home, &scene.name).is_some());
    scene.end();
}

#[test]
fn a_child_that_loses_its_name_to_a_start_by_hand_is_no_failure() {
    // The script ends as a second start does, and the name has an owner by then.
    let scene = Scene::new("echo 4242 >$OWNER; exit 0", LONG);
    assert!(matches!(
        scene.run(),
        Ok(Launched::AlreadyRunning { pid: 4242 } | Launched::Started { pid: 4242, .. })
    ));
}

#[test]
fn an_owner_that_says_nothing_is_told_as_such_long_before_any_budget() {
    let scene = Scene::new(COUNT, LONG);
    fs::write(scene.owner_path(), "silent").unwrap();
    let error = scene.run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotResponding);
    assert!(error.message().contains("not responding, pid 1"), "{error:?}");
    assert_eq!(scene.starts(), 0);
}

#[test]
fn a_start_by_hand_that_is_ahead_is_not_told_as_launched() {
    let own = std::process::id();
    let scene = Scene::new(&format!("echo {own} >$OWNER; exec sleep 1"), LONG);
    let events = RefCell::new(Vec::new());
    let observe = |event: &LaunchEvent| events.borrow_mut().push(format!("{event:?}"));
    let result = scene.run_with(Wish { observe: &observe, ..Wish::default() }).unwrap();
    assert_eq!(result, Launched::AlreadyRunning { pid: own });
    assert!(!events.borrow().iter().any(|event| event.starts_with("Ready")), "{events:?}");
}

#[test]
fn a_program_that_cannot_be_run_is_tried_once_for_all_who_wait() {
    let scene = Scene::new("", LONG);
    register_junk(&scene);
    let (tell, told) = crossbeam_channel::bounded(64);
    let held = ledger::Held::open(&scene.home, &scene.name, Duration::ZERO).unwrap();
    let run = || {
        let probe = || {
            // Only the first looks count; later ones find it full.
            let _full = tell.try_send(());
            Ok(Probe::Absent)
        };
        let (home, registry, name) = (&scene.home, &scene.registry, &scene.name);
        let Wish { until, cancelled, call_path, observe } = Wish::default();
        let probe = &probe;
        Launch { home, registry, name, call_path, until, cancelled, observe, probe }.run()
    };
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..5).map(|_| scope.spawn(run)).collect();
        // Each has begun to wait by then, and none can start anything.
        for _ in &callers {
            told.recv_timeout(LONG).unwrap();
        }
        drop(held);
        for caller in callers {
            let error = caller.join().unwrap().unwrap_err();
            assert!(error.message().contains("junk cannot be run"), "{error:?}");
        }
    });
    let before = scene.home.log_path(&scene.name).with_extension("log.1");
    assert!(!before.exists(), "one attempt makes one log");
}

#[test]
fn why_a_program_cannot_be_run_is_told_when_it_is_suspended_too() {
    let scene = Scene::new("", LONG);
    register_junk(&scene);
    // Callers of one millisecond share an attempt, so more than five may be told of five.
    let mut codes = (0..1_000).map(|_| scene.run().unwrap_err().code());
    assert!(codes.any(|code| code == ErrorCode::Suspended), "it is tried for ever");
    let error = scene.run().unwrap_err();
    assert!(error.message().contains("junk cannot be run"), "{error:?}");
}

#[test]
fn a_stop_fails_all_who_wait_and_nobody_starts_it_again() {
    let scene = Scene::new(&format!("{COUNT} exec sleep 60"), LONG);
    let results = scene.run_many(3, || {
        let child = starting(&scene.home, &scene.name).unwrap();
        stopping(&scene.home, &scene.name).unwrap();
        crate::sys::process::Handle::of(&child).unwrap().kill();
    });
    for (result, _) in results {
        let error = result.unwrap_err();
        assert!(error.message().contains("was stopped"), "{error:?}");
    }
    assert_eq!(scene.starts(), 1);
}

#[test]
fn a_descendant_that_holds_the_ready_pipe_is_waited_for() {
    let scene = Scene::new(&format!("{{ {READY} }} & exit 1"), LONG);
    assert!(matches!(scene.run(), Ok(Launched::Started { .. })));
}

#[test]
fn a_dead_launcher_leaves_a_child_that_others_wait_for() {
    let scene = Scene::new(COUNT, LONG);
    let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
    let mut held = ledger::Held::open(&scene.home, &scene.name, Duration::ZERO).unwrap();
    held.ledger.start = Some(ledger::Start {
        child: ProcessId::of(child.id()).unwrap(),
        launcher: None,
        since: clock::since_boot_ms(),
        budget: 20_000,
    });
    held.save().unwrap();
    drop(held);
    let mut results = scene.run_many(3, || {
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let (result, _) = results.pop().unwrap();
    let error = result.unwrap_err();
    assert!(error.message().contains("ended before it was ready"), "{error:?}");
    assert_eq!(scene.starts(), 0);
}

#[test]
fn a_name_that_is_started_too_often_is_suspended() {
    let scene = Scene::new(&format!("{COUNT} echo why >&2; exit 1"), LONG);
    let codes: Vec<ErrorCode> = (0..7).map(|_| scene.run().unwrap_err().code()).collect();
    assert!(codes[..5].iter().all(|code| *code == ErrorCode::LaunchFailed), "{codes:?}");
    assert!(codes[5..].iter().all(|code| *code == ErrorCode::Suspended), "{codes:?}");
    assert_eq!(scene.starts(), 5);
    let error = scene.run().unwrap_err();
    assert!(error.message().contains("suspended for another"), "{error:?}");
    assert!(error.message().contains("why"), "{error:?}");
}

#[test]
fn a_circle_of_calls_is_refused_and_shown() {
    let scene = Scene::new(COUNT, LONG);
    let path = ["first".to_owned(), "app".to_owned(), "last".to_owned()];
    let launch =
        |call_path: &[String]| scene.run_with(Wish { call_path, ..Wish::default() }).unwrap_err();
    let error = launch(&path);
    assert_eq!(error.code(), ErrorCode::LaunchFailed);
    assert!(error.message().contains("first -> app -> last -> app"), "{error:?}");
    let long: Vec<String> = (0..CALL_PATH_MAX).map(|number| format!("n{number}")).collect();
    assert!(launch(&long).message().contains("longer than"));
    assert_eq!(scene.starts(), 0);
}

#[test]
fn a_program_that_cannot_run_or_is_not_registered_is_named() {
    let scene = Scene::new("", LONG);
    register_junk(&scene);
    let error = scene.run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::LaunchFailed);
    assert!(error.message().contains("junk cannot be run"), "{error:?}");
    scene.registry.remove(&scene.name).unwrap();
    assert_eq!(scene.run().unwrap_err().code(), ErrorCode::NoSuchApp);
}

#[test]
fn the_log_is_private_and_the_one_before_is_kept() {
    use std::os::unix::fs::MetadataExt;
    let scene = Scene::new("echo again; exit 1", LONG);
    for _ in 0..2 {
        scene.run().unwrap_err();
    }
    let log = scene.home.log_path(&scene.name);
    assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&log).unwrap(), "again\n");
    assert_eq!(fs::read_to_string(log.with_extension("log.1")).unwrap(), "again\n");
}

/// Registers a program that the kernel cannot run.
fn register_junk(scene: &Scene) {
    let program = scene.dir.path().join("junk");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let command = vec![program.to_str().unwrap().to_owned()];
    let entry = Entry::new(Kind::Binary, command, "/".into()).unwrap();
    scene.registry.put(&scene.name, entry).unwrap();
}
