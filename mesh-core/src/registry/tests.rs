//! The registry on real files.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::sys::trust::{self, testing};

fn home() -> (tempfile::TempDir, Home, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    home.prepare().unwrap();
    let registry = Registry::at(&home);
    (dir, home, registry)
}

fn name(text: &str) -> AppName {
    AppName::parse(text).unwrap()
}

fn shell(args: &[&str]) -> Entry {
    let mut command = vec![testing::some_program()];
    command.extend(args.iter().map(|arg| (*arg).to_owned()));
    Entry::new(Kind::Binary, command, trust::neutral_directory()).unwrap()
}

/// A program that nobody runs, and an entry for it.
fn program(directory: &Path, name: &str) -> (PathBuf, Entry) {
    let path = directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    testing::make_program(&path);
    let command = vec![path.to_str().unwrap().to_owned()];
    (path, Entry::new(Kind::Binary, command, trust::neutral_directory()).unwrap())
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_entry_is_written_once_and_read_back() {
    let (_dir, home, registry) = home();
    assert!(registry.read().unwrap().entries.is_empty());
    let mut entry = shell(&["-c", "true"]);
    entry.env.insert("KEY".to_owned(), "value".to_owned());
    assert!(registry.put(&name("a"), entry.clone()).unwrap());
    assert!(testing::is_private(&registry.path()));
    // A space at the end is lost when the file is written.
    let marked = fs::read_to_string(registry.path()).unwrap() + " ";
    fs::write(registry.path(), &marked).unwrap();
    entry.registered_at = "2031-01-01T00:00:00Z".to_owned();
    assert!(!registry.put(&name("a"), entry.clone()).unwrap());
    assert_eq!(fs::read_to_string(registry.path()).unwrap(), marked);
    let stored = registry.entry(&name("a")).unwrap().unwrap();
    assert_eq!((stored.env, stored.command), (entry.env, entry.command));
    assert!(stored.volume.is_some());
    assert!(registry.remove(&name("a")).unwrap());
    assert!(!registry.remove(&name("a")).unwrap());
    let expected = ["log", "registry.json", "registry.json.last", "registry.lock", "run"];
    assert_eq!(names_in(home.root()), expected);
}

#[test]
fn an_entry_is_made_under_the_lock_from_the_stored_one() {
    let (_dir, home, registry) = home();
    registry.put(&name("a"), shell(&["-x"])).unwrap();
    let lock = home.registry_path().with_extension("lock");
    let was_locked = std::cell::Cell::new(false);
    let written = registry.renew(&name("a"), |stored| {
        was_locked.set(crate::sys::lock::FileLock::try_acquire(&lock).unwrap().is_none());
        let mut entry = stored.unwrap();
        entry.command.push("-y".to_owned());
        Ok(entry)
    });
    assert!(written.unwrap() && was_locked.get());
    assert_eq!(registry.entry(&name("a")).unwrap().unwrap().command[1..], ["-x", "-y"]);
}

#[test]
fn thirty_two_writers_lose_nothing_and_readers_see_whole_files() {
    let (_dir, _home, registry) = home();
    let rounds = 3;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..32)
            .map(|number| {
                let registry = registry.clone();
                scope.spawn(move || {
                    for round in 0..rounds {
                        let entry = shell(&[&format!("{round}")]);
                        while let Err(error) =
                            registry.put(&name(&format!("app{number}")), entry.clone())
                        {
                            assert!(error.message().contains("locked"), "{error:?}");
                        }
                    }
                })
            })
            .collect();
        while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let snapshot = registry.read().unwrap();
            assert!(snapshot.warnings.is_empty(), "{:?}", snapshot.warnings);
        }
    });
    let entries = registry.read().unwrap().entries;
    assert_eq!(entries.len(), 32);
    assert!(entries.values().all(|entry| entry.command[1] == format!("{}", rounds - 1)));
}

