//! The disk cache: bytes of versions that S3 need not be asked for again, across restarts.
//!
//! What is read and written goes past here. Nothing waits for the disk but a read that it may
//! answer, and nothing fails because of it: what can't be kept or found is had from S3. How files
//! look is `format`'s business and `entry`'s, what stays `index`'s, and only the `keeper` writes.

pub mod coming;
pub mod directory;
pub mod entry;
pub mod format;
pub mod incoming;
pub mod index;
mod keeper;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use lru::LruCache;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::store::clock::Clock;
use crate::vfs::budget::Reservation;
use crate::vfs::cache::disk::coming::{Coming, Table};
use crate::vfs::cache::disk::directory::{Directory, OpenError};
use crate::vfs::cache::disk::entry::{Entry, Miss, Wholeness};
use crate::vfs::cache::disk::format::{Flaw, Name};
use crate::vfs::cache::disk::index::Index;
use crate::vfs::cache::disk::keeper::{Adopting, Job, Keeper, Origin, Place, Storing, Whose};
use crate::vfs::options::DiskCacheOptions;
use crate::vfs::types::ObjectRef;

/// Reads of the disk under way at once.
const READS_MAX: usize = 16;

/// Versions whose files are kept open: two descriptors each.
const OPEN_ENTRIES_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// Jobs that wait for the keeper; more are skipped.
const QUEUE_JOBS_MAX: usize = 4096;

/// Of the memory for data, the share that may wait to be written, and the most of it; what comes
/// while so much waits is not cached.
const QUEUE_SHARE: u64 = 4;
const QUEUE_BYTES_MAX: u64 = 128 << 20;

/// A file up to this size is checked as a whole when it is opened; a larger one behind its back.
const CHECK_NOW_BYTES_MAX: u64 = 1 << 20;

/// The disk cache of one mount.
pub struct DiskCache {
    shared: Arc<Shared>,
    reads: Arc<Semaphore>,
    /// Of whole files, behind everybody's back: one at a time.
    checks: Semaphore,
    /// How many there were, of which each has files of its own name.
    uploads: AtomicU64,
    /// `None` once it has ended.
    keeper: Mutex<Option<(SyncSender<Job>, JoinHandle<()>)>>,
}

