//! Keys that no path can spell: every object is listed, read, renamed and removed all the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::mounted::mounted;
use crate::support::mount::TestMount;

/// What every file below a directory holds.
fn contents(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            contents(&entry.path(), found);
        } else {
            found.push(fs::read_to_string(entry.path()).expect("a file"));
        }
    }
}

/// Puts every key with its own name as its bytes, finds them all, and removes them all.
#[track_caller]
fn check_all_are_reached(keys: &[&str]) {
    let (site, mount) = mounted();
    for key in keys {
        site.bucket.put(key, key);
    }
    let mut found = Vec::new();
    contents(mount.root(), &mut found);
    let expected: BTreeSet<&str> = keys.iter().copied().collect();
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert_eq!(found.len(), keys.len(), "each once");
    mount.shell("find . -mindepth 1 -delete").ok();
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}

/// The key is read, changed and removed under that path.
#[track_caller]
fn check_path(mount: &TestMount, bucket: &crate::support::bucket::Bucket, key: &str, path: &str) {
    bucket.put(key, key);
    assert_eq!(fs::read_to_string(mount.path(path)).ok().as_deref(), Some(key), "{path}");
    fs::write(mount.path(path), "changed").expect("a write");
    assert_eq!(bucket.get(key).as_deref(), Some(b"changed".as_slice()), "{key:?}");
    fs::remove_file(mount.path(path)).expect("a removal");
    assert!(bucket.head(key).is_none(), "{key:?} is removed");
}

#[test]
fn empty_components_are_reached() {
    check_all_are_reached(&["a//b", "a/b", "a///b", "//a", "/a", "a//"]);
}

#[test]
fn dots_are_reached() {
    check_all_are_reached(&["./x", "../x", "x", ".", "..", "a/./b", "a/../b", "a/.", "a/.."]);
}

#[test]
fn components_over_255_bytes_are_reached() {
    let (long, longer, unicode) = ("x".repeat(256), "x".repeat(900), "é".repeat(300));
    let below = format!("{}/below", "y".repeat(300));
    check_all_are_reached(&[&long, &longer, &unicode, &below, "x"]);
}

#[test]
fn an_object_beside_a_directory_of_its_name_is_reached() {
    check_all_are_reached(&["a", "a/b", "a/b/c", "d/", "d/e"]);
}

#[test]
fn keys_in_escaped_form_are_reached() {
    check_all_are_reached(&[
        "@s3.name=.",
        "@s3.file=a",
        "a",
        "a/b",
        "@s3.long=x",
        "@s3.name=%2F",
        "@s3.x",
    ]);
}

#[test]
fn an_empty_component_is_a_directory_without_a_name() {
    let (site, mount) = mounted();
    check_path(&mount, &site.bucket, "a//b", "a/@s3.name=/b");
    check_path(&mount, &site.bucket, "/b", "@s3.name=/b");
}

#[test]
fn dots_are_names_under_the_escape() {
    let (site, mount) = mounted();
    check_path(&mount, &site.bucket, "./x", "@s3.name=./x");
    check_path(&mount, &site.bucket, "../x", "@s3.name=../x");
    check_path(&mount, &site.bucket, "dir/..", "dir/@s3.name=..");
}

#[test]
fn the_object_of_a_directorys_name_is_a_file_under_the_escape() {
    let (site, mount) = mounted();
    site.bucket.put("a/b", "below");
    site.bucket.put("a", "object");
    assert_eq!(mount.names(""), ["@s3.file=a", "a"]);
    check_path(&mount, &site.bucket, "a", "@s3.file=a");
    assert_eq!(mount.names(""), ["a"]);
    assert_eq!(mount.shell("cat a/b").ok(), "below");
}

#[test]
fn a_marker_with_bytes_is_a_file_in_its_directory() {
    let (site, mount) = mounted();
    site.bucket.put("dir/", "bytes");
    site.bucket.put("dir/file", "x");
    assert_eq!(mount.names("dir"), ["@s3.file=", "file"]);
    check_path(&mount, &site.bucket, "dir/", "dir/@s3.file=");
}

#[test]
fn a_key_under_the_escape_is_renamed_to_a_plain_one() {
    let (site, mount) = mounted();
    site.bucket.put("a//b", "bytes");
    mount.shell("mv a/@s3.name=/b plain").ok();
    assert_eq!(site.bucket.get("plain").as_deref(), Some(b"bytes".as_slice()));
    assert!(site.bucket.head("a//b").is_none());
}
