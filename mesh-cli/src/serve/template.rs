//! `PROG ARG {0} {name}`: the command line of a program, with places for arguments. Pure.
//!
//! No shell reads it (`program` sees to that): what a caller gives is one word, or a part of one,
//! whatever it holds. The program itself has no places, so that a caller does not choose what
//! runs. `{{` and `}}` stand for the braces themselves.

use std::path::PathBuf;

use mesh_core::{Args, Error, ErrorCode, Result, Value};

use crate::argument;

/// Positional arguments that can be named; nobody counts further.
const POSITIONS: usize = 100;

/// A program and its arguments, some of which wait for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// The program, as it was typed.
    pub(crate) program: String,
    /// Where it is, once it was looked for.
    pub(crate) found: Option<PathBuf>,
    words: Vec<Vec<Part>>,
    typed: Vec<String>,
    params: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The parameter with this number.
    Param(usize),
}

/// Why a text is no template, and what to do about it.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

type Parsed<T> = std::result::Result<T, Wrong>;

/// How a program is typed.
pub(crate) const FORM: &str = "Write it last: --exec NAME -- PROGRAM ARG {0} {name}.";
const FIXED: &str = "The caller does not choose what runs: write it out, and {{ for a brace.";
const PLACES: &str = "{0} and {name} are places for arguments; write {{ and }} for the braces.";
const COUNTED: &str = "Give the places names.";

impl Template {
    /// Reads what was typed behind `--`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(command: &[String]) -> Parsed<Self> {
        let Some((program, typed)) = command.split_first().filter(|(first, _)| !first.is_empty())
        else {
            return Err(Wrong { what: "no program stands behind `--`".to_owned(), hint: FORM });
        };
        let raw = |text: &String| pieces(text);
        let program = match raw(program)?.as_slice() {
            [Raw::Text(text)] => text.clone(),
            _ => {
                let what = format!("the program {program:?} has a place for an argument");
                return Err(Wrong { what, hint: FIXED });
            }
        };
        let words = typed.iter().map(raw).collect::<Parsed<Vec<_>>>()?;
        let params = params(words.iter().flatten())?;
        let part = |raw: Raw| match raw {
            Raw::Text(text) => Part::Text(text),
            Raw::Place(name) => {
                // It is among them: they were made of these.
                Part::Param(params.iter().position(|param| *param == name).unwrap_or_default())
            }
        };
        let words = words.into_iter().map(|word| word.into_iter().map(part).collect()).collect();
        Ok(Self { program, found: None, words, typed: typed.to_vec(), params })
    }

    /// The names of its parameters, in the order in which positional arguments fill them: first
    /// the numbered ones, then those with a name.
    pub(crate) fn params(&self) -> &[String] {
        &self.params
    }

    /// The arguments of the program.
    ///
    /// # Errors
    /// `bad_arguments` when one is missing.
    pub(crate) fn fill(&self, args: &Args) -> Result<Vec<String>> {
        let values: Vec<String> = (0..self.params.len())
            .map(|at| self.value(args, at).map(argument::to_text))
            .collect::<Result<_>>()?;
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Param(at) => values.get(*at).cloned().unwrap_or_default(),
        };
        Ok(self.words.iter().map(|word| word.iter().map(part).collect()).collect())
    }

    fn value<'a>(&self, args: &'a Args, at: usize) -> Result<&'a Value> {
        let name = &self.params[at];
        let named = || args.named.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        args.positional.get(at).or_else(named).ok_or_else(|| {
            let takes = self.params.join(", ");
            let what = format!("the argument `{name}` is missing, it takes {takes}");
            Error::new(ErrorCode::BadArguments, what)
        })
    }
}

/// As it was typed; what would read otherwise without quotes has them.
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let typed = self.typed.iter().map(String::as_str);
        f.write_str(&words(std::iter::once(self.program.as_str()).chain(typed)))
    }
}

/// A command line for people, with quotes where a word needs them.
pub(crate) fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let plain = |word: &str| !word.is_empty() && !word.contains(['"', '\'', ' ', '\t', '\n']);
    let quoted = |word: &str| if plain(word) { word.to_owned() } else { format!("{word:?}") };
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

