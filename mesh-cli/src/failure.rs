//! How a command fails: the exit code, and the error that is told.

use std::io;

use mesh_core::{AppName, Error, ErrorCode};

use crate::exit_code;

/// What a command answers.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// An exit code, and what to say; nothing where all has been said.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What is told on standard error.
    pub(crate) error: Option<Error>,
}

impl Failure {
    /// The command line is wrong.
    pub(crate) fn usage(error: Error) -> Self {
        Self { code: exit_code::USAGE, error: Some(error) }
    }

    /// Ends with this code and without a word.
    pub(crate) fn silent(code: u8) -> Self {
        Self { code, error: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: exit_code::of(error.code()), error: Some(error) }
    }
}

/// The result of writing to standard output. A reader that has seen enough (`| head`) is no
/// failure: the command ends quietly and well. Any other is not the method's either, which has
/// answered.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(exit_code::OK);
        }
        let told = Error::new(ErrorCode::Internal, "cannot write to standard output")
            .hint("Look at the room on its disk.");
        Self { code: exit_code::UNREACHABLE, error: Some(told.source(error)) }
    }
}

/// A wrong command line: what is wrong, and what to do about it.
pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::usage(Error::new(ErrorCode::Misuse, message).hint(hint))
}

/// Checks a name that was typed.
///
/// # Errors
/// A usage error that says which rule is broken and which name would do.
pub(crate) fn app_name(text: &str) -> Result<AppName> {
    AppName::parse(text).map_err(|bad| Failure::usage(Error::from(bad)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.error.is_none()), (exit_code::OK, true));
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!((failure.code, failure.error.is_some()), (exit_code::UNREACHABLE, true));
    }

    #[test]
    fn a_name_that_was_typed_wrong_is_a_usage_error_with_the_right_one() {
        let failure = app_name("Scanner").unwrap_err();
        assert_eq!(failure.code, exit_code::USAGE);
        let hint = failure.error.and_then(|error| error.next_step().map(str::to_owned));
        assert_eq!(hint.as_deref(), Some("Use \"scanner\"."));
    }
}