/// What the keeper and the readers share.
struct Shared {
    directory: Directory,
    bytes_max: u64,
    queue_bytes_max: u64,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    queued_bytes: AtomicU64,
    /// What the keeper has still to make of what is on disk.
    coming: Arc<Table>,
    /// All that is in the directory is in the index.
    is_scanned: AtomicBool,
    is_ending: AtomicBool,
    /// What has been logged.
    told: Mutex<HashSet<(&'static str, io::ErrorKind)>>,
}

struct State {
    index: Index,
    open: LruCache<Name, Arc<Entry>>,
}

/// An upload whose parts are kept until they are a version. Dropped before, they are forgotten.
pub struct Incoming {
    disk: Arc<DiskCache>,
    name: Name,
}

impl DiskCache {
    /// Takes the directory, and begins to find out what is in it.
    pub fn open(
        options: &DiskCacheOptions,
        memory_bytes_max: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        let directory = Directory::open(&options.directory)?;
        let state = State { index: Index::default(), open: LruCache::new(OPEN_ENTRIES_MAX) };
        let shared = Arc::new(Shared {
            directory,
            bytes_max: options.bytes_max,
            queue_bytes_max: (memory_bytes_max / QUEUE_SHARE).min(QUEUE_BYTES_MAX),
            clock,
            state: Mutex::new(state),
            queued_bytes: AtomicU64::new(0),
            coming: Arc::default(),
            is_scanned: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            told: Mutex::default(),
        });
        let (sender, jobs) = sync_channel(QUEUE_JOBS_MAX);
        let keeper = Keeper { shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("disk-cache".to_owned());
        let thread = thread
            .spawn(move || keeper.run(&jobs))
            .map_err(|error| OpenError::NotWritable { path: options.directory.clone(), error })?;
        Ok(Arc::new(Self {
            shared,
            reads: Arc::new(Semaphore::new(READS_MAX)),
            checks: Semaphore::new(1),
            uploads: AtomicU64::new(0),
            keeper: Mutex::new(Some((sender, thread))),
        }))
    }

    /// The bytes of a range of a version, if all of them are on disk and right.
    ///
    /// What is about to be there is waited for, but not for the keeper to find what is there.
    pub async fn read(&self, object: &ObjectRef, range: &Range<u64>) -> Option<Vec<u8>> {
        let name = Name::of(object);
        if self.shared.is_scanned.load(Ordering::Acquire) {
            self.shared.coming.wait(&name).await;
        }
        if !self.shared.may_have(&name) {
            return None;
        }
        let permit = Arc::clone(&self.reads).acquire_owned().await.ok()?;
        let (shared, whose, range) = (Arc::clone(&self.shared), object.clone(), range.clone());
        let reading = spawn_blocking(move || {
            // Kept to the end, also where nobody waits for it any more.
            let _permit = permit;
            let entry = shared.entry_or_tell(&name, &whose)?;
            let read = entry.read(&range);
            Some((entry, read))
        });
        match reading.await.ok()?? {
            (_, Ok(data)) => {
                self.note_use(&name);
                Some(data)
            }
            (entry, Err(miss)) => {
                self.missed(object, &entry, miss);
                None
            }
        }
    }

    /// Keeps the whole blocks of bytes in a row, from `start` on, unless there is too much to write
    /// already. `memory` is that of bytes which don't have their own with them.
    pub fn store(
        &self,
        object: &ObjectRef,
        start: u64,
        chunks: Vec<Bytes>,
        memory: Option<Reservation>,
    ) {
        let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if !format::blocks_within(&(start..start + bytes), object.size).is_empty() {
            self.queue(Whose::Version(object.clone()), start, chunks, memory);
        }
    }

    /// Whether so many bytes more may wait to be written.
    #[must_use]
    pub fn has_place(&self, bytes: u64) -> bool {
        self.shared.queued_bytes.load(Ordering::Relaxed) + bytes <= self.shared.queue_bytes_max
    }

    /// Begins to keep what an upload sends.
    #[must_use]
    pub fn begin_upload(self: &Arc<Self>) -> Incoming {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        Incoming { disk: Arc::clone(self), name: Name::of_upload(number) }
    }

    /// S3 has made the version `to` of all bytes of `from`, which goes.
    pub fn moved(&self, from: &ObjectRef, to: &ObjectRef) {
        let is_renamed = Name::of(from) != Name::of(to);
        if is_renamed && self.may_have_some(&from.bucket, &from.key) {
            let ranges = std::iter::once(0..to.size).collect();
            self.adopt(vec![Origin { whose: Whose::Version(from.clone()), ranges }], to);
        }
    }

    /// Whether bytes of some version of an object may be here.
    #[must_use]
    pub fn may_have_some(&self, bucket: &str, key: &str) -> bool {
        !self.shared.is_scanned.load(Ordering::Acquire)
            || !self.shared.coming.versions(bucket, key).is_empty()
            || !self.shared.state().index.versions(bucket, key, None).is_empty()
    }

    /// This version is the one that counts: others of the object are dropped.
    pub fn forget_others(&self, object: &ObjectRef) {
        self.drop_versions(&object.bucket, &object.key, Some(&Name::of(object)));
    }

    /// Drops all versions of an object.
    pub fn forget(&self, bucket: &str, key: &str) {
        self.drop_versions(bucket, key, None);
    }

    /// The file that has all bytes of a version, once every one of them was checked; a large file
    /// is checked behind the caller's back. For mounts that change nothing: another version may be
    /// made of the file.
    pub async fn backing(self: &Arc<Self>, object: &ObjectRef) -> Option<Arc<File>> {
        let name = Name::of(object);
        if !self.shared.may_have(&name) {
            return None;
        }
        let (shared, whose) = (Arc::clone(&self.shared), object.clone());
        let entry = match self.shared.open_entry(&name, object) {
            Some(entry) => entry,
            None => spawn_blocking(move || shared.entry_or_tell(&name, &whose)).await.ok()??,
        };
        if entry.wholeness() != Wholeness::Whole {
            if !entry.begin_check() {
                return None;
            }
            let checking = Arc::clone(self).check_whole(object.clone(), Arc::clone(&entry));
            let checking = tokio::spawn(checking);
            if object.size > CHECK_NOW_BYTES_MAX {
                return None;
            }
            // It goes on where nobody waits any more.
            checking.await.ok()?;
        }
        self.note_use(&name);
        (entry.wholeness() == Wholeness::Whole).then(|| Arc::clone(entry.data()))
    }

    /// Waits until what is to be kept is on disk; nothing is kept any more.
    pub fn finish(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((sender, thread)) = keeper else { return };
        self.shared.is_ending.store(true, Ordering::Release);
        drop(sender);
        if thread.join().is_err() {
            tracing::warn!("the disk cache was not written to the end");
        }
    }

    async fn check_whole(self: Arc<Self>, object: ObjectRef, entry: Arc<Entry>) {
        let turns = if object.size > CHECK_NOW_BYTES_MAX { &self.checks } else { &self.reads };
        let _turn = turns.acquire().await;
        let checked = Arc::clone(&entry);
        let checking = spawn_blocking(move || checked.check_whole());
        match checking.await {
            Ok(Ok(())) => tracing::debug!(key = &*object.key, "all of it is on disk"),
            Ok(Err(miss)) => self.missed(&object, &entry, miss),
            Err(_) => {}
        }
    }

    fn missed(&self, object: &ObjectRef, entry: &Arc<Entry>, miss: Miss) {
        match miss {
            Miss::Flaw(Flaw::Missing) => {}
            Miss::Flaw(Flaw::Damaged { .. }) if entry.is_taken() => {}
            Miss::Flaw(Flaw::Damaged { block, sum }) => {
                tracing::warn!(
                    bucket = &*object.bucket,
                    key = &*object.key,
                    block,
                    "a cached block was damaged on disk and is dropped"
                );
                self.send(Job::DropBlock { entry: Arc::clone(entry), block, sum });
            }
            Miss::Failed(error) => {
                self.shared.tell("reading", &error);
                self.send(Job::Drop(Name::of(object)));
            }
        }
    }

    fn drop_versions(&self, bucket: &str, key: &str, but: Option<&Name>) {
        let mut versions = self.shared.coming.versions(bucket, key);
        versions.retain(|name| Some(name) != but);
        versions.extend(self.shared.state().index.versions(bucket, key, but));
        for name in versions {
            self.send(Job::Drop(name));
        }
    }

    fn note_use(&self, name: &Name) {
        let now = self.shared.clock.wall();
        let mut state = self.shared.state();
        state.open.promote(name);
        let is_due = state.index.note_use(name, now);
        drop(state);
        if is_due {
            self.send(Job::SaveUse(*name));
        }
    }

    /// False where there is too much to write already.
    fn queue(
        &self,
        whose: Whose,
        start: u64,
        chunks: Vec<Bytes>,
        memory: Option<Reservation>,
    ) -> bool {
        let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let Some(place) = Place::take(&self.shared, bytes) else {
            tracing::debug!(?whose, start, bytes, "too much at once to be cached");
            return false;
        };
        self.send(Job::Store(Storing { whose, start, chunks, _place: place, _memory: memory }))
    }

    fn adopt(&self, from: Vec<Origin>, object: &ObjectRef) {
        let coming = Coming::new(&self.shared.coming, Name::of(object));
        let object = object.clone();
        self.send(Job::Adopt(Adopting { from, object, coming }));
    }

    /// What the keeper has no time for is not done: all of it can be. False then.
    fn send(&self, job: Job) -> bool {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = keeper.as_ref().map(|(sender, _)| sender.clone());
        drop(keeper);
        // What is not sent is dropped where no lock is held.
        let is_sent = sender.is_some_and(|sender| sender.try_send(job).is_ok());
        if !is_sent {
            tracing::debug!("the disk cache has too much to do");
        }
        is_sent
    }
}

impl Incoming {
    /// Keeps a part that S3 has, in place of what was kept of the same bytes. False where there is
    /// too much to write already: what was kept may be there still.
    pub fn store(&self, start: u64, chunks: Vec<Bytes>, memory: Option<Reservation>) -> bool {
        self.disk.queue(Whose::Upload(self.name), start, chunks, memory)
    }

