//! Staging: bytes that were written and do not fit in memory, in a file without a name.
//!
//! Space is given out from the front of the file and never twice: what is let go becomes a hole
//! again, and a file that has grown long is followed by a new one. Bytes go to the disk past the page
//! cache, where they would take memory that nobody counts. Nothing here outlives the process. What is
//! staged and when is `draft`'s decision.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::vfs::buffers::Buffers;
use crate::vfs::error::{VfsError, VfsResult};

/// Memory, lengths and places on disk that are multiples of this suit every disk
/// (`open(2)`, `O_DIRECT`).
const UNIT_BYTES: u64 = 4096;

/// What one call writes at most (`writev(2)`, `UIO_MAXIOV`).
const SLICES_MAX: usize = 1024;

/// What is not in such memory is copied to some, so much at once.
const COPIED_BYTES: usize = 1 << 20;

/// A staging file that has given out this much is followed by a new one.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// The staging of one mount.
pub struct Staging {
    directory: PathBuf,
    file_bytes_max: u64,
    buffers: Arc<Buffers>,
    current: Mutex<Option<Current>>,
}

/// The file that space is given out from.
struct Current {
    file: Arc<StagingFile>,
    /// Given out so far.
    bytes: u64,
}

#[derive(Debug)]
struct StagingFile {
    cached: File,
    /// The same file past the page cache, where its file system can.
    direct: Option<File>,
}

/// Staged bytes; their space is free when nothing refers to it any more.
#[derive(Clone, Debug)]
pub struct StagedSpan {
    space: Arc<Space>,
    /// In the file.
    start: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Space {
    file: Arc<StagingFile>,
    range: Range<u64>,
}

impl Staging {
    /// Touches nothing before the first byte is staged.
    #[must_use]
    pub fn new(directory: PathBuf, buffers: Arc<Buffers>) -> Arc<Self> {
        Self::with_file_bytes_max(directory, buffers, FILE_BYTES_MAX)
    }

    fn with_file_bytes_max(
        directory: PathBuf,
        buffers: Arc<Buffers>,
        file_bytes_max: u64,
    ) -> Arc<Self> {
        Arc::new(Self { directory, file_bytes_max, buffers, current: Mutex::default() })
    }

    /// Stages bytes in a row. Fails with `NoSpace` where the disk does not take them.
    pub async fn put(self: &Arc<Self>, chunks: Vec<Bytes>) -> VfsResult<StagedSpan> {
        let staging = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || staging.write(&chunks)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| {
            VfsError::NoSpace(format!("staging in {}: {error}", self.directory.display()))
        })
    }

