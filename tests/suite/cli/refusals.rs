//! What can't be mounted is refused, with a reason, and leaves nothing mounted.

use std::path::Path;

use crate::support::command::{Output, pailfs, run};
use crate::support::mount::{Mountpoint, Site};
use crate::support::servers::{Kind, REGION};
use crate::support::{ports, tools};

/// Mounts in the foreground, where a mount that succeeds would not end.
fn mount(site: &Site, source: &str, mountpoint: &Path, change: (&str, &str)) -> Output {
    let mut command = std::process::Command::new("timeout");
    command.args(["60", tools::pailfs(), "mount", source]).arg(mountpoint);
    command.args(["-f", "--endpoint-url", &site.server().endpoint(), "--region", REGION]);
    command.arg("--state-dir").arg(mountpoint.with_file_name("state"));
    command.envs(site.server().environment());
    if change.0.starts_with("--") {
        command.args([change.0, change.1]);
    } else {
        command.env(change.0, change.1);
    }
    run(command)
}

/// The mount must fail and say all of these words.
#[track_caller]
fn check_refused(output: Output, mountpoint: &Mountpoint, words: &[&str]) {
    assert_ne!(output.code, Some(124), "it is refused, not waited for: {output}");
    let said = output.refused();
    for word in words {
        assert!(said.contains(word), "{word:?} is in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(!mountpoint.is_mounted());
}

const NO_CHANGE: (&str, &str) = ("PAILFS_TEST", "1");

#[test]
fn a_bucket_that_is_not_there_is_not_mounted() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let output = mount(&site, "no-such-bucket", mountpoint.path(), NO_CHANGE);
    check_refused(output, &mountpoint, &["no-such-bucket"]);
}

#[test]
fn an_object_is_not_mounted_as_a_prefix() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    site.bucket.put("dir/file", "text");
    let source = format!("{}/dir/file", site.bucket.name);
    let output = mount(&site, &source, mountpoint.path(), NO_CHANGE);
    check_refused(output, &mountpoint, &["is an object"]);
}

#[test]
fn a_wrong_secret_is_refused() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let change = ("AWS_SECRET_ACCESS_KEY", "wrong");
    let output = mount(&site, &site.bucket.name, mountpoint.path(), change);
    check_refused(output, &mountpoint, &[&site.bucket.name]);
}

#[test]
fn a_key_that_nobody_knows_is_refused() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let change = ("AWS_ACCESS_KEY_ID", "nobody");
    let output = mount(&site, &site.bucket.name, mountpoint.path(), change);
    check_refused(output, &mountpoint, &[&site.bucket.name]);
}

#[test]
fn a_server_that_is_down_is_reported_in_time() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let endpoint = format!("http://127.0.0.1:{}", ports::free());
    let mut command = std::process::Command::new("timeout");
    command.args(["60", tools::pailfs(), "mount", &site.bucket.name]).arg(mountpoint.path());
    command.args(["-f", "--endpoint-url", &endpoint, "--region", REGION, "--timeout", "5"]);
    command.arg("--state-dir").arg(mountpoint.state());
    command.envs(site.server().environment());
    check_refused(run(command), &mountpoint, &[&site.bucket.name]);
}

#[test]
fn a_server_that_is_down_is_waited_for_ten_seconds_and_not_in_silence() {
    let mountpoint = Mountpoint::new();
    let endpoint = format!("http://127.0.0.1:{}", ports::free());
    let mut command = std::process::Command::new("timeout");
    command.args(["60", tools::pailfs(), "mount", "bucket"]).arg(mountpoint.path());
    command.args(["-f", "--endpoint-url", &endpoint, "--region", REGION, "--no-sign-request"]);
    command.arg("--state-dir").arg(mountpoint.state());
    let waiting = format!("waiting for {endpoint}");
    check_refused(run(command), &mountpoint, &[&waiting, "within 10 s", "connection refused"]);
}

