//! The registry under many writers, kills, bad files and other versions: nothing is lost, torn or
//! silently replaced.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{Entry, Kind};
use serde_json::{Value as Json, json};

use crate::support::home::app_name;
use crate::support::platform::{INTERPRETER, identity};
use crate::support::programs::{copy, executable, remove, test_app};
use crate::support::{Home, Proc, heavy, pause};

#[test]
fn the_home_is_made_by_many_at_once() {
    let _heavy = heavy();
    let home = Home::new();
    fs::remove_dir(home.path()).unwrap();
    let names: Vec<String> = (0..16).map(|n| format!("app{n}")).collect();
    let mut apps: Vec<Proc> =
        names.iter().map(|name| Proc::spawn(&mut home.app_command(name, &[]))).collect();
    apps.iter_mut().for_each(|app| drop(app.line("ready")));
    let entries = home.registry().read().unwrap().entries;
    assert_eq!(entries.len(), 16, "{:?}", entries.keys());
}

#[test]
fn an_app_registers_program_folder_and_methods_at_ready() {
    let home = Home::new();
    home.put("other", vec![test_app().to_owned(), "other".to_owned()]);
    let other = home.registry().entry(&app_name("other")).unwrap();
    let mut command = home.app_command("one", &["--plain"]);
    let mut app = Proc::spawn(command.current_dir(home.path()));
    app.line("ready");
    let entry = home.registry().entry(&app_name("one")).unwrap().expect("an entry");
    assert_eq!(entry.kind, Kind::Binary);
    assert_eq!(entry.command, [test_app()], "the program, and no arguments of the first start");
    assert!(entry.cwd.is_absolute(), "{:?}", entry.cwd);
    let add = entry.methods.iter().find(|method| method.name == "add").expect("a manifest");
    assert_eq!(add.params, ["a", "b"]);
    assert_eq!(add.doc, "The sum of two whole numbers.");
    assert_eq!(home.registry().entry(&app_name("other")).unwrap(), other, "left as it was");
}

#[test]
fn a_script_is_registered_with_its_interpreter() {
    let home = Home::new();
    let script = home.beside("app.sh");
    fs::write(&script, "exit 0\n").unwrap();
    let script = script.to_str().unwrap();
    home.mesh(&["registry", "add", "one", "--", INTERPRETER, script]).exits(0);
    let list = home.mesh(&["registry", "list", "-o", "json"]).exits(0).json();
    assert_eq!(list[0]["command"], json!([INTERPRETER, script]));
}

#[test]
fn another_form_of_an_app_replaces_its_entry() {
    let home = Home::new();
    let script = home.beside("app.sh");
    fs::write(&script, "exit 0\n").unwrap();
    let command = vec![INTERPRETER.to_owned(), script.to_str().unwrap().to_owned()];
    let entry = Entry::new(Kind::Script, command, home.path()).unwrap();
    home.registry().put(&app_name("one"), entry).unwrap();
    let _app = home.app("one", &[]);
    let entry = home.registry().entry(&app_name("one")).unwrap().unwrap();
    assert_eq!((entry.kind, entry.command[0].as_str()), (Kind::Binary, test_app()));
}

#[test]
fn what_a_person_set_survives_the_next_start() {
    let home = Home::new();
    let add = ["registry", "add", "one", "--env", "FOO=bar", "--", test_app(), "one"];
    home.mesh(&add).exits(0);
    edit(&home, |file| entry_of(file, "one")["launch"] = json!({"ready_timeout_ms": 7_000}));
    home.client().call::<u32>("one", "pid", ()).unwrap();
    let entry = home.registry().entry(&app_name("one")).unwrap().unwrap();
    assert_eq!(entry.command, [test_app(), "one"]);
    assert_eq!(entry.env["FOO"], "bar");
    assert_eq!(entry.launch.ready_timeout, Some(Duration::from_secs(7)));
    assert!(!entry.methods.is_empty());
}

#[test]
fn an_identical_entry_writes_nothing() {
    let home = Home::new();
    drop(home.app("one", &[]));
    let about = || identity(&home.registry_file());
    let before = about();
    let _again = home.app("one", &[]);
    assert_eq!(about(), before);
}

#[test]
fn a_registry_that_is_locked_for_a_moment_is_waited_for() {
    let home = Home::new();
    home.registered("other", &[]);
    let lock = fs::File::options().write(true).open(home.path().join("registry.lock")).unwrap();
    lock.lock().unwrap();
    let mut app = Proc::spawn(&mut home.app_command("one", &[]));
    pause(Duration::from_millis(500));
    assert!(!app.ended());
    drop(lock);
    app.line("ready");
    assert!(home.registry().entry(&app_name("one")).unwrap().is_some());
}

