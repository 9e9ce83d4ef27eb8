//! Directories: prefixes, markers, and thousands of names.

use std::fs;

use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};

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
