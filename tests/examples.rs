//! The three example apps, the workers in other languages and the README's program, run as the
//! README says.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::programs::{copy, executable, face, remove, workspace};
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, program};

#[test]
fn statusbar_is_one_app_that_is_launched_stopped_and_pruned() {
    let home = Home::new();
    let own = executable(&home.beside("statusbar"));
    copy(program("statusbar"), &own);
    let mut statusbar = Proc::spawn(&mut home.command(&own));
    assert_eq!(statusbar.line("ready"), "ready");
    let second = Proc::spawn(&mut home.command(&own)).wait().exits(0).prints("");
    second.says("statusbar").says(&statusbar.pid().to_string());

    let call = ["call", "statusbar", "get_stats", "-o", "json"];
    let stats = home.mesh(&call).exits(0).json();
    for (name, figure) in stats.as_object().expect("figures") {
        // Where there is no /proc they are not known.
        let may_be_null = name == "battery" || cfg!(not(target_os = "linux"));
        let most = if name == "uptime" { f64::MAX } else { 100.0 };
        let is_figure = figure.as_f64().is_some_and(|figure| (0.0..=most).contains(&figure));
        assert!(is_figure || may_be_null && figure.is_null(), "{name} in {stats}");
    }
    assert_eq!(stats.as_object().expect("figures").len(), 4, "{stats}");

    home.mesh(&["stop", "statusbar"]).exits(0);
    statusbar.wait().exits(0);
    home.mesh(&call).exits(0).says("ms");
    home.mesh(&["stop", "statusbar"]).exits(0);
    remove(&own);
    home.mesh(&call).exits(3);
    home.mesh(&["registry", "list", "-o", "json"]).exits(0).prints("[]\n");
}

#[test]
fn scanner_streams_a_folder_until_ctrl_c() {
    let home = Home::new();
    let folder = home.folder_of(3_000);
    let mut scanner = Proc::interruptible(&mut home.command(program("scanner")));
    scanner.line("ready");
    let scan = ["stream", "scanner", "deep_scan", &folder, "delay_ms=1"];
    let mut scan = Proc::interruptible(&mut home.mesh_command(&scan));
    let item: Json = serde_json::from_str(&scan.line("{")).unwrap();
    for key in ["status", "file", "done", "total"] {
        assert!(item.get(key).is_some(), "{key} in {item}");
    }
    scan.line("{");
    (0..20).for_each(|_| drop(scan.line("{")));
    scan.interrupt();
    let ended = scan.wait().exits(130);
    assert!(ended.stdout.lines().count() > 10, "{ended}");
    home.mesh(&["tasks", "scanner", "-o", "json"]).exits(0).prints("[]\n");
    scanner.interrupt();
    scanner.wait().exits(0);
}

#[test]
fn scanner_counts_every_file_once_and_follows_no_link() {
    let links = usize::from(cfg!(unix));
    let home = Home::new();
    let folder = home.beside("folder");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    for file in ["one", "a/two", "a/b/three"] {
        fs::write(folder.join(file), "x").unwrap();
    }
    #[cfg(unix)] // unix-only: on Windows a link needs a privilege
    std::os::unix::fs::symlink(&folder, folder.join("a/loop")).unwrap();
    let mut scanner = Proc::spawn(&mut home.command(program("scanner")));
    scanner.line("ready");
    let scan = ["stream", "scanner", "deep_scan", folder.to_str().unwrap(), "delay_ms=50"];
    let scanned = home.mesh(&scan).exits(0);
    let items: Vec<Json> =
        scanned.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(items.len(), 3 + links, "three files and a link:\n{scanned}");
    let (last, all) = (&items[2 + links], Some(3 + links as u64));
    assert_eq!((last["done"].as_u64(), last["total"].as_u64()), (all, all), "{last}");
    home.mesh(&["stream", "scanner", "deep_scan", "/no/such/folder"]).exits(1).says("/no/such");
}

