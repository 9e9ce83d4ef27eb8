//! Multipart uploads in progress as an attribute shows and aborts them: `user.s3.uploads`.

use std::time::Duration;

use crate::store::types::ListedUpload;
use crate::vfs::xattr::escape::one_line;
use crate::vfs::xattr::time::rfc3339;

/// Which uploads are to be aborted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AbortUploads {
    /// Only those that were started longer ago than this.
    pub older_than: Duration,
    /// Only those of keys that start so; empty for all.
    pub prefix: String,
}

/// One upload in progress: `<RFC 3339> <id> parts=<n> bytes=<n> <key>`. The key comes last,
/// since it may hold spaces; what could end the line is escaped.
#[must_use]
pub fn line(upload: &ListedUpload, parts: u64, bytes: u64) -> String {
    let started = rfc3339(upload.started);
    let (id, key) = (&upload.upload, one_line(&upload.key));
    format!("{started} {id} parts={parts} bytes={bytes} {key}")
}

/// `abort older-than=24h`, perhaps with ` prefix=...` behind it: the prefix is the rest of the
/// text. An age is in `s`, `m`, `h` or `d`.
pub fn parse_abort(text: &str) -> Result<AbortUploads, String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let rest = text.strip_prefix("abort ").ok_or_else(needed)?;
    let (age, prefix) = match rest.split_once(" prefix=") {
        Some((age, prefix)) => (age, prefix),
        None => (rest, ""),
    };
    let age = age.trim_ascii().strip_prefix("older-than=").ok_or_else(needed)?;
    let older_than = age_of(age)
        .ok_or_else(|| format!("older-than: {age:?} is not an age, such as 90s, 30m, 24h or 7d"))?;
    Ok(AbortUploads { older_than, prefix: prefix.to_owned() })
}

fn needed() -> String {
    "\"abort older-than=24h\" is needed, or \"abort older-than=24h prefix=...\"".to_owned()
}

fn age_of(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::proptest;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(u64, &str), &str>) {
        let expected = expected.map(|(seconds, prefix)| AbortUploads {
            older_than: Duration::from_secs(seconds),
            prefix: prefix.to_owned(),
        });
        assert_eq!(parse_abort(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn uploads_are_aborted_by_their_age() {
        check("abort older-than=90s", Ok((90, "")));
        check("abort older-than=30m\n", Ok((1_800, "")));
        check("abort older-than=24h", Ok((86_400, "")));
        check("abort  older-than=7d", Ok((604_800, "")));
        check("abort older-than=0s", Ok((0, "")));
    }

    #[test]
    fn the_rest_of_the_text_is_the_prefix() {
        check("abort older-than=1s prefix=logs/", Ok((1, "logs/")));
        check("abort older-than=1s prefix=a b prefix=c ", Ok((1, "a b prefix=c ")));
        check("abort older-than=1s prefix=", Ok((1, "")));
        check("abort older-than=1s prefix=a\n\n", Ok((1, "a\n")));
    }

    #[test]
    fn what_does_not_say_which_uploads_is_refused() {
        let needed = "\"abort older-than=24h\" is needed, or \"abort older-than=24h prefix=...\"";
        for text in ["", "abort", "abort ", "older-than=24h", "abort prefix=a", "abort all"] {
            check(text, Err(needed));
        }
        let age =
            |age: &str| format!("older-than: {age:?} is not an age, such as 90s, 30m, 24h or 7d");
        for text in ["", "24", "h", "-1h", "1w", "1 h", "18446744073709551615d", "1é"] {
            check(&format!("abort older-than={text}"), Err(&age(text)));
        }
    }

    #[test]
    fn an_upload_is_one_line_with_its_key_last() {
        let upload = ListedUpload {
            key: "dir/a b\nc".to_owned(),
            upload: "abc123".to_owned(),
            started: UNIX_EPOCH,
            storage_class: None,
        };
        let expected = "1970-01-01T00:00:00Z abc123 parts=2 bytes=10485760 dir/a b\\nc";
        assert_eq!(line(&upload, 2, 10 << 20), expected);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC*|(abort )?(older-than=)?[0-9]*\\PC?") {
            let _abort = parse_abort(&text);
        }
    }
}
