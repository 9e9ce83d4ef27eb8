//! Handles: what is open, and the one state that all who have a file open share.
//!
//! A file that is open for writing has a [`Draft`], the same for every handle of its inode, from
//! the first such open to the last close. Handles are small and short-lived; the tables here are
//! locked for a look-up only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::OwnedMutexGuard;

use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::Facts;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::ops::dir::DirectoryHandle;
use crate::vfs::read::ReadHandle;
use crate::vfs::types::{Fh, Ino, ObjectRef, OpenHow};
use crate::vfs::write::draft::Draft;
use crate::vfs::write::upload::Target;

/// A file that is open at least once.
pub struct OpenFile {
    pub inode: Arc<Inode>,
    state: Mutex<OpenState>,
    /// Held while the writing of the file begins or ends.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct OpenState {
    draft: Option<Arc<Draft>>,
    /// Handles that may write.
    writers: u32,
    /// Handles that may read.
    readers: u32,
    /// Where the bytes are that were copied here by name and not yet made an object.
    borrowed: Vec<Target>,
    /// What the file was when the writing began or what this mount has made of it since, and how
    /// often it has.
    committed: Option<ObjectRef>,
    commits: u64,
    /// How often it had been when the writing began.
    commits_before: u64,
    /// What S3 said last.
    facts: Option<Facts>,
    /// When it was last written to.
    written_at: Option<SystemTime>,
    /// Why it is not in S3, until it is.
    failure: Option<String>,
    /// The draft's attributes have a time of their own, which the next write makes wrong.
    is_dated: bool,
}

impl OpenFile {
    fn new(inode: &Arc<Inode>) -> Arc<Self> {
        let (inode, state) = (Arc::clone(inode), Mutex::default());
        Arc::new(Self { inode, state, turn: Arc::default() })
    }

