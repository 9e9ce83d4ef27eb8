//! Objects: looking at them, reading, writing, copying, deleting, restoring, sharing them.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types;
use http::Method;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::body::{Expected, Upload, body_stream, checksum_for};
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::convert::{checksum_of, etag, time};
use crate::store::s3::errors::{meaning, missing};
use crate::store::s3::requests::{
    Extra, Headers, attribute_headers, checksum_header, condition_headers, grant_headers,
    lock_headers, range_header, source_headers, tagging_header, write_headers,
};
use crate::store::s3::wire::request::Ask;
use crate::store::s3::wire::{answer, read_headers, read_nothing};
use crate::store::types::{
    CopyObject, CopySource, DeleteObject, Deleted, GetObject, GotObject, HeadObject, ObjectHead,
    ObjectIdentifier, Payload, RestoreObject, WriteOptions, Written,
};

impl Connection {
    pub(super) async fn head_object(
        &self,
        bucket: &str,
        key: &str,
        options: HeadObject,
    ) -> StoreResult<ObjectHead> {
        let mut ask = Ask::question(Method::HEAD, bucket, Some(key));
        ask.query.extend(options.version.map(|version| ("versionId", version)));
        ask.headers = condition_headers(&options.conditions);
        ask.headers.push(checksum_wanted());
        answer::head(&self.ask(&ask, read_headers).await?)
    }

    pub(super) async fn get_object(
        &self,
        bucket: &str,
        key: &str,
        options: GetObject,
    ) -> StoreResult<GotObject> {
        let mut ask = Ask::question(Method::GET, bucket, Some(key));
        ask.query.extend(options.version.map(|version| ("versionId", version)));
        ask.headers = condition_headers(&options.conditions);
        ask.headers.push(match options.range {
            Some(range) => ("range".to_owned(), range_header(range)),
            // That of the whole object, which only the whole object can be compared with.
            None => checksum_wanted(),
        });
        let (parts, body) = self.ask(&ask, read_nothing).await?.into_parts();
        let (head, range) = answer::head_and_range(&parts.headers)?;
        let checksum = head.checksum.as_ref().filter(|_| options.range.is_none());
        let expected = Expected::bytes(range.end - range.start, checksum);
        Ok(GotObject { head, range, body: body_stream(body, expected) })
    }

