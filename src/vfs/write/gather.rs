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

    /// What it takes of memory once it is here; what is spanned comes with others.
    fn bytes_to_bring(&self, is_spanned: bool) -> u64 {
        match self {
            Self::Held(_) | Self::Zeros(_) => 0,
            Self::Remote(..) if is_spanned => 0,
            Self::Staged(_) | Self::Remote(..) => self.bytes(),
        }
    }
}

impl Gatherer {
    #[must_use]
    pub fn new(reader: Arc<Reader>, budget: Arc<Budget>) -> Self {
        Self { reader, budget, over: Semaphore::new(1) }
    }

    /// What S3 has is read with.
    #[must_use]
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// The bytes of all pieces, in order.
    pub async fn gather(&self, pieces: Vec<Piece>) -> VfsResult<Gathered<'_>> {
        let span = plan_span(&pieces);
        let spanned = span.as_ref().map_or(0, |(_, span)| span.end - span.start);
        let bytes =
            spanned + pieces.iter().map(|piece| piece.bytes_to_bring(span.is_some())).sum::<u64>();
        let (mut memory, over) = match self.budget.try_reserve(bytes) {
            Some(memory) => (memory, None),
            None => {
                // Never closed, so there is always a turn to come.
                let over = self.over.acquire().await.ok();
                (self.budget.reserve_over(bytes), over)
            }
        };
        let whole = match &span {
            Some((object, span)) => Some(self.bring(object, span.clone(), &mut memory).await?),
            None => None,
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
                Piece::Remote(object, range) => match (&span, &whole) {
                    (Some((_, span)), Some(whole)) => {
                        let (start, end) = (range.start - span.start, range.end - span.start);
                        chunks.push(whole.slice(start as usize..end as usize));
                    }
                    _ => {
                        let mut at = range.start;
                        while at < range.end {
                            let end = range.end.min(at + FETCH_BYTES);
                            chunks.push(self.bring(&object, at..end, &mut memory).await?);
                            at = end;
                        }
                    }
                },
                Piece::Zeros(bytes) => push_zeros(&mut chunks, bytes),
            }
        }
        Ok(Gathered { chunks, _memory: memory, _over: over })
    }

    /// Fetches a range of an object, in memory that was reserved for it.
    async fn bring(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        memory: &mut Reservation,
    ) -> VfsResult<Bytes> {
        let bytes = range.end - range.start;
        let data = self.reader.bring(object, range, memory.split(bytes)).await?;
        if data.len() as u64 == bytes { Ok(data) } else { Err(VfsError::Stale) }
    }
}

/// One range to fetch instead of many with gaps between them, where that is not too much: an
/// object that was changed in many small places.
fn plan_span(pieces: &[Piece]) -> Option<(ObjectRef, Range<u64>)> {
    let mut ranges = pieces.iter().filter_map(|piece| match piece {
        Piece::Remote(object, range) => Some((object, range)),
        Piece::Held(_) | Piece::Staged(_) | Piece::Zeros(_) => None,
    });
    let (object, first) = ranges.next()?;
    let (mut span, mut wanted, mut count) = (first.clone(), first.end - first.start, 1);
    for (other, range) in ranges {
        if other != object {
            return None;
        }
        span = span.start.min(range.start)..span.end.max(range.end);
        wanted += range.end - range.start;
        count += 1;
    }
    let bytes = span.end - span.start;
    let is_dense = bytes <= FETCH_BYTES && bytes <= 2 * wanted;
    (count > 1 && is_dense).then(|| (object.clone(), span))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::types::ETag;

    fn remote(key: &str, range: Range<u64>) -> Piece {
        let (bucket, key, etag) = (Arc::from("b"), Arc::from(key), ETag::new("e"));
        Piece::Remote(ObjectRef { bucket, key, etag, size: 1 << 30 }, range)
    }

    #[track_caller]
    fn check(pieces: &[Piece], expected: Option<&Range<u64>>) {
        let span = plan_span(pieces).map(|(_, span)| span);
        assert_eq!(span.as_ref(), expected);
    }

    #[test]
    fn many_pieces_of_one_object_are_fetched_at_once_where_little_is_between() {
        let held = Piece::Held(Bytes::from_static(b"new"));
        let near = [remote("a", 0..100), held.clone(), remote("a", 103..200)];
        check(&near, Some(&(0..200)));
        check(&[remote("a", 0..100), held.clone(), remote("a", 1000..1100)], None);
        check(&[remote("a", 0..100), remote("b", 100..200)], None);
        check(&[remote("a", 0..100)], None);
        check(&[held], None);
    }
}
