//! Files: written, read, changed, removed.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use pailfs::store::types::{CannedAcl, ObjectAttributes, Payload, Resource, WriteOptions};
use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};
use crate::support::runtime::block_on;
use crate::support::servers::Kind;
use crate::support::wait::until;

/// An empty file goes to S3 shortly after its close.
const SEEN: Duration = Duration::from_secs(20);

#[test]
fn a_file_is_an_object_of_the_same_bytes() {
    let (site, mount) = mounted();
    mount.shell("mkdir docs && printf 'one\\ntwo' > docs/notes.txt").ok();
    assert_eq!(site.bucket.get("docs/notes.txt").as_deref(), Some(b"one\ntwo".as_slice()));
}

#[test]
fn an_empty_file_is_an_empty_object() {
    let (site, mount) = mounted();
    mount.shell("touch touched && : > truncated && cp /dev/null copied").ok();
    for key in ["touched", "truncated", "copied"] {
        assert_eq!(site.bucket.get(key), Some(Vec::new()), "{key}");
    }
    assert_eq!(mount.shell("cat touched truncated copied | wc -c").ok(), "0\n");
}

#[test]
fn the_bytes_are_in_s3_when_close_returns() {
    let (site, mount) = mounted();
    for number in 0..20 {
        let name = format!("file-{number}");
        fs::write(mount.path(&name), &name).expect("a write");
        assert_eq!(site.bucket.get(&name), Some(name.clone().into_bytes()));
    }
}

#[test]
fn the_bytes_are_in_s3_when_fsync_returns() {
    let (site, mount) = mounted();
    let mut file = File::create(mount.path("log")).expect("a new file");
    file.write_all(b"first").expect("a write");
    file.sync_all().expect("fsync");
    assert_eq!(site.bucket.get("log").as_deref(), Some(b"first".as_slice()));
    file.write_all(b", second").expect("a write");
    file.sync_all().expect("fsync");
    assert_eq!(site.bucket.get("log").as_deref(), Some(b"first, second".as_slice()));
}

#[test]
fn overwriting_replaces_every_byte() {
    let (site, mount) = mounted();
    mount.shell("echo 'a long first line' > file && echo short > file").ok();
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"short\n".as_slice()));
    mount.shell("echo other > other && cp other file").ok();
    assert_eq!(mount.shell("cat file").ok(), "other\n");
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"other\n".as_slice()));
}

#[test]
fn the_old_object_stays_until_the_new_one_is_complete() {
    let (site, mount) = mounted();
    site.bucket.put("file", "old");
    let other = site.mount(&[]);
    // In a process that starts no other: a child that starts closes its copies of descriptors,
    // which sends what was written.
    let script = format!(
        "file = open('file', 'wb', 0)
file.write(b'new')
old = open('{}', 'rb').read()
assert old == b'old', old
file.close()",
        other.path("file").display()
    );
    mount.shell(&format!("python3 -c \"{script}\"")).ok();
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"new".as_slice()));
}

#[test]
fn a_file_grows_at_its_end() {
    let (site, mount) = mounted();
    mount.shell("echo one > file && echo two >> file && echo three >> file").ok();
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"one\ntwo\nthree\n".as_slice()));
}

#[test]
fn a_file_changes_in_the_middle() {
    let (site, mount) = mounted();
    site.bucket.put("file", "0123456789");
    mount.shell("printf XY | dd of=file bs=1 seek=4 conv=notrunc status=none").ok();
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"0123XY6789".as_slice()));
}

#[test]
fn a_file_is_cut_and_grown_to_any_size() {
    let (site, mount) = mounted();
    site.bucket.put("file", "0123456789");
    mount.shell("truncate -s 4 file").ok();
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"0123".as_slice()));
    mount.shell("truncate -s 6 file").ok();
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"0123\0\0".as_slice()));
}

