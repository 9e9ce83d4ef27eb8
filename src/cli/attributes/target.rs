//! What a path stands for: a file or directory of a mount, and where that mount answers.
//!
//! Links on the way are followed, one at the end is not. A mount that can't be entered, since its
//! daemon is dead or it is another user's, is found by the words of the path alone.

use std::ffi::OsStr;
use std::fs::ReadDir;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use rustix::io::Errno;

use crate::cli::control::socket_path;
use crate::cli::runtime_file;
use crate::mount::mountinfo::{self, FSTYPE, MountEntry};

/// A file or directory of a mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// As it was typed, or as it is named below what was typed: what the kernel understands too.
    pub shown: PathBuf,
    /// From the root of the file system, without a slash at its start.
    pub below: Vec<u8>,
    pub mount: Arc<Mount>,
}

/// A mount of pailfs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    pub mountpoint: PathBuf,
    pub socket: PathBuf,
    pub owner_uid: u32,
}

/// A path with which something can't be done, and why.
#[derive(Debug)]
pub struct Failure {
    pub shown: PathBuf,
    pub why: anyhow::Error,
}

/// What was found for a path.
pub type Found = Result<Target, Failure>;

/// Finds what a path stands for that was typed in `directory`, where this process is.
pub fn find(typed: &Path, directory: &Path) -> Found {
    let failed = |why| Failure { shown: typed.to_owned(), why };
    locate(typed, directory).map_err(failed)
}

fn locate(typed: &Path, directory: &Path) -> anyhow::Result<Target> {
    let path = resolve(typed, directory)?;
    let (device, why_not) = match std::fs::symlink_metadata(typed) {
        Ok(metadata) => (Some(device_name(metadata.dev())), None),
        Err(error) if is_out_of_reach(&error) => (None, Some(error)),
        Err(error) => return Err(error.into()),
    };
    match (mountinfo::holding(&path, device.as_deref())?, why_not) {
        (Some(entry), _) if entry.fstype == FSTYPE => Ok(plan_target(typed, &path, &entry)),
        (_, Some(error)) => Err(error.into()),
        (_, None) => bail!("it is on no mount of pailfs"),
    }
}

fn plan_target(typed: &Path, path: &Path, entry: &MountEntry) -> Target {
    let inside = path.strip_prefix(&entry.mountpoint).unwrap_or(Path::new(""));
    let below = entry.root.join(inside);
    let below = below.strip_prefix("/").unwrap_or(&below).as_os_str().as_bytes().to_vec();
    let owner_uid = entry.user_id.unwrap_or(0);
    let socket = socket_path(&runtime_file::directory(owner_uid), &entry.device);
    let mount = Arc::new(Mount { mountpoint: entry.mountpoint.clone(), socket, owner_uid });
    Target { shown: typed.to_owned(), below, mount }
}

/// `major:minor`, as in the table of mounts.
fn device_name(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}

/// The path without links, but for one at its end that no slash follows.
fn resolve(typed: &Path, directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join(typed);
    let bytes = typed.as_os_str().as_bytes();
    let is_within = bytes.ends_with(b"/") || bytes.ends_with(b"/.") || bytes == b".";
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !is_within => Ok(reach(parent)?.join(name)),
        _ => reach(&path),
    }
}

/// Follows links as far as the way can be gone.
fn reach(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if is_out_of_reach(&error) => {
            Ok(reach(parent)?.join(name))
        }
        (resolved, _, _) => resolved,
    }
}

/// Whether something may be there that this process can't look at.
fn is_out_of_reach(error: &io::Error) -> bool {
    [Errno::NOTCONN, Errno::ACCESS]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl Target {
    fn child(&self, name: &OsStr) -> Self {
        let separator: &[u8] = if self.below.is_empty() { b"" } else { b"/" };
        Self {
            shown: self.shown.join(name),
            below: [&self.below, separator, name.as_bytes()].concat(),
            mount: Arc::clone(&self.mount),
        }
    }

    fn failed(&self, why: io::Error) -> Failure {
        Failure { shown: self.shown.clone(), why: why.into() }
    }

    /// The regular files below a directory, on the same file system; of anything else, itself.
    pub fn files(self) -> Files {
        Files { start: Some(self), directories: Vec::new(), reading: None, device: 0 }
    }
}

/// A walk through a directory, found as it is gone.
pub struct Files {
    start: Option<Target>,
    directories: Vec<Target>,
    reading: Option<(Target, ReadDir)>,
    device: u64,
}

impl Files {
    fn begin(&mut self, start: Target) -> Option<Found> {
        match std::fs::symlink_metadata(&start.shown) {
            Err(error) => Some(Err(start.failed(error))),
            Ok(metadata) if metadata.is_dir() => {
                self.device = metadata.dev();
                self.directories.push(start);
                None
            }
            Ok(_) => Some(Ok(start)),
        }
    }

    fn enter(&mut self, directory: Target) -> Option<Found> {
        let device = std::fs::symlink_metadata(&directory.shown).map(|metadata| metadata.dev());
        let entries = match device {
            Ok(device) if device != self.device => return None,
            Ok(_) => std::fs::read_dir(&directory.shown),
            Err(error) => Err(error),
        };
        match entries {
            Ok(entries) => {
                self.reading = Some((directory, entries));
                None
            }
            Err(error) => Some(Err(directory.failed(error))),
        }
    }

    /// The next entry of the directory being read, if it is a file.
    fn step(&mut self, directory: Target, mut entries: ReadDir) -> Option<Found> {
        let entry = match entries.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(directory.failed(error))),
        };
        let child = directory.child(&entry.file_name());
        self.reading = Some((directory, entries));
        match entry.file_type() {
            Ok(kind) if kind.is_file() => Some(Ok(child)),
            Ok(kind) if kind.is_dir() => {
                self.directories.push(child);
                None
            }
            Ok(_) => None,
            Err(error) => Some(Err(child.failed(error))),
        }
    }
}

