//! The format: what the files of one version are called, and what is in them.
//!
//! Pure. A version has two files. The one with the bytes has them at their own offsets, with holes
//! for what is missing, so that a whole one reads like the object. The other begins with a header
//! that says which version it is, and goes on with a checksum for each block. A header is compared
//! as a whole with the one that is expected, so that nothing of it has to be parsed or believed.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use sha2::{Digest as _, Sha256};

use crate::vfs::types::ObjectRef;

/// What is checked, and is there or missing, as one: as much as random reads are rounded to.
pub const BLOCK_BYTES: u64 = 16 << 10;

/// What a checksum takes: CRC32C, the lowest byte first; 0 where there is no block.
pub const SUM_BYTES: u64 = 4;

/// Stands for the one checksum that would say that there is no block.
const SUM_OF_ZERO: u32 = 1;

/// With the number of the format: files of another are of no use and make room.
const MAGIC: &[u8; 12] = b"pailfs-blk1\n";

/// The suffixes of the two files.
pub const DATA_SUFFIX: &str = ".data";
pub const SUMS_SUFFIX: &str = ".sums";

const KEY_BYTES: usize = 16;
const VERSION_BYTES: usize = 8;

/// Stands for bucket and key where files are those of an upload: no hash is this one.
const UPLOAD_KEY: [u8; KEY_BYTES] = [0xff; KEY_BYTES];

/// What the files of a version are called: a hash of bucket and key, and one of the ETag, so that
/// all versions of an object stand side by side.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name {
    key: [u8; KEY_BYTES],
    version: [u8; VERSION_BYTES],
}

impl Name {
    #[must_use]
    pub fn of(object: &ObjectRef) -> Self {
        let key = key_hash(&object.bucket, &object.key);
        let version = hash(&[object.etag.as_str()]);
        Self { key, version }
    }

    /// All names that versions of this object can have.
    #[must_use]
    pub fn versions_of(bucket: &str, key: &str) -> RangeInclusive<Self> {
        let key = key_hash(bucket, key);
        Self { key, version: [0; VERSION_BYTES] }..=Self { key, version: [0xff; VERSION_BYTES] }
    }

    /// What the files of an upload are called as long as it has made no version of anything.
    #[must_use]
    pub fn of_upload(number: u64) -> Self {
        Self { key: UPLOAD_KEY, version: number.to_be_bytes() }
    }

    /// All names that uploads can have.
    #[must_use]
    pub fn uploads() -> RangeInclusive<Self> {
        Self::of_upload(0)..=Self::of_upload(u64::MAX)
    }

    /// Of a file's name without its suffix.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (key, version) = text.split_once('-')?;
        Some(Self { key: unhex(key)?, version: unhex(version)? })
    }

    /// The folder that its files are in: there are [`FOLDERS`] of them.
    #[must_use]
    pub fn folder(&self) -> String {
        folder(self.key[0])
    }
}

/// How many folders the files are spread over.
pub const FOLDERS: u16 = 256;

/// The name of one of them.
#[must_use]
pub fn folder(number: u8) -> String {
    format!("{number:02x}")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        hex(f, &self.key)?;
        f.write_str("-")?;
        hex(f, &self.version)
    }
}

fn key_hash(bucket: &str, key: &str) -> [u8; KEY_BYTES] {
    hash(&[bucket, key])
}

fn hash<const BYTES: usize>(parts: &[&str]) -> [u8; BYTES] {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps `a` + `bc` from being `ab` + `c`.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut name = [0; BYTES];
    name.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    name
}

fn unhex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    if text.len() != 2 * BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// How the file of checksums begins; its length is a multiple of [`SUM_BYTES`].
#[must_use]
pub fn header(object: &ObjectRef) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(object.size.to_le_bytes());
    for text in [&*object.bucket, &*object.key, object.etag.as_str()] {
        header.extend((text.len() as u64).to_le_bytes());
        header.extend(text.as_bytes());
    }
    header.resize(header.len().next_multiple_of(SUM_BYTES as usize), 0);
    header
}

