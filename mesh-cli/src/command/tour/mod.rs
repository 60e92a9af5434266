//! `mesh tour`: the main job from end to end, for somebody who sees it for the first time.
//!
//! Everything is real: real programs, a real folder, measured times; and private: a temporary
//! home that is taken away at the end, also after a failure or Ctrl-C.

pub(crate) mod app;
mod home;

use std::env::consts::EXE_EXTENSION;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mesh_core::LaunchEvent;
use mesh_core::{
    AppName, Args, CancelToken, Entry, Error, ErrorCode, Kind, Request, Result as CoreResult,
    Stream, Value,
};

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::platform::{FOLDER, HELLO, this_program};
use crate::progress::Progress;
use crate::signal::Second;
use crate::{exit_code, signal};
use home::Stage;

/// The budget of any one step.
const STEP: Duration = Duration::from_secs(10);

/// Items that are seen of the stream that is cancelled.
const BEFORE_CANCEL: usize = 5;

/// Files that a folder has to hold to be worth a walk.
const FILES_MIN: usize = 50;

pub(crate) fn run(context: &Context) -> Result {
    let token = signal::token(Second::Ignored)?;
    let began = Instant::now();
    let launched = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&launched);
    let stage = Stage::new(move |event| {
        if let LaunchEvent::Ready { elapsed, .. } = event {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(*elapsed);
        }
    })?;
    let place = stage.path().to_owned();
    let mut tour = Tour { context, stage, token, launched, step: 0 };
    let walked = tour.walk();
    drop(tour);
    if signal::came() {
        context.message.notice("the tour was interrupted; its apps and its home are gone");
        return Err(Failure::silent(exit_code::INTERRUPTED));
    }
    walked?;
    let left = if place.exists() { "its home is still there" } else { "nothing is left behind" };
    let seconds = began.elapsed().as_secs_f64();
    Ok(context.output.people(&format!("\nDone in {seconds:.1} s; {left}."))?)
}

struct Tour<'a> {
    context: &'a Context,
    stage: Stage,
    token: CancelToken,
    launched: Arc<Mutex<Option<Duration>>>,
    step: u32,
}

