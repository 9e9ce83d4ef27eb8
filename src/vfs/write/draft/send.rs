//! Sending: how the bytes of a draft get to S3, while the program writes and at its commits.
//!
//! By which requests is `plan`'s decision.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::PoisonError;

use bytes::Bytes;

use crate::store::types::ETag;
use crate::vfs::error::VfsResult;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::cells::Cell;
use crate::vfs::write::copy::put_acl;
use crate::vfs::write::draft::state::{Change, Clean, Sending, State, abort};
use crate::vfs::write::draft::{Committed, Draft, Urgency};
use crate::vfs::write::extents::{Chunk, Extents};
use crate::vfs::write::gather::Piece;
use crate::vfs::write::plan::{CommitPlan, PartSource, PlannedPart, plan_commit, plan_conditions};
use crate::vfs::write::upload::{MultipartUpload, Riding};

/// Metadata that goes along where it costs no request.
type Stamp = BTreeMap<String, String>;

/// An object that was written.
struct Sent {
    etag: ETag,
    is_stamped: bool,
    /// It has the attributes that the file had when its upload began, and not those of now.
    is_outdated: bool,
    /// Its bytes, where they are few and here.
    chunks: Option<Vec<Bytes>>,
    /// The object whose bytes it is sure to have.
    copied: Option<ObjectRef>,
}

impl Draft {
    /// Sends cells that a change of `range` has made full, once the file is longer than the first
    /// of them: a shorter one goes up by one PUT.
    pub(super) fn send_early(&self, state: &mut State, range: Range<u64>, bytes_before: u64) {
        let cells = self.drafting.cells;
        let first_bytes = cells.first_bytes();
        if state.bytes <= first_bytes || state.setback.is_some() || state.orphaned {
            return;
        }
        let first = (bytes_before <= first_bytes).then(|| cells.at(0));
        for cell in first.into_iter().chain(cells.overlapping(range)) {
            if state.is_ready(&cell) {
                self.send_cell(state, &cell);
            }
        }
    }

    fn send_cell(&self, state: &mut State, cell: &Cell) {
        let Ok(pieces) = state.pieces(cell.range.clone()) else { return };
        let riding = state.riding();
        let sending = self.sending(state, riding, false);
        sending.upload.send(cell.number, cell.range.start, pieces);
        sending.fresh.insert(cell.number);
    }

