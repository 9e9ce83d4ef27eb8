//! Which lists of parts make an object.

use super::*;

const MIN: u64 = 10;

fn stored(number: u8, size: u64) -> Arc<StoredPart> {
    Arc::new(StoredPart { size, md5: [number; 16], ..StoredPart::empty_for_test() })
}

fn part(number: u32, md5: u8) -> Part {
    Part { number, etag: digest::etag_of(&[md5; 16]), checksum: None }
}

/// Completes an upload with the parts 1 (10 bytes), 2 (9 bytes) and 3 (10 bytes).
fn complete(asked: &[Part]) -> StoreResult<Assembled> {
    let are_there = BTreeMap::from([(1, stored(1, 10)), (2, stored(2, 9)), (3, stored(3, 10))]);
    plan_object(&are_there, asked, None, MIN)
}

#[track_caller]
fn check(asked: &[Part], expected: &str) {
    assert_eq!(complete(asked).unwrap_err().code, expected);
}

#[test]
fn parts_add_up() {
    let object = complete(&[part(1, 1), part(3, 3)]).unwrap();
    assert_eq!((object.size, object.parts), (20, 2));
    assert!(object.etag.as_str().ends_with("-2"));
    assert_eq!(complete(&[part(1, 1), part(2, 2)]).unwrap().size, 19);
}

#[test]
fn parts_must_be_there_in_order_and_large_enough() {
    check(&[], "MalformedXML");
    check(&[part(3, 3), part(1, 1)], "InvalidPartOrder");
    check(&[part(1, 1), part(1, 1)], "InvalidPartOrder");
    check(&[part(4, 4)], "InvalidPart");
    check(&[part(1, 2)], "InvalidPart");
    check(&[part(2, 2), part(3, 3)], "EntityTooSmall");
}

#[test]
fn a_part_asked_for_with_another_checksum_is_another_part() {
    let checksum = |value: &str| {
        Some(Checksum { algorithm: ChecksumAlgorithm::Crc32, value: value.to_owned() })
    };
    let there = StoredPart { checksum: checksum("AAAAAA=="), ..StoredPart::empty_for_test() };
    let etag = digest::etag_of(&there.md5);
    let are_there = BTreeMap::from([(1, Arc::new(there))]);
    let asked = |value| [Part { number: 1, etag: etag.clone(), checksum: checksum(value) }];
    assert!(plan_object(&are_there, &asked("AAAAAA=="), None, MIN).is_ok());
    let error = plan_object(&are_there, &asked("AAAAAQ=="), None, MIN).unwrap_err();
    assert_eq!(error.code, "InvalidPart");
}

#[test]
fn numbers_go_from_1_to_10000() {
    for (number, good) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        assert_eq!(check_part_number(number).is_ok(), good, "{number}");
    }
}

#[test]
fn checksums_have_the_types_that_s3_has_for_them() {
    let good = |algorithm, kind| check_checksum_type(Some((algorithm, kind))).is_ok();
    assert!(good(ChecksumAlgorithm::Crc32, ChecksumType::FullObject));
    assert!(good(ChecksumAlgorithm::Crc32, ChecksumType::Composite));
    assert!(good(ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
    assert!(!good(ChecksumAlgorithm::Crc64Nvme, ChecksumType::Composite));
    assert!(good(ChecksumAlgorithm::Sha256, ChecksumType::Composite));
    assert!(!good(ChecksumAlgorithm::Sha256, ChecksumType::FullObject));
}

#[test]
fn a_part_has_the_algorithm_of_its_upload() {
    let upload = Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite));
    let sum = |algorithm| Checksum { algorithm, value: String::new() };
    assert!(check_part_algorithm(upload, Some(&sum(ChecksumAlgorithm::Crc32))).is_ok());
    assert!(check_part_algorithm(upload, None).is_ok());
    assert!(check_part_algorithm(None, Some(&sum(ChecksumAlgorithm::Sha1))).is_ok());
    assert!(check_part_algorithm(upload, Some(&sum(ChecksumAlgorithm::Sha1))).is_err());
}

#[test]
fn an_object_with_checksums_needs_them_of_every_part() {
    let are_there = BTreeMap::from([(1, stored(1, 10))]);
    let kind = Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject));
    let error = plan_object(&are_there, &[part(1, 1)], kind, MIN).unwrap_err();
    assert_eq!(error.code, "InvalidRequest");
}
