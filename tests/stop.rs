//! Stop: what is asked to leave leaves, gently if it can, and its name is free when `stop`
//! returns.

use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{ErrorCode, Stopped, Value};

use crate::call::code;
use crate::support::home::app_name;
use crate::support::platform::ENDED;
use crate::support::{Home, Proc};

#[test]
fn the_name_is_free_when_stop_returns() {
    let home = Home::new();
    let client = home.client();
    for _ in 0..20 {
        let app = home.app("one", &[]);
        assert_eq!(client.stop("one").unwrap(), Stopped::Stopped);
        // The next start finds no owner: it would exit 0 without becoming ready.
        let next = home.app("one", &[]);
        app.wait().exits(0);
        assert_eq!(client.stop("one").unwrap(), Stopped::Stopped);
        next.wait().exits(0);
    }
}

#[test]
fn a_call_in_flight_may_finish() {
    let home = Home::new();
    let app = home.app("one", &[]);
    let client = home.client();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.call::<u64>("one", "block", (1_000,)));
        home.counted("one", "blocked", 1);
        home.mesh(&["stop", "one"]).exits(0);
        assert_eq!(call.join().unwrap().unwrap(), 1_000);
    });
    app.wait().exits(0);
}

#[test]
fn a_call_that_does_not_finish_in_the_grace_gets_a_named_error() {
    let home = Home::new();
    let app = home.app("one", &["--stop-grace-ms", "500"]);
    let client = home.client();
    thread::scope(|scope| {
        let endless = client.request("one", "until_cancelled").timeout(Duration::ZERO);
        let call = scope.spawn(|| endless.call::<Value>());
        home.counted("one", "waiting", 1);
        home.mesh(&["stop", "one"]).exits(0);
        let code = code(call.join().unwrap());
        let named = [ErrorCode::ShuttingDown, ErrorCode::Cancelled, ErrorCode::ConnectionLost];
        assert!(named.contains(&code), "{code}");
    });
    app.wait().exits(0);
}

#[test]
fn an_app_whose_process_lingers_has_left_the_mesh() {
    let home = Home::new();
    let lingers = home.app("one", &["--stop-grace-ms", "500", "--hang-after", "--ignore-term"]);
    let stopped = home.client().stop("one").unwrap();
    // Its name is free; what its process does afterwards is its own affair.
    assert!(matches!(stopped, Stopped::Stopped | Stopped::Killed), "{stopped:?}");
    assert!(home.client().live().unwrap().is_empty());
    lingers.kill();
}

#[test]
fn a_frozen_app_is_killed_after_its_grace() {
    let home = Home::new();
    let frozen = home.app("one", &["--stop-grace-ms", "500"]);
    frozen.freeze();
    let begun = Instant::now();
    assert_eq!(home.client().stop("one").unwrap(), Stopped::Killed);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    frozen.wait().exits(ENDED);
    home.app("one", &[]);
}

/// More than the queue of any listener holds.
const LOOKS: usize = 5_000;

#[test]
fn a_frozen_app_whose_queue_is_full_is_named_and_can_be_stopped() {
    let home = Home::new();
    let frozen = home.app("one", &["--stop-grace-ms", "500"]);
    frozen.freeze();
    let client = home.client();
    // Each look takes a place in the queue, and nobody clears it.
    for _ in 0..LOOKS {
        assert_eq!(client.owner(&app_name("one")), Some(frozen.pid()));
    }
    let short = Duration::from_millis(500);
    let call = client.request("one", "add").args((1, 2)).timeout(short);
    let full = call.call::<i64>().unwrap_err();
    assert_eq!(full.code(), ErrorCode::NotResponding, "{full}");
    assert!(full.message().contains(&format!("pid {}", frozen.pid())), "{full}");
    assert_eq!(home.client().stop("one").unwrap(), Stopped::Killed);
    frozen.wait().exits(ENDED);
}

#[test]
fn a_process_that_did_not_sign_the_lock_is_not_signalled() {
    let home = Home::new();
    let mut frozen = home.app("one", &["--stop-grace-ms", "500"]);
    frozen.freeze();
    // As if the owner were gone, and its number given to another process.
    let lock = home.core().lock_path(&app_name("one"));
    let signature = std::fs::read_to_string(&lock).unwrap();
    let words: Vec<&str> = signature.split(' ').collect();
    assert_eq!(words[0], frozen.pid().to_string());
    std::fs::write(&lock, format!("{} 1 {}", words[0], words[2])).unwrap();
    assert_eq!(code(home.client().stop("one")), ErrorCode::NotResponding);
    assert!(!frozen.ended());
    frozen.kill();
}

#[test]
fn an_app_that_is_off_is_not_running() {
    let home = Home::new();
    home.registered("one", &[]);
    assert_eq!(home.client().stop("one").unwrap(), Stopped::NotRunning);
    home.mesh(&["stop", "one"]).exits(0);
    home.mesh(&["stop", "nobody"]).exits(3);
    assert!(home.starts("one").is_empty());
}

#[test]
#[cfg(unix)] // unix-only: SIGTERM; Ctrl-C is what consoles have
fn sigterm_stops_an_app_gracefully() {
    let home = Home::new();
    let app = home.app("one", &[]);
    app.terminate();
    app.wait().exits(0);
    assert!(home.client().live().unwrap().is_empty());
}

#[test]
fn new_calls_of_a_stopping_app_are_refused_or_served_by_the_next_one() {
    let home = Home::new();
    home.registered("one", &[]);
    let client = home.client();
    let old: u32 = client.call("one", "pid", ()).unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.call::<u64>("one", "block", (1_000,)));
        home.counted("one", "blocked", 1);
        let stop = scope.spawn(|| home.mesh(&["stop", "one"]).exits(0));
        call.join().unwrap().unwrap();
        stop.join().unwrap();
    });
    let new: u32 = home.client().call("one", "pid", ()).unwrap();
    assert_ne!(old, new);
}

#[test]
fn ctrl_c_on_a_server_leaves_no_entry_behind_that_is_wrong() {
    let home = Home::new();
    let mut app = Proc::interruptible(&mut home.app_command("one", &[]));
    app.line("ready");
    app.interrupt();
    app.wait_within(Duration::from_secs(20)).exits(0);
    assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3, "launched again");
}