#[test]
fn what_is_written_is_read_before_it_is_in_s3() {
    let (_site, mount) = mounted();
    let path = mount.path("file");
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
    let mut file = options.expect("a new file");
    file.write_all(b"hello").expect("a write");
    file.write_all_at(b"J", 0).expect("a write at the start");
    file.seek(SeekFrom::Start(0)).expect("a seek");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("a read");
    assert_eq!(text, "Jello");
    assert_eq!(file.metadata().expect("attributes").len(), 5);
}

#[test]
fn blocks_of_every_size_are_read_at_every_offset() {
    let (site, mount) = mounted();
    let mut bytes = vec![0; 3_000_003];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    site.bucket.put("file", &bytes);
    let file = File::open(mount.path("file")).expect("the file");
    for (offset, length) in
        [(2_999_000, 1003), (0, 1), (1_048_575, 2), (131_072, 400_000), (5, 2_900_000)]
    {
        let mut block = vec![0; length];
        file.read_exact_at(&mut block, offset).expect("a read");
        assert!(block == bytes[offset as usize..offset as usize + length], "{length} at {offset}");
    }
    let mut end = [0; 10];
    assert_eq!(file.read_at(&mut end, 3_000_003).expect("a read at the end"), 0);
}

#[test]
fn two_descriptors_of_a_file_see_each_others_writes() {
    let (_site, mount) = mounted();
    let path = mount.path("file");
    let mut writer = File::create(&path).expect("a new file");
    writer.write_all(b"shared").expect("a write");
    assert_eq!(fs::read(&path).expect("a read"), b"shared");
    assert_eq!(fs::metadata(&path).expect("attributes").len(), 6);
}

#[test]
fn exclusive_creation_fails_where_a_file_is() {
    let (site, mount) = mounted();
    site.bucket.put("file", "theirs");
    let create = || OpenOptions::new().write(true).create_new(true).open(mount.path("file"));
    check_errno(create(), Errno::EXIST);
    site.bucket.put("late", "theirs");
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"theirs".as_slice()));
}

#[test]
fn a_reader_goes_on_when_a_writer_closes_without_a_change() {
    let (site, mount) = mounted();
    site.bucket.put("file", "text");
    let open = |write| OpenOptions::new().read(true).write(write).open(mount.path("file"));
    let writer = open(true).expect("a writer");
    let mut reader = open(false).expect("a reader");
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("a read");
    assert_eq!(text, "text");
}

#[test]
fn a_file_removed_right_after_it_was_made_stays_removed() {
    let (site, mount) = mounted();
    for number in 0..200 {
        let path = mount.path(format!("file{number}"));
        drop(File::create(&path).expect("a new file"));
        fs::remove_file(&path).expect("a removal");
    }
    assert_eq!(mount.names(""), Vec::<String>::new());
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}

#[test]
fn a_removed_file_is_gone_from_s3() {
    let (site, mount) = mounted();
    mount.shell("echo 1 > one && echo 2 > two && rm one").ok();
    assert_eq!(site.bucket.keys(), ["two"]);
    check_errno(fs::remove_file(mount.path("one")), Errno::NOENT);
}

#[test]
fn many_files_are_written_side_by_side() {
    let (site, mount) = mounted();
    mount.shell("for n in {1..40}; do (seq $n 2000 > f$n) & done; wait").ok();
    assert_eq!(site.bucket.keys().len(), 40);
    assert_eq!(mount.shell("for n in {1..40}; do seq $n 2000 | cmp - f$n; done").ok(), "");
}

#[test]
fn dd_writes_and_reads_blocks_of_any_size() {
    let (site, mount) = mounted();
    let script = "head -c 5000000 /dev/urandom > \"$OUT\"
        for bs in 512 7777 1M; do
            dd if=\"$OUT\" of=file bs=$bs status=none && cmp \"$OUT\" file
            dd if=file bs=$bs status=none | cmp - \"$OUT\"
        done";
    let outside = tempfile::tempdir().expect("a temporary directory");
    let out = outside.path().join("random");
    mount.shell(&format!("OUT={}\n{script}", out.display())).ok();
    assert!(site.bucket.get("file") == fs::read(&out).ok());
}

