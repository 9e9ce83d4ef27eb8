//! Written: what this mount uploads is kept on disk, so that it need not be read from S3.
//!
//! Nothing waits for that, and no memory is taken that somebody else wants soon: what there is none
//! for is not kept. Bytes in memory are counted until they are on disk. Which bytes are those of
//! the object is the uploader's business.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::vfs::budget::{Budget, Reservation};
use crate::vfs::cache::disk::{DiskCache, Incoming};
use crate::vfs::read::Reader;
use crate::vfs::types::ObjectRef;

/// The parts of one upload, kept while it is under way. Dropped, they are forgotten.
pub struct KeptParts {
    disk: Arc<DiskCache>,
    incoming: Incoming,
    budget: Arc<Budget>,
}

/// Where bytes of an object in parts are, without asking S3.
#[derive(Clone, Debug)]
pub enum Here {
    /// They were kept as a part: its range of the object.
    Kept(Range<u64>),
    /// They are those of the version before, whose place the object takes, in the same range.
    As(ObjectRef, Range<u64>),
}

impl Reader {
    /// Keeps what this mount has made an object by one request.
    pub fn keep_written(&self, object: &ObjectRef, chunks: Vec<Bytes>) {
        let Some(disk) = &self.disk else { return };
        disk.forget_others(object);
        if let Some(memory) = reserve(disk, &self.budget, object.size) {
            disk.store(object, 0, chunks, Some(memory));
        }
    }

    /// Begins to keep what is uploaded in parts; `None` where nothing is kept.
    #[must_use]
    pub fn keep_parts(&self) -> Option<KeptParts> {
        let disk = self.disk.clone()?;
        let incoming = disk.begin_upload();
        Some(KeptParts { disk, incoming, budget: Arc::clone(&self.budget) })
    }

    /// This mount has made parts an object, some of whose bytes are here.
    pub fn keep_parted(
        &self,
        object: &ObjectRef,
        parts: &KeptParts,
        here: impl Iterator<Item = Here>,
    ) {
        let Some(disk) = &self.disk else { return };
        let (mut kept, mut before) = (Vec::new(), None::<(ObjectRef, Vec<_>)>);
        for here in here {
            match (here, &mut before) {
                (Here::Kept(range), _) => kept.push(range),
                (Here::As(version, range), None) => before = Some((version, vec![range])),
                (Here::As(version, range), Some((first, ranges))) => {
                    if version == *first {
                        ranges.push(range);
                    }
                }
            }
        }
        // In this order: the version before is dropped when the new one has what it can use of it.
        parts.incoming.become_version(object, kept, before);
        disk.forget_others(object);
    }

    /// S3 has made `to` of all bytes of `from`, which is gone.
    pub fn keep_moved(&self, from: &ObjectRef, to: &ObjectRef) {
        let Some(disk) = &self.disk else { return };
        disk.moved(from, to);
    }
}

impl KeptParts {
    /// Keeps a part that has arrived, in place of what was kept of its range before. False where it
    /// is not: what was kept before may be there still.
    #[must_use]
    pub fn keep(&self, start: u64, chunks: Vec<Bytes>) -> bool {
        let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let memory = reserve(&self.disk, &self.budget, bytes);
        memory.is_some_and(|memory| self.incoming.store(start, chunks, Some(memory)))
    }
}

/// Memory for what waits to be written. Nothing makes room in memory for what would not be.
fn reserve(disk: &DiskCache, budget: &Arc<Budget>, bytes: u64) -> Option<Reservation> {
    if disk.has_place(bytes) { budget.try_reserve_spare(bytes) } else { None }
}
