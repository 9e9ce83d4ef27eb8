//! The ways to mount and unmount: daemonized, by mount(8), with `-o`, by a signal.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::command::{pailfs, run};
use crate::support::mount::{Mountpoint, Site};
use crate::support::servers::{Kind, REGION};
use crate::support::tools;
use crate::support::wait::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// Uses a mount that a command has left behind, unmounts it, and sees the daemon end.
#[track_caller]
fn check_daemon(site: &Site, mountpoint: &Mountpoint) {
    assert!(mountpoint.is_mounted(), "the mount is there when the command returns");
    let file = mountpoint.path().join("file");
    std::fs::write(&file, "text").expect("a write");
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"text".as_slice()));
    assert!(is_running(mountpoint.path()), "a daemon serves it");
    pailfs(["umount".as_ref(), mountpoint.path().as_os_str()], &[]).ok();
    assert!(!mountpoint.is_mounted());
    until("the daemon is gone", PATIENCE, || !is_running(mountpoint.path()));
}

fn is_running(mountpoint: &Path) -> bool {
    process_of(mountpoint).is_some()
}

/// The directory in `/proc` of a process that names the mountpoint in its arguments.
fn process_of(mountpoint: &Path) -> Option<PathBuf> {
    let processes = std::fs::read_dir("/proc").expect("the processes");
    let shown = mountpoint.to_string_lossy();
    processes.flatten().map(|entry| entry.path()).find(|process| {
        let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&arguments);
        // The guard of a test names the mountpoint too.
        text.contains(&*shown) && text.split('\0').next().is_some_and(|it| it.contains("pailfs"))
    })
}

#[test]
fn mount_returns_when_the_mount_is_ready() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let log = tempfile::NamedTempFile::new().expect("a log file");
    let mut command = Command::new(tools::pailfs());
    command.args(["mount", &site.bucket.name]).arg(mountpoint.path());
    command.args(["--endpoint-url", &site.server().endpoint(), "--region", REGION]);
    command.arg("--log-file").arg(log.path()).arg("--state-dir").arg(mountpoint.state());
    command.envs(site.server().environment());
    run(command).ok();
    check_daemon(&site, &mountpoint);
}

#[test]
fn source_and_mountpoint_are_enough_for_fstab() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let mut command = Command::new(tools::pailfs());
    command.arg(&site.bucket.name).arg(mountpoint.path());
    command.args(["-o", &options(&site, &mountpoint)]);
    command.envs(site.server().environment());
    run(command).ok();
    check_daemon(&site, &mountpoint);
}

/// mount(8) looks in its own PATH alone: in a namespace of our own we can be on it.
const BY_TYPE: &str = "mount -t tmpfs tmpfs /usr/local/sbin
ln -s \"$PROGRAM\" /usr/local/sbin/pailfs
mount -t fuse.pailfs \"$BUCKET\" \"$MOUNTPOINT\" -o \"$OPTIONS\"
findmnt --noheadings --output FSTYPE \"$MOUNTPOINT\"
echo text > \"$MOUNTPOINT/file\"
umount \"$MOUNTPOINT\"";

#[test]
fn mount_8_mounts_the_type_fuse_pailfs() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", BY_TYPE]).envs(site.server().environment());
    command.env("PROGRAM", tools::pailfs()).env("BUCKET", &site.bucket.name);
    command.env("MOUNTPOINT", mountpoint.path()).env("OPTIONS", options(&site, &mountpoint));
    assert_eq!(run(command).ok(), "fuse.pailfs\n");
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"text\n".as_slice()));
    until("the daemon is gone", PATIENCE, || !is_running(mountpoint.path()));
}

/// What fstab would say, the words of mount(8) among them.
fn options(site: &Site, mountpoint: &Mountpoint) -> String {
    let log = mountpoint.path().with_extension("log");
    format!(
        "endpoint_url={},region={REGION},log_file={},state_dir={},rw,nosuid,nodev,noatime,_netdev",
        site.server().endpoint(),
        log.display(),
        mountpoint.state().display()
    )
}

#[test]
fn umount_waits_until_everything_is_written() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    mount.shell("seq 1000000 > file").ok();
    pailfs(["umount".as_ref(), mount.root().as_os_str()], &[]).ok();
    assert!(mount.ended().success());
    assert!(std::fs::read_dir(mount.root()).expect("the empty mountpoint").next().is_none());
    assert_eq!(site.bucket.head("file").map(|head| head.size), Some(6_888_896));
}

#[test]
fn the_systems_umount_ends_the_mount_too() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    mount.shell("echo text > file").ok();
    let mut command = Command::new("umount");
    command.arg(mount.root());
    run(command).ok();
    assert!(mount.ended().success());
    assert_eq!(site.bucket.keys(), ["file"]);
}

#[test]
fn the_directory_for_state_is_made_for_its_owner_alone() {
    let site = Site::new(Kind::Pailfs);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let state = directory.path().join("a/state");
    let mount = site.mount(&["--state-dir", state.to_str().expect("a path in UTF-8")]);
    mount.shell("echo text > file").ok();
    let metadata = std::fs::metadata(&state).expect("the directory for state");
    assert!(metadata.is_dir());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_mount_may_open_as_many_files_as_the_system_lets_it() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -Sn 256; exec \"$@\"", "bash", tools::pailfs()]);
    command.arg(&site.bucket.name).arg(mountpoint.path());
    command.args(["-o", &options(&site, &mountpoint)]).envs(site.server().environment());
    run(command).ok();
    let process = process_of(mountpoint.path()).expect("a daemon");
    let limits = std::fs::read_to_string(process.join("limits")).expect("its limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let words: Vec<&str> = line.expect("a limit of open files").split_whitespace().collect();
    assert_eq!(words[0], words[1], "soft and hard: {limits}");
    check_daemon(&site, &mountpoint);
}
