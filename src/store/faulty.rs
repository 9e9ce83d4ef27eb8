//! A store that fails on purpose, for tests.
//!
//! It passes every call on to another store, notes it, and fails those that its plan names:
//! either before the store hears of it, or after, when the change is made and its answer lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::store::error::{StoreError, StoreResult};
use crate::store::types::{
    Acl, AclChange, Bucket, CompleteMultipart, CopyObject, CopySource, CreateBucket,
    CreateMultipart, DeleteObject, Deleted, DocumentKind, GetObject, GotObject, HeadObject,
    ListObjects, ListUploads, ListVersions, ObjectHead, ObjectIdentifier, ObjectPage, Part,
    PartPage, Payload, Range, Resource, RestoreObject, Tags, UploadPage, VersionPage, WriteOptions,
    Written,
};
use crate::store::{ObjectStore, Upload, UploadPart};

/// When a call fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// The store never hears of it.
    Before,
    /// The store has done it; the answer is lost.
    After,
}

/// Bytes of objects that went through the store, failed calls included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BytesMoved {
    pub sent: u64,
    /// Asked for and answered, whether or not they were taken.
    pub fetched: u64,
}

/// A store that fails where its plan says so.
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    calls: Vec<(&'static str, String)>,
    moved: BytesMoved,
    /// By number of the call.
    at_call: BTreeMap<usize, (StoreError, When)>,
    /// By name of the operation.
    operations: HashMap<&'static str, StoreError>,
    everything: Option<StoreError>,
    /// From this call on nothing is answered.
    silent_from: Option<usize>,
    /// By name of the operation: for how long before it is done, and before its answer comes.
    lingering: HashMap<&'static str, Duration>,
}

impl Faulty {
    /// Fails nothing yet.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// Fails the call of that number once; the first call ever made is number 0.
    pub fn fail_call(&self, number: usize, error: StoreError, when: When) {
        self.plan().at_call.insert(number, (error, when));
    }

    /// Fails every call, as a server that is down.
    pub fn fail_all(&self, error: StoreError) {
        self.plan().everything = Some(error);
    }

    /// Fails every call of that method of [`ObjectStore`].
    pub fn fail_operation(&self, operation: &'static str, error: StoreError) {
        self.plan().operations.insert(operation, error);
    }

    /// From the call of that number on nothing reaches the store and nothing is answered, as for a
    /// process that is gone.
    pub fn fall_silent_at(&self, number: usize) {
        self.plan().silent_from = Some(number);
    }

    /// From now on every call of that method of [`ObjectStore`] takes so long to be done, and as
    /// long again to be answered.
    pub fn linger(&self, operation: &'static str, pause: Duration) {
        self.plan().lingering.insert(operation, pause);
    }

    /// Fails nothing any more, and what lingers goes on lingering.
    pub fn heal(&self) {
        let mut plan = self.plan();
        plan.at_call.clear();
        plan.operations.clear();
        plan.everything = None;
        plan.silent_from = None;
    }

    /// Every call so far, failed ones too: the method of [`ObjectStore`], and the key, the
    /// prefix of a listing, or nothing where the call concerns a bucket.
    #[must_use]
    pub fn calls(&self) -> Vec<(&'static str, String)> {
        self.plan().calls.clone()
    }

