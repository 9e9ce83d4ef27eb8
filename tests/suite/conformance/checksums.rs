//! Checksums: S3 refuses bytes that are not those that were meant.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use pailfs::store::UploadPart;
use pailfs::store::error::ErrorKind;
use pailfs::store::types::{
    Checksum, ChecksumAlgorithm, ChecksumType, CompleteMultipart, CreateMultipart, Payload,
    WriteOptions,
};
use sha2::Digest;

use crate::conformance::bench::{Bench, Outcome, cases, equal, pattern, refused};
use crate::conformance::multipart::Run;

cases![
    a_right_checksum_is_kept_and_said,
    a_wrong_checksum_is_refused_and_nothing_stored,
    a_part_with_a_wrong_checksum_is_refused,
    a_whole_checksum_of_an_upload_is_kept_and_said,
    a_wrong_whole_checksum_of_an_upload_is_refused,
    a_composite_checksum_is_that_of_the_parts_checksums,
];

const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32C,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// S3 answers `BadDigest` or `InvalidRequest`: the bytes or the request are wrong.
const WRONG: &[ErrorKind] = &[ErrorKind::Invalid, ErrorKind::Corrupt];

fn digest(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let crc32 = |kind| crc_fast::checksum(kind, bytes).to_be_bytes()[4..].to_vec();
    match algorithm {
        ChecksumAlgorithm::Crc32 => crc32(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32C => crc32(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => {
            crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes().to_vec()
        }
        ChecksumAlgorithm::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
        ChecksumAlgorithm::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
    }
}

fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    Checksum { algorithm, value: STANDARD.encode(digest(algorithm, bytes)) }
}

async fn a_right_checksum_is_kept_and_said(bench: &Bench) -> Outcome {
    for algorithm in ALGORITHMS {
        let expected = Some(checksum(algorithm, b"bytes"));
        let options = WriteOptions { checksum: expected.clone(), ..WriteOptions::default() };
        let written = bench.put_with("object", "bytes", options).await?;
        equal("checksum of the put", written.checksum, expected.clone())?;
        equal("checksum of a head", bench.head("object").await?.checksum, expected)?;
    }
    Ok(())
}

async fn a_wrong_checksum_is_refused_and_nothing_stored(bench: &Bench) -> Outcome {
    for algorithm in ALGORITHMS {
        let options = WriteOptions {
            checksum: Some(checksum(algorithm, b"other bytes")),
            ..WriteOptions::default()
        };
        let put = bench.put_with("object", "bytes", options).await;
        refused(algorithm.as_str(), put, WRONG)?;
    }
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])
}

fn checked(algorithm: ChecksumAlgorithm, kind: ChecksumType) -> CreateMultipart {
    CreateMultipart { checksum: Some((algorithm, kind)), ..CreateMultipart::default() }
}

async fn a_part_with_a_wrong_checksum_is_refused(bench: &Bench) -> Outcome {
    let options = checked(ChecksumAlgorithm::Crc32C, ChecksumType::Composite);
    let run = Run::start_with(bench, "object", options).await?;
    let wrong = checksum(ChecksumAlgorithm::Crc32C, b"other bytes");
    let part = UploadPart { upload: run.upload(), number: 1, checksum: Some(&wrong) };
    let sent = bench.store.upload_part(part, Payload::from(Bytes::from_static(b"bytes"))).await;
    refused("part", sent, WRONG)
}

/// The bytes of two parts.
fn parts() -> [Bytes; 2] {
    [pattern(5 << 20, 1), pattern(1000, 2)]
}

/// An upload of those parts, each with its checksum, completed as asked.
async fn upload(
    bench: &Bench,
    algorithm: ChecksumAlgorithm,
    kind: ChecksumType,
    whole: Option<Checksum>,
) -> Result<pailfs::store::error::StoreResult<pailfs::store::types::Written>, super::bench::Failure>
{
    let run = Run::start_with(bench, "object", checked(algorithm, kind)).await?;
    let mut sent = Vec::new();
    for (number, bytes) in (1..).zip(parts()) {
        let checksum = checksum(algorithm, &bytes);
        let part = UploadPart { upload: run.upload(), number, checksum: Some(&checksum) };
        sent.push(bench.store.upload_part(part, Payload::from(bytes)).await?);
    }
    let options = CompleteMultipart { checksum: whole, ..CompleteMultipart::default() };
    Ok(run.complete_with(sent, options).await)
}

async fn a_whole_checksum_of_an_upload_is_kept_and_said(bench: &Bench) -> Outcome {
    for algorithm in [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Crc32C] {
        let whole = checksum(algorithm, &parts().concat());
        upload(bench, algorithm, ChecksumType::FullObject, Some(whole.clone())).await??;
        equal("checksum", bench.head("object").await?.checksum, Some(whole))?;
    }
    Ok(())
}

async fn a_wrong_whole_checksum_of_an_upload_is_refused(bench: &Bench) -> Outcome {
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let wrong = checksum(algorithm, b"other bytes");
    let done = upload(bench, algorithm, ChecksumType::FullObject, Some(wrong)).await?;
    refused("completion", done, WRONG)?;
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])
}

async fn a_composite_checksum_is_that_of_the_parts_checksums(bench: &Bench) -> Outcome {
    let algorithm = ChecksumAlgorithm::Sha256;
    upload(bench, algorithm, ChecksumType::Composite, None).await??;
    let digests: Vec<u8> = parts().iter().flat_map(|bytes| digest(algorithm, bytes)).collect();
    let mut expected = checksum(algorithm, &digests);
    expected.value.push_str("-2");
    equal("checksum", bench.head("object").await?.checksum, Some(expected))
}
