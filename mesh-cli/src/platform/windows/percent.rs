//! `%1` in the text of a command: put in before `cmd.exe` reads it. Pure.
//!
//! `cmd.exe` reads what stands for `%1` or `%MESH_ARG_X%` as a part of the command: a value that
//! holds `&` begins another one, and no quoting prevents it everywhere. So only a value of
//! harmless characters goes there, any other is refused. `!MESH_ARG_1!` is replaced after the
//! command was read and takes every value, in a text that is read once; in any other the same
//! holds for it as for `%1`.

use mesh_core::{Error, ErrorCode, Result};

use super::reading;
use crate::platform::ARGUMENT_VARIABLE;

/// Characters of ASCII, beside letters and digits, that mean nothing to `cmd.exe` wherever they
/// stand in a command, quoted or not.
const HARMLESS: &str = " _-.,/\\:@+=~#[]{}'$;?*";

/// The text with the app's name for `%0`, positional arguments for `%1` to `%9`, all of them for
/// `%*`, and arguments for `%MESH_ARG_X%`; one that was not given is empty.
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
    // Where a value ends with a digit.
    let mut digits = Vec::new();
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        let (value, left) = match (after.chars().next(), Reference::parse(after)) {
            (Some('0'), _) => (app.to_owned(), &after[1..]),
            (Some('*'), _) => (all(positional)?, &after[1..]),
            (Some(digit @ '1'..='9'), _) => (one(positional, digit)?, &after[1..]),
            (_, Some(reference)) => reference.value(after, variables)?,
            (Some('%'), _) if Reference::parse(&after[1..]).is_none() => {
                ("%%".to_owned(), &after[1..])
            }
            _ => ("%".to_owned(), after),
        };
        filled.push_str(&value);
        if value.ends_with(|c: char| c.is_ascii_digit()) {
            digits.push(filled.len());
        }
        rest = left;
    }
    filled.push_str(rest);
    if digits.iter().any(|end| filled[*end..].starts_with(['<', '>'])) {
        return Err(redirecting());
    }
    check_rest(&filled, variables)?;
    Ok(filled)
}

/// How many UTF-16 units the text has once `cmd.exe` has put in the variables that it mentions.
pub(super) fn length(text: &str, variables: &[(String, String)]) -> usize {
    let put_in = variables.iter().map(|(name, value)| {
        let places = mentions(text, &format!("%{name}")) + mentions(text, &format!("!{name}"));
        places.saturating_mul(value.encode_utf16().count())
    });
    put_in.fold(text.encode_utf16().count(), usize::saturating_add)
}

fn one(positional: &[String], digit: char) -> Result<String> {
    let number = digit.to_digit(10).and_then(|number| usize::try_from(number).ok());
    let value = number.and_then(|number| positional.get(number.checked_sub(1)?));
    let value = value.map(String::as_str).unwrap_or_default();
    check(&format!("{ARGUMENT_VARIABLE}{digit}"), &format!("%{digit}"), value)?;
    Ok(value.to_owned())
}

fn all(positional: &[String]) -> Result<String> {
    for (number, value) in (1..).zip(positional) {
        check(&format!("{ARGUMENT_VARIABLE}{number}"), "%*", value)?;
    }
    Ok(positional.join(" "))
}

/// The variable of an argument, behind a `%`.
struct Reference<'a> {
    name: &'a str,
    /// As in `%X:~0,3%`.
    is_changed: bool,
    left: &'a str,
}

impl<'a> Reference<'a> {
    fn parse(after: &'a str) -> Option<Self> {
        let (inside, left) = after.split_once('%')?;
        let (name, is_changed) =
            inside.split_once(':').map_or((inside, false), |(name, _)| (name, true));
        let head = name.get(..ARGUMENT_VARIABLE.len())?;
        let is_one = head.eq_ignore_ascii_case(ARGUMENT_VARIABLE) && name.chars().all(in_name);
        is_one.then_some(Self { name, is_changed, left })
    }

    /// What stands in its place, and what is left of the text. `cmd.exe` would leave the name of a
    /// variable that is not there, or empty; a change of one that is there is left to it.
    fn value(&self, after: &'a str, variables: &[(String, String)]) -> Result<(String, &'a str)> {
        let given = variables.iter().find(|(name, _)| name.eq_ignore_ascii_case(self.name));
        match given.filter(|(_, value)| !value.is_empty()) {
            None => Ok((String::new(), self.left)),
            Some(_) if self.is_changed => Ok(("%".to_owned(), after)),
            Some((name, value)) => {
                check(name, &format!("%{name}%"), value)?;
                Ok((value.clone(), self.left))
            }
        }
    }
}

/// Checks the values that `cmd.exe` itself puts in before it reads the text, now that it is whole:
/// `%X%1%` becomes a name only now.
fn check_rest(filled: &str, variables: &[(String, String)]) -> Result<()> {
    let (is_once, bare) = (reading::is_once(filled), filled.replace('^', ""));
    for (name, value) in variables {
        let mut before = Vec::new();
        if mentions(filled, &format!("%{name}")) > 0 {
            check(name, &format!("%{name}%"), value)?;
            before.extend(["%<", "%>"]);
        }
        // Read again, any name in it may have become a value by then.
        if !is_once && mentions(&bare, name) > 0 {
            check_again(name, value)?;
            before.extend(["%<", "%>", "!<", "!>"]);
        }
        let has_digit = value.contains(|c: char| c.is_ascii_digit());
        if has_digit && before.iter().any(|end| bare.contains(end)) {
            return Err(redirecting());
        }
    }
    Ok(())
}

