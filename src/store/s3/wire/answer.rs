//! Answers: headers as our nouns. Pure.

use std::ops;
use std::str::FromStr;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use http::HeaderMap;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::convert::{STORAGE_CLASS_DEFAULT, etag, time};
use crate::store::types::{
    Checksum, ChecksumAlgorithm, Encryption, ObjectAttributes, ObjectHead, Restore, Written,
};

const METADATA_PREFIX: &str = "x-amz-meta-";
/// What an object says of itself and keeps when it is written anew.
const KEPT_HEADERS: [&str; 7] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "cache-control",
    "expires",
    "x-amz-website-redirect-location",
];

/// What a write says of what it wrote.
pub(in crate::store::s3) fn written(headers: &HeaderMap) -> Written {
    Written {
        etag: etag(text(headers, "etag")),
        version_id: owned(headers, "x-amz-version-id"),
        checksum: checksum(headers),
        last_modified: None,
    }
}

/// What `HeadObject` says of an object.
pub(in crate::store::s3) fn head(headers: &HeaderMap) -> StoreResult<ObjectHead> {
    head_of(headers, number(headers, "content-length").unwrap_or(0))
}

/// What `GetObject` says of an object, and which of its bytes follow.
pub(in crate::store::s3) fn head_and_range(
    headers: &HeaderMap,
) -> StoreResult<(ObjectHead, ops::Range<u64>)> {
    let (range, size) = range_of(headers)?;
    Ok((head_of(headers, size)?, range))
}

fn head_of(headers: &HeaderMap, size: u64) -> StoreResult<ObjectHead> {
    let date = text(headers, "last-modified");
    Ok(ObjectHead {
        size,
        etag: etag(text(headers, "etag")),
        last_modified: time(date.and_then(http_date)),
        attributes: attributes(headers)?,
        version_id: owned(headers, "x-amz-version-id"),
        checksum: checksum(headers),
        restore: text(headers, "x-amz-restore").and_then(parse_restore),
        archive_status: owned(headers, "x-amz-archive-status"),
        parts: number(headers, "x-amz-mp-parts-count"),
        tag_count: number(headers, "x-amz-tagging-count"),
    })
}

fn attributes(headers: &HeaderMap) -> StoreResult<ObjectAttributes> {
    for name in KEPT_HEADERS {
        if headers.get(name).is_some() && text(headers, name).is_none() {
            return Err(not_text(&format!("the header {name}")));
        }
    }
    let class = owned(headers, "x-amz-storage-class");
    let algorithm = owned(headers, "x-amz-server-side-encryption");
    Ok(ObjectAttributes {
        content_type: owned(headers, "content-type"),
        content_encoding: owned(headers, "content-encoding"),
        content_language: owned(headers, "content-language"),
        content_disposition: owned(headers, "content-disposition"),
        cache_control: owned(headers, "cache-control"),
        expires: owned(headers, "expires"),
        website_redirect_location: owned(headers, "x-amz-website-redirect-location"),
        metadata: headers.iter().filter_map(user_metadata).collect::<StoreResult<_>>()?,
        storage_class: class.filter(|class| class != STORAGE_CLASS_DEFAULT),
        encryption: algorithm.map(|algorithm| Encryption {
            algorithm,
            kms_key_id: owned(headers, "x-amz-server-side-encryption-aws-kms-key-id"),
        }),
    })
}

fn not_text(what: &str) -> StoreError {
    let message = format!("{what} of the object is not text");
    StoreError::new(ErrorKind::Corrupt, "InvalidMetadata", message)
}

/// Fails where a value is not text: it would be lost when the object is written anew.
fn user_metadata(
    (name, value): (&http::HeaderName, &http::HeaderValue),
) -> Option<StoreResult<(String, String)>> {
    let name = name.as_str().strip_prefix(METADATA_PREFIX)?;
    let value = str::from_utf8(value.as_bytes());
    let value = value.map_err(|_invalid| not_text(&format!("the metadata {name}")));
    Some(value.map(|value| (name.to_owned(), value.to_owned())))
}

/// The checksum of an answer; the strongest of those that are quick to make, if it has several.
fn checksum(headers: &HeaderMap) -> Option<Checksum> {
    let all = [
        (ChecksumAlgorithm::Crc64Nvme, "x-amz-checksum-crc64nvme"),
        (ChecksumAlgorithm::Crc32C, "x-amz-checksum-crc32c"),
        (ChecksumAlgorithm::Crc32, "x-amz-checksum-crc32"),
        (ChecksumAlgorithm::Sha256, "x-amz-checksum-sha256"),
        (ChecksumAlgorithm::Sha1, "x-amz-checksum-sha1"),
    ];
    let mut all = all.into_iter();
    all.find_map(|(algorithm, name)| Some(Checksum { algorithm, value: owned(headers, name)? }))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

fn owned(headers: &HeaderMap, name: &str) -> Option<String> {
    text(headers, name).map(str::to_owned)
}

fn number<N: FromStr>(headers: &HeaderMap, name: &str) -> Option<N> {
    text(headers, name)?.parse().ok()
}

fn http_date(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, DateTimeFormat::HttpDate).ok()
}

