//! Extents: where the bytes of a file are, by offset.
//!
//! What was put there last wins; what was never put there is a hole and reads as zeros. Bytes in
//! memory are shared, not copied, except that small neighbouring writes are gathered into one
//! buffer. Neighbouring ranges of one object, or on disk, become one. Everything here is pure: nothing is
//! read, sent or staged.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::vfs::types::ObjectRef;
use crate::vfs::write::staging::StagedSpan;

/// Writes up to this size are put into the buffer that is there.
const GATHER_BYTES_MAX: usize = 64 << 10;
/// A buffer that gathers small writes grows no further than this.
const GATHERED_BYTES_MAX: usize = 1 << 20;

/// Where a stretch of a file's bytes is.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// In memory.
    Held(Bytes),
    /// In a staging file.
    Staged(StagedSpan),
    /// In S3, as this range of an object.
    Remote { object: ObjectRef, start: u64, bytes: u64 },
    /// Only in a part that was uploaded: neither to be read nor changed before the commit.
    Sent { bytes: u64 },
}

/// Chunks by offset, without overlaps.
#[derive(Debug, Default)]
pub struct Extents {
    by_offset: BTreeMap<u64, Chunk>,
    held_bytes: u64,
}

/// A stretch of a file; `None` is a hole.
pub type Stretch = (Range<u64>, Option<Chunk>);

impl Chunk {
    /// How many bytes of the file it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Held(data) => data.len() as u64,
            Self::Staged(span) => span.bytes(),
            Self::Remote { bytes, .. } | Self::Sent { bytes } => *bytes,
        }
    }

    /// A range of it, counted from its own start.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let bytes = range.end - range.start;
        match self {
            Self::Held(data) => Self::Held(data.slice(range.start as usize..range.end as usize)),
            Self::Staged(span) => Self::Staged(span.slice(range)),
            Self::Remote { object, start, .. } => {
                Self::Remote { object: object.clone(), start: start + range.start, bytes }
            }
            Self::Sent { .. } => Self::Sent { bytes },
        }
    }

    /// Whether these are bytes that this program has, and S3 not yet.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Staged(_))
    }

    fn held_bytes(&self) -> u64 {
        if let Self::Held(data) = self { data.len() as u64 } else { 0 }
    }

    fn local_bytes(&self) -> u64 {
        match self {
            Self::Held(_) | Self::Staged(_) => self.bytes(),
            Self::Remote { .. } | Self::Sent { .. } => 0,
        }
    }

    /// Whether `next` goes on in the same object, or on disk, where this ends.
    fn goes_on_in(&self, next: &Self) -> bool {
        match (self, next) {
            (
                Self::Remote { object, start, bytes },
                Self::Remote { object: next_object, start: next_start, .. },
            ) => start + bytes == *next_start && object == next_object,
            (Self::Staged(span), Self::Staged(next)) => span.goes_on_in(next),
            _ => false,
        }
    }
}

impl Extents {
    /// Puts `chunk` at `offset`, over whatever was there.
    pub fn insert(&mut self, offset: u64, chunk: Chunk) {
        if chunk.bytes() == 0 {
            return;
        }
        if let Chunk::Held(data) = &chunk
            && data.len() <= GATHER_BYTES_MAX
            && self.overwrite(offset, data)
        {
            return;
        }
        self.remove(offset..offset + chunk.bytes());
        self.held_bytes += chunk.held_bytes();
        if let Chunk::Held(data) = &chunk
            && data.len() <= GATHER_BYTES_MAX
            && self.gather(offset, data)
        {
            return;
        }
        self.by_offset.insert(offset, chunk);
        self.join_before(offset);
    }

