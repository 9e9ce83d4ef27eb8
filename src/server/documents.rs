//! The configurations that S3 keeps as documents: CORS, lifecycle, policy and their like.
//!
//! One route for all of [`DOCUMENTS`]: what was put is what is got back, to the byte. s3s's own
//! operations would rewrite the documents in its own order. Whether a document is one of its kind,
//! and what it means, is the store's business.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use s3s::path::{S3Path, parse_path_style};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use crate::server::auth::Keys;
use crate::server::body::check_document;
use crate::server::errors::{answer_of, refusal};
use crate::store::ObjectStore;
use crate::store::types::{DOCUMENTS, DocumentKind, DocumentRow, Resource};

/// The largest document taken in.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// Serves the documents of a store.
pub(crate) struct Documents {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) keys: Arc<Keys>,
}

#[async_trait]
impl S3Route for Documents {
    fn is_match(&self, method: &Method, uri: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        let about_documents = matches!(*method, Method::GET | Method::PUT | Method::DELETE);
        about_documents && asked(uri).is_some()
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        self.keys.check(request.credentials.as_ref(), &request.headers, &request.uri)
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let (row, resource) = asked(&request.uri).ok_or_else(|| refusal("InvalidURI"))?;
        match request.method {
            Method::GET => self.get(row, &resource).await,
            Method::PUT => self.put(row, &resource, request).await,
            Method::DELETE if row.deletable => self.delete(row, &resource).await,
            _ => Err(refusal("MethodNotAllowed")),
        }
    }
}

impl Documents {
    async fn get(&self, row: &DocumentRow, resource: &Resource) -> S3Result<S3Response<Body>> {
        let text = self.store.get_document(resource, row.kind).await.map_err(answer_of)?;
        let media_type = if row.root.is_empty() { "application/json" } else { "application/xml" };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Ok(S3Response::with_headers(Body::from(text), headers))
    }

    async fn put(
        &self,
        row: &DocumentRow,
        resource: &Resource,
        mut request: S3Request<Body>,
    ) -> S3Result<S3Response<Body>> {
        let read = request.input.store_all_limited(DOCUMENT_BYTES_MAX).await;
        let bytes = read.map_err(|_| refusal("MaxMessageLengthExceeded"))?;
        check_document(&bytes, &request.headers)?;
        let refused = if row.root.is_empty() { "MalformedPolicy" } else { "MalformedXML" };
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| refusal(refused))?;
        self.store.put_document(resource, row.kind, text).await.map_err(answer_of)?;
        let status = if row.root.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
        Ok(S3Response::with_status(Body::empty(), status))
    }

    async fn delete(&self, row: &DocumentRow, resource: &Resource) -> S3Result<S3Response<Body>> {
        self.store.delete_document(resource, row.kind).await.map_err(answer_of)?;
        Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT))
    }
}

/// The document that an address names, if it names one.
fn asked(uri: &Uri) -> Option<(&'static DocumentRow, Resource)> {
    let query = uri.query()?;
    let names = || query.split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
    let row = DOCUMENTS.iter().find(|row| names().any(|name| name == row.query))?;
    let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
    let of_object = matches!(row.kind, DocumentKind::Retention | DocumentKind::LegalHold);
    match parse_path_style(&path).ok()? {
        S3Path::Bucket { bucket } if !of_object => Some((row, Resource::bucket(&bucket))),
        S3Path::Object { bucket, key } if of_object => {
            let version = version_in(query);
            Some((row, Resource::Object { bucket: bucket.into(), key: key.into(), version }))
        }
        _ => None,
    }
}

fn version_in(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("versionId="))?;
    percent_decode_str(value).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_asked(uri: &str, expected: Option<(DocumentKind, &Resource)>) {
        let found = asked(&uri.parse().unwrap());
        let found = found.as_ref().map(|(row, resource)| (row.kind, resource));
        assert_eq!(found, expected, "{uri}");
    }

    #[test]
    fn an_address_names_a_document_by_its_query() {
        let bucket = Resource::bucket("some");
        check_asked("/some?cors", Some((DocumentKind::Cors, &bucket)));
        check_asked("/some/?tagging=", Some((DocumentKind::BucketTagging, &bucket)));
        check_asked("/some?policyStatus", None);
        check_asked("/some?list-type=2", None);
        check_asked("/some", None);
        let object = Resource::Object {
            bucket: "some".to_owned(),
            key: "a//b c".to_owned(),
            version: Some("v1".to_owned()),
        };
        let uri = "/some/a//b%20c?retention&versionId=v1";
        check_asked(uri, Some((DocumentKind::Retention, &object)));
        check_asked("/some/key?tagging", None);
        check_asked("/some?legal-hold", None);
    }
}
