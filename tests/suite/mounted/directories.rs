//! Directories: prefixes, markers, and thousands of names.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use pailfs::store::types::{CreateBucket, Payload, WriteOptions};
use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};
use crate::support::hosted::Hosted;
use crate::support::mount::TestMount;
use crate::support::runtime::block_on;
use crate::support::wait::until;

#[test]
fn mkdir_writes_a_marker() {
    let (site, mount) = mounted();
    mount.shell("mkdir -p a/b").ok();
    assert_eq!(site.bucket.keys(), ["a/", "a/b/"]);
    assert_eq!(mount.shell("find . -mindepth 1 | sort").ok(), "./a\n./a/b\n");
}

#[test]
fn a_key_makes_the_directories_above_it() {
    let (site, mount) = mounted();
    site.bucket.put("x/y/z/file", "deep");
    assert_eq!(mount.shell("find x -type d | sort").ok(), "x\nx/y\nx/y/z\n");
    assert_eq!(mount.shell("cat x/y/z/file").ok(), "deep");
}

#[test]
fn a_directory_stays_when_its_last_file_is_removed() {
    let (site, mount) = mounted();
    site.bucket.put("dir/file", "only");
    mount.shell("rm dir/file && ls -d dir").ok();
    assert_eq!(site.bucket.keys(), ["dir/"]);
    mount.shell("rmdir dir").ok();
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}

#[test]
fn a_directory_that_holds_something_is_not_removed() {
    let (site, mount) = mounted();
    mount.shell("mkdir dir && echo x > dir/file").ok();
    check_errno(fs::remove_dir(mount.path("dir")), Errno::NOTEMPTY);
    assert_eq!(site.bucket.keys(), ["dir/", "dir/file"]);
    mount.shell("rm dir/file && rmdir dir").ok();
    check_errno(fs::remove_dir(mount.path("dir")), Errno::NOENT);
}

#[test]
fn a_directory_is_not_a_file_nor_a_file_a_directory() {
    let (_site, mount) = mounted();
    mount.shell("mkdir dir && echo x > file").ok();
    check_errno(fs::remove_file(mount.path("dir")), Errno::ISDIR);
    check_errno(fs::remove_dir(mount.path("file")), Errno::NOTDIR);
    check_errno(fs::read_dir(mount.path("file")), Errno::NOTDIR);
    check_errno(fs::write(mount.path("dir"), "x"), Errno::ISDIR);
    check_errno(fs::create_dir(mount.path("dir")), Errno::EXIST);
    check_errno(fs::create_dir(mount.path("file")), Errno::EXIST);
    check_errno(fs::create_dir(mount.path("missing/dir")), Errno::NOENT);
    check_errno(fs::write(mount.path("missing/file"), "x"), Errno::NOENT);
}

#[test]
fn two_thousand_five_hundred_names_are_listed_once_each() {
    let (site, mount) = mounted();
    mount.shell("mkdir many && cd many && for n in {1..2500}; do echo $n > file-$n; done").ok();
    assert_eq!(mount.shell("ls many | wc -l").ok(), "2500\n");
    assert_eq!(site.bucket.keys().len(), 2501, "with the marker");
    drop(mount);
    let fresh = site.mount(&[]);
    assert_eq!(fresh.shell("ls -f many | sort -u | wc -l").ok(), "2502\n", "with . and ..");
    assert_eq!(fresh.shell("find many -type f | sort -u | wc -l").ok(), "2500\n");
    assert_eq!(fresh.shell("ls -l many | awk '{ s += $5 } END { print s }'").ok(), "11393\n");
    assert_eq!(fresh.shell("cat many/file-1999").ok(), "1999\n");
    fresh.shell("rm -r many").ok();
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}

