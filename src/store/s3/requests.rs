//! Requests: our options as HTTP headers.
//!
//! `PutObject`, `CreateMultipartUpload` and `CopyObject` take the same options, and conditions
//! are the same headers wherever they are sent; so they are made here, once, and put on the
//! SDK's request before it is signed. Everything but [`Extra::apply`] is pure.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_smithy_runtime_api::http::HttpError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::store::s3::transport::ReadTimeout;
use crate::store::types::{
    Checksum, ChecksumAlgorithm, Conditions, CopySource, EtagCondition, Grant, Grantee,
    ObjectAttributes, ObjectLock, Permission, Range, Tags, WriteOptions,
};

/// All but the unreserved characters of RFC 3986.
pub(super) const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, with the separators of a path left as they are.
pub(super) const PATH: &AsciiSet = &QUERY.remove(b'/');
/// What the SDK is given in place of a key that it refuses to send.
const KEY_STAND_IN: &str = "-";
/// What the SDK says of a body that it knows nothing of.
const CONTENT_TYPE_GUESSED: &str = "application/octet-stream";

/// Headers by name.
pub(super) type Headers = Vec<(String, String)>;

/// What a request carries that the SDK's operation has no word for.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    key: Option<String>,
    headers: Headers,
    query: Option<String>,
    digest: bool,
    read_timeout: Option<Duration>,
}

impl Extra {
    pub(super) fn with_headers(headers: Headers) -> Self {
        Self { headers, ..Self::default() }
    }

    /// Names the object that the request is for.
    pub(super) fn object(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The key for the SDK's operation, which refuses one of white space alone. The stand-in is
    /// gone from the request once [`Extra::mapper`] has been at it.
    pub(super) fn sdk_key(&self) -> Option<String> {
        let refused = self.refused_key().map(|_key| KEY_STAND_IN.to_owned());
        refused.or_else(|| self.key.clone())
    }

    /// The key, if S3 takes it and the SDK does not. The empty one is no key to either.
    fn refused_key(&self) -> Option<&str> {
        let key = self.key.as_deref();
        key.filter(|key| !key.is_empty() && key.trim().is_empty())
    }

    /// Replaces the query of the request's address.
    pub(super) fn query(self, query: String) -> Self {
        Self { query: Some(query), ..self }
    }

    /// Adds the MD5 of a body in memory, which older servers insist on.
    pub(super) fn digest(self) -> Self {
        Self { digest: true, ..self }
    }

    /// How long this request may wait for its answer, instead of the client's read timeout.
    pub(super) fn read_timeout(self, limit: Duration) -> Self {
        Self { read_timeout: Some(limit), ..self }
    }

    /// For `map_request` of the SDK, which calls it for every attempt, before signing.
    pub(super) fn mapper(
        &self,
    ) -> impl Fn(HttpRequest) -> Result<HttpRequest, HttpError> + Send + Sync + 'static {
        let extra = self.clone();
        move |request| extra.apply(request)
    }

    fn apply(&self, mut request: HttpRequest) -> Result<HttpRequest, HttpError> {
        // S3's own default is another one, and what is sent here is kept with the object.
        if request.headers().get("content-type") == Some(CONTENT_TYPE_GUESSED) {
            request.headers_mut().remove("content-type");
        }
        for (name, value) in &self.headers {
            request.headers_mut().try_insert(name.clone(), value.clone())?;
        }
        if let Some(key) = self.refused_key() {
            let address = with_key(request.uri(), key);
            request.set_uri(address)?;
        }
        if let Some(query) = &self.query {
            let address = request.uri().split('?').next().unwrap_or_default();
            let address = format!("{address}?{query}");
            request.set_uri(address)?;
        }
        if self.digest {
            let digest = BASE64.encode(Md5::digest(request.body().bytes().unwrap_or_default()));
            request.headers_mut().try_insert("content-md5", digest)?;
        }
        if let Some(limit) = self.read_timeout {
            request.add_extension(ReadTimeout(limit));
        }
        Ok(request)
    }
}

/// An address with `key`, which has no slash, as the last segment of its path.
fn with_key(address: &str, key: &str) -> String {
    let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    let (above, _stand_in) = path.rsplit_once('/').unwrap_or_default();
    format!("{above}/{}{query}", utf8_percent_encode(key, PATH))
}

/// The headers of everything in `options` but the checksum.
pub(super) fn write_headers(options: &WriteOptions) -> Headers {
    let mut headers = attribute_headers(&options.attributes);
    headers.extend(options.tags.as_ref().map(tagging_header));
    headers.extend(options.acl.map(|acl| ("x-amz-acl".to_owned(), acl.as_str().to_owned())));
    headers.extend(grant_headers(&options.grants));
    headers.extend(lock_headers(&options.lock));
    headers.extend(condition_headers(&options.conditions));
    headers
}

