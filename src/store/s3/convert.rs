//! Conversions: the SDK's answers as our nouns. Pure.

use std::ops;
use std::str::FromStr;
use std::time::SystemTime;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    Checksum, ChecksumAlgorithm, ETag, Encryption, ObjectAttributes, ObjectHead, Restore,
};

/// What S3 leaves out of its answers, and other servers don't.
const STORAGE_CLASS_DEFAULT: &str = "STANDARD";

/// A time, or the epoch where the server says none or one that can't be.
pub(super) fn time(time: Option<DateTime>) -> SystemTime {
    time.and_then(|time| SystemTime::try_from(time).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn etag(etag: Option<&str>) -> ETag {
    ETag::new(etag.unwrap_or_default())
}

/// A count that S3 has as a signed number.
pub(super) fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

/// The checksums of an answer, at most one of which is there.
pub(super) struct Checksums {
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub crc64nvme: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
}

impl Checksums {
    pub(super) fn found(self) -> Option<Checksum> {
        let all = [
            (ChecksumAlgorithm::Crc64Nvme, self.crc64nvme),
            (ChecksumAlgorithm::Crc32C, self.crc32c),
            (ChecksumAlgorithm::Crc32, self.crc32),
            (ChecksumAlgorithm::Sha256, self.sha256),
            (ChecksumAlgorithm::Sha1, self.sha1),
        ];
        let mut all = all.into_iter();
        all.find_map(|(algorithm, value)| Some(Checksum { algorithm, value: value? }))
    }
}

/// The checksums of any of the SDK's answers: their types have the fields in common, but no
/// trait for them.
macro_rules! checksum_of {
    ($answer:expr) => {
        $crate::store::s3::convert::Checksums {
            crc32: $answer.checksum_crc32,
            crc32c: $answer.checksum_crc32_c,
            crc64nvme: $answer.checksum_crc64_nvme,
            sha1: $answer.checksum_sha1,
            sha256: $answer.checksum_sha256,
        }
        .found()
    };
}
pub(super) use checksum_of;

/// What `GetObject` and `HeadObject` have in common; see [`checksum_of`].
macro_rules! head_of {
    ($answer:expr, $size:expr, $archive_status:expr) => {
        ObjectHead {
            size: $size,
            etag: etag($answer.e_tag.as_deref()),
            last_modified: time($answer.last_modified),
            attributes: ObjectAttributes {
                content_type: $answer.content_type,
                content_encoding: $answer.content_encoding,
                content_language: $answer.content_language,
                content_disposition: $answer.content_disposition,
                cache_control: $answer.cache_control,
                expires: $answer.expires_string,
                website_redirect_location: $answer.website_redirect_location,
                metadata: $answer.metadata.into_iter().flatten().collect(),
                storage_class: storage_class($answer.storage_class),
                encryption: encryption($answer.server_side_encryption, $answer.ssekms_key_id),
            },
            version_id: $answer.version_id,
            restore: $answer.restore.as_deref().and_then(parse_restore),
            archive_status: $archive_status,
            parts: $answer.parts_count.and_then(|count| u32::try_from(count).ok()),
            tag_count: $answer.tag_count.and_then(|count| u32::try_from(count).ok()),
            checksum: checksum_of!($answer),
        }
    };
}

pub(super) fn head_from_head(answer: HeadObjectOutput) -> ObjectHead {
    let archive_status = answer.archive_status.map(|status| status.as_str().to_owned());
    head_of!(answer, size(answer.content_length), archive_status)
}

/// `answer` without its body.
pub(super) fn head_from_get(answer: GetObjectOutput, size: u64) -> ObjectHead {
    head_of!(answer, size, None)
}

fn storage_class(class: Option<types::StorageClass>) -> Option<String> {
    class.map(|class| class.as_str().to_owned()).filter(|class| class != STORAGE_CLASS_DEFAULT)
}

fn encryption(
    algorithm: Option<types::ServerSideEncryption>,
    kms_key_id: Option<String>,
) -> Option<Encryption> {
    Some(Encryption { algorithm: algorithm?.as_str().to_owned(), kms_key_id })
}

/// Reads `x-amz-restore`: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`.
fn parse_restore(header: &str) -> Option<Restore> {
    if header.contains("ongoing-request=\"true\"") {
        return Some(Restore::Ongoing);
    }
    let (_, rest) = header.split_once("expiry-date=\"")?;
    let (date, _) = rest.split_once('"')?;
    let date = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    Some(Restore::Until(time(Some(date))))
}

pub(super) fn restore_status(status: &types::RestoreStatus) -> Option<Restore> {
    if status.is_restore_in_progress == Some(true) {
        return Some(Restore::Ongoing);
    }
    status.restore_expiry_date.map(|date| Restore::Until(time(Some(date))))
}

/// Which bytes of an object of which size an answer carries.
pub(super) fn range_of(answer: &GetObjectOutput) -> StoreResult<(ops::Range<u64>, u64)> {
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    let unclear = || {
        let message = "the answer does not say which bytes it carries";
        StoreError::new(ErrorKind::Corrupt, "InvalidContentRange", message)
    };
    match answer.content_range.as_deref() {
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
    use std::time::Duration;

    use super::*;

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
        let check = |length: Option<i64>, range: Option<&str>, expected| {
            let answer = GetObjectOutput::builder().set_content_length(length);
            let answer = answer.set_content_range(range.map(str::to_owned)).build();
            assert_eq!(range_of(&answer).ok(), expected, "{length:?} {range:?}");
        };
        check(Some(7), None, Some((0..7, 7)));
        check(Some(7), Some("bytes 3-9/20"), Some((3..10, 20)));
        check(None, Some("bytes 3-9/20"), Some((3..10, 20)));
        check(Some(7), Some("bytes 3-8/20"), None);
        check(None, None, None);
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
    fn the_standard_storage_class_is_none() {
        assert_eq!(storage_class(Some(types::StorageClass::Standard)), None);
        assert_eq!(storage_class(Some(types::StorageClass::Glacier)).as_deref(), Some("GLACIER"));
    }

    #[test]
    fn a_head_carries_what_the_answer_says() {
        let head = head_from_head(
            HeadObjectOutput::builder()
                .content_length(12)
                .e_tag("\"abc\"")
                .content_type("text/plain")
                .metadata("mode", "33188")
                .checksum_crc32_c("AAAAAA==")
                .parts_count(3)
                .build(),
        );
        assert_eq!((head.size, head.etag.as_str(), head.parts), (12, "abc", Some(3)));
        assert_eq!(head.attributes.content_type.as_deref(), Some("text/plain"));
        assert_eq!(head.attributes.metadata["mode"], "33188");
        assert_eq!(head.checksum.map(|found| found.algorithm), Some(ChecksumAlgorithm::Crc32C));
    }
}
