//! What is kept on disk: across restarts, within its bound, and never in anybody's way.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use pailfs::store::types::{
    CreateBucket, GetObject, HeadObject, ObjectHead, Payload, WriteOptions,
};
use rustix::mount::{MountFlags, UnmountFlags};
use tempfile::TempDir;

use crate::support::hosted::Hosted;
use crate::support::mount::{TestMount, mount_at};
use crate::support::runtime::block_on;
use crate::support::servers::environment;
use crate::support::wait::poll;
use crate::support::writer::Writer;

const MIB: usize = 1 << 20;

/// What a test on a busy machine may wait for another process.
const SOON: Duration = Duration::from_secs(20);

/// A server that counts, and a directory for the cache.
struct Site {
    server: Hosted,
    cache: TempDir,
}

impl Site {
    fn new() -> Self {
        let server = Hosted::start();
        let made = server.store().create_bucket("bucket", CreateBucket::default());
        block_on(made).expect("a bucket");
        Self { server, cache: tempfile::tempdir().expect("a temporary directory") }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let payload = Payload::from(Bytes::copy_from_slice(bytes));
        let put = self.server.store().put_object("bucket", key, payload, WriteOptions::default());
        block_on(put).expect("a put");
    }

    #[track_caller]
    fn mount(&self, arguments: &[&str]) -> TestMount {
        self.mount_cached(self.cache.path(), arguments)
    }

    #[track_caller]
    fn mount_cached(&self, cache: &Path, arguments: &[&str]) -> TestMount {
        let cache = cache.display().to_string();
        let arguments = [&["--cache-dir", &cache], arguments].concat();
        self.server.mount("bucket", &arguments)
    }

    /// Mounts, reads the files and ends the mount.
    #[track_caller]
    fn read_all(&self, files: &[(&str, Vec<u8>)], arguments: &[&str]) -> TestMount {
        let mut mount = self.mount(arguments);
        check(&mount, files);
        assert!(mount.terminate().success());
        mount
    }

    /// How many bytes of objects the server has sent.
    fn bytes_sent(&self) -> u64 {
        self.server.bytes_sent()
    }

    /// How many bytes of objects the server has been sent.
    fn uploaded(&self) -> u64 {
        self.server.bytes_uploaded()
    }

    fn head(&self, key: &str) -> ObjectHead {
        let head = self.server.store().head_object("bucket", key, HeadObject::default());
        block_on(head).expect("an object")
    }

    /// What S3 has, past the counting.
    fn get(&self, key: &str) -> Vec<u8> {
        let got = self.server.store().get_object("bucket", key, GetObject::default());
        let chunks: Vec<Bytes> =
            block_on(async { got.await?.body.try_collect().await }).expect("an object");
        chunks.concat()
    }

    /// The files of the cache with that end of their name.
    fn files(&self, suffix: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.cache.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(suffix) {
                    files.push(path);
                }
            }
        }
        files
    }
}

#[track_caller]
fn check(mount: &TestMount, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let read = fs::read(mount.path(name)).expect("a file");
        assert!(read == *bytes, "{name} has other bytes");
    }
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at / 3 + seed) % 251) as u8).collect()
}

#[test]
fn what_was_read_is_read_again_from_disk_after_a_restart() {
    let site = Site::new();
    let files = [("small", bytes(5, 1)), ("large", bytes(20 * MIB + 3, 2)), ("none", Vec::new())];
    files.iter().for_each(|(name, bytes)| site.put(name, bytes));
    drop(site.read_all(&files, &[]));
    let sent = site.bytes_sent();
    assert!(sent > 1, "S3 was asked at first");
    for arguments in [&[][..], &["-r"], &["--memory", "64M"]] {
        drop(site.read_all(&files, arguments));
        assert_eq!(site.bytes_sent(), sent, "{arguments:?}");
    }
}

#[test]
fn what_was_written_is_read_from_disk_after_a_restart() {
    let site = Site::new();
    let files = [("small", bytes(5, 1)), ("larger", bytes(3 * MIB + 5, 2))];
    let mount = site.mount(&[]);
    for (name, bytes) in &files {
        fs::write(mount.path(name), b"replaced by what comes next").expect("a write");
        fs::write(mount.path(name), bytes).expect("a write");
    }
    drop(mount);
    drop(site.read_all(&files, &[]));
    assert_eq!(site.bytes_sent(), 0);
    assert_eq!(site.files(".data").len(), 2, "versions that were replaced are gone");
}

