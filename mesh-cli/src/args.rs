//! What can be typed: commands and flags, as definitions and nothing more.
//!
//! How they are read is `parser`'s business. Every flag has a variable whose name begins with
//! `MESH_`; a flag wins over its variable. Names of apps stay text until a command checks them, so
//! that a bad one is told with the name that would do.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::duration;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!("{} (protocol {})", env!("CARGO_PKG_VERSION"), crate::context::PROTOCOL_VERSION)
});

const VARIABLES: &str = "\
Each flag has a variable: --output is MESH_OUTPUT, --no-launch is MESH_NO_LAUNCH.
MESH_HOME is the home (default ~/.mesh); MESH_LOG=debug logs on standard error.

Exit codes: 0 ok, 1 the method answered with an error, 2 usage, 3 no such app, 4 no such method
or bad arguments, 5 could not launch or connect, 6 refused for safety, 7 busy, 124 deadline,
130 interrupted.";

const ARGUMENTS: &str = "\
An ARG is JSON if it is null, true, false, a number that prints back as it was typed, or begins
with {, [ or \"; all else is text. key=ARG is a named argument, key:=JSON one that must be JSON.";

/// Calls, streams and looks after the apps of this machine.
#[derive(Debug, Parser)]
#[command(name = "mesh", version = VERSION.as_str(), after_help = VARIABLES)]
#[command(arg_required_else_help = true, infer_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every command takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Form of the output [default: for people; values as one line of JSON in a pipe]
    #[arg(short, long, global = true, env = "MESH_OUTPUT", hide_env = true, value_name = "FORM")]
    pub(crate) output: Option<Format>,
    /// Bounds launch, wait and answer together: 5s, 500ms, 2m; 0 is no bound
    #[arg(long, global = true, env = "MESH_TIMEOUT", hide_env = true, value_name = "TIME")]
    #[arg(value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Never starts an app
    #[arg(long, global = true, env = "MESH_NO_LAUNCH", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) no_launch: bool,
    /// Colour in what is said on standard error
    #[arg(long, global = true, env = "MESH_COLOR", hide_env = true, value_name = "WHEN")]
    #[arg(default_value = "auto", hide_default_value = true)]
    pub(crate) color: Color,
    /// Says nothing but errors on standard error
    #[arg(short, long, global = true, env = "MESH_QUIET", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// Says more on standard error; twice or three times, yet more
    #[arg(short, long, global = true, env = "MESH_VERBOSE", hide_env = true)]
    #[arg(action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How data is written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line of JSON
    Json,
    /// JSON over several lines
    Pretty,
    /// Text without quotes, bytes as they are
    Raw,
    /// Columns, for a list of maps
    Table,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Into a pipe as well
    Always,
    /// Nowhere
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Calls a method and prints its value; launches the app if it is off
    ///
    /// Example: mesh call statusbar get_stats -o json
    #[command(after_help = ARGUMENTS)]
    Call(Invocation),
    /// Prints the items of a stream, one per line; Ctrl-C cancels it
    ///
    /// Example: mesh stream scanner deep_scan /usr delay_ms=1
    #[command(after_help = ARGUMENTS)]
    Stream(Invocation),
    /// Lists running tasks, of one app or of all
    ///
    /// Example: mesh tasks scanner
    Tasks {
        /// Only this app's
        app: Option<String>,
    },
    /// Cancels a running task from outside
    ///
    /// Example: mesh cancel scanner 6f9619ff-8b86-4d01-b42d-00cf4fc964ff
    Cancel {
        /// The app that runs it
        app: String,
        /// Its id, as `mesh tasks` prints it
        task: String,
    },
    /// Shows and edits what can be launched
    ///
    /// Example: mesh registry list
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Lists the live apps
    ///
    /// Example: mesh ps -o json
    Ps,
    /// Asks an app whether it is there, and times the answer
    ///
    /// Example: mesh ping statusbar
    Ping {
        /// The app to ask
        app: String,
    },
    /// Shows an app's methods, or one of them; also while the app is off
    ///
    /// Example: mesh describe scanner.deep_scan
    Describe {
        /// The app, or the app and one method
        #[arg(value_name = "APP[.METHOD]")]
        target: String,
    },
    /// Starts an app and waits until it is ready
    ///
    /// Example: mesh launch statusbar
    Launch {
        /// The app to start
        app: String,
    },
    /// Stops an app and waits until its name is free
    ///
    /// Example: mesh stop statusbar
    Stop {
        /// The app to stop
        app: String,
    },
    /// Prints what a launched app printed
    ///
    /// Example: mesh logs statusbar -f
    Logs {
        /// The app that printed it
        app: String,
        /// Goes on as more is printed, until Ctrl-C
        #[arg(short, long, env = "MESH_FOLLOW", hide_env = true)]
        #[arg(value_parser = FalseyValueParser::new())]
        follow: bool,
    },
    /// Makes an app of shell commands, or of a program
    ///
    /// Example: mesh serve -d greeter --method 'hello=echo "hello $1"' --stream 'count=seq $1'
    #[command(after_help = SERVE)]
    Serve(Serve),
    /// Shows the main job from end to end and leaves nothing behind
    ///
    /// Example: mesh tour
    Tour,
    /// An app of the tour
    #[command(hide = true)]
    TourApp,
    /// Ends the commands of a served app that has died
    #[command(hide = true)]
    ServeGuard,
}

impl Command {
    /// Whether `--timeout` has something to bound.
    pub(crate) fn can_be_bounded(&self) -> bool {
        match self {
            Self::Call(_)
            | Self::Stream(_)
            | Self::Tasks { .. }
            | Self::Cancel { .. }
            | Self::Ps
            | Self::Ping { .. }
            | Self::Describe { .. }
            | Self::Launch { .. }
            | Self::Serve(_) => true,
            Self::Registry(command) => {
                matches!(command, RegistryCommand::List | RegistryCommand::Show { .. })
            }
            Self::Stop { .. }
            | Self::Logs { .. }
            | Self::Tour
            | Self::TourApp
            | Self::ServeGuard => false,
        }
    }
}

const SERVE: &str = "\
A COMMAND runs by the system's shell: as `sh -c COMMAND NAME ARG...`, or by cmd.exe. $1 (%1) and
so on are the positional arguments, $MESH_ARG_1 (!MESH_ARG_1!) too; a named one is $MESH_ARG_KEY.
A program runs without any shell: mesh serve NAME --exec M -- PROG ARG {0} {name}. It takes any
value; a command of cmd.exe refuses those that could be read as a part of it. Standard output is
the value, each line of a stream an item. A status other than 0 is an error with the last lines of
standard error. A worker stays and speaks lines of JSON: mesh serve NAME --worker -- PROG ARG.

On Windows: mesh serve -d greeter --method \"hello=echo hello %1\" (%%1 in a .bat file)";

/// A method of an app and its arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Invocation {
    /// The app
    pub(crate) app: String,
    /// Its method
    pub(crate) method: String,
    /// Arguments
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    /// All arguments at once, as a JSON array or object; @FILE reads it, - is standard input
    #[arg(long, env = "MESH_ARGS", hide_env = true, value_name = "JSON")]
    pub(crate) args: Option<String>,
}

