//! A store of one object whose bytes follow from their offsets, that notes each GET and fails by
//! plan.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    Acl, AclChange, Bucket, CompleteMultipart, CopyObject, CopySource, CreateBucket,
    CreateMultipart, DeleteObject, Deleted, DocumentKind, ETag, EtagCondition, GetObject,
    GotObject, HeadObject, ListObjects, ListUploads, ListVersions, ObjectAttributes, ObjectHead,
    ObjectIdentifier, ObjectPage, Part, PartPage, Payload, Range as StoreRange, Resource,
    RestoreObject, Tags, UploadPage, VersionPage, WriteOptions, Written,
};
use crate::store::{ObjectStore, Upload, UploadPart};
use crate::vfs::types::ObjectRef;

/// How a GET goes.
#[derive(Clone, Debug)]
pub(super) enum Course {
    Well,
    Fails(ErrorKind),
    /// As on a server that knows no conditions.
    Unconditional,
    /// So many bytes come, then the connection breaks.
    BreaksAfter(u64),
    /// So many bytes come, then nothing for ever.
    StallsAfter(u64),
}

pub(super) struct FakeStore {
    size: u64,
    latency: Duration,
    state: Mutex<State>,
}

struct State {
    etag: ETag,
    gets: Vec<Range<u64>>,
    under_way: usize,
    under_way_most: usize,
    /// Of the GETs to come; those behind the last go as `rest` says.
    courses: VecDeque<Course>,
    rest: Course,
}

/// The byte at an offset; neighbours and the same place in other blocks differ.
fn byte_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

pub(super) fn bytes_of(range: Range<u64>) -> Vec<u8> {
    range.map(byte_at).collect()
}

impl FakeStore {
    pub(super) fn new(size: u64, latency: Duration) -> Self {
        let state = State {
            etag: ETag::new("1"),
            gets: Vec::new(),
            under_way: 0,
            under_way_most: 0,
            courses: VecDeque::new(),
            rest: Course::Well,
        };
        Self { size, latency, state: Mutex::new(state) }
    }

    pub(super) fn object(&self) -> ObjectRef {
        let etag = self.state.lock().unwrap().etag.clone();
        ObjectRef { bucket: "b".into(), key: "k".into(), etag, size: self.size }
    }

    pub(super) fn replace(&self, etag: &str) {
        self.state.lock().unwrap().etag = ETag::new(etag);
    }

    /// How the next GETs go, and then all others.
    pub(super) fn plan(&self, courses: impl IntoIterator<Item = Course>, rest: Course) {
        let mut state = self.state.lock().unwrap();
        state.courses = courses.into_iter().collect();
        state.rest = rest;
    }

    /// The ranges asked for so far, in order.
    pub(super) fn gets(&self) -> Vec<Range<u64>> {
        self.state.lock().unwrap().gets.clone()
    }

    pub(super) fn under_way_most(&self) -> usize {
        self.state.lock().unwrap().under_way_most
    }

    fn begin(&self, range: &Range<u64>) -> (Course, ETag) {
        let mut state = self.state.lock().unwrap();
        state.gets.push(range.clone());
        state.under_way += 1;
        state.under_way_most = state.under_way_most.max(state.under_way);
        let course = state.courses.pop_front().unwrap_or_else(|| state.rest.clone());
        (course, state.etag.clone())
    }

    fn head(&self, etag: ETag) -> ObjectHead {
        ObjectHead {
            size: self.size,
            etag,
            last_modified: SystemTime::UNIX_EPOCH,
            attributes: ObjectAttributes::default(),
            version_id: None,
            checksum: None,
            restore: None,
            archive_status: None,
            parts: None,
            tag_count: None,
        }
    }
}

struct UnderWay<'a>(&'a FakeStore);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().under_way -= 1;
    }
}

fn failure(kind: ErrorKind) -> StoreError {
    StoreError::new(kind, "Planned", "a failure that was planned")
}

fn refused<T>() -> StoreResult<T> {
    Err(failure(ErrorKind::Unsupported))
}

fn chunks(range: Range<u64>) -> Vec<StoreResult<Bytes>> {
    let chunk = 300_000;
    range
        .clone()
        .step_by(chunk)
        .map(|start| Ok(bytes_of(start..range.end.min(start + chunk as u64)).into()))
        .collect()
}

