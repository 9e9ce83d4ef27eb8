//! Archived objects: seen at once, read when they are restored.

use std::time::Duration;

use pailfs::store::types::CreateBucket;
use serde_json::json;

use crate::attributes::{Bench, on_both};
use crate::support::hosted::Hosted;
use crate::support::runtime::block_on;
use crate::support::servers::Kind;
use crate::support::wait;

const PATIENCE: Duration = Duration::from_secs(30);

fn archived(bench: &Bench) {
    bench.s3("put_object", json!({ "Key": "file", "Body": "text", "StorageClass": "GLACIER" }));
    assert_eq!(bench.get("file", "user.s3.storage-class"), "GLACIER");
    assert_eq!(bench.mount.shell("stat -c %s file").ok(), "4\n");
}

#[test]
fn an_archived_file_is_read_once_it_is_restored() {
    on_both(|bench| {
        archived(bench);
        assert_eq!(bench.get("file", "user.s3.restore"), "none");
        bench.none("file", "user.s3.ongoing-restore");
        assert!(bench.mount.shell("cat file").refused().contains("Permission denied"));
        let log = bench.mount.log();
        assert!(log.contains("archived (GLACIER)") && log.contains("user.s3.restore"), "{log}");
        bench.set("file", "user.s3.restore", "days=5 tier=Standard");
        let restored = wait::poll(PATIENCE, || {
            let state = bench.get("file", "user.s3.ongoing-restore");
            assert!(state == "true" || state == "false", "{state}");
            (state == "false").then_some(())
        });
        assert!(restored.is_some(), "{}", bench.get("file", "user.s3.restore"));
        let shown = bench.head("file")["Restore"].as_str().unwrap().to_owned();
        assert!(shown.contains("ongoing-request=\"false\""), "{shown}");
        let until = bench.get("file", "user.s3.expiry-date");
        assert_eq!(bench.get("file", "user.s3.restore"), format!("available until {until}"));
        assert_eq!(bench.mount.shell("cat file").ok(), "text");
    });
}

#[test]
fn an_open_of_an_archived_file_fails_at_once() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    archived(&bench);
    let script = r#"python3 - <<'END'
import errno, os
for flags in [os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND]:
    try:
        os.open("file", flags)
    except OSError as error:
        assert error.errno == errno.EACCES, error
        continue
    raise AssertionError("it was opened")
END
echo new > file && cat file"#;
    // What replaces it whole needs nothing of it, and is not archived.
    assert_eq!(bench.mount.shell(script).ok(), "new\n");
    assert_eq!(bench.get("file", "user.s3.storage-class"), "STANDARD");
}

#[test]
fn a_mount_can_be_told_to_restore_what_is_opened() {
    let bench = Bench::new(Kind::Pailfs, &["--restore", "auto"]);
    archived(&bench);
    bench.mount.shell("cat file").refused();
    assert_eq!(bench.get("file", "user.s3.restore"), "ongoing");
    let read = wait::poll(PATIENCE, || {
        let output = bench.mount.shell("cat file");
        (output.code == Some(0)).then_some(output.stdout)
    });
    assert_eq!(read.as_deref(), Some("text"), "{}", bench.mount.log());
}

#[test]
fn what_can_not_be_restored_is_refused_in_s3_s_words() {
    on_both(|bench| {
        bench.mount.shell("echo text > file").ok();
        let said = bench.setfattr(&["-n", "user.s3.restore", "-v", "5"], "file").refused();
        assert!(said.contains("Invalid argument") || said.contains("Permission denied"), "{said}");
        let words = ["InvalidObjectState", "ObjectAlreadyInActiveTierError"];
        let log = bench.mount.log();
        assert!(words.iter().any(|code| log.contains(code)), "{log}");
        bench.refuse("file", "user.s3.restore", "forever", "Invalid argument");
        bench.refuse("file", "user.s3.restore", "days=0", "Invalid argument");
        bench.refuse("file", "user.s3.restore", "days=5 tier=Teleport", "Invalid argument");
    });
}

#[test]
fn what_a_lifecycle_rule_archives_is_seen_and_not_read() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let site = Hosted::start();
    block_on(site.store().create_bucket("bucket", CreateBucket::default())).unwrap();
    let mount = site.mount("bucket", &[]);
    let set = r#"mkdir logs && echo text > logs/file && echo text > other
        setfattr -n user.s3.lifecycle . -v '{"Rules": [{
            "ID": "archive", "Filter": {"Prefix": "logs/"}, "Status": "Enabled",
            "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}]}'"#;
    mount.shell(set).ok();
    let classes = "getfattr --only-values -n user.s3.storage-class logs/file && echo &&
        getfattr --only-values -n user.s3.storage-class other";
    assert_eq!(mount.shell(classes).ok(), "STANDARD\nSTANDARD");
    site.pass(29 * DAY);
    assert_eq!(mount.shell(classes).ok(), "STANDARD\nSTANDARD");
    site.pass(2 * DAY);
    assert_eq!(mount.shell(classes).ok(), "GLACIER\nSTANDARD");
    assert!(mount.shell("cat logs/file").refused().contains("Permission denied"));
    assert!(mount.log().contains("archived (GLACIER)"), "{}", mount.log());
    assert_eq!(mount.shell("cat other").ok(), "text\n");
}
