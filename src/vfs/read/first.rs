//! First bytes: what S3 says of an object, and where it begins, by one request.
//!
//! For whoever will read what it looks at. The bytes are cached; where that can't be, what S3 says is
//! told all the same. Whether to ask in this way is the caller's decision.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::store::error::{ErrorKind, StoreResult};
use crate::store::types::{ByteStream, GetObject, ObjectHead, Range};
use crate::vfs::budget::Reservation;
use crate::vfs::buffers::Buffer;
use crate::vfs::cache::memory::{Origin, extent_memory};
use crate::vfs::cache::reserved_bytes;
use crate::vfs::read::Reader;
use crate::vfs::types::ObjectRef;

impl Reader {
    /// What S3 says of an object; `None` where that takes another request: there is no memory, or the
    /// object has no bytes to be had. Up to `bytes` of it, which is not zero, are cached.
    pub async fn look(
        &self,
        bucket: &str,
        key: &str,
        bytes: u64,
    ) -> StoreResult<Option<ObjectHead>> {
        let Some(mut memory) = self.budget.try_reserve(extent_memory(bytes)) else {
            return Ok(None);
        };
        let range = Some(Range::Span { start: 0, end: bytes });
        let options = GetObject { range, ..GetObject::default() };
        let got = match self.store.get_object(bucket, key, options).await {
            Ok(got) => got,
            Err(error) if error.kind == ErrorKind::NotFound || error.kind.is_passing() => {
                return Err(error);
            }
            // An empty object has no first byte, an archived one does not give it, and one that can't
            // be decrypted may still be looked at.
            Err(_) => return Ok(None),
        };
        if got.range.start == 0 && got.range.end <= bytes {
            memory.shrink(extent_memory(got.range.end));
            let data = self.buffers().take(usize::try_from(got.range.end).unwrap_or(usize::MAX));
            let object = ObjectRef {
                bucket: Arc::from(bucket),
                key: Arc::from(key),
                etag: got.head.etag.clone(),
                size: got.head.size,
            };
            if let Some(data) = self.read_whole(got.body, data, memory).await {
                self.keep_first(&object, data);
            }
        }
        Ok(Some(got.head))
    }

    /// `None` where the bytes break off: whoever wants them fetches them, and meets the failure.
    async fn read_whole(
        &self,
        mut body: ByteStream,
        mut data: Buffer,
        memory: Reservation,
    ) -> Option<Bytes> {
        let deadline = Instant::now() + self.limits.stall_timeout;
        while let Some(chunk) = timeout_at(deadline, body.next()).await.ok()? {
            data.push(&chunk.ok()?);
        }
        (extent_memory(data.len() as u64) == memory.bytes()).then(|| reserved_bytes(data, memory))
    }

    fn keep_first(&self, object: &ObjectRef, data: Bytes) {
        let range = 0..data.len() as u64;
        if let Some(disk) = &self.disk {
            disk.store(object, 0, vec![data.clone()], None);
        }
        if let Some((landing, _flight)) = self.cache.claim(object, range, Origin::Asked) {
            landing.land(Ok(data));
        }
    }
}
