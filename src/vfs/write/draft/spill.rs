//! Spilling: what a draft lets go of when memory is short.
//!
//! First what S3 has anyway; then bytes are staged on disk, those at the front of the file first,
//! since programs go on at the end. Bytes of a part under way stay until it has arrived. Where memory gets
//! short, parts that have arrived are staged while the program writes on. Without
//! room on disk, parts that have arrived are let go: their bytes are out of reach until the
//! commit.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::write::cells::Cells;
use crate::vfs::write::draft::Draft;
use crate::vfs::write::draft::state::State;
use crate::vfs::write::extents::{Chunk, Extents};
use crate::vfs::write::staging::StagedSpan;

/// What is staged at once.
const SPILL_BYTES: u64 = 8 << 20;
/// What is brought back from S3 at once.
const BRING_BYTES: u64 = 8 << 20;

/// Bytes on their way to the disk; as long as nothing else has their place they are in memory as well.
pub(super) struct Spilling {
    batch: Vec<(u64, Bytes)>,
    task: JoinHandle<VfsResult<StagedSpan>>,
}

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
                self.spill_ahead(state).await;
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
        if state.spilling.is_none() {
            let stays = |number| {
                state.sending.as_ref().is_some_and(|sending| sending.upload.is_under_way(number))
            };
            state.spilling = self.begin_spilling(&state.extents, stays);
        }
        state.end_spilling().await
    }

    /// Stages parts that have arrived, without waiting for the disk, where memory is short.
    async fn spill_ahead(&self, state: &mut State) {
        let is_ended = |spilling: &Spilling| spilling.task.is_finished();
        if state.spilling.as_ref().is_some_and(is_ended)
            && let Err(error) = state.end_spilling().await
        {
            tracing::debug!(%error, "not staged ahead");
            return;
        }
        if state.spilling.is_none() && self.drafting.memory.is_short() {
            let Some(sending) = &state.sending else { return };
            let stays = |number| !sending.upload.has_arrived(number);
            state.spilling = self.begin_spilling(&state.extents, stays);
        }
    }

    fn begin_spilling(&self, extents: &Extents, stays: impl Fn(u32) -> bool) -> Option<Spilling> {
        let staging = Arc::clone(self.drafting.staging.as_ref()?);
        let batch = plan_spill(extents, self.drafting.cells, stays, SPILL_BYTES);
        if batch.is_empty() {
            return None;
        }
        let chunks = batch.iter().map(|(_, data)| data.clone()).collect();
        let task = tokio::spawn(async move { staging.put(chunks).await });
        Some(Spilling { batch, task })
    }
}

impl State {
    /// Waits for what is on its way to the disk; false where nothing is.
    async fn end_spilling(&mut self) -> VfsResult<bool> {
        let Some(Spilling { batch, task }) = self.spilling.take() else { return Ok(false) };
        let staged = task.await.unwrap_or_else(|error| {
            Err(VfsError::NoSpace(format!("staging did not come to its end: {error}")))
        });
        self.put_staged(batch, &staged?);
        Ok(true)
    }

    /// Bytes are on disk now, but for those that others have taken the place of meanwhile.
    fn put_staged(&mut self, batch: Vec<(u64, Bytes)>, span: &StagedSpan) {
        let mut at = 0;
        for (offset, data) in batch {
            let bytes = data.len() as u64;
            let staged = Chunk::Staged(span.slice(at..at + bytes));
            at += bytes;
            let now = self.extents.pieces(offset..offset + bytes);
            if let [(_, Some(Chunk::Held(held)))] = &now[..]
                && held.as_ptr() == data.as_ptr()
            {
                self.extents.insert(offset, staged);
            }
        }
    }

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

/// Chooses what is staged next: bytes in memory, from the front of the file on, but for those of parts
/// that stay.
fn plan_spill(
    extents: &Extents,
    cells: Cells,
    stays: impl Fn(u32) -> bool,
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
            if stays(cell.number) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_staged(batch: &[(u64, Bytes)], expected: Range<u64>) {
        let mut at = expected.start;
        for (offset, data) in batch {
            assert_eq!(*offset, at);
            at += data.len() as u64;
        }
        assert_eq!(at, expected.end);
    }

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
        check_staged(&batch, 5 << 20..12 << 20);
        assert!(plan_spill(&extents, cells, |_| true, 1).is_empty());
        let batch = plan_spill(&extents, cells, |_| false, 1);
        check_staged(&batch, 0..4 << 20);
    }
}
