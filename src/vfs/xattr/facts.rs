//! What S3 says of an object when it is asked for its head, as attributes; and which of that can
//! be given to it.
//!
//! Pure. Each value is text; what has no value has no attribute.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::store::types::{Checksum, Encryption, ObjectAttributes, ObjectHead, Restore};
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::xattr::restore;
use crate::vfs::xattr::table::{Header, Id};
use crate::vfs::xattr::time::rfc3339;

/// What S3 means where it names no class.
const DEFAULT_CLASS: &str = "STANDARD";

/// The value of an attribute, if a head tells it.
#[must_use]
pub fn of_head(id: Id, head: &ObjectHead) -> Option<String> {
    match id {
        Id::Etag => Some(head.etag.to_string()),
        Id::VersionId => head.version_id.clone(),
        Id::LastModified => Some(rfc3339(head.last_modified)),
        Id::Restore => Some(restore::shown(head.restore.as_ref())),
        Id::OngoingRestore => head.restore.map(|restore| (restore == Restore::Ongoing).to_string()),
        Id::ExpiryDate => match head.restore? {
            Restore::Until(until) => Some(rfc3339(until)),
            Restore::Ongoing => None,
        },
        Id::Checksum => head.checksum.as_ref().map(checksum),
        id => of_attributes(id, &head.attributes),
    }
}

/// The value of an attribute that rides along with the bytes of an object.
#[must_use]
pub fn of_attributes(id: Id, attributes: &ObjectAttributes) -> Option<String> {
    match id {
        Id::Header(header) => field(header, &mut attributes.clone()).take(),
        Id::StorageClass => {
            Some(attributes.storage_class.as_deref().unwrap_or(DEFAULT_CLASS).to_owned())
        }
        Id::Encryption => attributes.encryption.as_ref().map(encryption),
        _ => None,
    }
}

/// Gives an object a header, a class or another encryption. S3 knows which classes and keys there
/// are.
pub fn set(id: Id, value: &str, attributes: &mut ObjectAttributes) -> VfsResult<()> {
    let is_header = |byte: u8| (b' '..=b'~').contains(&byte);
    if value.is_empty() || value.trim() != value || !value.bytes().all(is_header) {
        let message = "a header's value is printable ASCII without spaces around it";
        return Err(VfsError::BadValue(message.to_owned()));
    }
    match id {
        Id::Header(Header::Expires) if !is_date(value) => {
            let message = format!("{value:?} is no date such as Wed, 21 Oct 2037 07:28:00 GMT");
            return Err(VfsError::BadValue(message));
        }
        Id::Header(header) => *field(header, attributes) = Some(value.to_owned()),
        Id::StorageClass => attributes.storage_class = Some(class(value)?),
        Id::Encryption => attributes.encryption = Some(parse_encryption(value)?),
        _ => return Err(VfsError::NoAttribute),
    }
    Ok(())
}

/// Removes a header; `default` is what takes its place. Fails where there is nothing to remove.
pub fn remove(
    header: Header,
    default: Option<String>,
    attributes: &mut ObjectAttributes,
) -> VfsResult<()> {
    let field = field(header, attributes);
    if *field == default || field.is_none() {
        return Err(VfsError::NoAttribute);
    }
    *field = default;
    Ok(())
}

/// A storage class by its name: those of AWS, and what other servers call theirs.
pub fn class(text: &str) -> VfsResult<String> {
    let is_letter = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    if text.is_empty() || !text.bytes().all(is_letter) {
        let message = format!("{text:?} is no storage class such as STANDARD_IA or GLACIER");
        return Err(VfsError::BadValue(message));
    }
    Ok(text.to_owned())
}

/// As HTTP writes it (RFC 9110, section 5.6.7).
fn is_date(text: &str) -> bool {
    text.ends_with(" GMT") && OffsetDateTime::parse(text, &Rfc2822).is_ok()
}

fn field(header: Header, attributes: &mut ObjectAttributes) -> &mut Option<String> {
    match header {
        Header::ContentType => &mut attributes.content_type,
        Header::ContentEncoding => &mut attributes.content_encoding,
        Header::ContentLanguage => &mut attributes.content_language,
        Header::ContentDisposition => &mut attributes.content_disposition,
        Header::CacheControl => &mut attributes.cache_control,
        Header::Expires => &mut attributes.expires,
        Header::WebsiteRedirectLocation => &mut attributes.website_redirect_location,
    }
}

fn checksum(checksum: &Checksum) -> String {
    format!("{}={}", checksum.algorithm.as_str().to_ascii_lowercase(), checksum.value)
}

