//! An S3 in this process, in memory or on a directory.
//!
//! The model answers what S3's API reference says S3 answers, refusals included. It decides in
//! pure functions over its [`state`]; the [`engine`] applies what was decided, atomically and,
//! on a directory, durably: the [`journal`] keeps the state, [`blobs`] keep the bytes, small ones
//! in the journal's database and by the same transaction.
//!
//! Where S3 leaves a choice: versions and uploads have random ids, times are whole seconds, an
//! object from a multipart upload is dated by when the upload began, an upload can be completed
//! once. Configurations are checked and kept; those of versioning, lifecycle and object lock have
//! an effect, the others have none.

mod access;
mod acl;
mod blobs;
mod conditions;
mod digest;
mod documents;
mod engine;
mod journal;
mod lifecycle;
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
mod xml;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::store::clock::Clock;
use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::access::Access;
use crate::store::model::blobs::directory::BlobDirectory;
use crate::store::model::blobs::receive::Place;
use crate::store::model::engine::{Engine, Scope};
use crate::store::model::journal::Journal;
use crate::store::model::lifecycle::Sweeps;
use crate::store::model::records::BlobTable;
use crate::store::model::restore::Pace;
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
    sweeps: Arc<Sweeps>,
}

/// What differs from one S3 to another.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Of buckets that are created without naming one.
    pub region: String,
    /// The account that all requests come from, and whose all is that they make.
    pub owner: Owner,
    /// How small all parts but the last may be.
    pub part_bytes_min: u64,
    /// How long it takes until an archived object is restored.
    pub restore_duration: Duration,
    /// How long a day lasts, for lifecycle rules and restored copies.
    pub day: Duration,
}

impl Default for ModelOptions {
    fn default() -> Self {
        let id = "d34db33f5f0a4b6c8e1702c9a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
        Self {
            region: "us-east-1".to_owned(),
            owner: Owner { id: id.to_owned(), display_name: Some("pailfs".to_owned()) },
            part_bytes_min: 5 << 20,
            restore_duration: Duration::from_secs(2),
            day: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Model {
    /// An S3 that begins empty and is gone with the process.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, options: ModelOptions) -> Self {
        let engine = Arc::new(Engine::in_memory());
        Self { engine, place: Place::Memory, clock, options, sweeps: Arc::default() }
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
        let place = Place::Directory(blobs, rows);
        Ok(Self { engine, place, clock, options, sweeps: Arc::default() })
    }

    /// The same S3, as another account sees it.
    #[must_use]
    pub fn for_account(&self, owner: Owner) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            place: self.place.clone(),
            clock: Arc::clone(&self.clock),
            options: ModelOptions { owner, ..self.options.clone() },
            sweeps: Arc::clone(&self.sweeps),
        }
    }

    /// What every call on a bucket begins with: whether the account may, and what the bucket's
    /// lifecycle rules have come to ask for.
    async fn enter(&self, bucket: &str, access: Access<'_>) -> StoreResult<()> {
        let account = &self.options.owner;
        let has_rules = self.engine.read(|state| {
            access::check(state, bucket, access, account)?;
            Ok(lifecycle::has_rules(state, bucket))
        })?;
        let (now, day) = (self.clock.wall(), self.options.day);
        if !has_rules || !self.sweeps.begin(bucket, now, day) {
            return Ok(());
        }
        let name = bucket.to_owned();
        let decide = move |state: &State| Ok((lifecycle::plan_due(state, &name, now, day), ()));
        self.engine.change(Scope::bucket(bucket), decide).await
    }

    async fn enter_resource(&self, resource: &Resource) -> StoreResult<()> {
        self.enter(resource.bucket_name(), Access::Own).await
    }

    async fn enter_source(&self, source: &CopySource) -> StoreResult<()> {
        let version = source.version.as_deref();
        self.enter(&source.bucket, Access::Read { key: &source.key, version }).await
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
        Ok(self.engine.read(|state| resources::list_buckets(state, &self.options.owner)))
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
        self.enter(bucket, Access::Own).await?;
        let name = bucket.to_owned();
        let decide = move |state: &State| resources::plan_delete_bucket(state, &name);
        self.change(&Resource::bucket(bucket), decide).await
    }

    async fn head_bucket(&self, bucket: &str) -> StoreResult<String> {
        self.enter(bucket, Access::List).await?;
        self.engine.read(|state| Ok(state.bucket(bucket)?.info.region.clone()))
    }

