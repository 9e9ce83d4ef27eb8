//! Gathering: bytes that are in several places, brought together for one request.
//!
//! What is in memory is not copied. Memory for the rest is asked of the budget; where there is
//! none, one request at a time goes over it, so that there is always one to go on.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::vfs::budget::{Budget, Reservation};
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::read::Reader;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::staging::{StagedSpan, read_all};

/// What is fetched by one read.
const FETCH_BYTES: u64 = 8 << 20;

/// Where a stretch of a file's bytes is to be had.
#[derive(Clone, Debug)]
pub enum Piece {
    Held(Bytes),
    Staged(StagedSpan),
    /// A range of an object in S3.
    Remote(ObjectRef, Range<u64>),
    Zeros(u64),
}

/// What a mount's requests gather their bytes with.
pub struct Gatherer {
    reader: Arc<Reader>,
    budget: Arc<Budget>,
    over: Semaphore,
}

/// Bytes in a row, and the memory they take.
pub struct Gathered<'a> {
    pub chunks: Vec<Bytes>,
    _memory: Reservation,
    _over: Option<SemaphorePermit<'a>>,
}

impl Piece {
    /// How many bytes of the file it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Held(data) => data.len() as u64,
            Self::Staged(span) => span.bytes(),
            Self::Remote(_, range) => range.end - range.start,
            Self::Zeros(bytes) => *bytes,
        }
    }

    /// What it takes of memory once it is here.
    fn bytes_to_bring(&self) -> u64 {
        match self {
            Self::Held(_) | Self::Zeros(_) => 0,
            Self::Staged(_) | Self::Remote(..) => self.bytes(),
        }
    }
}

impl Gatherer {
    #[must_use]
    pub fn new(reader: Arc<Reader>, budget: Arc<Budget>) -> Self {
        Self { reader, budget, over: Semaphore::new(1) }
    }

    /// The bytes of all pieces, in order.
    pub async fn gather(&self, pieces: Vec<Piece>) -> VfsResult<Gathered<'_>> {
        let bytes = pieces.iter().map(Piece::bytes_to_bring).sum();
        let (memory, over) = match self.budget.try_reserve(bytes) {
            Some(memory) => (memory, None),
            None => {
                // Never closed, so there is always a turn to come.
                let over = self.over.acquire().await.ok();
                (self.budget.reserve_over(bytes), over)
            }
        };
        let staged = pieces.iter().filter_map(|piece| match piece {
            Piece::Staged(span) => Some(span.clone()),
            Piece::Held(_) | Piece::Remote(..) | Piece::Zeros(_) => None,
        });
        let mut staged = read_all(staged.collect()).await?.into_iter();
        let mut chunks = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Held(data) => chunks.push(data),
                Piece::Staged(_) => chunks.extend(staged.next()),
                Piece::Remote(object, range) => self.fetch(&object, range, &mut chunks).await?,
                Piece::Zeros(bytes) => push_zeros(&mut chunks, bytes),
            }
        }
        Ok(Gathered { chunks, _memory: memory, _over: over })
    }

    /// Fetches a range of an object. No handle is kept, so that nothing is fetched ahead.
    pub async fn fetch(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        chunks: &mut Vec<Bytes>,
    ) -> VfsResult<()> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + FETCH_BYTES);
            let data = self.reader.open(object.clone()).read(at, (end - at) as u32).await?;
            if data.len() as u64 != end - at {
                return Err(VfsError::Stale);
            }
            chunks.push(data);
            at = end;
        }
        Ok(())
    }
}

/// Adds that many zeros, which take no memory.
pub fn push_zeros(chunks: &mut Vec<Bytes>, bytes: u64) {
    const ZEROS: &[u8] = &[0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let step = left.min(ZEROS.len() as u64);
        chunks.push(Bytes::from_static(&ZEROS[..step as usize]));
        left -= step;
    }
}
