//! Upload: the requests that carry a file to S3.
//!
//! [`Uploader`] is the mount's share of them; how many run at once is `turns`' decision. [`MultipartUpload`] is one
//! file's: its parts go up in tasks of their own while the program goes on writing, each gathered
//! when it has its turn. What is sent and when is `draft`'s decision.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::{Id, JoinError, JoinSet};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    CompleteMultipart, Conditions, CopyObject, CopySource, ETag, EtagCondition, HeadObject,
    ObjectAttributes, Part, Payload, Range as StoreRange, Tags, WriteOptions, Written,
};
use crate::store::{ObjectStore, UploadPart};
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::read::written::{Here, KeptParts};
use crate::vfs::types::ObjectRef;
use crate::vfs::write::gather::{Gatherer, Piece};
use crate::vfs::write::memory::HeldMemory;
use crate::vfs::write::multipart::{Begun, Multiparts};
use crate::vfs::write::plan::{PARTS_MAX, multipart_etag, single_etag};
use crate::vfs::write::turns::{Turn, Turns, UploadLimits};

/// Parts of a mount's uploads that S3 copies at once, which takes nothing of the link.
const COPIES_MAX: usize = 16;

/// The object that a file's bytes go to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    pub bucket: Arc<str>,
    pub key: Arc<str>,
}

impl Target {
    fn is_of(&self, object: &ObjectRef) -> bool {
        self.bucket == object.bucket && self.key == object.key
    }
}

/// What goes along with the bytes of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Riding {
    pub attributes: ObjectAttributes,
    pub tags: Option<Tags>,
}

impl Riding {
    fn write_options(&self, conditions: Conditions) -> WriteOptions {
        let (attributes, tags) = (self.attributes.clone(), self.tags.clone());
        WriteOptions { attributes, tags, conditions, ..WriteOptions::default() }
    }
}

/// What all uploads of a mount share.
pub struct Uploader {
    store: Arc<dyn ObjectStore>,
    multiparts: Arc<Multiparts>,
    turns: Turns,
    copies: Semaphore,
}

impl Uploader {
    #[must_use]
    pub fn new(multiparts: Arc<Multiparts>, limits: UploadLimits) -> Arc<Self> {
        let store = Arc::clone(multiparts.store());
        let (turns, copies) = (Turns::new(limits), Semaphore::new(COPIES_MAX));
        Arc::new(Self { store, multiparts, turns, copies })
    }