/// One header for each permission that is granted.
pub(super) fn grant_headers(grants: &[Grant]) -> Headers {
    let named = |permission: Permission| {
        let permission = permission.as_str().to_lowercase().replace('_', "-");
        format!("x-amz-grant-{permission}")
    };
    let grantee = |grantee: &Grantee| match grantee {
        Grantee::CanonicalUser { id, .. } => format!("id=\"{id}\""),
        Grantee::Email { address } => format!("emailAddress=\"{address}\""),
        Grantee::Group { uri } => format!("uri=\"{uri}\""),
    };
    let header = |permission| {
        let granted = grants.iter().filter(|grant| grant.permission == permission);
        let grantees: Vec<_> = granted.map(|grant| grantee(&grant.grantee)).collect();
        (!grantees.is_empty()).then(|| (named(permission), grantees.join(", ")))
    };
    Permission::ALL.into_iter().filter_map(header).collect()
}

pub(super) fn lock_headers(lock: &ObjectLock) -> Headers {
    let header = |name: &str, value: &str| (format!("x-amz-object-lock-{name}"), value.to_owned());
    let mut headers = Headers::new();
    if let Some((mode, until)) = &lock.retention {
        let until = DateTime::from(*until).fmt(DateTimeFormat::DateTime).unwrap_or_default();
        headers.extend([header("mode", mode), header("retain-until-date", &until)]);
    }
    let hold = lock.legal_hold.map(|is_held| if is_held { "ON" } else { "OFF" });
    headers.extend(hold.map(|hold| header("legal-hold", hold)));
    headers
}

pub(super) fn attribute_headers(attributes: &ObjectAttributes) -> Headers {
    let encryption = attributes.encryption.as_ref();
    let named = [
        ("content-type", attributes.content_type.as_ref()),
        ("content-encoding", attributes.content_encoding.as_ref()),
        ("content-language", attributes.content_language.as_ref()),
        ("content-disposition", attributes.content_disposition.as_ref()),
        ("cache-control", attributes.cache_control.as_ref()),
        ("expires", attributes.expires.as_ref()),
        ("x-amz-website-redirect-location", attributes.website_redirect_location.as_ref()),
        ("x-amz-storage-class", attributes.storage_class.as_ref()),
        ("x-amz-server-side-encryption", encryption.map(|encryption| &encryption.algorithm)),
        (
            "x-amz-server-side-encryption-aws-kms-key-id",
            encryption.and_then(|encryption| encryption.kms_key_id.as_ref()),
        ),
    ];
    let named = named.into_iter();
    let named = named.filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    let metadata = attributes.metadata.iter();
    named
        .chain(metadata.map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())))
        .collect()
}

pub(super) fn tagging_header(tags: &Tags) -> (String, String) {
    let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let pairs = tags.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    ("x-amz-tagging".to_owned(), pairs.collect::<Vec<_>>().join("&"))
}

pub(super) fn condition_headers(conditions: &Conditions) -> Headers {
    named_condition_headers(conditions, "")
}

/// The headers that name the source of a copy, with its conditions.
pub(super) fn source_headers(source: &CopySource) -> Headers {
    let mut headers = named_condition_headers(&source.conditions, "x-amz-copy-source-");
    headers.push(("x-amz-copy-source".to_owned(), copy_source(source)));
    headers
}

fn named_condition_headers(conditions: &Conditions, prefix: &str) -> Headers {
    let etag = |condition: &EtagCondition| match condition {
        EtagCondition::Any => "*".to_owned(),
        EtagCondition::Is(etag) => etag.quoted(),
    };
    let headers = [
        ("if-match", conditions.if_match.as_ref().map(etag)),
        ("if-none-match", conditions.if_none_match.as_ref().map(etag)),
        ("if-modified-since", conditions.if_modified_since.map(http_date)),
        ("if-unmodified-since", conditions.if_unmodified_since.map(http_date)),
    ];
    let headers = headers.into_iter();
    headers.filter_map(|(name, value)| Some((format!("{prefix}{name}"), value?))).collect()
}

/// Percent-encoded: S3 decodes this header, and would read a raw `+`, `%` or `?` as syntax.
pub(super) fn copy_source(source: &CopySource) -> String {
    let key = utf8_percent_encode(&source.key, PATH);
    match &source.version {
        Some(version) => {
            let version = utf8_percent_encode(version, QUERY);
            format!("{}/{key}?versionId={version}", source.bucket)
        }
        None => format!("{}/{key}", source.bucket),
    }
}

/// The query that names a subresource, of a version where one is given.
pub(super) fn subresource_query(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{name}&versionId={}", utf8_percent_encode(version, QUERY)),
        None => name.to_owned(),
    }
}

pub(super) fn checksum_header(checksum: &Checksum) -> (String, String) {
    let name = match checksum.algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32C => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    };
    (name.to_owned(), checksum.value.clone())
}

/// As the `Range` and `x-amz-copy-source-range` headers have it: both ends included.
pub(super) fn range_header(range: Range) -> String {
    match range {
        Range::Span { start, end } => format!("bytes={start}-{}", end.saturating_sub(1)),
        Range::From { start } => format!("bytes={start}-"),
        Range::Last { bytes } => format!("bytes=-{bytes}"),
    }
}

fn http_date(time: SystemTime) -> String {
    // Only years before 1 and after 9999 have no such form; a condition on those holds trivially.
    DateTime::from(time).fmt(DateTimeFormat::HttpDate).unwrap_or_default()
}

#[cfg(test)]
mod tests;
