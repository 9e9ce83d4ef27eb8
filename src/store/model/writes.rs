//! Writes: how bodies and copies become objects.
//!
//! What can be refused early is refused before any byte is read; what decides is decided by
//! [`objects::plan_put`] together with the change.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;

use crate::store::error::StoreResult;
use crate::store::model::Model;
use crate::store::model::acl;
use crate::store::model::blobs::{self, Segment};
use crate::store::model::conditions;
use crate::store::model::digest::{self, Digests};
use crate::store::model::engine::Scope;
use crate::store::model::lock;
use crate::store::model::names::{self, STANDARD};
use crate::store::model::objects::{self, NewObject};
use crate::store::model::refusal;
use crate::store::model::restore;
use crate::store::model::state::{Found, ObjectName, StoredObject, UploadInfo, whole_seconds};
use crate::store::types::{
    Checksum, ChecksumAlgorithm, CopyObject, CopySource, ObjectAttributes, Payload, WriteOptions,
    Written,
};

/// What S3 calls the type of an object that came without one.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";
const COPY_SOURCE_BYTES_MAX: u64 = 5 << 30;

impl Model {
    pub(super) async fn put(
        &self,
        name: ObjectName,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        names::check_key(&name.key)?;
        let (expected, conditions) = (options.checksum.clone(), options.conditions.clone());
        let algorithm = expected.as_ref().map(|checksum| checksum.algorithm);
        let algorithm = algorithm.or(options.checksum_algorithm);
        let prepared = self.prepare(options)?;
        self.engine.read(|state| state.bucket(&name.bucket).map(drop))?;
        let received = self.place.receive(payload, algorithm).await?;
        check_checksum(expected.as_ref(), &received.digests)?;
        let object = StoredObject {
            size: received.bytes,
            etag: digest::etag_of(&received.digests.md5),
            checksum: received.digests.checksum,
            segments: received.segments.into(),
            ..object_of(prepared)
        };
        let last_modified = whole_seconds(self.clock.wall());
        self.write(NewObject { name, object, last_modified, conditions, fresh_id: fresh_id() })
            .await
    }

    pub(super) async fn copy(
        &self,
        source: CopySource,
        name: ObjectName,
        options: CopyObject,
    ) -> StoreResult<Written> {
        names::check_key(&name.key)?;
        let found = self.find_source(&source)?;
        check_copy(&source, &found, &name, &options)?;
        let replaced = options.replace_attributes;
        let mut attributes = replaced.unwrap_or_else(|| ObjectAttributes {
            website_redirect_location: None,
            ..found.object.attributes.clone()
        });
        attributes.storage_class = options.storage_class;
        attributes.encryption = options.encryption;
        let tags = options.replace_tags.unwrap_or_else(|| found.object.tags.clone());
        let prepared = self.prepare(WriteOptions {
            attributes,
            tags: Some(tags),
            acl: options.acl,
            grants: options.grants,
            lock: options.lock,
            ..WriteOptions::default()
        })?;
        let digests = self.digest_copy(&found, options.checksum_algorithm).await?;
        let object = StoredObject {
            size: found.object.size,
            etag: digest::etag_of(&digests.md5),
            checksum: digests.checksum,
            segments: Arc::clone(&found.object.segments),
            ..object_of(prepared)
        };
        let last_modified = whole_seconds(self.clock.wall());
        let conditions = options.conditions;
        let new = NewObject { name, object, last_modified, conditions, fresh_id: fresh_id() };
        let written = self.write(new).await?;
        Ok(Written { last_modified: Some(last_modified), ..written })
    }

    /// The source of a copy, once its conditions are met and its bytes can be read.
    pub(super) fn find_source(&self, source: &CopySource) -> StoreResult<Found> {
        let found = self.engine.read(|state| {
            state.bucket(&source.bucket)?.find(&source.key, source.version.as_deref())
        })?;
        let last_modified = found.version.last_modified;
        conditions::check_source(&source.conditions, &found.object.etag, last_modified)?;
        restore::check_readable(&found.object, self.clock.wall())?;
        Ok(found)
    }