#[test]
fn launcher_launches_both_calls_scans_and_cancels() {
    let home = Home::new();
    for app in ["statusbar", "scanner"] {
        let mut app = Proc::spawn(&mut home.command(program(app)));
        app.line("ready");
        app.kill();
        app.wait().exits(137);
    }
    let begun = Instant::now();
    let mut launcher = home.command(program("launcher"));
    let launcher = Proc::spawn(launcher.arg(home.folder_of(1_000))).wait().exits(0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for text in ["cpu:", "battery:", "100/", "cancelled"] {
        assert!(launcher.stdout.contains(text), "{text} in\n{launcher}");
    }
    eventually(Duration::from_secs(5), "the scan is over on the server", || {
        (home.mesh(&["tasks", "scanner", "-o", "json"]).stdout == "[]\n").then_some(())
    });
}

#[test]
fn the_program_of_the_readme_runs() {
    let home = Home::new();
    let mut statusbar = Proc::spawn(&mut home.command(program("statusbar")));
    statusbar.line("ready");
    let mut adder = Proc::spawn(&mut home.command(face()));
    adder.line("cpu ");
    home.mesh(&["call", "adder", "add", "2", "b=3"]).exits(0).prints("5\n");
    home.mesh(&["stream", "adder", "count", "2"]).exits(0).prints("1\n2\n");
    home.mesh(&["stop", "adder"]).exits(0);
    adder.wait().exits(0);
}

#[test]
fn the_tour_shows_the_main_job_and_leaves_nothing() {
    let home = Home::new();
    let temporary = home.beside("tmp");
    fs::create_dir(&temporary).unwrap();
    let begun = Instant::now();
    let mut tour = home.mesh_command(&["tour"]);
    for name in ["TMPDIR", "TMP", "TEMP"] {
        tour.env(name, &temporary);
    }
    Proc::spawn(&mut tour).wait_within(Duration::from_secs(60)).exits(0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().flatten().map(|e| e.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!home.beside(".mesh").exists(), "the person's own home is not touched");
}

/// Serves one of the workers and tries what all of them can.
fn worker(interpreter: &str, probe: &[&str], file: &str) {
    let mut probe_command = Command::new(interpreter);
    if !probe_command.args(probe).output().is_ok_and(|output| output.status.success()) {
        return crate::support::not_here(file, &format!("there is no {interpreter} for it"));
    }
    let home = Home::new();
    let script = workspace().join("examples/worker").join(file);
    let script = script.to_str().unwrap();
    home.mesh(&["serve", "-d", "tools", "--worker", "--", interpreter, script]).exits(0);
    home.mesh(&["call", "tools", "add", "2", "b=3"]).exits(0).prints("5\n");
    home.mesh(&["call", "tools", "add", "1.5", "2"]).exits(0).prints("3.5\n");
    home.mesh(&["stream", "tools", "count", "3"]).exits(0).prints("1\n2\n3\n");
    home.mesh(&["call", "tools", "add", "x", "[]"]).exits(1);
    // A reader that leaves early takes its call back, which harms nobody.
    let client = home.client();
    let mut stream = client.stream::<u64>("tools", "count", (2_000,)).unwrap();
    assert_eq!(stream.next().unwrap().unwrap(), 1);
    drop(stream);
    let add = client.request("tools", "add").timeout(SOON).args((2, 2)).call::<u64>();
    assert_eq!(add.unwrap(), 4);
    home.mesh(&["stop", "tools"]).exits(0);
    eventually(SOON, "all have ended", || home.processes().is_empty().then_some(()));
    home.mesh(&["call", "tools", "add", "2", "2"]).exits(0).prints("4\n");
}

#[test]
fn the_example_in_python_is_a_worker() {
    let interpreter = if cfg!(windows) { "python" } else { "python3" };
    worker(interpreter, &["-c", "pass"], "worker.py");
}

#[test]
fn the_example_in_bash_is_a_worker() {
    worker("bash", &["-c", "jq -n 1"], "worker.sh");
}

#[test]
fn the_example_in_perl_is_a_worker() {
    worker("perl", &["-MJSON::PP", "-e", "1"], "worker.pl");
}
