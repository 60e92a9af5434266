//! The one text that Windows gives a program in place of its arguments. Pure.
//!
//! Programs take it apart themselves, nearly all by the rules of `CommandLineToArgvW`: blanks
//! separate, quotes hold together, backslashes are themselves unless a quote follows them.
//! `cmd.exe`, which runs batch files, has rules of its own: there what it might read as anything
//! but an argument is refused.

use std::io::{self, ErrorKind};

/// The switches of `cmd.exe` for one batch file: its extensions on, no second replacement of
/// variables, nothing that the user's registry wants run first, and all between the outer quotes
/// taken as it stands.
const SWITCHES: &str = "/e:on /v:off /d /s /c";

/// The longest text that `cmd.exe` takes, in UTF-16 units.
const BATCH_MAX: usize = 8_191;

/// The command line of a program.
///
/// # Errors
/// `InvalidInput` for what no command line can hold.
pub(super) fn of_program(program: &str, args: &[String]) -> io::Result<String> {
    if program.contains('"') || in_all(program, args).any(|letter| letter == '\0') {
        return Err(invalid("a program and its arguments cannot hold a NUL, nor a path a quote"));
    }
    // The rules are others for the first word: no backslash has a meaning there.
    let mut line = format!("\"{program}\"");
    for arg in args {
        line.push(' ');
        push_argument(&mut line, arg);
    }
    Ok(line)
}

/// The command line of `cmd.exe`, which calls itself `interpreter`, for a batch file.
///
/// # Errors
/// `InvalidInput` for what `cmd.exe` would change, or would read as a part of the command.
pub(super) fn of_batch(interpreter: &str, file: &str, args: &[String]) -> io::Result<String> {
    if let Some(letter) = in_all(file, args).find(|letter| is_read_by_cmd(*letter)) {
        let what = format!(
            "cmd.exe cannot be given a {letter:?} unchanged, which the path or an \
                            argument of this batch file holds; register the program that it runs"
        );
        return Err(invalid(&what));
    }
    let mut line = format!("\"{interpreter}\" {SWITCHES} \"\"{file}\"");
    for arg in args {
        line.push(' ');
        // Within quotes no other letter means anything to it. What the batch file hands on to a
        // program is read there by the rules for programs.
        push_quoted(&mut line, arg);
    }
    line.push('"');
    if line.encode_utf16().count() > BATCH_MAX {
        return Err(invalid("the arguments are longer than cmd.exe can take for a batch file"));
    }
    Ok(line)
}

/// A quote would end the quotes, a percent sign begins a variable wherever it is, and a line ends
/// the command.
fn is_read_by_cmd(letter: char) -> bool {
    matches!(letter, '"' | '%') || letter.is_control()
}

fn in_all<'a>(program: &'a str, args: &'a [String]) -> impl Iterator<Item = char> + 'a {
    program.chars().chain(args.iter().flat_map(|arg| arg.chars()))
}

/// Bare if it can be: there are programs that know their switches without quotes only.
fn push_argument(line: &mut String, arg: &str) {
    let is_plain = |letter: char| letter != '"' && !letter.is_whitespace() && !letter.is_control();
    match !arg.is_empty() && arg.chars().all(is_plain) {
        true => line.push_str(arg),
        false => push_quoted(line, arg),
    }
}

/// Backslashes before a quote, be it one of the argument or the last, are doubled.
fn push_quoted(line: &mut String, arg: &str) {
    line.push('"');
    let mut backslashes = 0;
    for letter in arg.chars() {
        match letter {
            '\\' => backslashes += 1,
            '"' => {
                line.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(letter);
    }
    line.extend(std::iter::repeat_n('\\', backslashes));
    line.push('"');
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn an_argument_is_quoted_where_it_must_be_and_bare_else() {
        for (arg, quoted) in [
            ("/c", "/c"),
            (r"C:\dir\", r"C:\dir\"),
            (r"\\server\share", r"\\server\share"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a\tb", "\"a\tb\""),
            (r"C:\a b\", r#""C:\a b\\""#),
            (r"a\\b c", r#""a\\b c""#),
            (r#"""#, r#""\"""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r#"a\"b"#, r#""a\\\"b""#),
            (r#"\\""#, r#""\\\\\"""#),
            ("%PATH%&|<>^!", "%PATH%&|<>^!"),
        ] {
            let line = of_program(r"C:\a b\x.exe", &args(&[arg])).unwrap();
            assert_eq!(line, format!(r#""C:\a b\x.exe" {quoted}"#));
        }
    }

    #[test]
    fn what_no_command_line_can_hold_is_refused() {
        assert!(of_program("C:\\x\".exe", &[]).is_err());
        assert!(of_program("C:\\x.exe", &args(&["a", "b\0c"])).is_err());
    }

    #[test]
    fn a_batch_file_is_run_with_every_word_in_quotes() {
        let line = of_batch(r"C:\cmd.exe", r"C:\a b\x.cmd", &args(&["", "&|<>^!()", r"d\"]));
        let expected = r#""C:\cmd.exe" /e:on /v:off /d /s /c ""C:\a b\x.cmd" "" "&|<>^!()" "d\\"""#;
        assert_eq!(line.unwrap(), expected);
    }

    #[test]
    fn what_cmd_could_read_as_its_own_is_refused_for_batch_files() {
        for bad in ["%PATH%", "100%", "\"", "a\" & echo b", "a\nb", "a\rb", "a\0b", "\u{1a}"] {
            let error = of_batch(r"C:\cmd.exe", r"C:\x.cmd", &args(&["a", bad])).unwrap_err();
            assert!(error.to_string().contains("register the program"), "{bad:?}: {error}");
        }
        assert!(of_batch(r"C:\cmd.exe", r"C:\100%\x.cmd", &[]).is_err());
        let long = "x".repeat(BATCH_MAX);
        assert!(of_batch(r"C:\cmd.exe", r"C:\x.cmd", &[long]).is_err());
    }
}
