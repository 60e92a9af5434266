//! The one error of the public face, and its numbered codes.
//!
//! An [`Error`] says what happened, in its code whose fault it is, and in its hint the next step.
//! The codes are the wire's: the same numbers in every language, listed in `docs/protocol.md`,
//! never renumbered. A handler's own failure is data ([`ErrorCode::Application`]) and never looks
//! like a lost connection.
//!
//! `Error` takes in any other error by `?`. For that it cannot itself be a
//! [`std::error::Error`]; it converts into a boxed one.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::name::BadName;
use crate::value::Value;

/// What the public face answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $text:literal;)+) => {
        /// What went wrong, as a number that is the same in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
            /// A code of the application's own (1,000 and above), or one of a later version.
            Other(u16),
        }

        impl ErrorCode {
            /// Every code that this version names, in the order of their numbers.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(ErrorCode::$variant => $number,)+
                    ErrorCode::Other(number) => number,
                }
            }

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => ErrorCode::$variant,)+
                    other => ErrorCode::Other(other),
                }
            }

            /// The code's name in JSON, logs and every binding: `snake_case`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $text,)+
                    ErrorCode::Other(_) => "other",
                }
            }
        }
    };
}

codes! {
    /// The handler failed and says why; the app is well.
    Application = 1, "application";
    /// The handler panicked; the app goes on serving.
    Panicked = 2, "panicked";
    /// The exchange was cancelled, by its caller or by a tool.
    Cancelled = 3, "cancelled";
    /// The deadline passed first.
    Deadline = 4, "deadline";
    /// No app of this name is registered, or its program is gone.
    NoSuchApp = 10, "no_such_app";
    /// The app has no such method.
    NoSuchMethod = 11, "no_such_method";
    /// The arguments do not fit the method.
    BadArguments = 12, "bad_arguments";
    /// The method is a stream and was called.
    IsStream = 13, "is_stream";
    /// A value cannot be encoded, or does not decode as what the reader asked for.
    BadValue = 14, "bad_value";
    /// A message is larger than its reader takes.
    TooLarge = 15, "too_large";
    /// A text is not allowed as a name.
    BadName = 16, "bad_name";
    /// The app could not be started, or died before it was ready.
    LaunchFailed = 20, "launch_failed";
    /// The app runs but does not answer.
    NotResponding = 21, "not_responding";
    /// No connection could be made.
    ConnectFailed = 22, "connect_failed";
    /// The connection ended before the exchange did.
    ConnectionLost = 23, "connection_lost";
    /// The name is taken by a live app.
    AlreadyRunning = 24, "already_running";
    /// The app is not running and the caller asked not to launch it.
    NotRunning = 25, "not_running";
    /// Refused for safety: a file, directory or peer is not to be trusted.
    Refused = 30, "refused";
    /// Too much at once; try again.
    Busy = 31, "busy";
    /// The app is stopping.
    ShuttingDown = 32, "shutting_down";
    /// The name was started too often and is suspended for a while.
    Suspended = 33, "suspended";
    /// The calls lead in a circle, or through too many apps.
    CallLoop = 34, "call_loop";
    /// The peer broke the protocol.
    Protocol = 40, "protocol";
    /// The two ends have no protocol version in common.
    Version = 41, "version";
    /// The registry cannot be read, locked or written.
    Registry = 50, "registry";
    /// The home directory cannot be used.
    Home = 51, "home";
    /// The program used the library in a way that cannot work.
    Misuse = 60, "misuse";
    /// A fault of the runtime itself.
    Internal = 61, "internal";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCode::Other(number) => write!(f, "code {number}"),
            code => f.write_str(code.as_str()),
        }
    }
}

/// What happened, whose fault it is, and the next step. Cheap to clone: one connection's end can
/// be told to all who wait on it.
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
    details: Option<Value>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// It is how a call of this process ended.
    of_call: bool,
}

