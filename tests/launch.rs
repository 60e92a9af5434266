//! Launch: a caller needs no app to be running; whatever the program does, nobody waits in vain
//! and nobody starts it twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{Entry, ErrorCode, Kind, Value};

use crate::call::code;
use crate::support::home::app_name;
use crate::support::programs::{copy, executable, test_app};
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, heavy, pause};

#[test]
fn a_call_launches_an_app_that_is_off() {
    let home = Home::new();
    home.registered("one", &[]);
    let call = home.mesh(&["call", "one", "add", "1", "2"]).exits(0).prints("3\n");
    call.says("one").says("ms");
    assert_eq!(home.starts("one").len(), 1);
    home.mesh(&["call", "one", "add", "1", "2"]).exits(0).prints("3\n");
    assert_eq!(home.starts("one").len(), 1);
}

#[test]
fn a_crashed_app_is_launched_again_by_the_next_call() {
    let home = Home::new();
    home.registered("one", &[]);
    let client = home.client();
    let first: u32 = client.call("one", "pid", ()).unwrap();
    home.kill_app("one");
    let second: u32 = client.call("one", "pid", ()).unwrap();
    assert_ne!(first, second);
    assert_eq!(home.starts("one"), [first, second]);
}

#[test]
fn a_crashed_app_is_launched_again_for_every_thread_that_calls() {
    let home = Home::new();
    home.registered("one", &[]);
    let client = home.client();
    for _ in 0..3 {
        client.call::<u32>("one", "pid", ()).unwrap();
        thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|_| {
                    let slow = client.request("one", "block").args((60_000u64,)).timeout(SOON);
                    scope.spawn(|| {
                        let lost = slow.call::<Value>();
                        (lost, client.call::<u32>("one", "pid", ()))
                    })
                })
                .collect();
            eventually(SOON, "all of them are at work", || {
                let tasks: Value = client.call("one", "mesh.tasks", ()).ok()?;
                matches!(tasks, Value::List(tasks) if tasks.len() == 8).then_some(())
            });
            home.kill_app("one");
            for call in calls {
                let (lost, next) = call.join().unwrap();
                assert_eq!(code(lost), ErrorCode::ConnectionLost);
                next.unwrap();
            }
        });
    }
}

#[test]
fn fifty_callers_of_an_app_that_is_off_make_one_launch_and_fifty_answers() {
    let _heavy = heavy();
    let home = Home::new();
    home.registered("one", &["--ready-after-ms", "300"]);
    let callers: Vec<Proc> = (0..50)
        .map(|n| {
            let sum = n.to_string();
            Proc::spawn(&mut home.mesh_command(&["call", "one", "add", &sum, "1"]))
        })
        .collect();
    for (n, mut caller) in callers.into_iter().enumerate() {
        let answer = caller.wait_within(Duration::from_secs(60));
        answer.exits(0).prints(&format!("{}\n", n + 1));
    }
    assert_eq!(home.starts("one").len(), 1);
}

#[test]
fn an_app_that_needs_7_seconds_is_reached() {
    let home = Home::new();
    home.registered("one", &["--ready-after-ms", "7000"]);
    let begun = Instant::now();
    assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3);
    assert!(begun.elapsed() >= Duration::from_secs(7));
    assert_eq!(home.starts("one").len(), 1);
}

#[test]
fn a_program_that_exits_at_once_fails_all_callers_within_200_ms_with_its_words() {
    let _heavy = heavy();
    let home = Home::new();
    home.registered("one", &["--say", "no such display", "--claim-after-ms", "600", "--exit", "3"]);
    let client = home.client();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| (client.call::<Value>("one", "pid", ()), Instant::now())))
            .collect();
        let pid = eventually(SOON, "the program is started", || home.starts("one").pop());
        eventually(SOON, "the program has ended", || {
            (!home.processes().contains(&pid)).then_some(())
        });
        let died = Instant::now();
        for caller in callers {
            let (result, at) = caller.join().unwrap();
            let error = result.unwrap_err();
            assert_eq!(error.code(), ErrorCode::LaunchFailed);
            let told = format!("{error:?}");
            assert!(told.contains("no such display") && told.contains('3'), "{told}");
            assert!(at.saturating_duration_since(died) <= Duration::from_millis(200), "{told}");
        }
    });
    assert_eq!(home.starts("one").len(), 1);
    home.mesh(&["call", "one", "pid"]).exits(5).says("no such display");
}