/// Mounts a bucket that is not there with the right keys in the environment, and besides them a
/// profile of keys that nobody knows.
fn mount_with_profile(
    mountpoint: &Mountpoint,
    words: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    let site = Site::new(Kind::Pailfs);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("credentials");
    let text = "[stranger]\naws_access_key_id = stranger\naws_secret_access_key = secret\n";
    std::fs::write(&file, text).expect("a file of profiles");
    let mut command = std::process::Command::new("timeout");
    command.args(["60", tools::pailfs(), "mount", "no-such-bucket"]).arg(mountpoint.path());
    command.args(["-f", "--endpoint-url", &site.server().endpoint(), "--region", REGION]);
    command.arg("--state-dir").arg(mountpoint.state());
    command.args(words).envs(site.server().environment()).envs(variables.iter().copied());
    command.env("AWS_SHARED_CREDENTIALS_FILE", file);
    run(command)
}

#[test]
fn a_profile_that_is_named_goes_before_the_environment() {
    let mountpoint = Mountpoint::new();
    let output = mount_with_profile(&mountpoint, &["--profile", "stranger"], &[]);
    check_refused(output, &mountpoint, &["access denied", "InvalidAccessKeyId"]);
}

#[test]
fn a_profile_of_the_environment_comes_after_its_keys() {
    let mountpoint = Mountpoint::new();
    let output = mount_with_profile(&mountpoint, &[], &[("AWS_PROFILE", "stranger")]);
    check_refused(output, &mountpoint, &["no such bucket"]);
}

#[test]
fn a_profile_that_is_not_there_is_refused() {
    let mountpoint = Mountpoint::new();
    let output = mount_with_profile(&mountpoint, &["--profile", "nobody"], &[]);
    check_refused(output, &mountpoint, &["no profile nobody"]);
}

#[test]
fn a_mountpoint_that_is_no_directory_is_refused() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let file = mountpoint.path().join("file");
    std::fs::write(&file, "x").expect("a file");
    let output = mount(&site, &site.bucket.name, &file, NO_CHANGE);
    check_refused(output, &mountpoint, &["file", "directory"]);
    let missing = mountpoint.path().join("missing");
    let output = mount(&site, &site.bucket.name, &missing, NO_CHANGE);
    check_refused(output, &mountpoint, &["missing"]);
}

#[test]
fn a_mountpoint_that_is_taken_is_refused() {
    let site = Site::new(Kind::Pailfs);
    let first = site.mount(&[]);
    let output = mount(&site, &site.bucket.name, first.root(), NO_CHANGE);
    assert!(output.refused().contains("mounted"));
    first.shell("echo works > file && cat file").ok();
}

#[test]
fn words_that_make_no_sense_are_refused() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let bucket = &site.bucket.name;
    for (option, value) in [
        ("--ttl", "soon"),
        ("--umask", "999"),
        ("--memory", "lots"),
        ("--part-size", "1M"),
        ("--permissions", "maybe"),
        ("--posix-dialect", "posix"),
        ("--no-such-option", "1"),
        ("--endpoint-url", "not an address"),
    ] {
        let output = mount(&site, bucket, mountpoint.path(), (option, value));
        assert_eq!(output.code, Some(2), "it is the usage that is wrong: {output}");
        check_refused(output, &mountpoint, &[option]);
    }
    let output = mount(&site, "Not_A_Bucket", mountpoint.path(), NO_CHANGE);
    check_refused(output, &mountpoint, &["Not_A_Bucket"]);
}

#[test]
fn a_mount_without_a_place_for_its_state_is_refused() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let file = tempfile::NamedTempFile::new().expect("a file");
    let below = file.path().join("state");
    for state in [below.as_path(), file.path()] {
        let state = state.to_str().expect("a path in UTF-8");
        let change = ("--state-dir", state);
        let output = mount(&site, &site.bucket.name, mountpoint.path(), change);
        assert_eq!(output.code, Some(1), "the usage is fine: {output}");
        check_refused(output, &mountpoint, &["--state-dir", state]);
    }
}

#[test]
fn what_is_not_mounted_is_not_unmounted() {
    let mountpoint = Mountpoint::new();
    let arguments = ["umount".as_ref(), mountpoint.path().as_os_str()];
    check_refused(pailfs(arguments, &[]), &mountpoint, &["mount"]);
}

#[test]
fn help_names_every_command() {
    let help = pailfs(["--help"], &[]).ok();
    for command in ["mount", "umount", "serve", "demo", "info", "get", "set", "unset"] {
        assert!(help.contains(command), "{command} is in {help}");
        assert!(pailfs([command, "--help"], &[]).ok().contains("Usage"));
    }
    assert!(pailfs(["--version"], &[]).ok().contains(env!("CARGO_PKG_VERSION")));
}
