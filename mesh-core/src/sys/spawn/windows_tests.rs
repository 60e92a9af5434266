//! Detached children of Windows.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::windows::fs::OpenOptionsExt;
use std::process::{self, Command, Stdio};
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::System::Console::{GetConsoleProcessList, GetConsoleWindow};
use windows_sys::Win32::System::JobObjects::{AssignProcessToJobObject, CreateJobObjectW};
use windows_sys::Win32::System::Threading::GetCurrentProcess;
use windows_sys::Win32::UI::Shell::CommandLineToArgvW;
use windows_sys::Win32::UI::WindowsAndMessaging::IsWindowVisible;

use super::*;
use crate::sys::process::{Handle, ProcessId};
use crate::sys::spawn::script::{SCRIPT_VARIABLE, command};

/// Tells the launcher of a test where its child writes.
const LOG_VARIABLE: &str = "LAUNCHER_LOG";

/// Tells a child of a test to say who is on its console.
const CONSOLE_VARIABLE: &str = "CONSOLE";

/// A variable without which many programs do not start.
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
/// launcher, what it still prints, and the child.
fn launcher(log: &Path) -> (process::Child, impl Read + use<>, Handle) {
    let mut launcher = again("a_launcher").env(LOG_VARIABLE, log).spawn().unwrap();
    let mut lines = BufReader::new(launcher.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("child ") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "no word of the child");
    }
    let note = line.split_once("child ").unwrap().1;
    let handle = Handle::of(&ProcessId::from_note(note).unwrap()).expect("the child has ended");
    (launcher, lines, handle)
}

/// This program once more, for one test of this file only.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &name_of(test), "--nocapture"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The name of a test of this file, as the harness knows it.
fn name_of(test: &str) -> String {
    format!("{}::{test}", module_path!().split_once("::").unwrap().1)
}

/// A file that the launcher holds, by a handle that children can inherit.
fn held(log: &Path) -> PathBuf {
    log.with_extension("held")
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
    // Nobody else can open the file while somebody has it open.
    let held =
        OpenOptions::new().write(true).create(true).share_mode(0).open(held(Path::new(&log)));
    let _held = Inherited::copy_of(&held.unwrap()).unwrap();
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
    let (mut launcher, mut output, child) = launcher(&log);
    assert!(launcher.wait().unwrap().success(), "a job that forbids to leave it is no hindrance");
    // Comes to its end when the last process that has the pipe closes it.
    output.read_to_string(&mut String::new()).unwrap();
    assert!(!child.wait(Duration::ZERO), "it lives on without its launcher");
    fs::remove_file(log.with_extension("gate")).unwrap();
    assert!(child.wait(Duration::from_secs(10)));
}

#[test]
fn a_child_has_no_handle_of_its_launchers() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (mut launcher, _output, child) = launcher(&log);
    assert!(launcher.wait().unwrap().success());
    let opened = File::open(held(&log));
    assert!(!child.wait(Duration::ZERO));
    fs::remove_file(log.with_extension("gate")).unwrap();
    assert!(child.wait(Duration::from_secs(10)));
    assert!(opened.is_ok(), "{opened:?}");
}

/// Says who is on the console of this process, and whether it has a window; then starts another
/// console program in the plainest way, as any library may, which does the same.
#[test]
fn a_program_of_the_console() {
    let Some(generation) = std::env::var_os(CONSOLE_VARIABLE) else { return };
    let mut members = [0; 16];
    // SAFETY: there is room for as many numbers as the call is told.
    let count = unsafe { GetConsoleProcessList(members.as_mut_ptr(), 16) };
    let members = &members[..usize::try_from(count).unwrap()];
    // SAFETY: the first call answers a window or none, and the second takes either.
    let has_window = unsafe { IsWindowVisible(GetConsoleWindow()) != 0 };
    let own = std::process::id();
    let what = format!("members: {own} {has_window} {members:?}\n");
    io::Write::write_all(&mut io::stdout(), what.as_bytes()).unwrap();
    if generation == "child" {
        let args = std::env::args_os().skip(1);
        let mut below = Command::new(std::env::current_exe().unwrap());
        assert!(below.args(args).env(CONSOLE_VARIABLE, "grandchild").status().unwrap().success());
    }
}

