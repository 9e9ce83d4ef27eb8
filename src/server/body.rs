//! Bodies, in both directions, chunk by chunk.
//!
//! A request's body is checked while it passes: its length, `Content-MD5`, and the checksum
//! that follows it as a trailer. The last chunk is handed on only once all of them hold, so a
//! store that counts bytes can't take a bad body for a whole one. A checksum in a header is the
//! store's to check: it computes that one anyway.

use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream as _, RemainingLength};
use s3s::{S3Result, StdError, TrailingHeaders};

use crate::server::convert::checksums::{announced_trailer, checksum_in, checksum_of};
use crate::server::convert::header;
use crate::server::errors::{answer_of, refusal, store_refusal};
use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{ByteStream, Checksum, ChecksumAlgorithm, Payload};

/// Bodies up to here are collected before the store is called: it then waits for nobody, and a
/// trailing checksum is known in time to be kept.
const COLLECTED_BYTES_MAX: u64 = 1 << 20;

/// The largest body of one request.
const UPLOADED_BYTES_MAX: u64 = 5 << 30;

/// A request's body, ready for the store, with the checksum the store is to check and keep.
pub(crate) struct Upload {
    pub(crate) payload: Payload,
    pub(crate) checksum: Option<Checksum>,
    /// Of the checksum that follows the body, where it is not known yet.
    pub(crate) trailing: Option<ChecksumAlgorithm>,
}

/// What a request says of its body.
struct Expected {
    bytes: u64,
    md5: Option<[u8; 16]>,
    trailer: Option<(ChecksumAlgorithm, TrailingHeaders)>,
}

/// Takes in the body of `PutObject` or `UploadPart`.
pub(crate) async fn upload(
    body: Option<StreamingBlob>,
    headers: &HeaderMap,
    trailers: Option<TrailingHeaders>,
) -> S3Result<Upload> {
    let expected = expected(body.as_ref(), headers, trailers)?;
    let mut checksum = checksum_in(headers)?;
    let (algorithm, trailers) = expected.trailer.clone().unzip();
    let Some(body) = body else {
        return Ok(Upload { payload: Payload::empty(), checksum, trailing: None });
    };
    let bytes = expected.bytes;
    let stream: ByteStream = Box::pin(Checked::new(body, expected));
    if bytes > COLLECTED_BYTES_MAX {
        let payload = Payload::Stream { bytes, stream };
        return Ok(Upload { payload, checksum, trailing: algorithm });
    }
    let chunks: Vec<Bytes> = stream.try_collect().await.map_err(answer_of)?;
    if checksum.is_none() {
        checksum = trailers.and_then(|trailers| trailers.read(checksum_in)).transpose()?.flatten();
    }
    Ok(Upload { payload: Payload::Chunks(chunks), checksum, trailing: None })
}

/// Checks a small document against the digests its request's headers carry.
pub(crate) fn check_document(document: &[u8], headers: &HeaderMap) -> S3Result<()> {
    if md5_in(headers)?.is_some_and(|expected| Md5::checksum(document) != expected) {
        return Err(refusal("BadDigest"));
    }
    let Some(expected) = checksum_in(headers)? else { return Ok(()) };
    let mut hasher = hasher_of(expected.algorithm);
    hasher.update(document);
    if checksum_of(hasher.finalize()) == Some(expected) {
        Ok(())
    } else {
        Err(refusal("BadDigest"))
    }
}

fn expected(
    body: Option<&StreamingBlob>,
    headers: &HeaderMap,
    trailers: Option<TrailingHeaders>,
) -> S3Result<Expected> {
    // s3s replaces the length of a chunked body by that of what is in the chunks.
    let length = header(headers, "content-length").and_then(|text| text.parse().ok());
    let length = length.or_else(|| {
        let exact = body.map_or(Some(0), |body| body.remaining_length().exact())?;
        u64::try_from(exact).ok()
    });
    let bytes = length.ok_or_else(|| refusal("MissingContentLength"))?;
    if bytes > UPLOADED_BYTES_MAX {
        return Err(refusal("EntityTooLarge"));
    }
    let trailer = announced_trailer(headers).zip(trailers);
    Ok(Expected { bytes, md5: md5_in(headers)?, trailer })
}

fn md5_in(headers: &HeaderMap) -> S3Result<Option<[u8; 16]>> {
    let Some(text) = header(headers, "content-md5") else { return Ok(None) };
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    decoded.map(Some).ok_or_else(|| refusal("InvalidDigest"))
}

fn hasher_of(algorithm: ChecksumAlgorithm) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    match algorithm {
        ChecksumAlgorithm::Crc32 => hasher.crc32 = Some(Crc32::new()),
        ChecksumAlgorithm::Crc32C => hasher.crc32c = Some(Crc32c::new()),
        ChecksumAlgorithm::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
        ChecksumAlgorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
        ChecksumAlgorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
    }
    hasher
}

/// A body that ends only if it is what its request said.
struct Checked {
    body: StreamingBlob,
    expected: Expected,
    bytes_read: u64,
    md5: Option<Md5>,
    trailing: ChecksumHasher,
    /// The last chunk, until the body has ended and was checked.
    held: Option<Bytes>,
    ended: bool,
}

impl Checked {
    fn new(body: StreamingBlob, expected: Expected) -> Self {
        let md5 = expected.md5.map(|_| Md5::new());
        let trailing = expected
            .trailer
            .as_ref()
            .map_or_else(ChecksumHasher::default, |(algorithm, _)| hasher_of(*algorithm));
        Self { body, expected, bytes_read: 0, md5, trailing, held: None, ended: false }
    }

