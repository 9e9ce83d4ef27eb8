//! Ranges of a file: room and holes, where they are, and copies of them made by S3.

use std::ops::Range;

use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::types::{Allocation, Fh, Grow, Privilege, Seek};
use crate::vfs::write::draft::Draft;
use crate::vfs::write::gather::Piece;
use crate::vfs::write::upload::Target;

impl Vfs {
    /// What `fallocate(2)` does. Room is never set apart: S3 has no end.
    pub async fn fallocate(
        &self,
        fh: Fh,
        range: Range<u64>,
        allocation: Allocation,
    ) -> VfsResult<()> {
        let (handle, draft) = self.writing(fh)?;
        let grow = match allocation {
            Allocation::Allocate(grow) => grow,
            Allocation::Zero(grow) => {
                draft.punch(range.start..range.end.min(draft.bytes())).await?;
                grow
            }
        };
        if grow == Grow::AsNeeded && range.end > draft.bytes() {
            draft.allocate(range.end).await?;
        }
        self.written(&handle.file, Privilege::Kept).await;
        Ok(())
    }

    /// Where data or a hole begins, from `offset` on. What is in S3 has no holes.
    pub async fn lseek(&self, fh: Fh, offset: u64, seek: Seek) -> VfsResult<u64> {
        let handle = self.handles.file(fh)?;
        let size = match handle.file.draft() {
            Some(draft) => {
                let found = match seek {
                    Seek::Data => draft.seek_data(offset).await,
                    Seek::Hole => draft.seek_hole(offset).await,
                };
                return found.ok_or(VfsError::BeyondEnd);
            }
            None => {
                handle.reading(|object| self.reader.open(object)).map(|read| read.object().size)
            }
        };
        match (seek, size) {
            (_, None) => Err(VfsError::Stale),
            (_, Some(size)) if offset >= size => Err(VfsError::BeyondEnd),
            (Seek::Data, Some(_)) => Ok(offset),
            (Seek::Hole, Some(size)) => Ok(size),
        }
    }

    /// Has S3 copy what it has of a range when the target is committed; nothing of that comes
    /// here. Gives how many bytes there were to copy.
    pub async fn copy_file_range(
        &self,
        (from, from_offset): (Fh, u64),
        (to, to_offset): (Fh, u64),
        bytes: u64,
    ) -> VfsResult<u32> {
        let source = self.handles.file(from)?;
        let (target, draft) = self.writing(to)?;
        let range = from_offset..from_offset.saturating_add(bytes);
        let pieces = match source.file.draft() {
            Some(draft) => draft.read(range).await?,
            None => {
                let reading = source.reading(|object| self.reader.open(object));
                let object = reading.ok_or(VfsError::Stale)?.object().clone();
                let end = range.end.min(object.size);
                vec![Piece::Remote(object, range.start.min(end)..end)]
            }
        };
        let mut at = to_offset;
        for piece in pieces {
            at += self.copy_piece(&target.file, &draft, at, piece).await?;
        }
        if at > to_offset {
            self.written(&target.file, Privilege::Kept).await;
        }
        Ok(u32::try_from(at - to_offset).unwrap_or(u32::MAX))
    }

    /// Objects are about to go or to become others: whoever has copied from them by name alone
    /// takes the bytes.
    pub(crate) async fn part_from(&self, ends: impl Fn(&Target) -> bool) -> VfsResult<()> {
        for file in self.handles.all() {
            if file.borrows_from(&ends)
                && let Some(draft) = file.draft()
            {
                draft.detach().await?;
            }
        }
        Ok(())
    }

    /// Copies a piece of a file to `at`; gives its bytes.
    async fn copy_piece(
        &self,
        file: &OpenFile,
        draft: &Draft,
        at: u64,
        piece: Piece,
    ) -> VfsResult<u64> {
        let bytes = piece.bytes();
        match piece {
            Piece::Held(data) => draft.write(Some(at), data).await?,
            Piece::Staged(span) => draft.write(Some(at), span.read().await?).await?,
            Piece::Zeros(bytes) => {
                draft.punch(at..at + bytes).await?;
                if at + bytes > draft.bytes() {
                    draft.allocate(at + bytes).await?;
                }
            }
            Piece::Remote(_, range) if range.is_empty() => {}
            Piece::Remote(object, range) => {
                let source = Target { bucket: object.bucket.clone(), key: object.key.clone() };
                draft.copy_from(at, object, range).await?;
                // What a file borrows of itself goes only with its own commit.
                if !file.is_at(&source) {
                    file.borrow_from(source);
                }
            }
        }
        Ok(bytes)
    }
}
