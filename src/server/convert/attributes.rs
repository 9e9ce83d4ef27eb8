//! What rides along with an object, between request headers, the store, and answer headers.
//!
//! Read from the headers themselves, not from s3s's inputs: `PutObject`, `CopyObject` and
//! `CreateMultipartUpload` have the same headers in three types.

use std::collections::BTreeMap;

use http::HeaderMap;
use s3s::dto::{Metadata, Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};

use crate::server::convert::checksums::put_checksum_headers;
use crate::server::convert::{header, http_date, put_header, restore_header, system_time};
use crate::server::tags::tags_of_header;
use crate::store::types::{
    CannedAcl, Checksum, Encryption, Grant, Grantee, ObjectAttributes, ObjectHead, ObjectLock,
    Permission, WriteOptions, Written,
};

/// The content type S3 gives an object that was written without one.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// The encoding of the request's own body, which is no property of the object.
const CHUNKED: &str = "aws-chunked";

/// All of a write's options that are headers, but its conditions and checksum.
pub(crate) fn write_options(
    headers: &HeaderMap,
    metadata: Option<Metadata>,
) -> S3Result<WriteOptions> {
    Ok(WriteOptions {
        attributes: attributes(headers, metadata),
        tags: header(headers, "x-amz-tagging").map(tags_of_header).transpose()?,
        acl: canned_acl(headers)?,
        grants: grants(headers)?,
        lock: object_lock(headers)?,
        ..WriteOptions::default()
    })
}

pub(crate) fn attributes(headers: &HeaderMap, metadata: Option<Metadata>) -> ObjectAttributes {
    let text = |name: &str| header(headers, name).map(str::to_owned);
    ObjectAttributes {
        content_type: text("content-type"),
        content_encoding: header(headers, "content-encoding").and_then(content_encoding),
        content_language: text("content-language"),
        content_disposition: text("content-disposition"),
        cache_control: text("cache-control"),
        expires: text("expires"),
        website_redirect_location: text("x-amz-website-redirect-location"),
        metadata: metadata.map(BTreeMap::from_iter).unwrap_or_default(),
        storage_class: text("x-amz-storage-class"),
        encryption: encryption(headers),
    }
}

/// What is left of a content encoding once the transfer's own part is taken away.
fn content_encoding(value: &str) -> Option<String> {
    let kept: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|part| *part != CHUNKED && !part.is_empty())
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(crate) fn encryption(headers: &HeaderMap) -> Option<Encryption> {
    let algorithm = header(headers, "x-amz-server-side-encryption")?.to_owned();
    let kms_key_id =
        header(headers, "x-amz-server-side-encryption-aws-kms-key-id").map(str::to_owned);
    Some(Encryption { algorithm, kms_key_id })
}

pub(crate) fn canned_acl(headers: &HeaderMap) -> S3Result<Option<CannedAcl>> {
    let Some(name) = header(headers, "x-amz-acl") else { return Ok(None) };
    match CannedAcl::named(name) {
        Some(acl) => Ok(Some(acl)),
        None => Err(s3_error!(InvalidArgument, "{name} is not a canned ACL")),
    }
}

/// What the `x-amz-grant-*` headers give to whom.
pub(crate) fn grants(headers: &HeaderMap) -> S3Result<Vec<Grant>> {
    let mut grants = Vec::new();
    for permission in Permission::ALL {
        let name = permission.as_str().to_lowercase().replace('_', "-");
        let Some(grantees) = header(headers, &format!("x-amz-grant-{name}")) else { continue };
        for text in grantees.split(',') {
            let grantee = grantee_in(text.trim())
                .ok_or_else(|| s3_error!(InvalidArgument, "Argument format not recognized"))?;
            grants.push(Grant { grantee, permission });
        }
    }
    Ok(grants)
}

/// Such as `id="1a2b"`, with or without its quotes.
fn grantee_in(text: &str) -> Option<Grantee> {
    let (kind, value) = text.split_once('=')?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let value = Some(value.to_owned()).filter(|value| !value.is_empty())?;
    match kind.trim() {
        "id" => Some(Grantee::CanonicalUser { id: value, display_name: None }),
        "emailAddress" => Some(Grantee::Email { address: value }),
        "uri" => Some(Grantee::Group { uri: value }),
        _ => None,
    }
}

