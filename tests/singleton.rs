//! One owner for a name: whatever starts, dies or hangs.

use std::fs::{self, File, OpenOptions};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::home::app_name;
use crate::support::platform::{identity, spawn};
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, heavy};

/// How often two hundred start: a process costs Windows much more.
const ROUNDS: usize = if cfg!(windows) { 3 } else { 20 };

#[test]
fn a_second_start_says_who_runs_and_exits_0() {
    let home = Home::new();
    let first = home.app("one", &[]);
    let second = Proc::spawn(&mut home.app_command("one", &[])).wait().exits(0).prints("");
    second.says("one").says(&first.pid().to_string()).says("mesh stop one");
}

#[test]
fn two_hundred_simultaneous_starts_make_one_owner() {
    let _heavy = heavy();
    let home = Home::new();
    for round in 0..ROUNDS {
        let gate = File::create(home.beside("gate")).unwrap();
        gate.lock().unwrap();
        let (printed, said) = (home.beside("printed"), home.beside("said"));
        let mut starts: Vec<Child> = (0..200)
            .map(|_| {
                let mut start = home.app_command("one", &["--unregistered", "--gate"]);
                start.arg(home.beside("gate"));
                start.stdout(OpenOptions::new().create(true).append(true).open(&printed).unwrap());
                start.stderr(OpenOptions::new().create(true).append(true).open(&said).unwrap());
                spawn(&mut start, false).unwrap()
            })
            .collect();
        drop(gate);

        let mut refused = 0;
        let mut owner = eventually(Duration::from_secs(60), "all but one have ended", || {
            starts.retain_mut(|start| match start.try_wait().unwrap() {
                Some(status) => {
                    let said = || fs::read_to_string(&said).unwrap();
                    assert!(status.success(), "a loser of {round}: {status}\n{}", said());
                    refused += 1;
                    false
                }
                None => true,
            });
            if refused == 199 { starts.pop() } else { None }
        });
        let ready = eventually(SOON, "the owner is ready", || {
            let printed = fs::read_to_string(&printed).unwrap();
            printed.ends_with('\n').then_some(printed)
        });
        assert_eq!(ready, format!("ready {}\n", owner.id()), "round {round}");
        owner.kill().unwrap();
        owner.wait().unwrap();
        fs::remove_file(&printed).unwrap();
    }
}

#[test]
fn a_killed_owner_never_blocks_the_next_start() {
    let home = Home::new();
    for _ in 0..20 {
        let app = home.app("one", &[]);
        app.kill();
        app.wait().exits(137);
    }
}

#[test]
fn a_frozen_owner_is_reported_and_left_alone() {
    let home = Home::new();
    let owner = home.app("one", &[]);
    owner.freeze();
    let begun = Instant::now();
    let second = Proc::spawn(&mut home.app_command("one", &[])).wait();
    let took = begun.elapsed();
    owner.thaw();
    assert_ne!(second.code, 0, "{second}");
    assert!(took < Duration::from_millis(2_600), "{took:?}");
    second.says("not responding").says(&owner.pid().to_string());
    let pid: u32 = home.client().call("one", "pid", ()).unwrap();
    assert_eq!(pid, owner.pid());
}

#[test]
fn a_loser_touches_nothing() {
    let home = Home::new();
    let owner = home.app("one", &[]);
    let mut paths = vec![home.core().lock_path(&app_name("one"))];
    if cfg!(unix) {
        paths.push(home.core().socket_path(&app_name("one")));
    }
    let files = || paths.iter().map(|path| identity(path)).collect::<Vec<_>>();
    let before = files();
    Proc::spawn(&mut home.app_command("one", &[])).wait().exits(0);
    assert_eq!(files(), before);
    assert_eq!(home.client().call::<u32>("one", "pid", ()).unwrap(), owner.pid());
}

#[test]
#[cfg(unix)] // unix-only: a pipe leaves no file
fn a_left_over_socket_is_neither_an_app_nor_in_the_way() {
    let home = Home::new();
    let killed = home.app("one", &[]);
    killed.kill();
    killed.wait().exits(137);
    assert!(home.core().socket_path(&app_name("one")).exists(), "a killed app leaves its socket");
    assert_eq!(home.client().live().unwrap(), []);
    let next = home.app("one", &[]);
    assert_eq!(home.client().call::<u32>("one", "pid", ()).unwrap(), next.pid());
}

#[test]
fn what_an_owner_launched_does_not_hold_its_name() {
    let home = Home::new();
    home.registered("child", &[]);
    let owner = home.app("one", &[]);
    let relayed = ("child", "echo", "hello");
    assert_eq!(home.client().call::<String>("one", "relay", relayed).unwrap(), "hello");
    let child: u32 = home.client().call("child", "pid", ()).unwrap();
    owner.kill();
    owner.wait().exits(137);
    home.app("one", &[]);
    assert!(home.processes().contains(&child), "the child outlives its launcher");
}

#[test]
fn names_with_every_allowed_character_live_side_by_side() {
    let home = Home::new();
    let names = ["a", "0", "a.b-c_d", &"n".repeat(63)];
    let apps: Vec<Proc> = names.iter().map(|name| home.app(name, &[])).collect();
    for (name, app) in names.iter().zip(&apps) {
        assert_eq!(home.client().call::<u32>(name, "pid", ()).unwrap(), app.pid(), "{name}");
    }
}

#[test]
#[cfg(unix)] // unix-only: a pipe has no file, and a lock that is held cannot be deleted
fn a_deleted_socket_is_bound_again() {
    let home = Home::new();
    let owner = home.app("one", &["--unregistered"]);
    for path in [home.core().socket_path(&app_name("one")), home.core().lock_path(&app_name("one"))]
    {
        for _ in 0..2 {
            fs::remove_file(&path).unwrap();
            eventually(Duration::from_secs(10), "what was deleted is back", || {
                path.exists().then_some(())
            });
            eventually(Duration::from_secs(10), "the owner is reached again", || {
                let pid = home.client().request("one", "pid").no_launch().call::<u32>().ok()?;
                (pid == owner.pid()).then_some(())
            });
        }
    }
}

#[test]
#[cfg(target_os = "linux")] // linux-only: the next pid is chosen by /proc/sys/kernel/ns_last_pid
fn a_pid_that_is_used_again_is_not_signalled() {
    use crate::support::not_here;
    let home = Home::new();
    let last_pid = "/proc/sys/kernel/ns_last_pid";
    for _ in 0..50 {
        let owner = home.app("one", &[]);
        let pid = owner.pid();
        owner.kill();
        owner.wait().exits(137);
        if fs::write(last_pid, (pid - 1).to_string()).is_err() {
            return not_here("a_pid_that_is_used_again_is_not_signalled", "pids cannot be chosen");
        }
        let mut canary = Proc::spawn(home.command("sleep").arg("1000"));
        if canary.pid() == pid {
            home.mesh(&["stop", "one"]).exits(0);
            home.mesh(&["registry", "prune"]).exits(0);
            home.mesh(&["ps", "-o", "json"]).exits(0).prints("[]\n");
            assert!(!canary.ended(), "the canary was killed");
            return;
        }
    }
    panic!("no pid came again in 50 rounds");
}
