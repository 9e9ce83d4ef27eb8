//! Files of uploads on a real disk, until they are those of a version.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::store::types::ETag;
use crate::vfs::cache::disk::entry::{Entry, Miss};
use crate::vfs::cache::disk::format::Flaw;

const BLOCK: u64 = format::BLOCK_BYTES;
/// Of a part: two blocks.
const PART: u64 = 2 * BLOCK;
/// Three parts, the last of which has a short block.
const SIZE: u64 = 2 * PART + BLOCK + 1000;

struct Place {
    directory: TempDir,
    upload: Paths,
    version: Paths,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = |name: &str| Paths {
            data: directory.path().join(format!("{name}.data")),
            sums: directory.path().join(format!("{name}.sums")),
        };
        let (upload, version) = (paths("upload"), paths("version"));
        Self { directory, upload, version }
    }

    fn adopt(&self, object: &ObjectRef, ranges: &[Range<u64>]) -> Entry {
        let within = |range| format::blocks_within(range, object.size);
        let blocks: Vec<_> = ranges.iter().map(within).collect();
        let source = Source { paths: &self.upload, sums_start: 0, blocks: &blocks };
        let bytes = adopt(&source, &self.version, object).unwrap();
        let entry = Entry::open(&self.version, object).unwrap().unwrap();
        assert_eq!(entry.disk_bytes().unwrap(), bytes);
        assert_eq!(std::fs::read_dir(self.directory.path()).unwrap().count(), 2);
        entry
    }
}

fn object(size: u64) -> ObjectRef {
    let (bucket, key) = (Arc::from("b"), Arc::from("key"));
    ObjectRef { bucket, key, etag: ETag::new("etag-3"), size }
}

fn content(range: &Range<u64>, seed: u64) -> Vec<u8> {
    range.clone().map(|at| ((at / 7 + seed) % 251) as u8 + 1).collect()
}

fn write(files: &IncomingFiles, range: Range<u64>, seed: u64) {
    let content = content(&range, seed);
    let chunks: Vec<Bytes> = content.chunks(5000).map(Bytes::copy_from_slice).collect();
    files.forget(&range).unwrap();
    files.write(range.start, &chunks).unwrap();
}

#[track_caller]
fn check_read(entry: &Entry, range: Range<u64>, seed: Option<u64>) {
    match (entry.read(&range), seed) {
        (Ok(read), Some(seed)) => assert!(read == content(&range, seed), "{range:?}"),
        (Err(Miss::Flaw(Flaw::Missing)), None) => {}
        (read, _) => panic!("{range:?}: {read:?}"),
    }
}

#[test]
fn parts_in_any_order_are_a_whole_version_with_its_short_end() {
    let place = Place::new();
    let files = IncomingFiles::create(&place.upload).unwrap();
    let parts = [0..PART, PART..2 * PART, 2 * PART..SIZE];
    for part in [2, 0, 1] {
        write(&IncomingFiles::open(&place.upload).unwrap(), parts[part].clone(), 0);
    }
    let bytes = files.disk_bytes().unwrap();
    assert!((SIZE..SIZE + (64 << 10)).contains(&bytes), "{bytes} bytes");
    let entry = place.adopt(&object(SIZE), &parts);
    check_read(&entry, 0..SIZE, Some(0));
    entry.check_whole().unwrap();
    assert_eq!(std::fs::read(&place.version.data).unwrap(), content(&(0..SIZE), 0));
}

#[test]
fn a_part_that_is_kept_again_has_its_new_bytes_alone() {
    let place = Place::new();
    let files = IncomingFiles::create(&place.upload).unwrap();
    write(&files, 0..PART, 0);
    write(&files, PART..2 * PART, 0);
    write(&files, 0..PART, 5);
    files.forget(&(PART..2 * PART)).unwrap();
    let entry = place.adopt(&object(2 * PART), &[0..PART, PART..2 * PART]);
    check_read(&entry, 0..PART, Some(5));
    check_read(&entry, PART..PART + 1, None);
}

#[test]
fn bytes_that_nobody_vouches_for_are_not_there() {
    let place = Place::new();
    let files = IncomingFiles::create(&place.upload).unwrap();
    for part in [0..PART, PART..2 * PART, 2 * PART..SIZE] {
        write(&files, part, 0);
    }
    let entry = place.adopt(&object(SIZE), std::slice::from_ref(&(PART..2 * PART)));
    check_read(&entry, 0..1, None);
    check_read(&entry, PART..2 * PART, Some(0));
    check_read(&entry, 2 * PART..2 * PART + 1, None);
    assert!(entry.check_whole().is_err());
}

#[test]
fn what_is_behind_the_end_is_cut_and_what_is_missing_there_is_a_hole() {
    for size in [PART + BLOCK, PART + 5, 3 * PART] {
        let place = Place::new();
        let files = IncomingFiles::create(&place.upload).unwrap();
        write(&files, 0..PART, 0);
        write(&files, PART..2 * PART, 0);
        let entry = place.adopt(&object(size), std::slice::from_ref(&(0..PART)));
        check_read(&entry, 0..PART, Some(0));
        check_read(&entry, PART..PART + 1, None);
        assert_eq!(std::fs::metadata(&place.version.data).unwrap().len(), size);
    }
}

#[test]
fn a_short_block_in_the_middle_is_none() {
    let place = Place::new();
    let files = IncomingFiles::create(&place.upload).unwrap();
    write(&files, 0..BLOCK + 100, 0);
    let entry = place.adopt(&object(SIZE), std::slice::from_ref(&(0..BLOCK + 100)));
    check_read(&entry, 0..BLOCK, Some(0));
    check_read(&entry, BLOCK..BLOCK + 1, None);
}

#[test]
fn a_version_becomes_another_of_the_same_bytes() {
    let place = Place::new();
    let old = ObjectRef { key: Arc::from("a longer key"), ..object(SIZE) };
    let entry = Entry::create(&place.upload, &old).unwrap();
    entry.write(0, &[Bytes::from(content(&(0..SIZE), 0))]).unwrap();
    let sums_start = format::header(&old).len() as u64;
    let all = 0..format::block_count(SIZE);
    let source = Source { paths: &place.upload, sums_start, blocks: std::slice::from_ref(&all) };
    adopt(&source, &place.version, &object(SIZE)).unwrap();
    let new = Entry::open(&place.version, &object(SIZE)).unwrap().unwrap();
    new.check_whole().unwrap();
    check_read(&new, 0..SIZE, Some(0));
    check_read(&entry, 0..SIZE, Some(0));
    assert!(Entry::open(&place.upload, &old).unwrap().is_none());
}
