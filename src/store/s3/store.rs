//! The seam: every call of [`ObjectStore`], handed to the family that makes it.

use std::time::Duration;

use async_trait::async_trait;

use crate::store::error::StoreResult;
use crate::store::s3::S3Client;
use crate::store::types::{
    Acl, AclChange, Bucket, CompleteMultipart, CopyObject, CopySource, CreateBucket,
    CreateMultipart, DeleteObject, Deleted, DocumentKind, GetObject, GotObject, HeadObject,
    ListObjects, ListUploads, ListVersions, ObjectHead, ObjectIdentifier, ObjectPage, Part,
    PartPage, Payload, Range, Resource, RestoreObject, Tags, UploadPage, VersionPage, WriteOptions,
    Written,
};
use crate::store::{ObjectStore, Upload, UploadPart};

#[async_trait]
impl ObjectStore for S3Client {
    async fn list_buckets(&self) -> StoreResult<Vec<Bucket>> {
        self.connection.list_buckets().await
    }

    async fn create_bucket(&self, bucket: &str, options: CreateBucket) -> StoreResult<()> {
        self.connection.create_bucket(bucket, options).await
    }

    async fn delete_bucket(&self, bucket: &str) -> StoreResult<()> {
        self.connection.delete_bucket(bucket).await
    }

    async fn head_bucket(&self, bucket: &str) -> StoreResult<String> {
        self.connection.head_bucket(bucket).await
    }

    async fn list_objects(&self, bucket: &str, options: ListObjects) -> StoreResult<ObjectPage> {
        self.connection.list_objects(bucket, options).await
    }

    async fn list_versions(&self, bucket: &str, options: ListVersions) -> StoreResult<VersionPage> {
        self.connection.list_versions(bucket, options).await
    }

    async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead> {
        self.connection.head_object(bucket, key, options).await
    }

    async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        self.connection.get_object(bucket, key, options).await
    }

    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        self.connection.put_object(bucket, key, payload, options).await
    }

    async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written> {
        self.connection.copy_object(source, bucket, key, options).await
    }

    async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted> {
        self.connection.delete_object(bucket, key, options).await
    }

    async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>> {
        self.connection.delete_objects(bucket, objects).await
    }

    async fn create_multipart(
        &self,
        bucket: &str,
        key: &str,
        options: CreateMultipart,
    ) -> StoreResult<String> {
        self.connection.create_multipart(bucket, key, options).await
    }

    async fn upload_part(&self, part: UploadPart<'_>, payload: Payload) -> StoreResult<Part> {
        self.connection.upload_part(part, payload).await
    }

    async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        self.connection.upload_part_copy(part, source, range).await
    }

    async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        self.connection.complete_multipart(upload, parts, options).await
    }

    async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()> {
        self.connection.abort_multipart(upload).await
    }

    async fn list_parts(&self, upload: Upload<'_>, after: Option<u32>) -> StoreResult<PartPage> {
        self.connection.list_parts(upload, after).await
    }

    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> StoreResult<UploadPage> {
        self.connection.list_uploads(bucket, options).await
    }

    async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        self.connection.get_acl(resource).await
    }

    async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()> {
        self.connection.put_acl(resource, change).await
    }

    async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags> {
        self.connection.get_tags(resource).await
    }

    async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()> {
        self.connection.put_tags(resource, tags).await
    }

    async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()> {
        self.connection.restore_object(bucket, key, options).await
    }

    async fn get_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<String> {
        self.connection.get_document(resource, kind).await
    }

    async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()> {
        self.connection.put_document(resource, kind, text).await
    }

    async fn delete_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()> {
        self.connection.delete_document(resource, kind).await
    }

    async fn presign_get(&self, bucket: &str, key: &str, valid: Duration) -> StoreResult<String> {
        self.connection.presign_get(bucket, key, valid).await
    }
}
