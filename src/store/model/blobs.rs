//! Blobs: where the bytes are, and how they are read.
//!
//! A blob is written once and never changed; an object is a list of segments of blobs, so that a
//! copy or a completed upload shares bytes instead of moving them. Blobs are counted by their
//! `Arc`s: whoever still reads a replaced object keeps its bytes, and the last one to let go of a
//! file or a row removes it. Receiving is [`receive`]'s business, files are [`directory`]'s, rows
//! are [`rows`]'.

pub(super) mod directory;
pub(super) mod receive;
pub(super) mod rows;

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::blobs::directory::BlobFile;
use crate::store::model::blobs::rows::Row;
use crate::store::model::digest::{Digests, Md5Sum, RunningDigest};
use crate::store::model::refusal;
use crate::store::types::{ByteStream, ChecksumAlgorithm};

/// How much of a file is read at once.
const READ_BYTES: u64 = 1 << 20;

/// Bytes that were written once.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) bytes: u64,
    pub(super) md5: Md5Sum,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// In order; none of them empty.
    Memory(Vec<Bytes>),
    File(BlobFile),
    Row(Row),
}

impl Blob {
    /// The row it is, if it is one.
    pub(super) fn row(&self) -> Option<&Row> {
        match &self.content {
            Content::Row(row) => Some(row),
            Content::Memory(_) | Content::File(_) => None,
        }
    }
}

/// A part of a blob, not empty.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) blob: Arc<Blob>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Segment {
    /// All of a blob.
    pub(super) fn whole(blob: Blob) -> Self {
        let bytes = blob.bytes;
        Self { blob: Arc::new(blob), offset: 0, bytes }
    }
}

/// The segments that hold the bytes of `range`.
pub(super) fn plan_slices(segments: &[Segment], range: &Range<u64>) -> Vec<Segment> {
    let mut slices = Vec::new();
    let mut position = 0;
    for segment in segments {
        let (start, end) = (position, position + segment.bytes);
        position = end;
        let wanted = range.start.max(start)..range.end.min(end);
        if !wanted.is_empty() {
            slices.push(Segment {
                blob: Arc::clone(&segment.blob),
                offset: segment.offset + wanted.start - start,
                bytes: wanted.end - wanted.start,
            });
        }
    }
    slices
}

/// The MD5 of the segments, where it is known without reading them.
pub(super) fn known_md5(segments: &[Segment]) -> Option<Md5Sum> {
    match segments {
        [] => Some(RunningDigest::new(None).finish().md5),
        [all] if all.bytes == all.blob.bytes => Some(all.blob.md5),
        _ => None,
    }
}

/// The bytes of `range`, read while they are asked for.
pub(super) fn read(segments: &[Segment], range: &Range<u64>) -> ByteStream {
    Box::pin(stream::iter(plan_slices(segments, range)).flat_map(read_segment))
}

fn read_segment(segment: Segment) -> ByteStream {
    match &segment.blob.content {
        Content::Memory(chunks) => {
            let chunks = plan_chunks(chunks, segment.offset, segment.bytes);
            Box::pin(stream::iter(chunks.into_iter().map(Ok)))
        }
        Content::File(_) | Content::Row(_) => {
            Box::pin(stream::try_unfold(Reader::new(segment), |reader| async {
                if reader.bytes == 0 {
                    return Ok(None);
                }
                let read = tokio::task::spawn_blocking(|| reader.read_next()).await;
                read.map_err(|error| refusal::internal("reading stopped", error))?.map(Some)
            }))
        }
    }
}

/// Digests the segments. Reads files and rows: not for a thread of the runtime.
pub(super) fn digest_blocking(
    segments: &[Segment],
    algorithm: Option<ChecksumAlgorithm>,
) -> StoreResult<Digests> {
    let mut digest = RunningDigest::new(algorithm);
    for segment in segments {
        match &segment.blob.content {
            Content::Memory(chunks) => plan_chunks(chunks, segment.offset, segment.bytes)
                .iter()
                .for_each(|chunk| digest.update(chunk)),
            Content::File(_) | Content::Row(_) => {
                let mut reader = Reader::new(segment.clone());
                while reader.bytes > 0 {
                    let (chunk, rest) = reader.read_next()?;
                    digest.update(&chunk);
                    reader = rest;
                }
            }
        }
    }
    Ok(digest.finish())
}

/// The pieces of `chunks` from an offset on; they share the chunks' memory.
fn plan_chunks(chunks: &[Bytes], offset: u64, bytes: u64) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut position = 0;
    for chunk in chunks {
        let (start, end) = (position, position + chunk.len() as u64);
        position = end;
        let wanted = offset.max(start)..(offset + bytes).min(end);
        if !wanted.is_empty() {
            pieces
                .push(chunk.slice(in_memory(wanted.start - start)..in_memory(wanted.end - start)));
        }
    }
    pieces
}

/// An offset inside a chunk, which is in memory and so no larger than a `usize`.
fn in_memory(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// What is left to read of a segment of a file or a row.
struct Reader {
    blob: Arc<Blob>,
    file: Option<File>,
    offset: u64,
    bytes: u64,
}

impl Reader {
    fn new(segment: Segment) -> Self {
        Self { blob: segment.blob, file: None, offset: segment.offset, bytes: segment.bytes }
    }

    fn read_next(mut self) -> StoreResult<(Bytes, Self)> {
        let blob = Arc::clone(&self.blob);
        let chunk = match &blob.content {
            Content::Memory(_) => return Ok((Bytes::new(), Self { bytes: 0, ..self })),
            Content::File(file) => self.read_file(file)?,
            Content::Row(row) => {
                let start = in_memory(self.offset);
                row.read(start..start + in_memory(self.bytes))?
            }
        };
        self.offset += chunk.len() as u64;
        self.bytes -= chunk.len() as u64;
        Ok((chunk, self))
    }

    fn read_file(&mut self, blob_file: &BlobFile) -> StoreResult<Bytes> {
        let lost = |error| {
            let message = format!("stored bytes can't be read: {error}");
            StoreError::new(ErrorKind::Corrupt, "InternalError", message)
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(blob_file.path()).map_err(lost)?,
        };
        let mut buffer = vec![0; in_memory(self.bytes.min(READ_BYTES))];
        file.read_exact_at(&mut buffer, self.offset).map_err(lost)?;
        self.file = Some(file);
        Ok(Bytes::from(buffer))
    }
}

#[cfg(test)]
mod tests;
