//! What a version has of the files of the one before and of those of its upload.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::store::clock::SystemClock;
use crate::store::types::ETag;
use crate::vfs::cache::disk::DiskCache;
use crate::vfs::options::DiskCacheOptions;

const MIB: u64 = 1 << 20;
/// With a short block at its end.
const SIZE: u64 = 3 * MIB + 1000;

/// What bytes were before, and what was sent of them.
const OLD: u64 = 0;
const NEW: u64 = 5;

struct Succession {
    directory: TempDir,
    disk: Arc<DiskCache>,
    old: ObjectRef,
    new: ObjectRef,
}

impl Succession {
    /// Of a version these ranges are on disk. The next has copied ranges of it, and others were sent.
    async fn new(
        sizes: [u64; 2],
        cached: &[Range<u64>],
        copied: &[Range<u64>],
        sent: &[Range<u64>],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        let options = DiskCacheOptions { directory: path, bytes_max: 1 << 30 };
        let disk = DiskCache::open(&options, 1 << 30, Arc::new(SystemClock::new())).unwrap();
        while !disk.shared.is_scanned.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        let [old, new] = [("older", sizes[0]), ("newer", sizes[1])].map(|(etag, size)| {
            let (bucket, key) = (Arc::from("b"), Arc::from("key"));
            ObjectRef { bucket, key, etag: ETag::new(etag), size }
        });
        for range in cached {
            disk.store(&old, range.start, vec![content(range, OLD).into()], None);
        }
        let upload = disk.begin_upload();
        for range in sent {
            assert!(upload.store(range.start, vec![content(range, NEW).into()], None));
        }
        upload.become_version(&new, sent.to_vec(), Some((old.clone(), copied.to_vec())));
        disk.forget_others(&new);
        drop(upload);
        Self { directory, disk, old, new }
    }

    /// What is read once all is done.
    async fn check(&self, parts: &[(Range<u64>, Option<u64>)]) {
        self.disk.finish();
        for (range, seed) in parts {
            let read = self.disk.read(&self.new, range).await;
            let expected = seed.map(|seed| content(range, seed));
            assert!(read == expected, "{range:?}: {seed:?}, is there: {}", read.is_some());
        }
        assert!(self.disk.read(&self.old, &(0..1)).await.is_none());
        let taken = taken(self.directory.path());
        let counted = self.disk.shared.state().index.bytes();
        assert!((taken..taken + (16 << 10)).contains(&counted), "{counted} bytes for {taken}");
    }

    fn taken(&self) -> u64 {
        taken(self.directory.path())
    }
}

fn content(range: &Range<u64>, seed: u64) -> Vec<u8> {
    range.clone().map(|at| ((at / 7 + seed) % 251) as u8 + 1).collect()
}

fn one(range: Range<u64>) -> [Range<u64>; 1] {
    [range]
}

/// What the files below a directory take of the disk.
fn taken(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let taken = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => taken(&entry.path()),
        false => entry.metadata().unwrap().blocks() * 512,
    });
    taken.sum()
}

#[tokio::test]
async fn a_small_change_is_added_to_what_was_there() {
    let (copied, sent) = ([0..MIB, 2 * MIB..SIZE], one(MIB..2 * MIB));
    let succession = Succession::new([SIZE; 2], &one(0..SIZE), &copied, &sent).await;
    let [first, last] = copied.map(|range| (range, Some(OLD)));
    succession.check(&[first, (sent[0].clone(), Some(NEW)), last]).await;
}

#[tokio::test]
async fn what_a_large_change_left_is_added_to_it() {
    let (copied, sent) = (one(2 * MIB..SIZE), [0..MIB, MIB..2 * MIB]);
    let succession = Succession::new([SIZE; 2], &one(0..SIZE), &copied, &sent).await;
    succession.check(&[(0..2 * MIB, Some(NEW)), (2 * MIB..SIZE, Some(OLD))]).await;
}

#[tokio::test]
async fn what_was_missing_is_missing() {
    let hole = 2 * BLOCK_BYTES..3 * BLOCK_BYTES;
    let cached = [0..hole.start, hole.end..SIZE];
    for sent in [MIB..MIB + BLOCK_BYTES, MIB..SIZE] {
        let copied = [0..MIB, sent.end..SIZE];
        let succession = Succession::new([SIZE; 2], &cached, &copied, &one(sent.clone())).await;
        let parts = [
            (0..hole.start, Some(OLD)),
            (hole.clone(), None),
            (hole.end..MIB, Some(OLD)),
            (sent, Some(NEW)),
        ];
        succession.check(&parts).await;
    }
}

#[tokio::test]
async fn a_version_that_ends_elsewhere_has_another_last_block() {
    for size in [SIZE - 500, SIZE + 500] {
        let copied = one(0..size.min(SIZE));
        let succession = Succession::new([SIZE, size], &one(0..SIZE), &copied, &[]).await;
        succession.check(&[(0..3 * MIB, Some(OLD)), (3 * MIB..size, None)]).await;
    }
}

#[tokio::test]
async fn what_nobody_has_any_more_takes_no_room() {
    let copied = one(MIB..2 * MIB);
    let succession = Succession::new([SIZE; 2], &one(0..SIZE), &copied, &[]).await;
    let parts = [(0..MIB, None), (MIB..2 * MIB, Some(OLD)), (2 * MIB..SIZE, None)];
    succession.check(&parts).await;
    assert!(succession.taken() < MIB + (64 << 10), "{} bytes", succession.taken());
}

#[tokio::test]
async fn a_few_blocks_of_a_large_version_do_not_fill_its_holes() {
    let size = 64 * MIB;
    let cached = [0, 10 * MIB, 20 * MIB].map(|at| at..at + BLOCK_BYTES);
    let (copied, sent) = ([0..30 * MIB, 31 * MIB..size], one(30 * MIB..31 * MIB));
    let succession = Succession::new([size; 2], &cached, &copied, &sent).await;
    let mut parts = cached.map(|range| (range, Some(OLD))).to_vec();
    parts.extend([(sent[0].clone(), Some(NEW)), (MIB..MIB + 1, None)]);
    succession.check(&parts).await;
    assert!(succession.taken() < MIB + (128 << 10), "{} bytes", succession.taken());
}
