//! What a mount knows by itself, and all attributes at once.

use std::io::Write;

use serde_json::{Value, json};

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

#[test]
fn the_state_of_a_file_tells_whether_s3_has_it() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let script = r#"python3 - <<'END'
import os
state = lambda: os.getxattr("file", "user.pailfs.state").decode()
with open("file", "wb", buffering=0) as file:
    file.write(b"x" * 1000)
    assert state() == "dirty 1000", state()
    os.setxattr("file", "user.pailfs.sync", b"1")
    assert state() == "clean", state()
    file.write(b"y")
    assert state().startswith("dirty "), state()
    os.setxattr(".", "user.pailfs.sync", b"1")
    assert state() == "clean", state()
assert state() == "clean", state()
assert int(os.getxattr("file", "user.pailfs.cached")) >= 0
open("file", "rb").read()
assert int(os.getxattr("file", "user.pailfs.cached")) == 1001
END"#;
    bench.mount.shell(script).ok();
    assert_eq!(bench.site.bucket.get("file").map(|bytes| bytes.len()), Some(1001));
    bench.refuse("file", "user.pailfs.state", "clean", "Operation not permitted");
}

#[test]
fn what_could_not_be_written_is_told() {
    let mut bench = Bench::new(Kind::Pailfs, &["--timeout", "2", "--ttl", "3600"]);
    let mut file = std::fs::File::create(bench.mount.path("new")).unwrap();
    file.write_all(b"text").unwrap();
    bench.site.server_mut().kill();
    assert!(file.sync_all().is_err());
    let state = bench.get("new", "user.pailfs.state");
    assert!(state.starts_with("failed "), "{state}");
    bench.site.server_mut().resume();
    file.sync_all().unwrap();
    assert_eq!(bench.get("new", "user.pailfs.state"), "clean");
}

#[test]
fn a_refresh_shows_what_others_have_done() {
    let bench = Bench::new(Kind::Pailfs, &["--ttl", "3600"]);
    bench.mount.shell("mkdir dir && echo old > dir/file && echo old > dir/gone").ok();
    let look = "ls dir && cat dir/file && (cat dir/new 2>/dev/null || echo none)";
    let before = bench.mount.shell(look).ok();
    assert_eq!(before, "file\ngone\nold\nnone\n");
    let metadata = json!({ "colour": "green" });
    bench.s3("put_object", json!({ "Key": "dir/file", "Body": "longer\n", "Metadata": metadata }));
    bench.s3("put_object", json!({ "Key": "dir/new", "Body": "new\n" }));
    bench.s3("delete_object", json!({ "Key": "dir/gone" }));
    assert_eq!(bench.mount.shell(look).ok(), before, "an hour is not over");
    bench.set("dir", "user.pailfs.refresh", "1");
    let after = crate::support::wait::poll(std::time::Duration::from_secs(10), || {
        let shown = bench.mount.shell(look).ok();
        (shown == "file\nnew\nlonger\nnew\n").then_some(())
    });
    assert!(after.is_some(), "{}", bench.mount.shell(look));
    assert_eq!(bench.get("dir/file", "user.colour"), "green");
    assert!(bench.mount.shell("stat dir/gone").refused().contains("No such file"));
}

#[test]
fn a_refresh_shows_what_was_looked_for_in_vain() {
    let bench = Bench::new(Kind::Pailfs, &["--ttl", "3600"]);
    let look = "cat dir/new 2>/dev/null || echo none";
    assert_eq!(bench.mount.shell(&format!("mkdir dir && {look}")).ok(), "none\n");
    bench.s3("put_object", json!({ "Key": "dir/new", "Body": "new\n" }));
    assert_eq!(bench.mount.shell(look).ok(), "none\n", "an hour is not over");
    bench.set("dir", "user.pailfs.refresh", "1");
    let after = crate::support::wait::poll(std::time::Duration::from_secs(10), || {
        (bench.mount.shell(look).ok() == "new\n").then_some(())
    });
    assert!(after.is_some(), "{}", bench.mount.shell(look));
}

#[test]
fn a_refresh_keeps_what_s3_does_not_have() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let script = "exec 3> file; echo text >&3; setfattr -n user.pailfs.refresh -v 1 .
                  cat file; exec 3>&-; cat file";
    assert_eq!(bench.mount.shell(script).ok(), "text\ntext\n");
}

#[test]
fn listings_name_user_metadata_unless_told_otherwise() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.mount.shell("echo text > file").ok();
    bench.set("file", "user.colour", "green");
    bench.set("file", "user.s3.cache-control", "no-store");
    let list = "getfattr file | grep ^user | sort | tr '\\n' ' '";
    assert_eq!(bench.mount.shell(list).ok(), "user.colour ");
    let all = bench.site.mount(&["--list-xattrs", "s3"]);
    let listed = all.shell(list).ok();
    for name in ["user.colour", "user.s3.cache-control", "user.s3.etag", "user.pailfs.state"] {
        assert!(listed.contains(name), "{listed}");
    }
    assert!(!listed.contains("user.s3.expires"), "only what has a value: {listed}");
    all.shell("getfattr -d file > /dev/null && getfattr -d . > /dev/null").ok();
}

#[test]
fn everything_is_shown_at_once() {
    on_both(|bench| {
        bench.mount.shell("echo text > file").ok();
        bench.set("file", "user.colour", "green");
        bench.set("file", "user.s3.tag.a", "1");
        let text = bench.get("file", "user.s3");
        assert!(text.contains("user.s3.key: file\n"), "{text}");
        assert!(text.contains("user.colour: green"), "{text}");
        let info = bench.get_json("file", "user.pailfs.info");
        assert_eq!(info["colour"], "green");
        assert_eq!(info["s3.tags"]["TagSet"], json!([{ "Key": "a", "Value": "1" }]));
        assert_eq!(info["pailfs.state"], "clean");
        let bucket: Value = bench.get_json(".", "user.pailfs.info");
        assert_eq!(bucket["s3.bucket"], bench.site.bucket.name);
        assert_eq!(bucket["s3.location"], "us-east-1");
        assert!(bucket["s3.acl"]["Owner"]["ID"].is_string(), "{bucket}");
    });
}
