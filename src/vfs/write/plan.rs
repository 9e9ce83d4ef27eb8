//! What to send: by which requests a file becomes an object, under which preconditions.
//!
//! Everything here is pure. Which parts went up while the program wrote is told by `draft`, the
//! grid they are cut by is `cells`' decision.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::store::types::{Conditions, ETag, Part};
use crate::vfs::types::ObjectRef;
use crate::vfs::write::cells::Cells;
use crate::vfs::write::extents::{Chunk, Extents};

/// S3's limits for multipart uploads
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// The largest part, and the largest source of a single copy.
pub const PART_BYTES_MAX: u64 = 5 << 30;
/// Parts of one upload.
pub const PARTS_MAX: u32 = 10_000;
/// The largest object.
pub const OBJECT_BYTES_MAX: u64 = 5 << 40;

/// Part copies go no further than this, so that several run at once.
const COPY_BYTES_MAX: u64 = 512 << 20;

/// By which requests a file becomes an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CommitPlan {
    /// By one PUT of all its bytes.
    Put,
    /// By one copy: it has the bytes of this object.
    Copy { object: ObjectRef },
    /// By a multipart upload of these parts, in order.
    Parts(Vec<PlannedPart>),
}

/// One part of a multipart upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedPart {
    pub number: u32,
    /// Of the file.
    pub range: Range<u64>,
    pub source: PartSource,
}

/// Where a part comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PartSource {
    /// It has gone up already.
    Sent,
    /// S3 copies it from an object, from this offset on.
    Copy { object: ObjectRef, start: u64 },
    /// It is put together here.
    Data,
}

/// Plans how a file of `bytes` becomes an object; `sent` are the cells that went up and have not
/// changed since.
///
/// A file that fits in the first cell takes one PUT, one that is an object as it is one copy.
/// Of others, S3 copies the cells that are an object's bytes in a row, neighbours at once; what
/// has anything new in it is put together and sent.
#[must_use]
pub fn plan_commit(
    bytes: u64,
    extents: &Extents,
    sent: &BTreeSet<u32>,
    cells: Cells,
) -> CommitPlan {
    match whole_object(bytes, extents) {
        Some(object) if bytes <= PART_BYTES_MAX => return CommitPlan::Copy { object },
        Some(_) => {}
        None if bytes <= cells.first_bytes() => return CommitPlan::Put,
        None => {}
    }
    let mut parts: Vec<PlannedPart> = Vec::new();
    for cell in cells.overlapping(0..bytes) {
        let range = cell.range.start..cell.range.end.min(bytes);
        let source = if cell.range.end <= bytes && sent.contains(&cell.number) {
            PartSource::Sent
        } else {
            plan_source(extents, &range)
        };
        let part = PlannedPart { number: cell.number, range, source };
        match parts.last_mut() {
            Some(last) if last.goes_on_in(&part) => last.range.end = part.range.end,
            Some(_) | None => parts.push(part),
        }
    }
    CommitPlan::Parts(parts)
}

/// The object that the file is, byte for byte.
fn whole_object(bytes: u64, extents: &Extents) -> Option<ObjectRef> {
    let (offset, chunk) = extents.iter().next()?;
    match chunk {
        Chunk::Remote { object, start: 0, bytes: length } => {
            let is_whole = offset == 0 && *length == bytes && object.size == bytes;
            is_whole.then(|| object.clone())
        }
        Chunk::Remote { .. } | Chunk::Held(_) | Chunk::Staged(_) | Chunk::Sent { .. } => None,
    }
}

fn plan_source(extents: &Extents, range: &Range<u64>) -> PartSource {
    let first = extents.overlapping(range).next();
    let Some((offset, Chunk::Remote { object, start, bytes })) = first else {
        return PartSource::Data;
    };
    let is_all = offset <= range.start && offset + bytes >= range.end;
    // S3 copies ranges of objects over this size only.
    if !is_all || object.size <= PART_BYTES_MIN {
        return PartSource::Data;
    }
    PartSource::Copy { object: object.clone(), start: start + (range.start - offset) }
}

impl PlannedPart {
    /// Whether `next` can be copied together with this.
    fn goes_on_in(&self, next: &Self) -> bool {
        let bytes = next.range.end - self.range.start;
        match (&self.source, &next.source) {
            (
                PartSource::Copy { object, start },
                PartSource::Copy { object: next_object, start: next_start },
            ) => {
                let end = start + (self.range.end - self.range.start);
                bytes <= COPY_BYTES_MAX && end == *next_start && object == next_object
            }
            _ => false,
        }
    }
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
mod tests;