/// How often the text has this name, with a sign before it perhaps. Names have no case.
fn mentions(text: &str, name: &str) -> usize {
    let (text, name) = (text.to_ascii_uppercase(), name.to_ascii_uppercase());
    let ends = text.match_indices(&name).map(|(at, _)| &text[at + name.len()..]);
    ends.filter(|after| !after.starts_with(in_name)).count()
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn check(variable: &str, place: &str, value: &str) -> Result<()> {
    let Some(bad) = value.chars().find(|c| !is_harmless(*c)) else { return Ok(()) };
    let what =
        format!("the argument for {place} holds {bad:?}, which cmd.exe may take for its own");
    let hint = format!("Let the command use !{variable}! instead, or serve a program by --exec.");
    Err(Error::new(ErrorCode::BadArguments, what).hint(hint))
}

fn check_again(variable: &str, value: &str) -> Result<()> {
    let Some(bad) = value.chars().find(|c| !is_harmless(*c)) else { return Ok(()) };
    let what = format!(
        "the argument for !{variable}! holds {bad:?}, and a pipe, another shell or a batch file \
         may read it as a part of a command"
    );
    let hint = "Serve a program by --exec, which takes any value. In a command any value may \
                stand where cmd.exe's own commands, or programs named with their .exe, are not \
                in a pipe.";
    Err(Error::new(ErrorCode::BadArguments, what).hint(hint))
}

fn redirecting() -> Error {
    let what = "an argument has a digit before `<` or `>`, which cmd.exe takes for the number of \
                a stream";
    let hint = "Let the command have a space before the `<` or `>`, or serve a program by --exec.";
    Error::new(ErrorCode::BadArguments, what).hint(hint)
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
        assert!(filled("echo %MESH_%1:~0,2%", "app", &given, &named).is_err());
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

    /// Named `A` and `EMPTY`.
    fn named(value: &str) -> Vec<(String, String)> {
        [("MESH_ARG_A", value), ("MESH_ARG_EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    #[test]
    fn a_variable_that_is_not_given_or_empty_is_nothing() {
        for (text, meant) in [
            ("[%MESH_ARG_A%%mesh_arg_a%]", "[xx]"),
            ("[%MESH_ARG_B%][%MESH_ARG_EMPTY%][%MESH_ARG_B:~0,1%]", "[][][]"),
            ("%PATH%%MESH_ARG_B%%MESH_ARG_A%", "%PATH%x"),
            ("%MESH_ARG_A:~0,1% %MESH_ARG %MESH_ARG_B", "%MESH_ARG_A:~0,1% %MESH_ARG %MESH_ARG_B"),
        ] {
            assert_eq!(filled(text, "app", &[], &named("x")).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_read_again_takes_harmless_values_only() {
        for text in [
            "echo !MESH_ARG_A! | sort",
            "echo !mesh_arg_a:~0,9!|sort",
            "for /f %i in ('echo !MESH_ARG_A!') do echo %i",
            "call echo %^MESH_ARG_A%",
            "cmd /v:on /c echo ^!MESH_ARG_A^!",
            "npm run !MESH_ARG_A!",
        ] {
            assert!(filled(text, "app", &[], &named("a b-1.c")).is_ok(), "{text}");
            for bad in ["a & calc", "\"", "100%", "a|b"] {
                let error = filled(text, "app", &[], &named(bad)).unwrap_err();
                assert_eq!(error.code(), ErrorCode::BadArguments, "{text} {bad}");
                assert!(error.next_step().is_some_and(|hint| hint.contains("--exec")));
            }
        }
        let other = "echo !MESH_ARG_AB! | sort";
        assert!(filled(other, "app", &[], &named("a & calc")).is_ok());
    }

    #[test]
    fn a_digit_is_not_put_before_a_redirection() {
        for text in [
            "echo %1>f",
            "echo %*<f",
            "echo %MESH_ARG_A%>f",
            "echo %1%MESH_ARG_EMPTY%>f",
            "echo %MESH_ARG_A:~0,1%>f",
            "(echo !MESH_ARG_A!>f) | sort",
        ] {
            let (two, letter) = (words(&["2"]), words(&["a"]));
            let error = filled(text, "app", &two, &named("2")).unwrap_err();
            assert!(error.message().contains("digit"), "{text}: {error}");
            assert!(filled(text, "app", &letter, &named("a")).is_ok(), "{text}");
        }
        let fine = "echo %1 >f& echo !MESH_ARG_A!>f";
        assert!(filled(fine, "app", &words(&["2"]), &named("2")).is_ok());
    }

    #[test]
    fn the_length_counts_what_the_system_puts_in() {
        let named = named(&"x".repeat(100));
        assert_eq!(length("echo !mesh_arg_a! !MESH_ARG_A:~1!", &named), 33 + 200);
        assert_eq!(length("echo MESH_ARG_A !MESH_ARG_AB!", &named), 29);
    }
}
