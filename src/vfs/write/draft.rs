//! Draft: a file between its first write and its last close.
//!
//! Anything can be written anywhere. What was written is in memory or staged on disk, what was
//! not is a range of an object in S3, fetched only where it is read. Full cells of new bytes go up
//! while the program writes ([`send`]); what does not fit in memory is staged ([`spill`]);
//! [`Draft::commit`] makes all of it one object by the requests that `plan` chooses.
//!
//! Which object a draft replaces is kept by ETag, so that nobody else's change is lost. Names
//! and handles are `ops`' business.

mod send;
mod spill;
mod state;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::store::ObjectStore;
use crate::store::types::{ETag, ObjectAttributes};
use crate::vfs::budget::Budget;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::read::Reader;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::cells::Cells;
use crate::vfs::write::copy::Kept;
use crate::vfs::write::draft::spill::Bound;
use crate::vfs::write::draft::state::{Change, State, abort};
use crate::vfs::write::extents::Chunk;
use crate::vfs::write::gather::{Gatherer, Piece};
use crate::vfs::write::memory::DraftMemory;
use crate::vfs::write::multipart::Multiparts;
use crate::vfs::write::plan::OBJECT_BYTES_MAX;
use crate::vfs::write::staging::Staging;
use crate::vfs::write::turns::UploadLimits;
use crate::vfs::write::upload::{Target, Uploader};

/// A file being written.
pub struct Draft {
    drafting: Drafting,
    /// The file's size, readable while a write or commit is under way.
    bytes: AtomicU64,
    state: Arc<Mutex<State>>,
    /// Bytes that the upload under way has sent.
    sent: std::sync::Mutex<Arc<AtomicU64>>,
}

/// How far a file is on its way to S3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// S3 has everything.
    Clean,
    /// So many bytes are not in S3 in any form, or only attributes are not.
    Dirty { bytes: u64 },
    /// A write or commit is under way, and S3 has so many bytes of it.
    Uploading { done: u64 },
}

/// Whether a commit is worth a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Urgency {
    /// A descriptor was closed: a file that was opened and not yet written can wait, since
    /// shells close the descriptor they opened before the command they start writes to another.
    IfWritten,
    /// The program or the last close asks for it.
    Always,
}

/// What a commit made.
#[derive(Clone, Debug)]
pub struct Committed {
    pub object: ObjectRef,
    /// Whether the object has the stamp that the commit was given.
    pub stamped: bool,
}

/// A draft that only its holder changes.
pub struct Hold {
    draft: Arc<Draft>,
    state: OwnedMutexGuard<State>,
}

/// What all drafts of a mount share.
#[derive(Clone)]
pub struct Drafting {
    store: Arc<dyn ObjectStore>,
    reader: Arc<Reader>,
    uploader: Arc<Uploader>,
    gatherer: Arc<Gatherer>,
    memory: DraftMemory,
    staging: Option<Arc<Staging>>,
    cells: Cells,
}

/// The choices of [`Drafting`].
#[derive(Clone, Debug)]
pub struct DraftingOptions {
    /// How many uploads of bytes run at once.
    pub uploads: UploadLimits,
    /// Of an upload's first part, bytes.
    pub part_bytes: u64,
    /// Where bytes go that memory lacks; `None`: nowhere.
    pub staging_directory: Option<PathBuf>,
}

impl Drafting {
    #[must_use]
    pub fn new(
        multiparts: &Arc<Multiparts>,
        budget: &Arc<Budget>,
        reader: &Arc<Reader>,
        options: DraftingOptions,
    ) -> Self {
        Self {
            store: Arc::clone(multiparts.store()),
            reader: Arc::clone(reader),
            uploader: Uploader::new(Arc::clone(multiparts), options.uploads),
            gatherer: Arc::new(Gatherer::new(Arc::clone(reader), Arc::clone(budget))),
            memory: DraftMemory::new(budget),
            staging: options
                .staging_directory
                .map(|directory| Staging::new(directory, Arc::clone(reader.buffers()))),
            cells: Cells::new(options.part_bytes),
        }
    }
}

impl Draft {
    /// An empty file that replaces `base`, or is new.
    #[must_use]
    pub fn empty(drafting: &Drafting, target: Target, base: Option<ETag>, kept: Kept) -> Self {
        Self::new(drafting, State::empty(drafting.memory.reserve_over(0), target, base, kept))
    }

