//! The cache on a directory of this machine: what stays, what goes, and who may use it.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::store::clock::SystemClock;
use crate::store::types::ETag;
use crate::vfs::budget::Budget;

const MIB: u64 = 1 << 20;

fn object(key: &str, etag: &str, size: u64) -> ObjectRef {
    ObjectRef { bucket: Arc::from("b"), key: Arc::from(key), etag: ETag::new(etag), size }
}

fn content(object: &ObjectRef) -> Bytes {
    let seed = object.etag.as_str().len() as u64 + object.key.len() as u64;
    (0..object.size).map(|at| ((at / 5 + seed) % 251) as u8).collect()
}

fn open_sized(directory: &Path, bytes_max: u64) -> Arc<DiskCache> {
    let options = DiskCacheOptions { directory: directory.to_owned(), bytes_max };
    DiskCache::open(&options, 1 << 30, Arc::new(SystemClock::new())).unwrap()
}

fn open(directory: &Path) -> Arc<DiskCache> {
    open_sized(directory, 64 * MIB)
}

/// Stores these in turn, as the only thing that is done with the directory.
fn fill(directory: &Path, bytes_max: u64, objects: &[ObjectRef]) {
    let disk = open_sized(directory, bytes_max);
    for object in objects {
        disk.store(object, 0, vec![content(object)], None);
    }
    disk.finish();
}

/// Waits until all that is in the directory was found, and what must go for it is gone.
async fn scan(disk: &DiskCache) {
    scanned(disk).await;
    disk.finish();
}

/// Waits until all that is in the directory was found.
async fn scanned(disk: &DiskCache) {
    while !disk.shared.is_scanned.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
}

async fn has(disk: &DiskCache, object: &ObjectRef) -> bool {
    let read = disk.read(object, &(0..object.size)).await;
    if let Some(read) = &read {
        assert!(*read == content(object), "other bytes than those of {object:?}");
    }
    read.is_some()
}

/// The files with the suffix, in no order.
fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let listed = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let folders = listed(directory).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| listed(&folder).collect::<Vec<_>>());
    files.filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/scope");
    (directory, path)
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let (_place, path) = place();
    let (small, large) = (object("small", "1", 5), object("large", "1", 3 * MIB + 17));
    fill(&path, 64 * MIB, &[small.clone(), large.clone()]);
    let disk = open(&path);
    assert!(has(&disk, &small).await && has(&disk, &large).await);
    let part = disk.read(&large, &(MIB + 5..2 * MIB + 6)).await.unwrap();
    assert!(part == content(&large)[MIB as usize + 5..2 * MIB as usize + 6]);
    assert!(!has(&disk, &object("small", "2", 5)).await);
    assert!(!has(&disk, &object("small", "1", 6)).await);
    assert!(!has(&disk, &object("other", "1", 5)).await);
}

#[tokio::test]
async fn files_are_their_owners_alone() {
    let (_place, path) = place();
    fill(&path, 64 * MIB, &[object("key", "1", 5)]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for suffix in [".data", ".sums"] {
        let files = files(&path, suffix);
        assert_eq!(files.len(), 1);
        assert_eq!(mode(&files[0]), 0o600);
        assert_eq!(mode(files[0].parent().unwrap()), 0o700);
    }
}

#[tokio::test]
async fn older_versions_go_when_another_counts() {
    let (_place, path) = place();
    let (old, new, other) = (object("a", "old", 9), object("a", "new", 9), object("b", "old", 9));
    fill(&path, 64 * MIB, &[old.clone(), new.clone(), other.clone()]);
    let disk = open(&path);
    assert!(has(&disk, &old).await && has(&disk, &new).await && has(&disk, &other).await);
    disk.forget_others(&new);
    disk.finish();
    assert!(!has(&disk, &old).await && has(&disk, &new).await && has(&disk, &other).await);
    drop(disk);
    let disk = open(&path);
    assert!(has(&disk, &new).await && has(&disk, &other).await);
    disk.forget("b", "b");
    disk.finish();
    assert!(has(&disk, &new).await && !has(&disk, &other).await);
    assert_eq!(files(&path, "").len(), 2);
}

#[tokio::test]
async fn the_bound_holds_and_what_was_used_last_stays() {
    let (_place, path) = place();
    let objects: Vec<_> = (0..20).map(|n| object(&format!("key {n}"), "1", MIB)).collect();
    fill(&path, 5 * MIB, &objects[..4]);
    let disk = open_sized(&path, 5 * MIB);
    // The first that was stored, and the last that was used.
    assert!(has(&disk, &objects[0]).await);
    disk.store(&objects[4], 0, vec![content(&objects[4])], None);
    disk.store(&objects[5], 0, vec![content(&objects[5])], None);
    disk.finish();
    assert!(has(&disk, &objects[0]).await && has(&disk, &objects[5]).await);
    let mut others = 0;
    for older in &objects[1..4] {
        others += u32::from(has(&disk, older).await);
    }
    assert_eq!(others, 1, "two made room for two");
    drop(disk);
    fill(&path, 5 * MIB, &objects);
    let taken: u64 = files(&path, "").iter().map(|file| allocated(file)).sum();
    assert!((3 * MIB..=5 * MIB).contains(&taken), "{taken} bytes");
    // A bound that is smaller than before is kept as well.
    scan(&open_sized(&path, 2 * MIB)).await;
    let taken: u64 = files(&path, "").iter().map(|file| allocated(file)).sum();
    assert!((MIB..=2 * MIB).contains(&taken), "{taken} bytes");
}

fn allocated(file: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).unwrap().blocks() * 512
}

