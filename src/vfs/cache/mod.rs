//! The cache: which bytes of which version are here, and which are on their way.
//!
//! One table of both under one short lock, so that a byte is either here, coming, or free to be
//! fetched by exactly one. What to fetch, and how, is `read`'s business; how much memory there is
//! `budget`'s: what is cached counts there, and is given back when asked for.

pub mod attributes;
pub mod disk;
pub mod flight;
pub mod memory;
pub mod spans;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::vfs::budget::{Budget, Reach, Reclaim, Reservation};
use crate::vfs::buffers::Buffer;
use crate::vfs::cache::flight::{Announcer, Flight, Flights, Outcome};
use crate::vfs::cache::memory::{Memory, Origin, extent_memory};
use crate::vfs::types::ObjectRef;

/// Of the memory for data, the share beyond which a scan takes the place of what scans have left
/// behind, which the kernel keeps as well.
const SCANNED_SHARE: u64 = 2;

/// What is known of the bytes from an offset on.
#[derive(Debug)]
pub enum Found {
    /// These bytes; the first is at `start` in the object, which is not behind the offset.
    Here { start: u64, bytes: Bytes },
    /// Somebody fetches them.
    Coming(Flight),
    /// Nobody has them, nor any other byte of this range.
    Free(Range<u64>),
}

/// The cached bytes of one mount.
pub struct Cache {
    tables: Mutex<Tables>,
    budget: Arc<Budget>,
}

struct Tables {
    memory: Memory,
    flights: Flights,
}

/// The duty to fetch a range. Dropped without [`Landing::land`], it is given up, and whoever
/// waits for it may fetch the range itself.
pub struct Landing {
    cache: Arc<Cache>,
    object: ObjectRef,
    range: Range<u64>,
    origin: Origin,
    announcer: Announcer,
    outcome: Option<Outcome>,
}

/// Bytes that hold their reservation as long as any slice of them lives.
struct Reserved {
    data: Buffer,
    _memory: Reservation,
}

impl AsRef<[u8]> for Reserved {
    fn as_ref(&self) -> &[u8] {
        self.data.as_ref()
    }
}

/// Ties bytes to the memory that was reserved for them.
#[must_use]
pub fn reserved_bytes(data: Buffer, memory: Reservation) -> Bytes {
    Bytes::from_owner(Reserved { data, _memory: memory })
}

impl Cache {
    /// A cache whose bytes are reserved of `budget`, and given back to it when it lacks memory.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Arc<Self> {
        let tables =
            Tables { memory: Memory::new(budget.bytes_max()), flights: Flights::default() };
        let cache = Arc::new(Self { tables: Mutex::new(tables), budget });
        let reclaimer: Weak<Self> = Arc::downgrade(&cache);
        cache.budget.set_reclaimer(reclaimer);
        cache
    }

    /// What is known of the byte at `offset` and those behind it. Counts as a use of cached bytes.
    #[must_use]
    pub fn find(&self, object: &ObjectRef, offset: u64) -> Found {
        let mut tables = self.tables();
        if let Some((start, bytes)) = tables.memory.get(object, offset) {
            return Found::Here { start, bytes };
        }
        if let Some(flight) = tables.flights.at(object, offset) {
            return Found::Coming(flight.clone());
        }
        Found::Free(tables.free_around(object, offset))
    }

    /// Up to where, from `offset` on, bytes are here or coming: `Err` with the free space around
    /// it if not even the one at `offset` is. Does not count as a use.
    pub fn covered_until(&self, object: &ObjectRef, offset: u64) -> Result<u64, Range<u64>> {
        let tables = self.tables();
        let flying = || tables.flights.at(object, offset).map(|flight| flight.range().end);
        tables
            .memory
            .covered_until(object, offset)
            .or_else(flying)
            .ok_or_else(|| tables.free_around(object, offset))
    }

    /// Takes on the fetch of `range`; `None` if any byte of it is here or coming by now.
    #[must_use]
    pub fn claim(
        self: &Arc<Self>,
        object: &ObjectRef,
        range: Range<u64>,
        origin: Origin,
    ) -> Option<(Landing, Flight)> {
        let mut tables = self.tables();
        if !tables.memory.is_free(object, &range) || !tables.flights.is_free(object, &range) {
            return None;
        }
        let (announcer, flight) = tables.flights.begin(object, range.clone());
        drop(tables);
        let (cache, object) = (Arc::clone(self), object.clone());
        Some((Landing { cache, object, range, origin, announcer, outcome: None }, flight))
    }

    /// Lets the cached bytes within `range` be the first to go; says up to where that is done.
    pub fn demote(&self, object: &ObjectRef, range: Range<u64>) -> u64 {
        self.tables().memory.demote(object, range)
    }

    /// Makes room for `bytes` more of a scan out of what scans have left behind, where more than a
    /// share of the memory is in use: it is used again rather than more of it, and what programs read
    /// here and there stays.
    pub fn recycle(&self, bytes: u64) {
        let share = self.budget.bytes_max() / SCANNED_SHARE;
        let over = self.budget.used().saturating_add(bytes).saturating_sub(share);
        if over > 0 {
            let evicted = self.tables().memory.evict_left(over.min(bytes));
            drop(evicted);
        }
    }

    /// Forgets all versions of an object.
    pub fn forget(&self, bucket: &str, key: &str) {
        let forgotten = self.tables().memory.forget(bucket, key);
        drop(forgotten);
    }

    /// Forgets all versions of an object but this one.
    pub fn forget_others(&self, object: &ObjectRef) {
        let forgotten = self.tables().memory.forget_others(object);
        drop(forgotten);
    }

    /// How many bytes of this version are here.
    #[must_use]
    pub fn cached_bytes(&self, object: &ObjectRef) -> u64 {
        self.tables().memory.cached_bytes(object)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn free_around(&self, object: &ObjectRef, offset: u64) -> Range<u64> {
        let cached = self.memory.free_around(object, offset);
        let flying = self.flights.free_around(object, offset);
        cached.start.max(flying.start)..cached.end.min(flying.end)
    }
}

impl Reclaim for Cache {
    fn reclaim(&self, bytes: u64, reach: Reach) -> u64 {
        // Dropped behind the lock: what is dropped goes to the budget, and may wake whoever waits.
        let evicted = self.tables().memory.evict(bytes, reach);
        evicted.iter().map(|extent| extent_memory(extent.len() as u64)).sum()
    }
}

impl Landing {
    /// Which bytes are to be fetched.
    #[must_use]
    pub fn range(&self) -> &Range<u64> {
        &self.range
    }

    #[must_use]
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Ends the fetch: bytes are cached, an error is only told to those who wait.
    pub fn land(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut tables = self.cache.tables();
        tables.flights.end(&self.object, self.range.start);
        if let Some(Ok(bytes)) = &self.outcome {
            tables.memory.insert(&self.object, self.range.start, bytes.clone(), self.origin);
        }
        drop(tables);
        if let Some(outcome) = self.outcome.take() {
            self.announcer.send_replace(Some(outcome));
        }
        // Cached bytes can be reclaimed, which those on their way could not.
        self.cache.budget.settle();
    }
}

#[cfg(test)]
mod tests;