/// Parts of 5 MiB, so that files of several are not too large for a test.
const SMALL_PARTS: [&str; 2] = ["--part-size", "5M"];

#[test]
fn a_large_file_that_was_written_is_read_from_disk_also_after_a_restart() {
    let site = Site::new();
    let files = [
        ("whole", bytes(15 * MIB, 1)),
        ("odd", bytes(23 * MIB + 5, 2)),
        ("dated", bytes(12 * MIB + 7, 3)),
    ];
    let mount = site.mount(&SMALL_PARTS);
    for (name, bytes) in &files {
        let mut file = Writer::open(&mount.path(name));
        file.write(0, bytes).expect("a write");
        if *name == "dated" {
            // S3 copies the object for that.
            file.date(1_000_000_000).expect("its times");
        }
        file.close().expect("a commit");
    }
    let parts = site.head("odd").etag.as_str().ends_with("-5");
    assert!(parts, "it went up in parts");
    check(&mount, &files);
    assert_eq!(site.bytes_sent(), 0, "in the mount that wrote them");
    drop(mount);
    drop(site.read_all(&files, &[]));
    assert_eq!(site.bytes_sent(), 0);
    assert_eq!(site.files(".data").len(), files.len());
    assert_eq!(site.files("").len(), 2 * files.len() + 1, "and the lock");
    let mount = site.mount(&["-r", "--log", "debug"]);
    for (name, bytes) in &files {
        check_past(&mount, open_past(&mount, name), bytes);
    }
    assert_eq!(site.bytes_sent(), 0);
}

#[test]
fn what_changes_after_it_went_up_is_read_from_disk_as_it_became() {
    let site = Site::new();
    let mut expected = bytes(22 * MIB + 9, 1);
    let mount = site.mount(&SMALL_PARTS);
    let mut file = Writer::open(&mount.path("file"));
    file.write(0, &expected).expect("a write");
    // Four full parts.
    poll(SOON, || (site.uploaded() >= 20 << 20).then_some(())).expect("parts that go up");
    for at in [3, 10 * MIB - 2, 17 * MIB] {
        expected[at..at + 5].copy_from_slice(b"later");
        file.write(at, b"later").expect("a write");
    }
    expected.truncate(21 * MIB);
    file.cut(21 * MIB).expect("a cut");
    file.close().expect("a commit");
    drop(mount);
    let files = [("file", expected)];
    drop(site.read_all(&files, &[]));
    assert_eq!(site.bytes_sent(), 0);
    assert_eq!(site.get("file"), files[0].1, "S3 has the same");
    assert_eq!(site.files(".data").len(), 1);
}

#[test]
fn a_file_that_changes_a_little_stays_on_disk() {
    let site = Site::new();
    let mut expected = bytes(32 * MIB + 9, 1);
    site.put("file", &expected);
    drop(site.read_all(&[("file", expected.clone())], &SMALL_PARTS));
    let mount = site.mount(&SMALL_PARTS);
    let (sent, uploaded) = (site.bytes_sent(), site.uploaded());
    let open = || File::options().write(true).open(mount.path("file")).expect("the file");
    for (at, data) in [(17 * MIB, b"change".as_slice()), (32 * MIB + 9, b"and more")] {
        open().write_all_at(data, at as u64).expect("a write");
        expected.resize(expected.len().max(at + data.len()), 0);
        expected[at..at + data.len()].copy_from_slice(data);
        assert_eq!(site.get("file"), expected, "S3 has it");
    }
    assert!(site.uploaded() - uploaded < 32 << 20, "little went up");
    drop(mount);
    let files = [("file", expected)];
    drop(site.read_all(&files, &[]));
    assert_eq!(site.bytes_sent(), sent, "nothing was read from S3");
    assert_eq!(site.files(".data").len(), 1);
}