    /// How many bytes were sent and fetched so far.
    #[must_use]
    pub fn bytes_moved(&self) -> BytesMoved {
        self.plan().moved
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, makes it, and fails it if it is to fail.
    async fn run<T>(
        &self,
        operation: &'static str,
        key: &str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        let (fault, is_silent, pause) = {
            let mut plan = self.plan();
            let is_silent = plan.silent_from.is_some_and(|from| plan.calls.len() >= from);
            let pause = plan.lingering.get(operation).copied();
            (plan.next_fault(operation, key), is_silent, pause)
        };
        if is_silent {
            return std::future::pending().await;
        }
        linger(pause).await;
        let answer = match fault {
            None => call.await,
            Some((error, When::Before)) => Err(error),
            Some((error, When::After)) => {
                // The caller learns nothing of how it went.
                drop(call.await);
                Err(error)
            }
        };
        linger(pause).await;
        answer
    }
}

impl Plan {
    fn next_fault(&mut self, operation: &'static str, key: &str) -> Option<(StoreError, When)> {
        let number = self.calls.len();
        self.calls.push((operation, key.to_owned()));
        let lasting = self.everything.as_ref().or_else(|| self.operations.get(operation));
        let lasting = lasting.map(|error| (error.clone(), When::Before));
        lasting.or_else(|| self.at_call.remove(&number))
    }
}

async fn linger(pause: Option<Duration>) {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
}

fn key_of(resource: &Resource) -> &str {
    match resource {
        Resource::Bucket { .. } => "",
        Resource::Object { key, .. } => key,
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn list_buckets(&self) -> StoreResult<Vec<Bucket>> {
        self.run("list_buckets", "", self.inner.list_buckets()).await
    }

    async fn create_bucket(&self, bucket: &str, options: CreateBucket) -> StoreResult<()> {
        self.run("create_bucket", "", self.inner.create_bucket(bucket, options)).await
    }

    async fn delete_bucket(&self, bucket: &str) -> StoreResult<()> {
        self.run("delete_bucket", "", self.inner.delete_bucket(bucket)).await
    }

    async fn head_bucket(&self, bucket: &str) -> StoreResult<String> {
        self.run("head_bucket", "", self.inner.head_bucket(bucket)).await
    }

    async fn list_objects(&self, bucket: &str, options: ListObjects) -> StoreResult<ObjectPage> {
        let prefix = options.prefix.clone();
        self.run("list_objects", &prefix, self.inner.list_objects(bucket, options)).await
    }

    async fn list_versions(&self, bucket: &str, options: ListVersions) -> StoreResult<VersionPage> {
        let prefix = options.prefix.clone();
        self.run("list_versions", &prefix, self.inner.list_versions(bucket, options)).await
    }

    async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead> {
        self.run("head_object", key, self.inner.head_object(bucket, key, options)).await
    }

    async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        let got = self.run("get_object", key, self.inner.get_object(bucket, key, options)).await?;
        self.plan().moved.fetched += got.range.end - got.range.start;
        Ok(got)
    }

    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        self.plan().moved.sent += payload.bytes();
        self.run("put_object", key, self.inner.put_object(bucket, key, payload, options)).await
    }

    async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written> {
        self.run("copy_object", key, self.inner.copy_object(source, bucket, key, options)).await
    }

    async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted> {
        self.run("delete_object", key, self.inner.delete_object(bucket, key, options)).await
    }

    async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>> {
        self.run("delete_objects", "", self.inner.delete_objects(bucket, objects)).await
    }

    async fn create_multipart(
        &self,
        bucket: &str,
        key: &str,
        options: CreateMultipart,
    ) -> StoreResult<String> {
        self.run("create_multipart", key, self.inner.create_multipart(bucket, key, options)).await
    }

    async fn upload_part(&self, part: UploadPart<'_>, payload: Payload) -> StoreResult<Part> {
        let key = part.upload.key;
        self.plan().moved.sent += payload.bytes();
        self.run("upload_part", key, self.inner.upload_part(part, payload)).await
    }