enum Raw {
    Text(String),
    Place(String),
}

/// Cuts a word at its places; a word without any is one text.
fn pieces(word: &str) -> Parsed<Vec<Raw>> {
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), word);
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once('}').filter(|_| brace == "{") else {
            return Err(Wrong { what: format!("{word:?} has a lonely brace"), hint: PLACES });
        };
        if !is_name(name) {
            let what = format!("{{{name}}} in {word:?} is neither a number nor a name");
            return Err(Wrong { what, hint: PLACES });
        }
        if !text.is_empty() {
            pieces.push(Raw::Text(std::mem::take(&mut text)));
        }
        pieces.push(Raw::Place(name.to_owned()));
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() || pieces.is_empty() {
        pieces.push(Raw::Text(text));
    }
    Ok(pieces)
}

/// A number as it prints, or an identifier.
fn is_name(name: &str) -> bool {
    name.parse::<usize>().is_ok_and(|number| number.to_string() == name)
        || argument::is_identifier(name)
}

fn params<'a>(pieces: impl Iterator<Item = &'a Raw>) -> Parsed<Vec<String>> {
    let (mut count, mut names) = (0, Vec::new());
    for piece in pieces {
        let Raw::Place(name) = piece else { continue };
        match name.parse::<usize>() {
            Ok(number) if number >= POSITIONS => {
                let what = format!("{{{number}}} is beyond the {POSITIONS} that are counted");
                return Err(Wrong { what, hint: COUNTED });
            }
            Ok(number) => count = count.max(number + 1),
            Err(_) if !names.contains(name) => names.push(name.clone()),
            Err(_) => {}
        }
    }
    Ok((0..count).map(|number| number.to_string()).chain(names).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn template(command: &[&str]) -> Template {
        Template::parse(&words(command)).unwrap()
    }

    #[test]
    fn arguments_come_to_their_places_as_they_are() {
        let template = template(&["p", "-x", "{0}", "--to={name}/{1}", "{{0}}", "{name}", ""]);
        assert_eq!(template.params(), ["0", "1", "name"]);
        let args = Args::new().with("a & b").with(Value::List(vec![1.into()]));
        let filled = template.fill(&args.with_named("name", "{0}")).unwrap();
        assert_eq!(filled, ["-x", "a & b", "--to={0}/[1]", "{0}", "{0}", ""]);
    }

    #[test]
    fn a_parameter_with_a_name_is_filled_in_turn_too() {
        let template = template(&["p", "{b}", "{a}", "{b}"]);
        assert_eq!(template.params(), ["b", "a"]);
        let both = ["1", "2", "1"];
        assert_eq!(template.fill(&Args::new().with(1).with(2)).unwrap(), both);
        assert_eq!(template.fill(&Args::new().with(1).with_named("a", 2)).unwrap(), both);
    }

    #[test]
    fn a_missing_argument_is_named() {
        let error = template(&["p", "{0}", "{name}"]).fill(&Args::new().with(1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArguments);
        assert!(error.message().contains("`name` is missing"), "{error}");
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (command, why) in [
            (&[][..], "no program"),
            (&[""], "no program"),
            (&["{0}"], "the program"),
            (&["p", "{"], "lonely"),
            (&["p", "a}"], "lonely"),
            (&["p", "{01}"], "neither"),
            (&["p", "{a b}"], "neither"),
            (&["p", "{}"], "neither"),
            (&["p", "{100}"], "beyond"),
            (&["p", "{99999999999999999999}"], "neither"),
        ] {
            let told = Template::parse(&words(command)).unwrap_err();
            assert!(told.what.contains(why), "{command:?}: {told:?}");
            assert_eq!(told.hint == FORM, why == "no program", "{command:?}: {told:?}");
        }
    }

    #[test]
    fn two_templates_read_differently() {
        let shown = |command: &[&str]| template(command).to_string();
        assert_eq!(shown(&["p", "a", "{0}"]), "p a {0}");
        assert_ne!(shown(&["p", "a b"]), shown(&["p", "a", "b"]));
        assert_ne!(shown(&["p", "\"a b\""]), shown(&["p", "a b"]));
        assert_eq!(shown(&["{{p}}", ""]), "{p} \"\"");
    }
}
