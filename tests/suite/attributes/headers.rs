//! What S3 says of an object, and the headers and classes that can be given to it.

use serde_json::json;

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

/// Attribute, a value, and how boto3 calls it.
const HEADERS: [(&str, &str, &str); 6] = [
    ("user.s3.content-type", "text/x-special; charset=utf-8", "ContentType"),
    ("user.s3.content-encoding", "gzip", "ContentEncoding"),
    ("user.s3.content-language", "de-AT", "ContentLanguage"),
    ("user.s3.content-disposition", "attachment; filename=\"a b\"", "ContentDisposition"),
    ("user.s3.cache-control", "max-age=5, public", "CacheControl"),
    ("user.s3.website-redirect-location", "/other", "WebsiteRedirectLocation"),
];

#[test]
fn headers_go_both_ways() {
    on_both(|bench| {
        bench.mount.shell("echo text > file.html").ok();
        for (name, value, header) in HEADERS {
            bench.set("file.html", name, value);
            assert_eq!(bench.head("file.html")[header], value, "{name}");
        }
        let mut put = json!({ "Key": "theirs.html", "Body": "x" });
        HEADERS.iter().for_each(|(_, value, header)| put[header] = json!(value));
        bench.s3("put_object", put);
        for (name, value, _) in HEADERS {
            assert_eq!(bench.get("theirs.html", name), value);
        }
        bench.mount.shell("echo other > file.html && mv file.html moved.html").ok();
        for (name, value, header) in HEADERS {
            assert_eq!(bench.head("moved.html")[header], value, "{name}");
        }
    });
    // ministack keeps the headers that a copy does not name.
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.mount.shell("echo text > file.html").ok();
    for (name, value, _) in HEADERS {
        bench.set("file.html", name, value);
        bench.remove("file.html", name);
    }
    let head = bench.head("file.html");
    assert_eq!(head["ContentType"], "text/html");
    assert!(HEADERS[1..].iter().all(|(_, _, header)| head[header].is_null()), "{head}");
    bench.none("file.html", "user.s3.cache-control");
}

#[test]
fn an_expiry_is_a_date() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.mount.shell("echo text > file").ok();
    bench.set("file", "user.s3.expires", "Wed, 21 Oct 2037 07:28:00 GMT");
    assert_eq!(bench.head("file")["Expires"], "2037-10-21T07:28:00Z");
    bench.refuse("file", "user.s3.expires", "tomorrow", "Invalid argument");
    assert_eq!(bench.get("file", "user.s3.expires"), "Wed, 21 Oct 2037 07:28:00 GMT");
}

#[test]
fn what_s3_says_of_an_object_is_shown() {
    on_both(|bench| {
        bench.s3(
            "put_bucket_versioning",
            json!({
                "VersioningConfiguration": { "Status": "Enabled" }
            }),
        );
        let put = bench.s3(
            "put_object",
            json!({
                "Key": "dir/file", "Body": "text", "ChecksumAlgorithm": "SHA256"
            }),
        );
        let get = |name: &str| bench.get("dir/file", name);
        assert_eq!(get("user.s3.bucket"), bench.site.bucket.name);
        assert_eq!(get("user.s3.key"), "dir/file");
        assert_eq!(format!("\"{}\"", get("user.s3.etag")), put["ETag"].as_str().unwrap());
        assert_eq!(get("user.s3.version-id"), put["VersionId"].as_str().unwrap());
        let head = bench.head("dir/file");
        assert_eq!(get("user.s3.last-modified"), head["LastModified"].as_str().unwrap());
        let acl = bench.s3("get_object_acl", json!({ "Key": "dir/file" }));
        assert!(get("user.s3.owner").starts_with(acl["Owner"]["ID"].as_str().unwrap()));
        let sums = bench.s3("head_object", json!({ "Key": "dir/file", "ChecksumMode": "ENABLED" }));
        let expected = format!("sha256={}", sums["ChecksumSHA256"].as_str().unwrap());
        assert_eq!(get("user.s3.checksum"), expected);
        bench.s3("put_object", json!({ "Key": "dir/file", "Body": "again" }));
        bench.s3("put_object", json!({ "Key": "dir/file2", "Body": "beside" }));
        let versions = get("user.s3.versions");
        assert_eq!(versions.lines().count(), 2, "{versions}");
        assert!(versions.lines().next().unwrap().contains(" 5 latest"), "{versions}");
        assert!(versions.contains(put["VersionId"].as_str().unwrap()), "{versions}");
        bench.s3("delete_object", json!({ "Key": "dir/file2" }));
        bench.none("dir", "user.s3.etag");
    });
}

