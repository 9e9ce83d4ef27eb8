//! State: everything the model knows, except the bytes.
//!
//! The state only changes by [`Update`]s, each of one entity, so that what is written to the
//! journal and what is seen in memory are the same by construction. Which updates a call needs
//! is decided elsewhere, in functions over a `&State`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::error::StoreResult;
use crate::store::model::blobs::Segment;
use crate::store::model::digest::Md5Sum;
use crate::store::model::refusal;
use crate::store::model::restore::Restoration;
use crate::store::types::{
    Acl, Checksum, ChecksumAlgorithm, ChecksumType, DocumentKind, ETag, ObjectAttributes,
    ObjectHead, Tags,
};

/// How S3 spells the version of an object that was written without versioning.
pub(super) const NULL_VERSION: &str = "null";

/// All buckets, by name.
#[derive(Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, BucketState>,
}

/// One bucket and what is in it.
pub(super) struct BucketState {
    pub(super) info: Arc<BucketInfo>,
    /// Keys that have at least one version, a delete marker included.
    pub(super) objects: BTreeMap<String, Versions>,
    /// By key and id; ids sort by the time they were given.
    pub(super) uploads: BTreeMap<(String, String), UploadState>,
}

/// What a bucket is by itself.
#[derive(Clone, Debug)]
pub(super) struct BucketInfo {
    pub(super) created: SystemTime,
    pub(super) region: String,
    pub(super) acl: Acl,
    pub(super) object_lock: bool,
    pub(super) versioning: Versioning,
    pub(super) documents: Documents,
}

/// Texts by kind.
pub(super) type Documents = BTreeMap<DocumentKind, String>;

/// Whether a bucket keeps what is replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

/// The versions of one key, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions(Vec<Version>);

/// One version of an object, or a delete marker.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// Orders the versions of a key.
    pub(super) sequence: u64,
    /// `None`: the null version.
    pub(super) id: Option<Arc<str>>,
    pub(super) last_modified: SystemTime,
    /// `None`: a delete marker.
    pub(super) object: Option<Arc<StoredObject>>,
}

/// An object, except its bytes.
#[derive(Clone, Debug)]
pub(super) struct StoredObject {
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) attributes: ObjectAttributes,
    pub(super) checksum: Option<Checksum>,
    /// How many, where it was uploaded in parts.
    pub(super) parts: Option<u32>,
    pub(super) tags: Tags,
    pub(super) acl: Acl,
    pub(super) documents: Documents,
    pub(super) restoration: Option<Restoration>,
    pub(super) segments: Arc<[Segment]>,
}

/// A version that was found to be an object.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) version: Version,
    pub(super) object: Arc<StoredObject>,
    /// What answers call the version; `None` in a bucket without versioning.
    pub(super) version_id: Option<String>,
}

/// A multipart upload in progress.
pub(super) struct UploadState {
    pub(super) info: Arc<UploadInfo>,
    pub(super) parts: BTreeMap<u32, Arc<StoredPart>>,
}

/// What a multipart upload is by itself.
#[derive(Clone, Debug)]
pub(super) struct UploadInfo {
    pub(super) started: SystemTime,
    pub(super) attributes: ObjectAttributes,
    pub(super) tags: Tags,
    pub(super) acl: Acl,
    /// What is to lock the object.
    pub(super) documents: Documents,
    pub(super) checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// One part of a multipart upload, except its bytes.
#[derive(Clone, Debug)]
pub(super) struct StoredPart {
    pub(super) size: u64,
    pub(super) md5: Md5Sum,
    pub(super) checksum: Option<Checksum>,
    pub(super) last_modified: SystemTime,
    pub(super) segments: Arc<[Segment]>,
}

/// Names an object, whichever version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ObjectName {
    pub(super) bucket: String,
    pub(super) key: String,
}

/// Names a multipart upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct UploadName {
    pub(super) object: ObjectName,
    pub(super) upload: String,
}

/// What becomes of one entity; `None` removes it.
#[derive(Debug)]
pub(super) enum Update {
    Bucket {
        bucket: String,
        info: Option<Arc<BucketInfo>>,
    },
    Version {
        name: ObjectName,
        sequence: u64,
        version: Option<Version>,
    },
    /// Removing an upload removes its parts.
    Upload {
        name: UploadName,
        info: Option<Arc<UploadInfo>>,
    },
    Part {
        name: UploadName,
        number: u32,
        part: Arc<StoredPart>,
    },
}

/// Everything that one call changes, all or nothing.
pub(super) type Change = Vec<Update>;

