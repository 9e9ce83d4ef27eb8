//! What is remembered, for how long, and what becomes of a file that can't be read.

use std::os::unix::fs::PermissionsExt as _;
use std::time::UNIX_EPOCH;

use super::*;

/// So many seconds of a day.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn posix(uid: u32) -> Posix {
    Posix { uid: Some(uid), mtime: Some(at(5)), ..Posix::default() }
}

/// Modified at 0, asked a minute later.
fn entry(key: &str, etag: &str, uid: u32) -> Remembered {
    Remembered {
        key: key.to_owned(),
        etag: ETag::new(etag),
        last_modified: at(0),
        asked_at: at(60),
        posix: posix(uid),
    }
}

/// Who owns each of the objects of ETag `v1`, as far as it is remembered.
fn owners(attributes: &Attributes, bucket: &str, keys: &[&str]) -> Vec<Option<u32>> {
    let etag = ETag::new("v1");
    let versions: Vec<_> = keys.iter().map(|key| (*key, &etag, at(0))).collect();
    let found = attributes.find(bucket, &versions);
    found.into_iter().map(|posix| posix.and_then(|posix| posix.uid)).collect()
}

/// Remembers in a mount that ends, and finds in the next.
fn remembered_by_next_mount(directory: &Path, entries: Vec<Remembered>) -> Attributes {
    let attributes = Attributes::open(directory).unwrap();
    attributes.remember("bucket", entries);
    drop(attributes);
    Attributes::open(directory).unwrap()
}

#[test]
fn the_next_mount_finds_what_this_one_asked() {
    let directory = tempfile::tempdir().unwrap();
    let entries = vec![entry("a", "v1", 1), entry("b/", "v1", 2), entry("c", "v2", 3)];
    let attributes = remembered_by_next_mount(directory.path(), entries);
    let found = owners(&attributes, "bucket", &["c", "b/", "a", "d", "b/"]);
    assert_eq!(found, [None, Some(2), Some(1), None, Some(2)]);
    assert_eq!(owners(&attributes, "other", &["a"]), [None]);
    let v1 = ETag::new("v1");
    assert_eq!(attributes.find("bucket", &[("a", &v1, at(0))]), [Some(posix(1))]);
    assert_eq!(attributes.find("bucket", &[("a", &v1, at(1))]), [None], "changed since");
}

#[test]
fn what_was_asked_last_counts() {
    let directory = tempfile::tempdir().unwrap();
    let entries = vec![entry("a", "v1", 1), entry("a", "v1", 2)];
    let attributes = remembered_by_next_mount(directory.path(), entries);
    assert_eq!(owners(&attributes, "bucket", &["a"]), [Some(2)]);
}

#[test]
fn what_had_just_changed_is_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let asked = |key, seconds| Remembered { asked_at: at(seconds), ..entry(key, "v1", 1) };
    let ahead = Remembered { last_modified: at(90), ..entry("ahead", "v1", 1) };
    let entries = vec![asked("at-once", 0), asked("soon", 1), asked("later", 2), ahead];
    let attributes = remembered_by_next_mount(directory.path(), entries);
    let found = owners(&attributes, "bucket", &["at-once", "soon", "later"]);
    assert_eq!(found, [None, None, Some(1)]);
    let v1 = ETag::new("v1");
    assert_eq!(attributes.find("bucket", &[("ahead", &v1, at(90))]), [None]);
}

/// A file of this content is replaced, and what is remembered from then on is found.
#[track_caller]
fn check_begun_anew(content: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE_NAME), content).unwrap();
    let attributes = remembered_by_next_mount(directory.path(), vec![entry("a", "v1", 1)]);
    assert_eq!(owners(&attributes, "bucket", &["a"]), [Some(1)]);
}

#[test]
fn a_foreign_file_is_replaced() {
    check_begun_anew(b"");
    check_begun_anew(b"these are no attributes");
    check_begun_anew(&[0xA5; 100_000]);
}

fn file_with_many(directory: &Path) -> Vec<u8> {
    let entries = (0..2000).map(|number| entry(&format!("key-{number}"), "v1", number)).collect();
    drop(remembered_by_next_mount(directory, entries));
    std::fs::read(directory.join(FILE_NAME)).unwrap()
}

#[test]
fn a_file_that_was_cut_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let whole = file_with_many(directory.path());
    check_begun_anew(&whole[..100]);
    check_begun_anew(&whole[..whole.len() / 2]);
}

#[test]
fn a_damaged_file_never_fails_whoever_asks() {
    let directory = tempfile::tempdir().unwrap();
    let whole = file_with_many(directory.path());
    let path = directory.path().join(FILE_NAME);
    for start in (0..whole.len()).step_by(whole.len() / 24) {
        let mut damaged = whole.clone();
        let end = whole.len().min(start + 4096);
        damaged[start..end].fill(0xA5);
        std::fs::write(&path, damaged).unwrap();
        let attributes = Attributes::open(directory.path()).unwrap();
        let found = owners(&attributes, "bucket", &["key-1", "key-700", "key-1999"]);
        assert_eq!(found.len(), 3);
        attributes.remember("bucket", vec![entry("key-1", "v1", 7)]);
    }
}

#[test]
fn a_file_in_use_by_another_mount_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let first = Attributes::open(directory.path()).unwrap();
    let second = Attributes::open(directory.path());
    assert!(matches!(second, Err(OpenError::InUse(_))));
    assert!(Attributes::open_or_log(directory.path()).is_none());
    first.remember("bucket", vec![entry("a", "v1", 1)]);
    drop(first);
    let third = Attributes::open_or_log(directory.path()).unwrap();
    assert_eq!(owners(&third, "bucket", &["a"]), [Some(1)]);
}

#[test]
fn a_directory_that_cannot_be_made_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let opened = Attributes::open(&file.join("below"));
    assert!(matches!(opened, Err(OpenError::NotWritable { .. })));
    let taken = directory.path().join("taken");
    std::fs::create_dir_all(taken.join(FILE_NAME)).unwrap();
    let opened = Attributes::open(&taken);
    assert!(matches!(opened, Err(OpenError::NotWritable { .. })));
}

#[test]
fn a_directory_that_is_made_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("a/b");
    drop(Attributes::open(&made).unwrap());
    let mode = std::fs::metadata(made).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn the_oldest_half_is_forgotten_where_there_are_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (0..40).map(|number| format!("key-{number:02}")).collect();
    let attributes = Attributes::open_bounded(directory.path(), 20).unwrap();
    for key in &keys {
        // A queue that is full would skip it.
        let mut sent = false;
        while !sent {
            attributes.remember("bucket", vec![entry(key, "v1", 1)]);
            sent = owners(&attributes, "bucket", &[key.as_str()]) == [Some(1)];
        }
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let found = owners(&attributes, "bucket", &keys);
    let count = found.iter().flatten().count();
    assert!((10..=20).contains(&count), "{count}");
    assert!(found[30..].iter().all(Option::is_some), "{found:?}");
    assert!(found[..20].iter().all(Option::is_none), "{found:?}");
}
