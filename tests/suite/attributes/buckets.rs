//! What belongs to a bucket: documents, tags, versions, and uploads that nobody finished.

use serde_json::{Value, json};

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

/// A document of a bucket: its attribute, boto3's methods and how they call it, and one.
struct Document {
    name: &'static str,
    get: &'static str,
    put: &'static str,
    /// How the request calls it.
    argument: &'static str,
    /// How the answer calls it; empty where it is the answer.
    answer: &'static str,
    json: &'static str,
}

const DOCUMENTS: &[Document] = &[
    Document {
        name: "user.s3.cors",
        get: "get_bucket_cors",
        put: "put_bucket_cors",
        argument: "CORSConfiguration",
        answer: "",
        json: r#"{ "CORSRules": [{
            "AllowedHeaders": ["*"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedOrigins": ["https://example.com"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 3000
        }] }"#,
    },
    Document {
        name: "user.s3.lifecycle",
        get: "get_bucket_lifecycle_configuration",
        put: "put_bucket_lifecycle_configuration",
        argument: "LifecycleConfiguration",
        answer: "",
        json: r#"{ "Rules": [
            {
                "ID": "logs",
                "Filter": { "Prefix": "logs/" },
                "Status": "Enabled",
                "Transitions": [{ "Days": 30, "StorageClass": "GLACIER" }]
            },
            {
                "Expiration": { "Days": 365 },
                "ID": "tmp",
                "Filter": { "Prefix": "tmp/" },
                "Status": "Disabled"
            }
        ] }"#,
    },
    Document {
        name: "user.s3.encryption",
        get: "get_bucket_encryption",
        put: "put_bucket_encryption",
        argument: "ServerSideEncryptionConfiguration",
        answer: "ServerSideEncryptionConfiguration",
        json: r#"{ "Rules": [{
            "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" },
            "BucketKeyEnabled": false
        }] }"#,
    },
    Document {
        name: "user.s3.website",
        get: "get_bucket_website",
        put: "put_bucket_website",
        argument: "WebsiteConfiguration",
        answer: "",
        json: r#"{
            "IndexDocument": { "Suffix": "index.html" },
            "ErrorDocument": { "Key": "error.html" }
        }"#,
    },
    Document {
        name: "user.s3.public-access-block",
        get: "get_public_access_block",
        put: "put_public_access_block",
        argument: "PublicAccessBlockConfiguration",
        answer: "PublicAccessBlockConfiguration",
        json: r#"{
            "BlockPublicAcls": true,
            "IgnorePublicAcls": false,
            "BlockPublicPolicy": true,
            "RestrictPublicBuckets": false
        }"#,
    },
    Document {
        name: "user.s3.ownership",
        get: "get_bucket_ownership_controls",
        put: "put_bucket_ownership_controls",
        argument: "OwnershipControls",
        answer: "OwnershipControls",
        json: r#"{ "Rules": [{ "ObjectOwnership": "ObjectWriter" }] }"#,
    },
];

fn outside(bench: &Bench, document: &Document) -> Value {
    let mut answer = bench.s3(document.get, json!({}));
    if !document.answer.is_empty() {
        return answer[document.answer].take();
    }
    // Said beside the document, not in it.
    if let Some(members) = answer.as_object_mut() {
        members.remove("TransitionDefaultMinimumObjectSize");
    }
    answer
}

#[test]
fn documents_go_both_ways_and_can_be_deleted() {
    on_both(|bench| {
        for document in DOCUMENTS {
            let name = document.name;
            let value: Value = serde_json::from_str(document.json).unwrap();
            bench.set(".", name, document.json);
            assert_eq!(outside(bench, document), value, "{name}");
            assert_eq!(bench.get_json(".", name), value, "{name}");
            bench.remove(".", name);
            // There are servers, AWS among them, that encrypt by default whatever is said.
            if name != "user.s3.encryption" {
                let left = bench.try_s3(document.get, json!({}));
                assert!(left.is_err(), "{name}: {left:?}");
                bench.none(".", name);
            }
            let mut put = json!({});
            put[document.argument] = value.clone();
            bench.s3(document.put, put);
            assert_eq!(bench.get_json(".", name), value, "{name}");
        }
    });
}

#[test]
fn a_lifecycle_is_read_back_rule_by_rule() {
    on_both(|bench| {
        let xml = "<LifecycleConfiguration><Rule><ID>archive</ID><Filter><Prefix>logs/</Prefix>\
                   </Filter><Status>Enabled</Status><Transition><Days>30</Days>\
                   <StorageClass>GLACIER</StorageClass></Transition></Rule>\
                   </LifecycleConfiguration>";
        bench.set(".", "user.s3.lifecycle", xml);
        let rules = bench.get_json(".", "user.s3.lifecycle")["Rules"].clone();
        assert_eq!(rules.as_array().map(Vec::len), Some(1));
        assert_eq!(rules[0]["ID"], "archive");
        assert_eq!(rules[0]["Filter"]["Prefix"], "logs/");
        assert_eq!(rules[0]["Transitions"], json!([{ "Days": 30, "StorageClass": "GLACIER" }]));
        let outside = bench.s3("get_bucket_lifecycle_configuration", json!({}));
        assert_eq!(outside["Rules"], rules);
    });
}

