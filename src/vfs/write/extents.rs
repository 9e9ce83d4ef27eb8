//! Extents: the bytes of a file that are held in memory, by offset.
//!
//! What was written last wins; what was never written is a hole and reads as zeros. Bytes are
//! shared, not copied, except that small neighbouring writes are gathered into one buffer.
//! Everything here is pure.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Writes up to this size are appended to the buffer before them.
const GATHER_BYTES_MAX: usize = 128 << 10;
/// A buffer that gathers small writes grows no further than this.
const GATHERED_BYTES_MAX: usize = 1 << 20;

/// Bytes by offset, without overlaps.
#[derive(Debug, Default)]
pub struct Extents {
    by_offset: BTreeMap<u64, Bytes>,
    bytes: u64,
}

impl Extents {
    /// Puts `data` at `offset`, over whatever was there.
    pub fn insert(&mut self, offset: u64, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.remove(offset..offset + data.len() as u64);
        self.bytes += data.len() as u64;
        if data.len() <= GATHER_BYTES_MAX && self.gather(offset, &data) {
            return;
        }
        self.by_offset.insert(offset, data);
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
            self.bytes -= removed.map_or(0, |data| data.len() as u64);
        }
    }

    /// Takes the bytes of a range out, in order, holes as zeros.
    pub fn take(&mut self, range: Range<u64>) -> Vec<Bytes> {
        let chunks = self.copy_of(range.clone());
        self.remove(range);
        chunks
    }

    /// The bytes of a range in order, holes as zeros.
    #[must_use]
    pub fn copy_of(&self, range: Range<u64>) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        let mut at = range.start;
        for (offset, data) in self.overlapping(&range) {
            push_zeros(&mut chunks, offset.saturating_sub(at));
            let start = at.max(offset);
            let end = range.end.min(offset + data.len() as u64);
            chunks.push(data.slice((start - offset) as usize..(end - offset) as usize));
            at = end;
        }
        push_zeros(&mut chunks, range.end.saturating_sub(at));
        chunks
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, &Bytes)> {
        let before = self.by_offset.range(..range.start).next_back();
        let start = range.start;
        before
            .filter(move |(offset, data)| *offset + data.len() as u64 > start)
            .into_iter()
            .chain(self.by_offset.range(range.clone()))
            .map(|(offset, data)| (*offset, data))
    }

    fn split_at(&mut self, at: u64) {
        let Some((offset, data)) = self.by_offset.range_mut(..at).next_back() else { return };
        let offset = *offset;
        if offset + data.len() as u64 > at {
            let rest = data.split_off((at - offset) as usize);
            self.by_offset.insert(at, rest);
        }
    }

    /// Appends `data` to the extent that ends at `offset`, where that one is ours alone.
    fn gather(&mut self, offset: u64, data: &[u8]) -> bool {
        let Some(mut before) = self.by_offset.range_mut(..offset).next_back() else { return false };
        let (start, extent) = (*before.0, &mut before.1);
        let adjoins = start + extent.len() as u64 == offset;
        if !adjoins || extent.len() + data.len() > GATHERED_BYTES_MAX {
            return false;
        }
        let mut buffer = match std::mem::take(*extent).try_into_mut() {
            Ok(buffer) => buffer,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        buffer.extend_from_slice(data);
        **extent = buffer.freeze();
        true
    }
}

fn push_zeros(chunks: &mut Vec<Bytes>, bytes: u64) {
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
    use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, Vec<u8>),
        Remove(u64, u64),
        Take(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..300u64, proptest::collection::vec(any::<u8>(), 0..80))
                .prop_map(|(offset, data)| Step::Insert(offset, data)),
            (0..300u64, 0..80u64).prop_map(|(at, len)| Step::Remove(at, len)),
            (0..300u64, 0..80u64).prop_map(|(at, len)| Step::Take(at, len)),
        ]
    }

    fn flat(chunks: &[Bytes]) -> Vec<u8> {
        chunks.concat()
    }

    proptest! {
        #[test]
        fn extents_are_a_byte_array_with_holes_of_zeros(
            steps in proptest::collection::vec(step(), 0..40)
        ) {
            let mut extents = Extents::default();
            let mut model = vec![0u8; 400];
            for step in steps {
                match step {
                    Step::Insert(offset, data) => {
                        model[offset as usize..offset as usize + data.len()].copy_from_slice(&data);
                        extents.insert(offset, Bytes::from(data));
                    }
                    Step::Remove(at, len) => {
                        model[at as usize..(at + len) as usize].fill(0);
                        extents.remove(at..at + len);
                    }
                    Step::Take(at, len) => {
                        let range = at as usize..(at + len) as usize;
                        prop_assert_eq!(flat(&extents.take(at..at + len)), &model[range.clone()]);
                        model[range].fill(0);
                    }
                }
                prop_assert_eq!(flat(&extents.copy_of(0..400)), &model[..]);
                let held: usize = extents.by_offset.values().map(Bytes::len).sum();
                prop_assert_eq!(extents.bytes(), held as u64);
            }
        }
    }

    #[test]
    fn small_neighbouring_writes_share_one_buffer() {
        let mut extents = Extents::default();
        for index in 0..1000 {
            extents.insert(index * 10, Bytes::from(vec![index as u8; 10]));
        }
        assert_eq!(extents.by_offset.len(), 1);
        assert_eq!(extents.bytes(), 10_000);
    }

    #[test]
    fn large_writes_are_kept_without_a_copy() {
        let mut extents = Extents::default();
        let data = Bytes::from(vec![7u8; 1 << 20]);
        extents.insert(0, data.clone());
        assert_eq!(extents.copy_of(0..1 << 20)[0].as_ptr(), data.as_ptr());
    }
}