    async fn list_objects(&self, bucket: &str, options: ListObjects) -> StoreResult<ObjectPage> {
        self.enter(bucket, Access::List).await?;
        let now = self.clock.wall();
        self.engine
            .read(|state| listing::list_objects(&state.bucket(bucket)?.objects, &options, now))
    }

    async fn list_versions(&self, bucket: &str, options: ListVersions) -> StoreResult<VersionPage> {
        self.enter(bucket, Access::Own).await?;
        self.engine.read(|state| listing::list_versions(&state.bucket(bucket)?.objects, &options))
    }

    async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead> {
        let version = options.version.as_deref();
        self.enter(bucket, Access::Read { key, version }).await?;
        Ok(self.find(bucket, key, &options)?.head(self.clock.wall()))
    }

    async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        let version = options.version.as_deref();
        self.enter(bucket, Access::Read { key, version }).await?;
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
        self.enter(bucket, Access::Own).await?;
        self.put(ObjectName::new(bucket, key), payload, options).await
    }

    async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written> {
        self.enter_source(&source).await?;
        self.enter(bucket, Access::Own).await?;
        self.copy(source, ObjectName::new(bucket, key), options).await
    }

    async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted> {
        self.enter(bucket, Access::Own).await?;
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
        self.enter(bucket, Access::Own).await?;
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
        self.enter(bucket, Access::Own).await?;
        self.create_upload(ObjectName::new(bucket, key), options).await
    }

    async fn upload_part(&self, part: UploadPart<'_>, payload: Payload) -> StoreResult<Part> {
        self.enter(part.upload.bucket, Access::Own).await?;
        let name = UploadName::new(part.upload);
        self.put_part(name, part.number, part.checksum, payload).await
    }

    async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        self.enter_source(&source).await?;
        self.enter(part.upload.bucket, Access::Own).await?;
        self.copy_part(UploadName::new(part.upload), part.number, source, range).await
    }

    async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        self.enter(upload.bucket, Access::Own).await?;
        self.complete_upload(UploadName::new(upload), parts, options).await
    }

    async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()> {
        self.enter(upload.bucket, Access::Own).await?;
        self.abort_upload(UploadName::new(upload)).await
    }

    async fn list_parts(&self, upload: Upload<'_>, after: Option<u32>) -> StoreResult<PartPage> {
        self.enter(upload.bucket, Access::Own).await?;
        let name = UploadName::new(upload);
        self.engine.read(|state| Ok(listing::list_parts(&state.upload(&name)?.parts, after)))
    }

    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> StoreResult<UploadPage> {
        self.enter(bucket, Access::Own).await?;
        self.engine
            .read(|state| Ok(listing::list_uploads(&state.bucket(bucket)?.uploads, &options)))
    }

    async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        self.enter_resource(resource).await?;
        self.engine.read(|state| resources::get_acl(state, resource))
    }

    async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()> {
        self.enter_resource(resource).await?;
        let acl = acl::plan_acl(change, &self.options.owner)?;
        let target = resource.clone();
        self.change(resource, move |state| resources::plan_put_acl(state, &target, acl)).await
    }

    async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags> {
        self.enter_resource(resource).await?;
        self.engine.read(|state| resources::get_tags(state, resource))
    }

    async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()> {
        self.enter_resource(resource).await?;
        let target = resource.clone();
        self.change(resource, move |state| resources::plan_put_tags(state, &target, tags)).await
    }

    async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()> {
        self.enter(bucket, Access::Own).await?;
        let now = self.clock.wall();
        let pace = Pace { restore: self.options.restore_duration, day: self.options.day };
        let resource = Resource::object(bucket, key);
        let target = resource.clone();
        let decide = move |state: &State| {
            let (name, found) = resources::find(state, &target)?;
            let planned = restore::plan_restore(&found.object, &options, now, pace)?;
            Ok(objects::plan_amend(&name, &found, |object| object.restoration = Some(planned)))
        };
        self.change(&resource, decide).await
    }

    async fn get_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<String> {
        self.enter_resource(resource).await?;
        self.engine.read(|state| resources::get_document(state, resource, kind))
    }

    async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()> {
        self.enter_resource(resource).await?;
        let (target, now) = (resource.clone(), self.clock.wall());
        let decide =
            move |state: &State| resources::plan_put_document(state, &target, kind, text, now);
        self.change(resource, decide).await?;
        // New rules are heeded at once.
        self.sweeps.forget(resource.bucket_name());
        Ok(())
    }

    async fn delete_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()> {
        self.enter_resource(resource).await?;
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
