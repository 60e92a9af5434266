//! The command line of the test app.

use std::path::PathBuf;
use std::time::Duration;

use mesh_core::{Error, Result};

/// How this process is to behave.
#[derive(Default)]
pub(crate) struct Flags {
    pub(crate) name: String,
    /// Waits until it can lock this file for reading, so that many start at one moment.
    pub(crate) gate: Option<PathBuf>,
    /// Writes its entry this often instead of serving, and prints each number once it is written.
    pub(crate) updates: Option<std::ops::RangeInclusive<u64>>,
    /// Appends a line with its pid here when it starts.
    pub(crate) trace: Option<PathBuf>,
    /// Written to standard error at the start.
    pub(crate) say: Option<String>,
    /// Prints these bytes, and ends.
    pub(crate) print: Option<Vec<u8>>,
    /// Calls the named app over so many connections at once, and ends.
    pub(crate) dial: Option<usize>,
    pub(crate) many_files: bool,
    /// Ends with this code before it claims.
    pub(crate) exit: Option<i32>,
    /// Never claims and never ends.
    pub(crate) hang: bool,
    pub(crate) claim_after: Duration,
    pub(crate) ready_after: Duration,
    pub(crate) never_ready: bool,
    /// Does not leave when `run` has returned.
    pub(crate) hang_after: bool,
    pub(crate) ignore_term: bool,
    /// Calls this app before it is ready.
    pub(crate) call_first: Option<String>,
    /// Methods that are exposed after `ready`.
    pub(crate) late: Vec<String>,
    pub(crate) ready_timeout: Option<Duration>,
    pub(crate) stop_grace: Option<Duration>,
    pub(crate) version: Option<String>,
    pub(crate) unregistered: bool,
    /// Registers as an app that says nothing of itself does: `App::claim(name)`.
    pub(crate) plain: bool,
}

impl Flags {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let name = args.next().ok_or_else(|| Error::application("no name"))?;
        let mut flags = Self { name, ..Self::default() };
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or_else(|| Error::application("a value is missing"));
            match flag.as_str() {
                "--gate" => flags.gate = Some(value()?.into()),
                "--updates" => flags.updates = Some(value()?.parse()?..=value()?.parse()?),
                "--trace" => flags.trace = Some(value()?.into()),
                "--say" => flags.say = Some(value()?),
                "--print" => flags.print = Some(bytes(&value()?)?),
                "--letters" => flags.print = Some(vec![b'x'; value()?.parse()?]),
                "--dial" => flags.dial = Some(value()?.parse()?),
                "--many-files" => flags.many_files = true,
                "--exit" => flags.exit = Some(value()?.parse()?),
                "--hang" => flags.hang = true,
                "--claim-after-ms" => flags.claim_after = millis(&value()?)?,
                "--ready-after-ms" => flags.ready_after = millis(&value()?)?,
                "--never-ready" => flags.never_ready = true,
                "--hang-after" => flags.hang_after = true,
                "--ignore-term" => flags.ignore_term = true,
                "--call-first" => flags.call_first = Some(value()?),
                "--late" => flags.late.push(value()?),
                "--ready-timeout-ms" => flags.ready_timeout = Some(millis(&value()?)?),
                "--stop-grace-ms" => flags.stop_grace = Some(millis(&value()?)?),
                "--version" => flags.version = Some(value()?),
                "--unregistered" => flags.unregistered = true,
                "--plain" => flags.plain = true,
                other => return Err(Error::application(format!("unknown flag {other}"))),
            }
        }
        Ok(flags)
    }
}

/// The bytes of hexadecimal digits.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16);
        byte.map_err(|_| Error::application(format!("{text} is not hexadecimal")))
    });
    pairs.collect()
}

fn millis(text: &str) -> Result<Duration> {
    Ok(Duration::from_millis(text.parse()?))
}
