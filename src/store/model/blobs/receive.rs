//! Receiving: how a body becomes a blob.
//!
//! Digests are taken while the bytes pass. What takes long (hashing much, writing files) is done
//! on blocking threads, one batch behind the network, so that receiving and hashing overlap.

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::store::error::{StoreError, StoreResult};
use crate::store::model::blobs::directory::{BlobDirectory, Draft};
use crate::store::model::blobs::rows::Rows;
use crate::store::model::blobs::{Blob, Content, Segment};
use crate::store::model::digest::{Digests, RunningDigest};
use crate::store::model::refusal;
use crate::store::types::{ChecksumAlgorithm, Payload};

/// How much is gathered before a blocking thread is asked to take it.
const BATCH_BYTES: usize = 1 << 20;
/// Bodies up to this size are hashed at once, and kept in one piece of memory of their own or in
/// a row: handing them over would cost more, a small slice would keep a large buffer alive, and
/// making a file durable takes several waits for the disk.
const SMALL_BYTES_MAX: u64 = 64 << 10;
/// The largest body of one request.
const BODY_BYTES_MAX: u64 = 5 << 30;

/// Where new blobs go.
#[derive(Clone, Debug)]
pub(in crate::store::model) enum Place {
    Memory,
    /// Small ones become rows.
    Directory(Arc<BlobDirectory>, Arc<Rows>),
}

/// A body that has arrived. Nothing but the caller holds it.
pub(in crate::store::model) struct Received {
    pub(in crate::store::model) bytes: u64,
    /// None for an empty body.
    pub(in crate::store::model) segments: Vec<Segment>,
    pub(in crate::store::model) digests: Digests,
}

impl Place {
    /// Takes a body in; with an MD5, and a checksum of that algorithm.
    pub(in crate::store::model) async fn receive(
        &self,
        payload: Payload,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> StoreResult<Received> {
        let bytes = payload.bytes();
        if bytes > BODY_BYTES_MAX {
            return Err(refusal::entity_too_large(BODY_BYTES_MAX));
        }
        let mut hand = Hand::Here(Box::new(Sink::new(self.clone(), bytes, algorithm)));
        let mut stream = match payload {
            Payload::Chunks(chunks) => return hand.finish(chunks).await,
            Payload::Stream { stream, .. } => stream,
        };
        let (mut batch, mut batch_bytes, mut left) = (Vec::new(), 0, bytes);
        while let Some(chunk) = stream.next().await {
            let taken = chunk.and_then(|chunk| {
                let rest = left.checked_sub(chunk.len() as u64);
                rest.map(|rest| (chunk, rest)).ok_or_else(refusal::incomplete_body)
            });
            let chunk = match taken {
                Ok((chunk, rest)) => {
                    left = rest;
                    chunk
                }
                Err(error) => return Err(hand.abandon(error).await),
            };
            batch_bytes += chunk.len();
            batch.push(chunk);
            if batch_bytes >= BATCH_BYTES {
                hand = hand.write(std::mem::take(&mut batch)).await?;
                batch_bytes = 0;
            }
        }
        if left > 0 {
            return Err(hand.abandon(refusal::incomplete_body()).await);
        }
        hand.finish(batch).await
    }
}

/// A sink, or the thread that has it.
enum Hand {
    Here(Box<Sink>),
    Away(JoinHandle<StoreResult<Box<Sink>>>),
}

impl Hand {
    async fn back(self) -> StoreResult<Box<Sink>> {
        match self {
            Self::Here(sink) => Ok(sink),
            Self::Away(thread) => {
                thread.await.map_err(|error| refusal::internal("writing stopped", error))?
            }
        }
    }

    /// Hands the batch over once the one before it is done.
    async fn write(self, batch: Vec<Bytes>) -> StoreResult<Self> {
        let mut sink = self.back().await?;
        Ok(Self::Away(spawn_blocking(move || {
            sink.write(batch)?;
            Ok(sink)
        })))
    }

    /// Waits until nothing is written any more, so that nothing is left behind the error.
    async fn abandon(self, error: StoreError) -> StoreError {
        drop(self.back().await);
        error
    }

    async fn finish(self, batch: Vec<Bytes>) -> StoreResult<Received> {
        let mut sink = self.back().await?;
        if sink.is_small() {
            sink.write(batch)?;
            return sink.finish();
        }
        let thread = spawn_blocking(move || {
            sink.write(batch)?;
            sink.finish()
        });
        thread.await.map_err(|error| refusal::internal("writing stopped", error))?
    }
}

/// What takes the bytes, in order.
struct Sink {
    bytes: u64,
    digest: RunningDigest,
    place: Place,
    written: Written,
}

enum Written {
    /// Empty until something comes.
    Memory(Vec<Bytes>),
    File(Draft),
}

impl Sink {
    /// `bytes`: how many will be written.
    fn new(place: Place, bytes: u64, algorithm: Option<ChecksumAlgorithm>) -> Self {
        let (digest, written) = (RunningDigest::new(algorithm), Written::Memory(Vec::new()));
        Self { bytes, digest, place, written }
    }

    fn is_small(&self) -> bool {
        self.bytes <= SMALL_BYTES_MAX
    }

    fn write(&mut self, mut batch: Vec<Bytes>) -> StoreResult<()> {
        batch.retain(|chunk| !chunk.is_empty());
        if batch.is_empty() {
            return Ok(());
        }
        for chunk in &batch {
            self.digest.update(chunk);
        }
        self.store(batch).map_err(|error| refusal::internal("bytes can't be written", error))
    }

    fn store(&mut self, batch: Vec<Bytes>) -> io::Result<()> {
        if let (Written::Memory(_), Place::Directory(directory, _)) = (&self.written, &self.place)
            && !self.is_small()
        {
            self.written = Written::File(directory.draft()?);
        }
        match &mut self.written {
            Written::File(draft) => batch.iter().try_for_each(|chunk| draft.file.write_all(chunk)),
            Written::Memory(chunks) => {
                chunks.extend(batch);
                Ok(())
            }
        }
    }

    fn finish(self) -> StoreResult<Received> {
        let is_small = self.is_small();
        let digests = self.digest.finish();
        let content = match self.written {
            Written::Memory(chunks) if chunks.is_empty() => None,
            Written::Memory(chunks) => Some(match &self.place {
                Place::Directory(_, rows) => Content::Row(rows.fresh_row(joined(&chunks))),
                Place::Memory if is_small => Content::Memory(vec![joined(&chunks)]),
                Place::Memory => Content::Memory(chunks),
            }),
            Written::File(draft) => {
                let file = draft.finish();
                Some(Content::File(
                    file.map_err(|error| refusal::internal("bytes can't be written", error))?,
                ))
            }
        };
        let (bytes, md5) = (self.bytes, digests.md5);
        let segment = content.map(|content| Segment::whole(Blob { bytes, md5, content }));
        Ok(Received { bytes, segments: segment.into_iter().collect(), digests })
    }
}

/// The chunks as one, in memory of its own.
fn joined(chunks: &[Bytes]) -> Bytes {
    let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        joined.extend_from_slice(chunk);
    }
    joined.freeze()
}
