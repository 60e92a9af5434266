//! Which program `--exec` runs: found and looked at when the app starts, so that what cannot run
//! is told to whoever can mend it; and no shell where it would read what a caller gives.

use std::path::{Path, PathBuf};

use mesh_core::{Entry, Kind};

use crate::failure::{Result, usage};
use crate::platform;
use crate::serve::template::Template;

/// Programs that take their words for commands.
const SHELLS: [&str; 14] = [
    "ash",
    "bash",
    "cmd",
    "csh",
    "dash",
    "fish",
    "ksh",
    "mksh",
    "powershell",
    "pwsh",
    "pwsh-preview",
    "sh",
    "tcsh",
    "zsh",
];

/// Refuses a shell that would be given an argument of the caller's: it would run that.
///
/// # Errors
/// A usage error that names the way.
pub(crate) fn refuse_shell(program: &str, template: &Template) -> Result {
    if template.params().is_empty() || !is_shell(program) {
        return Ok(());
    }
    let what = format!("{program:?} is read by a shell, which would run what a caller gives");
    Err(usage(what, platform::SHELL_WAY))
}

/// Looks for the program of the template as `mesh registry add` does, from the directory `cwd`.
///
/// # Errors
/// `no_such_app` when it is not there, `refused` when it may not be executed or others could
/// replace it, usage when what is found is a shell.
pub(crate) fn find(template: &mut Template, cwd: &Path) -> Result {
    let entry = Entry::new(Kind::Binary, vec![template.program.clone()], cwd.to_owned())?;
    entry.check_launch()?;
    let Some(found) = entry.command.first() else { return Ok(()) };
    refuse_shell(found, template)?;
    // A link with another name may lead to a shell.
    if let Some(meant) = Path::new(found).canonicalize().ok().as_deref().and_then(Path::to_str) {
        refuse_shell(meant, template)?;
    }
    template.found = Some(PathBuf::from(found));
    Ok(())
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    // Windows does not see dots and spaces at the end.
    let name = name.trim_end_matches(['.', ' ']);
    let stem = name.strip_suffix(".exe").unwrap_or(name);
    let unversioned = stem.trim_end_matches(|c: char| c.is_ascii_digit() || "-.".contains(c));
    SHELLS.contains(&unversioned) || platform::BATCH.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code;

    fn template(words: &[&str]) -> Template {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Template::parse(&words).unwrap()
    }

    #[test]
    fn shells_are_known_by_any_of_their_names() {
        for shell in [
            "sh",
            "/bin/bash",
            "bash-5.2",
            "zsh5",
            "CMD",
            "cmd.exe",
            "C:\\Windows\\cmd.EXE",
            "C:/a/pwsh.exe",
            "pwsh-preview",
            "powershell.exe. ",
            "./dash",
            "ksh93",
            "fish",
        ] {
            assert!(is_shell(shell), "{shell}");
        }
        for other in ["ssh", "push", "/bin/sh/x", "cmdx.exe", "sh.py", "python3", ""] {
            assert!(!is_shell(other), "{other}");
        }
        assert_eq!(is_shell("C:\\a\\npm.CMD"), cfg!(windows));
        assert_eq!(is_shell("a.bat"), cfg!(windows));
    }

    #[test]
    fn a_shell_is_refused_where_a_caller_would_give_it_words() {
        for words in [&["sh", "-c", "echo {0}"][..], &["sh", "{file}"], &["cmd", "/c", "x", "{0}"]]
        {
            let failure = refuse_shell(words[0], &template(words)).unwrap_err();
            assert_eq!(failure.code, exit_code::USAGE, "{words:?}");
            assert!(failure.error.unwrap().next_step().unwrap().contains("--method"));
        }
        for words in [&["sh", "-c", "echo {{0}}"][..], &["grep", "{0}"]] {
            assert!(refuse_shell(words[0], &template(words)).is_ok(), "{words:?}");
        }
    }

    #[test]
    fn a_program_is_found_at_the_start_or_told() {
        let folder = tempfile::tempdir().unwrap();
        let name = if cfg!(windows) { "cmd" } else { "printf" };
        let mut known = template(&[name]);
        find(&mut known, folder.path()).unwrap();
        assert!(known.found.unwrap().is_absolute());
        let failure = find(&mut template(&["no-such-program"]), folder.path()).unwrap_err();
        assert_eq!(failure.code, exit_code::NO_SUCH_APP);
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let failure = find(&mut template(&["./notes.txt"]), folder.path()).unwrap_err();
        assert_eq!(failure.code, exit_code::REFUSED);
        assert!(failure.error.unwrap().message().contains("may not be executed"));
    }
}
