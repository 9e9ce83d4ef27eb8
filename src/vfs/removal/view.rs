//! View: S3 as the programs of this mount see it while keys are being removed.
//!
//! What they have removed is gone, whatever S3 still tells. And whatever is written under a key
//! whose removal is under way waits until that has ended, here and nowhere else: no request that
//! makes something can overtake the removal of what was there before.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    Acl, AclChange, Bucket, CompleteMultipart, CopyObject, CopySource, CreateBucket,
    CreateMultipart, DeleteObject, Deleted, DocumentKind, GetObject, GotObject, HeadObject,
    ListObjects, ListUploads, ListVersions, ObjectHead, ObjectIdentifier, ObjectPage, Part,
    PartPage, Payload, Range, Resource, RestoreObject, Tags, UploadPage, VersionPage, WriteOptions,
    Written,
};
use crate::store::{ObjectStore, Upload, UploadPart};
use crate::vfs::removal::Removals;

/// S3's limit for one page of a listing.
const PAGE_KEYS_MAX: u32 = 1000;

/// A store in which removals that are under way have ended.
pub struct View {
    inner: Arc<dyn ObjectStore>,
    removals: Arc<Removals>,
}

impl View {
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, removals: &Arc<Removals>) -> Self {
        Self { inner, removals: Arc::clone(removals) }
    }

    async fn settle(&self, bucket: &str, key: &str) {
        self.removals.settled_to_write(bucket, key).await;
    }

    async fn settle_resource(&self, resource: &Resource) {
        match resource {
            Resource::Bucket { .. } => {}
            Resource::Object { bucket, key, .. } => self.settle(bucket, key).await,
        }
    }
}

#[async_trait]
impl ObjectStore for View {
    async fn list_buckets(&self) -> StoreResult<Vec<Bucket>> {
        self.inner.list_buckets().await
    }

    async fn create_bucket(&self, bucket: &str, options: CreateBucket) -> StoreResult<()> {
        self.inner.create_bucket(bucket, options).await
    }

    async fn delete_bucket(&self, bucket: &str) -> StoreResult<()> {
        self.removals.settled_below(bucket, "").await;
        self.inner.delete_bucket(bucket).await
    }

    async fn head_bucket(&self, bucket: &str) -> StoreResult<String> {
        self.inner.head_bucket(bucket).await
    }

    /// Where only so many keys are wanted there may be a few more, never fewer than there are.
    async fn list_objects(
        &self,
        bucket: &str,
        mut options: ListObjects,
    ) -> StoreResult<ObjectPage> {
        let reading = self.removals.begin_reading();
        let wanted = options.keys_max.map_or(0, |keys| keys as usize);
        if let Some(keys) = &mut options.keys_max {
            let hidden = reading.count_below(bucket, &options.prefix) as u32;
            *keys = keys.saturating_add(hidden).min(PAGE_KEYS_MAX);
        }
        let mut seen = ObjectPage::default();
        loop {
            let page = self.inner.list_objects(bucket, options.clone()).await?;
            seen.objects.extend(page.objects);
            seen.prefixes.extend(page.prefixes);
            seen.next = page.next;
            reading.retain_seen(bucket, &mut seen.objects);
            if seen.next.is_none() || seen.objects.len() + seen.prefixes.len() >= wanted {
                return Ok(seen);
            }
            options.continuation.clone_from(&seen.next);
        }
    }

    async fn list_versions(&self, bucket: &str, options: ListVersions) -> StoreResult<VersionPage> {
        self.inner.list_versions(bucket, options).await
    }

    async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead> {
        let reading = self.removals.begin_reading();
        if reading.hides(bucket, key) {
            return Err(being_removed());
        }
        let head = self.inner.head_object(bucket, key, options).await;
        if reading.hides(bucket, key) { Err(being_removed()) } else { head }
    }

    async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        // Whoever names a version has it open, and may read on while it is there.
        if options.conditions.if_match.is_some() {
            return self.inner.get_object(bucket, key, options).await;
        }
        let reading = self.removals.begin_reading();
        if reading.hides(bucket, key) {
            return Err(being_removed());
        }
        let got = self.inner.get_object(bucket, key, options).await;
        if reading.hides(bucket, key) { Err(being_removed()) } else { got }
    }

    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        self.settle(bucket, key).await;
        self.inner.put_object(bucket, key, payload, options).await
    }

    async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written> {
        self.settle(bucket, key).await;
        self.inner.copy_object(source, bucket, key, options).await
    }

    async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted> {
        self.settle(bucket, key).await;
        self.inner.delete_object(bucket, key, options).await
    }

    async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>> {
        for object in &objects {
            self.settle(bucket, &object.key).await;
        }
        self.inner.delete_objects(bucket, objects).await
    }

    /// Nothing is under the key before the upload is complete.
    async fn create_multipart(
        &self,
        bucket: &str,
        key: &str,
        options: CreateMultipart,
    ) -> StoreResult<String> {
        self.inner.create_multipart(bucket, key, options).await
    }

    async fn upload_part(&self, part: UploadPart<'_>, payload: Payload) -> StoreResult<Part> {
        self.inner.upload_part(part, payload).await
    }

    async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        self.inner.upload_part_copy(part, source, range).await
    }

    async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        self.settle(upload.bucket, upload.key).await;
        self.inner.complete_multipart(upload, parts, options).await
    }

    async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()> {
        self.inner.abort_multipart(upload).await
    }

    async fn list_parts(&self, upload: Upload<'_>, after: Option<u32>) -> StoreResult<PartPage> {
        self.inner.list_parts(upload, after).await
    }

    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> StoreResult<UploadPage> {
        self.inner.list_uploads(bucket, options).await
    }

    async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        self.inner.get_acl(resource).await
    }

    async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()> {
        self.settle_resource(resource).await;
        self.inner.put_acl(resource, change).await
    }

    async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags> {
        self.inner.get_tags(resource).await
    }

    async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()> {
        self.settle_resource(resource).await;
        self.inner.put_tags(resource, tags).await
    }

    async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()> {
        self.inner.restore_object(bucket, key, options).await
    }

    async fn get_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<String> {
        self.inner.get_document(resource, kind).await
    }

    async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()> {
        self.inner.put_document(resource, kind, text).await
    }

    async fn delete_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()> {
        self.inner.delete_document(resource, kind).await
    }

    async fn presign_get(&self, bucket: &str, key: &str, valid: Duration) -> StoreResult<String> {
        self.inner.presign_get(bucket, key, valid).await
    }
}

fn being_removed() -> StoreError {
    StoreError::new(ErrorKind::NotFound, "NoSuchKey", "it is being removed")
}

#[cfg(test)]
mod tests;
