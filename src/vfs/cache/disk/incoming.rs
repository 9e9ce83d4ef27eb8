//! Incoming: the files of an upload, and how they become those of the version that it makes, together
//! with those of the version before.
//!
//! Parts are kept as they arrive, but which version they are is known when S3 has made an object of
//! them. Until then their files have a name of their own and no header, so that nothing can be read
//! from them; those that a crash leaves are removed by the next mount. Which bytes are those of the
//! object is for the uploader to say: nothing else is taken over. Only the keeper writes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use bytes::Bytes;

use crate::vfs::cache::disk::entry::{
    Paths, STAT_BLOCK_BYTES, create_file, read_up_to, remove_file, write_blocks,
};
use crate::vfs::cache::disk::format::{self, SUM_BYTES};
use crate::vfs::types::ObjectRef;

/// How many checksums are copied at a time.
const SUMS_AT_ONCE: u64 = 1 << 18;
/// How many blocks are copied at a time: 1 MiB.
const BLOCKS_AT_ONCE: u64 = 64;

/// An upload's files, open.
pub struct IncomingFiles {
    data: File,
    sums: File,
}

/// Files of which ranges are to become a version's.
pub struct Source<'a> {
    pub paths: &'a Paths,
    /// Where checksums begin in their file.
    pub sums_start: u64,
    /// Where their bytes end, as far as it is known: at the end of the version otherwise.
    pub size: Option<u64>,
    pub ranges: &'a [Range<u64>],
}

impl IncomingFiles {
    /// Makes the files, with nothing in them; what was there is gone.
    pub fn create(paths: &Paths) -> io::Result<Self> {
        Ok(Self { data: create_file(&paths.data)?, sums: create_file(&paths.sums)? })
    }

    /// Opens files that were made before.
    pub fn open(paths: &Paths) -> io::Result<Self> {
        let open = |path: &Path| File::options().read(true).write(true).open(path);
        Ok(Self { data: open(&paths.data)?, sums: open(&paths.sums)? })
    }

    /// Drops the blocks that a range touches: it is to have other bytes.
    pub fn forget(&self, range: &Range<u64>) -> io::Result<()> {
        let blocks = format::blocks_touched(range);
        let count = (blocks.end - blocks.start) as usize;
        let there = self.read_sums(&blocks)?;
        if there.iter().all(|sum| *sum == 0) {
            return Ok(());
        }
        self.write_sums(blocks.start, &vec![0; count])
    }

    /// Adds the blocks of bytes in a row from `start` on: whole ones, and a short one at their end,
    /// which counts where the object ends there.
    pub fn write(&self, start: u64, chunks: &[Bytes]) -> io::Result<()> {
        let end = start + chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let blocks = format::blocks_within(&(start..end), end);
        let range = format::bytes_of(&blocks, end);
        if range.is_empty() {
            return Ok(());
        }
        self.write_sums(blocks.start, &write_blocks(&self.data, &range, start, chunks)?)
    }

    /// What the files take of the disk.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        Ok((self.data.metadata()?.blocks() + self.sums.metadata()?.blocks()) * STAT_BLOCK_BYTES)
    }

    fn read_sums(&self, blocks: &Range<u64>) -> io::Result<Vec<u32>> {
        let bytes = read_up_to(&self.sums, &(blocks.start * SUM_BYTES..blocks.end * SUM_BYTES))?;
        Ok(format::decode_sums(&bytes, (blocks.end - blocks.start) as usize))
    }

    fn write_sums(&self, first: u64, sums: &[u32]) -> io::Result<()> {
        self.sums.write_all_at(&format::encode_sums(sums), first * SUM_BYTES)
    }
}

/// Makes files those of a version that has ranges of their bytes, and adds those that it has of `others`;
/// there are no files of that version. Says what they take of the disk.
pub fn adopt(
    source: &Source<'_>,
    others: &[Source<'_>],
    to: &Paths,
    object: &ObjectRef,
) -> io::Result<u64> {
    let data = File::options().write(true).open(&source.paths.data)?;
    // What is behind the end is not the version's, and one with its last part missing has a hole.
    data.set_len(object.size)?;
    let new = create_file(&to.sums)?;
    let header = format::header(object);
    new.write_all_at(&header, 0)?;
    let sums_start = header.len() as u64;
    source.copy_sums(&new, sums_start, object)?;
    // Checksums without bytes are removed when they are found; so are bytes without checksums.
    std::fs::rename(&source.paths.data, &to.data)?;
    remove_file(&source.paths.sums)?;
    for other in others {
        other.copy_blocks(&data, &new, sums_start, object)?;
    }
    Ok((data.metadata()?.blocks() + new.metadata()?.blocks()) * STAT_BLOCK_BYTES)
}

impl Source<'_> {
    /// The blocks that are the version's as they are. Where the bytes end elsewhere, its short last
    /// block is another one.
    fn blocks(&self, object: &ObjectRef) -> impl Iterator<Item = Range<u64>> {
        let is_end = self.size.is_none_or(|size| size == object.size);
        let size = if is_end { object.size } else { u64::MAX };
        self.ranges.iter().map(move |range| format::blocks_within(range, size))
    }

    fn copy_sums(&self, to: &File, sums_start: u64, object: &ObjectRef) -> io::Result<()> {
        let from = File::open(&self.paths.sums)?;
        for blocks in self.blocks(object).flat_map(|blocks| steps(blocks, SUMS_AT_ONCE)) {
            let sums = self.read_sums(&from, &blocks)?;
            to.write_all_at(&sums, sums_start + blocks.start * SUM_BYTES)?;
        }
        Ok(())
    }

    fn copy_blocks(
        &self,
        data: &File,
        sums: &File,
        sums_start: u64,
        object: &ObjectRef,
    ) -> io::Result<()> {
        let (old_data, old_sums) = (File::open(&self.paths.data)?, File::open(&self.paths.sums)?);
        for blocks in self.blocks(object).flat_map(|blocks| steps(blocks, BLOCKS_AT_ONCE)) {
            let copied = self.read_sums(&old_sums, &blocks)?;
            if copied.iter().any(|byte| *byte != 0) {
                let range = format::bytes_of(&blocks, object.size);
                data.write_all_at(&read_up_to(&old_data, &range)?, range.start)?;
                sums.write_all_at(&copied, sums_start + blocks.start * SUM_BYTES)?;
            }
        }
        Ok(())
    }

    fn read_sums(&self, from: &File, blocks: &Range<u64>) -> io::Result<Vec<u8>> {
        let at = |block: u64| self.sums_start + block * SUM_BYTES;
        read_up_to(from, &(at(blocks.start)..at(blocks.end)))
    }
}

/// A range in steps of so many.
fn steps(range: Range<u64>, count: u64) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(count as usize).map(move |start| start..end.min(start + count))
}

#[cfg(test)]
mod tests;
