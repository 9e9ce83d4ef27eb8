//! Fetching: GETs of one version of an object, made again until their bytes are here.
//!
//! What to fetch is decided elsewhere. What is on disk is not asked for, and what was asked for is
//! kept there, where there is a disk cache. Every GET carries the version's ETag, so that no bytes of
//! another are ever taken; failures that pass are retried from where the body broke off.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::store::ObjectStore;
use crate::store::error::{ErrorKind, StoreError};
use crate::store::types::{Conditions, GetObject, Range as StoreRange};
use crate::vfs::budget::{Budget, Reservation};
use crate::vfs::buffers::{Buffer, Buffers};
use crate::vfs::cache::disk::DiskCache;
use crate::vfs::cache::memory::extent_memory;
use crate::vfs::cache::{Landing, reserved_bytes};
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::read::plan::ReadLimits;
use crate::vfs::types::ObjectRef;

/// The wait before the first retry is up to this; each further one waits up to twice as long.
const RETRY_DELAY_FIRST: Duration = Duration::from_millis(100);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// Who wants a fetch.
pub enum Urgency {
    /// A program waits for it.
    Awaited,
    /// It is ahead of a scan, and its memory is there already.
    Ahead(Reservation),
    /// Somebody waits for it, and its memory is there already.
    Reserved(Reservation),
}

/// Makes the GETs of one mount.
pub struct Fetcher {
    store: Arc<dyn ObjectStore>,
    disk: Option<Arc<DiskCache>>,
    budget: Arc<Budget>,
    buffers: Arc<Buffers>,
    limits: ReadLimits,
    requests: Semaphore,
    /// Of those, what may be fetched ahead.
    ahead_requests: Semaphore,
}

impl Fetcher {
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        disk: Option<Arc<DiskCache>>,
        budget: Arc<Budget>,
        limits: ReadLimits,
    ) -> Self {
        let requests = limits.requests_max.max(1);
        let ahead_requests = Semaphore::new((requests - requests / 4).max(1));
        Self {
            store,
            disk,
            budget,
            buffers: Arc::default(),
            limits,
            requests: Semaphore::new(requests),
            ahead_requests,
        }
    }

    /// What blocks are fetched into.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// Fetches what `landing` is about and lands it. `gone` is whether a handle knows already
    /// that its version is no more: set, and logged, by the first GET that finds out.
    pub async fn fetch(&self, landing: Landing, gone: &AtomicBool, urgency: Urgency) {
        let object = landing.object();
        let outcome = match gone.load(Ordering::Relaxed) {
            true => Err(VfsError::Stale),
            false => self.fetch_range(object, landing.range(), urgency).await,
        };
        if matches!(outcome, Err(VfsError::Stale)) && !gone.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                bucket = &*object.bucket,
                key = &*object.key,
                etag = object.etag.as_str(),
                "object was replaced or removed while it was open"
            );
        }
        landing.land(outcome);
    }

    /// Fetches a range, all of it, with as many GETs as it takes.
    pub async fn fetch_range(
        &self,
        object: &ObjectRef,
        range: &Range<u64>,
        urgency: Urgency,
    ) -> VfsResult<Bytes> {
        let deadline = Instant::now() + self.limits.operation_timeout;
        let bytes = range.end - range.start;
        let is_ahead = matches!(urgency, Urgency::Ahead(_));
        // Memory comes before the permit: whoever holds a permit waits for S3 alone.
        let memory = match urgency {
            Urgency::Awaited => self.reserve(extent_memory(bytes)).await,
            Urgency::Ahead(memory) | Urgency::Reserved(memory) => memory,
        };
        if let Some(data) = self.read_disk(object, range).await {
            return Ok(reserved_bytes(self.buffers.hold(data), memory));
        }
        // What was cached in that memory lies idle for a moment only.
        let mut data = self.buffers.take(usize::try_from(bytes).unwrap_or(usize::MAX));
        let ahead = match is_ahead {
            true => permit(&self.ahead_requests, deadline, &self.limits).await?,
            false => None,
        };
        let request = permit(&self.requests, deadline, &self.limits).await?;
        self.fill(object, range, &mut data, deadline).await?;
        drop((request, ahead));
        let fetched = reserved_bytes(data, memory);
        if let Some(disk) = &self.disk {
            disk.store(object, range.start, vec![fetched.clone()], None);
        }
        Ok(fetched)
    }

    /// What is on disk; nothing where the disk is slower than S3 may be.
    async fn read_disk(&self, object: &ObjectRef, range: &Range<u64>) -> Option<Vec<u8>> {
        let disk = self.disk.as_ref()?;
        timeout(self.limits.stall_timeout, disk.read(object, range)).await.ok().flatten()
    }

    /// Waits for memory, but not for ever: what holds it may itself be waiting for this read.
    async fn reserve(&self, bytes: u64) -> Reservation {
        match timeout(self.limits.memory_wait, self.budget.reserve(bytes)).await {
            Ok(reservation) => reservation,
            Err(_) => self.budget.reserve_over(bytes),
        }
    }

    async fn fill(
        &self,
        object: &ObjectRef,
        range: &Range<u64>,
        data: &mut Buffer,
        deadline: Instant,
    ) -> VfsResult<()> {
        let mut retries = 0;
        loop {
            let had = data.len();
            let Err(error) = self.attempt(object, range, data, deadline).await else {
                return Ok(());
            };
            retries = if data.len() > had { 0 } else { retries + 1 };
            let delay = retry_delay(retries, fastrand::f64());
            if !is_passing(&error) || Instant::now() + delay >= deadline {
                return Err(error);
            }
            tracing::debug!(
                bucket = &*object.bucket,
                key = &*object.key,
                offset = range.start + data.len() as u64,
                retries,
                %error,
                "get is made again"
            );
            sleep(delay).await;
        }
    }

    /// One GET of what is missing; adds to `data` what came, also where it fails.
    async fn attempt(
        &self,
        object: &ObjectRef,
        range: &Range<u64>,
        data: &mut Buffer,
        deadline: Instant,
    ) -> VfsResult<()> {
        let start = range.start + data.len() as u64;
        let options = GetObject {
            range: Some(StoreRange::Span { start, end: range.end }),
            conditions: Conditions::matching(object.etag.clone()),
            version: None,
        };
        let get = self.store.get_object(&object.bucket, &object.key, options);
        let got = self.unstalled(deadline, get).await?.map_err(meaning)?;
        if got.head.etag != object.etag {
            return Err(VfsError::Stale);
        }
        if got.range.start != start {
            return Err(broken("the server sent other bytes than were asked for"));
        }
        let mut body = got.body;
        let mut missing = usize::try_from(range.end - start).unwrap_or(usize::MAX);
        while missing > 0 {
            let chunk = match self.unstalled(deadline, body.next()).await? {
                Some(chunk) => chunk.map_err(meaning)?,
                None => return Err(broken("the body ended early")),
            };
            let taken = chunk.len().min(missing);
            data.push(&chunk[..taken]);
            missing -= taken;
        }
        Ok(())
    }

    async fn unstalled<T>(
        &self,
        deadline: Instant,
        future: impl Future<Output = T>,
    ) -> VfsResult<T> {
        let until = deadline.min(Instant::now() + self.limits.stall_timeout);
        timeout_at(until, future).await.map_err(|_| {
            let seconds = self.limits.stall_timeout.as_secs();
            let message = format!("no byte came for {seconds} s, or none before the deadline");
            VfsError::Store(StoreError::new(ErrorKind::Timeout, "RequestTimeout", message))
        })
    }
}

