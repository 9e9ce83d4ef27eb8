//! Multipart: which parts make an object, and what it is then.
//!
//! Pure. The bytes stay where the parts put them: a completed object is a list of segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::blobs::Segment;
use crate::store::model::digest;
use crate::store::model::refusal;
use crate::store::model::state::StoredPart;
use crate::store::types::{Checksum, ChecksumAlgorithm, ChecksumType, ETag, Part};

const PART_NUMBER_MAX: u32 = 10_000;
/// Of an object, in all.
const OBJECT_BYTES_MAX: u64 = 5 << 40;

/// An object made of parts.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) checksum: Option<Checksum>,
    pub(super) parts: u32,
    pub(super) segments: Arc<[Segment]>,
}

pub(super) fn check_part_number(number: u32) -> StoreResult<()> {
    if (1..=PART_NUMBER_MAX).contains(&number) {
        return Ok(());
    }
    let message = format!("Part number must be an integer between 1 and {PART_NUMBER_MAX}");
    Err(refusal::invalid_argument(message))
}

/// Checks that S3 has such a checksum for whole objects.
pub(super) fn check_checksum_type(
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
) -> StoreResult<()> {
    match checksum {
        Some((ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256, ChecksumType::FullObject))
        | Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::Composite)) => {
            Err(refusal::invalid_request(
                "The checksum type can't be used with the specified checksum algorithm",
            ))
        }
        _ => Ok(()),
    }
}

/// Checks a part's checksum against what its upload was started with.
pub(super) fn check_part_algorithm(
    upload: Option<(ChecksumAlgorithm, ChecksumType)>,
    part: Option<&Checksum>,
) -> StoreResult<()> {
    match (upload, part) {
        (Some((expected, _)), Some(actual)) if actual.algorithm != expected => {
            Err(refusal::invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                expected.as_str().to_lowercase(),
                actual.algorithm.as_str().to_lowercase(),
            )))
        }
        _ => Ok(()),
    }
}

/// Plans the object that the parts `asked` for make, out of those that `are_there`.
pub(super) fn plan_object(
    are_there: &BTreeMap<u32, Arc<StoredPart>>,
    asked: &[Part],
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    part_bytes_min: u64,
) -> StoreResult<Assembled> {
    let parts = choose_parts(are_there, asked, part_bytes_min)?;
    let size = parts.iter().map(|part| part.size).sum();
    if size > OBJECT_BYTES_MAX {
        return Err(refusal::entity_too_large(OBJECT_BYTES_MAX));
    }
    Ok(Assembled {
        size,
        etag: digest::etag_of_parts(parts.iter().map(|part| &part.md5)),
        checksum: checksum.map(|kind| plan_checksum(&parts, kind)).transpose()?,
        parts: u32::try_from(parts.len()).unwrap_or(PART_NUMBER_MAX),
        segments: parts.iter().flat_map(|part| part.segments.iter().cloned()).collect(),
    })
}

fn choose_parts<'a>(
    are_there: &'a BTreeMap<u32, Arc<StoredPart>>,
    asked: &[Part],
    part_bytes_min: u64,
) -> StoreResult<Vec<&'a StoredPart>> {
    if asked.is_empty() {
        return Err(refusal::malformed_xml("You must specify at least one part"));
    }
    if !asked.is_sorted_by(|one, next| one.number < next.number) {
        let message = "The list of parts was not in ascending order.";
        return Err(StoreError::new(ErrorKind::Invalid, "InvalidPartOrder", message));
    }
    let parts = asked.iter().map(|part| choose_part(are_there, part));
    let parts = parts.collect::<StoreResult<Vec<_>>>()?;
    match parts.split_last() {
        Some((_, others)) if others.iter().any(|part| part.size < part_bytes_min) => {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            Err(StoreError::new(ErrorKind::Invalid, "EntityTooSmall", message))
        }
        _ => Ok(parts),
    }
}

fn choose_part<'a>(
    are_there: &'a BTreeMap<u32, Arc<StoredPart>>,
    asked: &Part,
) -> StoreResult<&'a StoredPart> {
    let is_same = |part: &&Arc<StoredPart>| {
        digest::etag_of(&part.md5) == asked.etag
            && asked.checksum.as_ref().is_none_or(|asked| part.checksum.as_ref() == Some(asked))
    };
    are_there.get(&asked.number).filter(is_same).map(AsRef::as_ref).ok_or_else(|| {
        let message = format!("Part {} could not be found, or is not this one", asked.number);
        StoreError::new(ErrorKind::Invalid, "InvalidPart", message)
    })
}

fn plan_checksum(
    parts: &[&StoredPart],
    (algorithm, kind): (ChecksumAlgorithm, ChecksumType),
) -> StoreResult<Checksum> {
    let sums: Vec<_> = parts.iter().filter_map(|part| part.checksum.as_ref()).collect();
    let checksum = match kind {
        ChecksumType::Composite => digest::composite(algorithm, sums.iter().copied()),
        ChecksumType::FullObject => {
            let sizes = parts.iter().map(|part| part.size);
            digest::full_object(algorithm, sums.iter().copied().zip(sizes))
        }
    };
    checksum
        .filter(|_| sums.len() == parts.len())
        .ok_or_else(|| refusal::invalid_request("A part has no checksum"))
}

#[cfg(test)]
mod tests;
