//! `mesh registry add APP [--cwd DIR] [--env K=V] -- CMD...`: an entry by hand.
//!
//! Paths are made absolute here, as the shell that typed them sees them: an entry means the same
//! from everywhere. What the app knows of itself (its methods) is kept when only the
//! surroundings change.

use std::path::{Path, absolute};

use mesh_core::{Client, Entry, Kind};
use serde_json::json;

use crate::args::Add;
use crate::context::Context;
use crate::failure::{Failure, Result, app_name, usage};

/// Programs that run the script that is named behind them.
const INTERPRETERS: [&str; 16] = [
    "bash", "bun", "dash", "deno", "fish", "ksh", "lua", "node", "perl", "php", "pwsh", "python",
    "pythonw", "ruby", "sh", "zsh",
];

pub(crate) fn run(context: &Context, client: &Client, add: &Add) -> Result {
    let app = app_name(&add.app)?;
    let cwd = match &add.cwd {
        Some(cwd) if cwd.is_dir() => absolute(cwd).map_err(|error| no_directory(cwd, error))?,
        Some(cwd) => {
            let found = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(no_directory(cwd, found));
        }
        None => std::env::current_dir().map_err(|error| no_directory(Path::new("."), error))?,
    };
    let (kind, command) = complete(&add.command)?;
    let mut entry = Entry::new(kind, command, cwd)?;
    for pair in &add.env {
        let (key, value) = variable(pair)?;
        entry.env.insert(key, value);
    }
    // What every launch would refuse is told to whoever can still mend it.
    entry.check_launch()?;
    let before = client.registry().entry(&app)?;
    if let Some(before) = &before
        && before.command == entry.command
    {
        entry.methods.clone_from(&before.methods);
        entry.version.clone_from(&before.version);
        entry.launch.clone_from(&before.launch);
    }
    let command = entry.command.clone();
    let changed = client.registry().put(&app, entry)?;
    let json = json!({
        "name": app.as_str(),
        "command": command,
        "replaced": before.is_some(),
        "changed": changed,
    });
    let told = || match (changed, before) {
        (false, _) => format!("{app} is registered so already"),
        (true, Some(_)) => format!("replaced {app}"),
        (true, None) => format!("added {app}"),
    };
    Ok(context.output.report(&json, told)?)
}

/// The kind of a command, and the command with its paths absolute. A bare name is left to the
/// registry, which looks for it in `PATH`.
fn complete(typed: &[String]) -> Result<(Kind, Vec<String>)> {
    let mut command = typed.to_vec();
    let is_script = is_script(&command);
    for (place, word) in command.iter_mut().take(if is_script { 2 } else { 1 }).enumerate() {
        if place == 1 || Path::new(word.as_str()).components().count() > 1 {
            *word = absolute_text(word)?;
        }
    }
    Ok((if is_script { Kind::Script } else { Kind::Binary }, command))
}

/// Whether this is an interpreter and, right behind it, a file.
fn is_script(command: &[String]) -> bool {
    let [program, script, ..] = command else { return false };
    let stem = Path::new(program).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_lowercase();
    INTERPRETERS.contains(&stem.as_str()) && Path::new(script).is_file()
}

fn absolute_text(path: &str) -> Result<String> {
    let absolute = absolute(path).map_err(|error| no_directory(Path::new("."), error))?;
    absolute.into_os_string().into_string().map_err(|path| {
        usage(
            format!("the path {} is not UTF-8", path.display()),
            "The registry holds text: move or link the program.",
        )
    })
}

fn variable(pair: &str) -> Result<(String, String)> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() && !pair.contains('\0') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(usage(format!("--env {pair:?} has no name"), "Write --env NAME=VALUE.")),
    }
}

fn no_directory(path: &Path, error: std::io::Error) -> Failure {
    usage(
        format!("cannot use the directory {}: {error}", path.display()),
        "Name an existing directory with --cwd.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_script_behind_its_interpreter_is_a_script() {
        let script = tempfile::NamedTempFile::new().unwrap();
        let path = script.path().to_str().unwrap();
        for interpreter in ["sh", "python3", "python3.12", "/usr/bin/Python", "node"] {
            assert!(is_script(&words(&[interpreter, path, "-x"])), "{interpreter}");
        }
        for binary in [&["sh", "-c", path][..], &["cat", path], &["sh", "/nowhere"], &["sh"]] {
            assert!(!is_script(&words(binary)), "{binary:?}");
        }
    }

    #[test]
    fn paths_become_absolute_and_bare_names_stay() {
        let (kind, command) = complete(&words(&["sh", "-c", "./true"])).unwrap();
        assert_eq!((kind, command), (Kind::Binary, words(&["sh", "-c", "./true"])));
        let (_, command) = complete(&words(&["./below/app", "./x"])).unwrap();
        assert!(Path::new(&command[0]).is_absolute());
        assert_eq!(command[1], "./x");
        let here = std::env::current_dir().unwrap();
        let (kind, command) = complete(&words(&["sh", "Cargo.toml"])).unwrap();
        assert_eq!(kind, Kind::Script);
        assert_eq!(Path::new(&command[1]), here.join("Cargo.toml"));
    }

    #[test]
    fn a_variable_needs_a_name() {
        assert_eq!(variable("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(variable("A=").unwrap().1, "");
        assert!(variable("=b").is_err() && variable("A").is_err());
    }
}
