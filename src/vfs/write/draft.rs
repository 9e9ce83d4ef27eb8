//! Draft: a file between its first write and its last close.
//!
//! Bytes are gathered in memory; full parts go up while the program writes; [`Draft::commit`]
//! makes all of it one object, by one PUT where it never grew beyond a part. An object that is
//! only appended to is copied by S3 itself, not fetched.
//!
//! Which object a draft replaces is kept by ETag, so that nobody else's change is lost. Names
//! and handles are `ops`' business.
//!
//! Bytes that went up as a part can no longer be changed or read back before the commit.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::store::error::{ErrorKind, StoreError};
use crate::store::types::ETag;
use crate::vfs::budget::{Budget, Reservation};
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::read::Reader;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::extents::Extents;
use crate::vfs::write::plan::{OBJECT_BYTES_MAX, PART_BYTES_MIN, part_bytes, plan_conditions};
use crate::vfs::write::upload::{MultipartUpload, Target, Uploader};

/// A file being written.
pub struct Draft {
    uploader: Arc<Uploader>,
    budget: Arc<Budget>,
    reader: Arc<Reader>,
    /// Of the first part, bytes.
    part_bytes: u64,
    /// The file's size, readable while a write or commit is under way.
    bytes: AtomicU64,
    state: Arc<Mutex<State>>,
}

struct State {
    target: Target,
    /// The object that a commit replaces; `None`: the name was free.
    base: Option<ETag>,
    front: Option<Front>,
    bytes: u64,
    /// Bytes before this offset are in `front` or in parts that went up; those after are here.
    held_from: u64,
    held: Extents,
    memory: Reservation,
    upload: Option<MultipartUpload>,
    change: Change,
    /// There is no name to commit to any more.
    orphaned: bool,
    /// Set where bytes were lost with their upload: nothing can be committed any more.
    failure: Option<StoreError>,
}

/// An object whose first bytes are the file's, without having been fetched.
#[derive(Clone, Debug)]
struct Front {
    object: ObjectRef,
    /// At least [`PART_BYTES_MIN`], so that they can be copied as a part.
    bytes: u64,
}

/// What S3 does not have yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    None,
    /// Created or truncated, nothing written.
    Emptied,
    Written,
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

/// Where the bytes of a range are.
#[derive(Debug)]
pub enum Piece {
    Held(Vec<Bytes>),
    /// A range of an object in S3.
    Front(ObjectRef, Range<u64>),
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
    pub uploader: Arc<Uploader>,
    pub budget: Arc<Budget>,
    pub reader: Arc<Reader>,
    /// Of an upload's first part, bytes.
    pub part_bytes: u64,
}

impl Draft {
    /// An empty file that replaces `base`, or is new.
    pub fn empty(drafting: &Drafting, target: Target, base: Option<ETag>) -> Self {
        Self::new(drafting, State::empty(drafting, target, base))
    }

    /// A file that is `object` so far. `content` is all of its bytes; `None` leaves them in S3,
    /// to be copied there, which takes at least [`PART_BYTES_MIN`] of them.
    pub fn over(drafting: &Drafting, object: ObjectRef, content: Option<Bytes>) -> Self {
        let target = Target { bucket: object.bucket.clone(), key: object.key.clone() };
        let mut state = State::empty(drafting, target, Some(object.etag.clone()));
        state.change = Change::None;
        state.bytes = object.size;
        match content {
            Some(content) => {
                state.memory = drafting.budget.reserve_over(content.len() as u64);
                state.held.insert(0, content);
            }
            None => {
                state.held_from = object.size;
                state.front = Some(Front { bytes: object.size, object });
            }
        }
        Self::new(drafting, state)
    }

