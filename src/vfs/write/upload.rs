//! Upload: the requests that carry a file to S3.
//!
//! [`Uploader`] is the mount's share of them: how many run at once. [`MultipartUpload`] is one
//! file's: its parts go up in tasks of their own while the program goes on writing. What is sent
//! and when is `draft`'s decision.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    CompleteMultipart, Conditions, CopySource, CreateMultipart, ETag, EtagCondition, HeadObject,
    Part, Payload, Range, WriteOptions, Written,
};
use crate::store::{ObjectStore, Upload, UploadPart};
use crate::vfs::budget::Reservation;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::plan::{PARTS_MAX, multipart_etag, plan_copy_ranges, single_etag};

/// Part copies are cut to this size, so that several run at once.
const COPY_RANGE_BYTES: u64 = 512 << 20;

/// The object that a file's bytes go to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    pub bucket: Arc<str>,
    pub key: Arc<str>,
}

/// What all uploads of a mount share.
pub struct Uploader {
    store: Arc<dyn ObjectStore>,
    requests: Semaphore,
}

impl Uploader {
    /// At most `requests_max` uploads of bytes run at once.
    pub fn new(store: Arc<dyn ObjectStore>, requests_max: usize) -> Arc<Self> {
        Arc::new(Self { store, requests: Semaphore::new(requests_max) })
    }

    /// Sends the whole of a file by one PUT.
    pub async fn put_whole(
        &self,
        target: &Target,
        chunks: Vec<Bytes>,
        conditions: Conditions,
    ) -> StoreResult<ETag> {
        let _turn = self.turn().await;
        let put = |conditions| {
            let options = WriteOptions { conditions, ..WriteOptions::default() };
            let payload = Payload::Chunks(chunks.clone());
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

    async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // The semaphore is never closed, so there is always a turn to come.
        self.requests.acquire().await.ok()
    }
}

/// One multipart upload: started by its first part, ended by [`Self::complete`] or
/// [`Self::abort`].
pub struct MultipartUpload {
    shared: Arc<Shared>,
    tasks: JoinSet<StoreResult<Part>>,
    parts: Vec<Part>,
    next_number: u32,
}

struct Shared {
    uploader: Arc<Uploader>,
    target: Target,
    id: OnceCell<String>,
}

impl MultipartUpload {
    /// Asks nothing of S3 yet.
    pub fn new(uploader: &Arc<Uploader>, target: Target) -> Self {
        let shared = Shared { uploader: Arc::clone(uploader), target, id: OnceCell::new() };
        Self { shared: Arc::new(shared), tasks: JoinSet::new(), parts: Vec::new(), next_number: 1 }
    }

    /// The number that the next part gets; over [`PARTS_MAX`] there is none left.
    pub fn next_number(&self) -> u32 {
        self.next_number
    }

    /// Sends a part; `memory` is given back when S3 has it. Must be called inside a runtime.
    pub fn send(&mut self, chunks: Vec<Bytes>, memory: Reservation) {
        let shared = Arc::clone(&self.shared);
        let number = self.take_number();
        self.tasks.spawn(async move {
            let part = shared.send(number, chunks).await;
            drop(memory);
            part
        });
    }

    /// Has S3 copy the first bytes of `base` into the next parts.
    pub fn copy(&mut self, base: &ObjectRef, bytes: u64) {
        for (number, range) in plan_copy_ranges(bytes, COPY_RANGE_BYTES, self.next_number) {
            let shared = Arc::clone(&self.shared);
            let base = base.clone();
            self.next_number = number + 1;
            self.tasks.spawn(async move { shared.copy(number, &base, range).await });
        }
    }

    /// The first failure so far, without waiting.
    pub fn failure(&mut self) -> Option<StoreError> {
        while let Some(ended) = self.tasks.try_join_next() {
            match joined(ended) {
                Ok(part) => self.parts.push(part),
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Waits for one more part to arrive; `None` when none is under way.
    pub async fn arrival(&mut self) -> Option<StoreResult<()>> {
        let ended = self.tasks.join_next().await?;
        Some(joined(ended).map(|part| self.parts.push(part)))
    }

    /// Waits for all parts and makes them one object. After a failure the upload must still be
    /// aborted.
    pub async fn complete(&mut self, conditions: Conditions) -> StoreResult<ETag> {
        while let Some(arrival) = self.arrival().await {
            arrival?;
        }
        self.parts.sort_by_key(|part| part.number);
        let (store, target) = (&self.shared.uploader.store, &self.shared.target);
        let id = self.shared.id().await?;
        let complete = |conditions| {
            let options = CompleteMultipart { checksum: None, conditions };
            store.complete_multipart(self.shared.upload(id), self.parts.clone(), options)
        };
        let mut completed = complete(conditions.clone()).await;
        if is_unsupported(&completed) {
            self.shared.uploader.check(target, &conditions).await?;
            completed = complete(Conditions::default()).await;
        }
        let expected = || multipart_etag(&self.parts);
        self.shared.uploader.settle(target, completed, expected).await
    }

    /// Stops the parts and has S3 forget those that arrived. A failure is logged: S3 keeps the
    /// parts then, until the bucket's lifecycle rule for incomplete uploads removes them.
    pub async fn abort(mut self) {
        self.tasks.shutdown().await;
        let Some(id) = self.shared.id.get() else { return };
        let upload = self.shared.upload(id);
        if let Err(error) = self.shared.uploader.store.abort_multipart(upload).await {
            tracing::warn!(key = %upload.key, upload = %id, %error, "upload could not be aborted");
        }
    }

    fn take_number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number - 1
    }
}

impl Shared {
    async fn id(&self) -> StoreResult<&String> {
        let target = &self.target;
        self.id
            .get_or_try_init(|| async {
                let options = CreateMultipart::default();
                self.uploader.store.create_multipart(&target.bucket, &target.key, options).await
            })
            .await
    }

    fn upload<'a>(&'a self, id: &'a str) -> Upload<'a> {
        Upload { bucket: &self.target.bucket, key: &self.target.key, upload: id }
    }

    async fn send(&self, number: u32, chunks: Vec<Bytes>) -> StoreResult<Part> {
        let _turn = self.uploader.turn().await;
        let upload = self.upload(self.numbered_id(number).await?);
        let part = UploadPart { upload, number, checksum: None };
        self.uploader.store.upload_part(part, Payload::Chunks(chunks)).await
    }

    async fn copy(
        &self,
        number: u32,
        base: &ObjectRef,
        range: std::ops::Range<u64>,
    ) -> StoreResult<Part> {
        let _turn = self.uploader.turn().await;
        let upload = self.upload(self.numbered_id(number).await?);
        let part = UploadPart { upload, number, checksum: None };
        let source = CopySource {
            bucket: base.bucket.to_string(),
            key: base.key.to_string(),
            version: None,
            conditions: Conditions::matching(base.etag.clone()),
        };
        let range = Range::Span { start: range.start, end: range.end };
        self.uploader.store.upload_part_copy(part, source, Some(range)).await
    }

    async fn numbered_id(&self, number: u32) -> StoreResult<&String> {
        if number > PARTS_MAX {
            let message = format!("an upload has at most {PARTS_MAX} parts");
            return Err(StoreError::new(ErrorKind::Invalid, "InvalidArgument", message));
        }
        self.id().await
    }
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

fn joined(ended: Result<StoreResult<Part>, tokio::task::JoinError>) -> StoreResult<Part> {
    ended.unwrap_or_else(|error| {
        Err(StoreError::new(ErrorKind::Unavailable, "InternalError", error.to_string()))
    })
}
