//! The table of attributes: every name that is not user metadata, and what can be done with it.
//!
//! Getting, setting, removing, listing, the manual and the tests read the rows. How a value is
//! spelt stands in the files beside this one.

use crate::store::types::DocumentKind;

/// What an attribute is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Id {
    Etag,
    Key,
    Bucket,
    VersionId,
    LastModified,
    Owner,
    Header(Header),
    StorageClass,
    Acl,
    Grant,
    /// One tag, by its key.
    Tag,
    Tags,
    Restore,
    OngoingRestore,
    ExpiryDate,
    Checksum,
    Encryption,
    Document(DocumentKind),
    Versions,
    Url,
    /// For so many seconds.
    UrlFor,
    Location,
    Uploads,
    /// All that can be read, for people.
    All,
    State,
    Sync,
    Refresh,
    Cached,
    /// As [`Id::All`], for programs.
    Info,
}

/// The headers that S3 keeps with an object and hands out with its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Header {
    ContentType,
    ContentEncoding,
    ContentLanguage,
    ContentDisposition,
    CacheControl,
    Expires,
    WebsiteRedirectLocation,
}

/// What carries an attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum On {
    /// A file or other object, and a directory by its marker.
    Object,
    /// The directory that is a bucket.
    Bucket,
    /// Either.
    Both,
    /// A file alone.
    File,
    /// Everything below a mount, and its root.
    All,
}

/// What the table says of one attribute.
#[derive(Debug)]
pub struct Attribute {
    pub id: Id,
    /// With `user.`; where it ends in `<...>`, that stands for any text.
    pub name: &'static str,
    pub on: On,
    /// What is read; empty: nothing can be.
    pub get: &'static str,
    /// What can be set; empty: nothing can be.
    pub set: &'static str,
    /// What its removal does; empty: it can't be removed.
    pub remove: &'static str,
}

const fn row(id: Id, name: &'static str, on: On, get: &'static str) -> Attribute {
    Attribute { id, name, on, get, set: "", remove: "" }
}

impl Attribute {
    const fn set(self, set: &'static str) -> Self {
        Self { set, ..self }
    }

    const fn remove(self, remove: &'static str) -> Self {
        Self { remove, ..self }
    }

    /// What comes before `<...>`, where the name has a part that stands for any text.
    #[must_use]
    pub fn family(&self) -> Option<&'static str> {
        self.name.split_once('<').map(|(family, _)| family)
    }

    /// Whether a thing of this kind carries it.
    #[must_use]
    pub fn is_on(&self, carrier: Carrier) -> bool {
        match (self.on, carrier) {
            (On::All, _)
            | (On::Object, Carrier::File | Carrier::Directory)
            | (On::Both, Carrier::File | Carrier::Directory | Carrier::Bucket)
            | (On::Bucket, Carrier::Bucket)
            | (On::File, Carrier::File) => true,
            (On::Object | On::Bucket | On::Both | On::File, _) => false,
        }
    }
}

/// What kind of thing has attributes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// An object that is no marker of a directory.
    File,
    /// A directory in a bucket.
    Directory,
    Bucket,
    /// The root of all buckets.
    Account,
}

impl Carrier {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Bucket => "a bucket",
            Self::Account => "the root of all buckets",
        }
    }
}

const JSON: &str = "JSON as `aws s3api` has it";
const JSON_OR_XML: &str = "that JSON, or S3's XML";
const DELETES: &str = "deletes it";
const TO_DEFAULT: &str = "back to the default";