    /// The upload under way; a new one begins with what goes along with the bytes.
    fn sending<'a>(
        &self,
        state: &'a mut State,
        riding: Riding,
        is_stamped: bool,
    ) -> &'a mut Sending {
        let (unstamped, target) = (state.riding(), state.target.clone());
        let (uploader, gatherer) = (&self.drafting.uploader, &self.drafting.gatherer);
        state.sending.get_or_insert_with(|| {
            let upload = MultipartUpload::new(uploader, gatherer, target, riding);
            *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = upload.sent();
            Sending { upload, fresh: BTreeSet::new(), riding: unstamped, is_stamped }
        })
    }

    pub(super) async fn commit_held(
        &self,
        state: &mut State,
        urgency: Urgency,
        stamp: Stamp,
    ) -> VfsResult<Option<Committed>> {
        let is_idle = match state.change {
            Change::None => !state.acl_is_due,
            Change::Emptied => urgency == Urgency::IfWritten,
            Change::Written => false,
        };
        if is_idle || state.orphaned {
            return Ok(None);
        }
        let mut is_stamped = false;
        while state.change != Change::None {
            state.setback = None;
            match self.send(state, &stamp).await {
                Ok(sent) => {
                    is_stamped = sent.is_stamped;
                    self.committed(state, sent).await;
                }
                Err(error) => {
                    let error = state.lost(error);
                    state.give_up_upload().await;
                    return Err(error);
                }
            }
        }
        let (store, target) = (&self.drafting.store, &state.target);
        put_acl(store, target, state.kept.acl.as_ref()).await?;
        state.acl_is_due = false;
        let object = state.object();
        Ok(object.map(|object| Committed { object, stamped: is_stamped }))
    }

    async fn send(&self, state: &mut State, stamp: &Stamp) -> VfsResult<Sent> {
        let none = BTreeSet::new();
        let fresh = state.sending.as_ref().map_or(&none, |sending| &sending.fresh);
        match plan_commit(state.bytes, &state.extents, fresh, self.drafting.cells) {
            CommitPlan::Put => self.send_whole(state, stamp).await,
            CommitPlan::Copy { object } => {
                let conditions = plan_conditions(state.base.as_ref());
                let (target, riding) = (&state.target, state.stamped_riding(stamp));
                let uploader = &self.drafting.uploader;
                let copy = uploader.copy_whole(&object, target, &riding, conditions);
                let (etag, is_told) = copy.await?;
                let copied = is_told.then_some(object);
                Ok(Sent { etag, is_stamped: true, is_outdated: false, chunks: None, copied })
            }
            CommitPlan::Parts(parts) => self.send_parts(state, &parts, stamp).await,
        }
    }

    async fn send_whole(&self, state: &State, stamp: &Stamp) -> VfsResult<Sent> {
        let pieces = state.pieces(0..state.bytes)?;
        let uploader = &self.drafting.uploader;
        let turn = uploader.turn().await;
        let gathered = self.drafting.gatherer.gather(pieces).await?;
        let riding = state.stamped_riding(stamp);
        let conditions = plan_conditions(state.base.as_ref());
        let (target, chunks) = (&state.target, &gathered.chunks);
        let etag = uploader.put_whole(target, chunks, &riding, conditions).await?;
        turn.sent(state.bytes);
        let chunks = Some(gathered.chunks);
        Ok(Sent { etag, is_stamped: true, is_outdated: false, chunks, copied: None })
    }

    async fn send_parts(
        &self,
        state: &mut State,
        parts: &[PlannedPart],
        stamp: &Stamp,
    ) -> VfsResult<Sent> {
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts {
            sources.push(match part.source {
                PartSource::Data => state.pieces(part.range.clone())?,
                PartSource::Sent | PartSource::Copy { .. } => Vec::new(),
            });
        }
        let numbers: Vec<u32> = parts.iter().map(|part| part.number).collect();
        let (bytes, conditions) = (state.bytes, plan_conditions(state.base.as_ref()));
        let (riding, of_now) = (state.stamped_riding(stamp), state.riding());
        let sending = self.sending(state, riding, true);
        for (part, pieces) in parts.iter().zip(sources) {
            sending.send_part(part, pieces).await?;
        }
        let etag = sending.upload.complete(&numbers, bytes, conditions).await?;
        let (is_stamped, is_outdated) = (sending.is_stamped, sending.riding != of_now);
        state.sending = None;
        Ok(Sent { etag, is_stamped, is_outdated, chunks: None, copied: None })
    }

    /// The file is an object now.
    async fn committed(&self, state: &mut State, sent: Sent) {
        let object = ObjectRef {
            bucket: state.target.bucket.clone(),
            key: state.target.key.clone(),
            etag: sent.etag,
            size: state.bytes,
        };
        state.acl_is_due = state.kept.acl.is_some();
        state.change = if sent.is_outdated { Change::Written } else { Change::None };
        let leftover = state.sending.take();
        state.extents = Extents::default();
        state.spilling = None;
        state.clean = None;
        if let Some(chunks) = &sent.chunks {
            self.drafting.reader.keep_written(&object, chunks.clone());
        }
        // What was copied from another name is still there.
        let is_same = |old: &ObjectRef| old.bucket == object.bucket && old.key == object.key;
        if let Some(old) = sent.copied.filter(is_same) {
            self.drafting.reader.keep_moved(&old, &object);
        }
        let clean = sent.chunks.map(|chunks| clean_copy(&object, chunks));
        let clean = clean.filter(|clean| self.reserve(state, clean.extents.held_bytes()));
        state.become_object(object, clean);
        abort(leftover).await;
    }
}

impl Sending {
    async fn send_part(&mut self, part: &PlannedPart, pieces: Vec<Piece>) -> VfsResult<()> {
        if part.source == PartSource::Sent {
            return Ok(());
        }
        // S3 keeps the part of a number that ends last.
        while self.upload.is_under_way(part.number)
            && let Some((number, arrived)) = self.upload.arrival().await
        {
            if number != part.number {
                arrived?;
            }
        }
        match &part.source {
            PartSource::Copy { object, start } => {
                let range = *start..*start + (part.range.end - part.range.start);
                self.upload.copy(part.number, part.range.start, object.clone(), range);
            }
            PartSource::Sent | PartSource::Data => {
                self.upload.send(part.number, part.range.start, pieces);
            }
        }
        Ok(())
    }
}

fn clean_copy(object: &ObjectRef, chunks: Vec<Bytes>) -> Clean {
    let mut extents = Extents::default();
    let mut at = 0;
    for chunk in chunks {
        let bytes = chunk.len() as u64;
        extents.insert(at, Chunk::Held(chunk));
        at += bytes;
    }
    Clean { object: object.clone(), extents }
}