#[test]
fn a_registry_that_stays_locked_is_an_error_that_names_it() {
    let home = Home::new();
    home.registered("other", &[]);
    let lock = fs::File::options().write(true).open(home.path().join("registry.lock")).unwrap();
    lock.lock().unwrap();
    let begun = Instant::now();
    let add = home.mesh(&["registry", "add", "one", "--", test_app()]);
    assert_ne!(add.code, 0, "{add}");
    add.says("locked").says("registry.json");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn thirty_two_writers_lose_nothing_while_they_are_killed() {
    const WRITERS: usize = 32;
    const UPDATES: u64 = if cfg!(windows) { 10 } else { 100 };
    // A process costs Windows much more: else they would be killed faster than they start.
    const BETWEEN_KILLS_MS: u64 = if cfg!(windows) { 500 } else { 50 };
    let _heavy = heavy();
    let home = Home::new();
    let over = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(240);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_until(&home, &over))).collect();
        let end_of_reading = SetOnDrop(&over);
        let mut done = vec![0_u64; WRITERS];
        let mut writers: Vec<Option<Proc>> = (0..WRITERS).map(|_| None).collect();
        let mut draw = 0x9e37_79b9_u64;
        while done.iter().any(|&done| done < UPDATES) {
            assert!(Instant::now() < end, "the writers do not come to an end: {done:?}");
            for (n, writer) in writers.iter_mut().enumerate() {
                if writer.is_none() && done[n] < UPDATES {
                    let (from, to) = ((done[n] + 1).to_string(), UPDATES.to_string());
                    let name = format!("writer{n}");
                    let mut start = home.app_command(&name, &["--updates", &from, &to]);
                    *writer = Some(Proc::spawn(&mut start));
                }
                if writer.as_mut().is_some_and(Proc::ended) {
                    let output = writer.take().expect("it is there").wait();
                    assert!(
                        matches!(output.code, 0 | 137) || output.stderr.contains("lock"),
                        "{output}"
                    );
                    done[n] = output.stdout.lines().last().map_or(done[n], |n| n.parse().unwrap());
                }
            }
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            let victim = usize::try_from(draw % WRITERS as u64).unwrap();
            if let Some(writer) = &writers[victim] {
                writer.kill();
            }
            pause(Duration::from_millis(draw % BETWEEN_KILLS_MS));
        }
        drop(end_of_reading);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    let entries = home.registry().read().unwrap().entries;
    for n in 0..WRITERS {
        let entry = &entries[&app_name(&format!("writer{n}"))];
        assert_eq!(entry.env["NUMBER"], UPDATES.to_string(), "writer{n}");
    }
    let left_over = fs::read_dir(home.path()).unwrap().count();
    assert!(left_over < 12, "temporary files are swept");
}

/// Says that it is over, also when a check before that has failed.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads again and again; no entry that was seen may vanish or go back.
fn read_until(home: &Home, over: &AtomicBool) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        let snapshot = home.registry().read().expect("always a whole file");
        assert_eq!(snapshot.warnings, Vec::<String>::new());
        let now: BTreeMap<String, u64> = snapshot
            .entries
            .iter()
            .map(|(name, entry)| (name.to_string(), entry.env["NUMBER"].parse().unwrap()))
            .collect();
        for (name, number) in &last {
            assert!(now.get(name) >= Some(number), "{name}: {number} became {:?}", now.get(name));
        }
        last = now;
        pause(Duration::from_millis(1));
    }
}

#[test]
fn a_corrupt_file_is_set_aside_and_the_last_good_copy_used() {
    let home = Home::new();
    home.registered("one", &[]);
    home.registered("two", &[]);
    let garbage = b"{\"apps\": {\"one\": \xff";
    fs::write(home.registry_file(), garbage).unwrap();
    let app = home.app("three", &[]);
    let kept = fs::read_dir(home.path())
        .unwrap()
        .flatten()
        .any(|entry| entry.path().is_file() && fs::read(entry.path()).unwrap() == garbage);
    assert!(kept, "the corrupt file is set aside, not lost");
    let names: Vec<String> =
        home.registry().read().unwrap().entries.into_keys().map(String::from).collect();
    assert_eq!(names, ["one", "three", "two"]);
    assert_eq!(home.client().call::<u32>("three", "pid", ()).unwrap(), app.pid());
}

#[test]
fn unknown_fields_survive_a_rewrite() {
    let home = Home::new();
    home.registered("one", &[]);
    edit(&home, |file| {
        file["x-note"] = json!("kept");
        entry_of(file, "one")["x-tag"] = json!([1, 2]);
    });
    home.registered("two", &[]);
    let mut file: Json = serde_json::from_slice(&fs::read(home.registry_file()).unwrap()).unwrap();
    assert_eq!(file["x-note"], "kept");
    assert_eq!(entry_of(&mut file, "one")["x-tag"], json!([1, 2]));
}