#[test]
fn a_program_that_never_becomes_ready_is_told_at_its_budget() {
    let home = Home::new();
    home.registered("one", &["--never-ready"]);
    budget(&home, "one", Duration::from_secs(1));
    let begun = Instant::now();
    let error = home.client().call::<Value>("one", "pid", ()).unwrap_err();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(2), "{took:?} {error:?}");
    assert!(
        matches!(error.code(), ErrorCode::LaunchFailed | ErrorCode::NotResponding),
        "{error:?}"
    );
    home.mesh(&["call", "one", "pid"]).exits(5).says("one");
}

#[test]
fn a_program_that_claims_nothing_is_told_at_its_budget() {
    let home = Home::new();
    home.registered("one", &["--hang"]);
    budget(&home, "one", Duration::from_secs(1));
    let begun = Instant::now();
    let code = code(home.client().call::<Value>("one", "pid", ()));
    assert!(matches!(code, ErrorCode::LaunchFailed | ErrorCode::NotResponding), "{code}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_start_storm_is_suspended() {
    let home = Home::new();
    home.registered("one", &["--exit", "1"]);
    let client = home.client();
    let codes: Vec<ErrorCode> =
        (0..10).map(|_| code(client.call::<Value>("one", "pid", ()))).collect();
    assert_eq!(codes[0], ErrorCode::LaunchFailed);
    assert_eq!(codes[9], ErrorCode::Suspended, "{codes:?}");
    assert!(home.starts("one").len() <= 5, "{:?}", home.starts("one"));
}

#[test]
fn stops_on_request_suspend_nothing() {
    let home = Home::new();
    home.registered("one", &[]);
    for _ in 0..8 {
        home.mesh(&["call", "one", "pid"]).exits(0);
        home.mesh(&["stop", "one"]).exits(0);
    }
    assert_eq!(home.starts("one").len(), 8);
}

#[test]
fn crashes_of_ready_apps_are_suspended() {
    let home = Home::new();
    home.registered("one", &[]);
    let client = home.client();
    for _ in 0..5 {
        client.call::<u32>("one", "pid", ()).unwrap();
        home.kill_app("one");
    }
    assert_eq!(code(client.call::<u32>("one", "pid", ())), ErrorCode::Suspended);
}

#[test]
fn a_start_that_is_stopped_fails_who_launched_it() {
    let home = Home::new();
    home.registered("one", &["--never-ready"]);
    budget(&home, "one", Duration::from_secs(60));
    let client = home.client();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.launch("one"));
        eventually(SOON, "the app has its name", || client.live().unwrap().pop());
        home.mesh(&["stop", "one"]).exits(0);
        let error = caller.join().unwrap().unwrap_err();
        assert!(error.message().contains("was stopped"), "{error:?}");
    });
    assert_eq!(home.starts("one").len(), 1);
}

