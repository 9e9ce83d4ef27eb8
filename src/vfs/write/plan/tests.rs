//! Plans for random files: whatever the bytes are, S3 takes what is planned.

use bytes::Bytes;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

const FIRST_BYTES: u64 = PART_BYTES_MIN;
/// Room for a few dozen cells, and for a copy that is cut at its largest size.
const FILE_BYTES_MAX: u64 = 1 << 30;

fn object(key: &str, size: u64) -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: key.into(), etag: ETag::new("e"), size }
}

fn remote(key: &str, size: u64, start: u64, bytes: u64) -> Chunk {
    Chunk::Remote { object: object(key, size), start, bytes }
}

/// Extents without the bytes they stand for: what was written is small.
fn extents() -> impl Strategy<Value = (u64, Extents)> {
    let remote = (0..FILE_BYTES_MAX, 0..FILE_BYTES_MAX, 0..3u8).prop_map(|(at, bytes, key)| {
        (at, remote(&key.to_string(), 2 * FILE_BYTES_MAX, at / 2, bytes))
    });
    let held = (0..FILE_BYTES_MAX).prop_map(|at| (at, Chunk::Held(Bytes::from_static(b"new"))));
    let chunks = proptest::collection::vec(prop_oneof![remote, held], 0..8);
    let base = (proptest::bool::ANY, 0..=FILE_BYTES_MAX);
    (1..=FILE_BYTES_MAX, base, chunks).prop_map(|(bytes, (has_base, base_bytes), chunks)| {
        let mut extents = Extents::default();
        if has_base {
            extents.insert(0, self::remote("base", base_bytes, 0, base_bytes));
        }
        for (at, chunk) in chunks {
            extents.insert(at, chunk);
        }
        extents.remove(bytes..u64::MAX);
        (bytes, extents)
    })
}

fn is_one_range_of_an_object(extents: &Extents, range: Range<u64>) -> bool {
    matches!(&extents.pieces(range)[..], [(_, Some(Chunk::Remote { .. }))])
}

proptest! {
    #[test]
    fn parts_cover_the_file_and_are_what_s3_takes(
        (bytes, extents) in extents(), sent in proptest::collection::btree_set(1..200u32, 0..20),
    ) {
        let cells = Cells::new(FIRST_BYTES);
        let parts = match plan_commit(bytes, &extents, &sent, cells) {
            CommitPlan::Put => {
                prop_assert!(bytes <= FIRST_BYTES);
                return Ok(());
            }
            CommitPlan::Copy { object } => {
                prop_assert_eq!(object.size, bytes);
                prop_assert!(is_one_range_of_an_object(&extents, 0..bytes));
                return Ok(());
            }
            CommitPlan::Parts(parts) => parts,
        };
        let (mut end, mut number) = (0, 0);
        for part in &parts {
            let length = part.range.end - part.range.start;
            prop_assert_eq!(part.range.start, end);
            prop_assert!(part.number > number && part.number <= PARTS_MAX);
            prop_assert!(length >= PART_BYTES_MIN || part.range.end == bytes);
            prop_assert!(length > 0 && length <= PART_BYTES_MAX);
            let first = cells.at(part.range.start);
            prop_assert_eq!((first.number, first.range.start), (part.number, part.range.start));
            (end, number) = (part.range.end, part.number);
            match &part.source {
                PartSource::Sent => {
                    prop_assert!(sent.contains(&part.number));
                    prop_assert_eq!(&part.range, &first.range);
                }
                PartSource::Copy { object, start } => {
                    prop_assert!(length <= COPY_BYTES_MAX);
                    let chunk = Chunk::Remote { object: object.clone(), start: *start, bytes: length };
                    let pieces = extents.pieces(part.range.clone());
                    prop_assert_eq!(format!("{pieces:?}"), format!("{:?}", [(part.range.clone(), Some(chunk))]));
                }
                PartSource::Data => {
                    let range = first.range.start..first.range.end.min(bytes);
                    prop_assert_eq!(&part.range, &range);
                    let is_small = is_one_range_of_an_object(&extents, range.clone())
                        && matches!(&extents.pieces(range)[0].1, Some(Chunk::Remote { object, .. }) if object.size <= PART_BYTES_MIN);
                    prop_assert!(is_small || !is_one_range_of_an_object(&extents, part.range.clone()));
                }
            }
        }
        prop_assert_eq!(end, bytes);
    }
}

