//! Times as text: seconds with a fraction, nanoseconds, milliseconds.
//!
//! Pure. Times before 1970 and far from it are read as far as [`SystemTime`] goes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;
const NANOSECONDS_PER_MILLISECOND: i128 = 1_000_000;
/// Digits that a fraction of nanoseconds has.
const FRACTION_DIGITS: usize = 9;

/// What stands behind the dot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fraction {
    /// s3fs': a count of nanoseconds, to be added. `.5` is 5 ns, also behind a negative number.
    Nanoseconds,
    /// Everybody else's: `.5` is half a second. Digits beyond the ninth count for nothing.
    Decimal,
}

/// AWS's: an integer with its unit, `ns` or, as when there is none, `ms`.
pub(super) fn read_unit(text: &str) -> Option<SystemTime> {
    let (digits, unit) = match text.strip_suffix("ns") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix("ms").unwrap_or(text), NANOSECONDS_PER_MILLISECOND),
    };
    let count: i128 = digits.parse().ok()?;
    at(count.checked_mul(unit)?)
}

/// Seconds since 1970, or an RFC 3339 date, as rclone writes for all but `mtime`.
pub(super) fn read_seconds(text: &str, fraction: Fraction) -> Option<SystemTime> {
    if text.contains(['T', 't']) {
        let date = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        return at(date.unix_timestamp_nanos());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    if ![whole, behind].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let whole = i128::from(whole.parse::<u64>().ok()?) * NANOSECONDS_PER_SECOND;
    match (fraction, behind) {
        (_, "") => at(sign * whole),
        (Fraction::Nanoseconds, count) => {
            let count: i128 = count.parse().ok()?;
            (count < NANOSECONDS_PER_SECOND).then(|| at(sign * whole + count))?
        }
        (Fraction::Decimal, digits) => {
            let nine = digits.get(..FRACTION_DIGITS).unwrap_or(digits);
            let count: i128 = format!("{nine:0<FRACTION_DIGITS$}").parse().ok()?;
            at(sign * (whole + count))
        }
    }
}

/// AWS's spelling: `1700000000000000005ns`.
pub(super) fn nanoseconds(time: SystemTime) -> String {
    format!("{}ns", since_1970(time))
}

/// s3fs' spelling: whole seconds rounded down, and the nanoseconds since then, in nine digits so
/// that whoever takes them for a fraction is right. Times before 1970 are in whole seconds: there
/// the two readings would differ.
pub(super) fn floor_seconds(time: SystemTime) -> String {
    let count = since_1970(time);
    let (seconds, rest) =
        (count.div_euclid(NANOSECONDS_PER_SECOND), count.rem_euclid(NANOSECONDS_PER_SECOND));
    if rest == 0 || seconds < 0 { seconds.to_string() } else { format!("{seconds}.{rest:09}") }
}

/// rclone's spelling of `mtime`.
pub(super) fn decimal_seconds(time: SystemTime) -> String {
    let count = since_1970(time);
    let sign = if count < 0 { "-" } else { "" };
    let (seconds, rest) =
        (count.abs() / NANOSECONDS_PER_SECOND, count.abs() % NANOSECONDS_PER_SECOND);
    format!("{sign}{seconds}.{rest:09}")
}

/// rclone's spelling of other times; in seconds where a date has no year of four digits.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let date = OffsetDateTime::from_unix_timestamp_nanos(since_1970(time)).ok();
    let text = date.and_then(|date| date.format(&Rfc3339).ok());
    text.unwrap_or_else(|| decimal_seconds(time))
}

/// Nanoseconds since 1970: fewer than 2^95 either way.
fn since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    }
}

/// `None` beyond what a time can be.
fn at(nanoseconds: i128) -> Option<SystemTime> {
    let count = nanoseconds.unsigned_abs();
    let per_second = NANOSECONDS_PER_SECOND.unsigned_abs();
    let seconds = u64::try_from(count / per_second).ok()?;
    let rest = u32::try_from(count % per_second).ok()?;
    let distance = Duration::new(seconds, rest);
    if nanoseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}
