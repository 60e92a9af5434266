//! What differs between systems: how the processes of a home are found and ended, what may be
//! asked of a process, and how bytes reach an app without the library.
//!
//! Each system has one file, all with the same face; what Linux and macOS share is in `unix`.
//!
//! | name | is |
//! |---|---|
//! | `Herd` | the processes of one home |
//! | `spawn` | starts a child of a test, with a console of its own if Ctrl-C is to reach it |
//! | `kill`, `freeze`, `thaw`, `interrupt` | what SIGKILL, SIGSTOP, SIGCONT and SIGINT do |
//! | `code` | the exit code as a shell on Unix gives it |
//! | `open_files`, `threads`, `resident_kib` | figures of another process |
//! | `ENDED` | the exit code of what `mesh` has ended |
//! | `OWN_FILES` | by how many open files a process may grow by itself |
//! | `user` | who the tests run as, as `mesh` names users |
//! | `identity` | what changes when a file is written or replaced |
//! | `private`, `share`, `close` | who may write a path: the user alone, everybody, nobody else |
//! | `unprivileged`, `give` | for whom root's rights would prove nothing |
//! | `Raw`, `is_end`, `listen` | bytes to an app, how it ends them, and bytes from what is none |
//! | `ENVIRONMENT`, `HOME` | the variables that children need, and that of the user's folder |
//! | `INTERPRETER` | a program that runs scripts, on every machine |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