impl Error {
    /// An error of the given kind. `message` is a lower-case fragment without a final dot, which
    /// names the app, method or path that it is about.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Parts {
            code,
            message,
            hint: None,
            details: None,
            source: None,
            of_call: false,
        }))
    }

    /// A handler's own failure: the caller gets it as data.
    #[must_use]
    pub fn application(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Application, message)
    }

    /// Adds the next step: a full sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds data that goes with the message, for the caller's program.
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        self.0.details = Some(details.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Adds another error of mesh's as the cause.
    #[must_use]
    pub fn because(mut self, cause: Error) -> Self {
        self.0.source = Some(Arc::new(Boxed(cause)));
        self
    }

    /// Marks the error as the way a call ended.
    pub(crate) fn of_call(mut self) -> Self {
        self.0.of_call = true;
        self
    }

    /// What a handler's caller is told. How the handler's own calls ended, or what else went wrong
    /// for it, is the handler's failure and not the way its caller's call ended: a lost connection
    /// there is not one here. Only what a handler may say of its caller's call stays as it is.
    pub(crate) fn of_handler(self) -> Self {
        let code = self.0.code;
        let own = match code {
            ErrorCode::Application | ErrorCode::Other(_) => true,
            ErrorCode::BadArguments
            | ErrorCode::BadValue
            | ErrorCode::Busy
            | ErrorCode::Cancelled
            | ErrorCode::Refused
            | ErrorCode::TooLarge => !self.0.of_call,
            _ => false,
        };
        if own {
            return self;
        }
        let details = [("code", Value::from(u32::from(code.number())))];
        let mut told = Self::application(self.to_string()).details(details);
        told.0.hint = self.0.hint;
        told
    }

    /// The kind of the error.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What happened, without the cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The next step, where one is known.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The data that the app sent along.
    #[must_use]
    pub fn data(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// The error below this one.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }
}

/// The message and its causes, on one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut cause = self.0.source.as_deref().map(|e| e as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What a `main` that returns the error prints: the message, its code and the next step.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.0.code)?;
        match &self.0.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// Any other error is a failure of the handler it rises in: an application error.
impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let any: &dyn std::any::Any = &error;
        if let Some(bad) = any.downcast_ref::<BadName>() {
            let named = Self::new(ErrorCode::BadName, bad.to_string());
            return match &bad.better {
                Some(better) => named.hint(format!("Use {better:?}.")),
                None => named,
            };
        }
        if let Some(boxed) = any.downcast_ref::<Boxed>() {
            return boxed.0.clone();
        }
        let message = error.to_string();
        let mut made = Self::new(ErrorCode::Application, message);
        made.0.source = error.source().map(|below| Arc::new(Cause::of(below)) as Arc<_>);
        made
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

/// An [`Error`] in the clothes of a standard one.
struct Boxed(Error);

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause().map(|cause| cause as _)
    }
}

/// The chain of causes of a foreign error, kept as text: only its outermost member is owned.
#[derive(Debug)]
struct Cause {
    text: String,
    below: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &dyn StdError) -> Self {
        let below = error.source().map(|below| Box::new(Self::of(below)));
        Self { text: error.to_string(), below }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.below.as_deref().map(|below| below as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn numbers_and_codes_map_both_ways_and_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.number()), "{code} shares its number");
            assert_eq!(ErrorCode::from_number(code.number()), *code);
        }
        assert_eq!(ErrorCode::from_number(1_042), ErrorCode::Other(1_042));
    }

    #[test]
    fn other_errors_convert_and_keep_their_text() {
        fn fails() -> Result<()> {
            Err(io::Error::new(io::ErrorKind::NotFound, "no such folder"))?;
            Ok(())
        }
        let error = fails().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Application);
        assert_eq!(error.to_string(), "no such folder");
    }

    #[test]
    fn an_error_survives_the_way_through_a_box() {
        let boxed: Box<dyn StdError + Send + Sync> = Error::new(ErrorCode::Busy, "full").into();
        assert_eq!(boxed.to_string(), "full");
        let back = Error::from(*boxed.downcast::<Boxed>().unwrap());
        assert_eq!(back.code(), ErrorCode::Busy);
    }

    #[test]
    fn the_chain_of_causes_is_printed() {
        let error = Error::new(ErrorCode::Registry, "cannot write the registry")
            .source(io::Error::other("disk full"));
        assert_eq!(error.to_string(), "cannot write the registry: disk full");
    }
}