    /// S3 has made a version of it. In the ranges of `kept` its bytes are those that were kept last, in
    /// those of `before` the ones of the version whose place it takes; it has others elsewhere.
    pub fn become_version(
        &self,
        object: &ObjectRef,
        kept: Vec<Range<u64>>,
        before: Option<(ObjectRef, Vec<Range<u64>>)>,
    ) {
        let version = |(object, ranges)| Origin { whose: Whose::Version(object), ranges };
        let mut from = vec![Origin { whose: Whose::Upload(self.name), ranges: kept }];
        from.extend(before.map(version));
        from.retain(|origin| !origin.ranges.is_empty());
        if !from.is_empty() {
            self.disk.adopt(from, object);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Behind the job that makes it a version, there is nothing left of it.
        self.disk.send(Job::Drop(self.name));
    }
}

impl Drop for DiskCache {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    /// Each change under this lock is one of the tables', which are whole behind each.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to look for a version on disk.
    fn may_have(&self, name: &Name) -> bool {
        // Read before the index: what is not there then will never come from a scan.
        let is_scanned = self.is_scanned.load(Ordering::Acquire);
        !is_scanned || self.state().index.contains(name)
    }

    fn open_entry(&self, name: &Name, object: &ObjectRef) -> Option<Arc<Entry>> {
        let entry = self.state().open.get(name).map(Arc::clone);
        entry.filter(|entry| entry.size() == object.size)
    }

