//! Who may ask, and what nobody may ask.
//!
//! s3s verifies signatures with the secret that [`SingleKey`] gives it. [`Gate`] then refuses
//! requests without a signature, and those that say something this server would otherwise
//! silently leave undone.

use async_trait::async_trait;
use http::{HeaderMap, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use crate::server::errors::refusal;

/// The only key there is.
pub(crate) struct SingleKey {
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretKey,
}

#[async_trait]
impl S3Auth for SingleKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key {
            Ok(self.secret_key.clone())
        } else {
            Err(refusal("InvalidAccessKeyId"))
        }
    }
}

/// Lets signed requests through that mean nothing we would ignore.
pub(crate) struct Gate;

/// How headers begin that ask for what the store can't do. Ignoring one would leave an object
/// readable, unencrypted, deletable or in a stranger's bucket that was meant not to be.
const REFUSED_HEADERS: [&str; 8] = [
    "x-amz-grant-",
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-server-side-encryption-context",
    "x-amz-object-lock-",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
    "x-amz-write-offset-bytes",
];

/// Operations without a subresource: a request for an unknown one ends up here.
const PLAIN_OPERATIONS: [&str; 5] =
    ["PutObject", "CopyObject", "DeleteObject", "CreateBucket", "DeleteBucket"];

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(refusal("AccessDenied"));
        }
        if let Some(header) = refused_header(context.headers()) {
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

fn refused_header(headers: &HeaderMap) -> Option<&str> {
    headers
        .keys()
        .map(http::HeaderName::as_str)
        .find(|name| REFUSED_HEADERS.iter().any(|prefix| name.starts_with(prefix)))
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
    fn headers_that_cannot_be_honoured_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-acl", "private".parse().unwrap());
        assert_eq!(refused_header(&headers), None);
        headers.insert("x-amz-grant-read", "id=1".parse().unwrap());
        assert_eq!(refused_header(&headers), Some("x-amz-grant-read"));
    }
}
