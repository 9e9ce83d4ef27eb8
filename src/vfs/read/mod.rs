//! Reading: bytes of one version of an object, from memory or S3.
//!
//! A [`Reader`] serves a mount, a [`ReadHandle`] one opened version. How a handle is read is told
//! by `pattern`, what to fetch for that by `plan`, and `fetch` gets it; here they are joined with
//! the cache. Nothing here knows inodes or names.

pub mod fetch;
pub mod first;
pub mod pattern;
pub mod plan;
pub mod written;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::store::ObjectStore;
use crate::vfs::budget::{Budget, Reservation};
use crate::vfs::buffers::Buffers;
use crate::vfs::cache::disk::DiskCache;
use crate::vfs::cache::flight::Flight;
use crate::vfs::cache::memory::{Origin, extent_memory};
use crate::vfs::cache::{Cache, Found, Landing};
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::read::fetch::{Fetcher, Urgency};
use crate::vfs::read::pattern::{Pattern, Patterns, Scan};
use crate::vfs::read::plan::{
    Ahead, ReadLimits, ReadPlan, Shape, Stretch, plan_ahead, plan_piece, plan_read,
};
use crate::vfs::types::ObjectRef;

/// The read path of one mount.
pub struct Reader {
    store: Arc<dyn ObjectStore>,
    fetcher: Arc<Fetcher>,
    cache: Arc<Cache>,
    disk: Option<Arc<DiskCache>>,
    budget: Arc<Budget>,
    limits: ReadLimits,
    runtime: Handle,
    /// Open handles that are or were scanned.
    scanned_handles: AtomicU64,
}

/// One version of an object, opened for reading. Dropped, it stops fetching ahead.
pub struct ReadHandle {
    reader: Arc<Reader>,
    object: ObjectRef,
    /// S3 no longer has this version.
    gone: Arc<AtomicBool>,
    state: Mutex<HandleState>,
}

#[derive(Default)]
struct HandleState {
    patterns: Patterns,
    /// What is fetched ahead; stopped when dropped.
    ahead: JoinSet<()>,
    /// Counted in [`Reader::scanned_handles`].
    scanned: bool,
}

/// A stretch of what was asked for.
enum Part {
    Here {
        start: u64,
        bytes: Bytes,
    },
    /// Fetched by somebody else.
    Joined(Flight),
    /// Fetched for this very read.
    Ours(Flight),
}

impl Reader {
    /// To be called inside a runtime: the one that fetches will run on.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, budget: Arc<Budget>, limits: ReadLimits) -> Arc<Self> {
        Self::over_disk(store, None, budget, limits)
    }

    /// As [`Self::new`], with what is cached on disk.
    #[must_use]
    pub fn over_disk(
        store: Arc<dyn ObjectStore>,
        disk: Option<Arc<DiskCache>>,
        budget: Arc<Budget>,
        limits: ReadLimits,
    ) -> Arc<Self> {
        let fetcher = Fetcher::new(Arc::clone(&store), disk.clone(), Arc::clone(&budget), limits);
        Arc::new(Self {
            fetcher: Arc::new(fetcher),
            cache: Cache::new(Arc::clone(&budget)),
            store,
            disk,
            budget,
            limits,
            runtime: Handle::current(),
            scanned_handles: AtomicU64::new(0),
        })
    }

    /// The buffers that blocks are fetched into.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        self.fetcher.buffers()
    }

    /// Opens a version that S3 is known to have, and forgets what is cached of others.
    #[must_use]
    pub fn open(self: &Arc<Self>, object: ObjectRef) -> ReadHandle {
        self.forget_others(&object);
        ReadHandle {
            reader: Arc::clone(self),
            object,
            gone: Arc::default(),
            state: Mutex::default(),
        }
    }

    /// Fetches a range in memory that was reserved for it, past the cache.
    pub async fn bring(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        memory: Reservation,
    ) -> VfsResult<Bytes> {
        self.fetcher.fetch_range(object, &range, Urgency::Reserved(memory)).await
    }

    /// Forgets what is cached of an object, whatever its version.
    pub fn forget(&self, bucket: &str, key: &str) {
        self.cache.forget(bucket, key);
        if let Some(disk) = &self.disk {
            disk.forget(bucket, key);
        }
    }

    /// Forgets what is cached of other versions of an object than this.
    pub fn forget_others(&self, object: &ObjectRef) {
        self.cache.forget_others(object);
        if let Some(disk) = &self.disk {
            disk.forget_others(object);
        }
    }

    /// What is cached on disk.
    #[must_use]
    pub fn disk(&self) -> Option<&Arc<DiskCache>> {
        self.disk.as_ref()
    }

    /// Whether bytes of some version of an object may be on disk.
    #[must_use]
    pub fn may_be_on_disk(&self, bucket: &str, key: &str) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.may_have_some(bucket, key))
    }

    /// How many bytes of this version are in memory.
    #[must_use]
    pub fn cached_bytes(&self, object: &ObjectRef) -> u64 {
        self.cache.cached_bytes(object)
    }
}

