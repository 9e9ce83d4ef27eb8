//! Checksums: in headers, trailers and documents.
//!
//! S3 names each algorithm's header and element apart; one table here knows them all. What a
//! body is checked against is [`crate::server::body`]'s business.

use http::HeaderMap;
use s3s::dto;
use s3s::{S3Result, s3_error};

use crate::server::convert::{header, put_header};
use crate::store::types::{Checksum, ChecksumAlgorithm, ChecksumType};

const HEADERS: [(ChecksumAlgorithm, &str); 5] = [
    (ChecksumAlgorithm::Crc32, "x-amz-checksum-crc32"),
    (ChecksumAlgorithm::Crc32C, "x-amz-checksum-crc32c"),
    (ChecksumAlgorithm::Crc64Nvme, "x-amz-checksum-crc64nvme"),
    (ChecksumAlgorithm::Sha1, "x-amz-checksum-sha1"),
    (ChecksumAlgorithm::Sha256, "x-amz-checksum-sha256"),
];

fn header_of(algorithm: ChecksumAlgorithm) -> &'static str {
    HEADERS.iter().find(|(known, _)| *known == algorithm).map_or("", |(_, name)| name)
}

/// The checksum that a request's headers, or the trailers of its body, carry.
pub(crate) fn checksum_in(headers: &HeaderMap) -> S3Result<Option<Checksum>> {
    let mut found = HEADERS.iter().filter_map(|(algorithm, name)| {
        let value = header(headers, name)?.to_owned();
        Some(Checksum { algorithm: *algorithm, value })
    });
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(s3_error!(
            InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )),
    }
}

/// The algorithm of the checksum that will follow the body as a trailer.
pub(crate) fn announced_trailer(headers: &HeaderMap) -> Option<ChecksumAlgorithm> {
    let announced = header(headers, "x-amz-trailer")?;
    let mut names = announced.split(',').map(|name| name.trim().to_ascii_lowercase());
    names.find_map(|name| HEADERS.iter().find(|(_, known)| *known == name)).map(|found| found.0)
}

pub(crate) fn algorithm_named(name: &str) -> S3Result<ChecksumAlgorithm> {
    match HEADERS.iter().find(|(algorithm, _)| algorithm.as_str() == name) {
        Some((algorithm, _)) => Ok(*algorithm),
        None => Err(s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported.")),
    }
}

pub(crate) fn type_named(name: &str) -> S3Result<ChecksumType> {
    match name {
        dto::ChecksumType::FULL_OBJECT => Ok(ChecksumType::FullObject),
        dto::ChecksumType::COMPOSITE => Ok(ChecksumType::Composite),
        _ => Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid.")),
    }
}

/// A composite checksum is told by the number of parts behind it.
pub(crate) fn type_of(checksum: &Checksum) -> dto::ChecksumType {
    let name = if checksum.value.contains('-') {
        dto::ChecksumType::COMPOSITE
    } else {
        dto::ChecksumType::FULL_OBJECT
    };
    dto::ChecksumType::from_static(name)
}

pub(crate) fn type_name(checksum_type: ChecksumType) -> dto::ChecksumType {
    dto::ChecksumType::from_static(match checksum_type {
        ChecksumType::FullObject => dto::ChecksumType::FULL_OBJECT,
        ChecksumType::Composite => dto::ChecksumType::COMPOSITE,
    })
}

pub(crate) fn put_checksum_headers(headers: &mut HeaderMap, checksum: &Checksum) {
    put_header(headers, header_of(checksum.algorithm), &checksum.value);
    put_header(headers, "x-amz-checksum-type", type_of(checksum).as_str());
}

/// As documents carry it: one field per algorithm, at most one of them set.
pub(crate) fn fields_of(checksum: Option<&Checksum>) -> dto::Checksum {
    let mut fields = dto::Checksum::default();
    let Some(checksum) = checksum else { return fields };
    let value = Some(checksum.value.clone());
    match checksum.algorithm {
        ChecksumAlgorithm::Crc32 => fields.checksum_crc32 = value,
        ChecksumAlgorithm::Crc32C => fields.checksum_crc32c = value,
        ChecksumAlgorithm::Crc64Nvme => fields.checksum_crc64nvme = value,
        ChecksumAlgorithm::Sha1 => fields.checksum_sha1 = value,
        ChecksumAlgorithm::Sha256 => fields.checksum_sha256 = value,
    }
    fields.checksum_type = Some(type_of(checksum));
    fields
}

/// The first checksum that is set in a document's fields.
pub(crate) fn checksum_of(fields: dto::Checksum) -> Option<Checksum> {
    let values = [
        (ChecksumAlgorithm::Crc32, fields.checksum_crc32),
        (ChecksumAlgorithm::Crc32C, fields.checksum_crc32c),
        (ChecksumAlgorithm::Crc64Nvme, fields.checksum_crc64nvme),
        (ChecksumAlgorithm::Sha1, fields.checksum_sha1),
        (ChecksumAlgorithm::Sha256, fields.checksum_sha256),
    ];
    values
        .into_iter()
        .find_map(|(algorithm, value)| value.map(|value| Checksum { algorithm, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_survives_headers_and_fields() {
        for (algorithm, _) in HEADERS {
            let checksum = Checksum { algorithm, value: "AAAA".to_owned() };
            let mut headers = HeaderMap::new();
            put_checksum_headers(&mut headers, &checksum);
            assert_eq!(checksum_in(&headers).unwrap().as_ref(), Some(&checksum));
            assert_eq!(checksum_of(fields_of(Some(&checksum))).as_ref(), Some(&checksum));
            assert_eq!(algorithm_named(algorithm.as_str()).unwrap(), algorithm);
        }
    }

    #[test]
    fn two_checksums_in_one_request_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-sha1", "AAAA".parse().unwrap());
        headers.insert("x-amz-checksum-crc32", "AAAA".parse().unwrap());
        assert_eq!(checksum_in(&headers).unwrap_err().code().as_str(), "InvalidRequest");
    }

    #[test]
    fn a_trailer_is_announced_by_its_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(announced_trailer(&headers), None);
        headers.insert("x-amz-trailer", "X-Amz-Checksum-Crc32".parse().unwrap());
        assert_eq!(announced_trailer(&headers), Some(ChecksumAlgorithm::Crc32));
    }
}
