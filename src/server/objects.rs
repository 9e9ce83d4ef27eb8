//! Objects: reading, writing, copying, removing and restoring them.

use http::{HeaderMap, StatusCode};
use s3s::dto::{
    self, CopyObjectInput, CopyObjectOutput, CopyObjectResult, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, PutObjectInput, PutObjectOutput,
    RestoreObjectInput, RestoreObjectOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use crate::server::body::{outgoing, upload};
use crate::server::convert::attributes::{
    attributes, canned_acl, encryption, grants, head_headers, metadata, object_lock,
    put_encryption_headers, write_options, written_headers,
};
use crate::server::convert::checksums::{algorithm_named, fields_of, put_checksum_headers};
use crate::server::convert::{
    Asked, conditions, copy_source, count, etag, header, http_date, put_header, range, size,
    timestamp, write_conditions,
};
use crate::server::errors::{answer_of, refusal};
use crate::server::request::with_status;
use crate::server::tags::tags_of_header;
use crate::store::ObjectStore;
use crate::store::error::StoreResult;
use crate::store::types::{
    CopyObject, DeleteObject, Deleted, GetObject, HeadObject, ObjectHead, ObjectIdentifier,
    Restore, RestoreObject,
};

/// How many objects one batch may delete.
const BATCH_MAX: usize = 1000;

pub(crate) async fn head(
    store: &dyn ObjectStore,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = request.input;
    let options = HeadObject {
        conditions: conditions(Asked {
            matches: input.if_match,
            none_matches: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        }),
        version: input.version_id,
    };
    let head = store.head_object(&input.bucket, &input.key, options).await.map_err(answer_of)?;
    let headers = answer_headers(&head, input.part_number, input.checksum_mode.is_some())?;
    let asked = input.range.map(|range| range.check(head.size)).transpose();
    let asked = asked.map_err(|_| refusal("InvalidRange"))?;
    let content_range = asked.as_ref().map(|range| content_range(range, head.size));
    let length = asked.map_or(head.size, |range| range.end - range.start);
    let status = match content_range {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    let output = HeadObjectOutput {
        content_length: Some(size(length)),
        content_range,
        metadata: metadata(&head.attributes),
        ..HeadObjectOutput::default()
    };
    Ok(with_status(S3Response::with_headers(output, headers), status))
}

pub(crate) async fn get(
    store: &dyn ObjectStore,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let mut input = request.input;
    let overrides = overrides(&mut input);
    let ranged = input.range.is_some();
    let options = GetObject {
        range: input.range.map(range),
        conditions: conditions(Asked {
            matches: input.if_match,
            none_matches: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        }),
        version: input.version_id,
    };
    let got = store.get_object(&input.bucket, &input.key, options).await.map_err(answer_of)?;
    let with_checksum = input.checksum_mode.is_some() && !ranged;
    let mut headers = answer_headers(&got.head, input.part_number, with_checksum)?;
    headers.extend(overrides);
    let bytes = got.range.end - got.range.start;
    let output = GetObjectOutput {
        content_length: Some(size(bytes)),
        content_range: ranged.then(|| content_range(&got.range, got.head.size)),
        metadata: metadata(&got.head.attributes),
        body: Some(outgoing(got.body, bytes)),
        ..GetObjectOutput::default()
    };
    Ok(S3Response::with_headers(output, headers))
}

/// The `response-*` parameters as the headers they replace.
fn overrides(input: &mut GetObjectInput) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let expires = input
        .response_expires
        .take()
        .map(|time| http_date(time::OffsetDateTime::from(time).into()));
    let asked = [
        ("content-type", input.response_content_type.take()),
        ("content-language", input.response_content_language.take()),
        ("content-disposition", input.response_content_disposition.take()),
        ("content-encoding", input.response_content_encoding.take()),
        ("cache-control", input.response_cache_control.take()),
        ("expires", expires),
    ];
    for (name, value) in asked {
        if let Some(value) = value {
            put_header(&mut headers, name, &value);
        }
    }
    headers
}

fn answer_headers(
    head: &ObjectHead,
    part_number: Option<i32>,
    with_checksum: bool,
) -> S3Result<HeaderMap> {
    let mut headers = head_headers(head);
    if let Some(number) = part_number {
        put_header(&mut headers, "x-amz-mp-parts-count", &parts_of_whole(head, number)?);
    }
    if let Some(checksum) = head.checksum.as_ref().filter(|_| with_checksum) {
        put_checksum_headers(&mut headers, checksum);
    }
    Ok(headers)
}

/// Where the parts of an object begin is not known here; only the one part of an object that
/// has no more can be given out.
fn parts_of_whole(head: &ObjectHead, part_number: i32) -> S3Result<String> {
    match (part_number, head.parts.unwrap_or(1)) {
        (1, 1) => Ok("1".to_owned()),
        _ => Err(s3_error!(NotImplemented, "the header partNumber is not implemented")),
    }
}

fn content_range(range: &std::ops::Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

pub(crate) async fn put(
    store: &dyn ObjectStore,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let (input, headers) = (request.input, request.headers);
    let mut options = write_options(&headers, input.metadata)?;
    options.conditions = write_conditions(&headers)?;
    let encryption = options.attributes.encryption.clone();
    let upload = upload(input.body, &headers, request.trailing_headers).await?;
    options.checksum = upload.checksum;
    options.checksum_algorithm = upload.trailing;
    let written = store.put_object(&input.bucket, &input.key, upload.payload, options).await;
    let headers = written_headers(&written.map_err(answer_of)?, encryption.as_ref());
    Ok(S3Response::with_headers(PutObjectOutput::default(), headers))
}

pub(crate) async fn copy(
    store: &dyn ObjectStore,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let (mut input, headers) = (request.input, request.headers);
    let source_conditions = conditions(Asked {
        matches: input.copy_source_if_match.take(),
        none_matches: input.copy_source_if_none_match.take(),
        modified_since: input.copy_source_if_modified_since.take(),
        unmodified_since: input.copy_source_if_unmodified_since.take(),
    });
    let source = copy_source(input.copy_source.clone(), source_conditions)?;
    let source_version = source.version.clone();
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let options = copy_options(input, &headers)?;
    let encryption = options.encryption.clone();
    let written = store.copy_object(source, &bucket, &key, options).await.map_err(answer_of)?;
    let mut headers = HeaderMap::new();
    put_encryption_headers(&mut headers, encryption.as_ref());
    let fields = fields_of(written.checksum.as_ref());
    let result = CopyObjectResult {
        e_tag: Some(etag(&written.etag)),
        last_modified: written.last_modified.map(timestamp),
        checksum_crc32: fields.checksum_crc32,
        checksum_crc32c: fields.checksum_crc32c,
        checksum_crc64nvme: fields.checksum_crc64nvme,
        checksum_sha1: fields.checksum_sha1,
        checksum_sha256: fields.checksum_sha256,
        checksum_type: fields.checksum_type,
    };
    let output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source_version,
        version_id: written.version_id,
        ..CopyObjectOutput::default()
    };
    Ok(S3Response::with_headers(output, headers))
}

fn copy_options(input: CopyObjectInput, headers: &HeaderMap) -> S3Result<CopyObject> {
    let replaces = |directive: Option<&str>| match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(s3_error!(InvalidArgument, "Unknown directive {other}.")),
    };
    let replace_attributes = replaces(header(headers, "x-amz-metadata-directive"))?
        .then(|| attributes(headers, input.metadata));
    let replace_tags = replaces(header(headers, "x-amz-tagging-directive"))?
        .then(|| tags_of_header(header(headers, "x-amz-tagging").unwrap_or_default()))
        .transpose()?;
    Ok(CopyObject {
        replace_attributes,
        replace_tags,
        storage_class: header(headers, "x-amz-storage-class").map(str::to_owned),
        encryption: encryption(headers),
        acl: canned_acl(headers)?,
        grants: grants(headers)?,
        lock: object_lock(headers)?,
        checksum_algorithm: header(headers, "x-amz-checksum-algorithm")
            .map(algorithm_named)
            .transpose()?,
        conditions: write_conditions(headers)?,
    })
}