    /// The files of a version, opened if they aren't; `None` if there are none of use.
    fn entry(&self, name: &Name, object: &ObjectRef) -> io::Result<Option<Arc<Entry>>> {
        if let Some(entry) = self.open_entry(name, object) {
            return Ok(Some(entry));
        }
        let Some(entry) = Entry::open(&self.directory.paths(name), object)? else {
            return Ok(None);
        };
        let bytes = entry.disk_bytes()?;
        let entry = Arc::new(entry);
        let mut state = self.state();
        if !self.is_scanned.load(Ordering::Acquire) {
            // Nothing is removed before all is found, so the files are still there.
            state.index.add_found(*name, bytes, self.clock.wall());
        }
        // The files of what was removed meanwhile are read once more and not kept open.
        let is_kept = state.index.contains(name) && !state.open.contains(name);
        let replaced = is_kept.then(|| state.open.push(*name, Arc::clone(&entry)));
        drop(state);
        // Closed where nobody waits for the lock.
        drop(replaced);
        Ok(Some(entry))
    }

    fn entry_or_tell(&self, name: &Name, object: &ObjectRef) -> Option<Arc<Entry>> {
        let entry = self.entry(name, object).inspect_err(|error| self.tell("opening", error));
        entry.ok().flatten()
    }

    /// Logs a problem, the first of its kind.
    fn tell(&self, doing: &'static str, error: &io::Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert((doing, error.kind())) {
            let place = self.directory.path().display();
            tracing::warn!("disk cache: {doing} in {place}: {error}; S3 is asked instead");
        }
    }
}

#[cfg(test)]
mod tests;