/// The bytes that an update took from the state: gone once nobody reads them any more.
pub(super) type Displaced = Vec<Arc<[Segment]>>;

impl Update {
    /// The bytes that it adds to the state, or keeps there.
    pub(super) fn segments(&self) -> &[Segment] {
        match self {
            Self::Version { version: Some(Version { object: Some(object), .. }), .. } => {
                &object.segments
            }
            Self::Part { part, .. } => &part.segments,
            Self::Bucket { .. } | Self::Version { .. } | Self::Upload { .. } => &[],
        }
    }
}

impl State {
    pub(super) fn bucket(&self, name: &str) -> StoreResult<&BucketState> {
        self.buckets.get(name).ok_or_else(|| refusal::no_such_bucket(name))
    }

    pub(super) fn upload(&self, name: &UploadName) -> StoreResult<&UploadState> {
        let id = (name.object.key.clone(), name.upload.clone());
        let bucket = self.bucket(&name.object.bucket)?;
        bucket.uploads.get(&id).ok_or_else(|| refusal::no_such_upload(&name.upload))
    }

    /// Makes an update. One below an entity that is not there changes nothing.
    pub(super) fn apply(&mut self, update: Update) -> Displaced {
        match update {
            Update::Bucket { bucket, info } => self.apply_bucket(bucket, info),
            Update::Version { name, sequence, version } => match self.buckets.get_mut(&name.bucket)
            {
                Some(bucket) => bucket.apply_version(name.key, sequence, version),
                None => Displaced::new(),
            },
            Update::Upload { name, info } => match self.buckets.get_mut(&name.object.bucket) {
                Some(bucket) => bucket.apply_upload((name.object.key, name.upload), info),
                None => Displaced::new(),
            },
            Update::Part { name, number, part } => {
                let bucket = self.buckets.get_mut(&name.object.bucket);
                let id = (name.object.key, name.upload);
                let upload = bucket.and_then(|bucket| bucket.uploads.get_mut(&id));
                let replaced = upload.and_then(|upload| upload.parts.insert(number, part));
                replaced.map(|part| Arc::clone(&part.segments)).into_iter().collect()
            }
        }
    }

    fn apply_bucket(&mut self, name: String, info: Option<Arc<BucketInfo>>) -> Displaced {
        match (info, self.buckets.get_mut(&name)) {
            (Some(info), Some(bucket)) => bucket.info = info,
            (Some(info), None) => {
                let (objects, uploads) = (BTreeMap::new(), BTreeMap::new());
                self.buckets.insert(name, BucketState { info, objects, uploads });
            }
            (None, _) => {
                let removed = self.buckets.remove(&name);
                let uploads = removed.into_iter().flat_map(|bucket| bucket.uploads.into_values());
                return uploads.flat_map(UploadState::into_segments).collect();
            }
        }
        Displaced::new()
    }
}

impl BucketState {
    /// The object of that key, or that version of it.
    ///
    /// Fails like S3: a delete marker hides the object from whoever names no version, and can't
    /// be read by whoever names it.
    pub(super) fn find(&self, key: &str, version: Option<&str>) -> StoreResult<Found> {
        let versions = self.objects.get(key);
        let found = match version {
            None => versions
                .and_then(Versions::newest)
                .filter(|newest| newest.object.is_some())
                .ok_or_else(|| refusal::no_such_key(key))?,
            Some(id) => versions
                .and_then(|versions| versions.with_id(id))
                .ok_or_else(|| refusal::no_such_version(id))?,
        };
        let object = found.object.clone().ok_or_else(refusal::method_not_allowed)?;
        let version_id = self.info.versioning.answered_id(found);
        Ok(Found { version: found.clone(), object, version_id })
    }

    /// The ETag of the object that a reader of that key sees.
    pub(super) fn current_etag(&self, key: &str) -> Option<&ETag> {
        let newest = self.objects.get(key)?.newest()?;
        newest.object.as_ref().map(|object| &object.etag)
    }

    fn apply_version(&mut self, key: String, sequence: u64, version: Option<Version>) -> Displaced {
        let displaced = match version {
            Some(version) => self.objects.entry(key).or_default().put(version),
            None => {
                let Some(versions) = self.objects.get_mut(&key) else { return Displaced::new() };
                let removed = versions.remove(sequence);
                if versions.0.is_empty() {
                    self.objects.remove(&key);
                }
                removed
            }
        };
        let object = displaced.and_then(|version| version.object);
        object.map(|object| Arc::clone(&object.segments)).into_iter().collect()
    }

