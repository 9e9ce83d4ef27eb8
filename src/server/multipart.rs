//! Multipart uploads: starting, filling, listing and ending them.

use http::HeaderMap;
use s3s::dto::{
    self, AbortMultipartUploadInput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
    MultipartUpload, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use crate::server::body::upload;
use crate::server::convert::attributes::{etag_headers, put_encryption_headers, write_options};
use crate::server::convert::checksums::{
    algorithm_named, checksum_in, checksum_of, fields_of, type_name, type_named,
};
use crate::server::convert::names::Spelling;
use crate::server::convert::{
    Asked, conditions, copy_range, copy_source, count, etag, header, limit, size, timestamp,
    write_conditions,
};
use crate::server::errors::{answer_of, refusal};
use crate::store::types::{
    ChecksumAlgorithm, ChecksumType, CompleteMultipart, CreateMultipart, ETag, ListUploads,
    ListedPart, ListedUpload, Part,
};
use crate::store::{ObjectStore, Upload, UploadPart};

/// What S3 lists at most of parts and of uploads, and where nobody asks for less.
const LISTED_MAX: u32 = 1000;

pub(crate) async fn create(
    store: &dyn ObjectStore,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let (input, headers) = (request.input, request.headers);
    let options = CreateMultipart {
        write: write_options(&headers, input.metadata)?,
        checksum: asked_checksum(&headers)?,
    };
    let checksum = options.checksum;
    let mut answer = HeaderMap::new();
    put_encryption_headers(&mut answer, options.write.attributes.encryption.as_ref());
    let id = store.create_multipart(&input.bucket, &input.key, options).await;
    let output = CreateMultipartUploadOutput {
        upload_id: Some(id.map_err(answer_of)?),
        bucket: Some(input.bucket),
        key: Some(input.key),
        checksum_algorithm: checksum.map(|(algorithm, _)| algorithm_name(algorithm)),
        checksum_type: checksum.map(|(_, checksum_type)| type_name(checksum_type)),
        ..CreateMultipartUploadOutput::default()
    };
    Ok(S3Response::with_headers(output, answer))
}

/// What a request says of the checksums to come; CRC64NVME has no composite form, the others
/// are composite unless the request says otherwise.
fn asked_checksum(headers: &HeaderMap) -> S3Result<Option<(ChecksumAlgorithm, ChecksumType)>> {
    let Some(name) = header(headers, "x-amz-checksum-algorithm") else { return Ok(None) };
    let algorithm = algorithm_named(name)?;
    let usual = if algorithm == ChecksumAlgorithm::Crc64Nvme {
        ChecksumType::FullObject
    } else {
        ChecksumType::Composite
    };
    let asked = header(headers, "x-amz-checksum-type").map(type_named).transpose()?;
    Ok(Some((algorithm, asked.unwrap_or(usual))))
}

fn algorithm_name(algorithm: ChecksumAlgorithm) -> dto::ChecksumAlgorithm {
    dto::ChecksumAlgorithm::from_static(algorithm.as_str())
}

pub(crate) async fn upload_part(
    store: &dyn ObjectStore,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let (input, headers) = (request.input, request.headers);
    let number = part_number(input.part_number)?;
    let taken = upload(input.body, &headers, request.trailing_headers).await?;
    let part = UploadPart {
        upload: Upload { bucket: &input.bucket, key: &input.key, upload: &input.upload_id },
        number,
        checksum: taken.checksum.as_ref(),
    };
    let part = store.upload_part(part, taken.payload).await.map_err(answer_of)?;
    let headers = etag_headers(&part.etag.quoted(), part.checksum.as_ref());
    Ok(S3Response::with_headers(UploadPartOutput::default(), headers))
}

pub(crate) async fn upload_part_copy(
    store: &dyn ObjectStore,
    input: UploadPartCopyInput,
) -> S3Result<UploadPartCopyOutput> {
    let source_conditions = conditions(Asked {
        matches: input.copy_source_if_match,
        none_matches: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    });
    let source = copy_source(input.copy_source, source_conditions)?;
    let source_version = source.version.clone();
    let range = input.copy_source_range.as_deref().map(copy_range).transpose()?;
    let part = UploadPart {
        upload: Upload { bucket: &input.bucket, key: &input.key, upload: &input.upload_id },
        number: part_number(input.part_number)?,
        checksum: None,
    };
    let part = store.upload_part_copy(part, source, range).await.map_err(answer_of)?;
    let fields = fields_of(part.checksum.as_ref());
    let result = CopyPartResult {
        e_tag: Some(etag(&part.etag)),
        last_modified: None,
        checksum_crc32: fields.checksum_crc32,
        checksum_crc32c: fields.checksum_crc32c,
        checksum_crc64nvme: fields.checksum_crc64nvme,
        checksum_sha1: fields.checksum_sha1,
        checksum_sha256: fields.checksum_sha256,
    };
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: source_version,
        ..UploadPartCopyOutput::default()
    })
}