    pub(super) async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        payload: Payload,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        let mut ask = Ask::question(Method::PUT, bucket, Some(key));
        let checksum = checksum_for(&payload, options.checksum.as_ref());
        ask.headers = write_headers(&options);
        ask.headers.extend(checksum.as_ref().map(checksum_header));
        let upload = Upload::new(payload);
        Ok(answer::written(&self.ask(&ask.with(&upload), read_headers).await?))
    }

    pub(super) async fn copy_object(
        &self,
        source: CopySource,
        bucket: &str,
        key: &str,
        options: CopyObject,
    ) -> StoreResult<Written> {
        let algorithm = options.checksum_algorithm;
        let algorithm = algorithm.map(|name| types::ChecksumAlgorithm::from(name.as_str()));
        let headers = copy_headers(&source, &options);
        let extra = Extra::with_headers(headers)
            .object(key)
            .read_timeout(self.limits(Work::ServerSide).answer);
        let answer = self
            .call(bucket, Work::ServerSide, |client| {
                let request = client.copy_object().bucket(bucket).set_key(extra.sdk_key());
                let request = request.copy_source(&source.bucket);
                let request = request.set_checksum_algorithm(algorithm.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        let version_id = answer.version_id;
        let result = answer.copy_object_result.ok_or_else(|| missing("result"))?;
        Ok(Written {
            etag: etag(result.e_tag.as_deref()),
            version_id,
            last_modified: result.last_modified.map(|date| time(Some(date))),
            checksum: checksum_of!(result),
        })
    }

    pub(super) async fn delete_object(
        &self,
        bucket: &str,
        key: &str,
        options: DeleteObject,
    ) -> StoreResult<Deleted> {
        let extra = Extra::with_headers(condition_headers(&options.conditions)).object(key);
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request = client.delete_object().bucket(bucket).set_key(extra.sdk_key());
                let request = request.set_version_id(options.version.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        Ok(Deleted {
            delete_marker: answer.delete_marker.unwrap_or(false),
            version_id: answer.version_id,
        })
    }

    pub(super) async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<Vec<StoreResult<Deleted>>> {
        let (batch, single): (Vec<_>, Vec<_>) =
            objects.iter().cloned().partition(|object| fits_xml(&object.key));
        let mut results = self.delete_batch(bucket, batch).await?;
        for object in single {
            let options = DeleteObject { version: object.version.clone(), ..Default::default() };
            let result = self.delete_object(bucket, &object.key, options).await;
            results.insert((object.key, object.version), result);
        }
        let result_of = |object: ObjectIdentifier| {
            results
                .get(&(object.key, object.version))
                .cloned()
                .unwrap_or_else(|| Err(missing("word on this object")))
        };
        Ok(objects.into_iter().map(result_of).collect())
    }

    async fn delete_batch(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> StoreResult<BatchResults> {
        if objects.is_empty() {
            return Ok(BatchResults::new());
        }
        let objects = objects.into_iter().map(|object| {
            let builder = types::ObjectIdentifier::builder().key(object.key);
            builder.set_version_id(object.version).build()
        });
        let objects = objects.collect::<Result<Vec<_>, _>>();
        let delete = objects.and_then(|objects| {
            types::Delete::builder().set_objects(Some(objects)).quiet(false).build()
        });
        let delete = delete.map_err(|error| {
            StoreError::new(ErrorKind::Invalid, "InvalidRequest", error.to_string())
        })?;
        let extra = Extra::default().digest();
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request = client.delete_objects().bucket(bucket).delete(delete.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        Ok(batch_results(answer))
    }

    pub(super) async fn restore_object(
        &self,
        bucket: &str,
        key: &str,
        options: RestoreObject,
    ) -> StoreResult<()> {
        let job = options.tier.as_deref().map(types::Tier::from);
        let job =
            job.and_then(|tier| types::GlacierJobParameters::builder().tier(tier).build().ok());
        let request = types::RestoreRequest::builder()
            .days(i32::try_from(options.days).unwrap_or(i32::MAX))
            .set_glacier_job_parameters(job)
            .build();
        let extra = Extra::default().object(key).digest();
        let restored = self
            .call(bucket, Work::Request, |client| {
                let call = client.restore_object().bucket(bucket).set_key(extra.sdk_key());
                let call = call.restore_request(request.clone());
                call.customize().map_request(extra.mapper()).send()
            })
            .await;
        restored.map(|_output| ()).map_err(not_restorable)
    }

    pub(super) async fn presign_get(
        &self,
        bucket: &str,
        key: &str,
        valid: Duration,
    ) -> StoreResult<String> {
        let config = PresigningConfig::expires_in(valid).map_err(|error| {
            StoreError::new(ErrorKind::Invalid, "InvalidArgument", error.to_string())
        })?;
        let extra = Extra::default().object(key);
        let request = self
            .call(bucket, Work::Request, |client| {
                let request = client.get_object().bucket(bucket).set_key(extra.sdk_key());
                request.customize().map_request(extra.mapper()).presigned(config.clone())
            })
            .await?;
        Ok(request.uri().to_owned())
    }
}

/// Has S3 say what the checksum of an object is.
fn checksum_wanted() -> (String, String) {
    ("x-amz-checksum-mode".to_owned(), "ENABLED".to_owned())
}

fn copy_headers(source: &CopySource, options: &CopyObject) -> Headers {
    let mut headers = source_headers(source);
    let directive = |name: &str, replaces: bool| {
        (name.to_owned(), if replaces { "REPLACE" } else { "COPY" }.to_owned())
    };
    let mut attributes = options.replace_attributes.clone().unwrap_or_default();
    attributes.storage_class = options.storage_class.clone().or(attributes.storage_class);
    attributes.encryption = options.encryption.clone().or(attributes.encryption);
    headers.push(directive("x-amz-metadata-directive", options.replace_attributes.is_some()));
    headers.push(directive("x-amz-tagging-directive", options.replace_tags.is_some()));
    headers.extend(attribute_headers(&attributes));
    headers.extend(options.replace_tags.as_ref().map(tagging_header));
    headers.extend(options.acl.map(|acl| ("x-amz-acl".to_owned(), acl.as_str().to_owned())));
    headers.extend(grant_headers(&options.grants));
    headers.extend(lock_headers(&options.lock));
    headers.extend(condition_headers(&options.conditions));
    headers
}

/// What became of each object of a batch, by key and version.
type BatchResults = HashMap<(String, Option<String>), StoreResult<Deleted>>;

fn batch_results(answer: DeleteObjectsOutput) -> BatchResults {
    let deleted = answer.deleted.into_iter().flatten().map(|object| {
        let deleted = Deleted {
            delete_marker: object.delete_marker.unwrap_or(false),
            version_id: object.delete_marker_version_id.or_else(|| object.version_id.clone()),
        };
        ((object.key.unwrap_or_default(), object.version_id), Ok(deleted))
    });
    let errors = answer.errors.into_iter().flatten().map(|error| {
        let version = error.version_id.filter(|version| !version.is_empty());
        let code = error.code.unwrap_or_default();
        let kind = meaning(&code, 0);
        let failure = StoreError::new(kind, code, error.message.unwrap_or_default());
        ((error.key.unwrap_or_default(), version), Err(failure))
    });
    deleted.chain(errors).collect()
}

/// Whether a key can be named in XML, which has no way to write most control characters.
fn fits_xml(key: &str) -> bool {
    let unwritable = |character: char| {
        let is_control = character < ' ' && !matches!(character, '\t' | '\n' | '\r');
        is_control || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    !key.contains(unwritable)
}

/// `InvalidObjectState` has another meaning here: there is nothing to restore.
fn not_restorable(error: StoreError) -> StoreError {
    let kind = if error.kind == ErrorKind::Archived { ErrorKind::Invalid } else { error.kind };
    StoreError { kind, ..error }
}

#[cfg(test)]
mod tests;
