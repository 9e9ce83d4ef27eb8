//! Multipart uploads: starting, filling, finishing, abandoning, listing their parts.
//!
//! Uploads that say nothing of checksums get CRC32C over the whole object: S3 takes a part's
//! checksum only for an upload that was started with its algorithm, and parts are always sent
//! with one.

use aws_sdk_s3::types;
use http::Method;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::body;
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::convert::{checksum_of, etag, size, time};
use crate::store::s3::errors::missing;
use crate::store::s3::requests::{
    Extra, checksum_header, condition_headers, range_header, source_headers, write_headers,
};
use crate::store::s3::wire::request::Ask;
use crate::store::s3::wire::{answer, read_headers};
use crate::store::types::{
    Checksum, ChecksumAlgorithm, ChecksumType, CompleteMultipart, Conditions, CopySource,
    CreateMultipart, ListedPart, Part, PartPage, Payload, Range, WriteOptions, Written,
};
use crate::store::{Upload, UploadPart};

const CHECKSUM_DEFAULT: (ChecksumAlgorithm, ChecksumType) =
    (ChecksumAlgorithm::Crc32C, ChecksumType::FullObject);

impl Connection {
    pub(super) async fn create_multipart(
        &self,
        bucket: &str,
        key: &str,
        options: CreateMultipart,
    ) -> StoreResult<String> {
        let (algorithm, kind) = options.checksum.unwrap_or(CHECKSUM_DEFAULT);
        let algorithm = types::ChecksumAlgorithm::from(algorithm.as_str());
        let kind = checksum_type(kind);
        let write = WriteOptions { conditions: Conditions::default(), ..options.write };
        let extra = Extra::with_headers(write_headers(&write)).object(key);
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request =
                    client.create_multipart_upload().bucket(bucket).set_key(extra.sdk_key());
                let request = request.checksum_algorithm(algorithm.clone());
                let request = request.checksum_type(kind.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        answer.upload_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("upload id"))
    }

    pub(super) async fn upload_part(
        &self,
        part: UploadPart<'_>,
        payload: Payload,
    ) -> StoreResult<Part> {
        let Upload { bucket, key, upload } = part.upload;
        let checksum = body::checksum_for(&payload, part.checksum);
        let mut ask = Ask::question(Method::PUT, bucket, Some(key));
        ask.query.push(("partNumber", part.number.to_string()));
        ask.query.push(("uploadId", upload.to_owned()));
        ask.headers.extend(checksum.as_ref().map(checksum_header));
        let bytes = body::Upload::new(payload);
        let Written { etag, checksum, .. } =
            answer::written(&self.ask(&ask.with(&bytes), read_headers).await?);
        Ok(Part { number: part.number, etag, checksum })
    }

