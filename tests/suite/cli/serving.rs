//! `pailfs serve` and `pailfs demo`: an S3 without an account.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::child::{Child, Leftover};
use crate::support::command::{Output, run};
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

/// A server that takes these keys, until it is dropped.
struct Served {
    child: Child,
    endpoint: String,
    directory: TempDir,
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(tools::pailfs());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path());
        command.args(["--access-key", "the-key", "--secret-key", "the-secret"]).args(arguments);
        let child = Child::spawn("serve", command, Leftover::Directory(directory.path()));
        let endpoint = said(&child, "http://127.0.0.1:");
        Self { child, endpoint, directory }
    }

    /// Runs the AWS command line.
    #[track_caller]
    fn aws(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(tools::tool("aws"));
        command.args(["--endpoint-url", &self.endpoint, "--region", "us-east-1"]).args(arguments);
        command.env("AWS_ACCESS_KEY_ID", "the-key").env("AWS_SECRET_ACCESS_KEY", "the-secret");
        command.current_dir(self.directory.path());
        run(command)
    }
}

#[test]
fn serve_answers_the_aws_command_line_until_it_is_terminated() {
    let mut served = Served::start(&[]);
    let aws = |arguments: &[&str]| served.aws(arguments).ok();
    let path = |name: &str| served.directory.path().join(name);
    std::fs::write(path("local"), vec![b'x'; 20 << 20]).expect("a file");
    aws(&["s3", "mb", "s3://shelf"]);
    aws(&["s3", "cp", "--no-progress", "local", "s3://shelf/dir/large"]);
    aws(&["s3", "cp", "--no-progress", "s3://shelf/dir/large", "back"]);
    assert!(std::fs::read(path("back")).ok() == Some(vec![b'x'; 20 << 20]));
    assert!(aws(&["s3", "ls", "s3://shelf/dir/"]).contains("20971520 large"));
    let everybody = "uri=http://acs.amazonaws.com/groups/global/AllUsers";
    let object = ["--bucket", "shelf", "--key", "dir/large"];
    aws(&[&["s3api", "put-object-acl", "--grant-read", everybody], &object[..]].concat());
    let acl = aws(&[&["s3api", "get-object-acl"], &object[..]].concat());
    assert!(acl.contains("AllUsers") && acl.contains("READ"), "{acl}");
    aws(&["s3", "rm", "--recursive", "s3://shelf"]);
    aws(&["s3", "rb", "s3://shelf"]);
    served.child.terminate();
    assert!(served.child.wait(PATIENCE).success());
}

#[test]
fn serve_has_buckets_of_several_regions() {
    let served = Served::start(&[]);
    std::fs::write(served.directory.path().join("local"), "text").expect("a file");
    let constraint = "LocationConstraint=eu-west-1";
    let create = ["s3api", "create-bucket", "--bucket", "faraway"];
    let configuration = ["--create-bucket-configuration", constraint];
    served.aws(&[&create[..], &configuration[..]].concat()).ok();
    // Signed for another region at first, as the tool finds out.
    served.aws(&["s3", "cp", "--no-progress", "local", "s3://faraway/there"]).ok();
    let location = served.aws(&["s3api", "get-bucket-location", "--bucket", "faraway"]).ok();
    assert!(location.contains("eu-west-1"), "{location}");
    let nowhere = ["--create-bucket-configuration", "LocationConstraint=nowhere"];
    let refused = served.aws(&[&create[..3], &["another"], &nowhere[..]].concat()).refused();
    assert!(refused.contains("InvalidLocationConstraint"), "{refused}");
}

#[test]
fn serve_lets_days_pass_in_a_second() {
    let served = Served::start(&["--day", "1"]);
    std::fs::write(served.directory.path().join("local"), "text").expect("a file");
    let rules = "{\"Rules\": [{\"ID\": \"cold\", \"Status\": \"Enabled\", \
         \"Filter\": {\"Prefix\": \"logs/\"}, \
         \"Transitions\": [{\"Days\": 1, \"StorageClass\": \"GLACIER\"}]}]}";
    served.aws(&["s3", "mb", "s3://shelf"]).ok();
    let put = ["s3api", "put-bucket-lifecycle-configuration", "--bucket", "shelf"];
    served.aws(&[&put[..], &["--lifecycle-configuration", rules]].concat()).ok();
    served.aws(&["s3", "cp", "--no-progress", "local", "s3://shelf/logs/1"]).ok();
    let head =
        || served.aws(&["s3api", "head-object", "--bucket", "shelf", "--key", "logs/1"]).ok();
    until("the object is archived", PATIENCE, || head().contains("GLACIER"));
    let refused = served.aws(&["s3", "cp", "s3://shelf/logs/1", "back"]);
    assert!(!refused.refused().is_empty());
    let restore = ["s3api", "restore-object", "--bucket", "shelf", "--key", "logs/1"];
    served.aws(&[&restore[..], &["--restore-request", "Days=1000"]].concat()).ok();
    until("it is restored", PATIENCE, || head().contains("ongoing-request=\\\"false"));
    let get = ["s3api", "get-object", "--bucket", "shelf", "--key", "logs/1", "back"];
    served.aws(&get).ok();
    assert_eq!(
        std::fs::read(served.directory.path().join("back")).ok().as_deref(),
        Some(&b"text"[..])
    );
}

#[test]
fn serve_makes_up_keys_and_lets_nobody_else_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(tools::pailfs());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path());
    let child = Child::spawn("serve", command, Leftover::Directory(directory.path()));
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
        let mut child = Child::spawn("demo", command, Leftover::Mount(mountpoint.path()));
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
