//! What is mounted, and who sees what when.

use std::fs::{self, File};
use std::io::Read;
use std::time::Duration;

use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};
use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;
use crate::support::wait::until;

/// Far longer than the default `--ttl` of a second; a test on a busy machine waits so long.
const SEEN: Duration = Duration::from_secs(20);

#[track_caller]
fn check_seen(mount: &TestMount, path: &str, expected: Option<&str>) {
    let what = format!("{path} is {expected:?}");
    until(&what, SEEN, || fs::read_to_string(mount.path(path)).ok().as_deref() == expected);
}

#[test]
fn two_mounts_of_a_bucket_see_each_others_files() {
    let site = Site::new(Kind::Pailfs);
    let (one, two) = (site.mount(&[]), site.mount(&[]));
    assert_eq!(two.names(""), Vec::<String>::new());
    one.shell("echo first > file").ok();
    check_seen(&two, "file", Some("first\n"));
    two.shell("echo 'second and longer' > file").ok();
    check_seen(&one, "file", Some("second and longer\n"));
    one.shell("rm file").ok();
    check_seen(&two, "file", None);
}

#[test]
fn objects_written_elsewhere_appear_change_and_vanish() {
    let (site, mount) = mounted();
    check_seen(&mount, "file", None);
    site.bucket.put("file", "one");
    check_seen(&mount, "file", Some("one"));
    site.bucket.put("file", "two, longer");
    check_seen(&mount, "file", Some("two, longer"));
    site.bucket.delete("file");
    check_seen(&mount, "file", None);
    until("the listing is empty", SEEN, || mount.names("").is_empty());
}

#[test]
fn without_a_ttl_every_open_sees_what_is_there() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["--ttl", "0"]);
    for text in ["one", "two!", "three"] {
        site.bucket.put("file", text);
        assert_eq!(fs::read_to_string(mount.path("file")).ok().as_deref(), Some(text));
    }
    site.bucket.delete("file");
    check_errno(File::open(mount.path("file")), Errno::NOENT);
}

#[test]
fn an_open_file_is_one_version_of_the_object() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["--ttl", "0"]);
    site.bucket.put("file", vec![b'a'; 30 << 20]);
    let mut file = File::open(mount.path("file")).expect("the file");
    let mut head = [0; 4096];
    file.read_exact(&mut head).expect("a read");
    site.bucket.put("file", vec![b'b'; 30 << 20]);
    let mut rest = Vec::new();
    match file.read_to_end(&mut rest) {
        Ok(_) => assert!(rest.iter().all(|byte| *byte == b'a'), "all of the first version"),
        Err(error) => {
            assert_eq!(Errno::from_io_error(&error), Some(Errno::STALE));
            assert!(rest.iter().all(|byte| *byte == b'a'), "some of the first version");
        }
    }
    let fresh = fs::read(mount.path("file")).expect("a fresh open");
    assert!(fresh.iter().all(|byte| *byte == b'b') && fresh.len() == 30 << 20);
}

#[test]
fn a_prefix_is_mounted_as_a_directory_of_its_own() {
    let site = Site::new(Kind::Pailfs);
    for key in ["photos/2024/a", "photos/2024/b/c", "photos/2025/d", "photos/2024x"] {
        site.bucket.put(key, key);
    }
    for source in [
        format!("{}/photos/2024", site.bucket.name),
        format!("s3://{}/photos/2024/", site.bucket.name),
    ] {
        let mount = site.mount_source(&source, &[]);
        assert_eq!(mount.shell("find . -type f | sort").ok(), "./a\n./b/c\n");
        mount.shell("echo new > new && mkdir -p e && rm a").ok();
        assert_eq!(site.bucket.get("photos/2024/new").as_deref(), Some(b"new\n".as_slice()));
        assert!(site.bucket.head("photos/2024/e/").is_some());
        assert!(site.bucket.head("photos/2024/a").is_none());
        mount.shell("rm new && rmdir e").ok();
        site.bucket.put("photos/2024/a", "photos/2024/a");
    }
}