/// How many blocks an object of this size has.
#[must_use]
pub fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES)
}

/// The blocks that a range of bytes touches.
#[must_use]
pub fn blocks_touched(range: &Range<u64>) -> Range<u64> {
    range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES)
}

/// The blocks that lie within a range of bytes of an object of this size: its last one may be
/// short.
#[must_use]
pub fn blocks_within(range: &Range<u64>, size: u64) -> Range<u64> {
    let first = range.start.div_ceil(BLOCK_BYTES);
    let end = if range.end >= size { block_count(size) } else { range.end / BLOCK_BYTES };
    first..end.max(first)
}

/// The bytes of these blocks.
#[must_use]
pub fn bytes_of(blocks: &Range<u64>, size: u64) -> Range<u64> {
    let end = (blocks.end * BLOCK_BYTES).min(size);
    (blocks.start * BLOCK_BYTES).min(end)..end
}

/// The checksum of one block's bytes.
#[must_use]
pub fn sum_of(block: &[u8]) -> u32 {
    as_sum(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, block))
}

/// The checksums of the blocks that these bytes in a row are; the last may be short.
#[must_use]
pub fn sums_of(chunks: &[Bytes]) -> Vec<u32> {
    let block_bytes = BLOCK_BYTES as usize;
    let mut sums = Vec::new();
    let (mut digest, mut filled) = (Digest::new(CrcAlgorithm::Crc32Iscsi), 0);
    for chunk in chunks {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(block_bytes - filled));
            digest.update(now);
            filled += now.len();
            if filled == block_bytes {
                sums.push(as_sum(digest.finalize()));
                (digest, filled) = (Digest::new(CrcAlgorithm::Crc32Iscsi), 0);
            }
            rest = later;
        }
    }
    if filled > 0 {
        sums.push(as_sum(digest.finalize()));
    }
    sums
}

fn as_sum(crc: u64) -> u32 {
    // A CRC32C has 32 bits.
    let crc = u32::try_from(crc).unwrap_or(u32::MAX);
    if crc == 0 { SUM_OF_ZERO } else { crc }
}

/// Checksums as they stand in the file.
#[must_use]
pub fn encode_sums(sums: &[u32]) -> Vec<u8> {
    sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
}

/// Checksums as they stand in the file; what is missing at its end is no block.
#[must_use]
pub fn decode_sums(bytes: &[u8], count: usize) -> Vec<u32> {
    let (whole, _) = bytes.as_chunks::<{ SUM_BYTES as usize }>();
    let mut sums: Vec<u32> = whole.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    sums.resize(count, 0);
    sums
}

/// What stands against taking bytes for those of blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// A block is not there.
    Missing,
    /// This one is not what its checksum says.
    Damaged { block: u64, sum: u32 },
}

/// Checks the bytes of blocks in a row, of which `first` is the number of the first.
pub fn check(data: &[u8], sums: &[u32], first: u64) -> Result<(), Flaw> {
    let blocks = data.chunks(BLOCK_BYTES as usize);
    if sums.contains(&0) || blocks.len() != sums.len() {
        return Err(Flaw::Missing);
    }
    for (block, (bytes, sum)) in (first..).zip(blocks.zip(sums)) {
        if sum_of(bytes) != *sum {
            return Err(Flaw::Damaged { block, sum: *sum });
        }
    }
    Ok(())
}

