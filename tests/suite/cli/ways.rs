//! The ways to mount and unmount: daemonized, by mount(8), with `-o`, by a signal.

use std::path::Path;
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

/// Whether a process names the mountpoint in its arguments.
fn is_running(mountpoint: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").expect("the processes");
    let arguments = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let shown = mountpoint.to_string_lossy();
    processes.flatten().filter_map(arguments).any(|arguments| {
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
    command.arg("--log-file").arg(log.path());
    command.envs(site.server().environment());
    run(command).ok();
    check_daemon(&site, &mountpoint);
}

#[test]
fn source_and_mountpoint_are_enough_for_fstab() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let mut command = Command::new(tools::pailfs());
    command.arg(&site.bucket.name).arg(mountpoint.path());
    command.args(["-o", &options(&site, mountpoint.path())]);
    command.envs(site.server().environment());
    run(command).ok();
    check_daemon(&site, &mountpoint);
}

#[test]
fn mount_8_mounts_the_type_fuse_pailfs() {
    let (site, mountpoint) = (Site::new(Kind::Pailfs), Mountpoint::new());
    let folder = Path::new(tools::pailfs()).parent().expect("a folder");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
    let mut command = Command::new("mount");
    command.args(["-t", "fuse.pailfs", &site.bucket.name]).arg(mountpoint.path());
    command.args(["-o", &options(&site, mountpoint.path())]);
    command.envs(site.server().environment()).env("PATH", path);
    run(command).ok();
    check_daemon(&site, &mountpoint);
}

/// What fstab would say, the words of mount(8) among them.
fn options(site: &Site, mountpoint: &Path) -> String {
    let log = mountpoint.with_extension("log");
    format!(
        "endpoint_url={},region={REGION},log_file={},rw,nosuid,nodev,noatime,_netdev",
        site.server().endpoint(),
        log.display()
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
