//! An entry: the two files of one version, open.
//!
//! Bytes are written before their checksums and read after them, so that whatever a crash or a
//! damaged disk makes of the files, what does not fit its checksum is taken for missing. No checksums
//! are kept in memory: an open entry takes two descriptors and about 200 bytes. Only the keeper
//! writes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{Timespec, Timestamps};

use crate::vfs::cache::disk::format::{self, Flaw, SUM_BYTES};
use crate::vfs::types::ObjectRef;

/// Contents are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// How many bytes are checked at a time.
const CHECK_BYTES: u64 = 1 << 20;

/// What `st_blocks` counts in.
pub const STAT_BLOCK_BYTES: u64 = 512;

/// One version's files.
pub struct Entry {
    data: Arc<File>,
    /// Locked while checksums are read or written, so that none is seen half written.
    sums: Mutex<File>,
    /// Where they begin in their file.
    sums_start: u64,
    size: u64,
    wholeness: AtomicU8,
    is_taken: AtomicBool,
}

/// Where the files of a version are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths {
    pub data: std::path::PathBuf,
    pub sums: std::path::PathBuf,
}

/// Why bytes are not had from an entry.
#[derive(Debug)]
pub enum Miss {
    Flaw(Flaw),
    Failed(io::Error),
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether all of the version is known to be there and right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wholeness {
    Unknown,
    /// Somebody checks.
    InQuestion,
    Whole,
}

impl Entry {
    /// Opens what is there of a version: `None` if nothing is, or it is of no use.
    pub fn open(paths: &Paths, object: &ObjectRef) -> io::Result<Option<Self>> {
        let open = |path: &Path| match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        };
        let (Some(data), Some(sums)) = (open(&paths.data)?, open(&paths.sums)?) else {
            return Ok(None);
        };
        let expected = format::header(object);
        let mut header = vec![0; expected.len()];
        let is_read = match sums.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            read => read.map(|()| true)?,
        };
        if !is_read || header != expected || data.metadata()?.len() != object.size {
            return Ok(None);
        }
        Ok(Some(Self::new(data, sums, expected.len() as u64, object.size)))
    }

    /// Makes the files of a version, with nothing in them; what was there is gone.
    pub fn create(paths: &Paths, object: &ObjectRef) -> io::Result<Self> {
        let (data, sums) = (create_file(&paths.data)?, create_file(&paths.sums)?);
        data.set_len(object.size)?;
        let header = format::header(object);
        sums.write_all_at(&header, 0)?;
        Ok(Self::new(data, sums, header.len() as u64, object.size))
    }

    /// Removes the files of a version, open or not.
    pub fn remove(paths: &Paths) -> io::Result<()> {
        // Without checksums bytes are worth nothing; the other way round is no better.
        remove_file(&paths.sums).and(remove_file(&paths.data))
    }

    /// Notes that the version was used.
    pub fn save_use(paths: &Paths, used_at: SystemTime) -> io::Result<()> {
        let since = used_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().cast_signed();
        let time = Timespec { tv_sec: seconds, tv_nsec: since.subsec_nanos().into() };
        let times = Timestamps { last_access: time, last_modification: time };
        let flags = rustix::fs::AtFlags::empty();
        Ok(rustix::fs::utimensat(rustix::fs::CWD, &paths.sums, &times, flags)?)
    }

    fn new(data: File, sums: File, sums_start: u64, size: u64) -> Self {
        let (data, sums, wholeness) = (Arc::new(data), Mutex::new(sums), AtomicU8::new(0));
        Self { data, sums, sums_start, size, wholeness, is_taken: AtomicBool::new(false) }
    }

    /// What the files take of the disk.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        let blocks = self.data.metadata()?.blocks() + self.sums().metadata()?.blocks();
        Ok(blocks * STAT_BLOCK_BYTES)
    }

    /// The bytes of a range that is within the object, if all are there and right.
    pub fn read(&self, range: &Range<u64>) -> Result<Vec<u8>, Miss> {
        let blocks = format::blocks_touched(range);
        let touched = format::bytes_of(&blocks, self.size);
        let mut data = self.read_blocks(&blocks)?;
        data.truncate((range.end - touched.start) as usize);
        // Nothing for ranges of whole blocks, as scans and random reads are.
        drop(data.drain(..(range.start - touched.start) as usize));
        Ok(data)
    }

    /// Adds the whole blocks of bytes in a row from `start` on. Nothing where all are there.
    pub fn write(&self, start: u64, chunks: &[Bytes]) -> io::Result<()> {
        let bytes: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let blocks = format::blocks_within(&(start..start + bytes), self.size);
        if !self.read_sums(&blocks)?.contains(&0) {
            return Ok(());
        }
        let range = format::bytes_of(&blocks, self.size);
        self.write_sums(blocks.start, &write_blocks(&self.data, &range, start, chunks)?)
    }

    /// Drops a block that is not what this checksum says, unless it was written anew since.
    pub fn drop_block(&self, block: u64, sum: u32) -> io::Result<()> {
        self.wholeness.store(Wholeness::Unknown as u8, Ordering::Release);
        if self.read_sums(&(block..block + 1))? == [sum] {
            self.write_sums(block, &[0])?;
        }
        Ok(())
    }

    #[must_use]
    pub fn wholeness(&self) -> Wholeness {
        match self.wholeness.load(Ordering::Acquire) {
            0 => Wholeness::Unknown,
            1 => Wholeness::InQuestion,
            _ => Wholeness::Whole,
        }
    }

    /// Takes on the check of the whole; false if somebody else has.
    pub fn begin_check(&self) -> bool {
        let (unknown, in_question) = (Wholeness::Unknown as u8, Wholeness::InQuestion as u8);
        let begun = self.wholeness.compare_exchange(
            unknown,
            in_question,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        begun.is_ok()
    }

    /// Reads all of it, and finds out if it is there and right.
    pub fn check_whole(&self) -> Result<(), Miss> {
        let checked = self.check_all();
        let wholeness = if checked.is_ok() { Wholeness::Whole } else { Wholeness::Unknown };
        self.wholeness.store(wholeness as u8, Ordering::Release);
        checked
    }

    /// Notes that another version is about to have the file with the bytes: what does not fit its
    /// checksum from now on is no damage.
    pub fn take(&self) {
        self.is_taken.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }

    /// Of the object, bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file with the bytes.
    #[must_use]
    pub fn data(&self) -> &Arc<File> {
        &self.data
    }

    fn check_all(&self) -> Result<(), Miss> {
        let count = format::block_count(self.size);
        // What is missing shows sooner than what is damaged.
        let step = CHECK_BYTES / SUM_BYTES;
        for first in (0..count).step_by(step as usize) {
            if self.read_sums(&(first..count.min(first + step)))?.contains(&0) {
                return Err(Miss::Flaw(Flaw::Missing));
            }
        }
        let step = CHECK_BYTES / format::BLOCK_BYTES;
        for first in (0..count).step_by(step as usize) {
            self.read_blocks(&(first..count.min(first + step)))?;
        }
        Ok(())
    }

    fn read_blocks(&self, blocks: &Range<u64>) -> Result<Vec<u8>, Miss> {
        checked_blocks(&self.data, blocks, &self.read_sums(blocks)?, self.size)
    }

    fn read_sums(&self, blocks: &Range<u64>) -> io::Result<Vec<u32>> {
        let start = self.sums_start + blocks.start * SUM_BYTES;
        let count = blocks.end - blocks.start;
        let bytes = read_up_to(&self.sums(), &(start..start + count * SUM_BYTES))?;
        Ok(format::decode_sums(&bytes, count as usize))
    }

    fn write_sums(&self, first: u64, sums: &[u32]) -> io::Result<()> {
        let at = self.sums_start + first * SUM_BYTES;
        self.sums().write_all_at(&format::encode_sums(sums), at)
    }

    fn sums(&self) -> MutexGuard<'_, File> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of blocks of a version of so many, if all of them fit these checksums.
pub fn checked_blocks(
    data: &File,
    blocks: &Range<u64>,
    sums: &[u32],
    size: u64,
) -> Result<Vec<u8>, Miss> {
    if sums.contains(&0) {
        return Err(Miss::Flaw(Flaw::Missing));
    }
    let data = read_up_to(data, &format::bytes_of(blocks, size))?;
    format::check(&data, sums, blocks.start).map_err(Miss::Flaw)?;
    Ok(data)
}

/// Writes the bytes of a range, which is of whole blocks, out of those in a row from `start` on. Gives
/// their checksums, to be written behind them.
pub fn write_blocks(
    data: &File,
    range: &Range<u64>,
    start: u64,
    chunks: &[Bytes],
) -> io::Result<Vec<u32>> {
    let chunks = format::cut(chunks, range.start - start, range.end - range.start);
    let mut at = range.start;
    for chunk in &chunks {
        data.write_all_at(chunk, at)?;
        at += chunk.len() as u64;
    }
    Ok(format::sums_of(&chunks))
}

/// Makes a file that is its owner's alone; what was there is gone.
pub fn create_file(path: &Path) -> io::Result<File> {
    remove_file(path)?;
    File::options().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// The bytes of a range of a file; fewer where it ends before.
pub fn read_up_to(file: &File, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let bytes = (range.end - range.start) as usize;
    let mut data = Vec::with_capacity(bytes);
    while data.len() < bytes {
        let at = range.start + data.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut data), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    data.truncate(bytes);
    Ok(data)
}

/// Removes a file that may not be there.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