    fn write(&self, chunks: &[Bytes]) -> io::Result<StagedSpan> {
        let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let space = self.allocate(bytes)?;
        let start = space.range.start;
        let written = match &space.file.direct {
            Some(direct) => self.write_direct(direct, chunks, start),
            None => Err(Errno::INVAL.into()),
        };
        match written {
            // The disk wants other units than all others do.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                write_slices(&space.file.cached, chunks.iter().map(|chunk| &chunk[..]), start)?;
            }
            written => written?,
        }
        Ok(StagedSpan { space, start, bytes })
    }

    fn write_direct(&self, file: &File, chunks: &[Bytes], start: u64) -> io::Result<()> {
        let unit = UNIT_BYTES as usize;
        if chunks
            .iter()
            .all(|chunk| chunk.as_ptr().align_offset(unit) == 0 && chunk.len() % unit == 0)
        {
            return write_slices(file, chunks.iter().map(|chunk| &chunk[..]), start);
        }
        let mut at = start;
        let mut copied = self.buffers.take(COPIED_BYTES);
        for chunk in chunks {
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let (some, later) = rest.split_at(rest.len().min(COPIED_BYTES - copied.len()));
                copied.push(some);
                rest = later;
                if copied.len() == COPIED_BYTES {
                    file.write_all_at(copied.as_ref(), at)?;
                    at += COPIED_BYTES as u64;
                    copied.clear();
                }
            }
        }
        let padding = copied.len().next_multiple_of(unit) - copied.len();
        copied.push(&[0; UNIT_BYTES as usize][..padding]);
        file.write_all_at(copied.as_ref(), at)
    }

    fn allocate(&self, bytes: u64) -> io::Result<Arc<Space>> {
        let mut current = self.current();
        let file = match current.take() {
            Some(file) if file.bytes < self.file_bytes_max => file,
            Some(_) | None => {
                Current { file: Arc::new(StagingFile::new(open(&self.directory)?)), bytes: 0 }
            }
        };
        let range = file.bytes..file.bytes + bytes.next_multiple_of(UNIT_BYTES);
        let space = Space { file: Arc::clone(&file.file), range: range.clone() };
        *current = Some(Current { file: file.file, bytes: range.end });
        Ok(Arc::new(space))
    }

    /// Each change under this lock is one assignment, so a panic leaves nothing half done.
    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StagingFile {
    fn new(cached: File) -> Self {
        let again = format!("/proc/self/fd/{}", cached.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::DIRECT;
        let direct = rustix::fs::open(again, flags, Mode::empty()).ok().map(File::from);
        Self { cached, direct }
    }
}

impl StagedSpan {
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A range of it, counted from its own start.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let start = self.start + range.start;
        Self { space: Arc::clone(&self.space), start, bytes: range.end - range.start }
    }

    /// Whether `next` lies behind it on the disk.
    #[must_use]
    pub fn goes_on_in(&self, next: &Self) -> bool {
        Arc::ptr_eq(&self.space, &next.space) && self.start + self.bytes == next.start
    }

    /// It and so many bytes that lie behind it.
    #[must_use]
    pub fn extended(&self, bytes: u64) -> Self {
        Self { space: Arc::clone(&self.space), start: self.start, bytes: self.bytes + bytes }
    }

    /// The bytes.
    pub async fn read(&self) -> VfsResult<Bytes> {
        let mut read = read_all(vec![self.clone()]).await?;
        Ok(read.pop().unwrap_or_default())
    }

    fn read_now(&self) -> io::Result<Bytes> {
        let mut data = vec![0; usize::try_from(self.bytes).unwrap_or(usize::MAX)];
        self.space.file.cached.read_exact_at(&mut data, self.start)?;
        Ok(Bytes::from(data))
    }
}

/// The bytes of many spans, one each.
pub async fn read_all(spans: Vec<StagedSpan>) -> VfsResult<Vec<Bytes>> {
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let reading = move || spans.iter().map(StagedSpan::read_now).collect::<io::Result<Vec<_>>>();
    let read = tokio::task::spawn_blocking(reading).await;
    let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|error| VfsError::Staging(format!("staged bytes can't be read: {error}")))
}

impl Drop for Space {
    fn drop(&mut self) {
        let (file, range) = (Arc::clone(&self.file), self.range.clone());
        // Where there is no runtime, the process ends and the file with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || punch(&file.cached, &range)));
        }
    }
}

/// Writes slices in a row, as many as possible at once.
fn write_slices<'a>(
    file: &File,
    slices: impl Iterator<Item = &'a [u8]>,
    start: u64,
) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'a>> = slices.map(IoSlice::new).collect();
    let (mut left, mut at) = (&mut slices[..], start);
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let some = &left[..left.len().min(SLICES_MAX)];
        let bytes = rustix::io::retry_on_intr(|| rustix::io::pwritev(file, some, at))?;
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, bytes);
        at += bytes as u64;
    }
    Ok(())
}

/// Gives space back to the disk. On file systems that can't, it is free when the file is closed.
fn punch(file: &File, range: &Range<u64>) {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let punched = rustix::fs::fallocate(file, flags, range.start, range.end - range.start);
    if let Err(error) = punched {
        tracing::debug!(%error, "staged bytes stay on the disk until their file is closed");
    }
}