#[tokio::test]
async fn of_an_object_larger_than_the_bound_half_of_it_is_kept() {
    let (_place, path) = place();
    let (small, huge) = (object("small", "1", MIB), object("huge", "1", 100 * MIB));
    fill(&path, 8 * MIB, std::slice::from_ref(&small));
    let disk = open_sized(&path, 8 * MIB);
    let bytes = content(&huge);
    for start in (0..20 * MIB).step_by(MIB as usize) {
        let piece = bytes.slice(start as usize..(start + MIB) as usize);
        disk.store(&huge, start, vec![piece], None);
    }
    disk.finish();
    assert!(has(&disk, &small).await);
    assert!(disk.read(&huge, &(0..3 * MIB)).await.is_some());
    assert!(disk.read(&huge, &(4 * MIB..5 * MIB)).await.is_none());
}

#[tokio::test]
async fn a_damaged_block_is_found_dropped_and_stored_anew() {
    let (_place, path) = place();
    let one = object("key", "1", MIB);
    fill(&path, 64 * MIB, std::slice::from_ref(&one));
    let file = File::options().write(true).open(&files(&path, ".data")[0]).unwrap();
    file.write_all_at(b"damage", 100_000).unwrap();
    let disk = open(&path);
    assert!(!has(&disk, &one).await);
    assert!(disk.read(&one, &(0..65536)).await.is_some());
    assert!(disk.backing(&one).await.is_none());
    disk.store(&one, 0, vec![content(&one)], None);
    disk.finish();
    assert!(has(&disk, &one).await);
    assert!(disk.backing(&one).await.is_some());
}

#[tokio::test]
async fn a_whole_file_backs_its_object_once_it_was_checked() {
    let (_place, path) = place();
    let (small, large) = (object("small", "1", 5), object("large", "1", 3 * MIB));
    fill(&path, 64 * MIB, &[small.clone(), large.clone()]);
    let disk = open(&path);
    assert!(disk.backing(&object("none", "1", 5)).await.is_none());
    let file = disk.backing(&small).await.unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5);
    assert!(disk.backing(&large).await.is_none(), "it is not waited for");
    let file = loop {
        tokio::task::yield_now().await;
        if let Some(file) = disk.backing(&large).await {
            break file;
        }
    };
    let mut read = vec![0; 3 * MIB as usize];
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(read == content(&large));
}

#[tokio::test]
async fn a_directory_is_one_mounts_at_a_time() {
    let (_place, path) = place();
    let disk = open(&path);
    let options = DiskCacheOptions { directory: path, bytes_max: MIB };
    let again = || DiskCache::open(&options, 1 << 30, Arc::new(SystemClock::new()));
    let refused = again().err().unwrap().to_string();
    assert!(refused.contains("in use by another mount"), "{refused}");
    drop(disk);
    assert!(again().is_ok());
}

#[tokio::test]
async fn what_cannot_be_a_directory_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let directory = file.path().join("below");
    let options = DiskCacheOptions { directory, bytes_max: MIB };
    let refused = DiskCache::open(&options, 1 << 30, Arc::new(SystemClock::new()));
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("/below: Not a directory"), "{refused}");
}

#[tokio::test]
async fn what_waits_to_be_written_is_bounded_and_gives_its_memory_back() {
    let (_place, path) = place();
    let options = DiskCacheOptions { directory: path, bytes_max: 64 * MIB };
    let disk = DiskCache::open(&options, 4 * MIB, Arc::new(SystemClock::new())).unwrap();
    let one = object("key", "1", 2 * MIB);
    let budget = Budget::new(4 * MIB);
    disk.store(&one, 0, vec![content(&one)], budget.try_reserve(2 * MIB));
    disk.finish();
    assert!(!has(&disk, &one).await, "a quarter of the memory at most");
    assert_eq!((budget.used(), disk.shared.queued_bytes.load(Ordering::Acquire)), (0, 0));
}

