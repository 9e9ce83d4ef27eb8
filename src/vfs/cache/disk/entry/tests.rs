//! Entries on a real disk, whole, torn and damaged.

use proptest::prelude::{Strategy, any};
use proptest::{prop_assert, prop_assert_eq, proptest};
use tempfile::TempDir;

use super::*;
use crate::store::types::ETag;

const BLOCK: u64 = format::BLOCK_BYTES;
/// Three blocks and a short one.
const SIZE: u64 = 3 * BLOCK + 1000;
const PAGE: usize = 4096;

fn object() -> ObjectRef {
    let (bucket, key) = (Arc::from("b"), Arc::from("key"));
    ObjectRef { bucket, key, etag: ETag::new("etag"), size: SIZE }
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at / 7 % 251) as u8 + 1).collect()
}

fn place() -> (TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths { data: directory.path().join("data"), sums: directory.path().join("sums") };
    (directory, paths)
}

/// Adds a range of the content, in chunks of odd lengths.
fn write(entry: &Entry, range: Range<u64>) {
    let content = content();
    let bytes = &content[range.start as usize..range.end as usize];
    let chunks: Vec<Bytes> = bytes.chunks(5000).map(Bytes::copy_from_slice).collect();
    entry.write(range.start, &chunks).unwrap();
}

/// What is read of a range: the right bytes, or none.
#[track_caller]
fn check_read(entry: &Entry, range: Range<u64>, is_there: bool) {
    let read = entry.read(&range);
    assert_eq!(read.is_ok(), is_there, "{range:?}: {:?}", read.as_ref().err());
    if let Ok(read) = read {
        assert!(read == content()[range.start as usize..range.end as usize], "{range:?}");
    }
}

#[test]
fn whole_blocks_are_read_back_and_parts_of_blocks_are_not_kept() {
    let (_directory, paths) = place();
    let entry = Entry::create(&paths, &object()).unwrap();
    check_read(&entry, 0..1, false);
    write(&entry, 100..2 * BLOCK + 100);
    check_read(&entry, BLOCK..2 * BLOCK, true);
    check_read(&entry, BLOCK + 1..BLOCK + 2, true);
    check_read(&entry, BLOCK - 1..BLOCK + 1, false);
    check_read(&entry, 2 * BLOCK..2 * BLOCK + 1, false);
    write(&entry, 2 * BLOCK..SIZE);
    write(&entry, 0..BLOCK);
    check_read(&entry, 0..SIZE, true);
    check_read(&entry, SIZE - 1..SIZE, true);
    drop(entry);
    let again = Entry::open(&paths, &object()).unwrap().unwrap();
    check_read(&again, 0..SIZE, true);
    assert_eq!(std::fs::read(&paths.data).unwrap(), content(), "the file reads like the object");
}

#[test]
fn files_of_another_version_or_half_of_them_are_none() {
    let (_directory, paths) = place();
    assert!(Entry::open(&paths, &object()).unwrap().is_none());
    drop(Entry::create(&paths, &object()).unwrap());
    let other = [
        ObjectRef { etag: ETag::new("other"), ..object() },
        ObjectRef { key: Arc::from("other"), ..object() },
        ObjectRef { size: SIZE + 1, ..object() },
    ];
    for other in other {
        assert!(Entry::open(&paths, &other).unwrap().is_none());
    }
    assert!(Entry::open(&paths, &object()).unwrap().is_some());
    File::options().write(true).open(&paths.data).unwrap().set_len(SIZE - 1).unwrap();
    assert!(Entry::open(&paths, &object()).unwrap().is_none());
    std::fs::remove_file(&paths.data).unwrap();
    assert!(Entry::open(&paths, &object()).unwrap().is_none());
}

#[test]
fn a_damaged_block_is_dropped_and_can_be_written_again() {
    let (_directory, paths) = place();
    let entry = Entry::create(&paths, &object()).unwrap();
    write(&entry, 0..SIZE);
    let file = File::options().write(true).open(&paths.data).unwrap();
    file.write_all_at(b"damage", BLOCK + 10).unwrap();
    check_read(&entry, 0..BLOCK, true);
    let Err(Miss::Flaw(Flaw::Damaged { block, sum })) = entry.read(&(0..SIZE)) else {
        panic!("damage was not found")
    };
    assert_eq!(block, 1);
    entry.drop_block(block, sum + 1).unwrap();
    let damaged = entry.read(&(BLOCK..BLOCK + 1));
    assert!(matches!(damaged, Err(Miss::Flaw(Flaw::Damaged { .. }))), "{damaged:?}");
    entry.drop_block(block, sum).unwrap();
    let missing = entry.read(&(BLOCK..BLOCK + 1));
    assert!(matches!(missing, Err(Miss::Flaw(Flaw::Missing))), "{missing:?}");
    write(&entry, BLOCK..2 * BLOCK);
    check_read(&entry, 0..SIZE, true);
}

