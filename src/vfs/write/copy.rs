//! Copy: an object under another key, made by S3 itself.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    CompleteMultipart, Conditions, CopyObject, CopySource, CreateMultipart, ETag, HeadObject,
    ObjectHead, Part, Range, Resource, WriteOptions,
};
use crate::store::{ObjectStore, Upload, UploadPart};
use crate::vfs::types::ObjectRef;
use crate::vfs::write::plan::{PART_BYTES_MAX, plan_copy_ranges};
use crate::vfs::write::upload::Target;

/// Copies the version that is there now, with its metadata, tags, storage class and encryption.
///
/// `conditions` are on the destination. Objects over 5 GiB are copied part by part.
pub async fn copy_object(
    store: &Arc<dyn ObjectStore>,
    source: &Target,
    target: &Target,
    conditions: Conditions,
) -> StoreResult<ObjectRef> {
    let head = store.head_object(&source.bucket, &source.key, HeadObject::default()).await?;
    let from = CopySource {
        bucket: source.bucket.to_string(),
        key: source.key.to_string(),
        version: None,
        conditions: Conditions::matching(head.etag.clone()),
    };
    let etag = if head.size <= PART_BYTES_MAX {
        let options = CopyObject {
            storage_class: head.attributes.storage_class.clone(),
            encryption: head.attributes.encryption.clone(),
            conditions,
            ..CopyObject::default()
        };
        store.copy_object(from, &target.bucket, &target.key, options).await?.etag
    } else {
        copy_by_parts(store, from, &head, target, conditions).await?
    };
    let (bucket, key) = (target.bucket.clone(), target.key.clone());
    Ok(ObjectRef { bucket, key, etag, size: head.size })
}

async fn copy_by_parts(
    store: &Arc<dyn ObjectStore>,
    source: CopySource,
    head: &ObjectHead,
    target: &Target,
    conditions: Conditions,
) -> StoreResult<ETag> {
    let tags = match head.tag_count {
        None | Some(0) => None,
        Some(_) => Some(store.get_tags(&Resource::object(&source.bucket, &source.key)).await?),
    };
    let write =
        WriteOptions { attributes: head.attributes.clone(), tags, ..WriteOptions::default() };
    let options = CreateMultipart { write, checksum: None };
    let id = store.create_multipart(&target.bucket, &target.key, options).await?;
    let upload = Upload { bucket: &target.bucket, key: &target.key, upload: &id };
    let copied = match copy_parts(store, &source, head.size, target, &id).await {
        Ok(parts) => {
            let options = CompleteMultipart { checksum: None, conditions };
            store.complete_multipart(upload, parts, options).await
        }
        Err(error) => Err(error),
    };
    if copied.is_err()
        && let Err(error) = store.abort_multipart(upload).await
    {
        tracing::warn!(key = %target.key, upload = %id, %error, "copy could not be aborted");
    }
    Ok(copied?.etag)
}

async fn copy_parts(
    store: &Arc<dyn ObjectStore>,
    source: &CopySource,
    bytes: u64,
    target: &Target,
    id: &str,
) -> StoreResult<Vec<Part>> {
    let mut tasks = JoinSet::new();
    for (number, range) in plan_copy_ranges(bytes, PART_BYTES_MAX, 1) {
        let (store, source, target) = (Arc::clone(store), source.clone(), target.clone());
        let id = id.to_owned();
        tasks.spawn(async move {
            let upload = Upload { bucket: &target.bucket, key: &target.key, upload: &id };
            let part = UploadPart { upload, number, checksum: None };
            let range = Range::Span { start: range.start, end: range.end };
            store.upload_part_copy(part, source, Some(range)).await
        });
    }
    let mut parts = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        parts.push(ended.map_err(|error| {
            StoreError::new(ErrorKind::Unavailable, "InternalError", error.to_string())
        })??);
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}
