//! Times as attributes show them: RFC 3339, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// 0000-01-01T00:00:00Z, in seconds.
const FIRST_SECOND: i64 = -62_167_219_200;

/// 9999-12-31T23:59:59Z, in seconds.
const LAST_SECOND: i64 = 253_402_300_799;

/// `2026-01-31T12:00:00Z`, with a fraction only where the time has one.
///
/// RFC 3339 has four digits for a year: what is before or after them is shown as their first
/// or last second.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    let (second, nanosecond) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (seconds(after.as_secs()), after.subsec_nanos()),
        Err(before) => match before.duration() {
            gap if gap.subsec_nanos() == 0 => (-seconds(gap.as_secs()), 0),
            gap => (-seconds(gap.as_secs()) - 1, 1_000_000_000 - gap.subsec_nanos()),
        },
    };
    let shown = second.clamp(FIRST_SECOND, LAST_SECOND);
    let date = OffsetDateTime::from_unix_timestamp(shown).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let fraction = if shown == second { nanosecond } else { 0 };
    date.replace_nanosecond(fraction).unwrap_or(date).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(time: SystemTime, expected: &str) {
        assert_eq!(rfc3339(time), expected);
    }

    #[test]
    fn a_time_is_shown_in_utc() {
        check(UNIX_EPOCH, "1970-01-01T00:00:00Z");
        check(UNIX_EPOCH + Duration::from_secs(1_769_860_800), "2026-01-31T12:00:00Z");
    }

    #[test]
    fn a_fraction_is_shown_where_there_is_one() {
        check(UNIX_EPOCH + Duration::from_millis(1_500), "1970-01-01T00:00:01.5Z");
        check(UNIX_EPOCH - Duration::from_millis(1_500), "1969-12-31T23:59:58.5Z");
    }

    #[test]
    fn a_time_that_has_no_date_is_the_nearest_one_that_has() {
        let far = Duration::from_secs(1 << 40);
        check(UNIX_EPOCH + far, "9999-12-31T23:59:59Z");
        check(UNIX_EPOCH - far, "0000-01-01T00:00:00Z");
        check(UNIX_EPOCH - Duration::from_secs(86_400), "1969-12-31T00:00:00Z");
    }
}
