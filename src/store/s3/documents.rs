//! Documents: configurations of buckets and objects, as the text that S3 keeps.
//!
//! The SDK has a typed operation for every kind, and each would read and write but what it
//! knows. A few of its operations carry a text as it is: the bucket policy's, and an object's
//! body. They are sent here with the query of the document in place of their own, and so have
//! all that other requests have: addressing, signature, retries, regions.

use aws_sdk_s3::primitives::ByteStream as SdkByteStream;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::convert::size;
use crate::store::s3::errors::read_body_error;
use crate::store::s3::requests::{Extra, subresource_query};
use crate::store::types::{DocumentKind, DocumentRow, Resource};

/// More than the longest document that S3 takes; what is longer is something else.
const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Connection {
    pub(super) async fn get_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
    ) -> StoreResult<String> {
        let row = kind.row();
        let answer = match resource {
            Resource::Bucket { bucket } => self.get_bucket_document(bucket, kind).await,
            Resource::Object { bucket, key, version } => {
                self.get_object_document(bucket, key, version.as_deref(), kind).await
            }
        };
        let answer = answer.and_then(|text| match is_document(row, &text) {
            true => Ok(text),
            false => Err(not_known(row.query)),
        });
        self.probes().note(row.query, row.missing_code, answer)
    }

    /// Fails unless the server knows documents of this kind.
    async fn require_document(&self, resource: &Resource, kind: DocumentKind) -> StoreResult<()> {
        let row = kind.row();
        let ask = self.get_document(resource, kind);
        self.probes().require(row.query, row.missing_code, ask).await
    }

    async fn get_bucket_document(&self, bucket: &str, kind: DocumentKind) -> StoreResult<String> {
        let extra = Extra::default().query(subresource_query(kind.row().query, None));
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request = client.get_bucket_policy().bucket(bucket).customize();
                request.map_request(extra.mapper()).send()
            })
            .await?;
        Ok(answer.policy.unwrap_or_default())
    }

    async fn get_object_document(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        kind: DocumentKind,
    ) -> StoreResult<String> {
        let query = subresource_query(kind.row().query, version);
        let extra = Extra::default().object(key).query(query);
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request =
                    client.get_object().bucket(bucket).set_key(extra.sdk_key()).customize();
                request.map_request(extra.mapper()).send()
            })
            .await?;
        if size(answer.content_length) > DOCUMENT_BYTES_MAX {
            return Err(not_known(kind.row().query));
        }
        let body = answer.body.collect().await.map_err(|error| read_body_error(&error))?;
        String::from_utf8(body.to_vec()).map_err(|_error| {
            StoreError::new(ErrorKind::Corrupt, "InvalidDocument", "the document is no text")
        })
    }

    pub(super) async fn put_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        text: String,
    ) -> StoreResult<()> {
        self.require_document(resource, kind).await?;
        match resource {
            Resource::Bucket { bucket } => {
                let extra = put_extra(kind, None);
                self.call(bucket, Work::Request, |client| {
                    let request = client.put_bucket_policy().bucket(bucket).policy(&text);
                    request.customize().map_request(extra.mapper()).send()
                })
                .await?;
            }
            Resource::Object { bucket, key, version } => {
                let extra = put_extra(kind, version.as_deref()).object(key);
                let body = || SdkByteStream::from(text.clone().into_bytes());
                self.call(bucket, Work::Request, |client| {
                    let request =
                        client.put_object().bucket(bucket).set_key(extra.sdk_key()).body(body());
                    request.customize().map_request(extra.mapper()).send()
                })
                .await?;
            }
        }
        Ok(())
    }

    pub(super) async fn delete_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
    ) -> StoreResult<()> {
        let row = kind.row();
        let Resource::Bucket { bucket } = resource else {
            return Err(not_deletable(row.query));
        };
        if !row.deletable {
            return Err(not_deletable(row.query));
        }
        self.require_document(resource, kind).await?;
        let extra = Extra::default().query(subresource_query(row.query, None));
        self.call(bucket, Work::Request, |client| {
            let request = client.delete_bucket_policy().bucket(bucket).customize();
            request.map_request(extra.mapper()).send()
        })
        .await?;
        Ok(())
    }
}

fn put_extra(kind: DocumentKind, version: Option<&str>) -> Extra {
    let row = kind.row();
    let content_type = if row.root.is_empty() { "application/json" } else { "application/xml" };
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Extra::with_headers(headers).query(subresource_query(row.query, version)).digest()
}

/// Whether a text is a document of its row. A server that ignores the query answers with
/// something else: the listing of a bucket, the bytes of an object.
fn is_document(row: &DocumentRow, text: &str) -> bool {
    if row.root.is_empty() {
        return text.trim_start().starts_with('{');
    }
    let mut tags = text.split('<').skip(1);
    let first = tags.find(|tag| !tag.starts_with(['?', '!']));
    let name = first.and_then(|tag| tag.split(['>', '/', ' ', '\t', '\r', '\n']).next());
    name.is_some_and(|name| name.rsplit(':').next() == Some(row.root))
}

fn not_known(name: &str) -> StoreError {
    let message = format!("the server has no {name}: it answered with something else");
    StoreError::new(ErrorKind::Unsupported, "NotImplemented", message)
}

fn not_deletable(name: &str) -> StoreError {
    let message = format!("S3 can't delete {name}");
    StoreError::new(ErrorKind::Unsupported, "MethodNotAllowed", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: DocumentKind, text: &str, expected: bool) {
        assert_eq!(is_document(kind.row(), text), expected, "{text}");
    }

    #[test]
    fn a_document_is_known_by_its_root() {
        let cors = DocumentKind::Cors;
        check(cors, "<CORSConfiguration/>", true);
        check(
            cors,
            "<?xml version=\"1.0\"?>\n<CORSConfiguration xmlns=\"x\"></CORSConfiguration>",
            true,
        );
        check(cors, "<!-- mine --><s3:CORSConfiguration>", true);
        check(cors, "<ListBucketResult><Name>CORSConfiguration</Name></ListBucketResult>", false);
        check(cors, "the bytes of an object", false);
        check(cors, "", false);
    }

    #[test]
    fn a_policy_is_known_by_its_brace() {
        check(DocumentKind::Policy, " {\"Version\":\"2012-10-17\"}", true);
        check(DocumentKind::Policy, "<ListBucketResult/>", false);
        check(DocumentKind::Policy, "", false);
    }
}