#[test]
fn a_directory_read_while_it_changes_shows_what_stayed_once() {
    let (site, mount) = mounted();
    for number in 0..1500 {
        site.bucket.put(&format!("dir/stays-{number:04}"), "");
    }
    let mut entries = fs::read_dir(mount.path("dir")).expect("a directory");
    let first = entries.next().expect("an entry").expect("an entry").file_name();
    fs::write(mount.path("dir/added"), "x").expect("a new file");
    fs::remove_file(mount.path("dir/stays-0700")).expect("a removal");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
    names.push(first);
    names.sort();
    let stayed = |name: &&std::ffi::OsString| {
        name.to_string_lossy().starts_with("stays-") && *name != "stays-0700"
    };
    let seen: Vec<_> = names.iter().filter(stayed).collect();
    assert_eq!(seen.len(), 1499);
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "no name twice");
}

#[test]
fn an_empty_bucket_is_an_empty_directory() {
    let (_site, mount) = mounted();
    assert_eq!(mount.shell("ls -A").ok(), "");
    assert_eq!(mount.shell("stat -c %F .").ok(), "directory\n");
}

#[test]
fn names_between_a_directory_and_its_contents_do_not_part_them() {
    let (site, mount) = mounted();
    // `-` and `.` sort before `/`: S3 lists these keys between `a` and what is below `a/`.
    for key in ["a/1", "a-b/1", "a.b", "a/2", "a0"] {
        site.bucket.put(key, key);
    }
    assert_eq!(mount.names(""), ["a", "a-b", "a.b", "a0"]);
    assert_eq!(mount.names("a"), ["1", "2"]);
}

/// A bucket of so many empty objects, and a mount of it that asks nothing of each.
fn mounted_with(keys: impl Iterator<Item = String>) -> (Hosted, TestMount) {
    let site = Hosted::start();
    block_on(async {
        let created = site.store().create_bucket("many", CreateBucket::default()).await;
        created.expect("a new bucket");
        for key in keys {
            let options = WriteOptions::default();
            let put = site.store().put_object("many", &key, Payload::from(Bytes::new()), options);
            put.await.expect("the store takes it");
        }
    });
    let mount = site.mount("many", &["--posix-dialect", "none"]);
    (site, mount)
}

#[test]
fn a_hundred_thousand_names_are_listed_once_each() {
    let (_site, mount) = mounted_with((0..100_000).map(|n| format!("flat/file-{n:06}.txt")));
    let counted = mount.shell("ls -f flat | sort | uniq -c | awk '{ print $1 }' | sort | uniq -c");
    assert_eq!(
        counted.ok().split_whitespace().collect::<Vec<_>>(),
        ["100002", "1"],
        "with . and .."
    );
    assert_eq!(mount.shell("find flat -type f | sort -u | wc -l").ok(), "100000\n");
}

#[test]
fn files_made_and_removed_while_a_large_directory_is_listed_are_right() {
    let (_site, mount) = mounted_with((0..20_000).map(|n| format!("flat/file-{n:05}")));
    let mut entries = fs::read_dir(mount.path("flat")).expect("a directory");
    let first: Vec<_> = entries.by_ref().take(5000).collect();
    fs::remove_file(mount.path("flat/file-19999")).expect("a removal");
    fs::write(mount.path("flat/made"), "x").expect("a new file");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let names: Vec<_> = first.into_iter().chain(entries).map(name).collect();
    let stayed: BTreeSet<_> =
        names.iter().filter(|name| *name != "made" && *name != "file-19999").collect();
    assert_eq!(stayed.len(), 19_999);
    let again = mount.names("flat");
    assert_eq!(again.len(), 20_000);
    assert!(again.contains(&"made".to_owned()) && !again.contains(&"file-19999".to_owned()));
}

#[test]
fn a_tree_that_is_walked_shows_what_others_changed() {
    let keys = (0..2000).map(|n| format!("tree/{:02}/{:02}", n / 100, n % 100));
    let (site, mount) = mounted_with(keys);
    let other = site.mount("many", &[]);
    let count = || mount.shell("find tree -type f | wc -l").ok();
    assert_eq!(count(), "2000\n");
    other.shell("echo x > tree/15/added && rm tree/16/00 tree/17/00 && mkdir tree/20").ok();
    until("the changes are seen", Duration::from_secs(20), || count() == "1999\n");
    mount.shell("test -d tree/20 && test -e tree/15/added && ! test -e tree/16/00").ok();
}