    fn new(drafting: &Drafting, state: State) -> Self {
        Self {
            uploader: Arc::clone(&drafting.uploader),
            budget: Arc::clone(&drafting.budget),
            reader: Arc::clone(&drafting.reader),
            part_bytes: part_bytes(1, drafting.part_bytes),
            bytes: AtomicU64::new(state.bytes),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Whether an object of this size can be written to without having been fetched.
    #[must_use]
    pub fn can_leave_in_s3(bytes: u64) -> bool {
        bytes >= PART_BYTES_MIN
    }

    /// The file's size now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Takes `data` at `offset`, or at the end where that is `None`. Waits for memory while
    /// parts of this file are under way.
    pub async fn write(&self, offset: Option<u64>, data: Bytes) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        state.check_upload().await?;
        let offset = offset.unwrap_or(state.bytes);
        let end = offset + data.len() as u64;
        if end > OBJECT_BYTES_MAX {
            return Err(VfsError::TooLarge);
        }
        state.check_held(offset)?;
        let memory = self.reserve(&mut state, data.len() as u64).await?;
        state.memory.merge(memory);
        state.held.insert(offset, data);
        state.give_back();
        self.changed(&mut state, end.max(self.bytes()));
        Ok(())
    }

    /// Makes the file `bytes` long: cut, or grown with zeros.
    pub async fn truncate(&self, bytes: u64) -> VfsResult<()> {
        let mut state = self.state.lock().await;
        if bytes > OBJECT_BYTES_MAX {
            return Err(VfsError::TooLarge);
        }
        let mut cleared = None;
        if bytes == 0 {
            cleared = state.clear();
        } else {
            state.check_upload().await?;
            if bytes < state.held_from {
                self.cut_front(&mut state, bytes).await?;
            }
            let end = state.bytes.max(bytes);
            state.held.remove(bytes..end);
            state.give_back();
        }
        self.changed(&mut state, bytes);
        abort(cleared).await;
        Ok(())
    }

    /// The next commit writes the file anew even where its bytes are the same.
    pub async fn touch(&self) {
        self.state.lock().await.change = Change::Written;
    }

    /// Whether there is something S3 does not have. Waits for a write or commit under way.
    pub async fn is_dirty(&self) -> bool {
        self.state.lock().await.change != Change::None
    }

    /// Where the bytes of a range are, clipped to the file.
    pub async fn read(&self, range: Range<u64>) -> VfsResult<Vec<Piece>> {
        let state = self.state.lock().await;
        let range = range.start.min(state.bytes)..range.end.min(state.bytes);
        let front_bytes = state.front.as_ref().map_or(0, |front| front.bytes);
        if range.start < state.held_from && range.end.min(state.held_from) > front_bytes {
            let message = "these bytes are on their way to S3: close the file to read them";
            return Err(VfsError::Unsupported(message.to_owned()));
        }
        let mut pieces = Vec::new();
        if let Some(front) = state.front.as_ref().filter(|front| range.start < front.bytes) {
            let range = range.start..range.end.min(front.bytes);
            pieces.push(Piece::Front(front.object.clone(), range));
        }
        let held = range.start.max(state.held_from)..range.end;
        if !held.is_empty() {
            pieces.push(Piece::Held(state.held.copy_of(held)));
        }
        Ok(pieces)
    }

    /// Makes what was written an object. On success S3 has acknowledged it; `None`: it had
    /// everything already. `stamp` is metadata that rides along where it costs no request.
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

    async fn commit_held(
        &self,
        state: &mut State,
        urgency: Urgency,
        _stamp: BTreeMap<String, String>,
    ) -> VfsResult<Option<Committed>> {
        let idle = match state.change {
            Change::None => true,
            Change::Emptied => urgency == Urgency::IfWritten,
            Change::Written => false,
        };
        if idle || state.orphaned {
            return Ok(None);
        }
        state.check_upload().await?;
        let etag = self.send(state).await?;
        Ok(Some(Committed { object: state.committed(etag), stamped: false }))
    }

    /// The file's name is about to go: it can be written and read on, but is not committed again.
    /// Waits for a commit under way, so that no object comes into being afterwards.
    pub async fn orphan(&self) {
        self.state.lock().await.orphaned = true;
    }

    /// The name has stayed after all.
    pub async fn adopt(&self) {
        self.state.lock().await.orphaned = false;
    }

    /// What was not committed never will be, and what went up is taken back.
    pub async fn discard(&self) {
        let mut state = self.state.lock().await;
        state.change = Change::None;
        let upload = state.upload.take();
        abort(upload).await;
    }

    /// Cuts a file whose bytes at the cut are still in S3: what is too short to be copied is
    /// fetched.
    async fn cut_front(&self, state: &mut State, bytes: u64) -> VfsResult<()> {
        let Some(front) = state.front.as_mut().filter(|_| state.upload.is_none()) else {
            return state.check_held(bytes);
        };
        if bytes >= PART_BYTES_MIN {
            front.bytes = bytes;
            state.held_from = bytes;
            return Ok(());
        }
        let content = self.reader.open(front.object.clone()).read(0, bytes as u32).await?;
        state.memory = self.budget.reserve_over(bytes);
        state.held = Extents::default();
        state.held.insert(0, content);
        state.held_from = 0;
        state.front = None;
        Ok(())
    }

    fn changed(&self, state: &mut State, bytes: u64) {
        state.bytes = bytes;
        state.change = Change::Written;
        self.bytes.store(bytes, Ordering::Release);
        self.send_full_parts(state);
    }

    /// Sends every full part, but keeps the last: a file that is no longer than one part goes
    /// up by one PUT.
    fn send_full_parts(&self, state: &mut State) {
        loop {
            let number = state.upload.as_ref().map_or(1, MultipartUpload::next_number);
            let part_end = state.held_from + part_bytes(number, self.part_bytes);
            if state.bytes <= part_end {
                return;
            }
            self.send_held(state, part_end);
        }
    }

    fn send_held(&self, state: &mut State, until: u64) {
        let held_before = state.held.bytes();
        let chunks = state.held.take(state.held_from..until);
        let memory = state.memory.split(held_before - state.held.bytes());
        state.held_from = until;
        state.upload(&self.uploader).send(chunks, memory);
    }

    async fn send(&self, state: &mut State) -> VfsResult<ETag> {
        let conditions = plan_conditions(state.base.as_ref());
        if state.upload.is_none() && state.front.is_none() {
            let chunks = state.held.copy_of(0..state.bytes);
            let put = self.uploader.put_whole(&state.target, chunks, conditions).await;
            return Ok(put.map_err(|error| state.lost(error))?);
        }
        if state.held_from < state.bytes {
            let until = state.bytes;
            self.send_held(state, until);
        }
        match state.upload(&self.uploader).complete(conditions).await {
            Ok(etag) => Ok(etag),
            Err(error) => {
                let error = state.lost(error);
                Err(state.fail(error).await)
            }
        }
    }

    async fn reserve(&self, state: &mut State, bytes: u64) -> VfsResult<Reservation> {
        loop {
            if let Some(memory) = self.budget.try_reserve(bytes) {
                return Ok(memory);
            }
            let Some(upload) = &mut state.upload else { break };
            match upload.arrival().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(state.fail(error).await),
                None => break,
            }
        }
        // Nothing of this file is under way that could give memory back, and hardly more than a
        // part of it is held: waiting could be for ever, so the bound gives way by that little.
        Ok(self.budget.reserve_over(bytes))
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

    /// The object that the file was is now `object`, under another key: what follows goes there.
    pub fn moved(&mut self, target: Target, object: ObjectRef) {
        self.state.base = Some(object.etag.clone());
        self.state.target = target;
        if let Some(front) = &mut self.state.front {
            front.object = object;
        }
    }
}

/// Ends an upload, also where whoever waits for it gives up.
async fn abort(upload: Option<MultipartUpload>) {
    if let Some(upload) = upload {
        // A task that ends in a panic has said so itself.
        drop(tokio::spawn(upload.abort()).await);
    }
}

impl State {
    fn empty(drafting: &Drafting, target: Target, base: Option<ETag>) -> Self {
        Self {
            target,
            base,
            front: None,
            bytes: 0,
            held_from: 0,
            held: Extents::default(),
            memory: drafting.budget.reserve_over(0),
            upload: None,
            change: Change::Emptied,
            orphaned: false,
            failure: None,
        }
    }

