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
use crate::sys::home::{HOME_VARIABLE, Home};
use crate::sys::spawn::{self, READY_VARIABLE};

/// The apps whose calls led here, separated by commas: to a launch, when [`LAUNCH`] is in front;
/// else to one call, which the process works for as long as it lives.
const CALL_PATH_VARIABLE: &str = "MESH_CALL_PATH";
const LAUNCH: &str = "launch:";

/// What is handed on from the launcher, if it is set there.
const ALLOWED: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
];

/// What the names of further allowed variables begin with.
const ALLOWED_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// The whole environment of a launched app; the ready pipe's variable comes with the spawn.
pub(crate) fn of_child(
    ours: impl Iterator<Item = (OsString, OsString)>,
    additions: &BTreeMap<String, String>,
    home: &Home,
    call_path: &[String],
) -> Vec<(OsString, OsString)> {
    let mut env: BTreeMap<OsString, OsString> = ours.filter(|(key, _)| is_allowed(key)).collect();
    env.extend(additions.iter().map(|(key, value)| (key.into(), value.into())));
    env.remove(OsStr::new(READY_VARIABLE));
    env.insert(HOME_VARIABLE.into(), home.root().into());
    env.insert(CALL_PATH_VARIABLE.into(), format!("{LAUNCH}{}", call_path.join(",")).into());
    env.into_iter().collect()
}

fn is_allowed(key: &OsStr) -> bool {
    key.to_str().is_some_and(|key| {
        ALLOWED.contains(&key) || ALLOWED_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
    })
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
            ("MESH_READY_FD", "9"),
        ];
        let ours = ours.into_iter().map(|(key, value)| (key.into(), value.into()));
        let added = [("TZ", "CET"), ("LD_PRELOAD", "mine"), ("MESH_READY_FD", "1")];
        let added = added.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let path = ["a".to_owned(), "b".to_owned()];
        let env = of_child(ours, &added, &Home::at("/home/x/.mesh"), &path);
        let env: Vec<String> = env
            .iter()
            .map(|(key, value)| format!("{}={}", key.display(), value.display()))
            .collect();
        let expected = [
            "LC_ALL=C",
            "LD_PRELOAD=mine",
            "MESH_CALL_PATH=launch:a,b",
            "MESH_HOME=/home/x/.mesh",
            "PATH=/bin",
            "TZ=CET",
            "XDG_RUNTIME_DIR=/run",
        ];
        assert_eq!(env, expected);
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
