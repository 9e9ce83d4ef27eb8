//! Records: how the state is spelled in the journal.
//!
//! Records are types of their own, so that the words on disk do not change when the words of the
//! store do. They are JSON; a field that is `None` or missing is the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::store::error::StoreResult;
use crate::store::model::blobs::directory::BlobDirectory;
use crate::store::model::blobs::rows::Rows;
use crate::store::model::blobs::{Blob, Content, Segment};
use crate::store::model::digest::Md5Sum;
use crate::store::model::documents;
use crate::store::model::refusal;
use crate::store::model::restore::Restoration;
use crate::store::model::state::{
    BucketInfo, Documents, StoredObject, StoredPart, UploadInfo, Version, Versioning,
};
use crate::store::types::{
    Acl, Checksum, ChecksumAlgorithm, ChecksumType, DOCUMENTS, DocumentKind, ETag, Encryption,
    Grant, Grantee, ObjectAttributes, Owner, Permission, Tags,
};

const FULL_OBJECT: &str = "FULL_OBJECT";
const COMPOSITE: &str = "COMPOSITE";

#[derive(Serialize, Deserialize)]
pub(super) struct BucketRecord {
    created: SystemTime,
    region: String,
    acl: AclRecord,
    object_lock: bool,
    documents: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct VersionRecord {
    id: Option<String>,
    last_modified: SystemTime,
    object: Option<ObjectRecord>,
}

#[derive(Serialize, Deserialize)]
struct ObjectRecord {
    size: u64,
    etag: String,
    attributes: AttributesRecord,
    checksum: Option<ChecksumRecord>,
    parts: Option<u32>,
    tags: Tags,
    acl: AclRecord,
    documents: BTreeMap<String, String>,
    /// Ready and until.
    restoration: Option<(SystemTime, SystemTime)>,
    segments: Vec<SegmentRecord>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UploadRecord {
    started: SystemTime,
    attributes: AttributesRecord,
    tags: Tags,
    acl: AclRecord,
    #[serde(default)]
    documents: BTreeMap<String, String>,
    /// Algorithm and type.
    checksum: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PartRecord {
    size: u64,
    md5: Md5Sum,
    checksum: Option<ChecksumRecord>,
    last_modified: SystemTime,
    segments: Vec<SegmentRecord>,
}

#[derive(Serialize, Deserialize)]
struct AttributesRecord {
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    cache_control: Option<String>,
    expires: Option<String>,
    website_redirect_location: Option<String>,
    metadata: BTreeMap<String, String>,
    storage_class: Option<String>,
    /// Algorithm and key id.
    encryption: Option<(String, Option<String>)>,
}

#[derive(Serialize, Deserialize)]
struct ChecksumRecord {
    algorithm: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
struct SegmentRecord {
    blob: String,
    /// A row of the journal, or else a file.
    #[serde(default)]
    is_row: bool,
    blob_bytes: u64,
    md5: Md5Sum,
    offset: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct AclRecord {
    owner: OwnerRecord,
    grants: Vec<GrantRecord>,
}

#[derive(Serialize, Deserialize)]
struct OwnerRecord {
    id: String,
    display_name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct GrantRecord {
    user: Option<OwnerRecord>,
    /// Where it is not a user.
    group: Option<String>,
    permission: String,
}

/// The blobs that records name, each of them once.
pub(super) struct BlobTable {
    directory: Arc<BlobDirectory>,
    rows: Arc<Rows>,
    blobs: HashMap<String, Arc<Blob>>,
}

impl BlobTable {
    pub(super) fn new(directory: Arc<BlobDirectory>, rows: Arc<Rows>) -> Self {
        Self { directory, rows, blobs: HashMap::new() }
    }

    /// The ids of all files and rows that were named.
    pub(super) fn into_ids(self) -> HashSet<String> {
        self.blobs.into_keys().collect()
    }

    fn segments(&mut self, records: Vec<SegmentRecord>) -> Arc<[Segment]> {
        records.into_iter().map(|record| self.segment(record)).collect()
    }

    fn segment(&mut self, record: SegmentRecord) -> Segment {
        let SegmentRecord { blob: id, is_row, blob_bytes, md5, offset, bytes } = record;
        let content = |id: &str| match is_row {
            true => Content::Row(self.rows.row(id)),
            false => Content::File(self.directory.file(id)),
        };
        let blob = self.blobs.entry(id).or_insert_with_key(|id| {
            Arc::new(Blob { bytes: blob_bytes, md5, content: content(id) })
        });
        Segment { blob: Arc::clone(blob), offset, bytes }
    }
}

impl From<&BucketInfo> for BucketRecord {
    fn from(info: &BucketInfo) -> Self {
        Self {
            created: info.created,
            region: info.region.clone(),
            acl: AclRecord::from(&info.acl),
            object_lock: info.object_lock,
            documents: document_records(&info.documents),
        }
    }
}

impl BucketRecord {
    pub(super) fn into_info(self) -> StoreResult<BucketInfo> {
        let documents = documents_of(self.documents)?;
        let versioning = documents.get(&DocumentKind::Versioning);
        let versioning =
            versioning.map_or(Ok(Versioning::Never), |text| documents::versioning_of(text))?;
        Ok(BucketInfo {
            created: self.created,
            region: self.region,
            acl: self.acl.into_acl()?,
            object_lock: self.object_lock,
            versioning,
            documents,
        })
    }
}

impl From<&Version> for VersionRecord {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id.as_deref().map(str::to_owned),
            last_modified: version.last_modified,
            object: version.object.as_deref().map(ObjectRecord::from),
        }
    }
}

impl VersionRecord {
    pub(super) fn into_version(self, sequence: u64, blobs: &mut BlobTable) -> StoreResult<Version> {
        let object = self.object.map(|object| object.into_object(blobs)).transpose()?;
        Ok(Version {
            sequence,
            id: self.id.map(Arc::from),
            last_modified: self.last_modified,
            object: object.map(Arc::new),
        })
    }
}

impl From<&StoredObject> for ObjectRecord {
    fn from(object: &StoredObject) -> Self {
        Self {
            size: object.size,
            etag: object.etag.to_string(),
            attributes: AttributesRecord::from(&object.attributes),
            checksum: object.checksum.as_ref().map(ChecksumRecord::from),
            parts: object.parts,
            tags: object.tags.clone(),
            acl: AclRecord::from(&object.acl),
            documents: document_records(&object.documents),
            restoration: object.restoration.map(|it| (it.ready, it.until)),
            segments: segment_records(&object.segments),
        }
    }
}

impl ObjectRecord {
    fn into_object(self, blobs: &mut BlobTable) -> StoreResult<StoredObject> {
        Ok(StoredObject {
            size: self.size,
            etag: ETag::new(&self.etag),
            attributes: self.attributes.into(),
            checksum: self.checksum.map(ChecksumRecord::into_checksum).transpose()?,
            parts: self.parts,
            tags: self.tags,
            acl: self.acl.into_acl()?,
            documents: documents_of(self.documents)?,
            restoration: self.restoration.map(|(ready, until)| Restoration { ready, until }),
            segments: blobs.segments(self.segments),
        })
    }
}

impl From<&UploadInfo> for UploadRecord {
    fn from(info: &UploadInfo) -> Self {
        let type_name = |kind| match kind {
            ChecksumType::FullObject => FULL_OBJECT,
            ChecksumType::Composite => COMPOSITE,
        };
        Self {
            started: info.started,
            attributes: AttributesRecord::from(&info.attributes),
            tags: info.tags.clone(),
            acl: AclRecord::from(&info.acl),
            documents: document_records(&info.documents),
            checksum: info.checksum.map(|(algorithm, kind)| {
                (algorithm.as_str().to_owned(), type_name(kind).to_owned())
            }),
        }
    }
}

impl UploadRecord {
    pub(super) fn into_info(self) -> StoreResult<UploadInfo> {
        let checksum = self.checksum.map(|(algorithm, kind)| {
            let kind = match kind.as_str() {
                FULL_OBJECT => ChecksumType::FullObject,
                COMPOSITE => ChecksumType::Composite,
                other => return Err(unknown("checksum type", other)),
            };
            Ok((algorithm_of(&algorithm)?, kind))
        });
        Ok(UploadInfo {
            started: self.started,
            attributes: self.attributes.into(),
            tags: self.tags,
            acl: self.acl.into_acl()?,
            documents: documents_of(self.documents)?,
            checksum: checksum.transpose()?,
        })
    }
}

impl From<&StoredPart> for PartRecord {
    fn from(part: &StoredPart) -> Self {
        Self {
            size: part.size,
            md5: part.md5,
            checksum: part.checksum.as_ref().map(ChecksumRecord::from),
            last_modified: part.last_modified,
            segments: segment_records(&part.segments),
        }
    }
}

impl PartRecord {
    pub(super) fn into_part(self, blobs: &mut BlobTable) -> StoreResult<StoredPart> {
        Ok(StoredPart {
            size: self.size,
            md5: self.md5,
            checksum: self.checksum.map(ChecksumRecord::into_checksum).transpose()?,
            last_modified: self.last_modified,
            segments: blobs.segments(self.segments),
        })
    }
}

impl From<&ObjectAttributes> for AttributesRecord {
    fn from(attributes: &ObjectAttributes) -> Self {
        let ObjectAttributes {
            content_type,
            content_encoding,
            content_language,
            content_disposition,
            cache_control,
            expires,
            website_redirect_location,
            metadata,
            storage_class,
            encryption,
        } = attributes.clone();
        Self {
            content_type,
            content_encoding,
            content_language,
            content_disposition,
            cache_control,
            expires,
            website_redirect_location,
            metadata,
            storage_class,
            encryption: encryption.map(|it| (it.algorithm, it.kms_key_id)),
        }
    }
}

impl From<AttributesRecord> for ObjectAttributes {
    fn from(record: AttributesRecord) -> Self {
        let encryption =
            record.encryption.map(|(algorithm, kms_key_id)| Encryption { algorithm, kms_key_id });
        Self {
            content_type: record.content_type,
            content_encoding: record.content_encoding,
            content_language: record.content_language,
            content_disposition: record.content_disposition,
            cache_control: record.cache_control,
            expires: record.expires,
            website_redirect_location: record.website_redirect_location,
            metadata: record.metadata,
            storage_class: record.storage_class,
            encryption,
        }
    }
}

impl From<&Checksum> for ChecksumRecord {
    fn from(checksum: &Checksum) -> Self {
        let algorithm = checksum.algorithm.as_str().to_owned();
        Self { algorithm, value: checksum.value.clone() }
    }
}

impl ChecksumRecord {
    fn into_checksum(self) -> StoreResult<Checksum> {
        Ok(Checksum { algorithm: algorithm_of(&self.algorithm)?, value: self.value })
    }
}

fn algorithm_of(name: &str) -> StoreResult<ChecksumAlgorithm> {
    let all = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];
    let algorithm = all.into_iter().find(|algorithm| algorithm.as_str() == name);
    algorithm.ok_or_else(|| unknown("checksum algorithm", name))
}

impl From<&Acl> for AclRecord {
    fn from(acl: &Acl) -> Self {
        let owner = OwnerRecord::from(acl.owner.clone());
        Self { owner, grants: acl.grants.iter().map(GrantRecord::from).collect() }
    }
}

impl AclRecord {
    fn into_acl(self) -> StoreResult<Acl> {
        let owner = Owner { id: self.owner.id, display_name: self.owner.display_name };
        let grants = self.grants.into_iter().map(GrantRecord::into_grant);
        Ok(Acl { owner, grants: grants.collect::<StoreResult<_>>()? })
    }
}

impl From<Owner> for OwnerRecord {
    fn from(owner: Owner) -> Self {
        Self { id: owner.id, display_name: owner.display_name }
    }
}

impl From<&Grant> for GrantRecord {
    fn from(grant: &Grant) -> Self {
        let (user, group) = match grant.grantee.clone() {
            Grantee::CanonicalUser { id, display_name } => {
                (Some(OwnerRecord { id, display_name }), None)
            }
            // Addresses are resolved before a grant is kept.
            Grantee::Email { address: other } | Grantee::Group { uri: other } => {
                (None, Some(other))
            }
        };
        Self { user, group, permission: grant.permission.as_str().to_owned() }
    }
}

impl GrantRecord {
    fn into_grant(self) -> StoreResult<Grant> {
        let grantee = match (self.user, self.group) {
            (Some(OwnerRecord { id, display_name }), _) => {
                Grantee::CanonicalUser { id, display_name }
            }
            (None, uri) => Grantee::Group { uri: uri.unwrap_or_default() },
        };
        let permission = Permission::named(&self.permission);
        let permission = permission.ok_or_else(|| unknown("permission", &self.permission))?;
        Ok(Grant { grantee, permission })
    }
}

fn document_records(documents: &Documents) -> BTreeMap<String, String> {
    documents.iter().map(|(kind, text)| (kind.row().query.to_owned(), text.clone())).collect()
}

fn documents_of(records: BTreeMap<String, String>) -> StoreResult<Documents> {
    let document_of = |(query, text): (String, String)| {
        let row = DOCUMENTS.iter().find(|row| row.query == query);
        row.map(|row| (row.kind, text)).ok_or_else(|| unknown("document", &query))
    };
    records.into_iter().map(document_of).collect()
}

/// Segments in memory can't be recorded; a store with a journal has none.
fn segment_records(segments: &[Segment]) -> Vec<SegmentRecord> {
    let record_of = |segment: &Segment| {
        let (id, is_row) = match &segment.blob.content {
            Content::Memory(_) => return None,
            Content::File(file) => (file.id(), false),
            Content::Row(row) => (row.id(), true),
        };
        Some(SegmentRecord {
            blob: id.to_owned(),
            is_row,
            blob_bytes: segment.blob.bytes,
            md5: segment.blob.md5,
            offset: segment.offset,
            bytes: segment.bytes,
        })
    };
    segments.iter().filter_map(record_of).collect()
}

fn unknown(what: &str, name: &str) -> crate::store::error::StoreError {
    refusal::internal("the metadata can't be understood", format!("{what} {name}"))
}