    /// The upload under way; a new one begins with what is left in S3.
    fn upload(&mut self, uploader: &Arc<Uploader>) -> &mut MultipartUpload {
        let (target, front) = (&self.target, &self.front);
        self.upload.get_or_insert_with(|| {
            let mut upload = MultipartUpload::new(uploader, target.clone());
            if let Some(front) = front {
                upload.copy(&front.object, front.bytes);
            }
            upload
        })
    }

    /// That there is nothing to replace any more means that somebody else was faster.
    fn lost(&self, error: StoreError) -> StoreError {
        match (error.kind, &self.base) {
            (ErrorKind::NotFound, Some(_)) => StoreError { kind: ErrorKind::Precondition, ..error },
            (ErrorKind::NotFound, None) => StoreError { kind: ErrorKind::Unavailable, ..error },
            _ => error,
        }
    }

    /// What was written over is no longer held.
    fn give_back(&mut self) {
        self.memory.shrink(self.held.bytes());
    }

    fn check_held(&self, offset: u64) -> VfsResult<()> {
        if offset >= self.held_from {
            return Ok(());
        }
        Err(VfsError::Unsupported(format!(
            "bytes before {} are in S3 already: changing them in place is not supported, \
             write the file anew",
            self.held_from
        )))
    }

    /// Fails where a part under way has failed.
    async fn check_upload(&mut self) -> VfsResult<()> {
        if let Some(error) = self.upload.as_mut().and_then(MultipartUpload::failure) {
            return Err(self.fail(error).await);
        }
        match &self.failure {
            Some(error) => Err(VfsError::Store(error.clone())),
            None => Ok(()),
        }
    }

    async fn fail(&mut self, error: StoreError) -> VfsError {
        self.failure = Some(error.clone());
        let upload = self.upload.take();
        abort(upload).await;
        VfsError::Store(error)
    }

    /// Empties the file. Gives back the upload that is to be aborted.
    fn clear(&mut self) -> Option<MultipartUpload> {
        self.front = None;
        self.held = Extents::default();
        self.held_from = 0;
        self.memory.shrink(0);
        self.failure = None;
        self.upload.take()
    }

    fn committed(&mut self, etag: ETag) -> ObjectRef {
        let object = ObjectRef {
            bucket: self.target.bucket.clone(),
            key: self.target.key.clone(),
            etag: etag.clone(),
            size: self.bytes,
        };
        self.base = Some(etag);
        self.change = Change::None;
        if self.upload.take().is_some() {
            self.held_from = self.bytes;
            self.front = Some(Front { object: object.clone(), bytes: self.bytes });
        }
        object
    }
}
