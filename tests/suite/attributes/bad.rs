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

#[test]
fn what_a_file_being_written_can_not_be_is_refused_and_its_bytes_are_kept() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let script = r#"python3 - <<'END'
import errno, os
with open("file", "w") as file:
    file.write("text")
    file.flush()
    for name, value in [("storage-class", b"NOPE"), ("expires", b"tomorrow")]:
        try:
            os.setxattr(file.fileno(), "user.s3." + name, value)
        except OSError as error:
            assert error.errno == errno.EINVAL, error
            continue
        raise AssertionError("it was taken")
END
cat file"#;
    assert_eq!(bench.mount.shell(script).ok(), "text");
    assert_eq!(bench.site.bucket.get("file").as_deref(), Some(&b"text"[..]));
}

#[test]
fn a_file_whose_name_is_gone_leaves_the_next_of_that_name_alone() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let script = r#"python3 - <<'END'
import errno, os
file = open("file", "w")
os.unlink("file")
open("file", "w").close()
directory = os.open("dir", os.O_RDONLY) if os.mkdir("dir") is None else None
os.rmdir("dir")
for at, name, value in [(file.fileno(), "user.s3.acl", b"public-read"),
                        (file.fileno(), "user.s3.tag.a", b"1"), (directory, "user.a", b"1")]:
    try:
        os.setxattr(at, name, value)
    except OSError as error:
        assert error.errno == errno.ESTALE, error
        continue
    raise AssertionError(name)
END"#;
    bench.mount.shell(script).ok();
    assert_eq!(bench.site.bucket.grants("file"), 1);
    assert_eq!(bench.site.bucket.keys(), ["file"]);
}

#[test]
fn what_s3_knows_of_a_file_is_its_owners_to_change() {
    let site = crate::support::mount::Site::new(Kind::Pailfs);
    let mount = site.mount(&["-o", "allow_other"]);
    mount.shell("chmod 777 . && echo text > file && chmod 666 file").ok();
    let script = r#"python3 - <<'END'
import errno, os
os.setgid(1234)
os.setuid(1234)
os.setxattr("file", "user.colour", b"green")
open("own", "w").close()
os.setxattr("own", "user.s3.tag.a", b"1")
def refused(act, *arguments):
    try:
        act(*arguments)
    except PermissionError as error:
        assert error.errno == errno.EPERM, error
        return
    raise AssertionError(arguments)
for path, name, value in [("file", "user.s3.acl", b"public-read"), ("file", "user.s3.tags", b"{}"),
                          (".", "user.s3.versioning", b"Enabled")]:
    refused(os.setxattr, path, name, value)
refused(os.removexattr, "file", "user.s3.acl")
refused(os.getxattr, "file", "user.s3.url")
assert b"user.s3.url" not in os.getxattr("file", "user.s3")
os.getxattr("own", "user.s3.url")
END"#;
    mount.shell(script).ok();
    assert_eq!(site.bucket.grants("file"), 1);
}

#[test]
fn a_set_that_fails_makes_no_marker() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.s3("put_object", json!({ "Key": "dir/file", "Body": "x" }));
    for (name, value) in
        [("acl", "nope"), ("tags", "junk"), ("restore", "x"), ("grant", "READ"), ("tag.a", "")]
    {
        let name = format!("user.s3.{name}");
        if name != "user.s3.tag.a" {
            bench.refuse("dir", &name, value, "Invalid argument");
        }
        let removed = bench.setfattr(&["-x", &name], "dir").refused();
        assert!(!removed.is_empty());
    }
    assert_eq!(bench.site.bucket.keys(), ["dir/file"]);
    assert_eq!(bench.get_json("dir", "user.pailfs.info"), json!({}));
    bench.refuse("dir", "user.", "x", "Invalid argument");
}
