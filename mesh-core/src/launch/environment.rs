//! The environment of a launched app, and the call path in it. Pure, but for one reader.
//!
//! A launched app outlives its launcher and serves others, so it gets what belongs to the user
//! and the session, not what belongs to one terminal or one caller: an allow-list, then what the
//! entry adds, then what the runtime says. Tokens, loader variables and a tool's own flags are
//! not on the list.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::CALL_PATH_MAX;
use crate::sys::environment;
use crate::sys::home::{HOME_VARIABLE, Home};
use crate::sys::spawn::{self, READY_VARIABLE};

/// The apps whose calls led here, separated by commas: to a launch, when [`LAUNCH`] is in front;
/// else to one call, which the process works for as long as it lives.
const CALL_PATH_VARIABLE: &str = "MESH_CALL_PATH";
const LAUNCH: &str = "launch:";

/// The whole environment of a launched app; the ready pipe's variable comes with the spawn.
pub(crate) fn of_child(
    ours: impl Iterator<Item = (OsString, OsString)>,
    additions: &BTreeMap<String, String>,
    home: &Home,
    call_path: &[String],
) -> Vec<(OsString, OsString)> {
    let ours = ours.filter(|(name, _)| environment::is_of_session(name));
    let added = additions.iter().map(|(name, value)| (name.into(), value.into()));
    let last: [(OsString, OsString); 2] = [
        (HOME_VARIABLE.into(), home.root().into()),
        (CALL_PATH_VARIABLE.into(), format!("{LAUNCH}{}", call_path.join(",")).into()),
    ];
    let mut env = BTreeMap::new();
    for (name, value) in ours.chain(added).chain(last) {
        env.insert(environment::folded(&name), (name, value));
    }
    env.remove(OsStr::new(READY_VARIABLE));
    env.into_values().collect()
}

/// Set once the start of this process is over: what it does then is nobody's call.
static STARTED: AtomicBool = AtomicBool::new(false);

/// The apps whose calls led to the start of this process; none when it was started by hand.
pub(crate) fn call_path() -> Vec<String> {
    if STARTED.load(Ordering::Relaxed) {
        return Vec::new();
    }
    let text = std::env::var(CALL_PATH_VARIABLE).unwrap_or_default();
    parse_call_path(&text, spawn::is_launched)
}

/// This process is an app and ready: from here on its calls have no past.
pub(crate) fn forget_call_path() {
    STARTED.store(true, Ordering::Relaxed);
}

/// A launched app hands the variable down to whatever it starts, long after its launch is over. It
/// does not hand down the ready pipe: only who has that is being launched.
fn parse_call_path(text: &str, is_launched: impl Fn() -> bool) -> Vec<String> {
    let text = match text.strip_prefix(LAUNCH) {
        Some(path) if is_launched() => path,
        Some(_) => return Vec::new(),
        None => text,
    };
    let names = text.split(',').filter(|name| !name.is_empty());
    names.take(CALL_PATH_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_the_allowed_the_added_and_the_runtimes_own() {
        let ours = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("XDG_RUNTIME_DIR", "/run"),
            ("TZ", "UTC"),
            ("LD_PRELOAD", "x"),
            ("API_TOKEN", "x"),
            ("MESH_TIMEOUT", "x"),
            ("MESH_HOME", "/elsewhere"),
            (READY_VARIABLE, "9"),
        ];
        let ours = ours.into_iter().map(|(key, value)| (key.into(), value.into()));
        let added = [("TZ", "CET"), ("LD_PRELOAD", "mine"), (READY_VARIABLE, "1")];
        let added = added.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let path = ["a".to_owned(), "b".to_owned()];
        let home = Home::at("/home/x/.mesh");
        let env = of_child(ours, &added, &home, &path);
        let env: Vec<String> = env
            .iter()
            .map(|(key, value)| format!("{}={}", key.display(), value.display()))
            .collect();
        let expected = [
            "LC_ALL=C",
            "LD_PRELOAD=mine",
            "MESH_CALL_PATH=launch:a,b",
            &format!("MESH_HOME={}", home.root().display()),
            "PATH=/bin",
            "TZ=CET",
            "XDG_RUNTIME_DIR=/run",
        ];
        assert_eq!(env, expected);
    }

    #[test]
    fn names_that_mean_one_variable_give_one() {
        let ours = [("Path".into(), "ours".into())];
        let added = [("PATH".to_owned(), "mine".to_owned())].into();
        let env = of_child(ours.into_iter(), &added, &Home::at("/h"), &[]);
        let paths = env.iter().filter(|(name, _)| name.eq_ignore_ascii_case("path"));
        // On Unix these are two variables, and `Path` is not of the session.
        assert_eq!(paths.collect::<Vec<_>>(), [&("PATH".into(), "mine".into())]);
    }

    #[test]
    fn a_call_path_comes_back_bounded() {
        let parse = |text: &str| parse_call_path(text, || true);
        assert_eq!(parse("a,b"), ["a", "b"]);
        assert_eq!(parse("launch:a,b"), ["a", "b"]);
        assert!(parse("").is_empty() && parse("launch:").is_empty());
        assert_eq!(parse(&"x,".repeat(100)).len(), CALL_PATH_MAX);
    }

    #[test]
    fn what_a_launched_app_starts_later_is_not_part_of_its_launch() {
        assert!(parse_call_path("launch:a,b", || false).is_empty());
        assert_eq!(parse_call_path("a,b", || false), ["a", "b"], "the path of a call");
    }
}