#[tokio::test]
async fn halves_of_versions_are_removed_and_strangers_left_alone() {
    let (_place, path) = place();
    let one = object("key", "1", 5);
    fill(&path, 64 * MIB, std::slice::from_ref(&one));
    let data = files(&path, ".data").remove(0);
    let stranger = data.with_file_name("stranger");
    std::fs::write(&stranger, "text").unwrap();
    std::fs::remove_file(&files(&path, ".sums")[0]).unwrap();
    scan(&open(&path)).await;
    assert!(!data.exists() && stranger.exists());
}

/// The ranges of two parts of a MiB and a short one, and what they are together.
fn parted(key: &str) -> (ObjectRef, Vec<std::ops::Range<u64>>) {
    let object = object(key, "etag of parts-3", 2 * MIB + 1000);
    let ranges = vec![0..MIB, MIB..2 * MIB, 2 * MIB..object.size];
    (object, ranges)
}

/// Keeps a part of what `object` is to be.
#[track_caller]
fn keep(upload: &Incoming, object: &ObjectRef, range: &std::ops::Range<u64>) {
    let bytes = content(object).slice(range.start as usize..range.end as usize);
    assert!(upload.store(range.start, vec![bytes], None));
}

#[tokio::test]
async fn an_upload_is_read_once_it_has_become_a_version() {
    let (_place, path) = place();
    let (one, parts) = parted("key");
    let disk = open(&path);
    scanned(&disk).await;
    let upload = disk.begin_upload();
    for part in [2, 0, 1] {
        keep(&upload, &one, &parts[part]);
    }
    assert!(!has(&disk, &one).await);
    upload.become_version(&one, parts, None);
    assert!(disk.may_have_some("b", "key"));
    assert!(has(&disk, &one).await, "what is about to be there is waited for");
    drop(upload);
    disk.finish();
    drop(disk);
    let disk = open(&path);
    scanned(&disk).await;
    assert!(has(&disk, &one).await);
    while disk.backing(&one).await.is_none() {
        tokio::task::yield_now().await;
    }
    drop(disk);
    assert_eq!((files(&path, ".data").len(), files(&path, ".sums").len()), (1, 1));
}

#[tokio::test]
async fn several_uploads_at_once_are_told_apart_and_the_last_version_of_a_name_counts() {
    let (_place, path) = place();
    let ((one, parts), (other, _)) = (parted("key"), parted("another key"));
    let disk = open(&path);
    scanned(&disk).await;
    let uploads = [disk.begin_upload(), disk.begin_upload(), disk.begin_upload()];
    for part in &parts {
        keep(&uploads[0], &one, part);
        keep(&uploads[1], &other, part);
    }
    keep(&uploads[2], &one, &parts[0]);
    uploads[1].become_version(&other, parts.clone(), None);
    uploads[0].become_version(&one, parts.clone(), None);
    assert!(has(&disk, &one).await && has(&disk, &other).await);
    // The same bytes under the same ETag, of which less is kept.
    uploads[2].become_version(&one, parts[..1].to_vec(), None);
    assert!(disk.read(&one, &parts[1]).await.is_none());
    assert!(disk.read(&one, &parts[0]).await.unwrap() == content(&one)[..MIB as usize]);
}

#[tokio::test]
async fn an_upload_that_comes_to_nothing_leaves_nothing() {
    let (_place, path) = place();
    let (one, parts) = parted("key");
    let disk = open(&path);
    scanned(&disk).await;
    let dropped = disk.begin_upload();
    keep(&dropped, &one, &parts[0]);
    while files(&path, ".data").is_empty() {
        tokio::task::yield_now().await;
    }
    drop(dropped);
    while !files(&path, "").is_empty() {
        tokio::task::yield_now().await;
    }
    let under_way = disk.begin_upload();
    keep(&under_way, &one, &parts[1]);
    disk.finish();
    assert_eq!(files(&path, ".data").len() + files(&path, ".sums").len(), 0);
    assert_eq!(disk.shared.state().index.bytes(), 0);
    under_way.become_version(&one, parts, None);
    assert!(!has(&disk, &one).await);
}

