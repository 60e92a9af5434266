//! `mesh-test-app --worker [FLAG]...`: a worker that behaves in every way a test needs.
//!
//! `--silent` announces nothing; `--first TEXT` prints that instead; `--lives FILE` appends a line
//! with its pid there; `--exit CODE` ends before it reads; `--deaf` never reads; `--stays` does not
//! leave when its input ends.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufRead, Write, stderr, stdin, stdout};
use std::process::exit;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mesh_core::{CancelToken, Error, Result};
use serde_json::{Value as Json, json};

/// What has been said of the streams, by their ids.
#[derive(Default)]
struct Told {
    cancelled: BTreeSet<u64>,
    paused: BTreeSet<u64>,
    pauses: u64,
}

type Shared = Arc<(Mutex<Told>, Condvar)>;

pub(crate) fn run(mut flags: impl Iterator<Item = String>) -> Result<()> {
    let (mut first, mut is_deaf, mut stays) = (Some(announcement()), false, false);
    while let Some(flag) = flags.next() {
        let mut value = || flags.next().ok_or_else(|| Error::application("a value is missing"));
        match flag.as_str() {
            "--silent" => first = None,
            "--first" => first = Some(value()?),
            "--lives" => {
                let mut file = OpenOptions::new().create(true).append(true).open(value()?)?;
                file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
            }
            "--exit" => {
                writeln!(stderr(), "no paper")?;
                exit(value()?.parse()?);
            }
            "--deaf" => is_deaf = true,
            "--stays" => stays = true,
            other => return Err(Error::application(format!("unknown flag {other}"))),
        }
    }
    if let Some(first) = first {
        say(&first);
    }
    if is_deaf {
        forever();
    }
    let told = Shared::default();
    for line in stdin().lock().lines() {
        let line: Json = serde_json::from_str(&line?)?;
        let id = line["id"].as_u64().unwrap_or_default();
        let (lock, changed) = &*told;
        let mut told_now = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if line["cancel"] == true {
            told_now.cancelled.insert(id);
        } else if line["pause"] == true {
            told_now.pauses += 1;
            told_now.paused.insert(id);
        } else if line["resume"] == true {
            told_now.paused.remove(&id);
        } else {
            drop(told_now);
            call(id, &line, &told);
            continue;
        }
        drop(told_now);
        changed.notify_all();
    }
    if stays {
        forever();
    }
    Ok(())
}

fn announcement() -> String {
    let values = ["echo", "later", "lines", "die", "pid", "told", "start", "big"];
    let stream = |name: &str| json!({"name": name, "stream": true});
    let mut methods: Vec<Json> = values.map(Json::from).to_vec();
    methods.push(json!({"name": "add", "doc": "Adds.", "params": ["a", "b"]}));
    methods.extend(["count", "flood", "items"].map(stream));
    json!({"methods": methods}).to_string()
}

fn call(id: u64, line: &Json, told: &Shared) {
    let at = |place: usize| line["args"][place].clone();
    let number = |place: usize| line["args"][place].as_u64().unwrap_or_default();
    match line["method"].as_str().unwrap_or_default() {
        "echo" => value(id, json!([line["args"], line["kwargs"]])),
        "add" => value(id, json!(number(0) + number(1))),
        "pid" => value(id, json!(std::process::id())),
        "later" => {
            let (time, answer) = (Duration::from_millis(number(0)), at(1));
            beside(move || {
                CancelToken::new().wait_timeout(time);
                value(id, answer);
            });
        }
        // Prints lines as they are, with the id of this call at each `$ID`.
        "lines" | "items" => {
            for text in line["args"].as_array().into_iter().flatten() {
                say(&text.as_str().unwrap_or_default().replace("$ID", &id.to_string()));
            }
        }
        "count" => {
            (1..=number(0)).for_each(|n| say(&json!({"id": id, "item": n}).to_string()));
            value(id, Json::Null);
        }
        "flood" => {
            let (told, heeds) = (Arc::clone(told), at(0) == "heeds");
            beside(move || flood(id, &told, heeds));
        }
        "told" => {
            let told = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            value(id, json!({"cancelled": told.cancelled, "pauses": told.pauses}));
        }
        "die" => {
            let _ = writeln!(stderr(), "out of paper");
            exit(i32::try_from(number(0)).unwrap_or(1));
        }
        "big" => {
            let bytes = usize::try_from(number(0)).unwrap_or_default();
            say(&format!("{{\"id\":{id},\"value\":\"{}\"}}", "x".repeat(bytes)));
        }
        // Leaves a child behind that never ends and holds the output.
        "start" => {
            let started = std::env::current_exe().and_then(|own| {
                let mut command = std::process::Command::new(own);
                command.args(["nobody", "--hang"]).stdin(std::process::Stdio::null()).spawn()
            });
            value(id, json!(started.map(|child| child.id()).unwrap_or_default()));
        }
        _ => say(&json!({"id": id, "error": "no such method"}).to_string()),
    }
}

fn beside(run: impl FnOnce() + Send + 'static) {
    let started = thread::Builder::new().name("call".to_owned()).spawn(run);
    assert!(started.is_ok(), "{started:?}");
}

fn flood(id: u64, told: &Shared, heeds: bool) {
    let text = "x".repeat(1_024);
    loop {
        let (lock, changed) = &**told;
        let mut now = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while heeds && now.paused.contains(&id) && !now.cancelled.contains(&id) {
            now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
        if now.cancelled.contains(&id) {
            return;
        }
        drop(now);
        say(&json!({"id": id, "item": text}).to_string());
    }
}

fn value(id: u64, value: Json) {
    say(&json!({"id": id, "value": value}).to_string());
}

/// Writes a line at once. An app that has gone hears nothing.
fn say(line: &str) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn forever() -> ! {
    loop {
        CancelToken::new().wait();
    }
}