async fn permit<'a>(
    semaphore: &'a Semaphore,
    deadline: Instant,
    limits: &ReadLimits,
) -> VfsResult<Option<SemaphorePermit<'a>>> {
    match timeout_at(deadline, semaphore.acquire()).await {
        Ok(permit) => Ok(permit.ok()),
        Err(_) => Err(VfsError::Deadline(limits.operation_timeout.as_secs())),
    }
}

/// What a failure of a GET means to a handle whose object was there when it was opened.
fn meaning(error: StoreError) -> VfsError {
    match error.kind {
        ErrorKind::Precondition | ErrorKind::NotFound | ErrorKind::Range => VfsError::Stale,
        ErrorKind::Exists
        | ErrorKind::NotEmpty
        | ErrorKind::Conflict
        | ErrorKind::Forbidden
        | ErrorKind::Throttled
        | ErrorKind::Timeout
        | ErrorKind::Archived
        | ErrorKind::Invalid
        | ErrorKind::Full
        | ErrorKind::Unsupported
        | ErrorKind::Corrupt
        | ErrorKind::Unavailable => VfsError::Store(error),
    }
}

fn broken(message: &str) -> VfsError {
    VfsError::Store(StoreError::new(ErrorKind::Corrupt, "IncompleteBody", message))
}

fn is_passing(error: &VfsError) -> bool {
    matches!(error, VfsError::Store(error) if error.kind.is_passing())
}

/// A wait between nothing and a bound that doubles; `jitter` is within 0 and 1.
fn retry_delay(retries: u32, jitter: f64) -> Duration {
    let doubled = RETRY_DELAY_FIRST.saturating_mul(1 << retries.saturating_sub(1).min(16));
    doubled.min(RETRY_DELAY_MAX).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::vfs::read::fetch::{RETRY_DELAY_FIRST, RETRY_DELAY_MAX, retry_delay};

    #[test]
    fn the_wait_before_a_retry_doubles_up_to_a_bound() {
        assert_eq!(retry_delay(0, 1.0), RETRY_DELAY_FIRST);
        assert_eq!(retry_delay(1, 1.0), RETRY_DELAY_FIRST);
        assert_eq!(retry_delay(3, 1.0), RETRY_DELAY_FIRST * 4);
        assert_eq!(retry_delay(u32::MAX, 1.0), RETRY_DELAY_MAX);
        assert_eq!(retry_delay(5, 0.0), Duration::ZERO);
    }
}