#[test]
fn a_frozen_app_is_told_as_not_responding_within_two_seconds() {
    let home = Home::new();
    let frozen = home.app("one", &[]);
    frozen.freeze();
    let begun = Instant::now();
    let error = home.client().launch("one").unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotResponding, "{error:?}");
    assert!(error.message().contains(&format!("pid {}", frozen.pid())), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn apps_that_launch_each_other_come_to_an_end() {
    let home = Home::new();
    home.registered("one", &["--call-first", "two"]);
    home.registered("two", &["--call-first", "one"]);
    budget(&home, "one", Duration::from_secs(3));
    budget(&home, "two", Duration::from_secs(3));
    let begun = Instant::now();
    home.client().call::<Value>("one", "pid", ()).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(home.starts("one").len() <= 5 && home.starts("two").len() <= 5);
}

#[test]
fn a_launched_app_outlives_its_launcher_and_holds_nothing_of_it() {
    let home = Home::new();
    home.registered("one", &[]);
    let mut launcher = home.mesh_command(&["call", "one", "pid"]);
    launcher.envs([("LD_MESH_TEST", "x"), ("SECRET_TOKEN", "x"), ("MESH_TIMEOUT", "5s")]);
    launcher.envs([("LC_ALL", "C"), ("TZ", "UTC")]);
    let mut launcher = Proc::spawn(&mut launcher);
    let pid: u32 = launcher.wait_within(SOON).exits(0).stdout.trim().parse().unwrap();
    assert!(launcher.is_silenced(), "the app holds its launcher's outputs");

    let client = home.client();
    assert_eq!(client.call::<u32>("one", "pid", ()).unwrap(), pid);
    let environment: BTreeMap<String, String> = client.call("one", "environment", ()).unwrap();
    assert_eq!(environment["MESH_HOME"], home.path().to_str().unwrap());
    assert_eq!((environment["LC_ALL"].as_str(), environment["TZ"].as_str()), ("C", "UTC"));
    for absent in ["LD_MESH_TEST", "SECRET_TOKEN", "MESH_TIMEOUT"] {
        assert!(!environment.contains_key(absent), "{absent} was passed on");
    }
}

#[test]
#[cfg(windows)] // windows-only: what a session of its own is on Unix
fn a_launched_app_is_alone_on_a_console_without_a_window() {
    let home = Home::new();
    home.registered("one", &[]);
    home.mesh(&["launch", "one"]).exits(0);
    let client = home.client();
    let pid: u32 = client.call("one", "pid", ()).unwrap();
    let (members, has_window): (Vec<u32>, bool) = client.call("one", "console", ()).unwrap();
    assert_eq!(members, [pid]);
    assert!(!has_window);
}

#[test]
#[cfg(target_os = "linux")] // linux-only: /proc/self shows session, descriptors and signal masks
fn a_launched_app_has_a_session_of_its_own_and_clean_masks() {
    let home = Home::new();
    home.registered("one", &[]);
    let launcher = home.mesh(&["call", "one", "pid"]).exits(0);
    let (client, pid) = (home.client(), launcher.stdout.trim());
    let stat: String = client.call("one", "read_own", ("stat",)).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], pid, "a session of its own");
    let open: Vec<String> = client.call("one", "descriptors", ()).unwrap();
    assert!(open.iter().any(|target| target == "/dev/null"), "{open:?}");
    assert!(!open.iter().any(|target| target.starts_with("pipe:")), "{open:?}");
    let status: String = client.call("one", "read_own", ("status",)).unwrap();
    for mask in ["SigBlk:", "SigIgn:"] {
        let bits = status.lines().find_map(|line| line.strip_prefix(mask)).unwrap().trim();
        let bits = u64::from_str_radix(bits, 16).unwrap();
        // Rust programs ignore SIGPIPE (13) from their start; 32 and 33 are the C library's own.
        assert_eq!(bits & !(1 << 12 | 0b11 << 31), 0, "{mask} {bits:x}");
    }
}

