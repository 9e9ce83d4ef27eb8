//! Bodies: bytes on their way to S3 and back.
//!
//! What goes up is never joined into one piece; what comes down is counted and, where S3 says
//! what it should be, summed up: a body that ends early or is another is an error, not a file.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::store::checksum::RunningChecksum;
use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::errors::read_body_error;
use crate::store::types::{ByteStream, Checksum, ChecksumAlgorithm, Payload};

/// A frame is what a stalled upload is noticed by, so it must pass within the read timeout even
/// over slow lines; cutting a chunk copies nothing.
const FRAME_BYTES_MAX: usize = 256 * 1024;

/// The checksum to send with a payload: the caller's, else one made here where the bytes are at
/// hand. S3 refuses bytes that arrive otherwise, which TLS alone does not guarantee: it ends at
/// the first proxy.
pub(super) fn checksum_for(payload: &Payload, given: Option<&Checksum>) -> Option<Checksum> {
    match (given, payload) {
        (Some(checksum), _) => Some(checksum.clone()),
        (None, Payload::Chunks(chunks)) => Some(crc32c(chunks)),
        (None, Payload::Stream { .. }) => None,
    }
}

fn crc32c(chunks: &[Bytes]) -> Checksum {
    let mut running = RunningChecksum::new(ChecksumAlgorithm::Crc32C);
    for chunk in chunks {
        running.update(chunk);
    }
    running.finish()
}

/// A payload as it is sent, as often as that takes.
pub(super) struct Upload {
    bytes: u64,
    is_repeatable: bool,
    body: Mutex<SdkBody>,
}

impl Upload {
    pub(super) fn new(payload: Payload) -> Self {
        let bytes = payload.bytes();
        let is_repeatable = matches!(payload, Payload::Chunks(_));
        let body = match payload {
            Payload::Chunks(chunks) => chunks_body(chunks),
            Payload::Stream { bytes, stream } => {
                SdkBody::from_body_1_x(StreamBody { stream: Mutex::new(stream), left: bytes })
            }
        };
        Self { bytes, is_repeatable, body: Mutex::new(body) }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is more than one body in it.
    pub(super) fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// The body for one more request. A stream can be had once; after that the body fails when
    /// it is sent.
    pub(super) fn body(&self) -> SdkBody {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = body.try_clone();
        copy.unwrap_or_else(|| std::mem::replace(&mut body, SdkBody::taken()))
    }
}

fn chunks_body(chunks: Vec<Bytes>) -> SdkBody {
    let chunks: Arc<[Bytes]> = chunks.into();
    SdkBody::retryable(move || SdkBody::from_body_1_x(ChunksBody::new(Arc::clone(&chunks))))
}

struct ChunksBody {
    chunks: Arc<[Bytes]>,
    /// The chunk to go on with, and from where.
    next: usize,
    offset: usize,
    left: u64,
}

impl ChunksBody {
    fn new(chunks: Arc<[Bytes]>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, next: 0, offset: 0, left }
    }

    fn take_frame(&mut self) -> Option<Bytes> {
        while self.chunks.get(self.next)?.len() == self.offset {
            self.next += 1;
            self.offset = 0;
        }
        let chunk = &self.chunks[self.next];
        let end = chunk.len().min(self.offset + FRAME_BYTES_MAX);
        let frame = chunk.slice(self.offset..end);
        self.offset = end;
        self.left -= frame.len() as u64;
        Some(frame)
    }
}

impl Body for ChunksBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.take_frame().map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

struct StreamBody {
    /// Never locked: the lock only makes the stream shareable, as the SDK wants its bodies.
    stream: Mutex<ByteStream>,
    left: u64,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = ready!(stream.as_mut().poll_next(context)) else {
            return Poll::Ready((self.left > 0).then(|| Err(wrong_length("short"))));
        };
        let bytes = bytes?;
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Poll::Ready(Some(Err(wrong_length("long"))));
        };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn wrong_length(how: &str) -> BoxError {
    let message = format!("the stream to upload is too {how} for the length that was given");
    StoreError::new(ErrorKind::Invalid, "IncompleteBody", message).into()
}

/// What the bytes of an answer must be.
pub(super) struct Expected {
    bytes: u64,
    checksum: Option<(Checksum, RunningChecksum)>,
}

impl Expected {
    /// So many bytes, of a checksum. One of parts' checksums can't be compared.
    pub(super) fn bytes(bytes: u64, checksum: Option<&Checksum>) -> Self {
        let checksum = checksum.filter(|checksum| !checksum.value.contains('-'));
        let running =
            |checksum: &Checksum| (checksum.clone(), RunningChecksum::new(checksum.algorithm));
        Self { bytes, checksum: checksum.map(running) }
    }

    fn take(&mut self, bytes: &Bytes) -> StoreResult<()> {
        let Some(left) = self.bytes.checked_sub(bytes.len() as u64) else {
            return Err(corrupt("the body is longer than it should be".to_owned()));
        };
        self.bytes = left;
        if let Some((_, running)) = &mut self.checksum {
            running.update(bytes);
        }
        Ok(())
    }

    fn finish(self) -> StoreResult<()> {
        let left = self.bytes;
        if left > 0 {
            return Err(corrupt(format!("the body ended {left} bytes early")));
        }
        let Some((expected, running)) = self.checksum else {
            return Ok(());
        };
        let found = running.finish();
        if found == expected {
            return Ok(());
        }
        let (name, found, expected) = (expected.algorithm.as_str(), found.value, expected.value);
        let message = format!("the {name} of the body is {found}, not {expected}");
        Err(StoreError::new(ErrorKind::Corrupt, "ChecksumMismatch", message))
    }
}

/// The bytes of an answer; fails with `Corrupt` where they are not what is expected.
pub(super) fn body_stream<B>(body: B, expected: Expected) -> ByteStream
where
    B: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static,
{
    Box::pin(stream::try_unfold((body, expected), async |(mut body, mut expected)| {
        loop {
            let Some(frame) = body.frame().await else {
                return expected.finish().map(|()| None);
            };
            let frame = frame.map_err(|error| read_body_error(&*error))?;
            // What else there is are trailers.
            if let Ok(bytes) = frame.into_data() {
                expected.take(&bytes)?;
                return Ok(Some((bytes, (body, expected))));
            }
        }
    }))
}

fn corrupt(message: String) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, "IncompleteBody", message)
}

#[cfg(test)]
mod tests;
