//! Who may ask, and what nobody may ask.
//!
//! s3s verifies signatures with the secrets of [`Keys`]. [`Gate`] then refuses requests without a
//! signature, with temporary keys that are over, and those that say something this server would
//! otherwise silently leave undone.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use crate::server::convert::header;
use crate::server::errors::refusal;
use crate::server::sessions::Sessions;

/// How the token of temporary keys is called, in a header or, for presigned addresses, the query.
const TOKEN: &str = "x-amz-security-token";

/// The one key that is for ever, and those for a time.
pub(crate) struct Keys {
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretKey,
    pub(crate) sessions: Arc<Sessions>,
}

impl Keys {
    fn secret(&self, access_key: &str) -> Option<SecretKey> {
        if access_key == self.access_key {
            return Some(self.secret_key.clone());
        }
        self.sessions.secret(access_key).map(SecretKey::from)
    }

    /// Refuses requests without a signature, and those whose token does not fit their key.
    pub(crate) fn check(
        &self,
        credentials: Option<&Credentials>,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> S3Result<()> {
        let credentials = credentials.ok_or_else(|| refusal("AccessDenied"))?;
        let token = header(headers, TOKEN).map(str::to_owned).or_else(|| token_in(uri));
        if credentials.access_key != self.access_key {
            return self.sessions.check(&credentials.access_key, token.as_deref()).map_err(refusal);
        }
        match token {
            None => Ok(()),
            Some(_) => Err(refusal("InvalidToken")),
        }
    }
}

fn token_in(uri: &Uri) -> Option<String> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(TOKEN))?;
    percent_decode_str(value).decode_utf8().ok().map(String::from)
}

/// Tells s3s whose signatures to expect.
pub(crate) struct Signers(pub(crate) Arc<Keys>);

#[async_trait]
impl S3Auth for Signers {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.secret(access_key).ok_or_else(|| refusal("InvalidAccessKeyId"))
    }
}

/// Lets signed requests through that mean nothing we would ignore.
pub(crate) struct Gate(pub(crate) Arc<Keys>);

/// How headers begin that ask for what the store can't do. Ignoring one would leave an object
/// readable, unencrypted, deletable or in a stranger's bucket that was meant not to be.
const REFUSED_HEADERS: [&str; 6] = [
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-server-side-encryption-context",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
    "x-amz-write-offset-bytes",
];

/// How headers begin that some operations take, and these.
const HEADERS_OF_SOME: [(&str, &[&str]); 2] = [
    (
        "x-amz-grant-",
        &[
            "PutObject",
            "CopyObject",
            "CreateMultipartUpload",
            "CreateBucket",
            "PutObjectAcl",
            "PutBucketAcl",
        ],
    ),
    ("x-amz-object-lock-", &["PutObject", "CopyObject", "CreateMultipartUpload"]),
];

/// Operations without a subresource: a request for an unknown one ends up here.
const PLAIN_OPERATIONS: [&str; 5] =
    ["PutObject", "CopyObject", "DeleteObject", "CreateBucket", "DeleteBucket"];

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        self.0.check(context.credentials(), context.headers(), context.uri())?;
        if let Some(header) = refused_header(context.headers(), context.s3_op().name()) {
            return Err(s3_error!(NotImplemented, "the header {header} is not implemented"));
        }
        if PLAIN_OPERATIONS.contains(&context.s3_op().name())
            && let Some(name) = subresource(context.uri())
        {
            return Err(s3_error!(NotImplemented, "the subresource {name} is not implemented"));
        }
        Ok(())
    }
}

fn refused_header<'h>(headers: &'h HeaderMap, operation: &str) -> Option<&'h str> {
    let is_refused = |name: &&str| {
        let is_of_others = |(prefix, operations): &(&str, &[&str])| {
            name.starts_with(prefix) && !operations.contains(&operation)
        };
        REFUSED_HEADERS.iter().any(|prefix| name.starts_with(prefix))
            || HEADERS_OF_SOME.iter().any(is_of_others)
    };
    headers.keys().map(http::HeaderName::as_str).find(is_refused)
}

/// The first parameter of the query that has no value: how S3 spells subresources.
///
/// `PUT /b/k?renameObject` must not be taken for a `PUT` of an empty object.
fn subresource(uri: &Uri) -> Option<&str> {
    uri.query()?
        .split('&')
        .map(|pair| pair.strip_suffix('=').unwrap_or(pair))
        .find(|name| !name.is_empty() && !name.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_subresource(uri: &str, expected: Option<&str>) {
        assert_eq!(subresource(&uri.parse().unwrap()), expected, "{uri}");
    }

    #[test]
    fn a_parameter_without_value_is_a_subresource() {
        check_subresource("/b/k", None);
        check_subresource("/b/k?versionId=1&x-id=PutObject", None);
        check_subresource("/b/k?renameObject", Some("renameObject"));
        check_subresource("/b/k?x-id=a&renameObject=", Some("renameObject"));
    }

    #[test]
    fn a_token_is_in_the_query_of_a_presigned_address() {
        let uri: Uri = "/b/k?X-Amz-Security-Token=a%2Bb&x-id=GetObject".parse().unwrap();
        assert_eq!(token_in(&uri).as_deref(), Some("a+b"));
        assert_eq!(token_in(&"/b/k?x-id=GetObject".parse().unwrap()), None);
    }

    #[test]
    fn headers_that_cannot_be_honoured_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-acl", "private".parse().unwrap());
        headers.insert("x-amz-grant-read", "id=1".parse().unwrap());
        assert_eq!(refused_header(&headers, "PutObject"), None);
        assert_eq!(refused_header(&headers, "UploadPart"), Some("x-amz-grant-read"));
        headers.insert("x-amz-expected-bucket-owner", "1".parse().unwrap());
        assert_eq!(refused_header(&headers, "PutObject"), Some("x-amz-expected-bucket-owner"));
    }
}
