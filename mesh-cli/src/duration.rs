//! Spans of time as people type and read them. Pure.

use std::time::Duration;

/// Reads `5s`, `500ms`, `2m`, `1h` or `0`; a fraction is allowed (`1.5s`).
///
/// # Errors
/// Says how a time is written.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is not a time: write 5s, 500ms, 2m, 1h or 0");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == "0" => 0.0,
        _ => return Err(bad()),
    };
    if number.is_empty() || number.starts_with('.') || number.ends_with('.') {
        return Err(bad());
    }
    let number: f64 = number.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| bad())
}

/// A span for people: the two largest units that matter.
pub(crate) fn humane(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, millis) in [
            ("5s", 5_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "5", "s", "-1s", "5 s", "5S", "1e3s", ".5s", "5.s", "1.2.3s", "9e999h"] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
        assert!(parse(&format!("{}h", "9".repeat(400))).is_err());
    }

    #[test]
    fn spans_are_told_in_two_units() {
        for (millis, text) in [
            (12, "12 ms"),
            (3_900, "3 s"),
            (125_000, "2 m 5 s"),
            (3_700_000, "1 h 1 m"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(humane(Duration::from_millis(millis)), text);
        }
    }
}