#[test]
fn a_policy_is_json_as_it_was_given() {
    on_both(|bench| {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": format!("arn:aws:s3:::{}/*", bench.site.bucket.name),
            }],
        });
        bench.set(".", "user.s3.policy", &policy.to_string());
        let outside = bench.s3("get_bucket_policy", json!({}));
        let outside: Value = serde_json::from_str(outside["Policy"].as_str().unwrap()).unwrap();
        assert_eq!(outside, policy);
        assert_eq!(bench.get_json(".", "user.s3.policy"), policy);
        bench.remove(".", "user.s3.policy");
        bench.none(".", "user.s3.policy");
    });
}

#[test]
fn a_bucket_has_tags() {
    on_both(|bench| {
        bench.none(".", "user.s3.tags");
        bench.set(".", "user.s3.tag.team", "storage");
        bench.set(".", "user.s3.tag.stage", "test");
        let tags = bench.s3("get_bucket_tagging", json!({}))["TagSet"].clone();
        assert_eq!(tags.as_array().map(Vec::len), Some(2), "{tags}");
        bench.remove(".", "user.s3.tag.team");
        assert_eq!(bench.get(".", "user.s3.tag.stage"), "test");
        bench.set(".", "user.s3.tags", r#"{"a": "1"}"#);
        assert_eq!(
            bench.get_json(".", "user.s3.tags"),
            json!({ "TagSet": [{ "Key": "a", "Value": "1" }] })
        );
        bench.remove(".", "user.s3.tags");
        bench.none(".", "user.s3.tags");
    });
}

#[test]
fn states_are_words() {
    on_both(|bench| {
        assert_eq!(bench.get(".", "user.s3.versioning"), "Off");
        bench.set(".", "user.s3.versioning", "enabled");
        assert_eq!(bench.s3("get_bucket_versioning", json!({}))["Status"], "Enabled");
        bench.set(".", "user.s3.versioning", "Suspended");
        assert_eq!(bench.get(".", "user.s3.versioning"), "Suspended");
        bench.refuse(".", "user.s3.versioning", "Off", "Invalid argument");
        assert_eq!(bench.get(".", "user.s3.location"), "us-east-1");
        assert_eq!(bench.get(".", "user.s3.bucket"), bench.site.bucket.name);
    });
    let bench = Bench::new(Kind::Pailfs, &[]);
    assert_eq!(bench.get(".", "user.s3.request-payment"), "BucketOwner");
    bench.set(".", "user.s3.request-payment", "Requester");
    let outside = bench.s3("get_bucket_request_payment", json!({}));
    assert_eq!(outside["Payer"], "Requester");
}

#[test]
fn what_can_not_be_deleted_is_turned_off() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let target = bench.site.bucket.name.clone();
    let logging = json!({ "LoggingEnabled": { "TargetBucket": target, "TargetPrefix": "logs/" } });
    bench.set(".", "user.s3.logging", &logging.to_string());
    assert_eq!(bench.s3("get_bucket_logging", json!({})), logging);
    bench.remove(".", "user.s3.logging");
    assert_eq!(bench.s3("get_bucket_logging", json!({})), json!({}));
    let queue = json!({ "QueueConfigurations": [{
        "Id": "all",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:queue",
        "Events": ["s3:ObjectCreated:*"],
    }] });
    bench.set(".", "user.s3.notification", &queue.to_string());
    let outside = bench.s3("get_bucket_notification_configuration", json!({}));
    assert_eq!(outside, queue);
    bench.remove(".", "user.s3.notification");
    assert_eq!(bench.get(".", "user.s3.notification"), "{}");
}

#[test]
fn uploads_in_progress_are_seen_and_aborted_by_age() {
    on_both(|bench| {
        assert_eq!(bench.get(".", "user.s3.uploads"), "");
        for key in ["logs/a b", "other"] {
            let created = bench.s3("create_multipart_upload", json!({ "Key": key }));
            bench.s3(
                "upload_part",
                json!({
                    "Key": key, "UploadId": created["UploadId"], "PartNumber": 1, "Body": "12345"
                }),
            );
        }
        let shown = bench.get(".", "user.s3.uploads");
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(shown.lines().all(|line| line.contains(" parts=1 bytes=5 ")), "{shown}");
        assert!(shown.lines().any(|line| line.ends_with(" logs/a b")), "{shown}");
        bench.set(".", "user.s3.uploads", "abort older-than=1h");
        assert_eq!(bench.get(".", "user.s3.uploads"), shown, "they are younger");
        bench.set(".", "user.s3.uploads", "abort older-than=0s prefix=logs/a");
        let left = bench.s3("list_multipart_uploads", json!({}));
        assert_eq!(left["Uploads"].as_array().map(Vec::len), Some(1), "{left}");
        bench.set(".", "user.s3.uploads", "abort older-than=0s");
        assert_eq!(bench.get(".", "user.s3.uploads"), "");
        bench.refuse(".", "user.s3.uploads", "abort", "Invalid argument");
        bench.refuse(".", "user.s3.uploads", "abort older-than=soon", "Invalid argument");
    });
}

#[test]
fn a_file_being_written_in_parts_is_an_upload_in_progress() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let script = r#"python3 - <<'END'
import os, time
uploads = lambda: os.getxattr(".", "user.s3.uploads").decode()
with open("large", "wb", buffering=0) as file:
    for _ in range(40):
        file.write(b"x" * (1 << 20))
    deadline = time.monotonic() + 30
    while " parts=0 " in uploads() or not uploads():
        assert time.monotonic() < deadline, uploads()
    assert uploads().endswith(" large"), uploads()
assert not uploads(), uploads()
END"#;
    bench.mount.shell(script).ok();
    assert_eq!(bench.head("large")["ContentLength"], 40 << 20);
}