    fn apply_upload(&mut self, id: (String, String), info: Option<Arc<UploadInfo>>) -> Displaced {
        match info {
            Some(info) => {
                self.uploads.insert(id, UploadState { info, parts: BTreeMap::new() });
                Displaced::new()
            }
            None => self.uploads.remove(&id).map(UploadState::into_segments).unwrap_or_default(),
        }
    }
}

impl UploadState {
    fn into_segments(self) -> Displaced {
        self.parts.into_values().map(|part| Arc::clone(&part.segments)).collect()
    }
}

impl Versioning {
    /// What answers call a version: nothing where the bucket never had versions.
    pub(super) fn answered_id(self, version: &Version) -> Option<String> {
        (self != Self::Never).then(|| version.id().to_owned())
    }
}

impl Versions {
    pub(super) fn newest(&self) -> Option<&Version> {
        self.0.last()
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Version> {
        self.0.iter().rev()
    }

    /// The version that S3 calls that.
    pub(super) fn with_id(&self, id: &str) -> Option<&Version> {
        self.newest_first().find(|version| version.id() == id)
    }

    fn put(&mut self, version: Version) -> Option<Version> {
        match self.0.binary_search_by_key(&version.sequence, |version| version.sequence) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index], version)),
            Err(index) => {
                self.0.insert(index, version);
                None
            }
        }
    }

    fn remove(&mut self, sequence: u64) -> Option<Version> {
        let index = self.0.binary_search_by_key(&sequence, |version| version.sequence).ok()?;
        Some(self.0.remove(index))
    }
}

impl Version {
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(NULL_VERSION)
    }
}

impl Found {
    /// What a HEAD answers.
    pub(super) fn head(&self, now: SystemTime) -> ObjectHead {
        let object = &self.object;
        ObjectHead {
            size: object.size,
            etag: object.etag.clone(),
            last_modified: self.version.last_modified,
            attributes: object.attributes.clone(),
            version_id: self.version_id.clone(),
            checksum: object.checksum.clone(),
            restore: object.restoration.and_then(|restoration| restoration.seen_at(now)),
            archive_status: None,
            parts: object.parts,
            tag_count: u32::try_from(object.tags.len()).ok().filter(|count| *count > 0),
        }
    }
}

impl UploadName {
    pub(super) fn new(upload: crate::store::Upload<'_>) -> Self {
        let object = ObjectName::new(upload.bucket, upload.key);
        Self { object, upload: upload.upload.to_owned() }
    }
}

impl ObjectName {
    pub(super) fn new(bucket: &str, key: &str) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned() }
    }
}

/// The time as S3 keeps it with an object.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod fixtures {
    use super::{
        Acl, Arc, BTreeMap, BucketInfo, Documents, ETag, ObjectAttributes, State, StoredObject,
        StoredPart, SystemTime, Tags, Update, UploadInfo, UploadState, Version, Versioning,
        Versions,
    };

    impl State {
        /// Adds a bucket, or sets the versioning of the one there is.
        pub(in crate::store::model) fn add_bucket_for_test(
            &mut self,
            bucket: &str,
            versioning: Versioning,
        ) {
            let info = BucketInfo {
                created: SystemTime::UNIX_EPOCH,
                region: String::new(),
                acl: Acl::default(),
                object_lock: false,
                versioning,
                documents: Documents::new(),
            };
            self.apply(Update::Bucket { bucket: bucket.to_owned(), info: Some(Arc::new(info)) });
        }
    }

    impl StoredObject {
        pub(in crate::store::model) fn empty_for_test() -> Self {
            Self {
                size: 0,
                etag: ETag::new(""),
                attributes: ObjectAttributes::default(),
                checksum: None,
                parts: None,
                tags: Tags::new(),
                acl: Acl::default(),
                documents: Documents::new(),
                restoration: None,
                segments: Arc::from([]),
            }
        }
    }

    impl StoredPart {
        pub(in crate::store::model) fn empty_for_test() -> Self {
            Self {
                size: 0,
                md5: [0; 16],
                checksum: None,
                last_modified: SystemTime::UNIX_EPOCH,
                segments: Arc::from([]),
            }
        }
    }

    impl UploadState {
        pub(in crate::store::model) fn empty_for_test() -> Self {
            let info = UploadInfo {
                started: SystemTime::UNIX_EPOCH,
                attributes: ObjectAttributes::default(),
                tags: Tags::new(),
                acl: Acl::default(),
                documents: Documents::new(),
                checksum: None,
            };
            Self { info: Arc::new(info), parts: BTreeMap::new() }
        }
    }

    impl Versions {
        pub(in crate::store::model) fn from_versions(versions: Vec<Version>) -> Self {
            Self(versions)
        }
    }
}