fn part_number(number: i32) -> S3Result<u32> {
    u32::try_from(number).ok().filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive")
    })
}

pub(crate) async fn complete(
    store: &dyn ObjectStore,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let (input, headers) = (request.input, request.headers);
    let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let parts: Option<Vec<Part>> = listed.into_iter().map(completed_part).collect();
    let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(|| refusal("MalformedXML"))?;
    let options = CompleteMultipart {
        checksum: checksum_in(&headers)?,
        conditions: write_conditions(&headers)?,
    };
    let upload = Upload { bucket: &input.bucket, key: &input.key, upload: &input.upload_id };
    let written = store.complete_multipart(upload, parts, options).await.map_err(answer_of)?;
    let fields = fields_of(written.checksum.as_ref());
    Ok(CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&written.etag)),
        version_id: written.version_id,
        checksum_crc32: fields.checksum_crc32,
        checksum_crc32c: fields.checksum_crc32c,
        checksum_crc64nvme: fields.checksum_crc64nvme,
        checksum_sha1: fields.checksum_sha1,
        checksum_sha256: fields.checksum_sha256,
        checksum_type: fields.checksum_type,
        ..CompleteMultipartUploadOutput::default()
    })
}

fn completed_part(part: CompletedPart) -> Option<Part> {
    let checksum = checksum_of(dto::Checksum {
        checksum_crc32: part.checksum_crc32,
        checksum_crc32c: part.checksum_crc32c,
        checksum_crc64nvme: part.checksum_crc64nvme,
        checksum_sha1: part.checksum_sha1,
        checksum_sha256: part.checksum_sha256,
        checksum_type: None,
    });
    let number = u32::try_from(part.part_number?).ok()?;
    Some(Part { number, etag: ETag::new(part.e_tag?.value()), checksum })
}

pub(crate) async fn abort(
    store: &dyn ObjectStore,
    input: AbortMultipartUploadInput,
) -> S3Result<()> {
    let upload = Upload { bucket: &input.bucket, key: &input.key, upload: &input.upload_id };
    store.abort_multipart(upload).await.map_err(answer_of)
}

pub(crate) async fn list_parts(
    store: &dyn ObjectStore,
    input: ListPartsInput,
) -> S3Result<ListPartsOutput> {
    let parts_max = limit("max-parts", input.max_parts)?.unwrap_or(LISTED_MAX).min(LISTED_MAX);
    let after = limit("part-number-marker", input.part_number_marker)?;
    let upload = Upload { bucket: &input.bucket, key: &input.key, upload: &input.upload_id };
    let page = store.list_parts(upload, after).await.map_err(answer_of)?;
    let (parts, next) = cut(page.parts, page.next, parts_max);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        max_parts: Some(count(parts_max)),
        part_number_marker: Some(input.part_number_marker.unwrap_or_default()),
        next_part_number_marker: next.map(count),
        is_truncated: Some(next.is_some()),
        parts: Some(parts.iter().map(listed_part).collect()),
        ..ListPartsOutput::default()
    })
}

/// The first `parts_max` parts of a page, and the marker behind them if there are more.
fn cut(
    mut parts: Vec<ListedPart>,
    next: Option<u32>,
    parts_max: u32,
) -> (Vec<ListedPart>, Option<u32>) {
    if parts.len() <= parts_max as usize {
        return (parts, next);
    }
    parts.truncate(parts_max as usize);
    let next = parts.last().map(|last| last.part.number);
    (parts, next)
}

