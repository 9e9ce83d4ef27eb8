//! Spilling: what a draft lets go of when memory is short.
//!
//! First what S3 has anyway; then bytes are staged on disk, those at the front of the file first,
//! since programs go on at the end. Bytes of a part under way stay until it has arrived. Without
//! room on disk, parts that have arrived are let go: their bytes are out of reach until the
//! commit.

use std::ops::Range;

use bytes::Bytes;

use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::write::cells::Cells;
use crate::vfs::write::draft::Draft;
use crate::vfs::write::draft::state::State;
use crate::vfs::write::extents::{Chunk, Extents};

/// What is staged at once.
const SPILL_BYTES: u64 = 8 << 20;
/// What is brought back from S3 at once.
const BRING_BYTES: u64 = 8 << 20;

/// What the bound on memory means where nothing can be let go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bound {
    GivesWay,
    Firm,
}

impl Draft {
    /// Finds room for bytes that are to be written: in memory, or staged.
    pub(super) async fn place(
        &self,
        state: &mut State,
        data: Bytes,
        bound: Bound,
    ) -> VfsResult<Chunk> {
        let bytes = data.len() as u64;
        let mut full = None;
        loop {
            if self.reserve(state, bytes) {
                return Ok(Chunk::Held(data));
            }
            if full.is_none() {
                match self.spill(state).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => full = Some(error),
                }
            }
            let is_staging = self.drafting.staging.is_some() && full.is_none();
            if !is_staging && state.let_go(self.drafting.cells) {
                continue;
            }
            if state.wait_for_part().await {
                continue;
            }
            if let Some(staging) = &self.drafting.staging {
                return match full {
                    Some(error) => Err(error),
                    None => Ok(Chunk::Staged(staging.put(vec![data]).await?)),
                };
            }
            return match (bound, &state.setback) {
                (Bound::Firm, _) => Err(VfsError::NoSpace("memory is full".to_owned())),
                (Bound::GivesWay, Some(setback)) => Err(setback.clone()),
                (Bound::GivesWay, None) => {
                    // Hardly more than a cell is held, and nothing is under way that could give
                    // memory back: waiting could be for ever, so the bound gives way by that.
                    state.memory.merge(self.drafting.memory.reserve_over(bytes));
                    Ok(Chunk::Held(data))
                }
            };
        }
    }

    /// Fetches everything that is in S3 only.
    pub(super) async fn bring_all(&self, state: &mut State) -> VfsResult<()> {
        while let Some(range) = state.next_remote(BRING_BYTES) {
            let gathered = self.drafting.gatherer.gather(state.pieces(range.clone())?).await?;
            // A copy: what was gathered may be a slice of more.
            let data = Bytes::from(gathered.chunks.concat());
            drop(gathered);
            let chunk = self.place(state, data, Bound::Firm).await?;
            state.extents.insert(range.start, chunk);
            state.give_back();
        }
        Ok(())
    }

    /// Reserves memory for bytes to come, if there is some.
    pub(super) fn reserve(&self, state: &mut State, bytes: u64) -> bool {
        loop {
            let spare = state.memory.bytes().saturating_sub(state.held_bytes());
            let lacking = bytes.saturating_sub(spare);
            if lacking == 0 {
                return true;
            }
            if let Some(memory) = self.drafting.memory.try_reserve(lacking) {
                state.memory.merge(memory);
                return true;
            }
            // S3 has what this is a copy of.
            if state.clean.take().is_none() {
                return false;
            }
        }
    }

    /// Stages some of what is in memory; false where there is nothing to be staged.
    async fn spill(&self, state: &mut State) -> VfsResult<bool> {
        let Some(staging) = &self.drafting.staging else { return Ok(false) };
        let is_under_way = |number| {
            state.sending.as_ref().is_some_and(|sending| sending.upload.is_under_way(number))
        };
        let batch = plan_spill(&state.extents, self.drafting.cells, is_under_way, SPILL_BYTES);
        if batch.is_empty() {
            return Ok(false);
        }
        let chunks = batch.iter().map(|(_, data)| data.clone()).collect();
        let span = staging.put(chunks).await?;
        let mut at = 0;
        for range in joined(&batch) {
            let bytes = range.end - range.start;
            state.extents.insert(range.start, Chunk::Staged(span.slice(at..at + bytes)));
            at += bytes;
        }
        Ok(true)
    }
}