    async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        let key = part.upload.key;
        self.run("upload_part_copy", key, self.inner.upload_part_copy(part, source, range)).await
    }

    async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        let call = self.inner.complete_multipart(upload, parts, options);
        self.run("complete_multipart", upload.key, call).await
    }

    async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()> {
        self.run("abort_multipart", upload.key, self.inner.abort_multipart(upload)).await
    }

    async fn list_parts(&self, upload: Upload<'_>, after: Option<u32>) -> StoreResult<PartPage> {
        self.run("list_parts", upload.key, self.inner.list_parts(upload, after)).await
    }

    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> StoreResult<UploadPage> {
        let prefix = options.prefix.clone();
        self.run("list_uploads", &prefix, self.inner.list_uploads(bucket, options)).await
    }

    async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        self.run("get_acl", key_of(resource), self.inner.get_acl(resource)).await
    }

    async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()> {
        self.run("put_acl", key_of(resource), self.inner.put_acl(resource, change)).await
    }

    async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags> {
        self.run("get_tags", key_of(resource), self.inner.get_tags(resource)).await
    }

    async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()> {
        self.run("put_tags", key_of(resource), self.inner.put_tags(resource, tags)).await
    }

    async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()> {
        self.run("restore_object", key, self.inner.restore_object(bucket, key, options)).await
    }

    async fn get_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<String> {
        let call = self.inner.get_document(resource, kind);
        self.run("get_document", key_of(resource), call).await
    }

    async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()> {
        let call = self.inner.put_document(resource, kind, text);
        self.run("put_document", key_of(resource), call).await
    }

    async fn delete_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()> {
        let call = self.inner.delete_document(resource, kind);
        self.run("delete_document", key_of(resource), call).await
    }

    async fn presign_get(&self, bucket: &str, key: &str, valid: Duration) -> StoreResult<String> {
        self.run("presign_get", key, self.inner.presign_get(bucket, key, valid)).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::store::clock::SystemClock;
    use crate::store::error::ErrorKind;
    use crate::store::model::{Model, ModelOptions};

    async fn faulty() -> Faulty {
        let model = Model::in_memory(Arc::new(SystemClock::new()), ModelOptions::default());
        model.create_bucket("bucket", CreateBucket::default()).await.unwrap();
        Faulty::new(Arc::new(model))
    }

    fn down() -> StoreError {
        StoreError::new(ErrorKind::Unavailable, "ServiceUnavailable", "down")
    }

    async fn put(store: &Faulty, key: &str) -> bool {
        let options = WriteOptions::default();
        store.put_object("bucket", key, Payload::empty(), options).await.is_ok()
    }

    async fn is_there(store: &Faulty, key: &str) -> bool {
        store.head_object("bucket", key, HeadObject::default()).await.is_ok()
    }

    #[tokio::test]
    async fn a_call_fails_once_before_or_after_it_took_effect() {
        let store = faulty().await;
        store.fail_call(0, down(), When::Before);
        store.fail_call(2, down(), When::After);
        assert!(!put(&store, "before").await);
        assert!(!is_there(&store, "before").await);
        assert!(!put(&store, "after").await);
        assert!(is_there(&store, "after").await);
        assert!(put(&store, "before").await);
    }

    #[tokio::test]
    async fn everything_fails_until_it_heals() {
        let store = faulty().await;
        store.fail_all(down());
        assert!(!put(&store, "a").await);
        assert!(store.list_buckets().await.is_err());
        store.heal();
        assert!(put(&store, "a").await);
    }

    #[tokio::test]
    async fn from_some_call_on_nothing_is_answered() {
        let store = faulty().await;
        store.fall_silent_at(1);
        assert!(put(&store, "a").await);
        assert!(put(&store, "b").now_or_never().is_none());
        store.heal();
        assert!(!is_there(&store, "b").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_lingers_before_it_is_done_and_before_it_is_answered() {
        let store = faulty().await;
        store.linger("put_object", Duration::from_secs(1));
        let mut putting = std::pin::pin!(put(&store, "a"));
        assert!((&mut putting).now_or_never().is_none());
        assert!(!is_there(&store, "a").await);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!((&mut putting).now_or_never().is_none());
        assert!(is_there(&store, "a").await);
        assert!(putting.await);
    }

    #[tokio::test]
    async fn one_operation_fails_while_others_go_on() {
        let store = faulty().await;
        store.fail_operation("head_object", down());
        assert!(put(&store, "a").await);
        assert!(!is_there(&store, "a").await);
    }

    #[tokio::test]
    async fn calls_are_noted_in_order() {
        let store = faulty().await;
        put(&store, "a").await;
        let options = ListObjects { prefix: "p".to_owned(), ..ListObjects::default() };
        store.list_objects("bucket", options).await.unwrap();
        let expected = [("put_object", "a".to_owned()), ("list_objects", "p".to_owned())];
        assert_eq!(store.calls(), expected);
    }
}
