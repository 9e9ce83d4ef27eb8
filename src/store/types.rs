//! The nouns of S3: buckets, objects, parts, grants, conditions.
//!
//! Plain values with public fields, named as S3's API reference names them. Strings that S3
//! treats as opaque (upload ids, continuation tokens, version ids) stay strings.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::Stream;

use crate::store::error::StoreResult;

/// An entity tag without its quotes: the MD5 of the bytes in hex, or `<md5>-<parts>` for a
/// multipart upload. Compared, never interpreted.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ETag(Arc<str>);

impl ETag {
    /// Takes an ETag with or without its quotes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text.trim_matches('"')))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As HTTP headers spell it.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `ListBuckets` says of a bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bucket {
    pub name: String,
    pub created: Option<SystemTime>,
    /// `None` where the server does not say.
    pub region: Option<String>,
}

/// How a bucket is to be created.
#[derive(Clone, Debug, Default)]
pub struct CreateBucket {
    /// `None`: the region of the client.
    pub region: Option<String>,
    pub acl: Option<CannedAcl>,
    /// In place of `acl`: these and no others (`x-amz-grant-*`).
    pub grants: Vec<Grant>,
    pub object_lock: bool,
}

/// A bucket, or one object in it: what ACLs, tags and documents belong to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resource {
    Bucket { bucket: String },
    Object { bucket: String, key: String, version: Option<String> },
}

impl Resource {
    #[must_use]
    pub fn bucket(name: &str) -> Self {
        Self::Bucket { bucket: name.to_owned() }
    }

    #[must_use]
    pub fn object(bucket: &str, key: &str) -> Self {
        Self::Object { bucket: bucket.to_owned(), key: key.to_owned(), version: None }
    }

    #[must_use]
    pub fn bucket_name(&self) -> &str {
        match self {
            Self::Bucket { bucket } | Self::Object { bucket, .. } => bucket,
        }
    }
}

/// What an `If-Match` or `If-None-Match` header asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EtagCondition {
    /// `*`: any object at all.
    Any,
    Is(ETag),
}

/// The preconditions of a request; all must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    pub if_match: Option<EtagCondition>,
    pub if_none_match: Option<EtagCondition>,
    pub if_modified_since: Option<SystemTime>,
    pub if_unmodified_since: Option<SystemTime>,
}

impl Conditions {
    /// Only if the object is the one with this ETag.
    #[must_use]
    pub fn matching(etag: ETag) -> Self {
        Self { if_match: Some(EtagCondition::Is(etag)), ..Self::default() }
    }

    /// Only if there is no object of that key.
    #[must_use]
    pub fn absent() -> Self {
        Self { if_none_match: Some(EtagCondition::Any), ..Self::default() }
    }
}

/// The checksum algorithms of S3's `x-amz-checksum-*` headers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ChecksumAlgorithm {
    Crc32,
    Crc32C,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl ChecksumAlgorithm {
    /// As S3 spells it in `x-amz-checksum-algorithm`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32C => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }
}

/// A checksum as S3 carries it: base64, with `-<parts>` where it is a checksum of the parts'
/// checksums.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checksum {
    pub algorithm: ChecksumAlgorithm,
    pub value: String,
}

/// Whether the checksum of a multipart object is over its bytes or over its parts' checksums
/// (`x-amz-checksum-type`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChecksumType {
    FullObject,
    Composite,
}

/// Server-side encryption as `x-amz-server-side-encryption` and its key id say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    pub kms_key_id: Option<String>,
}

/// All that rides along when an object is written and comes back when it is read, except the
/// bytes, tags and ACL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ObjectAttributes {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_disposition: Option<String>,
    pub cache_control: Option<String>,
    /// The `Expires` header, verbatim.
    pub expires: Option<String>,
    pub website_redirect_location: Option<String>,
    /// User metadata: names in lower case without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// `None` means `STANDARD`.
    pub storage_class: Option<String>,
    pub encryption: Option<Encryption>,
}

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// How an object is to be written; shared by `PutObject`, `CreateMultipartUpload` and
/// `CopyObject` with `REPLACE`.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub attributes: ObjectAttributes,
    pub tags: Option<Tags>,
    pub acl: Option<CannedAcl>,
    /// In place of `acl`: these and no others (`x-amz-grant-*`).
    pub grants: Vec<Grant>,
    pub lock: ObjectLock,
    /// For `PutObject`: checked by S3 against the body. For `CreateMultipartUpload`: see there.
    pub checksum: Option<Checksum>,
    /// For `PutObject` without a `checksum`: taken by the store and kept. Whoever streams a body
    /// knows the algorithm before the value.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// Not used by `CreateMultipartUpload`: a multipart upload's conditions are those of its
    /// completion.
    pub conditions: Conditions,
}