    /// Waits until one more upload of bytes may run, which it may while the answer lives.
    pub async fn turn(&self) -> Turn<'_> {
        self.turns.turn().await
    }

    /// Sends the whole of a file by one PUT; the caller has the turn.
    pub async fn put_whole(
        &self,
        target: &Target,
        chunks: &[Bytes],
        riding: &Riding,
        conditions: Conditions,
    ) -> StoreResult<ETag> {
        let put = |conditions| {
            let options = riding.write_options(conditions);
            let payload = Payload::Chunks(chunks.to_vec());
            self.store.put_object(&target.bucket, &target.key, payload, options)
        };
        let mut written = put(conditions.clone()).await;
        if is_unsupported(&written) {
            self.check(target, &conditions).await?;
            written = put(Conditions::default()).await;
        }
        let expected = || Some(single_etag(chunks.iter().map(|chunk| &chunk[..])));
        self.settle(target, written, expected).await
    }

    /// Has S3 make the whole of a file out of an object, of 5 GiB at most. Says whether S3 has
    /// acknowledged this very copy; else what is there only looks like it.
    pub async fn copy_whole(
        &self,
        source: &ObjectRef,
        target: &Target,
        riding: &Riding,
        conditions: Conditions,
    ) -> StoreResult<(ETag, bool)> {
        let copy = |conditions| {
            let options = CopyObject {
                replace_attributes: Some(riding.attributes.clone()),
                replace_tags: Some(riding.tags.clone().unwrap_or_default()),
                storage_class: riding.attributes.storage_class.clone(),
                encryption: riding.attributes.encryption.clone(),
                conditions,
                ..CopyObject::default()
            };
            self.store.copy_object(copy_source(source), &target.bucket, &target.key, options)
        };
        let mut written = copy(conditions.clone()).await;
        if is_unsupported(&written) {
            self.check(target, &conditions).await?;
            written = copy(Conditions::default()).await;
        }
        match written {
            Ok(written) => Ok((written.etag, true)),
            Err(error) => {
                let etag = self.settle_copy(source, target, riding, error).await?;
                Ok((etag, false))
            }
        }
    }

    /// As [`Self::settle`] for a copy, whose ETag is not known before: what is there has the size
    /// and the metadata of what was to be. Without metadata it makes no claim.
    async fn settle_copy(
        &self,
        source: &ObjectRef,
        target: &Target,
        riding: &Riding,
        error: StoreError,
    ) -> StoreResult<ETag> {
        if error.kind != ErrorKind::Precondition || riding.attributes.metadata.is_empty() {
            return Err(error);
        }
        let head = self.store.head_object(&target.bucket, &target.key, HeadObject::default()).await;
        match head {
            Ok(head)
                if head.size == source.size
                    && head.attributes.metadata == riding.attributes.metadata =>
            {
                Ok(head.etag)
            }
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Looks whether a precondition holds, for servers that refuse to: weaker than theirs, since
    /// somebody may come between this and the write.
    async fn check(&self, target: &Target, conditions: &Conditions) -> StoreResult<()> {
        let head = self.store.head_object(&target.bucket, &target.key, HeadObject::default()).await;
        let there = match head {
            Ok(head) => Some(head.etag),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if is_met(conditions, there.as_ref()) {
            return Ok(());
        }
        let message = "the object is not the one that was to be replaced";
        Err(StoreError::new(ErrorKind::Precondition, "PreconditionFailed", message))
    }

    /// A write refused by its precondition may be our own, whose answer was lost and which the
    /// client sent again: then what is there has the ETag of what we sent.
    async fn settle(
        &self,
        target: &Target,
        written: StoreResult<Written>,
        expected: impl FnOnce() -> Option<ETag>,
    ) -> StoreResult<ETag> {
        let error = match written {
            Ok(written) => return Ok(written.etag),
            Err(error) => error,
        };
        let may_be_ours = matches!(error.kind, ErrorKind::Precondition | ErrorKind::NotFound);
        let Some(ours) = expected().filter(|_| may_be_ours) else { return Err(error) };
        let head = self.store.head_object(&target.bucket, &target.key, HeadObject::default()).await;
        match head {
            Ok(head) if head.etag == ours => Ok(ours),
            _ => Err(error),
        }
    }
}

/// One multipart upload: started by its first part, ended by [`Self::complete`] or
/// [`Self::abort`].
pub struct MultipartUpload {
    shared: Arc<Shared>,
    tasks: JoinSet<VfsResult<Arrival>>,
    numbers: HashMap<Id, u32>,
    /// By number, with the memory of bytes that only the task still has.
    under_way: BTreeMap<u32, Option<HeldMemory>>,
    parts: BTreeMap<u32, Part>,
    /// Of the parts that S3 has, those whose bytes may be here, by number.
    here: BTreeMap<u32, Here>,
}

/// A part that S3 has.
struct Arrival {
    part: Part,
    here: Option<Here>,
}

struct Shared {
    uploader: Arc<Uploader>,
    gatherer: Arc<Gatherer>,
    target: Target,
    riding: Riding,
    begun: OnceCell<Begun>,
    /// Keeps what arrives.
    keeping: Option<KeptParts>,
    /// Bytes that arrived.
    sent: Arc<AtomicU64>,
}

impl MultipartUpload {
    /// Asks nothing of S3 yet.
    #[must_use]
    pub fn new(
        uploader: &Arc<Uploader>,
        gatherer: &Arc<Gatherer>,
        target: Target,
        riding: Riding,
    ) -> Self {
        let (uploader, gatherer) = (Arc::clone(uploader), Arc::clone(gatherer));
        Self {
            shared: Arc::new(Shared::new(uploader, gatherer, target, riding)),
            tasks: JoinSet::new(),
            numbers: HashMap::new(),
            under_way: BTreeMap::new(),
            parts: BTreeMap::new(),
            here: BTreeMap::new(),
        }
    }

    /// How many bytes of it S3 has, as they arrive; bytes that were sent twice count twice.
    #[must_use]
    pub fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.sent)
    }

    /// Sends a part, whose bytes begin at `start` in the file. Must be called inside a runtime, and
    /// not while that number is under way.
    pub fn send(&mut self, number: u32, start: u64, pieces: Vec<Piece>) {
        let shared = Arc::clone(&self.shared);
        self.spawn(number, async move { shared.send(number, start, pieces).await });
    }

    /// Has S3 copy bytes of an object into a part, whose bytes begin at `start` in the file.
    pub fn copy(&mut self, number: u32, start: u64, object: ObjectRef, range: Range<u64>) {
        let shared = Arc::clone(&self.shared);
        self.spawn(number, async move {
            let part = shared.copy(number, &object, range.clone()).await?;
            let is_as_before = start == range.start && shared.target.is_of(&object);
            Ok(Arrival { part, here: is_as_before.then_some(Here::As(object, range)) })
        });
    }

    /// Whether that part is on its way.
    #[must_use]
    pub fn is_under_way(&self, number: u32) -> bool {
        self.under_way.contains_key(&number)
    }

    /// Whether any part is on its way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Whether that part was ever sent and did not fail.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.is_under_way(number) || self.parts.contains_key(&number)
    }

    /// Whether S3 has that part, and nothing of its number is on its way.
    #[must_use]
    pub fn has_arrived(&self, number: u32) -> bool {
        !self.is_under_way(number) && self.parts.contains_key(&number)
    }

    /// Keeps memory reserved until that part has ended: of bytes that its task alone still has.
    pub fn keep_memory(&mut self, number: u32, memory: HeldMemory) {
        match self.under_way.get_mut(&number) {
            Some(Some(kept)) => kept.merge(memory),
            Some(none) => *none = Some(memory),
            None => drop(memory),
        }
    }

    /// The next part that has ended, without waiting.
    pub fn try_arrival(&mut self) -> Option<(u32, VfsResult<()>)> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.ended(ended))
    }

    /// Waits for one more part to end; `None` when none is under way.
    pub async fn arrival(&mut self) -> Option<(u32, VfsResult<()>)> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.ended(ended))
    }

    /// Waits for these parts and makes them one object, of so many bytes. What is kept of them
    /// here is the object's from then on.
    pub async fn complete(
        &mut self,
        numbers: &[u32],
        bytes: u64,
        conditions: Conditions,
    ) -> VfsResult<ETag> {
        while let Some((number, arrived)) = self.arrival().await {
            if numbers.binary_search(&number).is_ok() {
                arrived?;
            }
        }
        let parts = numbers.iter().filter_map(|number| self.parts.get(number).cloned());
        let parts: Vec<Part> = parts.collect();
        if parts.len() < numbers.len() {
            let message = "a part of the upload is missing";
            return Err(StoreError::new(ErrorKind::Invalid, "InvalidPart", message).into());
        }
        let (uploader, target) = (&self.shared.uploader, &self.shared.target);
        let begun = self.shared.begun().await?;
        let complete = |conditions| {
            let options = CompleteMultipart { checksum: None, conditions };
            uploader.store.complete_multipart(begun.upload(), parts.clone(), options)
        };
        let mut completed = complete(conditions.clone()).await;
        if is_unsupported(&completed) {
            uploader.check(target, &conditions).await?;
            completed = complete(Conditions::default()).await;
        }
        let is_told = completed.is_ok();
        let etag = uploader.settle(target, completed, || multipart_etag(&parts)).await?;
        if is_told {
            begun.ended().await;
        } else {
            // An earlier upload of the same bytes may have made the object, and this one be left.
            begun.abort().await;
        }
        self.keep(numbers, bytes, &etag);
        Ok(etag)
    }

    fn keep(&self, numbers: &[u32], bytes: u64, etag: &ETag) {
        let Some(kept) = &self.shared.keeping else { return };
        let Target { bucket, key } = self.shared.target.clone();
        let object = ObjectRef { bucket, key, etag: etag.clone(), size: bytes };
        let here = numbers.iter().filter_map(|number| self.here.get(number).cloned());
        self.shared.gatherer.reader().keep_parted(&object, kept, here);
    }

    /// Stops the parts and has S3 forget those that arrived, as [`Begun::abort`] does.
    pub async fn abort(mut self) {
        self.tasks.shutdown().await;
        if let Some(begun) = self.shared.begun.get() {
            begun.abort().await;
        }
    }

    fn spawn(
        &mut self,
        number: u32,
        task: impl Future<Output = VfsResult<Arrival>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(task);
        self.numbers.insert(task.id(), number);
        self.under_way.insert(number, None);
    }

    fn ended(
        &mut self,
        ended: Result<(Id, VfsResult<Arrival>), JoinError>,
    ) -> (u32, VfsResult<()>) {
        let (id, arrived) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(panicked(&error))),
        };
        let number = self.numbers.remove(&id).unwrap_or_default();
        drop(self.under_way.remove(&number));
        // What S3 had under this number may be either of the two now.
        self.parts.remove(&number);
        self.here.remove(&number);
        (number, arrived.map(|arrival| self.note(number, arrival)))
    }

    fn note(&mut self, number: u32, Arrival { part, here }: Arrival) {
        self.parts.insert(number, part);
        self.here.extend(here.map(|here| (number, here)));
    }
}