    /// Waits until nobody else begins or ends writing.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// As [`Self::turn`], for whoever outlives the borrow.
    pub async fn turn_owned(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The draft, if the file is open for writing.
    pub fn draft(&self) -> Option<Arc<Draft>> {
        lock(&self.state).draft.clone()
    }

    /// The first writer comes, with a draft over `object` if there is one.
    pub fn begin(&self, draft: Draft, object: Option<ObjectRef>) {
        let mut state = lock(&self.state);
        state.writers += 1;
        state.commits_before = state.commits;
        state.committed = object;
        state.draft = Some(Arc::new(draft));
        state.written_at = None;
        state.is_dated = false;
    }

    /// Nobody writes, but what is read is no longer S3's.
    pub fn keep(&self, draft: &Arc<Draft>) {
        lock(&self.state).draft = Some(Arc::clone(draft));
    }

    #[must_use]
    pub fn has_readers(&self) -> bool {
        lock(&self.state).readers > 0
    }

    /// The file's next commit needs what is under this key now.
    pub fn borrow_from(&self, source: Target) {
        let mut state = lock(&self.state);
        if !state.borrowed.contains(&source) {
            state.borrowed.push(source);
        }
    }

    #[must_use]
    pub fn borrows_from(&self, is_one: impl Fn(&Target) -> bool) -> bool {
        lock(&self.state).borrowed.iter().any(is_one)
    }

    /// One writer more.
    pub fn join(&self) {
        lock(&self.state).writers += 1;
    }

    /// One writer less; true if it was the last.
    pub fn leave(&self) -> bool {
        let mut state = lock(&self.state);
        state.writers -= 1;
        state.writers == 0
    }

    /// The writing has ended.
    pub fn end(&self) {
        lock(&self.state).draft = None;
    }

    /// The draft's attributes say a time.
    pub fn note_dated(&self) {
        lock(&self.state).is_dated = true;
    }

    /// Whether they did; from now on they don't.
    pub fn undate(&self) -> bool {
        std::mem::take(&mut lock(&self.state).is_dated)
    }

    /// The time that was set counts, not that of what was written before.
    pub fn forget_written(&self) {
        lock(&self.state).written_at = None;
    }

    pub fn note_written(&self, at: SystemTime) {
        lock(&self.state).written_at = Some(at);
    }

    #[must_use]
    pub fn written_at(&self) -> Option<SystemTime> {
        lock(&self.state).written_at
    }

    pub fn note_facts(&self, facts: Facts) {
        lock(&self.state).facts = Some(facts);
    }

    #[must_use]
    pub fn last_facts(&self) -> Option<Facts> {
        lock(&self.state).facts.clone()
    }

    /// Whether this is where the file's object is.
    #[must_use]
    pub fn is_at(&self, target: &Target) -> bool {
        match self.inode.place().location {
            Location::File { bucket, key } => {
                (bucket, key) == (target.bucket.clone(), target.key.clone())
            }
            Location::Account | Location::Directory { .. } => false,
        }
    }

    /// The object whose bytes the file's readers were told of last.
    #[must_use]
    pub fn version(&self) -> Option<ObjectRef> {
        let state = lock(&self.state);
        let Location::File { bucket, key } = self.inode.place().location else { return None };
        let facts = state.facts.as_ref()?;
        let (etag, size) = (facts.etag.clone(), facts.size);
        Some(ObjectRef { bucket, key, etag, size })
    }

    /// What was written could not be made an object, or can be again.
    pub fn note_failure(&self, failure: Option<String>) {
        lock(&self.state).failure = failure;
    }

    #[must_use]
    pub fn failure(&self) -> Option<String> {
        lock(&self.state).failure.clone()
    }

    /// The file is this object now, by this mount's doing.
    pub fn note_committed(&self, object: ObjectRef, facts: Facts) {
        let mut state = lock(&self.state);
        state.committed = Some(object);
        state.commits += 1;
        state.facts = Some(facts);
        state.borrowed.clear();
    }

    /// Whether anything was committed since the writing began.
    #[must_use]
    pub fn has_committed(&self) -> bool {
        let state = lock(&self.state);
        state.commits > state.commits_before
    }

    /// What was committed last, and how many times anything was.
    #[must_use]
    pub fn committed(&self) -> (Option<ObjectRef>, u64) {
        let state = lock(&self.state);
        (state.committed.clone(), state.commits)
    }
}

/// One `open` of a file.
pub struct FileHandle {
    pub file: Arc<OpenFile>,
    pub how: OpenHow,
    /// It counts as a writer: one that made the file does, whatever it was opened for.
    pub is_writer: bool,
    reading: Mutex<Reading>,
}

/// The version that reads are answered from: the one that was there at the open, until this
/// mount commits another.
struct Reading {
    handle: Option<Arc<ReadHandle>>,
    commits: u64,
}

impl FileHandle {
    pub fn new(file: Arc<OpenFile>, how: OpenHow, reading: Option<ReadHandle>) -> Self {
        let (_, commits) = file.committed();
        let reading = Reading { handle: reading.map(Arc::new), commits };
        Self { file, how, is_writer: how.write, reading: Mutex::new(reading) }
    }

    /// Of a file that this open has made.
    pub fn of_made(file: Arc<OpenFile>, how: OpenHow) -> Self {
        Self { is_writer: true, ..Self::new(file, how, None) }
    }

    /// What to read from; `reopen` makes it where this mount has committed another version.
    /// `None` if there never was one.
    pub fn reading(&self, reopen: impl FnOnce(ObjectRef) -> ReadHandle) -> Option<Arc<ReadHandle>> {
        let (committed, commits) = self.file.committed();
        let mut reading = lock(&self.reading);
        if let Some(object) = committed
            && (reading.commits != commits || reading.handle.is_none())
        {
            *reading = Reading { handle: Some(Arc::new(reopen(object))), commits };
        }
        reading.handle.clone()
    }