#[test]
fn an_address_gives_the_bytes_to_anyone() {
    on_both(|bench| {
        bench.mount.shell("echo text > 'a file'").ok();
        for name in ["user.s3.url", "user.s3.url.60"] {
            let url = bench.get("a file", name);
            let fetch = format!("curl -fsS '{url}'");
            assert_eq!(bench.mount.shell(&fetch).ok(), "text\n", "{name}");
        }
        assert!(bench.get("a file", "user.s3.url.60").contains("X-Amz-Expires=60"));
        bench.none("a file", "user.s3.url.0");
        bench.none("a file", "user.s3.url.604801");
    });
}

#[test]
fn a_storage_class_is_changed_in_place() {
    on_both(|bench| {
        bench.mount.shell("echo text > file && chmod 640 file").ok();
        bench.set("file", "user.colour", "green");
        assert_eq!(bench.get("file", "user.s3.storage-class"), "STANDARD");
        bench.set("file", "user.s3.storage-class", "STANDARD_IA");
        let head = bench.head("file");
        assert_eq!(head["StorageClass"], "STANDARD_IA");
        assert_eq!(head["Metadata"]["colour"], "green");
        bench.mount.shell("echo other > file && chmod 600 file && mv file moved").ok();
        assert_eq!(bench.get("moved", "user.s3.storage-class"), "STANDARD_IA");
        bench.set("moved", "user.s3.storage-class", "STANDARD");
        assert_eq!(bench.get("moved", "user.s3.storage-class"), "STANDARD");
        assert_eq!(bench.mount.shell("stat -c %a moved && cat moved").ok(), "600\nother\n");
        bench.refuse("moved", "user.s3.storage-class", "PAPER", "Invalid argument");
    });
}

#[test]
fn new_files_are_of_the_class_of_the_mount() {
    for kind in [Kind::Pailfs, Kind::Ministack] {
        let bench = Bench::new(kind, &["--storage-class", "STANDARD_IA"]);
        bench.s3(
            "put_object",
            json!({
                "Key": "theirs", "Body": "x", "StorageClass": "ONEZONE_IA"
            }),
        );
        bench.mount.shell("echo text > file && echo other > theirs && cp file copy").ok();
        bench.mount.shell("head -c 20M /dev/zero > large").ok();
        for key in ["file", "copy", "large"] {
            assert_eq!(bench.head(key)["StorageClass"], "STANDARD_IA", "{key}");
        }
        assert_eq!(bench.head("theirs")["StorageClass"], "ONEZONE_IA");
    }
}

#[test]
fn encryption_is_shown_and_changed_in_place() {
    on_both(|bench| {
        let put = json!({ "Key": "file", "Body": "text", "ServerSideEncryption": "AES256" });
        bench.s3("put_object", put);
        assert_eq!(bench.get("file", "user.s3.encryption"), "AES256");
        bench.set("file", "user.s3.encryption", "aws:kms alias/mine");
        let head = bench.head("file");
        assert_eq!(head["ServerSideEncryption"], "aws:kms");
        assert_eq!(head["SSEKMSKeyId"], "alias/mine");
        assert_eq!(bench.mount.shell("cat file").ok(), "text");
        bench.refuse("file", "user.s3.encryption", "rot13", "Invalid argument");
    });
}
