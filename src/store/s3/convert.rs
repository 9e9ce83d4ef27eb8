//! Conversions: the SDK's answers as our nouns. Pure.

use std::time::SystemTime;

use aws_sdk_s3::primitives::DateTime;

use crate::store::types::{Checksum, ChecksumAlgorithm, ETag};

/// What S3 leaves out of its answers, and other servers don't.
pub(super) const STORAGE_CLASS_DEFAULT: &str = "STANDARD";

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