/// Every attribute.
pub const TABLE: &[Attribute] = &[
    row(Id::All, "user.s3", On::All, "everything that can be read here, a line each"),
    row(Id::Bucket, "user.s3.bucket", On::Both, "the bucket's name"),
    row(Id::Key, "user.s3.key", On::Object, "the object's key"),
    row(Id::Etag, "user.s3.etag", On::Object, "the ETag, without quotes"),
    row(Id::VersionId, "user.s3.version-id", On::Object, "the version, in a bucket that keeps versions"),
    row(Id::LastModified, "user.s3.last-modified", On::Object, "when S3 got it (RFC 3339)"),
    row(Id::Owner, "user.s3.owner", On::Both, "canonical id and name of whom it belongs to"),
    row(Id::Header(Header::ContentType), "user.s3.content-type", On::Object, "the header")
        .set("printable ASCII")
        .remove("back to that of its name"),
    row(Id::Header(Header::ContentEncoding), "user.s3.content-encoding", On::Object, "the header")
        .set("printable ASCII")
        .remove(TO_DEFAULT),
    row(Id::Header(Header::ContentLanguage), "user.s3.content-language", On::Object, "the header")
        .set("printable ASCII")
        .remove(TO_DEFAULT),
    row(
        Id::Header(Header::ContentDisposition),
        "user.s3.content-disposition",
        On::Object,
        "the header",
    )
    .set("printable ASCII")
    .remove(TO_DEFAULT),
    row(Id::Header(Header::CacheControl), "user.s3.cache-control", On::Object, "the header")
        .set("printable ASCII")
        .remove(TO_DEFAULT),
    row(Id::Header(Header::Expires), "user.s3.expires", On::Object, "the header")
        .set("a date as HTTP writes it")
        .remove(TO_DEFAULT),
    row(
        Id::Header(Header::WebsiteRedirectLocation),
        "user.s3.website-redirect-location",
        On::Object,
        "where a website sends its visitors instead",
    )
    .set("a path in the bucket, or an address")
    .remove(TO_DEFAULT),
    row(Id::StorageClass, "user.s3.storage-class", On::Object, "the class; `STANDARD` where S3 names none")
        .set("a class: S3 copies the object in place"),
    row(Id::Acl, "user.s3.acl", On::Both, "owner and grants, JSON as `aws s3api` has it")
        .set("`private`, `public-read`, `public-read-write`, `authenticated-read`, `aws-exec-read`, `bucket-owner-read`, `bucket-owner-full-control`; that JSON; or S3's XML")
        .remove("back to `private`"),
    row(Id::Grant, "user.s3.grant", On::Both, "a line a grant: `READ id=... name=...`")
        .set("adds one: `READ email=foo@example.com`, `FULL_CONTROL id=...`, `READ uri=...`, `READ all-users`"),
    row(Id::Tag, "user.s3.tag.<key>", On::Both, "the tag's value")
        .set("any text")
        .remove(DELETES),
    row(Id::Tags, "user.s3.tags", On::Both, "all tags, JSON as `aws s3api` has it")
        .set("all of them: that JSON, `{\"key\": \"value\"}`, or S3's XML")
        .remove("deletes all"),
    row(Id::Restore, "user.s3.restore", On::Object, "`none`, `ongoing`, `available until <RFC 3339>`")
        .set("asks for it: `5`, `days=5`, `days=5 tier=Bulk`"),
    row(Id::OngoingRestore, "user.s3.ongoing-restore", On::Object, "`true` or `false`, where one was asked for"),
    row(Id::ExpiryDate, "user.s3.expiry-date", On::Object, "until when a restored object can be read"),
    row(Id::Checksum, "user.s3.checksum", On::Object, "what S3 keeps: `crc64nvme=...`"),
    row(Id::Encryption, "user.s3.encryption", On::Object, "`AES256`, or `aws:kms` and the key")
        .set("`AES256`, `aws:kms`, `aws:kms <key>`: S3 copies the object in place"),
    row(Id::Document(DocumentKind::Retention), "user.s3.retention", On::Object, JSON).set(JSON_OR_XML),
    row(Id::Document(DocumentKind::LegalHold), "user.s3.legal-hold", On::Object, "`ON` or `OFF`")
        .set("`ON` or `OFF`"),
    row(Id::Versions, "user.s3.versions", On::Object, "a line a version: id, time, size, class; `latest`, `delete-marker`"),
    row(Id::Url, "user.s3.url", On::Object, "an address from which anyone can fetch it for an hour"),
    row(Id::UrlFor, "user.s3.url.<seconds>", On::Object, "the same for so long, at most 604800"),
    row(Id::Location, "user.s3.location", On::Bucket, "the region"),
    row(Id::Document(DocumentKind::Cors), "user.s3.cors", On::Bucket, JSON).set(JSON_OR_XML).remove(DELETES),
    row(Id::Document(DocumentKind::Lifecycle), "user.s3.lifecycle", On::Bucket, JSON)
        .set(JSON_OR_XML)
        .remove(DELETES),
    row(Id::Document(DocumentKind::Policy), "user.s3.policy", On::Bucket, "the policy, JSON")
        .set("the policy, JSON")
        .remove(DELETES),
    row(Id::Document(DocumentKind::BucketEncryption), "user.s3.encryption", On::Bucket, JSON)
        .set(JSON_OR_XML)
        .remove(DELETES),
    row(Id::Document(DocumentKind::Website), "user.s3.website", On::Bucket, JSON)
        .set(JSON_OR_XML)
        .remove(DELETES),
    row(
        Id::Document(DocumentKind::PublicAccessBlock),
        "user.s3.public-access-block",
        On::Bucket,
        JSON,
    )
    .set(JSON_OR_XML)
    .remove(DELETES),
    row(Id::Document(DocumentKind::OwnershipControls), "user.s3.ownership", On::Bucket, JSON)
        .set(JSON_OR_XML)
        .remove(DELETES),
    row(Id::Document(DocumentKind::Notification), "user.s3.notification", On::Bucket, JSON)
        .set("that JSON, or S3's XML; `{}` turns it off")
        .remove("turns it off"),
    row(Id::Document(DocumentKind::Logging), "user.s3.logging", On::Bucket, JSON)
        .set("that JSON, or S3's XML; `{}` turns it off")
        .remove("turns it off"),
    row(Id::Document(DocumentKind::Versioning), "user.s3.versioning", On::Bucket, "`Enabled`, `Suspended` or `Off`")
        .set("`Enabled` or `Suspended`"),
    row(
        Id::Document(DocumentKind::RequestPayment),
        "user.s3.request-payment",
        On::Bucket,
        "`BucketOwner` or `Requester`",
    )
    .set("`BucketOwner` or `Requester`"),
    row(Id::Document(DocumentKind::ObjectLock), "user.s3.object-lock", On::Bucket, JSON).set(JSON_OR_XML),
    row(
        Id::Uploads,
        "user.s3.uploads",
        On::Bucket,
        "a line a multipart upload in progress: start, id, parts, bytes, key",
    )
    .set("`abort older-than=24h [prefix=...]`"),
    row(
        Id::State,
        "user.pailfs.state",
        On::File,
        "`clean`, `dirty <bytes>`, `uploading <done>/<bytes>`, `failed <why>`",
    ),
    row(Id::Cached, "user.pailfs.cached", On::File, "how many bytes of it are here"),
    row(Id::Sync, "user.pailfs.sync", On::All, "")
        .set("anything: returns when all that is written here is in S3"),
    row(Id::Refresh, "user.pailfs.refresh", On::All, "")
        .set("anything: forgets attributes, names and bytes from here on down"),
    row(Id::Info, "user.pailfs.info", On::All, "as `user.s3`, as a JSON object"),
];