impl Shared {
    fn new(
        uploader: Arc<Uploader>,
        gatherer: Arc<Gatherer>,
        target: Target,
        riding: Riding,
    ) -> Self {
        let (keeping, begun) = (gatherer.reader().keep_parts(), OnceCell::new());
        Self { uploader, gatherer, target, riding, begun, keeping, sent: Arc::default() }
    }

    async fn begun(&self) -> StoreResult<&Begun> {
        let Target { bucket, key } = &self.target;
        let write = || self.riding.write_options(Conditions::default());
        let multiparts = &self.uploader.multiparts;
        self.begun.get_or_try_init(|| multiparts.begin(bucket, key, write())).await
    }

    async fn send(&self, number: u32, start: u64, pieces: Vec<Piece>) -> VfsResult<Arrival> {
        let turn = self.uploader.turn().await;
        let upload = self.begun_for(number).await?.upload();
        let gathered = self.gatherer.gather(pieces).await?;
        let part = UploadPart { upload, number, checksum: None };
        let payload = Payload::Chunks(gathered.chunks.clone());
        let bytes = payload.bytes();
        let part = self.uploader.store.upload_part(part, payload).await?;
        turn.sent(bytes);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        let is_kept = self.keeping.as_ref().is_some_and(|kept| kept.keep(start, gathered.chunks));
        Ok(Arrival { part, here: is_kept.then_some(Here::Kept(start..start + bytes)) })
    }