/// What keeps a new version from being deleted (`x-amz-object-lock-*`), besides what its bucket
/// gives to all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ObjectLock {
    /// Mode (`GOVERNANCE` or `COMPLIANCE`) and date.
    pub retention: Option<(String, SystemTime)>,
    /// `Some(false)` says what is so anyway.
    pub legal_hold: Option<bool>,
}

/// What a write answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    pub etag: ETag,
    pub version_id: Option<String>,
    pub checksum: Option<Checksum>,
    /// Only `CopyObject` and `UploadPartCopy` say it.
    pub last_modified: Option<SystemTime>,
}

/// Where the restore of an archived object stands (`x-amz-restore`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restore {
    Ongoing,
    Until(SystemTime),
}

/// What `HeadObject` and `GetObject` say of an object.
#[derive(Clone, Debug)]
pub struct ObjectHead {
    /// Bytes of the whole object, also where a range was asked for.
    pub size: u64,
    pub etag: ETag,
    pub last_modified: SystemTime,
    pub attributes: ObjectAttributes,
    pub version_id: Option<String>,
    pub checksum: Option<Checksum>,
    pub restore: Option<Restore>,
    /// `x-amz-archive-status`, for objects in an archived access tier.
    pub archive_status: Option<String>,
    pub parts: Option<u32>,
    pub tag_count: Option<u32>,
}

/// Which object to look at, and when.
#[derive(Clone, Debug, Default)]
pub struct HeadObject {
    pub conditions: Conditions,
    pub version: Option<String>,
}

/// Bytes of an object, as HTTP's `Range` names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Range {
    /// From the first offset up to, not including, the second; must not be empty.
    Span { start: u64, end: u64 },
    /// From an offset to the end.
    From { start: u64 },
    /// The last so many bytes.
    Last { bytes: u64 },
}

/// Which bytes to get, and when.
#[derive(Clone, Debug, Default)]
pub struct GetObject {
    /// `None`: all of it.
    pub range: Option<Range>,
    pub conditions: Conditions,
    pub version: Option<String>,
}

/// Bytes on their way; an error ends the stream.
pub type ByteStream = Pin<Box<dyn Stream<Item = StoreResult<Bytes>> + Send + 'static>>;

/// An object on its way.
pub struct GotObject {
    pub head: ObjectHead,
    /// The bytes that follow, as offsets in the object.
    pub range: std::ops::Range<u64>,
    pub body: ByteStream,
}

/// What is uploaded.
pub enum Payload {
    /// Bytes in memory, in order; sent again as often as needed.
    Chunks(Vec<Bytes>),
    /// Bytes that pass once: a failure is final.
    Stream { bytes: u64, stream: ByteStream },
}

impl Payload {
    #[must_use]
    pub fn empty() -> Self {
        Self::Chunks(Vec::new())
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Chunks(chunks) => chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            Self::Stream { bytes, .. } => *bytes,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Chunks(vec![bytes])
    }
}

/// Where a copy comes from.
#[derive(Clone, Debug, Default)]
pub struct CopySource {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
    /// The `x-amz-copy-source-if-*` headers.
    pub conditions: Conditions,
}

/// How an object is to be copied.
#[derive(Clone, Debug, Default)]
pub struct CopyObject {
    /// `None`: metadata and headers of the source (`COPY`); otherwise these (`REPLACE`).
    pub replace_attributes: Option<ObjectAttributes>,
    /// `None`: tags of the source (`COPY`); otherwise these (`REPLACE`).
    pub replace_tags: Option<Tags>,
    /// Storage class and encryption are never copied from the source; S3 asks for them anew.
    pub storage_class: Option<String>,
    pub encryption: Option<Encryption>,
    /// An ACL is never copied: S3 gives a copy the default.
    pub acl: Option<CannedAcl>,
    /// In place of `acl`: these and no others (`x-amz-grant-*`).
    pub grants: Vec<Grant>,
    /// Never copied either.
    pub lock: ObjectLock,
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// Preconditions on the destination.
    pub conditions: Conditions,
}

/// Which version to delete, and when.
#[derive(Clone, Debug, Default)]
pub struct DeleteObject {
    pub version: Option<String>,
    /// Only `if_match` is used.
    pub conditions: Conditions,
}

/// What a delete answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Deleted {
    /// True if what was made or removed is a delete marker.
    pub delete_marker: bool,
    pub version_id: Option<String>,
}