#[test]
fn a_renamed_file_is_read_from_disk() {
    let site = Site::new();
    let files = [("large", bytes(12 * MIB + 7, 1)), ("small", bytes(5000, 2))];
    let mount = site.mount(&SMALL_PARTS);
    fs::create_dir(mount.path("directory")).expect("a directory");
    for (name, bytes) in &files {
        let from = mount.path(format!("directory/.{name}"));
        let mut file = Writer::open(&from);
        file.write(0, bytes).expect("a write");
        file.close().expect("a commit");
        fs::rename(from, mount.path(format!("directory/{name}"))).expect("a rename");
    }
    fs::rename(mount.path("directory"), mount.path("renamed")).expect("a rename");
    for (name, _) in &files {
        fs::rename(mount.path(format!("renamed/{name}")), mount.path(name)).expect("a rename");
        let changed = fs::set_permissions(mount.path(name), fs::Permissions::from_mode(0o600));
        changed.expect("a mode");
    }
    check(&mount, &files);
    assert_eq!(site.bytes_sent(), 0, "in the mount that wrote them");
    drop(mount);
    drop(site.read_all(&files, &[]));
    assert_eq!(site.bytes_sent(), 0);
    assert_eq!(site.files(".data").len(), 2, "what they were called is gone");
}

#[test]
fn uploads_that_a_killed_mount_left_on_disk_are_removed_by_the_next() {
    let site = Site::new();
    let expected = bytes(12 * MIB, 1);
    let mut mount = site.mount(&SMALL_PARTS);
    let mut file = Writer::open(&mount.path("file"));
    file.write(0, &expected).expect("a write");
    poll(SOON, || (taken(&site.files("")) >= 10 << 20).then_some(())).expect("parts on disk");
    assert_eq!(site.files(".data").len(), 1);
    mount.kill();
    drop(file);
    drop(mount);
    assert_eq!(site.files(".data").len(), 1);
    let mount = site.mount(&SMALL_PARTS);
    poll(SOON, || site.files(".data").is_empty().then_some(())).expect("room");
    let mut file = Writer::open(&mount.path("file"));
    file.write(0, &expected).expect("a write");
    file.close().expect("a commit");
    drop(mount);
    drop(site.read_all(&[("file", expected)], &[]));
    assert_eq!(site.bytes_sent(), 0);
}

#[test]
fn a_damaged_block_on_disk_is_fetched_anew() {
    let site = Site::new();
    let files = [("file", bytes(4 * MIB, 1))];
    site.put("file", &files[0].1);
    drop(site.read_all(&files, &[]));
    let data = File::options().write(true).open(&site.files(".data")[0]).expect("the bytes");
    data.write_all_at(b"damage", 3_000_000).expect("damage");
    let sent = site.bytes_sent();
    let mount = site.read_all(&files, &[]);
    assert!(mount.log().contains("damaged"), "{}", mount.log());
    assert!(site.bytes_sent() > sent, "S3 was asked");
    let sent = site.bytes_sent();
    drop(site.read_all(&files, &[]));
    assert_eq!(site.bytes_sent(), sent, "it is right again");
}

#[test]
fn a_changed_object_is_not_served_from_disk() {
    let site = Site::new();
    site.put("file", &bytes(2 * MIB, 1));
    drop(site.read_all(&[("file", bytes(2 * MIB, 1))], &[]));
    site.put("file", &bytes(2 * MIB, 2));
    let mount = site.mount(&["--ttl", "0"]);
    check(&mount, &[("file", bytes(2 * MIB, 2))]);
    site.put("file", &bytes(2 * MIB, 3));
    check(&mount, &[("file", bytes(2 * MIB, 3))]);
    drop(mount);
    assert_eq!(site.files(".data").len(), 1, "older versions are dropped");
    let sent = site.bytes_sent();
    drop(site.read_all(&[("file", bytes(2 * MIB, 3))], &[]));
    assert_eq!(site.bytes_sent(), sent);
}

#[test]
fn a_disk_cache_keeps_its_size() {
    let site = Site::new();
    let names: Vec<String> = (0..10).map(|number| format!("file{number}")).collect();
    let files: Vec<_> = (1..).zip(&names).map(|(n, name)| (&**name, bytes(5 * MIB, n))).collect();
    files.iter().for_each(|(name, bytes)| site.put(name, bytes));
    let mount = site.mount(&["--cache-size", "16M"]);
    for file in &files {
        check(&mount, std::slice::from_ref(file));
        let taken = taken(&site.files(""));
        assert!(taken <= 16 << 20, "{taken} bytes");
    }
    drop(mount);
    let taken = taken(&site.files(""));
    assert!((5 << 20..=16 << 20).contains(&taken), "{taken} bytes");
}

/// What files take of the disk; some may vanish.
fn taken(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.blocks() * 512)).sum()
}

