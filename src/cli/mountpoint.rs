//! The directory to mount on: whether it will do, and what to clear away first.
//!
//! A daemon that was killed leaves its mount behind, on which everything fails with `ENOTCONN`;
//! such a mount of ours is detached. Directories need not be empty.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::mount::attach::{self, AttachError, Detach};
use crate::mount::mountinfo::{self, FSTYPE, MountEntry};

/// Why a directory can't be mounted on.
#[derive(Debug, thiserror::Error)]
pub enum MountpointError {
    #[error("there is no such directory")]
    Missing,
    #[error("it is not a directory")]
    NotDirectory,
    #[error("{0} is mounted there already")]
    Mounted(String),
    #[error("a {0} mount is there whose daemon has died")]
    DeadStranger(String),
    #[error("the dead mount there can't be detached: {0}")]
    Stuck(#[from] AttachError),
    #[error("{0}")]
    Other(#[from] io::Error),
}

/// What is to be done before the mount.
#[derive(Debug)]
enum Preparation {
    Nothing,
    DetachDead,
    Refuse(MountpointError),
}

/// The directory without symbolic links, ready to be mounted on.
pub fn prepare(path: &Path) -> Result<PathBuf, MountpointError> {
    let path = resolve(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => MountpointError::Missing,
        _ => MountpointError::Other(error),
    })?;
    loop {
        let there = mountinfo::mounted_at(&path)?;
        let is_directory = std::fs::metadata(&path).map(|metadata| metadata.is_dir());
        match plan_preparation(there, is_directory) {
            Preparation::Nothing => return Ok(path),
            Preparation::Refuse(why) => return Err(why),
            Preparation::DetachDead => {
                tracing::warn!(
                    "detaching the mount that a killed pailfs left on {}",
                    path.display()
                );
                attach::detach(&path, Detach::Lazy)?;
            }
        }
    }
}

/// A path without symbolic links, even where a dead mount is at its end.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if is_dead(&error) => {
            Ok(parent.canonicalize()?.join(name))
        }
        (resolved, _, _) => resolved,
    }
}

/// Whether an error is that of a mount whose daemon is gone.
#[must_use]
pub fn is_dead(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error())
}

fn plan_preparation(there: Option<MountEntry>, is_directory: io::Result<bool>) -> Preparation {
    match (there, is_directory) {
        (Some(mount), Err(error)) if is_dead(&error) && mount.fstype == FSTYPE => {
            Preparation::DetachDead
        }
        (Some(mount), Err(error)) if is_dead(&error) => {
            Preparation::Refuse(MountpointError::DeadStranger(mount.fstype))
        }
        (Some(mount), _) if mount.fstype == FSTYPE => {
            Preparation::Refuse(MountpointError::Mounted(mount.source))
        }
        (_, Ok(true)) => Preparation::Nothing,
        (_, Ok(false)) => Preparation::Refuse(MountpointError::NotDirectory),
        (_, Err(error)) => Preparation::Refuse(MountpointError::Other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(fstype: &str) -> Option<MountEntry> {
        Some(MountEntry {
            device: "0:51".to_owned(),
            root: PathBuf::from("/"),
            mountpoint: PathBuf::from("/mnt"),
            fstype: fstype.to_owned(),
            source: "s3://b".to_owned(),
            user_id: Some(0),
        })
    }

    fn dead() -> io::Result<bool> {
        Err(Errno::NOTCONN.into())
    }

    #[track_caller]
    fn check(there: Option<MountEntry>, is_directory: io::Result<bool>, expected: &str) {
        let found = format!("{:?}", plan_preparation(there, is_directory));
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn a_directory_will_do_and_so_will_one_of_another_file_system() {
        check(None, Ok(true), "Nothing");
        check(mount("ext4"), Ok(true), "Nothing");
        check(None, Ok(false), "NotDirectory");
    }

    #[test]
    fn a_dead_mount_of_ours_is_cleared_away_and_no_other() {
        check(mount(FSTYPE), dead(), "DetachDead");
        check(mount("fuse.sshfs"), dead(), "DeadStranger(\"fuse.sshfs\")");
    }

    #[test]
    fn a_living_mount_of_ours_is_left_alone() {
        check(mount(FSTYPE), Ok(true), "Mounted(\"s3://b\")");
        check(mount(FSTYPE), Err(Errno::ACCESS.into()), "Mounted");
    }

    #[test]
    fn a_missing_directory_is_called_missing() {
        let directory = tempfile::tempdir().unwrap();
        let error = prepare(&directory.path().join("none")).unwrap_err();
        assert!(matches!(error, MountpointError::Missing), "{error:?}");
    }

    #[test]
    fn links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().canonicalize().unwrap().join("target");
        std::fs::create_dir(&target).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(prepare(&link).unwrap(), target);
    }
}
