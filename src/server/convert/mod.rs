//! Between s3s's words and the store's.
//!
//! One file per family of words; here are those that all of them use. Nothing in here asks the
//! store: these are functions from values to values, and what can't be converted is refused
//! with S3's code for it.

pub(crate) mod attributes;
pub(crate) mod checksums;
pub(crate) mod names;

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue};
use s3s::dto::{self, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use crate::store::types::{Conditions, CopySource, ETag, EtagCondition, Range, Restore};

pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

pub(crate) fn system_time(timestamp: Timestamp) -> SystemTime {
    time::OffsetDateTime::from(timestamp).into()
}

/// As the headers `Last-Modified` and `x-amz-restore` spell it.
pub(crate) fn http_date(time: SystemTime) -> String {
    let mut text = Vec::new();
    match timestamp(time).format(dto::TimestampFormat::HttpDate, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::new(),
    }
}

pub(crate) fn etag(etag: &ETag) -> dto::ETag {
    dto::ETag::Strong(etag.as_str().to_owned())
}

/// The preconditions of a request, as s3s parsed them.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) matches: Option<ETagCondition>,
    pub(crate) none_matches: Option<ETagCondition>,
    pub(crate) modified_since: Option<Timestamp>,
    pub(crate) unmodified_since: Option<Timestamp>,
}

pub(crate) fn conditions(asked: Asked) -> Conditions {
    Conditions {
        if_match: asked.matches.map(etag_condition),
        if_none_match: asked.none_matches.map(etag_condition),
        if_modified_since: asked.modified_since.map(system_time),
        if_unmodified_since: asked.unmodified_since.map(system_time),
    }
}

/// The preconditions on what a request writes; s3s does not parse those of `CopyObject`.
pub(crate) fn write_conditions(headers: &HeaderMap) -> S3Result<Conditions> {
    Ok(conditions(Asked {
        matches: etag_condition_in(headers, "if-match")?,
        none_matches: etag_condition_in(headers, "if-none-match")?,
        ..Asked::default()
    }))
}

fn etag_condition_in(headers: &HeaderMap, name: &str) -> S3Result<Option<ETagCondition>> {
    let Some(value) = header(headers, name) else { return Ok(None) };
    let parsed = ETagCondition::parse_http_header(value.as_bytes());
    parsed.map(Some).map_err(|_| s3_error!(InvalidArgument, "invalid header: {name}: {value}"))
}

fn etag_condition(condition: ETagCondition) -> EtagCondition {
    match condition {
        ETagCondition::Any => EtagCondition::Any,
        ETagCondition::ETag(etag) => EtagCondition::Is(ETag::new(etag.value())),
    }
}

pub(crate) fn range(range: dto::Range) -> Range {
    match range {
        dto::Range::Int { first, last: Some(last) } => {
            Range::Span { start: first, end: last.saturating_add(1) }
        }
        dto::Range::Int { first, last: None } => Range::From { start: first },
        dto::Range::Suffix { length } => Range::Last { bytes: length },
    }
}

/// `x-amz-copy-source-range`, which must name both ends.
pub(crate) fn copy_range(header: &str) -> S3Result<Range> {
    match dto::Range::parse(header) {
        Ok(parsed @ dto::Range::Int { last: Some(_), .. }) => Ok(range(parsed)),
        _ => Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy"
        )),
    }
}

pub(crate) fn copy_source(source: dto::CopySource, conditions: Conditions) -> S3Result<CopySource> {
    match source {
        dto::CopySource::Bucket { bucket, key, version_id } => Ok(CopySource {
            bucket: bucket.into(),
            key: key.into(),
            version: version_id.map(Into::into),
            conditions,
        }),
        dto::CopySource::AccessPoint { .. } | dto::CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented, "the copy source must be a bucket and a key"))
        }
    }
}

/// A number that S3 counts with, where none was given or a negative one.
pub(crate) fn limit(name: &str, given: Option<i32>) -> S3Result<Option<u32>> {
    given
        .map(u32::try_from)
        .transpose()
        .map_err(|_| s3_error!(InvalidArgument, "Argument {name} must not be negative"))
}

/// A count as S3's documents carry it.
pub(crate) fn count<N: TryInto<i32>>(number: N) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// A size as S3's documents carry it.
pub(crate) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// `x-amz-restore`.
pub(crate) fn restore_header(restore: Restore) -> String {
    match restore {
        Restore::Ongoing => "ongoing-request=\"true\"".to_owned(),
        Restore::Until(time) => {
            format!("ongoing-request=\"false\", expiry-date=\"{}\"", http_date(time))
        }
    }
}

/// Adds a header, unless its value can't be spelt in one.
pub(crate) fn put_header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// The text of a header, if it is there, is text, and says something.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?;
    std::str::from_utf8(value.as_bytes()).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_range_of_http_includes_its_last_byte_and_ours_does_not() {
        let parsed = dto::Range::parse("bytes=2-5").unwrap();
        assert_eq!(range(parsed), Range::Span { start: 2, end: 6 });
        assert_eq!(range(dto::Range::parse("bytes=2-").unwrap()), Range::From { start: 2 });
        assert_eq!(range(dto::Range::parse("bytes=-7").unwrap()), Range::Last { bytes: 7 });
    }

    #[test]
    fn a_copied_range_names_both_ends() {
        assert_eq!(copy_range("bytes=0-0").unwrap(), Range::Span { start: 0, end: 1 });
        for open in ["bytes=4-", "bytes=-4", "4-5"] {
            assert_eq!(copy_range(open).unwrap_err().code().as_str(), "InvalidArgument", "{open}");
        }
    }

    #[test]
    fn a_restored_object_says_until_when() {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(
            restore_header(Restore::Until(until)),
            "ongoing-request=\"false\", expiry-date=\"Fri, 02 Jan 1970 00:00:00 GMT\""
        );
    }
}