    /// Checks and completes what rides along with an object; the form that uploads keep it in.
    pub(super) fn prepare(&self, options: WriteOptions) -> StoreResult<UploadInfo> {
        let mut attributes = options.attributes;
        names::check_attributes(&attributes)?;
        let tags = options.tags.unwrap_or_default();
        names::check_tags(&tags)?;
        attributes.storage_class = attributes.storage_class.filter(|class| class != STANDARD);
        attributes.content_type.get_or_insert_with(|| CONTENT_TYPE_DEFAULT.to_owned());
        let now = self.clock.wall();
        Ok(UploadInfo {
            started: whole_seconds(now),
            attributes,
            tags,
            acl: acl::plan_new(options.acl, options.grants, &self.options.owner)?,
            documents: lock::plan_documents(&options.lock, now)?,
            checksum: None,
        })
    }

    async fn write(&self, new: NewObject) -> StoreResult<Written> {
        let scope = Scope::object(&new.name);
        let (etag, checksum) = (new.object.etag.clone(), new.object.checksum.clone());
        let version_id =
            self.engine.change(scope, move |state| objects::plan_put(state, new)).await?;
        Ok(Written { etag, version_id, checksum, last_modified: None })
    }

    /// The digests of a copy, which is one piece whatever its source was.
    async fn digest_copy(
        &self,
        source: &Found,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> StoreResult<Digests> {
        let kept = source.object.checksum.as_ref();
        let wanted = algorithm.or(kept.map(|checksum| checksum.algorithm));
        let kept = kept.filter(|it| Some(it.algorithm) == wanted && !it.value.contains('-'));
        digest_segments(Arc::clone(&source.object.segments), wanted, kept.cloned()).await
    }
}

/// The digests of segments; read only where they don't follow from what is known: a blob's MD5,
/// and the checksum of all of it that is `kept`.
pub(super) async fn digest_segments(
    segments: Arc<[Segment]>,
    wanted: Option<ChecksumAlgorithm>,
    kept: Option<Checksum>,
) -> StoreResult<Digests> {
    match blobs::known_md5(&segments) {
        Some(md5) if wanted == kept.as_ref().map(|kept| kept.algorithm) => {
            Ok(Digests { md5, checksum: kept })
        }
        _ => spawn_blocking(move || blobs::digest_blocking(&segments, wanted))
            .await
            .map_err(|error| refusal::internal("reading stopped", error))?,
    }
}

/// Fails where the bytes that came are not those that were announced.
pub(super) fn check_checksum(expected: Option<&Checksum>, digests: &Digests) -> StoreResult<()> {
    match expected {
        Some(expected) if digests.checksum.as_ref() != Some(expected) => {
            Err(refusal::bad_digest(expected.algorithm.as_str()))
        }
        _ => Ok(()),
    }
}

/// An object without bytes.
pub(super) fn object_of(prepared: UploadInfo) -> StoredObject {
    StoredObject {
        size: 0,
        etag: crate::store::types::ETag::new(""),
        attributes: prepared.attributes,
        checksum: None,
        parts: None,
        tags: prepared.tags,
        acl: prepared.acl,
        documents: prepared.documents,
        restoration: None,
        segments: Arc::from([]),
    }
}

/// An id that was never given before.
pub(super) fn fresh_id() -> Arc<str> {
    Arc::from(format!("{:032x}", fastrand::u128(..)))
}

/// An upload's id: like [`fresh_id`], but sorted by the time it was given.
pub(super) fn fresh_upload_id(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:016x}{:016x}", since.as_micros(), fastrand::u64(..))
}

pub(super) fn check_source_bytes(bytes: u64) -> StoreResult<()> {
    if bytes <= COPY_SOURCE_BYTES_MAX {
        return Ok(());
    }
    Err(refusal::invalid_request(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: {COPY_SOURCE_BYTES_MAX}"
    )))
}

/// Refuses a copy that is too large, or of an object onto itself that would change nothing.
fn check_copy(
    source: &CopySource,
    found: &Found,
    name: &ObjectName,
    options: &CopyObject,
) -> StoreResult<()> {
    check_source_bytes(found.object.size)?;
    let is_itself =
        source.bucket == name.bucket && source.key == name.key && source.version.is_none();
    let is_change = options.replace_attributes.is_some()
        || options.storage_class.is_some()
        || options.encryption.is_some()
        || options.checksum_algorithm.is_some();
    if is_itself && !is_change {
        return Err(refusal::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    Ok(())
}