#[test]
fn a_newer_format_is_read_and_never_written() {
    let home = Home::new();
    home.registered("one", &[]);
    edit(&home, |file| {
        let version = file.as_object_mut().unwrap().values_mut().find(|value| value.is_u64());
        *version.expect("a version") = json!(999);
    });
    let before = fs::read(home.registry_file()).unwrap();
    let mut app = Proc::spawn(&mut home.app_command("two", &[]));
    app.line("ready");
    assert_eq!(fs::read(home.registry_file()).unwrap(), before);
    assert!(home.registry().read().unwrap().read_only);
    let entry = Entry::new(Kind::Binary, vec![test_app().to_owned()], home.path()).unwrap();
    home.registry().put(&app_name("three"), entry).unwrap_err();
}

#[test]
fn prune_removes_exactly_what_is_gone_and_lists_it() {
    let home = Home::new();
    let program = executable(&home.beside("program"));
    copy(test_app(), &program);
    let script = home.beside("app.sh");
    fs::write(&script, "exit 0\n").unwrap();
    home.registered("stays", &[]);
    home.put("gone", vec![program.to_string_lossy().into_owned(), "gone".to_owned()]);
    let command = vec![INTERPRETER.to_owned(), script.to_string_lossy().into_owned()];
    let entry = Entry::new(Kind::Script, command, home.path()).unwrap();
    home.registry().put(&app_name("script"), entry).unwrap();
    home.mesh(&["registry", "prune"]).exits(0);
    assert_eq!(home.registry().read().unwrap().entries.len(), 3, "all is there");

    remove(&program);
    fs::remove_file(script).unwrap();
    let before = fs::read(home.registry_file()).unwrap();
    let dry = home.mesh(&["registry", "prune", "--dry-run"]).exits(0);
    assert!(dry.stdout.contains("gone") && dry.stdout.contains("script"), "{dry}");
    assert!(!dry.stdout.contains("stays"), "{dry}");
    assert_eq!(fs::read(home.registry_file()).unwrap(), before);
    let prune = home.mesh(&["registry", "prune"]).exits(0);
    assert!(prune.stdout.contains("gone") && prune.stdout.contains("script"), "{prune}");
    let names: Vec<String> =
        home.registry().read().unwrap().entries.into_keys().map(String::from).collect();
    assert_eq!(names, ["stays"]);
}

#[test]
fn a_rebuild_that_unlinks_for_a_moment_prunes_nothing() {
    let home = Home::new();
    let program = executable(&home.beside("program"));
    copy(test_app(), &program);
    home.put("one", vec![program.to_string_lossy().into_owned(), "one".to_owned()]);
    let aside = home.beside("aside");
    fs::rename(&program, &aside).unwrap();
    let prune = Proc::spawn(&mut home.mesh_command(&["registry", "prune"]));
    pause(Duration::from_millis(150));
    fs::rename(&aside, &program).unwrap();
    prune.wait().exits(0);
    assert!(home.registry().entry(&app_name("one")).unwrap().is_some());
}

#[test]
#[cfg(target_os = "linux")] // linux-only: a volume is mounted in a namespace
fn a_program_on_a_volume_that_is_away_is_reported_and_kept() {
    use crate::support::{not_here, platform::is_root, program};
    let home = Home::new();
    let volume = home.beside("volume");
    fs::create_dir(&volume).unwrap();
    let script = r#"
        mount -t tmpfs -o size=1m,mode=700 tmpfs "$2" || exit 99
        set -e
        printf '#!/bin/sh\n' > "$2/program"
        chmod 700 "$2/program"
        "$1" registry add one -- "$2/program"
        umount "$2"
        "$1" registry prune
        "$1" registry show one
    "#;
    let mut shell = home.command("unshare");
    shell.args([if is_root() { "-m" } else { "-rm" }, "sh", "-c", script, "sh"]);
    let output = Proc::spawn(shell.arg(program("mesh")).arg(&volume)).wait();
    if matches!(output.code, 1 | 99)
        && ["unshare", "mount"].iter().any(|s| output.stderr.contains(s))
    {
        return not_here("a_program_on_a_volume_that_is_away", "no file system may be mounted");
    }
    assert!(output.exits(0).stdout.contains("volume"), "it is told");
}

fn edit(home: &Home, change: impl FnOnce(&mut Json)) {
    let mut file = serde_json::from_slice(&fs::read(home.registry_file()).unwrap()).unwrap();
    change(&mut file);
    fs::write(home.registry_file(), serde_json::to_vec_pretty(&file).unwrap()).unwrap();
}

/// The entry of an app, under whichever top-level key holds the apps.
fn entry_of<'a>(file: &'a mut Json, name: &str) -> &'a mut Json {
    let mut tables = file.as_object_mut().unwrap().values_mut();
    tables.find_map(|table| table.get_mut(name)).expect("an entry")
}
