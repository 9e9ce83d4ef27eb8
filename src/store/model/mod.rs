//! An S3 in this process, in memory or on a directory.
//!
//! The model answers what S3's API reference says S3 answers, refusals included. It decides in
//! pure functions over its [`state`]; the [`engine`] applies what was decided, atomically and,
//! on a directory, durably: the [`journal`] keeps the state, [`blobs`] keep the bytes, small ones
//! in the journal's database and by the same transaction.
//!
//! Where S3 leaves a choice: versions and uploads have random ids, times are whole seconds, an
//! object from a multipart upload is dated by when the upload began, an upload can be completed
//! once. Documents are kept and, but for versioning, holds and retentions, have no effect.

mod acl;
mod blobs;
mod conditions;
mod digest;
mod documents;
mod engine;
mod journal;
mod listing;
mod lock;
mod multipart;
mod names;
mod objects;
mod range;
mod records;
mod refusal;
mod resources;
mod restore;
mod state;
mod uploads;
mod writes;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::store::clock::Clock;
use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::blobs::directory::BlobDirectory;
use crate::store::model::blobs::receive::Place;
use crate::store::model::engine::{Engine, Scope};
use crate::store::model::journal::Journal;
use crate::store::model::records::BlobTable;
use crate::store::model::state::{Change, Found, ObjectName, State, UploadName};
use crate::store::types::{
    Acl, AclChange, Bucket, CompleteMultipart, CopyObject, CopySource, CreateBucket,
    CreateMultipart, DeleteObject, Deleted, DocumentKind, GetObject, GotObject, HeadObject,
    ListObjects, ListUploads, ListVersions, ObjectHead, ObjectIdentifier, ObjectPage, Owner, Part,
    PartPage, Payload, Range, Resource, RestoreObject, Tags, UploadPage, VersionPage, WriteOptions,
    Written,
};
use crate::store::{ObjectStore, Upload, UploadPart};

const JOURNAL_FILE: &str = "metadata.redb";
const BLOBS_DIRECTORY: &str = "blobs";
/// Of one batch.
const DELETES_MAX: usize = 1000;

/// An S3 in this process.
pub struct Model {
    engine: Arc<Engine>,
    place: Place,
    clock: Arc<dyn Clock>,
    options: ModelOptions,
}

/// What differs from one S3 to another.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Of buckets that are created without naming one.
    pub region: String,
    /// Of all buckets and objects.
    pub owner: Owner,
    /// How small all parts but the last may be.
    pub part_bytes_min: u64,
    /// How long it takes until an archived object is restored.
    pub restore_duration: Duration,
}

impl Default for ModelOptions {
    fn default() -> Self {
        let id = "d34db33f5f0a4b6c8e1702c9a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
        Self {
            region: "us-east-1".to_owned(),
            owner: Owner { id: id.to_owned(), display_name: Some("pailfs".to_owned()) },
            part_bytes_min: 5 << 20,
            restore_duration: Duration::from_secs(2),
        }
    }
}

impl Model {
    /// An S3 that begins empty and is gone with the process.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, options: ModelOptions) -> Self {
        Self { engine: Arc::new(Engine::in_memory()), place: Place::Memory, clock, options }
    }

    /// The S3 that is kept in a directory, which is made where there is none.
    ///
    /// Reads all metadata. Fails with `Conflict` while another process has it open.
    pub fn open(
        directory: &Path,
        clock: Arc<dyn Clock>,
        options: ModelOptions,
    ) -> StoreResult<Self> {
        let failed = |error| refusal::internal("the directory can't be used", error);
        let blobs = BlobDirectory::open(directory.join(BLOBS_DIRECTORY)).map_err(failed)?;
        let journal = Journal::open(&directory.join(JOURNAL_FILE))?;
        // The names of the two, which may be new.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        let rows = journal.rows();
        let mut table = BlobTable::new(Arc::clone(&blobs), Arc::clone(&rows));
        let state = journal.load(&mut table)?;
        // What was received but never committed, or committed to be gone but not yet removed.
        let wanted = table.into_ids();
        let swept = blobs.sweep(&wanted).map_err(failed)? + rows.sweep(&wanted)?;
        if swept > 0 {
            tracing::info!(swept, "removed bytes of unfinished writes");
        }
        let engine = Arc::new(Engine::over(journal, Arc::clone(&blobs), state));
        Ok(Self { engine, place: Place::Directory(blobs, rows), clock, options })
    }

    /// The object to be read, once its conditions are met.
    fn find(&self, bucket: &str, key: &str, options: &HeadObject) -> StoreResult<Found> {
        let version = options.version.as_deref();
        let found = self.engine.read(|state| {
            let bucket = state.bucket(bucket)?;
            names::check_key(key)?;
            bucket.find(key, version)
        })?;
        let last_modified = found.version.last_modified;
        conditions::check_read(&options.conditions, &found.object.etag, last_modified)?;
        Ok(found)
    }

    /// Makes a change that concerns a bucket or an object.
    async fn change(
        &self,
        resource: &Resource,
        decide: impl FnOnce(&State) -> StoreResult<Change> + Send + 'static,
    ) -> StoreResult<()> {
        let scope = match resource {
            Resource::Bucket { bucket } => Scope::bucket(bucket),
            Resource::Object { bucket, key, .. } => Scope::object(&ObjectName::new(bucket, key)),
        };
        self.engine.change(scope, |state| Ok((decide(state)?, ()))).await
    }
}

#[async_trait]
impl ObjectStore for Model {
    async fn list_buckets(&self) -> StoreResult<Vec<Bucket>> {
        Ok(self.engine.read(resources::list_buckets))
    }