#[test]
fn only_what_is_all_there_and_right_is_whole() {
    let (_directory, paths) = place();
    let entry = Entry::create(&paths, &object()).unwrap();
    write(&entry, 0..3 * BLOCK);
    assert!(entry.begin_check() && !entry.begin_check(), "one check at a time");
    assert!(matches!(entry.check_whole(), Err(Miss::Flaw(Flaw::Missing))));
    assert_eq!(entry.wholeness(), Wholeness::Unknown);
    write(&entry, 3 * BLOCK..SIZE);
    entry.data().write_all_at(b"damage", SIZE - 6).unwrap();
    assert!(entry.begin_check());
    assert!(matches!(entry.check_whole(), Err(Miss::Flaw(Flaw::Damaged { block: 3, .. }))));
    entry.data().write_all_at(&content()[SIZE as usize - 6..], SIZE - 6).unwrap();
    assert!(entry.begin_check());
    entry.check_whole().unwrap();
    assert_eq!(entry.wholeness(), Wholeness::Whole);
    assert!(!entry.begin_check(), "nothing is left to check");
}

#[test]
fn holes_take_no_room_and_what_is_removed_is_gone() {
    let (directory, paths) = place();
    let large = ObjectRef { size: 1 << 40, ..object() };
    let entry = Entry::create(&paths, &large).unwrap();
    entry.write(1 << 39, &[Bytes::from(vec![1; BLOCK as usize])]).unwrap();
    let bytes = entry.disk_bytes().unwrap();
    assert!((BLOCK..BLOCK + (64 << 10)).contains(&bytes), "{bytes} bytes");
    Entry::remove(&paths).unwrap();
    Entry::remove(&paths).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// What a crash may leave of a write: some pages of the bytes, some bytes of the checksums.
#[derive(Clone, Debug)]
struct Torn {
    pages: Vec<bool>,
    sums_kept: Vec<bool>,
    sums_bytes: usize,
    asked: Range<u64>,
}

fn torn() -> impl Strategy<Value = Torn> {
    let pages = proptest::collection::vec(any::<bool>(), (SIZE as usize).div_ceil(PAGE));
    let sums_kept = proptest::collection::vec(proptest::bool::weighted(0.8), 4 * 4);
    (pages, sums_kept, 0_usize..=16, 0..SIZE, 1..SIZE).prop_map(
        |(pages, sums_kept, sums_bytes, start, bytes)| Torn {
            pages,
            sums_kept,
            sums_bytes,
            asked: start..SIZE.min(start + bytes),
        },
    )
}

proptest! {
    #[test]
    fn a_torn_write_never_gives_wrong_bytes(torn in torn()) {
        let (_directory, paths) = place();
        write(&Entry::create(&paths, &object()).unwrap(), 0..SIZE);
        let mut data = std::fs::read(&paths.data).unwrap();
        for (page, is_kept) in data.chunks_mut(PAGE).zip(&torn.pages) {
            if !is_kept {
                page.fill(0);
            }
        }
        std::fs::write(&paths.data, &data).unwrap();
        let mut sums = std::fs::read(&paths.sums).unwrap();
        let start = sums.len() - 16;
        for (byte, is_kept) in sums[start..].iter_mut().zip(&torn.sums_kept) {
            if !is_kept {
                *byte = 0;
            }
        }
        sums.truncate(start + torn.sums_bytes);
        std::fs::write(&paths.sums, &sums).unwrap();

        let entry = Entry::open(&paths, &object()).unwrap().unwrap();
        let expected = &content()[torn.asked.start as usize..torn.asked.end as usize];
        if let Ok(read) = entry.read(&torn.asked) {
            prop_assert!(read == expected, "wrong bytes");
        }
        let is_all_kept = torn.pages.iter().all(|kept| *kept)
            && torn.sums_kept.iter().all(|kept| *kept)
            && torn.sums_bytes == 16;
        prop_assert_eq!(entry.check_whole().is_ok(), is_all_kept);
    }
}