/// The parts of an object of 1 GiB of which some bytes were written.
fn parts_of(extents: &Extents) -> Vec<PlannedPart> {
    match plan_commit(1 << 30, extents, &BTreeSet::new(), Cells::new(8 << 20)) {
        CommitPlan::Parts(parts) => parts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_in_the_middle_sends_one_cell() {
    let mut extents = Extents::default();
    extents.insert(0, remote("k", 1 << 30, 0, 1 << 30));
    extents.insert(700 << 20, Chunk::Held(Bytes::from(vec![1; 4096])));
    let parts = parts_of(&extents);
    let sent: Vec<_> = parts.iter().filter(|part| part.source == PartSource::Data).collect();
    assert_eq!(sent.len(), 1, "{parts:?}");
    assert!(sent[0].range.end - sent[0].range.start <= 16 << 20);
    assert!(parts.len() <= 5, "{parts:?}");
}

#[test]
fn a_file_that_is_an_object_is_copied_at_once() {
    let mut extents = Extents::default();
    extents.insert(0, remote("k", 100, 0, 100));
    let plan = plan_commit(100, &extents, &BTreeSet::new(), Cells::new(8 << 20));
    assert_eq!(plan, CommitPlan::Copy { object: object("k", 100) });
    extents.insert(100, Chunk::Held(Bytes::from_static(b"more")));
    let plan = plan_commit(104, &extents, &BTreeSet::new(), Cells::new(8 << 20));
    assert_eq!(plan, CommitPlan::Put);
}

#[test]
fn an_object_over_the_largest_copy_is_copied_by_parts() {
    let bytes = PART_BYTES_MAX + 1;
    let mut extents = Extents::default();
    extents.insert(0, remote("k", bytes, 0, bytes));
    let CommitPlan::Parts(parts) =
        plan_commit(bytes, &extents, &BTreeSet::new(), Cells::new(8 << 20))
    else {
        panic!("not by parts");
    };
    assert!(parts.iter().all(|part| matches!(part.source, PartSource::Copy { .. })), "{parts:?}");
    assert!(parts.len() <= 12, "{parts:?}");
}

#[test]
fn a_file_of_one_cell_is_put_and_one_byte_more_takes_parts() {
    let extents = Extents::default();
    let cells = Cells::new(8 << 20);
    assert_eq!(plan_commit(0, &extents, &BTreeSet::new(), cells), CommitPlan::Put);
    assert_eq!(plan_commit(8 << 20, &extents, &BTreeSet::new(), cells), CommitPlan::Put);
    let plan = plan_commit((8 << 20) + 1, &extents, &BTreeSet::new(), cells);
    assert!(matches!(plan, CommitPlan::Parts(parts) if parts.len() == 2));
}

#[test]
fn copy_ranges_cover_the_object_in_order_and_none_is_too_small() {
    for bytes in [1, PART_BYTES_MIN, PART_BYTES_MAX, PART_BYTES_MAX + 1, 17 << 30] {
        let ranges = plan_copy_ranges(bytes, PART_BYTES_MAX, 1);
        let mut at = 0;
        for (index, (number, range)) in ranges.iter().enumerate() {
            assert_eq!((*number, range.start), (index as u32 + 1, at));
            assert!(range.end - range.start >= PART_BYTES_MIN.min(bytes));
            assert!(range.end - range.start <= PART_BYTES_MAX);
            at = range.end;
        }
        assert_eq!(at, bytes);
    }
    assert!(plan_copy_ranges(0, PART_BYTES_MAX, 1).is_empty());
}

#[test]
fn etags_are_computed_as_s3_does() {
    let empty = single_etag([&b""[..]]);
    assert_eq!(empty.as_str(), "d41d8cd98f00b204e9800998ecf8427e");
    let part = Part { number: 1, etag: empty, checksum: None };
    let of_two = multipart_etag(&[part.clone(), part]);
    assert_eq!(
        of_two.map(|etag| etag.to_string()),
        Some("5873dd45edd01f09c1ef2e7819369e8e-2".to_owned())
    );
}

#[test]
fn parts_with_other_etags_make_no_claim() {
    let part = Part { number: 1, etag: ETag::new("not-an-md5"), checksum: None };
    assert_eq!(multipart_etag(&[part]), None);
}