/// What the `x-amz-object-lock-*` headers ask for.
pub(crate) fn object_lock(headers: &HeaderMap) -> S3Result<ObjectLock> {
    let legal_hold = match header(headers, "x-amz-object-lock-legal-hold") {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(_) => {
            return Err(s3_error!(InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'"));
        }
    };
    let mode = header(headers, "x-amz-object-lock-mode");
    let retention = match (mode, header(headers, "x-amz-object-lock-retain-until-date")) {
        (None, None) => None,
        (Some(mode), Some(date)) => {
            let date = Timestamp::parse(TimestampFormat::DateTime, date).map_err(|_| {
                s3_error!(
                    InvalidArgument,
                    "The retain until date must be provided in ISO 8601 format"
                )
            })?;
            Some((mode.to_owned(), system_time(date)))
        }
        _ => {
            return Err(s3_error!(
                InvalidArgument,
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
            ));
        }
    };
    Ok(ObjectLock { retention, legal_hold })
}

/// The headers of `HeadObject` and `GetObject`, but those of length, range and checksum.
pub(crate) fn head_headers(head: &ObjectHead) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name, value: &str| put_header(&mut headers, name, value);
    let attributes = &head.attributes;
    put("accept-ranges", "bytes");
    put("etag", &head.etag.quoted());
    put("last-modified", &http_date(head.last_modified));
    put("content-type", attributes.content_type.as_deref().unwrap_or(CONTENT_TYPE_DEFAULT));
    let optional = [
        ("content-encoding", &attributes.content_encoding),
        ("content-language", &attributes.content_language),
        ("content-disposition", &attributes.content_disposition),
        ("cache-control", &attributes.cache_control),
        ("expires", &attributes.expires),
        ("x-amz-website-redirect-location", &attributes.website_redirect_location),
        ("x-amz-version-id", &head.version_id),
        ("x-amz-archive-status", &head.archive_status),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            put(name, value);
        }
    }
    if let Some(class) = attributes.storage_class.as_deref().filter(|class| *class != "STANDARD") {
        put("x-amz-storage-class", class);
    }
    if let Some(restore) = head.restore {
        put("x-amz-restore", &restore_header(restore));
    }
    if let Some(tags) = head.tag_count.filter(|tags| *tags > 0) {
        put("x-amz-tagging-count", &tags.to_string());
    }
    put_encryption_headers(&mut headers, attributes.encryption.as_ref());
    headers
}

pub(crate) fn put_encryption_headers(headers: &mut HeaderMap, encryption: Option<&Encryption>) {
    let Some(encryption) = encryption else { return };
    put_header(headers, "x-amz-server-side-encryption", &encryption.algorithm);
    if let Some(key) = &encryption.kms_key_id {
        put_header(headers, "x-amz-server-side-encryption-aws-kms-key-id", key);
    }
}

/// User metadata as s3s spells it out in headers.
pub(crate) fn metadata(attributes: &ObjectAttributes) -> Option<Metadata> {
    let metadata = &attributes.metadata;
    (!metadata.is_empty())
        .then(|| metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The headers that answer `PutObject`.
pub(crate) fn written_headers(written: &Written, encryption: Option<&Encryption>) -> HeaderMap {
    let mut headers = etag_headers(&written.etag.quoted(), written.checksum.as_ref());
    if let Some(version) = &written.version_id {
        put_header(&mut headers, "x-amz-version-id", version);
    }
    put_encryption_headers(&mut headers, encryption);
    headers
}

/// The headers that answer `UploadPart`.
pub(crate) fn etag_headers(etag: &str, checksum: Option<&Checksum>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put_header(&mut headers, "etag", etag);
    if let Some(checksum) = checksum {
        put_checksum_headers(&mut headers, checksum);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_encoding(sent: &str, kept: Option<&str>) {
        assert_eq!(content_encoding(sent).as_deref(), kept);
    }

    #[test]
    fn the_encoding_of_the_transfer_is_not_kept_with_the_object() {
        check_encoding("aws-chunked", None);
        check_encoding("aws-chunked,gzip", Some("gzip"));
        check_encoding("gzip, aws-chunked", Some("gzip"));
        check_encoding("gzip", Some("gzip"));
    }

    #[test]
    fn an_unknown_canned_acl_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(canned_acl(&headers).unwrap(), None);
        headers.insert("x-amz-acl", "public-read".parse().unwrap());
        assert_eq!(canned_acl(&headers).unwrap(), Some(CannedAcl::PublicRead));
        headers.insert("x-amz-acl", "public-reed".parse().unwrap());
        assert_eq!(canned_acl(&headers).unwrap_err().code().as_str(), "InvalidArgument");
    }
}
