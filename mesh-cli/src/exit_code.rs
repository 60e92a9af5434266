//! Exit codes: what a script may rely on. Listed in `docs/cli.md`.

use mesh_core::ErrorCode;

/// All went well.
pub(crate) const OK: u8 = 0;
/// The method answered with an error.
pub(crate) const ANSWERED: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// No such app, or its program is gone.
pub(crate) const NO_SUCH_APP: u8 = 3;
/// No such method, or bad arguments.
pub(crate) const BAD_CALL: u8 = 4;
/// Could not launch or connect, the connection was lost, or the answer could not be printed.
pub(crate) const UNREACHABLE: u8 = 5;
/// Refused for safety.
pub(crate) const REFUSED: u8 = 6;
/// Too much at once.
pub(crate) const BUSY: u8 = 7;
/// The deadline passed.
pub(crate) const DEADLINE: u8 = 124;
/// Interrupted or cancelled.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code that an error ends in.
pub(crate) fn of(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Misuse => USAGE,
        ErrorCode::NoSuchApp => NO_SUCH_APP,
        ErrorCode::NoSuchMethod
        | ErrorCode::BadArguments
        | ErrorCode::IsStream
        | ErrorCode::BadName => BAD_CALL,
        ErrorCode::LaunchFailed
        | ErrorCode::NotResponding
        | ErrorCode::ConnectFailed
        | ErrorCode::ConnectionLost
        | ErrorCode::AlreadyRunning
        | ErrorCode::NotRunning
        | ErrorCode::ShuttingDown
        | ErrorCode::Protocol
        | ErrorCode::Version
        | ErrorCode::Registry
        | ErrorCode::Home => UNREACHABLE,
        ErrorCode::Refused => REFUSED,
        ErrorCode::Busy | ErrorCode::Suspended => BUSY,
        ErrorCode::Deadline => DEADLINE,
        ErrorCode::Cancelled => INTERRUPTED,
        // The app's own codes, and those of a later version: the app did answer.
        _ => ANSWERED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_ends_as_documented() {
        let table: &[(u8, &[u16])] = &[
            (ANSWERED, &[1, 2, 14, 15, 34, 61]),
            (USAGE, &[60]),
            (NO_SUCH_APP, &[10]),
            (BAD_CALL, &[11, 12, 13, 16]),
            (UNREACHABLE, &[20, 21, 22, 23, 24, 25, 32, 40, 41, 50, 51]),
            (REFUSED, &[30]),
            (BUSY, &[31, 33]),
            (DEADLINE, &[4]),
            (INTERRUPTED, &[3]),
        ];
        for code in ErrorCode::ALL {
            let row = table.iter().find(|(_, numbers)| numbers.contains(&code.number()));
            assert_eq!(row.map(|(exit, _)| *exit), Some(of(*code)), "{code}");
        }
        assert_eq!(of(ErrorCode::Other(1_042)), ANSWERED);
    }

    #[test]
    fn the_page_says_the_same() {
        let page = include_str!("../../docs/cli.md");
        for code in ErrorCode::ALL {
            let row = format!("| {} |", of(*code));
            let row = page.lines().find(|line| line.starts_with(&row));
            let named = row.is_some_and(|row| row.contains(&format!("`{code}`")));
            assert!(named, "{code} is not in its row");
        }
    }
}