#[test]
fn rsync_copies_in_place_and_beside() {
    let (site, mount) = mounted();
    let outside = tempfile::tempdir().expect("a temporary directory");
    let source = outside.path().display();
    crate::support::command::shell(outside.path(), "mkdir d && seq 9999 > d/a && seq 5 > b").ok();
    mount.shell(&format!("rsync -r --checksum {source}/ copy/ && diff -r {source} copy")).ok();
    mount
        .shell(&format!("rsync -r --checksum --inplace {source}/ in/ && diff -r {source} in"))
        .ok();
    let again = mount.shell(&format!("rsync -ri --checksum {source}/ copy/")).ok();
    assert_eq!(again, "", "nothing is left to copy");
    assert!(site.bucket.keys().iter().all(|key| !key.contains("/.")), "no temporary file is left");
}

#[test]
fn a_file_system_says_it_has_room() {
    let (_site, mount) = mounted();
    let free = mount.shell("df --output=avail -B1G . | tail -1").ok();
    assert!(free.trim().parse::<u64>().expect("a number") > 1000, "{free}");
    assert_eq!(mount.shell("stat -f -c %l .").ok(), "255\n");
}

#[test]
fn python_writes_and_reads_through_a_mapping() {
    let (site, mount) = mounted();
    site.bucket.put("file", "0123456789");
    let script = "import mmap
with open('file', 'rb') as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
    assert m[3:6] == b'345', m[:]";
    mount.shell(&format!("python3 -c \"{script}\"")).ok();
}

#[test]
fn objects_keep_their_bytes_on_seaweedfs_too() {
    let site = crate::support::mount::Site::new(Kind::Seaweedfs);
    let mount = site.mount(&[]);
    mount.shell("seq 100000 > file && seq 100000 | cmp - file").ok();
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(site.bucket.get("file") == Some(expected.into_bytes()));
}

#[test]
fn what_belongs_to_an_object_stays_when_its_bytes_change() {
    let (site, mount) = mounted();
    let store = site.server().store();
    let resource = Resource::object(&site.bucket.name, "file");
    let options = WriteOptions {
        attributes: ObjectAttributes {
            content_type: Some("text/x-special".to_owned()),
            metadata: [("some".to_owned(), "thing".to_owned())].into(),
            ..ObjectAttributes::default()
        },
        tags: Some([("tag".to_owned(), "value".to_owned())].into()),
        acl: Some(CannedAcl::PublicRead),
        ..WriteOptions::default()
    };
    let body = Payload::from(bytes::Bytes::from_static(b"old"));
    block_on(store.put_object(&site.bucket.name, "file", body, options)).expect("an object");
    let kept = || {
        let mut head = site.bucket.head("file").expect("the object");
        head.attributes.metadata.retain(|name, _| name == "some");
        let tags = block_on(store.get_tags(&resource)).expect("tags");
        (head.attributes, tags, block_on(store.get_acl(&resource)).expect("an ACL"))
    };
    let before = kept();
    for script in ["echo new > file", "echo more >> file", "truncate -s 3 file", "mv file moved"] {
        mount.shell(script).ok();
        if script.starts_with("mv") {
            mount.shell("mv moved file").ok();
        }
        assert_eq!(kept(), before, "{script}");
    }
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"new".as_slice()));
}

#[test]
fn a_file_that_was_made_only_to_be_read_is_there() {
    let (site, mount) = mounted();
    let script = "import os
os.close(os.open('file', os.O_RDONLY | os.O_CREAT, 0o600))
assert os.stat('file').st_mode & 0o777 == 0o600
os.chmod('file', 0o640)";
    mount.shell(&format!("python3 -c \"{script}\"")).ok();
    until("the file is in S3", SEEN, || site.bucket.get("file").is_some());
    assert_eq!(site.mount(&[]).shell("stat -c '%a %s' file").ok(), "640 0\n");
}
