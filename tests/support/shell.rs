//! Commands for `mesh serve`, in the words of the system's own shell: `sh`, and `cmd.exe` on
//! Windows. What both need beyond words is done by the test app.

use std::path::Path;

use super::home::Home;
use super::programs::test_app;

/// One of two texts: for `sh`, and for `cmd.exe`.
const fn words(sh: &'static str, cmd: &'static str) -> &'static str {
    if cfg!(windows) { cmd } else { sh }
}

/// Prints "hello" and the first argument.
pub(crate) const HELLO: &str = words("echo \"hello $1\"", "echo hello %1");

/// Prints the numbers to the first argument, a line each.
pub(crate) const COUNT: &str = words("seq $1", "for /l %i in (1,1,%1) do @echo %i");

/// Prints `[1, 2]`.
pub(crate) const LIST: &str = words("echo '[1, 2]'", "echo [1, 2]");

/// Prints `{no`.
pub(crate) const BROKEN: &str = words("echo '{no'", "echo {no");

/// Does nothing.
pub(crate) const NOTHING: &str = words(":", "rem");

/// Prints the app's name and five arguments, whatever they hold, with a bar behind each.
pub(crate) const ARGUMENTS: &str = words(
    "printf '%s|' \"$0\" \"$@\"",
    "echo %0^|!MESH_ARG_1!^|!MESH_ARG_2!^|!MESH_ARG_3!^|!MESH_ARG_4!^|!MESH_ARG_5!^|",
);

/// Prints the argument `file_name`.
pub(crate) const NAMED: &str = words("echo \"$MESH_ARG_FILE_NAME\"", "echo !MESH_ARG_FILE_NAME!");

/// Prints, says why it fails, and ends with 7.
pub(crate) const FAILURE: &str =
    words("echo printed; echo 'no paper' >&2; exit 7", "echo printed& echo no paper>&2& exit 7");

/// The commands one after another.
pub(crate) fn then(commands: &[&str]) -> String {
    commands.join(words("; ", "& "))
}

/// A program and its arguments, the former in quotes.
pub(crate) fn run(program: impl AsRef<Path>, arguments: &str) -> String {
    let (program, quote) = (program.as_ref().display(), words("'", "\""));
    format!("{quote}{program}{quote} {arguments}")
}

/// Prints the bytes that these digits are.
pub(crate) fn print(hex: &str) -> String {
    run(test_app(), &format!("printer --print {hex}"))
}

/// Prints so many letters.
pub(crate) fn print_letters(count: usize) -> String {
    run(test_app(), &format!("printer --letters {count}"))
}

/// Never ends; it is one of [`sleepers`].
pub(crate) fn sleep(home: &Home) -> String {
    run(test_app(), &format!("sleeper --hang --trace '{}'", home.trace("sleeper").display()))
        .replace('\'', words("'", "\""))
}

/// Never ends, and neither does another one that it starts.
pub(crate) fn sleep_twice(home: &Home) -> String {
    let sleep = sleep(home);
    if cfg!(windows) {
        format!("start /b \"\" {sleep}& {sleep}")
    } else {
        format!("{sleep} & {sleep}")
    }
}

/// How many sleep.
pub(crate) fn sleepers(home: &Home) -> usize {
    let (started, running) = (home.starts("sleeper"), home.processes());
    started.iter().filter(|pid| running.contains(pid)).count()
}
