//! Buffers: memory for blocks and parts that is used again and again.
//!
//! A page that is touched for the first time costs the kernel more than copying bytes into it does, so a
//! buffer that nobody needs any more is kept for whoever needs one next. How much data there may be is
//! `budget`'s decision; what lies idle here comes on top of that, within [`IDLE_BYTES_MAX`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// What lies idle at most: as much as is given back at once before it is taken again.
const IDLE_BYTES_MAX: usize = 16 << 20;

/// The sizes that are kept, powers of two: those of blocks, and of what programs write at once.
const KEPT_BYTES_MIN: usize = 128 << 10;
const KEPT_BYTES_MAX: usize = 8 << 20;

/// From this size on a buffer may lie on huge pages, which are touched for the first time less often.
const HUGE_BYTES_MIN: usize = 2 << 20;

/// The idle buffers of one mount.
#[derive(Debug, Default)]
pub struct Buffers {
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that was given back last is last: its bytes are still near the processor.
    buffers: Vec<MmapMut>,
    bytes: usize,
}

/// Room for so many bytes, filled from its start.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    buffers: Arc<Buffers>,
}

#[derive(Debug)]
enum Memory {
    /// Of a size that is kept.
    Kept {
        /// There until the buffer is dropped.
        map: Option<MmapMut>,
        filled: usize,
    },
    Heap(Vec<u8>),
}

impl Buffers {
    /// An empty buffer with room for `bytes`.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: usize) -> Buffer {
        let map = if is_kept(bytes) { self.take_idle(bytes).or_else(|| map(bytes)) } else { None };
        let memory = match map {
            Some(map) => Memory::Kept { map: Some(map), filled: 0 },
            None => Memory::Heap(Vec::with_capacity(bytes)),
        };
        Buffer { memory, buffers: Arc::clone(self) }
    }

    /// A copy of `data`.
    #[must_use]
    pub fn copy(self: &Arc<Self>, data: &[u8]) -> Bytes {
        if !is_kept(data.len()) {
            return Bytes::copy_from_slice(data);
        }
        let mut buffer = self.take(data.len());
        buffer.push(data);
        Bytes::from_owner(buffer)
    }

    /// Bytes that are in memory of their own, as a buffer.
    #[must_use]
    pub fn hold(self: &Arc<Self>, data: Vec<u8>) -> Buffer {
        Buffer { memory: Memory::Heap(data), buffers: Arc::clone(self) }
    }

    fn take_idle(&self, bytes: usize) -> Option<MmapMut> {
        let mut idle = self.idle();
        let index = idle.buffers.iter().rposition(|buffer| buffer.len() == bytes)?;
        idle.bytes -= bytes;
        Some(idle.buffers.remove(index))
    }

    /// Keeps a buffer; those that have lain idle for longest make room.
    fn give_back(&self, map: MmapMut) {
        let mut idle = self.idle();
        idle.bytes += map.len();
        idle.buffers.push(map);
        let mut surplus = Vec::new();
        while idle.bytes > IDLE_BYTES_MAX {
            let oldest = idle.buffers.remove(0);
            idle.bytes -= oldest.len();
            surplus.push(oldest);
        }
        // Unmapping takes its time, and nobody has to wait for it.
        drop(idle);
        drop(surplus);
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins again at its start.
    pub fn clear(&mut self) {
        match &mut self.memory {
            Memory::Kept { filled, .. } => *filled = 0,
            Memory::Heap(heap) => heap.clear(),
        }
    }

    /// Adds bytes, for which there must be room.
    pub fn push(&mut self, data: &[u8]) {
        match &mut self.memory {
            Memory::Kept { map: Some(map), filled } => {
                map[*filled..*filled + data.len()].copy_from_slice(data);
                *filled += data.len();
            }
            Memory::Kept { map: None, .. } => {}
            Memory::Heap(heap) => heap.extend_from_slice(data),
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        match &self.memory {
            Memory::Kept { map: Some(map), filled } => &map[..*filled],
            Memory::Kept { map: None, .. } => &[],
            Memory::Heap(heap) => heap,
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Memory::Kept { map, .. } = &mut self.memory
            && let Some(map) = map.take()
        {
            self.buffers.give_back(map);
        }
    }
}

fn is_kept(bytes: usize) -> bool {
    bytes.is_power_of_two() && (KEPT_BYTES_MIN..=KEPT_BYTES_MAX).contains(&bytes)
}

/// `None` where the kernel gives no more mappings; the heap may still have memory.
fn map(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes).ok()?;
    if bytes >= HUGE_BYTES_MIN {
        // Kernels without huge pages refuse, and small ones do.
        map.advise(Advice::HugePage).ok();
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(buffers: &Buffers) -> Vec<usize> {
        buffers.idle().buffers.iter().map(|buffer| buffer.len()).collect()
    }

    #[test]
    fn a_buffer_has_what_was_pushed() {
        let buffers = Arc::new(Buffers::default());
        for bytes in [1 << 20, 1000] {
            let mut buffer = buffers.take(bytes);
            assert!(buffer.is_empty());
            buffer.push(b"ab");
            buffer.push(b"c");
            assert_eq!((buffer.as_ref(), buffer.len()), (&b"abc"[..], 3));
        }
    }

    #[test]
    fn a_buffer_is_used_again_and_begins_empty() {
        let buffers = Arc::new(Buffers::default());
        let data = vec![7; 1 << 20];
        let copy = buffers.copy(&data);
        assert_eq!(copy, data);
        drop(copy);
        assert_eq!(idle(&buffers), [1 << 20]);
        assert!(buffers.take(1 << 20).is_empty());
        assert!(buffers.take(2 << 20).is_empty());
        assert_eq!(idle(&buffers), [1 << 20, 2 << 20]);
    }

    #[test]
    fn a_buffer_is_not_used_again_while_any_slice_of_it_lives() {
        let buffers = Arc::new(Buffers::default());
        let copy = buffers.copy(&vec![7; 1 << 20]);
        let slice = copy.slice(1000..2000);
        drop(copy);
        drop(buffers.copy(&vec![8; 1 << 20]));
        assert_eq!(slice, vec![7; 1000]);
        drop(slice);
        assert_eq!(idle(&buffers), [1 << 20, 1 << 20]);
    }

    #[test]
    fn sizes_that_are_not_asked_for_again_are_not_kept() {
        let buffers = Arc::new(Buffers::default());
        for bytes in [0, 1, 4 << 10, (1 << 20) + 1, 16 << 20] {
            drop(buffers.take(bytes));
            drop(buffers.copy(&vec![1; bytes]));
        }
        assert!(idle(&buffers).is_empty());
    }

    #[test]
    fn what_lies_idle_is_bounded_and_the_oldest_goes_first() {
        let buffers = Arc::new(Buffers::default());
        let large: Vec<_> = (0..3).map(|_| buffers.take(KEPT_BYTES_MAX)).collect();
        drop(buffers.take(KEPT_BYTES_MIN));
        drop(large);
        assert_eq!(idle(&buffers), [KEPT_BYTES_MAX, KEPT_BYTES_MAX]);
        assert_eq!(buffers.idle().bytes, IDLE_BYTES_MAX);
    }
}
