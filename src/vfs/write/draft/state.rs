//! The state of a draft: where its bytes are and what of them S3 has.
//!
//! What is done with it over time is the business of the files beside this one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::store::error::{ErrorKind, StoreError};
use crate::store::types::ETag;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::types::ObjectRef;
use crate::vfs::write::cells::{Cell, Cells};
use crate::vfs::write::copy::Kept;
use crate::vfs::write::draft::spill::Spilling;
use crate::vfs::write::extents::{Chunk, Extents};
use crate::vfs::write::gather::Piece;
use crate::vfs::write::memory::HeldMemory;
use crate::vfs::write::upload::{MultipartUpload, Riding, Target};

pub(super) struct State {
    pub(super) target: Target,
    /// The object that a commit replaces; `None`: the name was free.
    pub(super) base: Option<ETag>,
    pub(super) kept: Kept,
    pub(super) bytes: u64,
    pub(super) extents: Extents,
    pub(super) clean: Option<Clean>,
    /// Of what `extents` hold and of `clean`.
    pub(super) memory: HeldMemory,
    pub(super) sending: Option<Sending>,
    /// Why a part did not go up; no other goes before the next commit.
    pub(super) setback: Option<VfsError>,
    pub(super) change: Change,
    /// The object that was written has not been given its ACL.
    pub(super) acl_is_due: bool,
    /// There is no name to commit to any more.
    pub(super) orphaned: bool,
    /// What is on its way to the disk.
    pub(super) spilling: Option<Spilling>,
}

/// What S3 does not have yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    None,
    /// Created or truncated, nothing written.
    Emptied,
    Written,
}

/// A copy in memory of an object that this file was committed to.
pub(super) struct Clean {
    pub(super) object: ObjectRef,
    pub(super) extents: Extents,
}

/// An upload under way.
pub(super) struct Sending {
    pub(super) upload: MultipartUpload,
    /// Cells that went up whole and have not changed since.
    pub(super) fresh: BTreeSet<u32>,
    /// What it was begun with, without the stamp.
    pub(super) riding: Riding,
    pub(super) is_stamped: bool,
}

impl State {
    pub(super) fn empty(
        memory: HeldMemory,
        target: Target,
        base: Option<ETag>,
        kept: Kept,
    ) -> Self {
        Self {
            target,
            base,
            kept,
            bytes: 0,
            extents: Extents::default(),
            clean: None,
            memory,
            sending: None,
            setback: None,
            change: Change::Emptied,
            acl_is_due: false,
            orphaned: false,
            spilling: None,
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.change != Change::None || self.acl_is_due
    }

    /// All bytes of the file are that object's, of which there may be a copy here.
    pub(super) fn become_object(&mut self, object: ObjectRef, clean: Option<Clean>) {
        self.bytes = object.size;
        self.base = Some(object.etag.clone());
        self.extents = Extents::default();
        self.extents.insert(0, Chunk::Remote { bytes: object.size, object, start: 0 });
        self.clean = clean;
        self.give_back();
    }

    /// The object that was committed last.
    pub(super) fn object(&self) -> Option<ObjectRef> {
        let (bucket, key) = (self.target.bucket.clone(), self.target.key.clone());
        let etag = self.base.clone()?;
        Some(ObjectRef { bucket, key, etag, size: self.bytes })
    }

    /// Whether a cell is to be sent before the commit: it is full of new bytes, and no part of its
    /// number ever was sent.
    pub(super) fn is_ready(&self, cell: &Cell) -> bool {
        let was_sent = self.sending.as_ref().is_some_and(|sending| sending.upload.has(cell.number));
        !was_sent && cell.range.end <= self.bytes && self.extents.is_local(&cell.range)
    }

    pub(super) fn riding(&self) -> Riding {
        Riding { attributes: self.kept.attributes.clone(), tags: self.kept.tags.clone() }
    }

    pub(super) fn stamped_riding(&self, stamp: &BTreeMap<String, String>) -> Riding {
        let mut riding = self.riding();
        riding.attributes.metadata.extend(stamp.clone());
        riding
    }

    /// Where the bytes of a range are.
    pub(super) fn pieces(&self, range: Range<u64>) -> VfsResult<Vec<Piece>> {
        let mut pieces = Vec::new();
        for (range, chunk) in self.extents.pieces(range) {
            match chunk {
                None => pieces.push(Piece::Zeros(range.end - range.start)),
                Some(Chunk::Held(data)) => pieces.push(Piece::Held(data)),
                Some(Chunk::Staged(span)) => pieces.push(Piece::Staged(span)),
                Some(Chunk::Remote { object, start, bytes }) => {
                    let range = start..start + bytes;
                    match self.clean.as_ref().filter(|clean| clean.object == object) {
                        Some(clean) => pieces.extend(clean.pieces(range)),
                        None => pieces.push(Piece::Remote(object, range)),
                    }
                }
                Some(Chunk::Sent { .. }) => return Err(out_of_reach()),
            }
        }
        Ok(pieces)
    }

    /// What is in memory no longer takes more than it has bytes.
    pub(super) fn give_back(&mut self) {
        self.memory.shrink(self.held_bytes());
    }

    /// Bytes in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        let clean = self.clean.as_ref().map_or(0, |clean| clean.extents.held_bytes());
        self.extents.held_bytes() + clean
    }