pub(crate) async fn delete(
    store: &dyn ObjectStore,
    input: DeleteObjectInput,
) -> S3Result<DeleteObjectOutput> {
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(refusal("NotImplemented"));
    }
    let options = DeleteObject {
        version: input.version_id,
        conditions: conditions(Asked { matches: input.if_match, ..Asked::default() }),
    };
    let deleted =
        store.delete_object(&input.bucket, &input.key, options).await.map_err(answer_of)?;
    Ok(DeleteObjectOutput {
        delete_marker: deleted.delete_marker.then_some(true),
        version_id: deleted.version_id,
        request_charged: None,
    })
}

pub(crate) async fn delete_batch(
    store: &dyn ObjectStore,
    input: DeleteObjectsInput,
) -> S3Result<DeleteObjectsOutput> {
    let asked = input.delete.objects;
    if asked.is_empty() || asked.len() > BATCH_MAX {
        return Err(refusal("MalformedXML"));
    }
    let conditional = |object: &dto::ObjectIdentifier| {
        object.e_tag.is_some() || object.last_modified_time.is_some() || object.size.is_some()
    };
    if asked.iter().any(conditional) {
        return Err(refusal("NotImplemented"));
    }
    let asked: Vec<ObjectIdentifier> = asked
        .into_iter()
        .map(|object| ObjectIdentifier { key: object.key, version: object.version_id })
        .collect();
    let outcomes = store.delete_objects(&input.bucket, asked.clone()).await.map_err(answer_of)?;
    let quiet = input.delete.quiet.unwrap_or_default();
    Ok(batch_answer(asked, outcomes, quiet))
}