fn listed_part(listed: &ListedPart) -> dto::Part {
    let fields = fields_of(listed.part.checksum.as_ref());
    dto::Part {
        part_number: Some(count(listed.part.number)),
        e_tag: Some(etag(&listed.part.etag)),
        size: Some(size(listed.size)),
        last_modified: Some(timestamp(listed.last_modified)),
        checksum_crc32: fields.checksum_crc32,
        checksum_crc32c: fields.checksum_crc32c,
        checksum_crc64nvme: fields.checksum_crc64nvme,
        checksum_sha1: fields.checksum_sha1,
        checksum_sha256: fields.checksum_sha256,
    }
}

pub(crate) async fn list_uploads(
    store: &dyn ObjectStore,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(s3_error!(NotImplemented, "the delimiter of uploads is not implemented"));
    }
    let spelling = Spelling::asked(input.encoding_type.as_ref())?;
    let uploads_max = limit("max-uploads", input.max_uploads)?;
    let uploads_max = uploads_max.unwrap_or(LISTED_MAX).min(LISTED_MAX);
    let options = ListUploads {
        prefix: input.prefix.clone().unwrap_or_default(),
        key_marker: input.key_marker.clone().filter(|marker| !marker.is_empty()),
        upload_marker: input.upload_id_marker.clone().filter(|marker| !marker.is_empty()),
        uploads_max: Some(uploads_max),
    };
    let page = store.list_uploads(&input.bucket, options).await.map_err(answer_of)?;
    let is_truncated = page.next.is_some();
    let (next_key, next_upload) = page.next.unzip();
    let listed = |upload| listed_upload(upload, spelling);
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: spelling.spell_optional(input.prefix),
        key_marker: Some(spelling.spell(input.key_marker.unwrap_or_default())),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        next_key_marker: spelling.spell_optional(next_key),
        next_upload_id_marker: next_upload,
        max_uploads: Some(count(uploads_max)),
        is_truncated: Some(is_truncated),
        uploads: Some(page.uploads.into_iter().map(listed).collect()),
        encoding_type: spelling.encoding_type(),
        ..ListMultipartUploadsOutput::default()
    })
}

fn listed_upload(upload: ListedUpload, spelling: Spelling) -> MultipartUpload {
    MultipartUpload {
        key: Some(spelling.spell(upload.key)),
        upload_id: Some(upload.upload),
        initiated: Some(timestamp(upload.started)),
        storage_class: Some(upload.storage_class.unwrap_or_else(|| "STANDARD".to_owned()).into()),
        ..MultipartUpload::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn part(number: u32) -> ListedPart {
        let part = Part { number, etag: ETag::new("e"), checksum: None };
        ListedPart { part, size: 1, last_modified: SystemTime::UNIX_EPOCH }
    }

    #[test]
    fn a_page_of_parts_is_cut_where_the_request_says() {
        let parts = || [2, 5, 9].map(part).to_vec();
        assert_eq!(cut(parts(), None, 3), (parts(), None));
        assert_eq!(cut(parts(), Some(9), 3), (parts(), Some(9)));
        assert_eq!(cut(parts(), None, 2), ([2, 5].map(part).to_vec(), Some(5)));
    }

    #[test]
    fn part_numbers_go_from_one_to_ten_thousand() {
        assert_eq!(part_number(1).unwrap(), 1);
        assert_eq!(part_number(10_000).unwrap(), 10_000);
        for wrong in [0, -1, 10_001] {
            assert_eq!(part_number(wrong).unwrap_err().code().as_str(), "InvalidArgument");
        }
    }

    #[test]
    fn checksums_are_composite_unless_that_is_impossible() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked_checksum(&headers).unwrap(), None);
        headers.insert("x-amz-checksum-algorithm", "SHA256".parse().unwrap());
        let (_, usual) = asked_checksum(&headers).unwrap().unwrap();
        assert_eq!(usual, ChecksumType::Composite);
        headers.insert("x-amz-checksum-algorithm", "CRC64NVME".parse().unwrap());
        let (_, usual) = asked_checksum(&headers).unwrap().unwrap();
        assert_eq!(usual, ChecksumType::FullObject);
    }
}
