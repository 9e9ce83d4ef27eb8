//! Incoming: the files of an upload, and how files become those of the version that it makes.
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
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::vfs::cache::disk::entry::{
    Miss, Paths, STAT_BLOCK_BYTES, checked_blocks, create_file, read_up_to, remove_file,
    write_blocks,
};
use crate::vfs::cache::disk::format::{self, SUM_BYTES};
use crate::vfs::types::ObjectRef;

/// How many checksums are copied at a time.
const SUMS_AT_ONCE: u64 = 1 << 18;

/// An upload's files, open.
pub struct IncomingFiles {
    data: File,
    sums: File,
}

/// Files that are to become a version's, for these blocks of it.
pub struct Source<'a> {
    pub paths: &'a Paths,
    /// Where checksums begin in their file.
    pub sums_start: u64,
    /// In their order.
    pub blocks: &'a [Range<u64>],
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

    /// The bytes of a block of a version of so many, if they are there and right.
    pub fn read_block(&self, block: u64, size: u64) -> Result<Vec<u8>, Miss> {
        let blocks = block..block + 1;
        checked_blocks(&self.data, &blocks, &self.read_sums(&blocks)?, size)
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

/// Makes files those of a version; there are none of it yet. Says what they take of the disk.
pub fn adopt(source: &Source<'_>, to: &Paths, object: &ObjectRef) -> io::Result<u64> {
    let data = File::options().write(true).open(&source.paths.data)?;
    // What is behind the end is not the version's, and one with its last part missing has a hole.
    data.set_len(object.size)?;
    let old = File::open(&source.paths.sums)?;
    let new = create_file(&to.sums)?;
    let header = format::header(object);
    new.write_all_at(&header, 0)?;
    let mut end = 0;
    for blocks in source.blocks {
        let bytes = format::bytes_of(blocks, object.size);
        punch(&data, end..bytes.start)?;
        end = bytes.end;
        for at in blocks.clone().step_by(SUMS_AT_ONCE as usize) {
            let until = blocks.end.min(at + SUMS_AT_ONCE);
            let sums = source.sums_start + at * SUM_BYTES..source.sums_start + until * SUM_BYTES;
            let sums = read_up_to(&old, &sums)?;
            if sums.iter().any(|byte| *byte != 0) {
                new.write_all_at(&sums, header.len() as u64 + at * SUM_BYTES)?;
            }
        }
    }
    punch(&data, end..object.size)?;
    // Checksums without bytes are removed when they are found; so are bytes without checksums.
    std::fs::rename(&source.paths.data, &to.data)?;
    remove_file(&source.paths.sums)?;
    Ok((data.metadata()?.blocks() + new.metadata()?.blocks()) * STAT_BLOCK_BYTES)
}

/// Gives back what a range takes of the disk, where the disk can do that.
fn punch(data: &File, range: Range<u64>) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(data, flags, range.start, range.end - range.start) {
        Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