/// What to do with the registry.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Lists all entries
    ///
    /// Example: mesh registry list -o json
    List,
    /// Shows one entry
    ///
    /// Example: mesh registry show statusbar
    Show {
        /// The app
        app: String,
    },
    /// Removes the entries whose program is gone, and lists them
    ///
    /// Example: mesh registry prune --dry-run
    Prune {
        /// Only lists them
        #[arg(long, env = "MESH_DRY_RUN", hide_env = true)]
        #[arg(value_parser = FalseyValueParser::new())]
        dry_run: bool,
    },
    /// Adds or replaces an entry
    ///
    /// Example: mesh registry add statusbar --env LANG=C -- ./statusbar --small
    Add(Add),
    /// Removes an entry; a running app is left alone
    ///
    /// Example: mesh registry remove statusbar
    Remove {
        /// The app
        app: String,
    },
    /// Prints where the file is
    ///
    /// Example: mesh registry path
    Path,
}

/// How to launch an app.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// The app
    pub(crate) app: String,
    /// Its working directory [default: this one]
    #[arg(long, env = "MESH_CWD", hide_env = true, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Adds to its environment; may be given again
    #[arg(long, env = "MESH_ENV", hide_env = true, value_name = "K=V")]
    pub(crate) env: Vec<String>,
    /// Its program and arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// An app made of commands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Serve {
    /// The app's name
    pub(crate) name: String,
    /// A method that answers with a value; with --worker also a bare name; may be given again
    #[arg(long, env = "MESH_METHOD", hide_env = true, value_name = "M=COMMAND")]
    pub(crate) method: Vec<String>,
    /// A method that answers with a stream of lines; with --worker as --method
    #[arg(long, env = "MESH_STREAM", hide_env = true, value_name = "M=COMMAND")]
    pub(crate) stream: Vec<String>,
    /// A method that answers with the output of the program behind `--`
    #[arg(long, env = "MESH_EXEC", hide_env = true, value_name = "M")]
    pub(crate) exec: Option<String>,
    /// A method that answers with the lines of the program behind `--`
    #[arg(long, env = "MESH_EXEC_STREAM", hide_env = true, value_name = "M")]
    pub(crate) exec_stream: Option<String>,
    /// Keeps the program behind `--`, which speaks lines of JSON (docs/worker.md)
    #[arg(long, env = "MESH_WORKER", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) worker: bool,
    /// Starts it detached and returns when it is ready
    #[arg(short, long, env = "MESH_DETACH", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) detach: bool,
    /// The program, run without any shell; {0} and {name} are arguments, {{ is a brace
    #[arg(last = true, value_name = "PROG")]
    pub(crate) program: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;
    use crate::parser::{parse_from, variables};

    fn typed(line: &[&str]) -> Result<Cli, clap::Error> {
        parse_from(std::iter::once("mesh").chain(line.iter().copied()).map(OsString::from))
    }

    fn arguments(line: &[&str]) -> (Vec<String>, Global) {
        let cli = typed(line).unwrap();
        match cli.command {
            Command::Call(call) => (call.arguments, cli.global),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let id = arg.get_id().as_str();
                if id == "help" || id == "version" {
                    continue;
                }
                let name = arg.get_env().map(|name| name.to_string_lossy().into_owned());
                assert!(name.is_some_and(|name| name.starts_with("MESH_")), "{id} has none");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
        assert!(variables().contains(&"MESH_OUTPUT".to_owned()));
        assert!(!variables().contains(&"MESH_HOME".to_owned()));
    }

    #[test]
    fn every_variable_and_command_is_documented() {
        let page = include_str!("../../docs/cli.md");
        for name in variables() {
            assert!(page.contains(&format!("| `{name}` |")), "{name} is not");
        }
        fn check(command: &clap::Command, path: &str, page: &str) {
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                let path = format!("{path} {}", below.get_name());
                assert!(page.contains(&format!("| `{path}")), "{path} is not");
                check(below, &path, page);
            }
        }
        check(&Cli::command(), "mesh", page);
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                let about = below.get_long_about().map(ToString::to_string).unwrap_or_default();
                assert!(about.contains("Example: mesh "), "{} has none", below.get_name());
                check(below);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn negative_numbers_need_no_dashes_and_flags_may_follow() {
        let (arguments, global) = arguments(&["call", "calc", "add", "-5", "-1.5", "-o", "json"]);
        assert_eq!(arguments, ["-5", "-1.5"]);
        assert_eq!(global.output, Some(Format::Json));
    }

    #[test]
    fn after_two_dashes_all_is_argument() {
        let (arguments, global) = arguments(&["call", "calc", "add", "--", "-o", "json"]);
        assert_eq!(arguments, ["-o", "json"]);
        assert_eq!(global.output, None);
    }

    #[test]
    fn a_command_to_register_stands_behind_two_dashes() {
        assert!(typed(&["registry", "add", "a", "--", "sleep", "-1"]).is_ok());
        assert!(typed(&["registry", "add", "a"]).is_err());
        assert!(typed(&["registry", "add", "a", "sleep"]).is_err());
    }

    #[test]
    fn the_version_names_the_protocol() {
        let error = typed(&["--version"]).unwrap_err();
        assert!(error.to_string().contains("(protocol 1)"), "{error}");
    }
}
