//! The seam: S3's own words, and nothing of files.
//!
//! [`ObjectStore`] is what the filesystem asks and what the HTTP front answers from. The
//! [`model`] implements it in this process, [`s3`] by requests to a server, and [`faulty`]
//! wraps any of them to fail on purpose. Every implementation passes one conformance suite
//! (`tests/suite/conformance`).

mod checksum;
pub mod clock;
pub mod error;
pub mod types;

pub mod faulty;
pub mod model;
pub mod s3;

use std::time::Duration;

use async_trait::async_trait;

use crate::store::error::StoreResult;
use crate::store::types::{
    Acl, AclChange, Bucket, CompleteMultipart, CopyObject, CopySource, CreateBucket,
    CreateMultipart, DeleteObject, Deleted, DocumentKind, GetObject, GotObject, HeadObject,
    ListObjects, ListUploads, ListVersions, ObjectHead, ObjectIdentifier, ObjectPage, Part,
    PartPage, Payload, Range, Resource, RestoreObject, Tags, UploadPage, VersionPage, WriteOptions,
    Written,
};

/// An S3. Names, rules and refusals are those of the S3 API reference.
///
/// Every method is required: a store that can't do a thing says `Unsupported`. Calls are
/// complete when they return: what they wrote is durable and visible to every other call.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    // Buckets.

    /// All buckets of the account, by name.
    async fn list_buckets(&self) -> StoreResult<Vec<Bucket>>;
    /// Fails with `Exists` (`BucketAlreadyOwnedByYou`, `BucketAlreadyExists`) or `Invalid`
    /// (`InvalidBucketName`).
    async fn create_bucket(&self, bucket: &str, options: CreateBucket) -> StoreResult<()>;
    /// Fails with `NotEmpty` while the bucket holds an object or a version.
    async fn delete_bucket(&self, bucket: &str) -> StoreResult<()>;
    /// The bucket's region; the cheapest way to ask whether a bucket is there and ours to use.
    async fn head_bucket(&self, bucket: &str) -> StoreResult<String>;

    // Objects.

    async fn list_objects(&self, bucket: &str, options: ListObjects) -> StoreResult<ObjectPage>;
    async fn list_versions(&self, bucket: &str, options: ListVersions) -> StoreResult<VersionPage>;
    async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead>;
    /// Fails with `Range` where the range starts at or behind the end, with `Archived` where the
    /// bytes must be restored first. The stream of the body fails with `Corrupt` where it ends
    /// early.
    async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject>;
    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written>;
    /// Sources up to 5 GiB.
    async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written>;
    /// Succeeds where there is no such object, as S3 does.
    async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted>;
    /// Up to 1000 objects; one answer for each, in the order given.
    async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>>;

    // Multipart uploads.

    /// The id of the new upload.
    async fn create_multipart(
        &self,
        bucket: &str,
        key: &str,
        options: CreateMultipart,
    ) -> StoreResult<String>;
    /// `number` from 1 to 10,000; a part of a number that is there replaces it.
    async fn upload_part(&self, part: UploadPart<'_>, payload: Payload) -> StoreResult<Part>;
    async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part>;
    /// Parts in ascending order, all but the last of 5 MiB at least.
    async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written>;
    async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()>;
    /// Parts with a number above `after`.
    async fn list_parts(&self, upload: Upload<'_>, after: Option<u32>) -> StoreResult<PartPage>;
    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> StoreResult<UploadPage>;

    // What is not bytes.

    async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl>;
    async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()>;
    /// Of an object.
    async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags>;
    /// Of an object; no tags removes them.
    async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()>;
    async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()>;
    /// Fails with `NotFound` and the code of [`types::DOCUMENTS`] where there is none.
    async fn get_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<String>;
    async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()>;
    async fn delete_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()>;
    /// An address from which anyone can GET the object for `valid`, at most seven days.
    async fn presign_get(&self, bucket: &str, key: &str, valid: Duration) -> StoreResult<String>;
}

/// Names a multipart upload.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    /// From `create_multipart`.
    pub upload: &'a str,
}

/// Names a part of a multipart upload.
#[derive(Clone, Copy, Debug)]
pub struct UploadPart<'a> {
    pub upload: Upload<'a>,
    pub number: u32,
    /// Checked by S3 against the body; not used for a copy.
    pub checksum: Option<&'a types::Checksum>,
}