    /// A file that is `object` so far, none of which is fetched.
    #[must_use]
    pub fn over(drafting: &Drafting, object: ObjectRef, kept: Kept) -> Self {
        let target = Target { bucket: object.bucket.clone(), key: object.key.clone() };
        let memory = drafting.memory.reserve_over(0);
        let mut state = State::empty(memory, target, Some(object.etag.clone()), kept);
        state.change = Change::None;
        state.become_object(object, None);
        Self::new(drafting, state)
    }

    fn new(drafting: &Drafting, state: State) -> Self {
        Self {
            drafting: drafting.clone(),
            bytes: AtomicU64::new(state.bytes),
            state: Arc::new(Mutex::new(state)),
            sent: std::sync::Mutex::default(),
        }
    }

    /// The file's size now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Takes `data` at `offset`, or at the end where that is `None`. Waits for room in memory or
    /// on disk; fails with `NoSpace` where none can be had.
    pub async fn write(&self, offset: Option<u64>, data: Bytes) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        state.note_arrivals().await;
        state.check_upload()?;
        let offset = offset.unwrap_or(state.bytes);
        let range = checked(offset, data.len() as u64)?;
        state.check_changeable(&range, self.drafting.cells)?;
        let chunk = self.place(&mut state, data, Bound::GivesWay).await?;
        // Room may have been made of cells that the range has bytes in common with.
        if let Err(error) = state.check_changeable(&range, self.drafting.cells) {
            drop(chunk);
            state.give_back();
            return Err(error);
        }
        self.put(&mut state, offset, chunk);
        Ok(())
    }

    /// Makes the file `bytes` long: cut, or grown with zeros.
    pub async fn truncate(&self, bytes: u64) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        if bytes > OBJECT_BYTES_MAX {
            return Err(VfsError::TooLarge);
        }
        let cleared = if bytes == 0 { state.clear() } else { None };
        let cut = bytes..state.bytes.max(bytes);
        state.check_changeable(&cut, self.drafting.cells)?;
        state.forget(&cut, self.drafting.cells);
        self.changed(&mut state, bytes..bytes, bytes);
        abort(cleared).await;
        Ok(())
    }

    /// Makes the bytes of a range zeros; those behind the end stay behind it.
    pub async fn punch(&self, range: Range<u64>) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        let range = range.start.min(state.bytes)..range.end.min(state.bytes);
        if range.is_empty() {
            return Ok(());
        }
        state.check_changeable(&range, self.drafting.cells)?;
        state.forget(&range, self.drafting.cells);
        let bytes = state.bytes;
        self.changed(&mut state, range, bytes);
        Ok(())
    }

    /// Makes the file at least `end` bytes long.
    pub async fn allocate(&self, end: u64) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        if end > OBJECT_BYTES_MAX {
            return Err(VfsError::TooLarge);
        }
        if end > state.bytes {
            self.changed(&mut state, end..end, end);
        }
        Ok(())
    }

    /// Puts a range of an object at `at`; S3 copies it where it can.
    pub async fn copy_from(&self, at: u64, object: ObjectRef, range: Range<u64>) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        let bytes = range.end.saturating_sub(range.start);
        let copied = checked(at, bytes)?;
        if range.end > object.size {
            return Err(VfsError::Invalid("a copy of more than the object has".to_owned()));
        }
        state.check_changeable(&copied, self.drafting.cells)?;
        self.put(&mut state, at, Chunk::Remote { object, start: range.start, bytes });
        Ok(())
    }

    /// The first offset from `offset` on that may hold other bytes than zeros.
    pub async fn seek_data(&self, offset: u64) -> Option<u64> {
        let state = self.state.lock().await;
        state.extents.next_data(offset).filter(|at| *at < state.bytes)
    }

    /// The first hole from `offset` on, at the latest the end of the file; `None` behind it.
    pub async fn seek_hole(&self, offset: u64) -> Option<u64> {
        let state = self.state.lock().await;
        (offset < state.bytes).then(|| state.extents.next_hole(offset).min(state.bytes))
    }

    /// Changes what goes along with the bytes, which is worth a request of its own.
    pub async fn set_attributes(&self, change: impl FnOnce(&mut ObjectAttributes)) {
        let mut state = self.state.lock().await;
        change(&mut state.kept.attributes);
        state.change = Change::Written;
    }

    /// What goes along with the bytes.
    pub async fn attributes(&self) -> ObjectAttributes {
        self.state.lock().await.kept.attributes.clone()
    }

    /// How far it is. Never waits.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let Ok(state) = self.state.try_lock() else {
            let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            return Progress::Uploading { done: sent.load(Ordering::Relaxed) };
        };
        if state.is_dirty() {
            Progress::Dirty { bytes: state.extents.local_bytes() }
        } else {
            Progress::Clean
        }
    }

    /// Bytes of it in memory or on disk.
    pub async fn local_bytes(&self) -> u64 {
        let state = self.state.lock().await;
        let clean = state.clean.as_ref().map_or(0, |clean| clean.extents.local_bytes());
        state.extents.local_bytes() + clean
    }

    /// Whether there is something S3 does not have. Waits for a write or commit under way.
    pub async fn is_dirty(&self) -> bool {
        self.state.lock().await.is_dirty()
    }

    /// Where the bytes of a range are, clipped to the file.
    pub async fn read(&self, range: Range<u64>) -> VfsResult<Vec<Piece>> {
        let state = self.state.lock().await;
        let end = range.end.min(state.bytes);
        state.pieces(range.start.min(end)..end)
    }

    /// Makes what was written an object. On success S3 has acknowledged it; `None`: it had
    /// everything already. After a failure nothing is lost that was not told to be, and the next
    /// commit tries again.
    ///
    /// `stamp` is metadata that goes along where it costs no request of its own. It is not
    /// remembered.
    pub async fn commit(
        &self,
        urgency: Urgency,
        stamp: BTreeMap<String, String>,
    ) -> VfsResult<Option<Committed>> {
        let mut state = self.state.lock().await;
        self.commit_held(&mut state, urgency, stamp).await
    }

    /// Keeps everybody else from writing and committing for as long as the hold lives.
    pub async fn hold(self: &Arc<Self>) -> Hold {
        let state = Arc::clone(&self.state).lock_owned().await;
        Hold { draft: Arc::clone(self), state }
    }

    /// Brings here what is still in S3, so that the objects may go.
    pub async fn detach(&self) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        self.bring_all(&mut state).await
    }

    /// What was not committed never will be, and what went up is taken back.
    pub async fn discard(&self) {
        let mut state = self.state.lock().await;
        state.change = Change::None;
        state.acl_is_due = false;
        state.spilling = None;
        let upload = state.sending.take();
        abort(upload).await;
    }

    /// Puts a chunk for which there is room.
    fn put(&self, state: &mut State, offset: u64, chunk: Chunk) {
        let range = offset..offset + chunk.bytes();
        state.note_change(&range, self.drafting.cells);
        state.extents.insert(offset, chunk);
        state.give_back();
        let bytes = range.end.max(state.bytes);
        self.changed(state, range, bytes);
    }

    fn changed(&self, state: &mut State, range: Range<u64>, bytes: u64) {
        let bytes_before = std::mem::replace(&mut state.bytes, bytes);
        state.change = Change::Written;
        self.bytes.store(bytes, Ordering::Release);
        self.send_early(state, range, bytes_before);
    }
}

