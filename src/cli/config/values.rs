//! Values of options as numbers: bytes, seconds, octal.

use std::time::Duration;

use crate::cli::args::{Typed, UsageError};

/// Reads one option's value with `read`; `meant` says what it should have been.
fn value<T>(
    typed: &Typed,
    long: &str,
    meant: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, UsageError> {
    let Some(text) = typed.value(long) else { return Ok(None) };
    match read(text) {
        Some(number) => Ok(Some(number)),
        None => Err(UsageError::new(format!("--{long}"), format!("{text:?} is not {meant}"))),
    }
}

pub(super) fn number(typed: &Typed, long: &str) -> Result<Option<u32>, UsageError> {
    value(typed, long, "a number", |text| text.parse().ok())
}

/// Permission bits.
pub(super) fn octal(typed: &Typed, long: &str) -> Result<Option<u32>, UsageError> {
    value(typed, long, "an octal number up to 777", |text| {
        u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o777)
    })
}

pub(super) fn seconds(typed: &Typed, long: &str) -> Result<Option<Duration>, UsageError> {
    value(typed, long, "a number of seconds", |text| {
        let seconds: f64 = text.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    })
}

pub(super) fn bytes(typed: &Typed, long: &str) -> Result<Option<u64>, UsageError> {
    value(typed, long, "a number of bytes, such as 512M", parse_bytes)
}

/// `K`, `M`, `G`, `T` are powers of 1024, with or without an `iB` or `B` behind.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(['b', 'B']).trim_end_matches('i');
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "t" | "T" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse_bytes(text), expected, "{text}");
    }

    #[test]
    fn bytes_come_with_and_without_a_unit() {
        check("0", Some(0));
        check("1024", Some(1024));
        check("64K", Some(64 << 10));
        check("8m", Some(8 << 20));
        check("1GiB", Some(1 << 30));
        check("2GB", Some(2 << 30));
        check("5T", Some(5 << 40));
    }

    #[test]
    fn what_is_no_number_of_bytes_is_none() {
        for text in ["", "M", "8MM", "-1", "1.5G", "8X", "20000000000000000000", "99999999999T"] {
            check(text, None);
        }
    }
}