#[test]
fn what_a_child_starts_shares_its_console_which_is_not_ours_and_has_no_window() {
    let env = [system("SystemRoot"), (CONSOLE_VARIABLE.into(), "child".into())];
    let program = std::env::current_exe().unwrap();
    let test = name_of("a_program_of_the_console");
    let said = run(&program, &["--exact", &test, "--nocapture"], &env).unwrap();
    let of = |line: &str| -> (u32, bool, Vec<u32>) {
        let (pid, rest) = line.split_once(' ').unwrap();
        let (has_window, members) = rest.split_once(' ').unwrap();
        let members =
            members.trim_matches(['[', ']']).split(", ").filter_map(|pid| pid.parse().ok());
        (pid.parse().unwrap(), has_window.parse().unwrap(), members.collect())
    };
    let told: Vec<_> =
        said.lines().filter_map(|line| Some(of(line.split_once("members: ")?.1))).collect();
    let [(child, false, alone), (below, false, both)] = &told[..] else { panic!("{said}") };
    assert_eq!(alone, &[*child], "nobody of ours is on the child's console: {said}");
    assert_eq!(both.len(), 2, "{said}");
    assert!(both.contains(child) && both.contains(below), "{said}");
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
    fs::write(&batch, "@echo first [%~1] second [%2] third [%3]\r\n").unwrap();
    let env = [system("SystemRoot"), system("ComSpec")];
    let said = run(&batch, &["a b", "&|<>^!(x)", ""], &env).unwrap();
    assert!(said.contains(r#"first [a b] second ["&|<>^!(x)"] third [""]"#), "{said}");
    for bad in ["two\nlines", "%PATH%", "a\" & echo b"] {
        let error = run(&batch, &[bad], &env).unwrap_err();
        assert!(error.to_string().contains("register the program that it runs"), "{error}");
    }
}

#[test]
fn a_batch_file_is_known_by_its_name_as_the_system_reads_it() {
    for (name, is_one) in
        [("a.CMD", true), ("a.bat", true), ("a.bat. .", true), ("a.cmd.exe", false), ("cmd", false)]
    {
        assert_eq!(is_batch(&format!(r"C:\x\{name}")), is_one, "{name}");
    }
}

/// What the system's own reader makes of a command line.
fn taken_apart(line: &str) -> Vec<String> {
    let (line, mut count) = (win32::wide(line).unwrap(), 0);
    // SAFETY: the line ends with a zero; the call makes a list of that many texts, each of which
    // ends with a zero too, and which is freed once.
    unsafe {
        let list = CommandLineToArgvW(line.as_ptr(), &raw mut count);
        let texts = std::slice::from_raw_parts(list, usize::try_from(count).unwrap());
        let text = |start: &*mut u16| {
            let length = (0..).take_while(|at| *start.add(*at) != 0).count();
            String::from_utf16(std::slice::from_raw_parts(*start, length)).unwrap()
        };
        let words = texts.iter().map(text).collect();
        LocalFree(list.cast());
        words
    }
}

#[test]
fn the_system_takes_a_command_line_apart_as_it_was_put_together() {
    let parts = ["", "a", "\"", "\\", "\\\\", " ", "\t", "\\\"", "&", "%", "\u{e9}"];
    let mut args = Vec::new();
    for (first, second) in parts.iter().flat_map(|first| parts.map(|second| (first, second))) {
        args.extend(parts.map(|third| format!("{first}{second}{third}")));
    }
    let line = command_line::of_program(r"C:\a b\x.exe", &args).unwrap();
    let words = taken_apart(&line);
    assert_eq!(words[0], r"C:\a b\x.exe");
    assert_eq!(words[1..], args);
}

#[test]
fn an_environment_is_in_order_and_each_name_there_once() {
    let (_word, grant) = ready_pair().unwrap();
    let log = tempfile::tempfile().unwrap();
    let env = [("b", "1"), ("A", "2"), ("B", "3"), ("mesh_ready_event", "x")];
    let env = env.map(|(name, value)| (name.into(), value.into()));
    let (program, cwd) = (Path::new(r"C:\x.exe"), Path::new(r"C:\"));
    let detached = Detached { program, args: &[], cwd, env: &env, log: &log };
    let block = String::from_utf16(&detached.creation(&grant).unwrap().environment).unwrap();
    assert_eq!(block, format!("A=2\0B=3\0{READY_VARIABLE}={}\0\0", grant.0));
    let bad = [("a".into(), "1\0b=2".into())];
    let error = Detached { env: &bad, ..detached }.creation(&grant).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_is_no_program_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let junk = dir.path().join("junk.exe");
    fs::write(&junk, "junk").unwrap();
    let error = run(&junk, &[], &[]).unwrap_err();
    assert!(error.to_string().contains("register its interpreter"), "{error}");
}