#[tokio::test]
async fn a_version_that_is_forgotten_before_it_has_come_does_not_stay() {
    let (_place, path) = place();
    let (one, parts) = parted("key");
    let disk = open(&path);
    scanned(&disk).await;
    let upload = disk.begin_upload();
    parts.iter().for_each(|part| keep(&upload, &one, part));
    upload.become_version(&one, parts, None);
    disk.forget("b", "key");
    disk.finish();
    assert_eq!(files(&path, ".data").len() + files(&path, ".sums").len(), 0);
}

#[tokio::test]
async fn what_a_crash_leaves_of_uploads_is_removed_and_not_believed() {
    let (_place, path) = place();
    let (one, parts) = parted("key");
    let (before, crashed) = (open(&path), path.with_file_name("crashed"));
    let upload = before.begin_upload();
    keep(&upload, &one, &parts[0]);
    while files(&path, ".sums").is_empty() || before.shared.state().index.uploads().is_empty() {
        tokio::task::yield_now().await;
    }
    let left = [files(&path, ".data"), files(&path, ".sums")].concat();
    // Of a second one, half of the files.
    for file in &left {
        let folder = crashed.join("ff");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    std::fs::copy(&left[0], crashed.join(format!("ff/{}.data", Name::of_upload(7)))).unwrap();
    assert_eq!(files(&crashed, "").len(), 3);
    let after = open(&crashed);
    scanned(&after).await;
    assert_eq!(files(&crashed, "").len(), 0);
    // The same number as that of the one that was left.
    let again = after.begin_upload();
    keep(&again, &one, &parts[1]);
    again.become_version(&one, parts.clone(), None);
    assert!(after.read(&one, &parts[0]).await.is_none());
    assert!(after.read(&one, &parts[1]).await.is_some());
    after.finish();
    assert_eq!(files(&crashed, "").len(), 2);
}

#[tokio::test]
async fn an_upload_that_others_took_the_room_of_is_kept_from_then_on() {
    let (_place, path) = place();
    let (one, parts) = parted("key");
    let disk = open_sized(&path, 3 * MIB);
    scanned(&disk).await;
    let upload = disk.begin_upload();
    keep(&upload, &one, &parts[0]);
    let other = object("other", "1", 2 * MIB + 1);
    disk.store(&other, 0, vec![content(&other)], None);
    keep(&upload, &one, &parts[1]);
    upload.become_version(&one, parts.clone(), None);
    assert!(disk.read(&one, &parts[0]).await.is_none());
    assert!(
        disk.read(&one, &parts[1]).await.unwrap() == content(&one)[MIB as usize..2 * MIB as usize]
    );
    assert!(!has(&disk, &other).await);
    disk.finish();
    let taken: u64 = files(&path, "").iter().map(|file| allocated(file)).sum();
    assert_eq!(disk.shared.state().index.bytes(), taken);
}

#[tokio::test]
async fn of_an_upload_larger_than_the_bound_what_fits_is_kept() {
    let (_place, path) = place();
    let disk = open_sized(&path, 4 * MIB);
    scanned(&disk).await;
    let huge = object("huge", "etag-10", 10 * MIB);
    let upload = disk.begin_upload();
    let parts: Vec<_> = (0..10).map(|part| part * MIB..(part + 1) * MIB).collect();
    parts.iter().for_each(|part| keep(&upload, &huge, part));
    upload.become_version(&huge, parts.clone(), None);
    assert!(disk.read(&huge, &(0..3 * MIB)).await.is_some());
    assert!(disk.read(&huge, &parts[4]).await.is_none());
    disk.finish();
    let taken: u64 = files(&path, "").iter().map(|file| allocated(file)).sum();
    assert!(taken <= 4 * MIB, "{taken} bytes");
}

#[tokio::test]
async fn a_version_that_is_copied_and_removed_is_there_under_its_new_name() {
    let (_place, path) = place();
    let (one, parts) = parted("key");
    let other =
        ObjectRef { key: Arc::from("yek"), etag: ETag::new("etag after moving"), ..one.clone() };
    let disk = open(&path);
    scanned(&disk).await;
    let upload = disk.begin_upload();
    parts.iter().for_each(|part| keep(&upload, &one, part));
    upload.become_version(&one, parts, None);
    disk.moved(&one, &other);
    let read = disk.read(&other, &(0..other.size)).await;
    assert!(read.is_some_and(|read| read == content(&one)));
    assert!(!has(&disk, &one).await);
    disk.moved(&object("none", "1", 5), &object("no", "1", 5));
    assert!(!has(&disk, &object("no", "1", 5)).await);
    drop(upload);
    disk.finish();
    assert_eq!(files(&path, ".data").len() + files(&path, ".sums").len(), 2);
}