fn encryption(encryption: &Encryption) -> String {
    match &encryption.kms_key_id {
        Some(key) => format!("{} {key}", encryption.algorithm),
        None => encryption.algorithm.clone(),
    }
}

fn parse_encryption(text: &str) -> VfsResult<Encryption> {
    let (algorithm, key) = match text.split_once(' ') {
        Some((algorithm, key)) => (algorithm, Some(key.trim())),
        None => (text, None),
    };
    match (algorithm, key) {
        ("AES256", None) | ("aws:kms" | "aws:kms:dsse", _) => {
            Ok(Encryption { algorithm: algorithm.to_owned(), kms_key_id: key.map(str::to_owned) })
        }
        _ => {
            let message = format!("{text:?} is neither AES256 nor aws:kms with or without a key");
            Err(VfsError::BadValue(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::store::types::{ChecksumAlgorithm, ETag};

    fn head() -> ObjectHead {
        ObjectHead {
            size: 1,
            etag: ETag::new("e"),
            last_modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            attributes: ObjectAttributes::default(),
            version_id: None,
            checksum: None,
            restore: None,
            archive_status: None,
            parts: None,
            tag_count: None,
        }
    }

    #[track_caller]
    fn check(id: Id, head: &ObjectHead, expected: Option<&str>) {
        assert_eq!(of_head(id, head).as_deref(), expected, "{id:?}");
    }

    #[track_caller]
    fn check_set(id: Id, value: &str, is_good: bool) {
        let mut attributes = ObjectAttributes::default();
        let set = set(id, value, &mut attributes);
        assert_eq!(set.is_ok(), is_good, "{value}");
        let shown = of_attributes(id, &attributes);
        assert_eq!(shown.as_deref() == Some(value), is_good, "{value}");
    }

    #[test]
    fn what_s3_does_not_say_is_no_attribute_but_for_the_class() {
        check(Id::VersionId, &head(), None);
        check(Id::Checksum, &head(), None);
        check(Id::OngoingRestore, &head(), None);
        check(Id::Header(Header::CacheControl), &head(), None);
        check(Id::StorageClass, &head(), Some("STANDARD"));
        check(Id::Restore, &head(), Some("none"));
        check(Id::LastModified, &head(), Some("1970-01-01T00:00:01Z"));
    }

    #[test]
    fn a_restore_is_under_way_or_has_an_end() {
        let ongoing = ObjectHead { restore: Some(Restore::Ongoing), ..head() };
        check(Id::OngoingRestore, &ongoing, Some("true"));
        check(Id::ExpiryDate, &ongoing, None);
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let done = ObjectHead { restore: Some(Restore::Until(until)), ..head() };
        check(Id::OngoingRestore, &done, Some("false"));
        check(Id::ExpiryDate, &done, Some("1970-01-01T00:01:00Z"));
    }

    #[test]
    fn a_checksum_is_said_with_its_kind() {
        let value = "AAAAAA==".to_owned();
        let checksum = Checksum { algorithm: ChecksumAlgorithm::Crc32C, value };
        check(
            Id::Checksum,
            &ObjectHead { checksum: Some(checksum), ..head() },
            Some("crc32c=AAAAAA=="),
        );
    }

    #[test]
    fn what_can_be_set_is_what_a_header_can_carry() {
        check_set(Id::Header(Header::CacheControl), "max-age=5, public", true);
        check_set(Id::Header(Header::ContentType), "text/html; charset=utf-8", true);
        for bad in ["", " x", "x\n", "gr\u{fc}n"] {
            check_set(Id::Header(Header::ContentType), bad, false);
        }
        check_set(Id::StorageClass, "GLACIER_IR", true);
        check_set(Id::StorageClass, "glacier", false);
        check_set(Id::Encryption, "AES256", true);
        check_set(Id::Encryption, "aws:kms alias/mine", true);
        check_set(Id::Encryption, "AES256 key", false);
        check_set(Id::Encryption, "rot13", false);
    }

    #[test]
    fn what_has_its_default_can_not_be_removed() {
        let mut attributes = ObjectAttributes::default();
        let none = remove(Header::Expires, None, &mut attributes);
        assert!(matches!(none, Err(VfsError::NoAttribute)));
        attributes.content_type = Some("x/y".to_owned());
        let default = Some("text/html".to_owned());
        remove(Header::ContentType, default.clone(), &mut attributes).unwrap();
        assert_eq!(attributes.content_type, default);
    }
}
