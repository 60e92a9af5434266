//! Detached children of Windows.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::System::JobObjects::{AssignProcessToJobObject, CreateJobObjectW};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::*;
use crate::sys::process::{Handle, ProcessId};
use crate::sys::spawn::script::{SCRIPT_VARIABLE, command};

/// Tells the launcher of a test where its child writes.
const LOG_VARIABLE: &str = "LAUNCHER_LOG";

/// A program without which many others do not start.
fn system(variable: &str) -> (OsString, OsString) {
    (variable.into(), std::env::var_os(variable).unwrap_or_default())
}

/// Starts a child that does these steps.
fn start(script: &str, log: &Path, ready: &ReadyGrant) -> io::Result<Child> {
    let command = command();
    let env = [
        system("SystemRoot"),
        (SCRIPT_VARIABLE.into(), script.into()),
        ("GATE".into(), log.with_extension("gate").into()),
    ];
    fs::write(log.with_extension("gate"), "closed").unwrap();
    let log = File::create(log).unwrap();
    let (program, args, cwd) = (Path::new(&command[0]), &command[1..], Path::new(r"C:\"));
    Detached { program, args, cwd, env: &env, log: &log }.spawn(ready)
}

/// Runs a program to its end; answers what it printed.
fn run(program: &Path, args: &[&str], env: &[(OsString, OsString)]) -> io::Result<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = File::create(&path).unwrap();
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let detached = Detached { program, args: &args, cwd: dir.path(), env, log: &log };
    let (_word, grant) = ready_pair().unwrap();
    detached.spawn(&grant)?.wait().unwrap();
    Ok(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
}

/// Starts a launcher of its own, which starts a child that lives until its gate opens. Answers the
/// launcher and the child.
fn launcher(log: &Path) -> (Child, Handle) {
    let mut launcher = Command::new(std::env::current_exe().unwrap());
    let test = command()[2].replace("script::a_script_is_done", "platform::tests::a_launcher");
    launcher.args(["--exact", &test, "--nocapture"]).env(LOG_VARIABLE, log);
    let mut launcher = launcher.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    // Comes to its end when the last process that has the pipe closes it.
    launcher.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let note = said.lines().find_map(|line| line.split_once("child ")).unwrap().1;
    let handle = Handle::of(&ProcessId::from_note(note).unwrap()).expect("the child has ended");
    (launcher, handle)
}

#[test]
fn a_launcher() {
    let Some(log) = std::env::var_os(LOG_VARIABLE) else { return };
    // SAFETY: makes a job and puts this process into it; the handle stays open until its end.
    let done = unsafe {
        let job = CreateJobObjectW(ptr::null(), ptr::null());
        AssignProcessToJobObject(job, GetCurrentProcess())
    };
    assert_ne!(done, 0, "a job that forbids its processes to leave");
    let (_word, grant) = ready_pair().unwrap();
    let child = start("gate", Path::new(&log), &grant).unwrap();
    let note = ProcessId::of(child.id()).unwrap().to_note();
    io::Write::write_all(&mut io::stdout(), format!("child {note}\n").as_bytes()).unwrap();
    std::process::exit(0);
}

#[test]
fn who_captures_a_launchers_output_does_not_wait_for_the_child() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (mut launcher, child) = launcher(&log);
    assert!(launcher.wait().unwrap().success(), "a job that forbids to leave it is no hindrance");
    assert!(!child.wait(Duration::ZERO), "it lives on without its launcher");
    fs::remove_file(log.with_extension("gate")).unwrap();
    assert!(child.wait(Duration::from_secs(10)));
}

#[test]
fn our_own_streams_can_be_inherited_again_after_a_start() {
    // With the turn nobody else has withheld them.
    let look = || {
        let _turn = TURN.lock();
        [io::stdout().as_raw_handle(), io::stderr().as_raw_handle()].map(is_inherited)
    };
    let before = look();
    run(Path::new(r"C:\windows\system32\cmd.exe"), &["/c", "exit"], &[]).unwrap();
    let after = look();
    assert_eq!(before, after);
}

#[test]
fn a_child_says_that_it_is_ready_or_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    for (script, is_ready) in [("ready; gate", true), ("exit 3", false), ("ready; exit 3", true)] {
        let (word, grant) = ready_pair().unwrap();
        let mut child = start(script, &log, &grant).unwrap();
        assert_eq!(word.wait(&child), is_ready, "{script}");
        fs::remove_file(log.with_extension("gate")).unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_ready_event_is_found_while_its_launcher_waits_and_by_its_whole_name() {
    let find = |name: &str| {
        let Some(rest) = name.strip_prefix(NAME_PREFIX) else { return false };
        Uuid::try_parse(rest).is_ok() && open_event(name).is_ok()
    };
    let (word, grant) = ready_pair().unwrap();
    assert!(find(&grant.0));
    drop(word);
    assert!(!find(&grant.0));
}

#[test]
fn a_child_gets_the_given_environment_directory_arguments_and_streams_only() {
    let command = command();
    let env = [
        system("SystemRoot"),
        ("ONLY".into(), "this".into()),
        (SCRIPT_VARIABLE.into(), "about; say problem".into()),
    ];
    let odd = ["", "a b", r#"say "hi""#, r"C:\dir with end\", "%PATH%", "^&|<>", "\u{e9}\u{4e2d}"];
    let mut args: Vec<&str> = command[1..].iter().map(String::as_str).collect();
    args.push("--");
    args.extend(odd);
    let said = run(Path::new(&command[0]), &args, &env).unwrap();
    let of = |kind: &str| -> Vec<&str> {
        said.lines().filter_map(|line| line.strip_prefix(kind)).collect()
    };
    assert!(of("env ").contains(&"ONLY=this"), "{said}");
    assert!(!of("env ").iter().any(|v| v.to_uppercase().starts_with("PATH=")), "{said}");
    assert_eq!(of("arg ")[args.len() - odd.len()..], odd, "{said}");
    assert_eq!(of("input "), ["\"\""]);
    assert!(said.contains("problem"), "{said}");
}

#[test]
fn a_program_is_found_below_spaces_and_far_letters() {
    let dir = tempfile::tempdir().unwrap();
    for below in ["a b", "\u{4e2d}\u{6587} \u{e9}"] {
        let folder = dir.path().join(below);
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("my program.exe");
        let command = command();
        fs::hard_link(&command[0], &program)
            .or_else(|_| fs::copy(&command[0], &program).map(drop))
            .unwrap();
        let env = [system("SystemRoot"), (SCRIPT_VARIABLE.into(), "say here".into())];
        let args: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        let said = run(&program, &args, &env);
        assert!(said.as_ref().is_ok_and(|s| s.contains("here")), "{}: {said:?}", program.display());
    }
}

#[test]
fn a_batch_file_gets_its_arguments_or_says_what_it_cannot_take() {
    let dir = tempfile::tempdir().unwrap();
    let batch = dir.path().join("my batch.cmd");
    fs::write(&batch, "@echo first %~1 second %~2\r\n").unwrap();
    let env = [system("SystemRoot"), system("ComSpec")];
    let said = run(&batch, &["a b", "%PATH%"], &env).unwrap();
    assert!(said.contains("first a b second"), "{said}");
    let error = run(&batch, &["two\nlines"], &env).unwrap_err();
    assert!(error.to_string().contains("name the program that the batch file runs"), "{error}");
}

#[test]
fn what_is_no_program_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let junk = dir.path().join("junk.exe");
    fs::write(&junk, "junk").unwrap();
    let error = run(&junk, &[], &[]).unwrap_err();
    assert!(error.to_string().contains("register its interpreter"), "{error}");
}
