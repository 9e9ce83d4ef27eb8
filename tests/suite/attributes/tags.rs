//! Tags, and the locks of a version.

use serde_json::json;

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

#[test]
fn tags_go_both_ways() {
    on_both(|bench| {
        bench.mount.shell("echo text > file").ok();
        let tags = || bench.s3("get_object_tagging", json!({ "Key": "file" }))["TagSet"].clone();
        bench.set("file", "user.s3.tags", r#"{"team": "storage", "cost centre": "42"}"#);
        assert_eq!(tags().as_array().map(Vec::len), Some(2));
        assert_eq!(bench.get("file", "user.s3.tag.cost centre"), "42");
        bench.set("file", "user.s3.tag.team", "network");
        bench.remove("file", "user.s3.tag.cost centre");
        assert_eq!(tags(), json!([{ "Key": "team", "Value": "network" }]));
        assert_eq!(bench.get_json("file", "user.s3.tags")["TagSet"], tags());
        bench.none("file", "user.s3.tag.nothing");
        let theirs = json!({ "TagSet": [{ "Key": "a", "Value": "1" }] });
        bench.s3("put_object_tagging", json!({ "Key": "file", "Tagging": theirs }));
        assert_eq!(bench.get_json("file", "user.s3.tags"), theirs);
        bench.mount.shell("echo other > file && chmod 600 file && mv file moved").ok();
        assert_eq!(bench.get("moved", "user.s3.tag.a"), "1");
        bench.remove("moved", "user.s3.tags");
        let left = bench.s3("get_object_tagging", json!({ "Key": "moved" }));
        assert_eq!(left["TagSet"], json!([]));
    });
}

#[test]
fn more_tags_than_s3_takes_are_refused_and_nothing_is_changed() {
    on_both(|bench| {
        bench.mount.shell("echo text > file").ok();
        bench.set("file", "user.s3.tag.kept", "1");
        let many: Vec<_> = (0..11).map(|n| json!({ "Key": n.to_string(), "Value": "" })).collect();
        let many = json!({ "TagSet": many }).to_string();
        bench.refuse("file", "user.s3.tags", &many, "Invalid argument");
        assert_eq!(bench.get("file", "user.s3.tag.kept"), "1");
        assert!(bench.mount.log().contains("setxattr of user.s3.tags"), "{}", bench.mount.log());
    });
}

#[test]
fn locks_keep_a_version() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let name = format!("locked-{:08x}", fastrand::u32(..));
    let create = json!({ "Bucket": name, "ObjectLockEnabledForBucket": true });
    crate::support::boto3::call(bench.site.server(), "create_bucket", &create).unwrap();
    let mount = bench.site.mount_source(&name, &[]);
    let script = r#"
        echo text > file
        setfattr -n user.s3.legal-hold -v ON file
        setfattr -n user.s3.retention -v '{"Mode": "GOVERNANCE", "RetainUntilDate": "2199-01-01T00:00:00Z"}' file
        getfattr --only-values -n user.s3.legal-hold file; echo
        getfattr --only-values -n user.s3.object-lock . | grep -c Enabled"#;
    assert_eq!(mount.shell(script).ok(), "ON\n1\n");
    let ask = |method: &str| {
        let about = json!({ "Bucket": name, "Key": "file" });
        crate::support::boto3::call(bench.site.server(), method, &about).unwrap()
    };
    assert_eq!(ask("get_object_legal_hold")["LegalHold"]["Status"], "ON");
    assert_eq!(ask("get_object_retention")["Retention"]["Mode"], "GOVERNANCE");
    mount.shell("setfattr -n user.s3.legal-hold -v OFF file").ok();
    assert_eq!(ask("get_object_legal_hold")["LegalHold"]["Status"], "OFF");
    // A bucket without locks has none to set.
    bench.mount.shell("echo text > file").ok();
    bench.refuse("file", "user.s3.legal-hold", "ON", "Invalid argument");
    bench.none("file", "user.s3.legal-hold");
}