/// Reads `x-amz-restore`: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`.
fn parse_restore(header: &str) -> Option<Restore> {
    if header.contains("ongoing-request=\"true\"") {
        return Some(Restore::Ongoing);
    }
    let (_, rest) = header.split_once("expiry-date=\"")?;
    let (date, _) = rest.split_once('"')?;
    Some(Restore::Until(time(Some(http_date(date)?))))
}

/// Which bytes of an object of which size an answer carries.
fn range_of(headers: &HeaderMap) -> StoreResult<(ops::Range<u64>, u64)> {
    let length = number::<u64>(headers, "content-length");
    let unclear = || {
        let message = "the answer does not say which bytes it carries";
        StoreError::new(ErrorKind::Corrupt, "InvalidContentRange", message)
    };
    match text(headers, "content-range") {
        None => length.map(|length| (0..length, length)).ok_or_else(unclear),
        Some(header) => parse_content_range(header)
            .filter(|(range, _)| length.is_none_or(|length| length == range.end - range.start))
            .ok_or_else(unclear),
    }
}

/// Reads `Content-Range`: `bytes 0-9/100`.
fn parse_content_range(header: &str) -> Option<(ops::Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (u64::from_str(first).ok()?, u64::from_str(last).ok()?);
    let size = u64::from_str(size).ok()?;
    (first <= last && last < size).then_some((first..last + 1, size))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
        };
        all.iter().map(header).collect()
    }

    #[test]
    fn a_content_range_names_bytes_and_size() {
        assert_eq!(parse_content_range("bytes 0-9/100"), Some((0..10, 100)));
        assert_eq!(parse_content_range("bytes 90-99/100"), Some((90..100, 100)));
        for nonsense in ["bytes */100", "bytes 9-0/100", "bytes 0-100/100", "0-9/100", ""] {
            assert_eq!(parse_content_range(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_answer_must_say_which_bytes_it_carries() {
        let check = |all: &[(&'static str, &str)], expected| {
            assert_eq!(range_of(&headers(all)).ok(), expected, "{all:?}");
        };
        check(&[("content-length", "7")], Some((0..7, 7)));
        let range = ("content-range", "bytes 3-9/20");
        check(&[("content-length", "7"), range], Some((3..10, 20)));
        check(&[range], Some((3..10, 20)));
        check(&[("content-length", "6"), range], None);
        check(&[("content-length", "-7")], None);
        check(&[], None);
    }

    #[test]
    fn a_restore_is_under_way_or_lasts_until_a_date() {
        assert_eq!(parse_restore("ongoing-request=\"true\""), Some(Restore::Ongoing));
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_356_048_000);
        let header = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
        assert_eq!(parse_restore(header), Some(Restore::Until(until)));
        assert_eq!(parse_restore("ongoing-request=\"false\""), None);
    }

    #[test]
    fn a_head_carries_what_the_answer_says() {
        let head = head(&headers(&[
            ("content-length", "12"),
            ("etag", "\"abc\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("content-type", "text/plain"),
            ("expires", "whenever"),
            ("x-amz-meta-mode", "33188"),
            ("x-amz-meta-gru", "\u{e4}"),
            ("x-amz-version-id", "v1"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
            ("x-amz-checksum-crc32c", "AAAAAA=="),
            ("x-amz-mp-parts-count", "3"),
            ("x-amz-tagging-count", "2"),
            ("x-amz-archive-status", "ARCHIVE_ACCESS"),
        ]));
        let head = head.unwrap();
        assert_eq!((head.size, head.etag.as_str()), (12, "abc"));
        assert_eq!((head.parts, head.tag_count), (Some(3), Some(2)));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(head.last_modified, modified);
        assert_eq!(head.version_id.as_deref(), Some("v1"));
        assert_eq!(head.archive_status.as_deref(), Some("ARCHIVE_ACCESS"));
        assert_eq!(head.checksum.map(|found| found.algorithm), Some(ChecksumAlgorithm::Crc32C));
        let attributes = head.attributes;
        assert_eq!(attributes.content_type.as_deref(), Some("text/plain"));
        assert_eq!(attributes.expires.as_deref(), Some("whenever"));
        assert_eq!(attributes.storage_class.as_deref(), Some("GLACIER"));
        let key = Some("key".to_owned());
        let encryption = Encryption { algorithm: "aws:kms".to_owned(), kms_key_id: key };
        assert_eq!(attributes.encryption, Some(encryption));
        let metadata: Vec<_> = attributes.metadata.into_iter().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(metadata, [pair("gru", "\u{e4}"), pair("mode", "33188")]);
    }

    #[test]
    fn the_standard_storage_class_is_none() {
        let head = head(&headers(&[("x-amz-storage-class", "STANDARD")])).unwrap();
        assert_eq!(head.attributes.storage_class, None);
    }

    #[test]
    fn metadata_that_are_no_text_are_an_error() {
        let mut headers = headers(&[("content-length", "1")]);
        headers.insert("x-amz-meta-note", HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(head(&headers).is_err());
    }

    #[test]
    fn of_several_checksums_the_quickest_to_make_is_taken() {
        let all = [("x-amz-checksum-sha256", "s"), ("x-amz-checksum-crc64nvme", "c")];
        let found = checksum(&headers(&all)).unwrap();
        assert_eq!((found.algorithm, found.value.as_str()), (ChecksumAlgorithm::Crc64Nvme, "c"));
        assert_eq!(checksum(&headers(&[])), None);
    }
}
