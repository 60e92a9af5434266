//! `mesh-test-app NAME [FLAG]...`: an app that can be told to behave in every way a test needs.
//! `mesh-test-app --worker [FLAG]...`: a worker that can be told so too.
//! `mesh-test-app --interrupt PID` presses Ctrl-C in the console of a process, on Windows;
//! `mesh-test-app --words WORD...` prints each word on a line.
//!
//! It registers the arguments it was started with, so that a launch repeats them. It prints
//! `ready PID` when it is, and nothing else on stdout.

mod dialers;
mod flags;
mod handlers;
mod worker;

use std::fs::{File, OpenOptions};
use std::io::{Write, stderr, stdout};
use std::process::exit;

use mesh_core::{App, AppName, CancelToken, Entry, Home, Kind, Registry, Result};

use flags::Flags;

fn main() -> Result<()> {
    #[cfg(windows)]
    if let [_, flag, pid] = &std::env::args().collect::<Vec<_>>()[..]
        && flag == "--interrupt"
    {
        return Ok(mesh_tests::windows::interrupt(pid.parse()?)?);
    }
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("--worker") => return worker::run(words),
        Some("--words") => {
            return Ok(words.try_for_each(|word| writeln!(stdout(), "{word}"))?);
        }
        _ => {}
    }
    let flags = Flags::parse(std::env::args().skip(1))?;
    if let Some(file) = &flags.trace {
        // One short append is atomic, so starts of several processes never mix.
        let mut trace = OpenOptions::new().create(true).append(true).open(file)?;
        trace.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    }
    if let Some(text) = &flags.say {
        writeln!(stderr(), "{text}")?;
    }
    if let Some(bytes) = &flags.print {
        return Ok(stdout().write_all(bytes)?);
    }
    if let Some(gate) = &flags.gate {
        File::open(gate)?.lock_shared()?;
    }
    if let Some(updates) = flags.updates.clone() {
        return write_entries(&flags.name, updates);
    }
    if flags.many_files {
        dialers::allow_many_files();
    }
    if let Some(count) = flags.dial {
        return dialers::dial(&flags.name, count);
    }
    pause(flags.claim_after);
    if let Some(code) = flags.exit {
        exit(code);
    }
    if flags.hang {
        forever();
    }
    if flags.ignore_term {
        ctrlc::set_handler(|| ())?;
    }
    let app = claim(&flags)?;
    if let Some(other) = &flags.call_first {
        let _: mesh_core::Value = app.client().call(other, "pid", ())?;
    }
    handlers::expose(&app)?;
    if flags.never_ready {
        forever();
    }
    pause(flags.ready_after);
    app.ready()?;
    for method in &flags.late {
        app.expose(method.as_str(), [], || true)?;
    }
    if !flags.ignore_term {
        let stop = app.stop_handle();
        ctrlc::set_handler(move || stop.stop())?;
    }
    writeln!(stdout(), "ready {}", std::process::id())?;
    stdout().flush()?;
    app.run()?;
    if flags.hang_after {
        forever();
    }
    Ok(())
}

fn claim(flags: &Flags) -> Result<App> {
    let command = std::iter::once(program()?).chain(std::env::args().skip(1)).collect();
    let mut builder = App::builder(&flags.name).command(Kind::Binary, command);
    if let Some(budget) = flags.ready_timeout {
        builder = builder.ready_timeout(budget);
    }
    if let Some(grace) = flags.stop_grace {
        builder = builder.stop_grace(grace);
    }
    if let Some(version) = &flags.version {
        builder = builder.version(version);
    }
    if flags.unregistered {
        builder = builder.unregistered();
    }
    if flags.plain {
        return App::claim(&flags.name);
    }
    builder.claim()
}

fn write_entries(name: &str, numbers: impl Iterator<Item = u64>) -> Result<()> {
    let (name, registry) = (AppName::parse(name)?, Registry::at(&Home::from_env()?));
    for number in numbers {
        let mut entry = Entry::new(Kind::Binary, vec![program()?], std::env::current_dir()?)?;
        entry.env.insert("NUMBER".to_owned(), number.to_string());
        registry.put(&name, entry)?;
        writeln!(stdout(), "{number}")?;
    }
    Ok(())
}

fn program() -> Result<String> {
    Ok(std::env::current_exe()?.to_string_lossy().into_owned())
}

fn pause(time: std::time::Duration) {
    if !time.is_zero() {
        CancelToken::new().wait_timeout(time);
    }
}

fn forever() -> ! {
    loop {
        CancelToken::new().wait();
    }
}
