//! What to send: part sizes, copy ranges, and what an unmet precondition means.
//!
//! Everything here is pure.

use std::ops::Range;

use crate::store::types::{Conditions, ETag, Part};

/// S3's limits for multipart uploads
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// The largest part, and the largest source of a single copy.
pub const PART_BYTES_MAX: u64 = 5 << 30;
/// Parts of one upload.
pub const PARTS_MAX: u32 = 10_000;
/// The largest object.
pub const OBJECT_BYTES_MAX: u64 = 5 << 40;

/// Every so many parts, parts get larger by the size of the first.
const PARTS_PER_STEP: u64 = 64;

/// The size of the part with this number (from 1) where the first has `first_bytes`.
///
/// Sizes grow with the file, so that 10,000 parts hold any object S3 can hold while small files
/// are cut finely enough to go up in parallel.
#[must_use]
pub fn part_bytes(number: u32, first_bytes: u64) -> u64 {
    let steps = 1 + u64::from(number.saturating_sub(1)) / PARTS_PER_STEP;
    (first_bytes * steps).clamp(PART_BYTES_MIN, PART_BYTES_MAX)
}

/// Cuts an object into the fewest ranges that S3 can copy, all of about the same size, each with
/// the part number it gets, starting at `first_number`.
///
/// An empty object has no ranges; one below [`PART_BYTES_MIN`] has one, which S3 takes only as
/// the last part of an upload.
#[must_use]
pub fn plan_copy_ranges(
    bytes: u64,
    range_bytes_max: u64,
    first_number: u32,
) -> Vec<(u32, Range<u64>)> {
    let count = bytes.div_ceil(range_bytes_max.clamp(PART_BYTES_MIN, PART_BYTES_MAX));
    (0..count)
        .map(|index| {
            let start = bytes * index / count;
            let end = bytes * (index + 1) / count;
            (first_number + index as u32, start..end)
        })
        .collect()
}

/// The precondition of a write: nobody else may have come between.
///
/// `base` is the object that is replaced, `None` where the name was free.
#[must_use]
pub fn plan_conditions(base: Option<&ETag>) -> Conditions {
    match base {
        Some(etag) => Conditions::matching(etag.clone()),
        None => Conditions::absent(),
    }
}

/// The ETag S3 gives a multipart object: the MD5 of its parts' MD5s, and their number.
///
/// `None` where the parts' ETags are no MD5s (encryption with keys of KMS).
#[must_use]
pub fn multipart_etag(parts: &[Part]) -> Option<ETag> {
    use md5::{Digest, Md5};
    let mut all = Md5::new();
    for part in parts {
        all.update(md5_bytes(part.etag.as_str())?);
    }
    let digest = all.finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(ETag::new(&format!("{hex}-{}", parts.len())))
}

fn md5_bytes(hex: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The ETag S3 gives bytes that were sent by one PUT: their MD5.
#[must_use]
pub fn single_etag<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> ETag {
    use md5::{Digest, Md5};
    let mut md5 = Md5::new();
    for chunk in chunks {
        md5.update(chunk);
    }
    let hex: String = md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ETag::new(&hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        let total: u64 = (1..=PARTS_MAX).map(|number| part_bytes(number, 8 << 20)).sum();
        assert!(total >= OBJECT_BYTES_MAX, "{total}");
    }

    #[test]
    fn no_part_is_smaller_or_larger_than_s3_takes() {
        for first_bytes in [1, PART_BYTES_MIN, 8 << 20, PART_BYTES_MAX] {
            for number in [1, 64, 65, PARTS_MAX] {
                let bytes = part_bytes(number, first_bytes);
                assert!((PART_BYTES_MIN..=PART_BYTES_MAX).contains(&bytes));
            }
        }
    }

    #[test]
    fn copy_ranges_cover_the_object_in_order_and_none_is_too_small() {
        for bytes in [1, PART_BYTES_MIN, PART_BYTES_MAX, PART_BYTES_MAX + 1, 17 << 30] {
            let ranges = plan_copy_ranges(bytes, PART_BYTES_MAX, 1);
            let mut at = 0;
            for (index, (number, range)) in ranges.iter().enumerate() {
                assert_eq!((*number, range.start), (index as u32 + 1, at));
                assert!(range.end - range.start >= PART_BYTES_MIN.min(bytes));
                assert!(range.end - range.start <= PART_BYTES_MAX);
                at = range.end;
            }
            assert_eq!(at, bytes);
        }
        assert!(plan_copy_ranges(0, PART_BYTES_MAX, 1).is_empty());
    }

    #[test]
    fn etags_are_computed_as_s3_does() {
        let empty = single_etag([&b""[..]]);
        assert_eq!(empty.as_str(), "d41d8cd98f00b204e9800998ecf8427e");
        let part = Part { number: 1, etag: empty, checksum: None };
        let of_two = multipart_etag(&[part.clone(), part]);
        assert_eq!(
            of_two.map(|etag| etag.to_string()),
            Some("5873dd45edd01f09c1ef2e7819369e8e-2".to_owned())
        );
    }

    #[test]
    fn parts_with_other_etags_make_no_claim() {
        let part = Part { number: 1, etag: ETag::new("not-an-md5"), checksum: None };
        assert_eq!(multipart_etag(&[part]), None);
    }
}