#[test]
fn command_folder_and_environment_of_the_entry_are_used_without_a_shell() {
    let home = Home::new();
    let folder = home.beside("a folder; $(touch x)");
    std::fs::create_dir(&folder).unwrap();
    let trace = home.trace("one").to_string_lossy().into_owned();
    let command = [test_app(), "one", "--trace", &trace, "--say", "$HOME `id` \"'"];
    let mut entry =
        Entry::new(Kind::Binary, command.map(str::to_owned).to_vec(), folder.clone()).unwrap();
    entry.env.insert("FROM_ENTRY".to_owned(), "yes".to_owned());
    home.registry().put(&app_name("one"), entry).unwrap();
    let client = home.client();
    let seen: String = client.call("one", "folder", ()).unwrap();
    assert_eq!(Path::new(&seen), folder);
    let environment: BTreeMap<String, String> = client.call("one", "environment", ()).unwrap();
    assert_eq!(environment["FROM_ENTRY"], "yes");
    let logs = home.mesh(&["logs", "one"]).exits(0);
    assert!(logs.stdout.starts_with("$HOME `id` \"'\n"), "{logs}");
}

#[test]
fn a_killed_launcher_leaves_one_app_and_nobody_stuck() {
    let home = Home::new();
    home.registered("one", &["--ready-after-ms", "1500"]);
    let launcher = Proc::spawn(&mut home.mesh_command(&["call", "one", "pid"]));
    eventually(SOON, "the app is started", || home.starts("one").pop());
    launcher.kill();
    let pid: u32 = home.client().call("one", "pid", ()).unwrap();
    assert_eq!(home.starts("one"), [pid]);
}

#[test]
fn a_start_by_hand_may_win_the_race() {
    let home = Home::new();
    home.registered("one", &["--claim-after-ms", "1000"]);
    let client = home.client();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call::<u32>("one", "pid", ()));
        eventually(SOON, "the launch has begun", || home.starts("one").pop());
        let by_hand = home.app("one", &["--unregistered"]);
        assert_eq!(caller.join().unwrap().unwrap(), by_hand.pid());
        pause(Duration::from_millis(1_500));
        assert_eq!(home.processes(), [by_hand.pid()]);
    });
}

#[test]
fn a_missing_program_is_no_such_app_and_its_entry_goes() {
    let home = Home::new();
    let program = executable(&home.beside("program"));
    copy(test_app(), &program);
    home.put("one", vec![program.to_string_lossy().into_owned(), "one".to_owned()]);
    home.registered("two", &[]);
    std::fs::remove_file(&program).unwrap();
    home.mesh(&["call", "one", "pid"]).exits(3).prints("").says("one");
    let names: BTreeSet<_> = home.registry().read().unwrap().entries.into_keys().collect();
    assert_eq!(names, BTreeSet::from([app_name("two")]));
}

#[test]
fn no_launch_means_no_launch() {
    let home = Home::new();
    home.registered("one", &[]);
    let call = home.client().request("one", "pid").no_launch().call::<u32>();
    assert_eq!(code(call), ErrorCode::NotRunning);
    let call = home.mesh(&["call", "one", "pid", "--no-launch"]);
    assert_ne!(call.code, 0, "{call}");
    assert!(home.starts("one").is_empty());
}

#[test]
fn launch_waits_until_ready_and_says_when_it_was_not_needed() {
    let home = Home::new();
    home.registered("one", &["--ready-after-ms", "500"]);
    home.mesh(&["launch", "one"]).exits(0);
    let pid: u32 = home.client().request("one", "pid").no_launch().call().unwrap();
    home.mesh(&["launch", "one"]).exits(0);
    assert_eq!(home.starts("one"), [pid]);
}

#[test]
fn what_a_launched_app_prints_is_in_its_log() {
    let home = Home::new();
    home.registered("one", &["--say", "hello from below"]);
    home.mesh(&["launch", "one"]).exits(0);
    let log = home.mesh(&["logs", "one"]).exits(0);
    assert!(log.stdout.contains("hello from below"), "{log}");
}

/// Gives an entry a budget for its start.
fn budget(home: &Home, name: &str, budget: Duration) {
    let mut entry = home.registry().entry(&app_name(name)).unwrap().unwrap();
    entry.launch.ready_timeout = Some(budget);
    home.registry().put(&app_name(name), entry).unwrap();
}