    /// Forgets the bytes of a range: it becomes a hole.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.split_at(range.start);
        self.split_at(range.end);
        let inside: Vec<u64> = self.by_offset.range(range).map(|(offset, _)| *offset).collect();
        for offset in inside {
            let removed = self.by_offset.remove(&offset);
            self.held_bytes -= removed.map_or(0, |chunk| chunk.held_bytes());
        }
    }

    /// All of a range in order, holes included.
    #[must_use]
    pub fn pieces(&self, range: Range<u64>) -> Vec<Stretch> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        for (offset, chunk) in self.overlapping(&range) {
            if at < offset {
                pieces.push((at..offset, None));
            }
            let start = range.start.max(offset);
            let end = range.end.min(offset + chunk.bytes());
            pieces.push((start..end, Some(chunk.slice(start - offset..end - offset))));
            at = end;
        }
        if at < range.end {
            pieces.push((at..range.end, None));
        }
        pieces
    }

    /// Chunks that have bytes in a range, each with its offset, not cut to the range.
    pub fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, &Chunk)> {
        let before = self.by_offset.range(..range.start).next_back();
        let (start, is_empty) = (range.start, range.is_empty());
        let inside = range.start..range.end.max(range.start);
        before
            .filter(move |(offset, chunk)| !is_empty && *offset + chunk.bytes() > start)
            .into_iter()
            .chain(self.by_offset.range(inside))
            .map(|(offset, chunk)| (*offset, chunk))
    }

    /// Every chunk with its offset, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Chunk)> {
        self.by_offset.iter().map(|(offset, chunk)| (*offset, chunk))
    }

    /// Whether every byte of a range is in memory or staged.
    #[must_use]
    pub fn is_local(&self, range: &Range<u64>) -> bool {
        let mut at = range.start;
        for (offset, chunk) in self.overlapping(range) {
            if offset > at || !chunk.is_local() {
                return false;
            }
            at = offset + chunk.bytes();
        }
        at >= range.end
    }

    /// Bytes in memory.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Bytes in memory or in staging files.
    #[must_use]
    pub fn local_bytes(&self) -> u64 {
        self.by_offset.values().map(Chunk::local_bytes).sum()
    }

    /// Bytes of a range that are in memory.
    #[must_use]
    pub fn held_bytes_in(&self, range: &Range<u64>) -> u64 {
        let cut = |(offset, chunk): (u64, &Chunk)| {
            let end = range.end.min(offset + chunk.bytes());
            if matches!(chunk, Chunk::Held(_)) { end - range.start.max(offset) } else { 0 }
        };
        self.overlapping(range).map(cut).sum()
    }

    /// The first offset from `offset` on that is no hole.
    #[must_use]
    pub fn next_data(&self, offset: u64) -> Option<u64> {
        self.overlapping(&(offset..u64::MAX)).next().map(|(start, _)| start.max(offset))
    }

    /// The first offset from `offset` on that is a hole; there is one behind all data.
    #[must_use]
    pub fn next_hole(&self, offset: u64) -> u64 {
        let mut at = offset;
        for (start, chunk) in self.overlapping(&(offset..u64::MAX)) {
            if start > at {
                break;
            }
            at = start + chunk.bytes();
        }
        at
    }

    /// Has all ranges of an object be those of another that has the same bytes.
    pub fn replace_object(&mut self, is_old: impl Fn(&ObjectRef) -> bool, new: &ObjectRef) {
        for chunk in self.by_offset.values_mut() {
            if let Chunk::Remote { object, .. } = chunk
                && is_old(object)
            {
                *object = new.clone();
            }
        }
    }

    fn split_at(&mut self, at: u64) {
        let Some((offset, chunk)) = self.by_offset.range_mut(..at).next_back() else { return };
        let (offset, bytes) = (*offset, chunk.bytes());
        if offset + bytes > at {
            let rest = chunk.slice(at - offset..bytes);
            *chunk = chunk.slice(0..at - offset);
            self.by_offset.insert(at, rest);
        }
    }

    /// Joins a chunk with its neighbours, where they are in a row elsewhere too.
    fn join_before(&mut self, offset: u64) {
        let Some(chunk) = self.by_offset.get(&offset) else { return };
        let end = offset + chunk.bytes();
        if self.by_offset.get(&end).is_some_and(|next| chunk.goes_on_in(next)) {
            self.join(offset, end);
        }
        let before = self.by_offset.range(..offset).next_back();
        if let Some((start, before)) = before
            && start + before.bytes() == offset
            && self.by_offset.get(&offset).is_some_and(|chunk| before.goes_on_in(chunk))
        {
            self.join(*start, offset);
        }
    }

    fn join(&mut self, first: u64, second: u64) {
        let more = self.by_offset.remove(&second).map_or(0, |chunk| chunk.bytes());
        match self.by_offset.get_mut(&first) {
            Some(Chunk::Remote { bytes, .. }) => *bytes += more,
            Some(Chunk::Staged(span)) => *span = span.extended(more),
            Some(Chunk::Held(_) | Chunk::Sent { .. }) | None => {}
        }
    }

    /// Writes `data` into the buffer that has all of its range, where that one is small or ours alone: many
    /// small pieces of it would each keep all of it in memory.
    fn overwrite(&mut self, offset: u64, data: &[u8]) -> bool {
        let before = self.by_offset.range_mut(..=offset).next_back();
        let Some((start, Chunk::Held(held))) = before else { return false };
        let from = (offset - start) as usize;
        if from + data.len() > held.len() {
            return false;
        }
        match std::mem::take(held).try_into_mut() {
            Ok(mut buffer) => {
                buffer[from..from + data.len()].copy_from_slice(data);
                *held = buffer.freeze();
                true
            }
            Err(shared) if shared.len() <= GATHERED_BYTES_MAX => {
                let mut buffer = BytesMut::from(&shared[..]);
                buffer[from..from + data.len()].copy_from_slice(data);
                *held = buffer.freeze();
                true
            }
            Err(shared) => {
                *held = shared;
                false
            }
        }
    }

    /// Appends `data` to the chunk that ends at `offset`, where that one is ours alone or small.
    fn gather(&mut self, offset: u64, data: &[u8]) -> bool {
        let before = self.by_offset.range_mut(..offset).next_back();
        let Some((start, Chunk::Held(held))) = before else { return false };
        let adjoins = start + held.len() as u64 == offset;
        if !adjoins || held.len() + data.len() > GATHERED_BYTES_MAX {
            return false;
        }
        let mut buffer = match std::mem::take(held).try_into_mut() {
            Ok(buffer) => buffer,
            Err(shared) if shared.len() <= GATHER_BYTES_MAX => BytesMut::from(&shared[..]),
            Err(shared) => {
                *held = shared;
                return false;
            }
        };
        buffer.extend_from_slice(data);
        *held = buffer.freeze();
        true
    }
}

#[cfg(test)]
mod tests;