impl Iterator for Files {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let found = if let Some((directory, entries)) = self.reading.take() {
                self.step(directory, entries)
            } else if let Some(start) = self.start.take() {
                self.begin(start)
            } else {
                let directory = self.directories.pop()?;
                self.enter(directory)
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(root: &str, mountpoint: &str) -> MountEntry {
        MountEntry {
            device: "0:51".to_owned(),
            root: PathBuf::from(root),
            mountpoint: PathBuf::from(mountpoint),
            fstype: FSTYPE.to_owned(),
            source: "s3://b".to_owned(),
            user_id: Some(0),
        }
    }

    #[track_caller]
    fn check_below(path: &str, entry: &MountEntry, expected: &str) {
        let target = plan_target(Path::new("typed"), Path::new(path), entry);
        assert_eq!(String::from_utf8_lossy(&target.below), expected);
        assert_eq!(target.shown, Path::new("typed"));
        assert_eq!(target.mount.socket, Path::new("/run/pailfs/0:51.sock"));
    }

    #[test]
    fn a_path_is_seen_from_the_root_of_its_file_system() {
        check_below("/mnt/a/b", &entry("/", "/mnt"), "a/b");
        check_below("/mnt", &entry("/", "/mnt"), "");
        check_below("/srv/a", &entry("/logs/2025", "/srv"), "logs/2025/a");
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(path.join("d/e")).unwrap();
        std::os::unix::fs::symlink("d", path.join("l")).unwrap();
        for file in ["d/f", "d/e/g"] {
            std::fs::write(path.join(file), "").unwrap();
        }
        (directory, path)
    }

    #[test]
    fn links_on_the_way_are_followed_and_one_at_the_end_is_not() {
        let (_directory, path) = scratch();
        for (typed, expected) in [
            ("l/f", "d/f"),
            ("l", "l"),
            ("l/", "d"),
            ("l/.", "d"),
            ("l/../d", "d"),
            ("l/e/..", "d"),
        ] {
            assert_eq!(resolve(Path::new(typed), &path).unwrap(), path.join(expected), "{typed}");
        }
        assert_eq!(resolve(Path::new("."), &path.join("l")).unwrap(), path.join("d"));
        assert_eq!(resolve(Path::new("/"), &path).unwrap(), Path::new("/"));
    }

    #[track_caller]
    fn check_refused(typed: &Path, expected: &str) {
        let failure = find(typed, Path::new("/")).unwrap_err();
        assert_eq!(failure.shown, typed);
        assert!(failure.why.to_string().contains(expected), "{:#}", failure.why);
    }

    #[test]
    fn what_is_on_no_mount_and_what_is_not_there_are_told_apart() {
        let (_directory, path) = scratch();
        check_refused(&path.join("d/f"), "on no mount of pailfs");
        check_refused(&path.join("d/none"), "No such file");
        check_refused(&path.join("none/f"), "No such file");
    }

    fn files(path: &Path, typed: &str) -> Vec<String> {
        let typed = path.join(typed);
        let target = plan_target(&typed, &typed, &entry("/", "/"));
        let mut files: Vec<_> = target
            .files()
            .map(|found| found.unwrap())
            .map(|target| {
                assert_eq!(target.below, &target.shown.as_os_str().as_bytes()[1..]);
                target.shown.strip_prefix(path).unwrap().to_str().unwrap().to_owned()
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_directory_stands_for_its_files_and_anything_else_for_itself() {
        let (_directory, path) = scratch();
        assert_eq!(files(&path, "d"), ["d/e/g", "d/f"]);
        assert_eq!(files(&path, "d/f"), ["d/f"]);
        assert_eq!(files(&path, "l"), ["l"], "links are not followed");
        std::os::unix::fs::symlink("../f", path.join("d/e/h")).unwrap();
        assert_eq!(files(&path, "d/e"), ["d/e/g"], "links below are left alone");
    }
}