/// One of the objects of a batch delete.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectIdentifier {
    pub key: String,
    pub version: Option<String>,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListObjects {
    pub prefix: String,
    pub delimiter: Option<String>,
    /// Only keys after this one, in S3's order (UTF-8 bytes).
    pub start_after: Option<String>,
    /// From [`ObjectPage::next`].
    pub continuation: Option<String>,
    /// At most this many keys and prefixes; S3 gives at most 1000.
    pub keys_max: Option<u32>,
}

/// What a listing says of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: SystemTime,
    pub storage_class: Option<String>,
    pub restore: Option<Restore>,
}

/// One page of a listing, in S3's order.
#[derive(Clone, Debug, Default)]
pub struct ObjectPage {
    pub objects: Vec<ListedObject>,
    /// Common prefixes, each ending in the delimiter.
    pub prefixes: Vec<String>,
    /// Where the next page starts, `None` after the last.
    pub next: Option<String>,
}

/// Which versions to list.
#[derive(Clone, Debug, Default)]
pub struct ListVersions {
    pub prefix: String,
    pub delimiter: Option<String>,
    pub key_marker: Option<String>,
    pub version_marker: Option<String>,
    pub keys_max: Option<u32>,
}

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedVersion {
    pub key: String,
    /// `null` for an object written without versioning.
    pub version_id: String,
    pub is_latest: bool,
    pub last_modified: SystemTime,
    /// `None`: a delete marker.
    pub object: Option<VersionedObject>,
}

/// What a version holds that a delete marker does not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VersionedObject {
    pub size: u64,
    pub etag: ETag,
    pub storage_class: Option<String>,
}

/// One page of versions, newest first within a key.
#[derive(Clone, Debug, Default)]
pub struct VersionPage {
    pub versions: Vec<ListedVersion>,
    pub prefixes: Vec<String>,
    /// Key marker and version marker of the next page.
    pub next: Option<(String, Option<String>)>,
}

/// A part that was uploaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u32,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
}

/// How a multipart upload is to be started.
#[derive(Clone, Debug, Default)]
pub struct CreateMultipart {
    pub write: WriteOptions,
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// How a multipart upload is to be completed.
#[derive(Clone, Debug, Default)]
pub struct CompleteMultipart {
    /// Checked by S3 against the whole object.
    pub checksum: Option<Checksum>,
    pub conditions: Conditions,
}

/// What `ListParts` says of a part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedPart {
    pub part: Part,
    pub size: u64,
    pub last_modified: SystemTime,
}

/// One page of parts.
#[derive(Clone, Debug, Default)]
pub struct PartPage {
    pub parts: Vec<ListedPart>,
    /// The part-number marker of the next page.
    pub next: Option<u32>,
}

/// Which multipart uploads in progress to list.
#[derive(Clone, Debug, Default)]
pub struct ListUploads {
    pub prefix: String,
    pub key_marker: Option<String>,
    pub upload_marker: Option<String>,
    pub uploads_max: Option<u32>,
}

/// A multipart upload in progress.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedUpload {
    pub key: String,
    pub upload: String,
    pub started: SystemTime,
    pub storage_class: Option<String>,
}

/// One page of uploads in progress.
#[derive(Clone, Debug, Default)]
pub struct UploadPage {
    pub uploads: Vec<ListedUpload>,
    /// Key marker and upload marker of the next page.
    pub next: Option<(String, String)>,
}

/// The ACLs that S3 knows by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CannedAcl {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    AwsExecRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
}

impl CannedAcl {
    pub const ALL: [Self; 7] = [
        Self::Private,
        Self::PublicRead,
        Self::PublicReadWrite,
        Self::AuthenticatedRead,
        Self::AwsExecRead,
        Self::BucketOwnerRead,
        Self::BucketOwnerFullControl,
    ];

    /// As `x-amz-acl` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
            Self::AuthenticatedRead => "authenticated-read",
            Self::AwsExecRead => "aws-exec-read",
            Self::BucketOwnerRead => "bucket-owner-read",
            Self::BucketOwnerFullControl => "bucket-owner-full-control",
        }
    }

    /// The ACL of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acl| acl.as_str() == name)
    }
}

/// Who a bucket or object belongs to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Owner {
    /// Canonical user id.
    pub id: String,
    pub display_name: Option<String>,
}

/// Who is granted something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grantee {
    CanonicalUser {
        id: String,
        display_name: Option<String>,
    },
    /// Only in requests; S3 answers with the canonical user.
    Email {
        address: String,
    },
    /// Such as `http://acs.amazonaws.com/groups/global/AllUsers`.
    Group {
        uri: String,
    },
}

