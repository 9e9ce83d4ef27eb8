//! `pailfs serve` and `pailfs demo`: an S3 without an account.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::child::Child;
use crate::support::command::run;
use crate::support::mount::Mountpoint;
use crate::support::servers::{Keys, connect};
use crate::support::tools;
use crate::support::wait::{poll, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// The first word in what a child says that starts so, once it is there.
#[track_caller]
fn said(child: &Child, start: &str) -> String {
    let find = || {
        let log = child.log();
        // A line that is still being written has no end.
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut words = lines.flat_map(str::split_whitespace);
        words.find(|word| word.starts_with(start)).map(str::to_owned)
    };
    poll(PATIENCE, find).unwrap_or_else(|| panic!("{start} is not in: {}", child.log()))
}

#[test]
fn serve_answers_the_aws_command_line_until_it_is_terminated() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(tools::pailfs());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path());
    command.args(["--access-key", "the-key", "--secret-key", "the-secret"]);
    let mut child = Child::spawn("serve", command, Path::new(""));
    let endpoint = said(&child, "http://127.0.0.1:");
    let aws = |arguments: &[&str]| {
        let mut command = Command::new(tools::tool("aws"));
        command.args(["--endpoint-url", &endpoint, "--region", "us-east-1"]).args(arguments);
        command.env("AWS_ACCESS_KEY_ID", "the-key").env("AWS_SECRET_ACCESS_KEY", "the-secret");
        command.current_dir(directory.path());
        run(command).ok()
    };
    std::fs::write(directory.path().join("local"), vec![b'x'; 20 << 20]).expect("a file");
    aws(&["s3", "mb", "s3://shelf"]);
    aws(&["s3", "cp", "--no-progress", "local", "s3://shelf/dir/large"]);
    aws(&["s3", "cp", "--no-progress", "s3://shelf/dir/large", "back"]);
    assert!(std::fs::read(directory.path().join("back")).ok() == Some(vec![b'x'; 20 << 20]));
    assert!(aws(&["s3", "ls", "s3://shelf/dir/"]).contains("20971520 large"));
    assert!(
        aws(&["s3api", "get-object-acl", "--bucket", "shelf", "--key", "dir/large"])
            .contains("FULL_CONTROL")
    );
    aws(&["s3", "rm", "--recursive", "s3://shelf"]);
    aws(&["s3", "rb", "s3://shelf"]);
    child.terminate();
    assert!(child.wait(PATIENCE).success());
}

#[test]
fn serve_makes_up_keys_and_lets_nobody_else_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(tools::pailfs());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path());
    let child = Child::spawn("serve", command, Path::new(""));
    let endpoint = said(&child, "http://127.0.0.1:");
    let store = connect(&endpoint, &Keys::default());
    let listed = crate::support::runtime::block_on(store.list_buckets());
    assert!(listed.is_err(), "made-up keys are not test:test");
}

#[test]
fn a_demo_is_a_mount_that_remembers() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mountpoint = Mountpoint::new();
    let demo = || {
        let mut command = Command::new(tools::pailfs());
        command.arg("demo").arg(mountpoint.path()).arg("--data").arg(data.path());
        let mut child = Child::spawn("demo", command, mountpoint.path());
        let what = "the demo is mounted";
        until(what, PATIENCE, || child.ended().is_some() || mountpoint.is_mounted());
        assert!(child.ended().is_none(), "the demo goes on: {}", child.log());
        child
    };
    let end = |mut child: Child| {
        child.terminate();
        assert!(child.wait(PATIENCE).success());
        assert!(!mountpoint.is_mounted());
    };
    let first = demo();
    let files = std::fs::read_dir(mountpoint.path()).expect("the mount").count();
    assert!(files > 0, "there is something to see");
    std::fs::write(mountpoint.path().join("mine"), "text").expect("a write");
    end(first);
    let second = demo();
    assert_eq!(
        std::fs::read(mountpoint.path().join("mine")).ok().as_deref(),
        Some(b"text".as_slice())
    );
    end(second);
}
