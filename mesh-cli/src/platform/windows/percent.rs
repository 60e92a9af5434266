//! `%1` in the text of a command: put in before `cmd.exe` reads it. Pure.
//!
//! `cmd.exe` reads what stands for `%1` or `%MESH_ARG_X%` as a part of the command: a value that
//! holds `&` begins another one, and no quoting prevents it everywhere. So only a value of
//! harmless characters goes there, any other is refused. `!MESH_ARG_1!` is replaced after the
//! command was read and takes every value.

use mesh_core::{Error, ErrorCode, Result};

/// Characters of ASCII, beside letters and digits, that mean nothing to `cmd.exe` wherever they
/// stand in a command, quoted or not.
const HARMLESS: &str = " _-.,/\\:@+=~#[]{}'$;?*";

/// The text with the app's name for `%0`, positional arguments for `%1` to `%9` and all of them
/// for `%*`; one that was not given is empty.
///
/// # Errors
/// `bad_arguments` when a value is not to stand there.
pub(super) fn filled(
    text: &str,
    app: &str,
    positional: &[String],
    variables: &[(String, String)],
) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        let (word, left) = match after.chars().next() {
            Some('0') => (app.to_owned(), &after[1..]),
            Some('%') => ("%%".to_owned(), &after[1..]),
            Some('*') => (all(positional)?, &after[1..]),
            Some(digit @ '1'..='9') => (one(positional, digit)?, &after[1..]),
            _ => ("%".to_owned(), after),
        };
        filled.push_str(&word);
        rest = left;
    }
    filled.push_str(rest);
    // Not in the text as it was typed: `%X%1%` becomes a name only now.
    for (name, value) in variables {
        if mentions(&filled, name) {
            check(name, &format!("%{name}%"), value)?;
        }
    }
    Ok(filled)
}

fn one(positional: &[String], digit: char) -> Result<String> {
    let number = digit.to_digit(10).and_then(|number| usize::try_from(number).ok());
    let value = number.and_then(|number| positional.get(number.checked_sub(1)?));
    let value = value.map(String::as_str).unwrap_or_default();
    check(&format!("MESH_ARG_{digit}"), &format!("%{digit}"), value)?;
    Ok(value.to_owned())
}

fn all(positional: &[String]) -> Result<String> {
    for (number, value) in (1..).zip(positional) {
        check(&format!("MESH_ARG_{number}"), "%*", value)?;
    }
    Ok(positional.join(" "))
}

/// Whether the text has the variable where `cmd.exe` puts its value in before it reads the
/// command: `%X%`, or with a change of it, `%X:~0,3%`. Names of variables have no case.
fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_ascii_uppercase(), name.to_ascii_uppercase());
    text.contains(&format!("%{name}%")) || text.contains(&format!("%{name}:"))
}

fn check(variable: &str, place: &str, value: &str) -> Result<()> {
    let Some(bad) = value.chars().find(|c| !is_harmless(*c)) else { return Ok(()) };
    let what =
        format!("the argument for {place} holds {bad:?}, which cmd.exe may take for its own");
    let hint = format!("Let the command use !{variable}! instead, or serve a program by --exec.");
    Err(Error::new(ErrorCode::BadArguments, what).hint(hint))
}

/// Letters of other scripts are harmless, but not those that old programs, which know one byte for
/// a character, are given as a quote or the like: modifier letters, and wide forms of ASCII.
fn is_harmless(c: char) -> bool {
    match c {
        c if c.is_ascii() => c.is_ascii_alphanumeric() || HARMLESS.contains(c),
        '\u{2b0}'..='\u{2ff}' | '\u{ff00}'..='\u{ffef}' => false,
        c => c.is_alphanumeric(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn ordinary_values_stand_where_the_command_has_them() {
        let given = words(&["C:\\a b\\", "-5", "gr\u{fc}n"]);
        for (text, meant) in [
            ("echo hello %1", "echo hello C:\\a b\\"),
            ("%0: %2%3", "app: -5gr\u{fc}n"),
            ("%*|more", "C:\\a b\\ -5 gr\u{fc}n|more"),
            ("echo [%4] %10", "echo [] C:\\a b\\0"),
            ("echo %PATH% 100% %", "echo %PATH% 100% %"),
            ("for %f in (*) do echo %f", "for %f in (*) do echo %f"),
        ] {
            assert_eq!(filled(text, "app", &given, &[]).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn no_value_makes_the_name_of_a_variable_that_holds_another() {
        let given = words(&["ARG_NAME"]);
        let named = [("MESH_ARG_NAME".to_owned(), "&".to_owned())];
        assert!(filled("echo %MESH_%1%", "app", &given, &named).is_err());
        assert_eq!(filled("echo %%1%", "app", &given, &named).unwrap(), "echo %%1%");
    }

    #[test]
    fn a_value_that_could_be_a_command_is_refused_where_it_would_be_read_as_one() {
        for bad in
            ["a&b", "|", "<", ">", "^", "%", "!", "\"", "(", ")", "\n", "\u{2ba}", "\u{ff02}"]
        {
            let given = words(&["fine", bad]);
            let named = [("MESH_ARG_NAME".to_owned(), bad.to_owned())];
            for text in ["echo %2", "echo \"%*\"", "echo %mesh_arg_name%", "%MESH_ARG_NAME:~0,1%"] {
                let error = filled(text, "app", &given, &named).unwrap_err();
                assert_eq!(error.code(), ErrorCode::BadArguments, "{text} {bad:?}");
                assert!(error.next_step().is_some_and(|hint| hint.contains("!MESH_ARG_")));
            }
            let text = "echo %1 !MESH_ARG_2! !MESH_ARG_NAME!";
            assert!(filled(text, "app", &given, &named).is_ok(), "{bad:?}");
        }
    }
}