/// A file without a name.
fn open(directory: &Path) -> io::Result<File> {
    std::fs::create_dir_all(directory)?;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(directory, flags | OFlags::TMPFILE, mode) {
        Ok(file) => Ok(File::from(file)),
        // File systems that know no such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let path = directory.join(format!("staging-{:016x}", fastrand::u64(..)));
            let flags = flags | OFlags::CREATE | OFlags::EXCL;
            let file = rustix::fs::open(&path, flags, mode)?;
            std::fs::remove_file(&path)?;
            Ok(File::from(file))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(test)
    }

    #[test]
    fn staged_bytes_are_read_back_whole_and_in_slices() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::new(directory.path().join("made"), Arc::default());
        run(async {
            let chunks = vec![Bytes::from_static(b"some "), Bytes::from_static(b"bytes")];
            let first = staging.put(chunks).await.unwrap();
            let second = staging.put(vec![Bytes::from_static(b"more")]).await.unwrap();
            assert_eq!(first.read().await.unwrap(), "some bytes");
            assert_eq!(first.slice(2..7).slice(1..5).read().await.unwrap(), "e by");
            assert_eq!(second.read().await.unwrap(), "more");
        });
        assert_eq!(std::fs::read_dir(directory.path().join("made")).unwrap().count(), 0);
    }

    #[test]
    fn bytes_of_every_alignment_and_length_are_staged() {
        let directory = tempfile::tempdir().unwrap();
        let buffers = Arc::<Buffers>::default();
        let staging = Staging::new(directory.path().to_owned(), Arc::clone(&buffers));
        let data: Vec<u8> = (0..3 << 20).map(|at: u32| (at / 5) as u8).collect();
        run(async {
            for (start, end) in [(0, 3 << 20), (1, 4096), (4096, 8193), (7, (2 << 20) + 7), (0, 0)]
            {
                let aligned = data[start..end].chunks(1 << 20).map(|chunk| buffers.copy(chunk));
                let odd = data[start..end].chunks(1000).map(Bytes::copy_from_slice);
                for chunks in [aligned.collect::<Vec<_>>(), odd.collect()] {
                    let span = staging.put(chunks).await.unwrap();
                    assert_eq!(span.read().await.unwrap(), data[start..end]);
                }
            }
        });
    }

    #[test]
    fn space_is_free_when_the_last_slice_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::new(directory.path().to_owned(), Arc::default());
        let blocks = |span: &StagedSpan| span.space.file.cached.metadata().unwrap().blocks();
        run(async {
            let kept = staging.put(vec![Bytes::from(vec![1; 1 << 20])]).await.unwrap();
            let span = staging.put(vec![Bytes::from(vec![2; 1 << 20])]).await.unwrap();
            let slice = span.slice(0..10);
            drop(span);
            let before = blocks(&kept);
            drop(slice);
            while blocks(&kept) == before {
                tokio::task::yield_now().await;
            }
            assert!(blocks(&kept) < before);
        });
    }

    #[test]
    fn a_long_file_is_followed_by_another() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::with_file_bytes_max(directory.path().to_owned(), Arc::default(), 10);
        run(async {
            let first = staging.put(vec![Bytes::from_static(b"twelve bytes")]).await.unwrap();
            let second = staging.put(vec![Bytes::from_static(b"more")]).await.unwrap();
            assert!(!Arc::ptr_eq(&first.space.file, &second.space.file));
            assert_eq!(first.read().await.unwrap(), "twelve bytes");
            assert_eq!(second.read().await.unwrap(), "more");
        });
    }

    #[test]
    fn a_directory_that_can_not_be_is_no_space() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let staging = Staging::new(file.path().join("below"), Arc::default());
        let put = run(staging.put(vec![Bytes::from_static(b"x")]));
        assert!(matches!(put, Err(VfsError::NoSpace(_))), "{put:?}");
    }

    #[test]
    fn a_full_disk_is_no_space() {
        let staging = Staging::new(PathBuf::from("/dev"), Arc::default());
        let full = File::options().read(true).write(true).open("/dev/full").unwrap();
        let full = StagingFile { cached: full, direct: None };
        *staging.current() = Some(Current { file: Arc::new(full), bytes: 0 });
        let put = run(staging.put(vec![Bytes::from_static(b"x")]));
        let Err(VfsError::NoSpace(message)) = put else { panic!("{put:?}") };
        assert!(message.contains("No space left"), "{message}");
    }
}
