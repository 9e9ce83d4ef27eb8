//! Names and values that make no sense, and places that have none.

use serde_json::json;

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

/// Every document of a bucket that is an attribute by name.
const DOCUMENTS: [&str; 12] = [
    "cors",
    "lifecycle",
    "policy",
    "tags",
    "encryption",
    "website",
    "public-access-block",
    "ownership",
    "notification",
    "logging",
    "versioning",
    "object-lock",
];

#[test]
fn documents_that_make_no_sense_are_refused_and_change_nothing() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let before = bench.get(".", "user.s3");
    for document in DOCUMENTS {
        let name = format!("user.s3.{document}");
        for value in ["{", "[]", "nonsense", "<a>", "<Unknown></Unknown>", ""] {
            bench.refuse(".", &name, value, "Invalid argument");
        }
        if document != "policy" {
            bench.refuse(".", &name, "{\"Rulez\": []}", "Invalid argument");
        }
    }
    assert_eq!(bench.get(".", "user.s3"), before);
    let log = bench.mount.log();
    assert!(DOCUMENTS.iter().all(|name| log.contains(&format!("user.s3.{name} failed"))), "{log}");
}

#[test]
fn a_wrong_name_is_told_from_one_that_something_else_has() {
    on_both(|bench| {
        bench.mount.shell("echo text > file && mkdir dir").ok();
        bench.refuse("file", "user.s3.colour", "green", "Invalid argument");
        bench.refuse("file", "user.s3.cors", "{}", "Operation not supported");
        bench.refuse(".", "user.s3.storage-class", "GLACIER", "Operation not supported");
        bench.refuse(".", "user.colour", "green", "Operation not supported");
        bench.refuse("file", "user.s3.etag", "1", "Operation not permitted");
        bench.refuse("file", "trusted.colour", "green", "Operation not supported");
        bench.none("file", "user.s3.cors");
        bench.none("file", "user.s3.nothing");
        bench.none("file", "user.nothing");
        bench.none("dir", "user.nothing");
        let said = bench.setfattr(&["-x", "user.s3.etag"], "file").refused();
        assert!(said.contains("Operation not permitted"), "{said}");
        let said = bench.setfattr(&["-x", "user.nothing"], "file").refused();
        assert!(said.contains("No such attribute"), "{said}");
    });
}

#[test]
fn the_root_of_all_buckets_has_no_attributes_of_s3() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let mount = bench.site.mount_source("/", &[]);
    let script = "setfattr -n user.colour -v green .";
    assert!(mount.shell(script).refused().contains("not supported"));
    assert!(mount.shell("getfattr -n user.s3.acl .").refused().contains("No such attribute"));
    mount.shell("setfattr -n user.pailfs.refresh -v 1 .").ok();
    let acl = format!("getfattr --only-values -n user.s3.location {}", bench.site.bucket.name);
    assert_eq!(mount.shell(&acl).ok(), "us-east-1");
}

#[test]
fn a_read_only_mount_shows_all_and_changes_nothing() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.s3("put_object", json!({ "Key": "file", "Body": "x", "Metadata": { "a": "1" } }));
    let mount = bench.site.mount(&["--read-only"]);
    for change in [
        "setfattr -n user.a -v 2 file",
        "setfattr -x user.a file",
        "setfattr -n user.s3.acl -v public-read file",
        "setfattr -n user.s3.tag.a -v 1 file",
        "setfattr -n user.s3.versioning -v Enabled .",
    ] {
        let said = mount.shell(change).refused();
        assert!(said.contains("Read-only"), "{change}: {said}");
    }
    assert_eq!(mount.shell("getfattr --only-values -n user.a file").ok(), "1");
    assert_eq!(bench.head("file")["Metadata"], json!({ "a": "1" }));
}

#[test]
fn a_file_that_is_gone_has_no_attributes() {
    let bench = Bench::new(Kind::Pailfs, &["--ttl", "0"]);
    bench.mount.shell("echo text > file").ok();
    bench.s3("delete_object", json!({ "Key": "file" }));
    for name in ["user.s3.etag", "user.colour", "user.s3.acl"] {
        let said = bench.try_get("file", name).refused();
        assert!(said.contains("No such file"), "{name}: {said}");
    }
    bench.refuse("file", "user.colour", "green", "No such file");
}