impl Tour<'_> {
    fn walk(&mut self) -> Result {
        let home = self.stage.path().display().to_string();
        self.say(&format!("A tour of mesh, in a private home: {home}"))?;
        self.register()?;
        self.launch_by_call()?;
        let folder = self.progress()?;
        self.cancel(&folder)?;
        self.second_start()?;
        self.prune()
    }

    fn register(&mut self) -> Result {
        self.title("Two apps claim their names and register")?;
        let hello = format!("--method=hello={HELLO}");
        let began = Instant::now();
        self.stage.run(&["serve", "-d", "greeter", &hello])?;
        self.say(&format!("greeter, a shell command, was ready after {}", ms(began.elapsed())))?;
        let began = Instant::now();
        self.stage.start(&["tour-app"])?;
        self.say(&format!("{}, a program, was ready after {}", app::NAME, ms(began.elapsed())))?;
        let names = self.stage.client.registry().read()?.entries.into_keys();
        let names: Vec<String> = names.map(String::from).collect();
        self.say(&format!("the registry knows: {}", names.join(", ")))
    }

    fn launch_by_call(&mut self) -> Result {
        self.title("A call launches an app that is off")?;
        self.stage.client.stop("greeter")?;
        self.say("greeter was stopped")?;
        *self.launched.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let began = Instant::now();
        let answer: Value = self.request("greeter", "hello", Args::new().with("world")).call()?;
        let spent = ms(began.elapsed());
        let launch = *self.launched.lock().unwrap_or_else(PoisonError::into_inner);
        let launch = launch.map(|time| format!(", {} of them its launch", ms(time)));
        let answer = answer.as_str().unwrap_or_default();
        self.say(&format!(
            "hello(\"world\") -> {answer:?} in {spent}{}",
            launch.unwrap_or_default()
        ))?;
        let began = Instant::now();
        let _: bool = self.request("greeter", "mesh.ping", Args::new()).call()?;
        self.say(&format!("now that it runs, a ping takes {} us", began.elapsed().as_micros()))
    }

    fn progress(&mut self) -> Result<PathBuf> {
        self.title("A stream tells its progress over a real folder")?;
        let folder = folder();
        let began = Instant::now();
        let mut bar = Progress::new(self.context.message.is_quiet());
        let (mut count, mut quarters) = (0_u64, Vec::new());
        for item in self.scan(&folder, 0)? {
            let item = item?;
            bar.show(&item);
            count += 1;
            quarters.extend(quarter(&item));
        }
        bar.finish();
        let (place, spent) = (folder.display(), ms(began.elapsed()));
        self.say(&format!("its items told: {}", quarters.join(", ")))?;
        self.say(&format!("{count} files of {place} came in {spent}"))?;
        Ok(folder)
    }

    fn cancel(&mut self, folder: &Path) -> Result {
        self.title("A cancel reaches the work")?;
        let mut items = self.scan(folder, 20)?;
        let mut seen = 0;
        while seen < BEFORE_CANCEL && items.next().transpose()?.is_some() {
            seen += 1;
        }
        let began = Instant::now();
        items.cancel();
        // What was on its way still comes; then the server's own word that it has stopped.
        let ended = items.find_map(CoreResult::err);
        let spent = ms(began.elapsed());
        if let Some(error) = ended.filter(|error| error.code() != ErrorCode::Cancelled) {
            return Err(error.into());
        }
        self.say(&format!("cancelled after {seen} items; the server had stopped {spent} later"))
    }

    fn second_start(&mut self) -> Result {
        self.title("A second start is refused: one owner per name")?;
        let said = self.stage.run(&["tour-app"])?;
        let said = said.trim().trim_start_matches("mesh: ");
        self.say(&format!("it left with status 0 and said: {said}"))
    }

    fn prune(&mut self) -> Result {
        self.title("An entry whose program is gone is pruned")?;
        let program = self.stage.path().join("fleeting").with_extension(EXE_EXTENSION);
        std::fs::copy(this_program()?, &program).map_err(|error| made(&program, error))?;
        let command = vec![program.display().to_string()];
        let entry = Entry::new(Kind::Binary, command, self.stage.path().to_owned())?;
        let fleeting = AppName::parse("fleeting").map_err(Error::from)?;
        self.stage.client.registry().put(&fleeting, entry)?;
        std::fs::remove_file(&program).map_err(|error| made(&program, error))?;
        self.say("fleeting was registered, and its program deleted")?;
        for gone in self.stage.client.registry().prune(false)? {
            self.say(&format!("pruned {}; the other entries stay", gone.name))?;
        }
        Ok(())
    }

    fn scan(&self, folder: &Path, delay_ms: u64) -> CoreResult<Stream<Value>> {
        let args = Args::new().with(folder.display().to_string()).with(delay_ms);
        self.request(app::NAME, "deep_scan", args).stream()
    }

    fn request(&self, app: &str, method: &str, args: Args) -> Request {
        let request = self.stage.client.request(app, method).args(args);
        request.timeout(STEP).cancelled_by(&self.token)
    }

    fn title(&mut self, text: &str) -> Result {
        if self.token.is_cancelled() {
            return Err(Failure::silent(exit_code::INTERRUPTED));
        }
        self.step += 1;
        Ok(self.context.output.people(&format!("\n{}. {text}", self.step))?)
    }

    fn say(&self, text: &str) -> Result {
        Ok(self.context.output.people(&format!("   {text}"))?)
    }
}

/// How much is done, when an item completes another quarter.
fn quarter(item: &Value) -> Option<String> {
    let (done, total) = (item.get("done")?.as_u64()?, item.get("total")?.as_u64()?);
    let quarters = |done: u64| done * 4 / total.max(1);
    let now = quarters(done);
    (now > quarters(done.saturating_sub(1))).then(|| format!("{} %", now * 25))
}

/// A real folder: the one where the tour was started, or one that every system has, when that
/// holds too little to see anything.
fn folder() -> PathBuf {
    let here = std::env::current_dir().ok();
    let full = |folder: &PathBuf| app::files_below(folder, || false).len() >= FILES_MIN;
    here.filter(full).unwrap_or_else(|| PathBuf::from(FOLDER))
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn made(path: &Path, error: std::io::Error) -> Failure {
    Error::new(ErrorCode::Home, format!("cannot use {}", path.display())).source(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quarter_is_told_once() {
        for total in [1_u64, 3, 4, 7, 100] {
            let item = |done: u64| Value::from([("done", done), ("total", total)]);
            let told: Vec<String> = (1..=total).filter_map(|done| quarter(&item(done))).collect();
            assert_eq!(told.last().map(String::as_str), Some("100 %"), "{total}");
            assert!(told.len() <= 4);
        }
        assert_eq!(quarter(&Value::Null), None);
    }
}