/// Those of the bytes in a row that lie `skip` bytes behind their start, and no more than `bytes`.
#[must_use]
pub fn cut(chunks: &[Bytes], skip: u64, bytes: u64) -> Vec<Bytes> {
    let (mut skip, mut left) = (skip, bytes);
    let mut kept = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let length = chunk.len() as u64;
        let from = skip.min(length);
        let until = length.min(from.saturating_add(left));
        if from < until {
            kept.push(chunk.slice(from as usize..until as usize));
        }
        skip -= from;
        left -= until - from;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::store::types::ETag;

    fn object(key: &str, etag: &str, size: u64) -> ObjectRef {
        ObjectRef { bucket: Arc::from("b"), key: Arc::from(key), etag: ETag::new(etag), size }
    }

    #[test]
    fn a_name_is_read_back_and_versions_of_a_key_stand_together() {
        let name = Name::of(&object("key", "one", 5));
        assert_eq!(Name::parse(&name.to_string()), Some(name));
        assert!(name.to_string().starts_with(&name.folder()));
        let versions = Name::versions_of("b", "key");
        assert!(versions.contains(&name));
        assert!(versions.contains(&Name::of(&object("key", "two", 5))));
        assert!(!versions.contains(&Name::of(&object("other", "one", 5))));
        assert_ne!(key_hash("a", "bc"), key_hash("ab", "c"));
        let upload = Name::of_upload(5);
        assert_eq!(Name::parse(&upload.to_string()), Some(upload));
        assert!(Name::uploads().contains(&upload) && !Name::uploads().contains(&name));
        for text in ["", "-", "00-00", &format!("{name}0"), &name.to_string().replace('-', "")] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_part_of_a_version_is_in_its_header() {
        let all = [
            object("key", "one", 5),
            object("key", "one", 6),
            object("key", "two", 5),
            object("keyo", "ne", 5),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(header(one).len() % 4, 0);
            for other in &all[index + 1..] {
                assert_ne!(header(one), header(other));
            }
        }
    }

    #[test]
    fn blocks_lie_within_a_range_or_are_touched_by_it() {
        const B: u64 = BLOCK_BYTES;
        assert_eq!(blocks_touched(&(1..B + 1)), 0..2);
        assert_eq!(blocks_within(&(1..B + 1), 9 * B), 1..1);
        assert_eq!(blocks_within(&(0..2 * B), 9 * B), 0..2);
        assert_eq!(blocks_within(&(B..2 * B + 5), 2 * B + 5), 1..3);
        assert_eq!(blocks_within(&(B..2 * B + 4), 2 * B + 5), 1..2);
        assert_eq!(bytes_of(&(1..3), 2 * B + 5), B..2 * B + 5);
        assert_eq!(bytes_of(&(3..3), 2 * B + 5), 2 * B + 5..2 * B + 5);
        assert_eq!(block_count(0), 0);
    }

    #[test]
    fn no_block_has_the_checksum_of_none() {
        assert_eq!(as_sum(0), SUM_OF_ZERO);
        assert_eq!(as_sum(7), 7);
        assert_ne!(sum_of(&[0; BLOCK_BYTES as usize]), 0);
    }

    proptest! {
        #[test]
        fn checksums_do_not_depend_on_how_bytes_are_cut(
            lengths in proptest::collection::vec(0_usize..40_000, 0..8),
            skip in 0_u64..100_000,
            bytes in 0_u64..100_000,
        ) {
            let chunks: Vec<Bytes> = lengths
                .iter()
                .enumerate()
                .map(|(index, length)| Bytes::from(vec![index as u8; *length]))
                .collect();
            let whole = Bytes::from(chunks.concat());
            let sums = sums_of(&chunks);
            prop_assert_eq!(&sums, &sums_of(std::slice::from_ref(&whole)));
            let each: Vec<u32> = whole.chunks(BLOCK_BYTES as usize).map(sum_of).collect();
            prop_assert_eq!(&sums, &each);
            prop_assert_eq!(&decode_sums(&encode_sums(&sums), sums.len()), &sums);
            prop_assert_eq!(check(&whole, &sums, 0), Ok(()));
            let from = (skip as usize).min(whole.len());
            let until = whole.len().min(from + bytes as usize);
            prop_assert_eq!(cut(&chunks, skip, bytes).concat(), &whole[from..until]);
        }
    }
}