    /// What to read `object` from, the same as before where it was that object.
    pub fn reading_of(
        &self,
        object: ObjectRef,
        open: impl FnOnce(ObjectRef) -> ReadHandle,
    ) -> Arc<ReadHandle> {
        let mut reading = lock(&self.reading);
        match &reading.handle {
            Some(handle) if *handle.object() == object => Arc::clone(handle),
            _ => Arc::clone(reading.handle.insert(Arc::new(open(object)))),
        }
    }
}

/// Everything that is open.
#[derive(Default)]
pub struct Handles {
    next: AtomicU64,
    files: Mutex<HashMap<Fh, Arc<FileHandle>>>,
    directories: Mutex<HashMap<Fh, Arc<DirectoryHandle>>>,
    open: Mutex<HashMap<Ino, Opens>>,
}

/// An open under way; dropped before it is done, it leaves nothing behind.
pub struct Opening<'a> {
    handles: &'a Handles,
    pub file: Arc<OpenFile>,
    is_done: bool,
}

impl Opening<'_> {
    /// The open has its handle.
    pub fn done(mut self, handle: FileHandle) -> Fh {
        self.is_done = true;
        self.handles.add_file(handle)
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.handles.close(self.file.inode.ino);
        }
    }
}

struct Opens {
    file: Arc<OpenFile>,
    handles: u32,
}

impl Handles {
    /// The shared state of an inode's opens, and one open more: until [`Opening::done`] for the
    /// time of the opening, then until [`Self::close`].
    pub fn open(&self, inode: &Arc<Inode>) -> Opening<'_> {
        let mut open = lock(&self.open);
        let opens = open
            .entry(inode.ino)
            .or_insert_with(|| Opens { file: OpenFile::new(inode), handles: 0 });
        opens.handles += 1;
        Opening { handles: self, file: Arc::clone(&opens.file), is_done: false }
    }

    /// One open less.
    pub fn close(&self, ino: Ino) {
        let mut open = lock(&self.open);
        let Some(opens) = open.get_mut(&ino) else { return };
        opens.handles -= 1;
        if opens.handles == 0 {
            open.remove(&ino);
        }
    }

    /// The shared state, if the inode is open.
    pub fn find(&self, ino: Ino) -> Option<Arc<OpenFile>> {
        lock(&self.open).get(&ino).map(|opens| Arc::clone(&opens.file))
    }

    /// Every open file.
    pub fn all(&self) -> Vec<Arc<OpenFile>> {
        lock(&self.open).values().map(|opens| Arc::clone(&opens.file)).collect()
    }

    fn add_file(&self, handle: FileHandle) -> Fh {
        let fh = self.next();
        lock(&handle.file.state).readers += u32::from(handle.how.read);
        lock(&self.files).insert(fh, Arc::new(handle));
        fh
    }

    pub fn file(&self, fh: Fh) -> VfsResult<Arc<FileHandle>> {
        lock(&self.files).get(&fh).cloned().ok_or(VfsError::BadHandle)
    }

    pub fn remove_file(&self, fh: Fh) -> VfsResult<Arc<FileHandle>> {
        let handle = lock(&self.files).remove(&fh).ok_or(VfsError::BadHandle)?;
        lock(&handle.file.state).readers -= u32::from(handle.how.read);
        Ok(handle)
    }

    pub fn add_directory(&self, handle: DirectoryHandle) -> Fh {
        let fh = self.next();
        lock(&self.directories).insert(fh, Arc::new(handle));
        fh
    }

    pub fn directory(&self, fh: Fh) -> VfsResult<Arc<DirectoryHandle>> {
        lock(&self.directories).get(&fh).cloned().ok_or(VfsError::BadHandle)
    }

    pub fn remove_directory(&self, fh: Fh) {
        lock(&self.directories).remove(&fh);
    }

    /// How many handles there are.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.files).len() + lock(&self.directories).len()
    }

    fn next(&self) -> Fh {
        Fh(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Each change under these locks is one assignment, so a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