    fn take_in(&mut self, chunk: &Bytes) -> StoreResult<()> {
        self.bytes_read += chunk.len() as u64;
        if self.bytes_read > self.expected.bytes {
            return Err(incomplete());
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(chunk);
        }
        self.trailing.update(chunk);
        Ok(())
    }

    fn check(&mut self) -> StoreResult<()> {
        if self.bytes_read != self.expected.bytes {
            return Err(incomplete());
        }
        let md5 = self.md5.take().map(Md5::finalize);
        if md5 != self.expected.md5 {
            return Err(store_refusal(ErrorKind::Corrupt, "BadDigest"));
        }
        let Some((_, trailers)) = &self.expected.trailer else { return Ok(()) };
        let sent = trailers.read(checksum_in).and_then(Result::ok).flatten();
        if sent == checksum_of(mem::take(&mut self.trailing).finalize()) {
            Ok(())
        } else {
            Err(store_refusal(ErrorKind::Corrupt, "BadDigest"))
        }
    }
}

impl Stream for Checked {
    type Item = StoreResult<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended {
            let polled = ready!(Pin::new(&mut this.body).poll_next(context));
            let outcome = match polled {
                Some(Ok(chunk)) => this.take_in(&chunk).map(|()| Some(chunk)),
                Some(Err(failed)) => Err(failure_of(&failed)),
                None => this.check().map(|()| None),
            };
            match outcome {
                Ok(Some(chunk)) if chunk.is_empty() => {}
                Ok(Some(chunk)) if this.bytes_read == this.expected.bytes => {
                    this.held = Some(chunk);
                }
                Ok(Some(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                Ok(None) => this.ended = true,
                Err(refused) => {
                    this.ended = true;
                    this.held = None;
                    return Poll::Ready(Some(Err(refused)));
                }
            }
        }
        Poll::Ready(this.held.take().map(Ok))
    }
}

fn incomplete() -> StoreError {
    store_refusal(ErrorKind::Corrupt, "IncompleteBody")
}

/// What went wrong in a body that s3s decoded; its error types are private, their names are not.
fn failure_of(failed: &StdError) -> StoreError {
    let text = failed.to_string();
    if text.contains("SignatureMismatch") {
        store_refusal(ErrorKind::Forbidden, "SignatureDoesNotMatch")
    } else if text.contains("Sha256Mismatch") {
        store_refusal(ErrorKind::Corrupt, "XAmzContentSHA256Mismatch")
    } else {
        incomplete()
    }
}

/// The body of an answer.
///
/// s3s asks for a stream that threads could share. Nobody does: the mutex is never locked.
struct Outgoing {
    stream: Mutex<ByteStream>,
    bytes_left: usize,
}

/// An answer's body of so many bytes; an error of `stream` ends the connection.
pub(crate) fn outgoing(stream: ByteStream, bytes: u64) -> StreamingBlob {
    let bytes_left = usize::try_from(bytes).unwrap_or(usize::MAX);
    StreamingBlob::new(Outgoing { stream: Mutex::new(stream), bytes_left })
}

impl Stream for Outgoing {
    type Item = Result<Bytes, StdError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let stream = this.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        let chunk = ready!(stream.as_mut().poll_next(context));
        if let Some(Ok(chunk)) = &chunk {
            this.bytes_left = this.bytes_left.saturating_sub(chunk.len());
        }
        Poll::Ready(chunk.map(|chunk| chunk.map_err(StdError::from)))
    }
}

impl s3s::stream::ByteStream for Outgoing {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.bytes_left)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    fn body_of(chunks: &[&'static str]) -> StreamingBlob {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes())))
            .collect();
        StreamingBlob::wrap(stream::iter(chunks))
    }

    async fn read(
        chunks: &[&'static str],
        bytes: u64,
        md5: Option<[u8; 16]>,
    ) -> Result<String, String> {
        let mut stream = Checked::new(body_of(chunks), Expected { bytes, md5, trailer: None });
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            text +=
                std::str::from_utf8(&chunk.map_err(|refused| refused.code.into_owned())?).unwrap();
        }
        Ok(text)
    }

    #[tokio::test]
    async fn a_body_of_the_length_it_announced_passes() {
        assert_eq!(read(&["ab", "", "c"], 3, None).await.unwrap(), "abc");
        assert_eq!(read(&[], 0, None).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_of_another_length_never_ends_well() {
        assert_eq!(read(&["ab"], 3, None).await.unwrap_err(), "IncompleteBody");
        assert_eq!(read(&["ab", "cd"], 3, None).await.unwrap_err(), "IncompleteBody");
    }

    #[tokio::test]
    async fn a_body_of_another_digest_never_ends_well() {
        assert_eq!(read(&["abc"], 3, Some(Md5::checksum(b"abc"))).await.unwrap(), "abc");
        assert_eq!(read(&["abc"], 3, Some(Md5::checksum(b"abd"))).await.unwrap_err(), "BadDigest");
    }

    #[tokio::test]
    async fn the_last_chunk_waits_for_the_check() {
        let expected = Expected { bytes: 3, md5: Some([0; 16]), trailer: None };
        let mut stream = Checked::new(body_of(&["ab", "c"]), expected);
        assert_eq!(stream.next().await.unwrap().unwrap(), "ab");
        assert_eq!(stream.next().await.unwrap().unwrap_err().code, "BadDigest");
        assert!(stream.next().await.is_none());
    }
}
