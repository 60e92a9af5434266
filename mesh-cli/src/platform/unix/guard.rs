//! [`Guard`]: ends the commands of an app that dies without a word.
//!
//! A killed process tells its children nothing, and a signal at a parent's death reaches one
//! process, not a group. So one more process, `mesh serve-guard`, reads which groups there are
//! from a pipe; the pipe ends with the app, however that ends, and what is left is then ended as
//! by a cancel. A group is taken off before its command is reaped, so that no signal goes to an
//! id that has passed on.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mesh_core::{CancelToken, Error, ErrorCode, Result};

use super::{Group, group_lives, signal_group};
use crate::platform::{End, this_program};
use crate::serve::running::GRACE;

/// The hidden command that the guard is.
const COMMAND: &str = "serve-guard";

/// How often it is looked whether what was asked to end has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The app's end of the pipe. Clones are the same; the default one guards nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard(Option<Arc<Mutex<Child>>>);

impl Guard {
    /// Starts the guard of this process.
    ///
    /// # Errors
    /// `launch_failed` when this program cannot be started again.
    pub(crate) fn start() -> Result<Self> {
        let mut command = Command::new(this_program()?);
        command.arg(COMMAND).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C at a terminal is for the app alone: a group of its own.
        let guard = Group::spawn(&mut command).map_err(|error| {
            Error::new(ErrorCode::LaunchFailed, "cannot start the guard of the commands")
                .source(error)
        })?;
        Ok(Self(Some(Arc::new(Mutex::new(guard.leader)))))
    }

    /// The group of this command is to end with the app.
    pub(crate) fn add(&self, command: &Group) {
        self.tell('+', &command.leader);
    }

    /// The command has ended and is about to be reaped.
    pub(crate) fn remove(&self, command: &Group) {
        self.tell('-', &command.leader);
    }

    fn tell(&self, what: char, command: &Child) {
        let Some(guard) = &self.0 else { return };
        let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = guard.stdin.as_mut() else { return };
        // Somebody killed the guard: the app serves all the same.
        if let Err(error) = pipe.write_all(format!("{what}{}\n", command.id()).as_bytes()) {
            log::warn!("the commands are not guarded: {error}");
        }
    }
}

/// Reads what the app tells until it is gone, and ends the groups that are left.
pub(crate) fn keep(told: impl BufRead) {
    let mut groups = BTreeSet::new();
    for line in told.lines().map_while(std::io::Result::ok) {
        match line.split_at_checked(1).map(|(what, id)| (what, id.parse::<u32>())) {
            Some(("+", Ok(group))) => drop(groups.insert(group)),
            Some(("-", Ok(group))) => drop(groups.remove(&group)),
            _ => {}
        }
    }
    end(&groups, End::Terminate);
    let until = Instant::now() + GRACE;
    loop {
        // One that has gone is not looked at again: its id may be another's by then.
        groups.retain(|group| group_lives(*group));
        if groups.is_empty() || Instant::now() >= until {
            return end(&groups, End::Kill);
        }
        CancelToken::new().wait_timeout(LOOK);
    }
}

fn end(groups: &BTreeSet<u32>, how: End) {
    for group in groups {
        // It may have ended by itself.
        let _ = signal_group(*group, how);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn sleeper() -> Child {
        Group::spawn(Command::new("sleep").arg("600")).unwrap().leader
    }

    #[test]
    fn groups_that_are_left_at_the_end_are_ended_and_no_others() {
        let (mut left, mut other) = (sleeper(), sleeper());
        let told = format!("+{0}\n+{1}\n-{1}\nnoise\n\n", left.id(), other.id());
        keep(told.as_bytes());
        assert_eq!(left.wait().unwrap().signal(), Some(15));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
