//! Whether `cmd.exe` reads the text of a command once. Pure.
//!
//! `!X!` is replaced after the text was read, so what X holds is no part of the command: as long
//! as nothing reads the result again. Both sides of a pipe are read again, by a `cmd.exe` each, and
//! so is what goes to `call`, `for /f`, another shell or a batch file. A bare name such as `npm`
//! may be a batch file. What is not known to be read once counts as read again.

/// Commands of `cmd.exe` itself that take their words as they are.
const OWN: &[&str] = &[
    "cd", "chdir", "copy", "del", "dir", "echo", "erase", "exit", "md", "mkdir", "mklink", "move",
    "popd", "pushd", "rd", "rem", "ren", "rename", "rmdir", "set", "title", "type",
];

/// Programs that take their words for commands.
const SHELLS: &[&str] =
    &["bash", "cmd", "forfiles", "mshta", "powershell", "pwsh", "sh", "ssh", "wmic", "wsl"];

/// Whether no part of the text that has a `!` is read again. Its `%` forms are filled in.
pub(super) fn is_once(text: &str) -> bool {
    commands(text).is_some_and(|commands| commands.iter().all(|command| is_plain(command)))
}

/// The commands between `&`, `||` and the brackets of blocks; `None` where a pipe joins two, or
/// where a variable of the system could hold the quote that makes it one.
fn commands(text: &str) -> Option<Vec<String>> {
    if text.contains('%') && text.contains('|') {
        return None;
    }
    let (mut commands, mut command) = (Vec::new(), String::new());
    let (mut is_quoted, mut depth) = (false, 0_usize);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '^' => {
                command.push(c);
                command.extend(rest.next());
                continue;
            }
            '|' if rest.next_if_eq(&'|').is_none() => return None,
            '(' if begun(&command).is_empty() => {
                depth += 1;
                continue;
            }
            // `2>&1` is a redirection.
            '&' if command.ends_with(['<', '>']) => {}
            '|' | '&' => {
                commands.push(std::mem::take(&mut command));
                continue;
            }
            ')' if depth > 0 => {
                depth -= 1;
                commands.push(std::mem::take(&mut command));
                continue;
            }
            _ => {}
        }
        command.push(c);
    }
    commands.push(command);
    Some(commands)
}

fn begun(command: &str) -> &str {
    command.trim_start_matches(|c: char| c == '@' || c.is_whitespace())
}

/// Whether the command is known to take its words as they are, or has none that could change.
fn is_plain(command: &str) -> bool {
    if !command.contains(['!', '^']) {
        return true;
    }
    let command = begun(command).to_ascii_lowercase();
    if command.starts_with("echo(") {
        return true;
    }
    let end_of_word = |c: char| c.is_whitespace();
    match command.strip_prefix('"').map(|quoted| quoted.split_once('"')) {
        Some(Some((word, after))) => {
            is_program(word) && (after.is_empty() || after.starts_with(end_of_word))
        }
        Some(None) => false,
        None => {
            let word = command.split(end_of_word).next().unwrap_or_default();
            OWN.contains(&word) || is_program(word)
        }
    }
}

/// Whether this is the name of a program, with its `.exe`, that is no shell.
fn is_program(word: &str) -> bool {
    let name = word.rsplit(['\\', '/', ':']).next().unwrap_or_default();
    let stem = name.strip_suffix(".exe").unwrap_or_default();
    !stem.is_empty()
        && !SHELLS.contains(&stem)
        && !word.contains(['!', '^', '"'])
        && !stem.contains('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_commands_are_read_once() {
        for text in [
            "echo !A!",
            "@ECHO !A!& echo(!A!",
            "(echo !A!) & (dir /b !A!)",
            "type !A! 2>&1 || echo ^|!A!^& \"a|b\" (c)",
            "\"C:\\a (b)\\tool.exe\" !A! && tool.EXE !A!",
            "\"%ProgramFiles%\\tool.exe\" !A!",
            "chcp 850 > nul & echo !A!",
            "powershell -c \"gc $env:MESH_ARG_1 | measure\"",
            "rem",
            "",
        ] {
            assert!(is_once(text), "{text}");
        }
    }

    #[test]
    fn what_is_or_may_be_read_again_is_not_read_once() {
        for text in [
            "echo !A! | sort",
            "echo !A!|sort",
            "sort /? | (echo !A!)",
            "(echo !A! || rem) | sort",
            "echo \"^\"|sort !A!",
            "echo %Q%\"|\" !A!",
            "for /f %i in ('echo !A!') do echo %i",
            "if 1==1 call x !A!",
            "call echo !A!",
            "call echo %^MESH_ARG_1%",
            "cmd /c echo !A!",
            "%comspec% /c echo !A!",
            "c^md /c echo !A!",
            "\"C:\\Windows\\System32\\cmd.exe\" /c echo !A!",
            "start \"\" !A!",
            "powershell.exe -c !A!",
            "a.bat !A!",
            "\"a b.cmd\" !A!",
            "npm run !A!",
            "!A!.exe",
            "!A!",
            "%X%.exe !A!",
            "\"x.exe\"cmd !A!",
            "echo a & (echo b & npm !A!)",
            "x >& echo !A!",
            "cmd.exe. !A!",
        ] {
            assert!(!is_once(text), "{text}");
        }
    }
}