/// An attribute by its name; the text is what stands in the place of `<...>`.
///
/// `None` where a thing of this kind has none of that name.
#[must_use]
pub fn find(carrier: Carrier, name: &str) -> Option<(&'static Attribute, &str)> {
    let rows = TABLE.iter().filter(|row| row.is_on(carrier));
    rows.filter_map(|row| match row.family() {
        None => (row.name == name).then_some((row, "")),
        Some(family) => {
            let rest = name.strip_prefix(family)?;
            (!rest.is_empty()).then_some((row, rest))
        }
    })
    .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::xattr::user::is_reserved;

    #[track_caller]
    fn check(carrier: Carrier, name: &str, expected: Option<(Id, &str)>) {
        let found = find(carrier, name).map(|(row, text)| (row.id, text));
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn a_name_means_what_its_carrier_has_of_that_name() {
        check(Carrier::File, "user.s3.tags", Some((Id::Tags, "")));
        check(Carrier::Bucket, "user.s3.tags", Some((Id::Tags, "")));
        let encryption = Id::Document(DocumentKind::BucketEncryption);
        check(Carrier::Bucket, "user.s3.encryption", Some((encryption, "")));
        check(Carrier::File, "user.s3.encryption", Some((Id::Encryption, "")));
        check(Carrier::Bucket, "user.s3.etag", None);
        check(Carrier::Directory, "user.s3.cors", None);
        check(Carrier::Directory, "user.pailfs.state", None);
        check(Carrier::Account, "user.pailfs.refresh", Some((Id::Refresh, "")));
        check(Carrier::Account, "user.s3.location", None);
    }

    #[test]
    fn a_part_of_a_name_can_stand_for_any_text() {
        check(Carrier::File, "user.s3.tag.a.b c", Some((Id::Tag, "a.b c")));
        check(Carrier::File, "user.s3.url.60", Some((Id::UrlFor, "60")));
        check(Carrier::File, "user.s3.url", Some((Id::Url, "")));
        check(Carrier::File, "user.s3.tag.", None);
    }

    #[test]
    fn every_name_belongs_to_a_family_and_can_be_found() {
        for row in TABLE {
            let rest = row.name.strip_prefix("user.").unwrap();
            assert!(is_reserved(rest.as_bytes()), "{}", row.name);
            assert!(!row.get.is_empty() || !row.set.is_empty(), "{}", row.name);
            let carriers = [Carrier::File, Carrier::Directory, Carrier::Bucket, Carrier::Account];
            for carrier in carriers.into_iter().filter(|carrier| row.is_on(*carrier)) {
                let found = find(carrier, &row.name.replace(['<', '>'], "")).map(|(row, _)| row.id);
                assert_eq!(found, Some(row.id), "{} on {}", row.name, carrier.as_str());
            }
        }
    }
}