fn batch_answer(
    asked: Vec<ObjectIdentifier>,
    outcomes: Vec<StoreResult<Deleted>>,
    quiet: bool,
) -> DeleteObjectsOutput {
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (object, outcome) in asked.into_iter().zip(outcomes) {
        match outcome {
            Ok(_) if quiet => {}
            Ok(done) => deleted.push(deleted_entry(object, done)),
            Err(error) => errors.push(dto::Error {
                code: Some(error.code.into_owned()),
                message: Some(error.message),
                key: Some(object.key),
                version_id: object.version,
            }),
        }
    }
    DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged: None }
}

fn deleted_entry(object: ObjectIdentifier, done: Deleted) -> DeletedObject {
    DeletedObject {
        key: Some(object.key),
        version_id: object.version,
        delete_marker: done.delete_marker.then_some(true),
        delete_marker_version_id: done.version_id.filter(|_| done.delete_marker),
    }
}

pub(crate) async fn restore(
    store: &dyn ObjectStore,
    input: RestoreObjectInput,
) -> S3Result<S3Response<RestoreObjectOutput>> {
    if input.version_id.is_some() {
        return Err(s3_error!(NotImplemented, "restoring one version is not implemented"));
    }
    let asked = input.restore_request.ok_or_else(|| refusal("MalformedXML"))?;
    if asked.select_parameters.is_some() || asked.output_location.is_some() {
        return Err(s3_error!(NotImplemented, "SELECT restores are not implemented"));
    }
    let days = asked.days.and_then(|days| u32::try_from(days).ok());
    let tier = asked.glacier_job_parameters.map(|parameters| parameters.tier).or(asked.tier);
    let options = RestoreObject {
        days: days.ok_or_else(|| refusal("MalformedXML"))?,
        tier: tier.map(|tier| tier.as_str().to_owned()),
    };
    let head = store.head_object(&input.bucket, &input.key, HeadObject::default()).await;
    let restored = matches!(head.map_err(answer_of)?.restore, Some(Restore::Until(_)));
    store.restore_object(&input.bucket, &input.key, options).await.map_err(answer_of)?;
    let status = if restored { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(with_status(S3Response::new(RestoreObjectOutput::default()), status))
}

pub(crate) async fn get_attributes(
    store: &dyn ObjectStore,
    input: GetObjectAttributesInput,
) -> S3Result<GetObjectAttributesOutput> {
    let options = HeadObject { version: input.version_id, ..HeadObject::default() };
    let head = store.head_object(&input.bucket, &input.key, options).await.map_err(answer_of)?;
    let asked = |wanted: &str| {
        let names = input.object_attributes.iter().flat_map(|names| names.as_str().split(','));
        names.map(str::trim).any(|name| name == wanted)
    };
    let class = head.attributes.storage_class.unwrap_or_else(|| "STANDARD".to_owned());
    let checksum = head.checksum.as_ref().filter(|_| asked("Checksum"));
    let parts = head.parts.filter(|_| asked("ObjectParts"));
    Ok(GetObjectAttributesOutput {
        checksum: checksum.map(|checksum| fields_of(Some(checksum))),
        e_tag: asked("ETag").then(|| etag(&head.etag)),
        object_size: asked("ObjectSize").then(|| size(head.size)),
        storage_class: asked("StorageClass").then(|| class.into()),
        object_parts: parts.map(|parts| GetObjectAttributesParts {
            total_parts_count: Some(count(parts)),
            ..GetObjectAttributesParts::default()
        }),
        last_modified: Some(timestamp(head.last_modified)),
        version_id: head.version_id,
        delete_marker: None,
        request_charged: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::{ErrorKind, StoreError};

    #[test]
    fn a_quiet_batch_answers_with_its_errors_alone() {
        let asked = || ["a", "b"].map(|key| ObjectIdentifier { key: key.into(), version: None });
        let outcomes = || {
            let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "no");
            vec![Ok(Deleted::default()), Err(refused)]
        };
        let quiet = batch_answer(asked().into(), outcomes(), true);
        assert!(quiet.deleted.unwrap().is_empty());
        assert_eq!(quiet.errors.unwrap()[0].key.as_deref(), Some("b"));
        let verbose = batch_answer(asked().into(), outcomes(), false);
        assert_eq!(verbose.deleted.unwrap()[0].key.as_deref(), Some("a"));
    }

    #[test]
    fn a_content_range_names_its_last_byte() {
        assert_eq!(content_range(&(2..6), 10), "bytes 2-5/10");
    }
}