impl Hold {
    /// As [`Draft::commit`].
    pub async fn commit(
        &mut self,
        urgency: Urgency,
        stamp: BTreeMap<String, String>,
    ) -> VfsResult<Option<Committed>> {
        self.draft.commit_held(&mut self.state, urgency, stamp).await
    }

    /// As [`Draft::detach`].
    pub async fn detach(&mut self) -> VfsResult<()> {
        self.draft.bring_all(&mut self.state).await
    }

    /// The file's name is gone: it can be written and read on, but is not committed again. What
    /// went up is taken back, unless there is no other copy of it.
    pub async fn orphan(&mut self) {
        self.state.orphaned = true;
        let upload = if self.state.has_sent() { None } else { self.state.sending.take() };
        abort(upload).await;
    }

    /// The object that was committed last has other tags or another ACL now: what follows keeps
    /// them.
    pub fn keep(&mut self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.state.kept);
    }

    /// The object that the file was is now `object`, under another key: what follows goes there.
    pub fn moved(&mut self, target: Target, object: ObjectRef) {
        self.state.moved(target, object);
    }
}

/// The range that so many bytes take, if a file may be that long.
fn checked(offset: u64, bytes: u64) -> VfsResult<Range<u64>> {
    match offset.checked_add(bytes) {
        Some(end) if end <= OBJECT_BYTES_MAX => Ok(offset..end),
        Some(_) | None => Err(VfsError::TooLarge),
    }
}

#[cfg(test)]
mod tests;