impl ReadHandle {
    #[must_use]
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Up to `bytes` bytes from `offset`; fewer only at the end of the object. Ready at the first
    /// poll where they are cached.
    ///
    /// Fails with `Stale` where S3 no longer has this version, with `Deadline` or the store's
    /// error where it could not be had in time.
    pub async fn read(&self, offset: u64, bytes: u32) -> VfsResult<Bytes> {
        let end = offset.saturating_add(u64::from(bytes)).min(self.object.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let (mut parts, shape) = self.begin(offset..end);
        let mut slices = Vec::with_capacity(1);
        let mut at = offset;
        loop {
            at = collect(parts, at, end, &mut slices).await?;
            if at == end {
                return Ok(joined(slices));
            }
            // Somebody gave up a fetch that this read had joined.
            parts = self.parts(at..end, shape);
        }
    }

    /// Takes note of a read and starts what it needs: what is waited for, then what is ahead.
    fn begin(&self, asked: Range<u64>) -> (Vec<Part>, Shape) {
        let mut guard = self.state();
        let state = &mut *guard;
        let scans = state.patterns.scans();
        let mut scan = state.patterns.observe(&asked);
        let plan = self.plan(&asked, scan.pattern(), scans);
        let parts = self.parts(asked.clone(), plan.awaited);
        if parts.iter().any(|part| part.is_missing_from(&scan)) {
            scan.lose_ahead(&asked);
        }
        self.leave_behind(&mut scan);
        if plan.ahead != Ahead::Nothing {
            self.count_scanned(&mut state.scanned);
            self.fetch_ahead(&mut state.ahead, &mut scan, &asked, plan.ahead);
        }
        (parts, plan.awaited)
    }

    fn plan(&self, asked: &Range<u64>, pattern: Pattern, scans: u64) -> ReadPlan {
        let handles = self.reader.scanned_handles.load(Ordering::Relaxed);
        let sharing = handles.max(1) * scans.max(1);
        plan_read(asked, self.object.size, pattern, &self.reader.limits, sharing)
    }

    /// All of `asked`, in order; begins to fetch what is neither here nor coming.
    fn parts(&self, asked: Range<u64>, shape: Shape) -> Vec<Part> {
        let origin = origin_of(shape);
        let mut parts = Vec::with_capacity(1);
        let mut at = asked.start;
        while at < asked.end {
            match self.reader.cache.find(&self.object, at) {
                Found::Here { start, bytes } => {
                    at = start + bytes.len() as u64;
                    parts.push(Part::Here { start, bytes });
                }
                Found::Coming(flight) => {
                    at = flight.range().end;
                    parts.push(Part::Joined(flight));
                }
                Found::Free(free) => {
                    let piece = plan_piece(at, self.object.size, shape, &free);
                    let Some(flight) = self.fetch_awaited(piece, origin) else { continue };
                    at = flight.range().end;
                    parts.push(Part::Ours(flight));
                }
            }
        }
        parts
    }

    /// Begins to fetch a piece that a read waits for; `None` if somebody else just did.
    fn fetch_awaited(&self, piece: Range<u64>, origin: Origin) -> Option<Flight> {
        let (landing, flight) = self.reader.cache.claim(&self.object, piece, origin)?;
        drop(self.reader.runtime.spawn(self.fetch(landing, Urgency::Awaited)));
        Some(flight)
    }

    fn leave_behind(&self, scan: &mut Scan<'_>) {
        let left = scan.left_behind(self.reader.limits.block_bytes);
        if !left.is_empty() {
            let until = self.reader.cache.demote(&self.object, left.clone());
            scan.leave(&left, until);
        }
    }

    /// Begins to fetch what is missing of what the plan is to have ahead, as far as there is
    /// memory at once.
    fn fetch_ahead(
        &self,
        tasks: &mut JoinSet<()>,
        scan: &mut Scan<'_>,
        asked: &Range<u64>,
        ahead: Ahead,
    ) {
        while tasks.try_join_next().is_some() {}
        while let Some(stretch) = plan_ahead(ahead, scan, asked, self.object.size) {
            let until = self.fetch_stretch(tasks, &stretch);
            scan.have_ahead(&stretch.range, until);
            if until < stretch.range.end {
                break;
            }
        }
    }

    /// Begins to fetch what is missing of a stretch, and says how far that was possible.
    fn fetch_stretch(&self, tasks: &mut JoinSet<()>, stretch: &Stretch) -> u64 {
        let reader = &self.reader;
        let mut at = stretch.range.start;
        while at < stretch.range.end && !self.gone.load(Ordering::Relaxed) {
            let free = match reader.cache.covered_until(&self.object, at) {
                Ok(end) => {
                    at = end;
                    continue;
                }
                Err(free) => free,
            };
            let piece = plan_piece(at, self.object.size, stretch.shape, &free);
            let bytes = extent_memory(piece.end - piece.start);
            reader.cache.recycle(bytes);
            let Some(memory) = reader.budget.try_reserve_spare(bytes) else { break };
            let origin = origin_of(stretch.shape);
            if let Some((landing, _)) = reader.cache.claim(&self.object, piece.clone(), origin) {
                at = piece.end;
                let fetch = self.fetch(landing, Urgency::Ahead(memory));
                tasks.spawn_on(fetch, &reader.runtime);
            }
        }
        at
    }

    fn fetch(
        &self,
        landing: Landing,
        urgency: Urgency,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (fetcher, gone) = (Arc::clone(&self.reader.fetcher), Arc::clone(&self.gone));
        async move { fetcher.fetch(landing, &gone, urgency).await }
    }

    fn count_scanned(&self, scanned: &mut bool) {
        if !std::mem::replace(scanned, true) {
            self.reader.scanned_handles.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, HandleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadHandle {
    fn drop(&mut self) {
        let state = self.state();
        for held in state.patterns.held() {
            let behind_last_piece = held.end.saturating_add(self.reader.limits.block_bytes);
            self.reader.cache.demote(&self.object, held.start..behind_last_piece);
        }
        if state.scanned {
            self.reader.scanned_handles.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Part {
    /// Whether this had to be fetched although it had been fetched ahead.
    fn is_missing_from(&self, scan: &Scan<'_>) -> bool {
        match self {
            Self::Ours(flight) => scan.expects(flight.range()),
            Self::Here { .. } | Self::Joined(_) => false,
        }
    }
}

/// What is read here and there is kept in case it is wanted again.
fn origin_of(shape: Shape) -> Origin {
    match shape {
        Shape::Whole | Shape::Exact { .. } => Origin::Asked,
        Shape::Pieces { .. } => Origin::Scan,
    }
}

/// Waits for the parts in order and adds their bytes between `at` and `end`; says how far they
/// went, which is less than to the end where a fetch was given up.
async fn collect(
    parts: Vec<Part>,
    mut at: u64,
    end: u64,
    slices: &mut Vec<Bytes>,
) -> VfsResult<u64> {
    for part in parts {
        let (start, bytes) = match part {
            Part::Here { start, bytes } => (start, bytes),
            Part::Joined(flight) => match flight.landed().await {
                Some(outcome) => (flight.range().start, outcome?),
                None => return Ok(at),
            },
            // Nobody gives up what is waited for, except with the runtime.
            Part::Ours(flight) => match flight.landed().await {
                Some(outcome) => (flight.range().start, outcome?),
                None => return Err(VfsError::ShuttingDown),
            },
        };
        let until = end.min(start + bytes.len() as u64);
        slices.push(bytes.slice(index(at - start)..index(until - start)));
        at = until;
    }
    Ok(at)
}

/// Copies only where there is more than one slice.
fn joined(mut slices: Vec<Bytes>) -> Bytes {
    if slices.len() == 1 {
        return slices.remove(0);
    }
    let mut whole = BytesMut::with_capacity(slices.iter().map(Bytes::len).sum());
    for slice in slices {
        whole.extend_from_slice(&slice);
    }
    whole.freeze()
}

/// An offset in bytes that are in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
