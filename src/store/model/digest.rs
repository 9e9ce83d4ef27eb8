//! Digests: MD5 and S3's checksums, taken while the bytes pass.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use crate::store::checksum::{RunningChecksum, crc_bytes, crc_of};
use crate::store::types::{Checksum, ChecksumAlgorithm, ETag};

/// The MD5 of some bytes.
pub(super) type Md5Sum = [u8; 16];

/// What is known of bytes that have passed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Digests {
    pub(super) md5: Md5Sum,
    pub(super) checksum: Option<Checksum>,
}

/// The digests of bytes that are passing.
pub(super) struct RunningDigest {
    md5: Md5,
    checksum: Option<RunningChecksum>,
}

impl RunningDigest {
    /// Takes an MD5, and a checksum of that algorithm.
    pub(super) fn new(algorithm: Option<ChecksumAlgorithm>) -> Self {
        let checksum = algorithm.map(RunningChecksum::new);
        Self { md5: Md5::new(), checksum }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Digests {
        let checksum = self.checksum.map(RunningChecksum::finish);
        Digests { md5: self.md5.finalize().into(), checksum }
    }
}

/// The ETag of an object that was put in one piece.
pub(super) fn etag_of(md5: &Md5Sum) -> ETag {
    ETag::new(&hex(md5))
}

/// The ETag of an object of these parts.
pub(super) fn etag_of_parts<'a>(parts: impl ExactSizeIterator<Item = &'a Md5Sum>) -> ETag {
    let count = parts.len();
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    ETag::new(&format!("{}-{count}", hex(&md5.finalize())))
}

/// The checksum of the checksums of an object's parts; `None` if one of them is not base64.
pub(super) fn composite<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl ExactSizeIterator<Item = &'a Checksum>,
) -> Option<Checksum> {
    let count = parts.len();
    let mut running = RunningChecksum::new(algorithm);
    for part in parts {
        running.update(&BASE64.decode(&part.value).ok()?);
    }
    let value = format!("{}-{count}", running.finish().value);
    Some(Checksum { algorithm, value })
}

/// The checksum of a whole object from the checksums and sizes of its parts; `None` for an
/// algorithm that has no such sum.
pub(super) fn full_object<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl Iterator<Item = (&'a Checksum, u64)>,
) -> Option<Checksum> {
    let crc = crc_of(algorithm)?;
    let mut sum = crc_fast::checksum(crc, &[]);
    for (part, bytes) in parts {
        let value = BASE64.decode(&part.value).ok()?;
        let value = value.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        sum = crc_fast::checksum_combine(crc, sum, value, bytes);
    }
    Some(Checksum { algorithm, value: BASE64.encode(crc_bytes(algorithm, sum)) })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(bytes: &[u8], algorithm: ChecksumAlgorithm) -> Digests {
        let mut running = RunningDigest::new(Some(algorithm));
        running.update(bytes);
        running.finish()
    }

    #[track_caller]
    fn check(algorithm: ChecksumAlgorithm, expected: &str) {
        let checksum = digests(b"123456789", algorithm).checksum.unwrap();
        assert_eq!(checksum.value, expected);
    }

    #[test]
    fn checksums_are_those_of_the_standards() {
        check(ChecksumAlgorithm::Crc32, "y/Q5Jg==");
        check(ChecksumAlgorithm::Crc32C, "4waSgw==");
        check(ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg=");
        check(ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE=");
        check(ChecksumAlgorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
    }

    #[test]
    fn an_etag_is_the_md5_in_hex() {
        let digests = RunningDigest::new(None).finish();
        assert_eq!(etag_of(&digests.md5).as_str(), "d41d8cd98f00b204e9800998ecf8427e");
        let parts = [digests.md5, digests.md5];
        let etag = etag_of_parts(parts.iter());
        assert!(etag.as_str().ends_with("-2"), "{etag}");
    }

    #[test]
    fn the_sum_of_a_whole_object_follows_from_its_parts() {
        for algorithm in
            [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32C, ChecksumAlgorithm::Crc64Nvme]
        {
            let whole = digests(b"123456789", algorithm).checksum;
            let first = digests(b"1234", algorithm).checksum.unwrap();
            let second = digests(b"56789", algorithm).checksum.unwrap();
            assert_eq!(full_object(algorithm, [(&first, 4), (&second, 5)].into_iter()), whole);
        }
        let part = digests(b"1", ChecksumAlgorithm::Sha256).checksum.unwrap();
        assert_eq!(full_object(ChecksumAlgorithm::Sha256, [(&part, 1)].into_iter()), None);
    }

    #[test]
    fn a_composite_sum_names_its_parts() {
        let part = digests(b"1", ChecksumAlgorithm::Sha256).checksum.unwrap();
        let sum = composite(ChecksumAlgorithm::Sha256, [&part, &part].into_iter()).unwrap();
        let joined = BASE64.decode(&part.value).unwrap().repeat(2);
        let expected = digests(&joined, ChecksumAlgorithm::Sha256).checksum.unwrap().value;
        assert_eq!(sum.value, format!("{expected}-2"));
    }
}