    pub(super) fn has_sent(&self) -> bool {
        self.extents.iter().any(|(_, chunk)| matches!(chunk, Chunk::Sent { .. }))
    }

    /// Fails where a range has bytes in common with a cell that can't be changed in part.
    pub(super) fn check_changeable(&self, range: &Range<u64>, cells: Cells) -> VfsResult<()> {
        if self.sending.is_none() || range.is_empty() {
            return Ok(());
        }
        let is_kept_whole = |cell: Cell| {
            let is_covered = range.start <= cell.range.start && cell.range.end <= range.end;
            is_covered || !self.is_sent_only(&cell.range)
        };
        // Inside the range, cells are covered.
        let ends = [cells.at(range.start), cells.at(range.end - 1)];
        if ends.into_iter().all(is_kept_whole) { Ok(()) } else { Err(out_of_reach()) }
    }

    /// To be called before the bytes of a range change: parts that have them are no longer right.
    pub(super) fn note_change(&mut self, range: &Range<u64>, cells: Cells) {
        let Some(sending) = &mut self.sending else { return };
        for cell in cells.overlapping(range.clone()) {
            sending.fresh.remove(&cell.number);
            if sending.upload.is_under_way(cell.number) {
                // The part's task keeps what is replaced here.
                let replaced = range.start.max(cell.range.start)..range.end.min(cell.range.end);
                let held = self.extents.held_bytes_in(&replaced);
                // New bytes of this range are reserved already, so there is as much to split off.
                sending.upload.keep_memory(cell.number, self.memory.split(held));
            }
        }
    }

    /// Makes a range a hole.
    pub(super) fn forget(&mut self, range: &Range<u64>, cells: Cells) {
        self.note_change(range, cells);
        self.extents.remove(range.clone());
        self.give_back();
    }

    /// Empties the file. Gives back the upload that is to be aborted.
    pub(super) fn clear(&mut self) -> Option<Sending> {
        self.extents = Extents::default();
        self.clean = None;
        self.setback = None;
        self.spilling = None;
        self.give_back();
        self.sending.take()
    }

    /// Takes note of parts that have ended.
    pub(super) async fn note_arrivals(&mut self) {
        while let Some((number, arrived)) =
            self.sending.as_mut().and_then(|sending| sending.upload.try_arrival())
        {
            self.note_arrival(number, arrived).await;
        }
    }

    /// Takes note of a part that has ended. Its bytes are still here where it failed, so the
    /// upload is given up and left to the next commit, unless it has bytes that are not.
    pub(super) async fn note_arrival(&mut self, number: u32, arrived: VfsResult<()>) {
        let Err(error) = arrived else { return };
        self.setback = Some(error);
        if let Some(sending) = &mut self.sending {
            sending.fresh.remove(&number);
        }
        self.give_up_upload().await;
    }

    /// Drops the upload, unless it has bytes that are nowhere else.
    pub(super) async fn give_up_upload(&mut self) {
        if !self.has_sent() {
            let sending = self.sending.take();
            abort(sending).await;
        }
    }

    /// Fails where parts are refused: what is written would not be taken either.
    pub(super) fn check_upload(&self) -> VfsResult<()> {
        match &self.setback {
            // An upload that somebody aborted is begun anew by the commit.
            Some(VfsError::Store(error))
                if !error.kind.is_passing() && error.kind != ErrorKind::NotFound =>
            {
                Err(VfsError::Store(error.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// That there is nothing to replace any more means that somebody else was faster.
    pub(super) fn lost(&self, error: VfsError) -> VfsError {
        let VfsError::Store(error) = error else { return error };
        VfsError::Store(match (error.kind, &self.base) {
            (ErrorKind::NotFound, Some(_)) => StoreError { kind: ErrorKind::Precondition, ..error },
            (ErrorKind::NotFound, None) => StoreError { kind: ErrorKind::Unavailable, ..error },
            _ => error,
        })
    }

    pub(super) fn moved(&mut self, target: Target, object: ObjectRef) {
        let is_old = |at: &ObjectRef| {
            at.bucket == self.target.bucket
                && at.key == self.target.key
                && Some(&at.etag) == self.base.as_ref()
        };
        self.extents.replace_object(is_old, &object);
        if let Some(clean) = self.clean.as_mut().filter(|clean| is_old(&clean.object)) {
            clean.object = object.clone();
        }
        self.target = target;
        self.base = Some(object.etag);
    }

    fn is_sent_only(&self, range: &Range<u64>) -> bool {
        self.extents.overlapping(range).any(|(_, chunk)| matches!(chunk, Chunk::Sent { .. }))
    }
}

impl Clean {
    fn pieces(&self, range: Range<u64>) -> Vec<Piece> {
        let piece = |(range, chunk): (Range<u64>, Option<Chunk>)| match chunk {
            Some(Chunk::Held(data)) => Piece::Held(data),
            _ => Piece::Remote(self.object.clone(), range),
        };
        self.extents.pieces(range).into_iter().map(piece).collect()
    }
}

/// Ends an upload, also where whoever waits for it gives up.
pub(super) async fn abort(sending: Option<Sending>) {
    if let Some(sending) = sending {
        // A task that ends in a panic has said so itself.
        drop(tokio::spawn(sending.upload.abort()).await);
    }
}

fn out_of_reach() -> VfsError {
    let message = "these bytes went up as a part and there was no room to keep them: \
                   close the file to read or change them";
    VfsError::Unsupported(message.to_owned())
}
