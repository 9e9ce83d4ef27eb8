//! Multipart: uploads in parts that do not outlive their mount.
//!
//! Parts of an object that is never completed cost money, and no listing shows them. So each
//! upload is an intent in the journal from before its first part until it was completed or
//! aborted; what a mount left there that was killed, the next one aborts (`ops::recover`).
//!
//! The id is what is recorded, once S3 has told it. The key could be recorded before S3 is asked,
//! and the uploads of that key looked for later; but nobody can tell such an upload from one that
//! another machine has begun of the same key since, and aborting that one would lose a file. What
//! remains is a window between S3's answer and the record, as for an answer that is lost on its
//! way: an upload that is forgotten there has no parts, which is an entry in the listing of
//! uploads and costs nothing.
//!
//! What the parts are, and whether the object may be completed, is the callers' business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::store::clock::Clock;
use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{CreateMultipart, WriteOptions};
use crate::store::{ObjectStore, Upload};
use crate::vfs::journal::{Intent, Journal, Record, to_ms};

/// Begins the uploads of a mount.
pub struct Multiparts {
    store: Arc<dyn ObjectStore>,
    journal: Option<Journal>,
    clock: Arc<dyn Clock>,
    has_warned: AtomicBool,
}

/// An upload in progress. Dropped, it is left to the next mount.
pub struct Begun {
    store: Arc<dyn ObjectStore>,
    bucket: Arc<str>,
    key: Arc<str>,
    id: String,
    record: Mutex<Option<Record>>,
}

impl Multiparts {
    /// Without a journal nothing is recorded.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        journal: Option<Journal>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { store, journal, clock, has_warned: AtomicBool::new(false) })
    }

    /// Where the uploads go.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Begins an upload, and has recorded it when this returns. Whoever gives up waiting leaves
    /// nothing behind.
    ///
    /// A disk that does not take the record is warned of, once: the upload goes on without.
    pub async fn begin(
        self: &Arc<Self>,
        bucket: &Arc<str>,
        key: &Arc<str>,
        write: WriteOptions,
    ) -> StoreResult<Begun> {
        let (multiparts, bucket, key) = (Arc::clone(self), Arc::clone(bucket), Arc::clone(key));
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let begun = multiparts.begin_recorded(bucket, key, write).await;
            drop(answer.send(begun.map(Unclaimed::new)));
        });
        let gone = || {
            let message = "the task that began an upload is gone";
            StoreError::new(ErrorKind::Unavailable, "InternalError", message)
        };
        let unclaimed = answered.await.map_err(|_| gone())??;
        unclaimed.claim().ok_or_else(gone)
    }

    async fn begin_recorded(
        &self,
        bucket: Arc<str>,
        key: Arc<str>,
        write: WriteOptions,
    ) -> StoreResult<Begun> {
        let options = CreateMultipart { write, checksum: None };
        let id = self.store.create_multipart(&bucket, &key, options).await?;
        let intent = Intent::AbortUpload {
            bucket: bucket.to_string(),
            key: key.to_string(),
            upload: id.clone(),
            began_ms: to_ms(self.clock.wall()),
        };
        let record = Mutex::new(self.record(intent).await);
        Ok(Begun { store: Arc::clone(&self.store), bucket, key, id, record })
    }

    async fn record(&self, intent: Intent) -> Option<Record> {
        let journal = self.journal.clone()?;
        let recorded = tokio::task::spawn_blocking(move || journal.record(&intent)).await;
        let reason = match recorded {
            Ok(Ok(record)) => return Some(record),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "uploads can't be recorded, and stay in S3 if this mount is killed: {reason}"
            );
        }
        None
    }
}

/// An upload on its way to whoever asked for it. One that never arrives is aborted.
struct Unclaimed {
    begun: Option<Begun>,
}

impl Unclaimed {
    fn new(begun: Begun) -> Self {
        Self { begun: Some(begun) }
    }

    fn claim(mut self) -> Option<Begun> {
        self.begun.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        // Without a runtime the mount is at its end, and the next finds the record.
        if let (Some(begun), Ok(runtime)) = (self.begun.take(), Handle::try_current()) {
            drop(runtime.spawn(async move { begun.abort().await }));
        }
    }
}

impl Begun {
    /// As requests name it.
    #[must_use]
    pub fn upload(&self) -> Upload<'_> {
        Upload { bucket: &self.bucket, key: &self.key, upload: &self.id }
    }

    /// It was completed or aborted: there is nothing left to do.
    pub async fn ended(&self) {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(record) = record else { return };
        // What is found again by mistake is no longer there to be aborted.
        match tokio::task::spawn_blocking(move || record.finish_soon()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("an intent could not be removed: {error}"),
            Err(panic) => tracing::error!("an intent could not be removed: {panic}"),
        }
    }

    /// Has S3 forget it and its parts. A failure is logged: S3 keeps the parts then, until the
    /// next mount or the bucket's lifecycle rule for incomplete uploads removes them.
    pub async fn abort(&self) {
        let aborted = self.store.abort_multipart(self.upload()).await;
        match aborted {
            Err(error) if error.kind != ErrorKind::NotFound => {
                let (key, id) = (&self.key, &self.id);
                tracing::warn!(%key, upload = %id, %error, "upload could not be aborted");
            }
            Ok(()) | Err(_) => self.ended().await,
        }
    }
}

#[cfg(test)]
mod tests;
