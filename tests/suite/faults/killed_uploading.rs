//! The mount dies while parts of a file are in S3.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::mount::Site;
use crate::support::servers::Kind;
use crate::support::wait::until;

/// Of the file that is being written: several parts.
const FILE_BYTES: usize = 64 << 20;

#[test]
fn parts_that_a_killed_mount_left_in_s3_are_removed_by_the_next_mount() {
    let site = Site::new(Kind::Pailfs);
    site.bucket.begin_upload("theirs");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let state = directory.path().to_str().expect("a path in UTF-8");
    let arguments = ["--log", "info", "--state-dir", state];
    let mut mount = site.mount(&arguments);
    // A program of its own: a child that another test starts has no copy of its descriptor.
    let mut writer = Command::new("sh")
        .args(["-c", "exec cat >\"$0\""])
        .arg(mount.path("file"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let mut input = writer.stdin.take().expect("its input");
    input.write_all(&vec![b'x'; FILE_BYTES]).expect("it reads what it is to write");
    until("parts are in S3", Duration::from_secs(60), || site.bucket.parts("file") > 0);
    mount.kill();
    drop(input);
    writer.wait().expect("it ends");
    drop(mount);
    assert_eq!(site.bucket.get("file"), None, "nothing was completed");
    assert!(site.bucket.parts("file") > 0, "the parts are still there");
    assert_eq!(site.bucket.uploads(), 2);

    let next = site.mount(&arguments);
    until("the upload is gone", Duration::from_secs(60), || site.bucket.uploads() == 1);
    assert_eq!(site.bucket.parts("file"), 0);
    assert_eq!(site.bucket.uploading(), ["theirs"], "somebody else's stays");
    let said = || next.log().contains("aborted an interrupted upload");
    until("it is in the log", Duration::from_secs(10), said);
}