/// What may be granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission {
    FullControl,
    Read,
    Write,
    ReadAcp,
    WriteAcp,
}

impl Permission {
    pub const ALL: [Self; 5] =
        [Self::FullControl, Self::Read, Self::Write, Self::ReadAcp, Self::WriteAcp];

    /// As S3 spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullControl => "FULL_CONTROL",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
        }
    }

    /// The permission of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }
}

/// One line of an ACL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    pub grantee: Grantee,
    pub permission: Permission,
}

/// `AccessControlPolicy`: who owns it, and who else may what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Acl {
    pub owner: Owner,
    pub grants: Vec<Grant>,
}

/// What an ACL is to become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AclChange {
    Canned(CannedAcl),
    Policy(Acl),
}

/// How an archived object is to be restored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestoreObject {
    pub days: u32,
    /// `Standard`, `Bulk` or `Expedited`; `None` leaves it to S3.
    pub tier: Option<String>,
}

/// The configurations S3 keeps as documents, each with its query parameter.
///
/// A document is text: XML as S3's REST API has it, JSON for [`DocumentKind::Policy`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DocumentKind {
    Cors,
    Lifecycle,
    Policy,
    /// Tags of a bucket; those of an object are [`Tags`].
    BucketTagging,
    Versioning,
    BucketEncryption,
    Website,
    PublicAccessBlock,
    OwnershipControls,
    Notification,
    Logging,
    RequestPayment,
    ObjectLock,
    /// Of an object.
    Retention,
    /// Of an object.
    LegalHold,
}

/// What the table of documents says of one kind.
#[derive(Debug)]
pub struct DocumentRow {
    pub kind: DocumentKind,
    /// The subresource in the request's query.
    pub query: &'static str,
    /// The root element, empty for JSON.
    pub root: &'static str,
    /// The code S3 answers with where there is none; empty where S3 always has one.
    pub missing_code: &'static str,
    /// Whether S3 can delete it.
    pub deletable: bool,
}

const fn row(
    kind: DocumentKind,
    query: &'static str,
    root: &'static str,
    missing_code: &'static str,
    deletable: bool,
) -> DocumentRow {
    DocumentRow { kind, query, root, missing_code, deletable }
}

/// Every kind of document, in the order of [`DocumentKind`].
pub const DOCUMENTS: &[DocumentRow] = &[
    row(DocumentKind::Cors, "cors", "CORSConfiguration", "NoSuchCORSConfiguration", true),
    row(
        DocumentKind::Lifecycle,
        "lifecycle",
        "LifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        true,
    ),
    row(DocumentKind::Policy, "policy", "", "NoSuchBucketPolicy", true),
    row(DocumentKind::BucketTagging, "tagging", "Tagging", "NoSuchTagSet", true),
    row(DocumentKind::Versioning, "versioning", "VersioningConfiguration", "", false),
    row(
        DocumentKind::BucketEncryption,
        "encryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        true,
    ),
    row(
        DocumentKind::Website,
        "website",
        "WebsiteConfiguration",
        "NoSuchWebsiteConfiguration",
        true,
    ),
    row(
        DocumentKind::PublicAccessBlock,
        "publicAccessBlock",
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        true,
    ),
    row(
        DocumentKind::OwnershipControls,
        "ownershipControls",
        "OwnershipControls",
        "OwnershipControlsNotFoundError",
        true,
    ),
    row(DocumentKind::Notification, "notification", "NotificationConfiguration", "", false),
    row(DocumentKind::Logging, "logging", "BucketLoggingStatus", "", false),
    row(DocumentKind::RequestPayment, "requestPayment", "RequestPaymentConfiguration", "", false),
    row(
        DocumentKind::ObjectLock,
        "object-lock",
        "ObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        false,
    ),
    row(DocumentKind::Retention, "retention", "Retention", "NoSuchObjectLockConfiguration", false),
    row(DocumentKind::LegalHold, "legal-hold", "LegalHold", "NoSuchObjectLockConfiguration", false),
];

impl DocumentKind {
    /// The row of the table.
    #[must_use]
    pub fn row(self) -> &'static DocumentRow {
        &DOCUMENTS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_documents_is_in_the_order_of_its_kinds() {
        for row in DOCUMENTS {
            assert_eq!(row.kind.row().query, row.query);
        }
    }

    #[test]
    fn an_etag_is_the_same_with_and_without_quotes() {
        assert_eq!(ETag::new("\"abc-2\""), ETag::new("abc-2"));
        assert_eq!(ETag::new("abc").quoted(), "\"abc\"");
    }
}