#[async_trait]
impl ObjectStore for FakeStore {
    async fn get_object(
        &self,
        _bucket: &str,
        _key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        let Some(StoreRange::Span { start, end }) = options.range else { return refused() };
        let range = start..end.min(self.size);
        let (course, etag) = self.begin(&range);
        let _under_way = UnderWay(self);
        tokio::time::sleep(self.latency).await;
        let wanted = options.conditions.if_match;
        let matches = wanted.is_none_or(|wanted| wanted == EtagCondition::Is(etag.clone()));
        if !matches && !matches!(course, Course::Unconditional) {
            return Err(failure(ErrorKind::Precondition));
        }
        let body = match course {
            Course::Well | Course::Unconditional => stream::iter(chunks(range.clone())).boxed(),
            Course::Fails(kind) => return Err(failure(kind)),
            Course::BreaksAfter(bytes) => {
                let mut items = chunks(range.start..range.end.min(range.start + bytes));
                items.push(Err(failure(ErrorKind::Corrupt)));
                stream::iter(items).boxed()
            }
            Course::StallsAfter(bytes) => {
                let items = chunks(range.start..range.end.min(range.start + bytes));
                stream::iter(items).chain(stream::pending()).boxed()
            }
        };
        Ok(GotObject { head: self.head(etag), range, body })
    }

    async fn list_buckets(&self) -> StoreResult<Vec<Bucket>> {
        refused()
    }
    async fn create_bucket(&self, _: &str, _: CreateBucket) -> StoreResult<()> {
        refused()
    }
    async fn delete_bucket(&self, _: &str) -> StoreResult<()> {
        refused()
    }
    async fn head_bucket(&self, _: &str) -> StoreResult<String> {
        refused()
    }
    async fn list_objects(&self, _: &str, _: ListObjects) -> StoreResult<ObjectPage> {
        refused()
    }
    async fn list_versions(&self, _: &str, _: ListVersions) -> StoreResult<VersionPage> {
        refused()
    }
    async fn head_object(&self, _: &str, _: &str, _: HeadObject) -> StoreResult<ObjectHead> {
        refused()
    }
    async fn put_object(
        &self,
        _: &str,
        _: &str,
        _: Payload,
        _: WriteOptions,
    ) -> StoreResult<Written> {
        refused()
    }
    async fn copy_object(
        &self,
        _: CopySource,
        _: &str,
        _: &str,
        _: CopyObject,
    ) -> StoreResult<Written> {
        refused()
    }
    async fn delete_object(&self, _: &str, _: &str, _: DeleteObject) -> StoreResult<Deleted> {
        refused()
    }
    async fn delete_objects(
        &self,
        _: &str,
        _: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>> {
        refused()
    }
    async fn create_multipart(&self, _: &str, _: &str, _: CreateMultipart) -> StoreResult<String> {
        refused()
    }
    async fn upload_part(&self, _: UploadPart<'_>, _: Payload) -> StoreResult<Part> {
        refused()
    }
    async fn upload_part_copy(
        &self,
        _: UploadPart<'_>,
        _: CopySource,
        _: Option<StoreRange>,
    ) -> StoreResult<Part> {
        refused()
    }
    async fn complete_multipart(
        &self,
        _: Upload<'_>,
        _: Vec<Part>,
        _: CompleteMultipart,
    ) -> StoreResult<Written> {
        refused()
    }
    async fn abort_multipart(&self, _: Upload<'_>) -> StoreResult<()> {
        refused()
    }
    async fn list_parts(&self, _: Upload<'_>, _: Option<u32>) -> StoreResult<PartPage> {
        refused()
    }
    async fn list_uploads(&self, _: &str, _: ListUploads) -> StoreResult<UploadPage> {
        refused()
    }
    async fn get_acl(&self, _: &Resource) -> StoreResult<Acl> {
        refused()
    }
    async fn put_acl(&self, _: &Resource, _: AclChange) -> StoreResult<()> {
        refused()
    }
    async fn get_tags(&self, _: &Resource) -> StoreResult<Tags> {
        refused()
    }
    async fn put_tags(&self, _: &Resource, _: Tags) -> StoreResult<()> {
        refused()
    }
    async fn restore_object(&self, _: &str, _: &str, _: RestoreObject) -> StoreResult<()> {
        refused()
    }
    async fn get_document(&self, _: &Resource, _: DocumentKind) -> StoreResult<String> {
        refused()
    }
    async fn put_document(&self, _: &Resource, _: DocumentKind, _: String) -> StoreResult<()> {
        refused()
    }
    async fn delete_document(&self, _: &Resource, _: DocumentKind) -> StoreResult<()> {
        refused()
    }
    async fn presign_get(&self, _: &str, _: &str, _: Duration) -> StoreResult<String> {
        refused()
    }
}
