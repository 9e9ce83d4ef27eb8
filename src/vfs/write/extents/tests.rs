//! Extents against a byte array.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::store::types::ETag;

const FILE_BYTES: usize = 400;

#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    Remote(u64, u64, u64),
    Sent(u64, u64),
    Remove(u64, u64),
    /// Shares every buffer, as an upload under way does.
    Share,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..300u64, proptest::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(offset, data)| Step::Write(offset, data)),
        2 => (0..300u64, 0..100u64, 0..80u64).prop_map(|(at, from, len)| Step::Remote(at, from, len)),
        1 => (0..300u64, 0..80u64).prop_map(|(at, len)| Step::Sent(at, len)),
        2 => (0..300u64, 0..80u64).prop_map(|(at, len)| Step::Remove(at, len)),
        1 => proptest::prelude::Just(Step::Share),
    ]
}

fn object() -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: "k".into(), etag: ETag::new("e"), size: 200 }
}

/// What a byte of the file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Byte {
    Hole,
    Held(u8),
    Remote(u64),
    Sent,
}

fn flat(pieces: &[Stretch]) -> Vec<Byte> {
    let mut bytes = Vec::new();
    for (range, chunk) in pieces {
        let count = range.end - range.start;
        match chunk {
            None => bytes.extend((0..count).map(|_| Byte::Hole)),
            Some(Chunk::Held(data)) => bytes.extend(data.iter().map(|byte| Byte::Held(*byte))),
            Some(Chunk::Remote { start, .. }) => {
                bytes.extend((0..count).map(|index| Byte::Remote(start + index)));
            }
            Some(Chunk::Sent { .. }) => bytes.extend((0..count).map(|_| Byte::Sent)),
            Some(Chunk::Staged(_)) => panic!("nothing was staged"),
        }
    }
    bytes
}

fn apply(extents: &mut Extents, model: &mut [Byte], shared: &mut Vec<Chunk>, step: Step) {
    let mut put = |at: u64, chunk: Chunk, bytes: &[Byte]| {
        model[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        extents.insert(at, chunk);
    };
    match step {
        Step::Write(at, data) => {
            let bytes: Vec<Byte> = data.iter().map(|byte| Byte::Held(*byte)).collect();
            put(at, Chunk::Held(Bytes::from(data)), &bytes);
        }
        Step::Remote(at, start, bytes) => {
            let model: Vec<Byte> = (start..start + bytes).map(Byte::Remote).collect();
            put(at, Chunk::Remote { object: object(), start, bytes }, &model);
        }
        Step::Sent(at, bytes) => {
            put(at, Chunk::Sent { bytes }, &vec![Byte::Sent; bytes as usize]);
        }
        Step::Remove(at, len) => {
            model[at as usize..(at + len) as usize].fill(Byte::Hole);
            extents.remove(at..at + len);
        }
        Step::Share => shared.extend(extents.iter().map(|(_, chunk)| chunk.clone())),
    }
}

proptest! {
    #[test]
    fn extents_are_an_array_of_bytes_with_holes(
        steps in proptest::collection::vec(step(), 0..40),
        from in 0..FILE_BYTES, len in 0..FILE_BYTES,
    ) {
        let mut extents = Extents::default();
        let mut model = vec![Byte::Hole; FILE_BYTES];
        let mut shared = Vec::new();
        for step in steps {
            apply(&mut extents, &mut model, &mut shared, step);
            prop_assert_eq!(flat(&extents.pieces(0..FILE_BYTES as u64)), &model[..]);
            let held = model.iter().filter(|byte| matches!(byte, Byte::Held(_))).count();
            prop_assert_eq!(extents.held_bytes(), held as u64);
        }
        let to = (from + len).min(FILE_BYTES);
        let range = from as u64..to as u64;
        let inside = &model[from..to];
        prop_assert_eq!(flat(&extents.pieces(range.clone())), inside);
        let is_held = |byte: &Byte| matches!(byte, Byte::Held(_));
        let held = inside.iter().filter(|byte| is_held(byte)).count();
        prop_assert_eq!(extents.held_bytes_in(&range), held as u64);
        prop_assert_eq!(extents.is_local(&range), inside.iter().all(is_held));
        let data = model[from..].iter().position(|byte| *byte != Byte::Hole);
        prop_assert_eq!(extents.next_data(range.start), data.map(|at| (from + at) as u64));
        let hole = model[from..].iter().position(|byte| *byte == Byte::Hole);
        prop_assert_eq!(extents.next_hole(range.start), (from + hole.unwrap_or(FILE_BYTES - from)) as u64);
    }

    #[test]
    fn ranges_of_an_object_in_a_row_are_one(cuts in proptest::collection::vec(1..50u64, 1..10)) {
        let mut extents = Extents::default();
        let mut starts = vec![0];
        for cut in &cuts {
            starts.push(starts[starts.len() - 1] + cut);
        }
        let mut indexes: Vec<usize> = (0..cuts.len()).collect();
        indexes.reverse();
        indexes.rotate_left(cuts.len() / 2);
        for index in indexes {
            let (start, bytes) = (starts[index], cuts[index]);
            extents.insert(start, Chunk::Remote { object: object(), start, bytes });
        }
        prop_assert!(extents.iter().count() == 1);
        prop_assert_eq!(extents.next_hole(0), cuts.iter().sum::<u64>());
    }
}

#[test]
fn small_neighbouring_writes_share_one_buffer() {
    let mut extents = Extents::default();
    for index in 0..1000 {
        extents.insert(index * 10, Chunk::Held(Bytes::from(vec![index as u8; 10])));
    }
    assert_eq!(extents.by_offset.len(), 1);
    assert_eq!(extents.held_bytes(), 10_000);
}

#[test]
fn a_small_write_into_a_buffer_does_not_cut_it() {
    let mut extents = Extents::default();
    extents.insert(0, Chunk::Held(Bytes::from(vec![1; 1000])));
    extents.insert(500, Chunk::Held(Bytes::from(vec![2; 10])));
    assert_eq!(extents.by_offset.len(), 1);
    assert_eq!(extents.held_bytes(), 1000);
}

#[test]
fn large_writes_are_kept_without_a_copy() {
    let mut extents = Extents::default();
    let data = Bytes::from(vec![7u8; 1 << 20]);
    extents.insert(0, Chunk::Held(data.clone()));
    let pieces = extents.pieces(0..1 << 20);
    let Some(Chunk::Held(held)) = &pieces[0].1 else { panic!("{pieces:?}") };
    assert_eq!(held.as_ptr(), data.as_ptr());
}
