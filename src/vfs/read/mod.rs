//! Reading: one ranged GET for each read, pinned to the version that was opened.
use crate::store::ObjectStore;
use crate::store::types::{Conditions, GetObject, Range};
use crate::vfs::budget::Budget;
use crate::vfs::error::VfsResult;
use crate::vfs::types::ObjectRef;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
pub struct Reader {
    store: Arc<dyn ObjectStore>,
}
pub struct ReadLimits {}
impl ReadLimits {
    pub fn within(_m: u64, _t: Duration) -> Self {
        Self {}
    }
}
pub struct ReadHandle {
    reader: Arc<Reader>,
    object: ObjectRef,
}
impl Reader {
    pub fn new(store: Arc<dyn ObjectStore>, _b: Arc<Budget>, _l: ReadLimits) -> Arc<Self> {
        Arc::new(Self { store })
    }
    pub fn open(self: &Arc<Self>, object: ObjectRef) -> ReadHandle {
        ReadHandle { reader: Arc::clone(self), object }
    }
    pub fn forget(&self, _b: &str, _k: &str) {}
}
impl ReadHandle {
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }
    pub async fn read(&self, offset: u64, bytes: u32) -> VfsResult<Bytes> {
        let end = (offset + u64::from(bytes)).min(self.object.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let o = GetObject {
            range: Some(Range::Span { start: offset, end }),
            conditions: Conditions::matching(self.object.etag.clone()),
            version: None,
        };
        let mut got =
            self.reader.store.get_object(&self.object.bucket, &self.object.key, o).await?;
        let mut b = BytesMut::new();
        while let Some(c) = got.body.next().await {
            b.extend_from_slice(&c?);
        }
        Ok(b.freeze())
    }
}
