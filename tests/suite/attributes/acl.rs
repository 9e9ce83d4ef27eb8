//! Access control lists of buckets and objects.

use serde_json::{Value, json};

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

const CANNED: [&str; 7] = [
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "private",
];

const OF_BUCKETS: [&str; 4] = ["public-read", "public-read-write", "authenticated-read", "private"];

/// Somebody whom our server knows by this address and id.
const OTHER_EMAIL: &str = "other@example.com";
const OTHER_ID: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// The ACL of a file or, for `.`, of the bucket, as boto3 sees it.
fn outside(bench: &Bench, path: &str) -> Value {
    match path {
        "." => bench.s3("get_bucket_acl", json!({})),
        key => bench.s3("get_object_acl", json!({ "Key": key })),
    }
}

#[test]
fn canned_acls_are_set_by_name() {
    on_both(|bench| {
        bench.mount.shell("echo text > file").ok();
        for path in ["file", "."] {
            // There are servers that know the others for objects alone.
            for acl in CANNED.into_iter().filter(|acl| path == "file" || OF_BUCKETS.contains(acl)) {
                bench.set(path, "user.s3.acl", acl);
                let (shown, outside) = (bench.get_json(path, "user.s3.acl"), outside(bench, path));
                assert_eq!(shown["Grants"], outside["Grants"], "{path} {acl}");
                assert_eq!(shown["Owner"], outside["Owner"], "{path} {acl}");
            }
        }
        bench.set("file", "user.s3.acl", "public-read");
        let grants = bench.get("file", "user.s3.grant");
        assert!(grants.lines().any(|line| line == "READ all-users"), "{grants}");
        bench.remove("file", "user.s3.acl");
        assert_eq!(outside(bench, "file")["Grants"].as_array().map(Vec::len), Some(1));
    });
}

#[test]
fn a_policy_that_was_read_can_be_set() {
    on_both(|bench| {
        bench.mount.shell("echo text > one && echo text > two").ok();
        bench.set("one", "user.s3.acl", "public-read");
        let policy = bench.get("one", "user.s3.acl");
        bench.set("two", "user.s3.acl", &policy);
        assert_eq!(outside(bench, "two"), outside(bench, "one"));
        assert_eq!(bench.get("two", "user.s3.acl"), policy);
    });
}

#[test]
fn grants_are_added_one_by_one() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.mount.shell("echo text > file").ok();
    for path in ["file", "."] {
        bench.set(path, "user.s3.grant", &format!("READ email={OTHER_EMAIL}"));
        bench.set(path, "user.s3.grant", &format!("WRITE_ACP id={OTHER_ID}"));
        bench.set(path, "user.s3.grant", &format!("READ_ACP uri={ALL_USERS}"));
        bench.set(path, "user.s3.grant", "read authenticated-users");
        let grants = outside(&bench, path)["Grants"].clone();
        let grants = grants.as_array().unwrap();
        assert_eq!(grants.len(), 5, "{path}: {grants:?}");
        let by = |permission: &str, id: &str| {
            grants
                .iter()
                .any(|grant| grant["Permission"] == permission && grant["Grantee"]["ID"] == id)
        };
        assert!(by("READ", OTHER_ID), "an address is that of somebody");
        assert!(by("WRITE_ACP", OTHER_ID));
        let lines = bench.get(path, "user.s3.grant");
        assert!(lines.contains("READ_ACP all-users"), "{lines}");
        assert!(lines.contains(&format!("READ id={OTHER_ID} name=other")), "{lines}");
    }
}

#[test]
fn bad_grants_are_refused_in_s3_s_words_and_change_nothing() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.mount.shell("echo text > file").ok();
    let before = outside(&bench, "file");
    for (name, value) in [
        ("user.s3.acl", "public"),
        ("user.s3.acl", "{\"Grants\": [}"),
        ("user.s3.acl", "{\"Grants\": [{\"Permission\": \"STARE\"}]}"),
        ("user.s3.grant", "READ"),
        ("user.s3.grant", "STARE id=1"),
        ("user.s3.grant", "READ email=nobody@example.com"),
        ("user.s3.grant", "READ id=bob"),
        ("user.s3.grant", "READ uri=http://example.com"),
    ] {
        bench.refuse("file", name, value, "Invalid argument");
        assert_eq!(outside(&bench, "file"), before, "{value}");
    }
    let log = bench.mount.log();
    assert!(log.contains("UnresolvableGrantByEmailAddress"), "{log}");
    assert!(log.contains("does not match any account"), "{log}");
}
