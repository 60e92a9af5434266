//! Launches of real children.

use std::cell::{Cell, RefCell};
use std::fs;

use super::ledger::Ledger;
use super::scene::{LONG, Scene, Wish, register_junk};
use super::*;
use crate::sys::clock;
use crate::sys::process::Handle;
use crate::sys::spawn::script::{self, SCRIPT_VARIABLE};

#[test]
fn fifty_callers_make_one_launch() {
    let scene = Scene::new("count; own; ready", LONG);
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
    let scene = Scene::new("own; ready", LONG);
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
    let scene = Scene::new("say problem; gate; exit 3", LONG);
    let died = Cell::new(Instant::now());
    let results = scene.run_many(10, || {
        scene.open_gate();
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
#[cfg(unix)]
fn a_child_that_is_killed_is_told_by_the_signals_name() {
    let command = ["/bin/sh", "-c", "kill -9 $$"].map(str::to_owned).to_vec();
    let error = Scene::with(command, LONG).run().unwrap_err();
    assert!(error.message().contains("signal SIGKILL"), "{error:?}");
    assert!(error.message().ends_with("printed nothing"), "{error:?}");
}

/// Windows has no signals; an end by the system is told by its code.
#[test]
#[cfg(windows)]
fn a_child_that_is_ended_by_the_system_is_told_by_what_its_code_means() {
    let error = Scene::new("exit -1073741819", LONG).run().unwrap_err();
    assert!(error.message().contains("0xC0000005 (access violation)"), "{error:?}");
}

#[test]
fn a_child_that_never_gets_ready_is_told_as_starting_and_left_alone() {
    let scene = Scene::new("count; gate", Duration::from_millis(500));
    let error = scene.run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::LaunchFailed);
    assert!(error.message().contains("still starting"), "{error:?}");
    let child = starting(&scene.home, &scene.name).unwrap();
    assert!(error.message().ends_with(&format!("pid {}", child.pid)), "{error:?}");
    let again = scene.run().unwrap_err();
    assert!(again.message().contains("still starting"), "{again:?}");
    scene.wait_for_start();
    scene.end();
}

#[test]
fn a_callers_own_deadline_or_cancel_leaves_the_start_alone() {
    let scene = Scene::new("gate", LONG);
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
    let scene = Scene::new("own 4242; exit 0", LONG);
    assert!(matches!(
        scene.run(),
        Ok(Launched::AlreadyRunning { pid: 4242 } | Launched::Started { pid: 4242, .. })
    ));
}

#[test]
fn an_owner_that_says_nothing_is_told_as_such_long_before_any_budget() {
    let scene = Scene::new("count", LONG);
    fs::write(scene.owner_path(), "silent").unwrap();
    let error = scene.run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotResponding);
    assert!(error.message().contains("not responding, pid 1"), "{error:?}");
    assert_eq!(scene.starts(), 0);
}

#[test]
fn a_start_by_hand_that_is_ahead_is_not_told_as_launched() {
    let own = std::process::id();
    let scene = Scene::new(&format!("own {own}; gate"), LONG);
    let events = RefCell::new(Vec::new());
    let observe = |event: &LaunchEvent| events.borrow_mut().push(format!("{event:?}"));
    let result = scene.run_with(Wish { observe: &observe, ..Wish::default() }).unwrap();
    assert_eq!(result, Launched::AlreadyRunning { pid: own });
    assert!(!events.borrow().iter().any(|event| event.starts_with("Ready")), "{events:?}");
    scene.open_gate();
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
            assert!(error.message().contains("junk.exe cannot be run"), "{error:?}");
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
    assert!(error.message().contains("junk.exe cannot be run"), "{error:?}");
}

#[test]
fn a_stop_fails_all_who_wait_and_nobody_starts_it_again() {
    let scene = Scene::new("count; gate", LONG);
    let results = scene.run_many(3, || {
        let child = starting(&scene.home, &scene.name).unwrap();
        scene.wait_for_start();
        stopping(&scene.home, &scene.name).unwrap();
        Handle::of(&child).unwrap().kill();
    });
    for (result, _) in results {
        let error = result.unwrap_err();
        assert!(error.message().contains("was stopped"), "{error:?}");
    }
    assert_eq!(scene.starts(), 1);
}

#[test]
#[cfg(unix)]
fn a_descendant_that_holds_the_ready_pipe_is_waited_for() {
    let scene = Scene::new("hand-over; own; ready; gate", LONG);
    let launched = scene.run();
    assert!(matches!(launched, Ok(Launched::Started { .. })), "{launched:?}");
    scene.open_gate();
}

/// An event is not held by those who know its name.
#[test]
#[cfg(windows)]
fn a_descendant_does_not_keep_the_start_of_a_child_that_ended() {
    let scene = Scene::new("hand-over; gate; own; ready", LONG);
    let error = scene.run().unwrap_err();
    assert!(error.message().contains("exit code 1"), "{error:?}");
    scene.open_gate();
}

#[test]
fn a_dead_launcher_leaves_a_child_that_others_wait_for() {
    let scene = Scene::new("count", LONG);
    let (mut command, gate) = (script::command(), scene.dir.path().join("gate"));
    let mut child = std::process::Command::new(command.remove(0));
    let mut child = child
        .args(command)
        .env(SCRIPT_VARIABLE, "gate")
        .env("GATE", gate)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
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
    let scene = Scene::new("count; say why; exit 1", LONG);
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
    let scene = Scene::new("count", LONG);
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
    assert!(error.message().contains("junk.exe cannot be run"), "{error:?}");
    scene.registry.remove(&scene.name).unwrap();
    assert_eq!(scene.run().unwrap_err().code(), ErrorCode::NoSuchApp);
}

#[test]
fn the_log_is_private_and_the_one_before_is_kept() {
    let scene = Scene::new("gate; say first; exit 1", LONG);
    let log = scene.home.log_path(&scene.name);
    // The log before may be open still: an older child has it, or somebody reads it.
    let mut reader = None;
    scene.run_many(1, || {
        reader = Some(crate::sys::file::open(&log).unwrap());
        scene.open_gate();
    });
    scene.change(|entry| drop(entry.env.insert(SCRIPT_VARIABLE.into(), "say then; exit 1".into())));
    scene.run().unwrap_err();
    let said = |path: &std::path::Path| fs::read_to_string(path).unwrap();
    assert!(said(&log).ends_with("then\n") && !said(&log).contains("first"));
    assert!(said(&log.with_extension("log.1")).ends_with("first\n"));
    let reader = crate::sys::file::read_bounded(&reader.unwrap(), 1 << 20).unwrap();
    assert!(String::from_utf8(reader).unwrap().ends_with("first\n"));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&log).unwrap()) & 0o777, 0o600);
}

/// On Windows a program can keep a file from being renamed.
#[test]
#[cfg(windows)]
fn a_log_that_somebody_holds_is_no_hindrance() {
    use std::os::windows::fs::OpenOptionsExt;
    const SHARE_READ_AND_WRITE: u32 = 3;
    let scene = Scene::new("say here; exit 1", LONG);
    let log = scene.home.log_path(&scene.name);
    scene.run().unwrap_err();
    let options = fs::OpenOptions::new().read(true).share_mode(SHARE_READ_AND_WRITE).open(&log);
    let held = options.unwrap();
    assert!(scene.run().unwrap_err().message().contains("exit code 1"));
    drop(held);
    assert_eq!(fs::read_to_string(&log).unwrap().matches("here").count(), 2);
}