/// A disk of 8 MiB.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let size = Some(c"size=8m");
        rustix::mount::mount("pailfs-test", directory.path(), "tmpfs", MountFlags::empty(), size)
            .expect("a small disk");
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_costs_nothing_but_the_cache() {
    let site = Site::new();
    let files = [("one", bytes(MIB, 1)), ("two", bytes(MIB, 2)), ("three", bytes(MIB, 3))];
    files.iter().for_each(|(name, bytes)| site.put(name, bytes));
    let disk = SmallDisk::new();
    let mut mount = site.mount_cached(disk.0.path(), &[]);
    let filler = disk.0.path().join("filler");
    let full = fs::write(&filler, vec![1; 9 * MIB]).expect_err("a full disk");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    check(&mount, &files);
    fs::write(mount.path("written"), bytes(MIB, 4)).expect("a write");
    check(&mount, &[("written", bytes(MIB, 4))]);
    assert!(mount.terminate().success());
    let log = mount.log();
    assert_eq!(log.matches("the disk is nearly full").count(), 1, "{log}");
    drop(mount);

    fs::remove_file(filler).expect("the filler");
    for _ in 0..2 {
        check(&site.mount_cached(disk.0.path(), &[]), &files);
    }
    let sent = site.bytes_sent();
    check(&site.mount_cached(disk.0.path(), &[]), &files);
    assert_eq!(site.bytes_sent(), sent, "there is room again");
}

#[test]
fn a_second_mount_with_the_same_cache_directory_is_refused() {
    let site = Site::new();
    let mount = site.mount(&[]);
    let cache = site.cache.path().display().to_string();
    let again = |source: &str| {
        let arguments = ["--cache-dir", cache.as_str()];
        mount_at(&site.server.endpoint(), &environment(), source, &arguments)
    };
    let refused = again("bucket").err().expect("a refusal");
    assert!(refused.contains("--cache-dir") && refused.contains("in use"), "{refused}");
    drop(again("bucket/other").expect("a mount of something else"));
    drop(mount);
    drop(again("bucket").expect("a mount"));
}

/// Opens a file until that is past the daemon, which logs at `debug`: a large one is checked first,
/// behind whoever opens it.
#[track_caller]
fn open_past(mount: &TestMount, name: &str) -> File {
    let opened = poll(SOON, || {
        let file = File::open(mount.path(name)).expect("a file");
        let number = file.metadata().expect("its attributes").ino();
        let is_past = mount.log().contains(&format!("reads go past this process ino={number}\n"));
        is_past.then_some(file)
    });
    opened.unwrap_or_else(|| panic!("never past the daemon: {}", mount.log()))
}

/// Reads all of an open file while the daemon is stopped; fails where that asks it anything.
#[track_caller]
fn check_past(mount: &TestMount, file: File, expected: &[u8]) {
    let length = expected.len();
    mount.pause();
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut read = vec![0; length];
        let outcome = file.read_exact_at(&mut read, 0).map(|()| read);
        // Nobody listens any more where this came too late.
        drop(sender.send(outcome));
    });
    let outcome = receiver.recv_timeout(SOON);
    mount.resume();
    reader.join().expect("a reader");
    let read = outcome.expect("reads that the daemon need not answer").expect("a read");
    assert!(read == expected, "other bytes");
}

#[test]
fn a_file_wholly_on_disk_is_read_past_the_daemon() {
    let site = Site::new();
    let files = [("small", bytes(100_000, 1)), ("large", bytes(9 * MIB + 7, 2))];
    files.iter().for_each(|(name, bytes)| site.put(name, bytes));
    drop(site.read_all(&files, &[]));
    let sent = site.bytes_sent();
    let mount = site.mount(&["-r", "--log", "debug"]);
    for (name, bytes) in &files {
        check_past(&mount, open_past(&mount, name), bytes);
    }
    check(&mount, &files);
    assert_eq!(site.bytes_sent(), sent);
}

#[test]
fn a_file_that_changes_while_it_is_read_past_the_daemon_is_opened_anew() {
    let site = Site::new();
    let (old, new) = (bytes(100_000, 1), bytes(200_000, 2));
    site.put("file", &old);
    drop(site.read_all(&[("file", old.clone())], &[]));
    let mount = site.mount(&["-r", "--ttl", "0", "--log", "debug"]);
    let before = open_past(&mount, "file");
    site.put("file", &new);
    for _ in 0..2 {
        check(&mount, &[("file", new.clone())]);
    }
    let other = before.try_clone().expect("the same file");
    check_past(&mount, other, &old);
    drop(before);
    check(&mount, &[("file", new)]);
}
