//! Renaming files.

use std::fs::{self, File};
use std::io::Write;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};

#[test]
fn a_renamed_file_keeps_its_bytes() {
    let (site, mount) = mounted();
    mount.shell("echo text > old && mkdir dir && mv old dir/new").ok();
    assert_eq!(site.bucket.keys(), ["dir/", "dir/new"]);
    assert_eq!(mount.shell("cat dir/new").ok(), "text\n");
    check_errno(fs::metadata(mount.path("old")), Errno::NOENT);
}

#[test]
fn renaming_over_a_file_replaces_it() {
    let (site, mount) = mounted();
    mount.shell("echo new > new && echo old > old && mv -f new old").ok();
    assert_eq!(site.bucket.keys(), ["old"]);
    assert_eq!(mount.shell("cat old").ok(), "new\n");
}

#[test]
fn renaming_without_replacing_leaves_a_file_alone() {
    let (site, mount) = mounted();
    mount.shell("echo 1 > one && echo 2 > two").ok();
    let rename = |from: &str, to: &str| {
        let (from, to) = (mount.path(from), mount.path(to));
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(std::io::Error::from)
    };
    check_errno(rename("one", "two"), Errno::EXIST);
    assert_eq!(mount.shell("cat one two").ok(), "1\n2\n");
    rename("one", "three").expect("a free name");
    assert_eq!(site.bucket.keys(), ["three", "two"]);
}

#[test]
fn renaming_a_file_onto_itself_changes_nothing() {
    let (site, mount) = mounted();
    mount.shell("echo text > file").ok();
    fs::rename(mount.path("file"), mount.path("file")).expect("a rename");
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"text\n".as_slice()));
}

#[test]
fn a_file_does_not_replace_a_directory() {
    let (site, mount) = mounted();
    mount.shell("mkdir dir && echo x > file").ok();
    check_errno(fs::rename(mount.path("file"), mount.path("dir")), Errno::ISDIR);
    check_errno(fs::rename(mount.path("missing"), mount.path("new")), Errno::NOENT);
    assert_eq!(site.bucket.keys(), ["dir/", "file"]);
}

#[test]
fn write_to_a_temporary_name_sync_and_rename_is_safe() {
    let (site, mount) = mounted();
    site.bucket.put("config", "old");
    let mut file = File::create(mount.path("config.tmp")).expect("a new file");
    file.write_all(b"new").expect("a write");
    file.sync_all().expect("fsync");
    drop(file);
    fs::rename(mount.path("config.tmp"), mount.path("config")).expect("a rename");
    assert_eq!(site.bucket.get("config").as_deref(), Some(b"new".as_slice()));
    assert_eq!(site.bucket.keys(), ["config"]);
}

#[test]
fn a_renamed_large_file_keeps_its_bytes() {
    let (site, mount) = mounted();
    mount.shell("seq 3000000 > large && mv large moved && seq 3000000 | cmp - moved").ok();
    assert_eq!(site.bucket.keys(), ["moved"]);
}