impl State {
    /// Lets go of one cell that S3 has as a part; false where there is none.
    fn let_go(&mut self, cells: Cells) -> bool {
        let Some(sending) = &self.sending else { return false };
        let has_held = |chunk: &(u64, &Chunk)| matches!(chunk.1, Chunk::Held(_));
        let held = self.extents.iter().filter(has_held);
        let found = held
            .flat_map(|(offset, chunk)| cells.overlapping(offset..offset + chunk.bytes()))
            .find(|cell| {
                sending.fresh.contains(&cell.number) && sending.upload.has_arrived(cell.number)
            });
        let Some(cell) = found else { return false };
        let bytes = cell.range.end - cell.range.start;
        self.extents.insert(cell.range.start, Chunk::Sent { bytes });
        true
    }

    /// Waits for a part to end; false where none is under way.
    async fn wait_for_part(&mut self) -> bool {
        let Some(sending) = &mut self.sending else { return false };
        let Some((number, arrived)) = sending.upload.arrival().await else { return false };
        self.note_arrival(number, arrived).await;
        true
    }

    /// The first range of so many bytes that is in S3 only.
    fn next_remote(&self, bytes_max: u64) -> Option<Range<u64>> {
        let is_remote = |chunk: &(u64, &Chunk)| matches!(chunk.1, Chunk::Remote { .. });
        let (offset, chunk) = self.extents.iter().find(is_remote)?;
        Some(offset..offset + chunk.bytes().min(bytes_max))
    }
}

/// Chooses what is staged next: bytes in memory, from the front of the file on, that no part
/// under way has.
fn plan_spill(
    extents: &Extents,
    cells: Cells,
    is_under_way: impl Fn(u32) -> bool,
    bytes_max: u64,
) -> Vec<(u64, Bytes)> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (offset, chunk) in extents.iter() {
        let Chunk::Held(data) = chunk else { continue };
        for cell in cells.overlapping(offset..offset + data.len() as u64) {
            if bytes >= bytes_max {
                return batch;
            }
            if is_under_way(cell.number) {
                continue;
            }
            let start = cell.range.start.max(offset);
            let end = cell.range.end.min(offset + data.len() as u64);
            batch.push((start, data.slice((start - offset) as usize..(end - offset) as usize)));
            bytes += end - start;
        }
    }
    batch
}

/// The ranges that chunks in order make, neighbours as one.
fn joined(chunks: &[(u64, Bytes)]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (offset, data) in chunks {
        let end = offset + data.len() as u64;
        match ranges.last_mut() {
            Some(last) if last.end == *offset => last.end = end,
            Some(_) | None => ranges.push(*offset..end),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_staged_first_and_what_is_under_way_stays() {
        let cells = Cells::new(5 << 20);
        let mut extents = Extents::default();
        let data = Bytes::from(vec![0; 4 << 20]);
        for index in 0..4 {
            extents.insert(index * (4 << 20), Chunk::Held(data.clone()));
        }
        let batch = plan_spill(&extents, cells, |number| number == 1, 6 << 20);
        // 5 to 8 MiB, then 8 to 10 and 10 to 12 MiB on both sides of the next cell's start.
        assert_eq!(joined(&batch), [5 << 20..12 << 20]);
        assert!(plan_spill(&extents, cells, |_| true, 1).is_empty());
        let batch = plan_spill(&extents, cells, |_| false, 1);
        assert_eq!(joined(&batch), [0..4 << 20]);
    }
}