#[test]
fn a_spoiled_file_is_set_aside_by_the_next_writer_and_nothing_is_lost() {
    let (_dir, home, registry) = home();
    registry.put(&name("a"), shell(&[])).unwrap();
    for spoiled in ["", "{\"format\":1,", "\u{0}\u{0}"] {
        fs::write(registry.path(), spoiled).unwrap();
        let snapshot = registry.read().unwrap();
        assert!(snapshot.entries.contains_key(&name("a")));
        assert!(snapshot.warnings[0].contains("last good copy"), "{:?}", snapshot.warnings);
        assert_eq!(fs::read_to_string(registry.path()).unwrap(), spoiled, "a reader moves nothing");
        registry.put(&name("b"), shell(&[])).unwrap();
        let snapshot = registry.read().unwrap();
        assert_eq!((snapshot.entries.len(), snapshot.warnings.len()), (2, 0));
    }
    let aside: Vec<String> =
        names_in(home.root()).into_iter().filter(|n| n.contains(".corrupt-")).collect();
    assert_eq!(aside.len(), 3, "{aside:?}");
}

#[test]
fn a_spoiled_file_without_a_copy_is_an_error_and_never_an_empty_registry() {
    let (_dir, home, registry) = home();
    fs::write(registry.path(), "junk").unwrap();
    let error = registry.read().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Registry);
    assert!(registry.put(&name("a"), shell(&[])).unwrap());
    assert_eq!(registry.read().unwrap().entries.len(), 1);
    assert_eq!(names_in(home.root()).iter().filter(|n| n.contains(".corrupt-")).count(), 1);
}

#[test]
fn a_later_format_is_read_and_left_as_it_is() {
    let (_dir, _home, registry) = home();
    let (program, cwd) = (testing::some_program(), trust::neutral_directory());
    let app = serde_json::json!({"kind": "binary", "command": [program], "cwd": cwd});
    let text = serde_json::json!({"format": 2, "apps": {"a": app}}).to_string();
    fs::write(registry.path(), &text).unwrap();
    let snapshot = registry.read().unwrap();
    assert!(snapshot.read_only && snapshot.entries.contains_key(&name("a")));
    let error = registry.put(&name("b"), shell(&[])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Registry);
    assert!(error.message().contains("format 2"), "{error:?}");
    assert_eq!(fs::read_to_string(registry.path()).unwrap(), text);
}

#[test]
fn a_registry_that_others_can_write_is_neither_launched_from_nor_written() {
    let (_dir, home, registry) = home();
    registry.put(&name("a"), shell(&[])).unwrap();
    registry.entry_to_launch(&name("a")).unwrap();
    for path in [registry.path(), home.root().to_owned()] {
        testing::open_to_all(&path, true);
        for error in [
            registry.entry_to_launch(&name("a")).unwrap_err(),
            registry.put(&name("b"), shell(&[])).unwrap_err(),
        ] {
            assert_eq!(error.code(), ErrorCode::Refused, "{error:?}");
            assert!(error.message().contains(path.to_str().unwrap()), "{error:?}");
        }
        let snapshot = registry.read().unwrap();
        assert!(snapshot.read_only && !snapshot.warnings.is_empty());
        testing::close(&path);
    }
}

/// On Windows a link needs a right that users do not have.
#[cfg(unix)]
#[test]
fn a_registry_that_is_a_link_is_not_launched_from() {
    let (_dir, home, registry) = home();
    registry.put(&name("a"), shell(&[])).unwrap();
    let moved = home.root().join("elsewhere.json");
    fs::rename(registry.path(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, registry.path()).unwrap();
    assert_eq!(registry.entry_to_launch(&name("a")).unwrap_err().code(), ErrorCode::Refused);
}

#[test]
fn a_program_that_others_can_write_is_not_launched() {
    let (dir, _home, registry) = home();
    let (folder, work) = (dir.path().join("bin"), dir.path().join("work"));
    for directory in [&folder, &work] {
        fs::create_dir(directory).unwrap();
    }
    let (program, mut entry) = program(&folder, "program");
    entry.cwd = work.clone();
    registry.put(&name("a"), entry).unwrap();
    registry.entry_to_launch(&name("a")).unwrap();
    for path in [&program, &folder, &work] {
        testing::open_to_all(path, true);
        let error = registry.entry_to_launch(&name("a")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Refused, "{error:?}");
        let about_cwd = error.message().contains("working directory (`cwd`) of the entry");
        assert_eq!(about_cwd, path == &work, "{error:?}");
        testing::close(path);
    }
    registry.entry(&name("a")).unwrap().unwrap().check_launch().unwrap();
}

#[test]
fn a_registry_that_cannot_be_read_is_told_with_the_next_step() {
    let (_dir, _home, registry) = home();
    fs::create_dir(registry.path()).unwrap();
    let error = registry.read().unwrap_err();
    assert!(error.next_step().is_some(), "{error:?}");
}

#[test]
fn what_cannot_be_executed_is_not_launched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program.txt");
    fs::write(&path, "").unwrap();
    let command = vec![path.to_str().unwrap().to_owned()];
    let entry = Entry::new(Kind::Binary, command, trust::neutral_directory()).unwrap();
    let error = entry.check_launch().unwrap_err();
    assert!(error.message().contains("may not be executed"), "{error:?}");
}