#[test]
fn the_root_of_an_account_lists_its_buckets() {
    let site = Site::new(Kind::Pailfs);
    let bucket = &site.bucket.name;
    site.bucket.put("dir/file", "text");
    let mount = site.mount_source("/", &[]);
    assert_eq!(mount.names(""), [bucket.as_str()]);
    assert_eq!(mount.shell(&format!("cat {bucket}/dir/file")).ok(), "text");
    mount.shell(&format!("mkdir made-here && cp {bucket}/dir/file made-here/copy")).ok();
    assert_eq!(mount.names(""), ["made-here".to_owned(), bucket.clone()]);
    check_errno(fs::remove_dir(mount.path("made-here")), Errno::NOTEMPTY);
    mount.shell(&format!("mv made-here/copy {bucket}/moved && rmdir made-here")).ok();
    assert_eq!(site.bucket.get("moved").as_deref(), Some(b"text".as_slice()));
    assert_eq!(mount.names(""), [bucket.as_str()]);
    check_errno(fs::write(mount.path("file"), "x"), Errno::PERM);
    check_errno(fs::create_dir(mount.path("Not_A_Bucket")), Errno::INVAL);
    check_errno(fs::create_dir(mount.path(bucket)), Errno::EXIST);
}

#[test]
fn a_bucket_is_not_renamed() {
    let site = Site::new(Kind::Pailfs);
    let bucket = &site.bucket.name;
    site.bucket.put("file", "text");
    let mount = site.mount_source("/", &[]);
    check_errno(fs::rename(mount.path(bucket), mount.path("another-name")), Errno::PERM);
    let file = mount.path(format!("{bucket}/file"));
    check_errno(fs::rename(&file, mount.path("plain-name")), Errno::PERM);
    assert_eq!(site.bucket.keys(), ["file"]);
}

#[test]
fn whoever_replaces_what_another_changed_is_told() {
    let site = Site::new(Kind::Pailfs);
    let (one, two) = (site.mount(&[]), site.mount(&[]));
    for by_another in ["changed", "removed"] {
        site.bucket.put("file", "first");
        check_seen(&one, "file", Some("first"));
        check_seen(&two, "file", Some("first"));
        // In one process that starts no other: a child that starts closes its copies of
        // descriptors, which sends what was written.
        let theirs = two.path("file");
        let change = match by_another {
            "changed" => format!("open('{}', 'w').write('by two')", theirs.display()),
            _ => format!("os.remove('{}')", theirs.display()),
        };
        let script = format!(
            "import os
file = os.open('file', os.O_WRONLY | os.O_TRUNC)
os.write(file, b'by one')
{change}
try: os.fsync(file)
except OSError as error: print(os.strerror(error.errno))"
        );
        let told = one.shell(&format!("python3 -c \"{script}\"")).ok();
        assert_eq!(told, "Stale file handle\n", "{by_another}");
        let now = (by_another == "changed").then(|| b"by two".to_vec());
        assert_eq!(site.bucket.get("file"), now, "{by_another}");
    }
    until("it can be made anew", SEEN, || fs::write(one.path("file"), "anew").is_ok());
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"anew".as_slice()));
}

#[test]
fn a_read_only_mount_refuses_every_change() {
    let site = Site::new(Kind::Pailfs);
    site.bucket.put("dir/file", "text");
    let mount = site.mount(&["--read-only"]);
    assert_eq!(mount.shell("cat dir/file").ok(), "text");
    let (file, new) = (mount.path("dir/file"), mount.path("new"));
    check_errno(fs::write(&file, "x"), Errno::ROFS);
    check_errno(fs::write(&new, "x"), Errno::ROFS);
    check_errno(fs::create_dir(&new), Errno::ROFS);
    check_errno(fs::remove_file(&file), Errno::ROFS);
    check_errno(fs::remove_dir(mount.path("dir")), Errno::ROFS);
    check_errno(fs::rename(&file, &new), Errno::ROFS);
    assert_eq!(site.bucket.keys(), ["dir/file"]);
}

#[test]
fn owner_and_permissions_are_those_of_the_mount() {
    let site = Site::new(Kind::Pailfs);
    site.bucket.put("dir/file", "text");
    let mount = site.mount(&["--uid", "1234", "--gid", "5678", "--umask", "027"]);
    let shown = mount.shell("stat -c '%u %g %a' dir dir/file").ok();
    assert_eq!(shown, "1234 5678 750\n1234 5678 640\n");
}

#[test]
fn what_one_mount_wrote_the_next_one_finds() {
    let (site, mount) = mounted();
    mount.shell("mkdir dir && seq 1000 > dir/file && ln -f dir/file dir/link || true").ok();
    drop(mount);
    let next = site.mount(&[]);
    assert_eq!(next.shell("seq 1000 | cmp - dir/file && ls dir").ok(), "file\n");
}