    pub(super) async fn upload_part_copy(
        &self,
        part: UploadPart<'_>,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        let Upload { bucket, key, upload } = part.upload;
        let number = part_number(part.number)?;
        let extra = Extra::with_headers(source_headers(&source))
            .object(key)
            .read_timeout(self.limits(Work::ServerSide).answer);
        let answer = self
            .call(bucket, Work::ServerSide, |client| {
                let request = client
                    .upload_part_copy()
                    .bucket(bucket)
                    .set_key(extra.sdk_key())
                    .upload_id(upload);
                let request = request.part_number(number).copy_source(&source.bucket);
                let request = request.set_copy_source_range(range.map(range_header));
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        let result = answer.copy_part_result.ok_or_else(|| missing("result"))?;
        Ok(Part {
            number: part.number,
            etag: etag(result.e_tag.as_deref()),
            checksum: checksum_of!(result),
        })
    }

    pub(super) async fn complete_multipart(
        &self,
        upload: Upload<'_>,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        let Upload { bucket, key, upload } = upload;
        let parts = parts.into_iter().map(completed_part).collect::<StoreResult<Vec<_>>>()?;
        let parts = types::CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let mut headers = condition_headers(&options.conditions);
        headers.extend(options.checksum.as_ref().map(checksum_header));
        let kind = options.checksum.as_ref().map(|checksum| checksum_type(type_of(checksum)));
        let extra = Extra::with_headers(headers)
            .object(key)
            .read_timeout(self.limits(Work::ServerSide).answer);
        let answer = self
            .call(bucket, Work::ServerSide, |client| {
                let request =
                    client.complete_multipart_upload().bucket(bucket).set_key(extra.sdk_key());
                let request = request.upload_id(upload).multipart_upload(parts.clone());
                let request = request.set_checksum_type(kind.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        Ok(Written {
            etag: etag(answer.e_tag.as_deref()),
            version_id: answer.version_id,
            checksum: checksum_of!(answer),
            last_modified: None,
        })
    }

    pub(super) async fn abort_multipart(&self, upload: Upload<'_>) -> StoreResult<()> {
        let Upload { bucket, key, upload } = upload;
        let extra = Extra::default().object(key);
        self.call(bucket, Work::Request, |client| {
            let request = client.abort_multipart_upload().bucket(bucket);
            let request = request.set_key(extra.sdk_key()).upload_id(upload);
            request.customize().map_request(extra.mapper()).send()
        })
        .await?;
        Ok(())
    }

    pub(super) async fn list_parts(
        &self,
        upload: Upload<'_>,
        after: Option<u32>,
    ) -> StoreResult<PartPage> {
        let Upload { bucket, key, upload } = upload;
        let marker = after.map(|number| number.to_string());
        let extra = Extra::default().object(key);
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request = client.list_parts().bucket(bucket).set_key(extra.sdk_key());
                let request = request.upload_id(upload).set_part_number_marker(marker.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
        let parts: Vec<ListedPart> =
            answer.parts.into_iter().flatten().filter_map(listed_part).collect();
        // The marker of the next page is the last number of this one, whatever the server says.
        let last = parts.last().map(|listed| listed.part.number);
        let next = last.filter(|_| answer.is_truncated == Some(true));
        Ok(PartPage { parts, next })
    }
}

fn part_number(number: u32) -> StoreResult<i32> {
    i32::try_from(number).map_err(|_overflow| {
        let message = format!("part number {number} is above 10000");
        StoreError::new(ErrorKind::Invalid, "InvalidArgument", message)
    })
}

fn checksum_type(kind: ChecksumType) -> types::ChecksumType {
    match kind {
        ChecksumType::FullObject => types::ChecksumType::FullObject,
        ChecksumType::Composite => types::ChecksumType::Composite,
    }
}

fn type_of(checksum: &Checksum) -> ChecksumType {
    match checksum.value.contains('-') {
        true => ChecksumType::Composite,
        false => ChecksumType::FullObject,
    }
}

fn completed_part(part: Part) -> StoreResult<types::CompletedPart> {
    let builder = types::CompletedPart::builder()
        .part_number(part_number(part.number)?)
        .e_tag(part.etag.quoted());
    let Some(checksum) = part.checksum else {
        return Ok(builder.build());
    };
    let value = checksum.value;
    let builder = match checksum.algorithm {
        ChecksumAlgorithm::Crc32 => builder.checksum_crc32(value),
        ChecksumAlgorithm::Crc32C => builder.checksum_crc32_c(value),
        ChecksumAlgorithm::Crc64Nvme => builder.checksum_crc64_nvme(value),
        ChecksumAlgorithm::Sha1 => builder.checksum_sha1(value),
        ChecksumAlgorithm::Sha256 => builder.checksum_sha256(value),
    };
    Ok(builder.build())
}

fn listed_part(part: types::Part) -> Option<ListedPart> {
    let number = u32::try_from(part.part_number?).ok()?;
    Some(ListedPart {
        size: size(part.size),
        last_modified: time(part.last_modified),
        part: Part { number, etag: etag(part.e_tag.as_deref()), checksum: checksum_of!(part) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::ETag;

    #[test]
    fn a_part_is_completed_with_its_checksum() {
        let checksum =
            Checksum { algorithm: ChecksumAlgorithm::Crc32C, value: "AAAAAA==".to_owned() };
        let part = Part { number: 3, etag: ETag::new("abc"), checksum: Some(checksum) };
        let completed = completed_part(part).unwrap();
        assert_eq!(completed.part_number(), Some(3));
        assert_eq!(completed.e_tag(), Some("\"abc\""));
        assert_eq!(completed.checksum_crc32_c(), Some("AAAAAA=="));
        assert_eq!(completed.checksum_crc32(), None);
    }

    #[test]
    fn a_checksum_of_checksums_says_so() {
        let checksum = |value: &str| {
            type_of(&Checksum { algorithm: ChecksumAlgorithm::Crc32C, value: value.to_owned() })
        };
        assert_eq!(checksum("AAAAAA=="), ChecksumType::FullObject);
        assert_eq!(checksum("AAAAAA==-3"), ChecksumType::Composite);
    }
}