#[test]
fn an_entry_goes_when_its_program_is_gone_and_only_then() {
    let (dir, _home, registry) = home();
    let (far_path, mut far) = program(dir.path(), "far");
    far.volume = Some("vfat /dev/none / /nowhere".to_owned());
    let (gone_path, gone) = program(dir.path(), "gone");
    let entries = [("gone", gone), ("far", far), ("here", program(dir.path(), "here").1)];
    for (text, entry) in entries {
        registry.put(&name(text), entry).unwrap();
    }
    fs::remove_file(gone_path).unwrap();
    fs::remove_file(far_path).unwrap();
    let seen = |pruned: Vec<Pruned>| -> Vec<(String, Missing, bool)> {
        pruned.into_iter().map(|p| (p.name.to_string(), p.missing, p.removed)).collect()
    };
    let expected = |removed| {
        [("far".to_owned(), Missing::Volume, false), ("gone".to_owned(), Missing::Program, removed)]
    };
    assert_eq!(seen(registry.prune(true).unwrap()), expected(false));
    assert_eq!(registry.read().unwrap().entries.len(), 3);
    assert_eq!(seen(registry.prune(false).unwrap()), expected(true));
    assert_eq!(registry.read().unwrap().entries.len(), 2);
    assert_eq!(registry.entry_to_launch(&name("far")).unwrap_err().code(), ErrorCode::LaunchFailed);
    assert_eq!(registry.entry_to_launch(&name("gone")).unwrap_err().code(), ErrorCode::NoSuchApp);
}

#[test]
fn a_program_that_comes_back_while_prune_waits_for_the_lock_is_kept() {
    let (dir, home, registry) = home();
    let (path, entry) = program(dir.path(), "program");
    registry.put(&name("a"), entry).unwrap();
    fs::remove_file(&path).unwrap();
    let lock = home.registry_path().with_extension("lock");
    let held = crate::sys::lock::FileLock::try_acquire(&lock).unwrap().unwrap();
    std::thread::scope(|scope| {
        let prune = scope.spawn(|| registry.prune(false));
        // The first two looks are over by then, and the third waits for the lock.
        crate::sys::clock::pause(crate::limits::PRUNE_RECHECK * 2);
        fs::write(&path, "").unwrap();
        drop(held);
        assert_eq!(prune.join().unwrap().unwrap(), []);
    });
    assert!(registry.entry(&name("a")).unwrap().is_some());
}

#[test]
fn a_launch_that_finds_the_program_gone_prunes_the_entry() {
    let (dir, _home, registry) = home();
    let (path, entry) = program(dir.path(), "program");
    registry.put(&name("a"), entry).unwrap();
    fs::remove_file(&path).unwrap();
    let error = registry.entry_to_launch(&name("a")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchApp);
    assert!(error.message().contains("is gone"), "{error:?}");
    assert!(registry.read().unwrap().entries.is_empty());
}

#[test]
fn an_unknown_app_is_told_with_the_nearest_name() {
    let (_dir, _home, registry) = home();
    registry.put(&name("greeter"), shell(&[])).unwrap();
    let error = registry.entry_to_launch(&name("gretter")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchApp);
    assert!(error.next_step().unwrap().contains("\"greeter\""), "{error:?}");
}

#[test]
fn a_killed_writers_temporary_file_is_swept() {
    let (_dir, home, registry) = home();
    fs::write(home.root().join(".registry-left"), "half").unwrap();
    registry.put(&name("a"), shell(&[])).unwrap();
    assert!(!names_in(home.root()).iter().any(|name| name.starts_with(".registry-")));
}