    async fn create_bucket(&self, bucket: &str, options: CreateBucket) -> StoreResult<()> {
        let ModelOptions { owner, region, .. } = self.options.clone();
        let (name, now) = (bucket.to_owned(), self.clock.wall());
        let decide = move |state: &State| {
            resources::plan_create_bucket(state, &name, options, &owner, (&region, now))
        };
        self.change(&Resource::bucket(bucket), decide).await
    }

    async fn delete_bucket(&self, bucket: &str) -> StoreResult<()> {
        let name = bucket.to_owned();
        let decide = move |state: &State| resources::plan_delete_bucket(state, &name);
        self.change(&Resource::bucket(bucket), decide).await
    }

    async fn head_bucket(&self, bucket: &str) -> StoreResult<String> {
        self.engine.read(|state| Ok(state.bucket(bucket)?.info.region.clone()))
    }

    async fn list_objects(&self, bucket: &str, options: ListObjects) -> StoreResult<ObjectPage> {
        let now = self.clock.wall();
        self.engine
            .read(|state| listing::list_objects(&state.bucket(bucket)?.objects, &options, now))
    }

    async fn list_versions(&self, bucket: &str, options: ListVersions) -> StoreResult<VersionPage> {
        self.engine.read(|state| listing::list_versions(&state.bucket(bucket)?.objects, &options))
    }

    async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead> {
        Ok(self.find(bucket, key, &options)?.head(self.clock.wall()))
    }

    async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        let GetObject { range, conditions, version } = options;
        let found = self.find(bucket, key, &HeadObject { conditions, version })?;
        let now = self.clock.wall();
        restore::check_readable(&found.object, now)?;
        let range = range::resolve(range, found.object.size)?;
        let body = blobs::read(&found.object.segments, &range);
        Ok(GotObject { head: found.head(now), range, body })
    }

    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        self.put(ObjectName::new(bucket, key), payload, options).await
    }

    async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written> {
        self.copy(source, ObjectName::new(bucket, key), options).await
    }

    async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted> {
        let (name, now) = (ObjectName::new(bucket, key), self.clock.wall());
        let fresh_id = writes::fresh_id();
        let scope = Scope::object(&name);
        let decide =
            move |state: &State| objects::plan_delete(state, &name, &options, fresh_id, now);
        self.engine.change(scope, decide).await
    }

    async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>> {
        self.engine.read(|state| state.bucket(bucket).map(drop))?;
        if objects.is_empty() || objects.len() > DELETES_MAX {
            return Err(refusal::malformed_xml(format!("A batch has 1 to {DELETES_MAX} objects")));
        }
        // Together, so that they can be made durable together.
        let deletes = objects.into_iter().map(|ObjectIdentifier { key, version }| async move {
            let options = DeleteObject { version, ..DeleteObject::default() };
            self.delete_object(bucket, &key, options).await
        });
        Ok(join_all(deletes).await)
    }

    async fn create_multipart(
        &self,
        bucket: &str,
        key: &str,
        options: CreateMultipart,
    ) -> StoreResult<String> {
        self.create_upload(ObjectName::new(bucket, key), options).await
    }

    async fn upload_part(&self, part: UploadPart<'_>, payload: Payload) -> StoreResult<Part> {
        let name = UploadName::new(part.upload);
        self.put_part(name, part.number, part.checksum, payload).await
    }

    async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        self.copy_part(UploadName::new(part.upload), part.number, source, range).await
    }

    async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        self.complete_upload(UploadName::new(upload), parts, options).await
    }

    async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()> {
        self.abort_upload(UploadName::new(upload)).await
    }

    async fn list_parts(&self, upload: Upload<'_>, after: Option<u32>) -> StoreResult<PartPage> {
        let name = UploadName::new(upload);
        self.engine.read(|state| Ok(listing::list_parts(&state.upload(&name)?.parts, after)))
    }

    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> StoreResult<UploadPage> {
        self.engine
            .read(|state| Ok(listing::list_uploads(&state.bucket(bucket)?.uploads, &options)))
    }

    async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        self.engine.read(|state| resources::get_acl(state, resource))
    }

    async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()> {
        let acl = acl::plan_acl(change, &self.options.owner)?;
        let target = resource.clone();
        self.change(resource, move |state| resources::plan_put_acl(state, &target, acl)).await
    }

    async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags> {
        self.engine.read(|state| resources::get_tags(state, resource))
    }

    async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()> {
        let target = resource.clone();
        self.change(resource, move |state| resources::plan_put_tags(state, &target, tags)).await
    }

    async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()> {
        let (now, duration) = (self.clock.wall(), self.options.restore_duration);
        let resource = Resource::object(bucket, key);
        let target = resource.clone();
        let decide = move |state: &State| {
            let (name, found) = resources::find(state, &target)?;
            let planned = restore::plan_restore(&found.object, &options, now, duration)?;
            Ok(objects::plan_amend(&name, &found, |object| object.restoration = Some(planned)))
        };
        self.change(&resource, decide).await
    }

    async fn get_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<String> {
        self.engine.read(|state| resources::get_document(state, resource, kind))
    }

    async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()> {
        let (target, now) = (resource.clone(), self.clock.wall());
        let decide =
            move |state: &State| resources::plan_put_document(state, &target, kind, text, now);
        self.change(resource, decide).await
    }

    async fn delete_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()> {
        let target = resource.clone();
        let decide = move |state: &State| resources::plan_delete_document(state, &target, kind);
        self.change(resource, decide).await
    }

    async fn presign_get(
        &self,
        _bucket: &str,
        _key: &str,
        _valid: Duration,
    ) -> StoreResult<String> {
        let message = "a store in this process has no address to sign";
        Err(StoreError::new(ErrorKind::Unsupported, "NotImplemented", message))
    }
}

#[cfg(test)]
mod tests;
