//! Cells: the fixed grid by which a file is cut into the parts of an upload.
//!
//! Cell n is what part n carries, whatever happens to the rest of the file: a part that was sent
//! is still right as long as its own cell is. Cells get larger towards the end of a very long file, so
//! that S3's 10,000 parts hold any object while others are cut finely enough for many of their parts to
//! be in memory and on their way at once. Everything here is pure.

use std::ops::Range;

use crate::vfs::cache::disk::format::BLOCK_BYTES;
use crate::vfs::write::plan::{PART_BYTES_MAX, PART_BYTES_MIN};

/// So many cells have the size of the first: all of a file of 8 GiB.
const CELLS_ALIKE: u32 = 1024;
/// Behind those, cells get larger every so many.
const CELLS_PER_STEP: u32 = 64;
/// They get larger by this much at least, or cells would not reach the end of the largest object.
const STEP_BYTES_MIN: u64 = 9 << 20;

/// The grid.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    first_bytes: u64,
}

/// One cell of the grid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cell {
    /// That of its part, from 1. Beyond 10,000 there is no such part.
    pub number: u32,
    /// Of the file, also where the file ends inside or before.
    pub range: Range<u64>,
}

impl Cells {
    /// The grid whose first cells have about `first_bytes`, within S3's limits for parts. Cells are
    /// whole blocks of the disk cache, so that no block of a file is lost to it between two of them.
    #[must_use]
    pub fn new(first_bytes: u64) -> Self {
        let first_bytes = first_bytes.clamp(PART_BYTES_MIN, PART_BYTES_MAX);
        Self { first_bytes: first_bytes.next_multiple_of(BLOCK_BYTES) }
    }

    /// The size of the first cell: a file up to this size takes no multipart upload.
    #[must_use]
    pub fn first_bytes(&self) -> u64 {
        self.first_bytes
    }

    /// The cell that an offset is in.
    #[must_use]
    pub fn at(&self, offset: u64) -> Cell {
        let (mut step, mut start, mut number, mut count) = (0, 0, 1, CELLS_ALIKE);
        loop {
            let bytes = self.bytes_in_step(step);
            let end = start + bytes * u64::from(count);
            if offset < end || number > u32::MAX - 2 * CELLS_PER_STEP {
                let index = (offset - start) / bytes;
                let start = start + index * bytes;
                return Cell { number: number + index as u32, range: start..start + bytes };
            }
            (step, start, number) = (step + 1, end, number + count);
            count = CELLS_PER_STEP;
        }
    }

    /// The cells that have bytes in common with a range, in order.
    pub fn overlapping(self, range: Range<u64>) -> impl Iterator<Item = Cell> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let cell = (at < range.end).then(|| self.at(at))?;
            at = cell.range.end;
            Some(cell)
        })
    }

    fn bytes_in_step(&self, step: u64) -> u64 {
        let growth = self.first_bytes.max(STEP_BYTES_MIN);
        growth.saturating_mul(step).saturating_add(self.first_bytes).min(PART_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::write::plan::{OBJECT_BYTES_MAX, PARTS_MAX};

    #[test]
    fn ten_thousand_cells_hold_the_largest_object() {
        for first_bytes in [1, PART_BYTES_MIN, 8 << 20, 100 << 20, PART_BYTES_MAX] {
            let last = Cells::new(first_bytes).at(OBJECT_BYTES_MAX - 1);
            assert!(last.number <= PARTS_MAX, "{first_bytes}: {last:?}");
        }
    }

    #[test]
    fn cells_adjoin_and_none_is_smaller_or_larger_than_a_part_may_be() {
        for first_bytes in [1, PART_BYTES_MIN, 8_000_001, 8 << 20, PART_BYTES_MAX] {
            let mut end = 0;
            let cells = Cells::new(first_bytes);
            for (index, cell) in cells.overlapping(0..OBJECT_BYTES_MAX).enumerate() {
                assert_eq!((cell.number, cell.range.start), (index as u32 + 1, end));
                let bytes = cell.range.end - cell.range.start;
                assert!((PART_BYTES_MIN..=PART_BYTES_MAX).contains(&bytes));
                assert_eq!(bytes % BLOCK_BYTES, 0);
                assert_eq!(cells.at(cell.range.end - 1), cell);
                end = cell.range.end;
            }
            assert!(end >= OBJECT_BYTES_MAX);
        }
    }
}