    async fn copy(&self, number: u32, object: &ObjectRef, range: Range<u64>) -> StoreResult<Part> {
        // Never closed, so there is always one to come.
        let _turn = self.uploader.copies.acquire().await.ok();
        let upload = self.begun_for(number).await?.upload();
        let part = UploadPart { upload, number, checksum: None };
        let bytes = range.end - range.start;
        let range = StoreRange::Span { start: range.start, end: range.end };
        let source = copy_source(object);
        let arrived = self.uploader.store.upload_part_copy(part, source, Some(range)).await?;
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        Ok(arrived)
    }

    async fn begun_for(&self, number: u32) -> StoreResult<&Begun> {
        if number > PARTS_MAX {
            let message = format!("an upload has at most {PARTS_MAX} parts");
            return Err(StoreError::new(ErrorKind::Invalid, "InvalidArgument", message));
        }
        self.begun().await
    }
}

/// This version of an object and no other.
fn copy_source(object: &ObjectRef) -> CopySource {
    CopySource {
        bucket: object.bucket.to_string(),
        key: object.key.to_string(),
        version: None,
        conditions: Conditions::matching(object.etag.clone()),
    }
}

fn panicked(error: &JoinError) -> VfsError {
    StoreError::new(ErrorKind::Unavailable, "InternalError", error.to_string()).into()
}

fn is_unsupported(written: &StoreResult<Written>) -> bool {
    written.as_ref().is_err_and(|error| error.kind == ErrorKind::Unsupported)
}

/// Whether a write may replace what is there.
fn is_met(conditions: &Conditions, there: Option<&ETag>) -> bool {
    let matches = |condition: &EtagCondition| match condition {
        EtagCondition::Any => there.is_some(),
        EtagCondition::Is(etag) => there == Some(etag),
    };
    conditions.if_match.as_ref().is_none_or(matches)
        && !conditions.if_none_match.as_ref().is_some_and(matches)
}
