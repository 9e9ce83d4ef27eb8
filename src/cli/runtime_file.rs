//! A file for each mount, by which other processes know its daemon.
//!
//! The daemon holds a lock on it as long as it lives, so that whoever gets the lock knows that
//! the daemon is gone, whatever ended it. What it says then is how it went. The file is named by
//! the mount's device number in `/run/pailfs`, or in a directory of the user who mounts.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a daemon tells about its mount.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    pub pid: u32,
    pub source: String,
    pub mountpoint: PathBuf,
    /// `None`: standard error of a process in front.
    pub log: Option<PathBuf>,
    /// Once it has ended by itself: what it could not write, path and reason.
    pub unwritten: Option<Vec<(String, String)>>,
}

/// The file of this process's mount.
#[derive(Debug)]
pub struct RuntimeFile {
    path: PathBuf,
    file: File,
    record: Record,
}

/// A mount's file as another process sees it.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    file: File,
}

/// Where the mounts of a user have their files.
#[must_use]
pub fn directory(uid: u32) -> PathBuf {
    if uid == 0 {
        return PathBuf::from("/run/pailfs");
    }
    let of_session = PathBuf::from(format!("/run/user/{uid}"));
    if of_session.is_dir() {
        of_session.join("pailfs")
    } else {
        PathBuf::from(format!("/tmp/pailfs-{uid}"))
    }
}

impl RuntimeFile {
    /// Makes the file in `directory`, in place of one that another mount left there.
    pub fn create(directory: &Path, device: &str, record: Record) -> io::Result<Self> {
        make_private(directory)?;
        let path = directory.join(device);
        let unfinished = directory.join(format!("{device}.{}", record.pid));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o644).open(&unfinished)?;
        file.lock()?;
        let mut this = Self { path, file, record };
        this.write()?;
        // It gets its name with the lock held and the record written: nobody finds it otherwise.
        std::fs::rename(&unfinished, &this.path)?;
        Ok(this)
    }

    fn write(&mut self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.record)?;
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(&text)
    }

    /// Says how it went; the file stays only where something is to be told.
    pub fn finish(mut self, unwritten: Vec<(String, String)>) -> io::Result<()> {
        let is_clean = unwritten.is_empty();
        self.record.unwritten = Some(unwritten);
        self.write()?;
        if is_clean { remove_if_same(&self.path, &self.file) } else { Ok(()) }
    }
}

/// A name that belongs to a later mount meanwhile stays.
fn remove_if_same(path: &Path, file: &File) -> io::Result<()> {
    let ours = file.metadata()?;
    let named = std::fs::symlink_metadata(path)?;
    if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// In a directory that everybody can write to, somebody else may have been first.
fn make_private(directory: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
    made?;
    let there = std::fs::symlink_metadata(directory)?;
    if !there.is_dir() || there.uid() != rustix::process::geteuid().as_raw() {
        let text = format!("{} belongs to somebody else", directory.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    std::fs::set_permissions(directory, Permissions::from_mode(0o755))
}

impl Witness {
    /// `None` where there is no such file.
    pub fn open(directory: &Path, device: &str) -> io::Result<Option<Self>> {
        let path = directory.join(device);
        match File::open(&path) {
            Ok(file) => Ok(Some(Self { path, file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the daemon lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        match self.file.try_lock_shared() {
            Ok(()) => {
                let _unlocked_again = self.file.unlock();
                false
            }
            Err(_) => true,
        }
    }

    /// Waits until the daemon is gone, and tells what it said last.
    pub fn wait(mut self) -> io::Result<Record> {
        self.file.lock_shared()?;
        let record = self.read()?;
        // What it had to tell has been told.
        let _kept_if_not_ours = remove_if_same(&self.path, &self.file);
        Ok(record)
    }

    /// What the daemon said last.
    pub fn read(&mut self) -> io::Result<Record> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            pid: std::process::id(),
            source: "s3://b".to_owned(),
            mountpoint: PathBuf::from("/mnt"),
            log: None,
            unwritten: None,
        }
    }

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_daemon_that_lives_holds_its_file() {
        let directory = scratch();
        let ours = RuntimeFile::create(directory.path(), "0:51", record()).unwrap();
        let witness = Witness::open(directory.path(), "0:51").unwrap().unwrap();
        assert!(witness.is_alive());
        drop(ours);
        assert!(!witness.is_alive());
    }

    #[test]
    fn a_daemon_that_was_killed_has_not_said_how_it_went() {
        let directory = scratch();
        drop(RuntimeFile::create(directory.path(), "0:51", record()).unwrap());
        let witness = Witness::open(directory.path(), "0:51").unwrap().unwrap();
        assert_eq!(witness.wait().unwrap(), record());
    }

    #[test]
    fn a_clean_end_is_seen_by_who_waits_and_leaves_nothing() {
        let directory = scratch();
        let ours = RuntimeFile::create(directory.path(), "0:51", record()).unwrap();
        let witness = Witness::open(directory.path(), "0:51").unwrap().unwrap();
        ours.finish(Vec::new()).unwrap();
        assert_eq!(witness.wait().unwrap().unwritten, Some(Vec::new()));
        assert!(Witness::open(directory.path(), "0:51").unwrap().is_none());
    }

    #[test]
    fn what_could_not_be_written_is_told_once() {
        let directory = scratch();
        let lost = vec![("/a".to_owned(), "no room".to_owned())];
        let ours = RuntimeFile::create(directory.path(), "0:51", record()).unwrap();
        ours.finish(lost.clone()).unwrap();
        let witness = Witness::open(directory.path(), "0:51").unwrap().unwrap();
        assert_eq!(witness.wait().unwrap().unwritten, Some(lost));
        assert!(Witness::open(directory.path(), "0:51").unwrap().is_none());
    }

    #[test]
    fn a_later_mount_of_the_same_number_keeps_its_file() {
        let directory = scratch();
        let first = RuntimeFile::create(directory.path(), "0:51", record()).unwrap();
        let _second = RuntimeFile::create(directory.path(), "0:51", record()).unwrap();
        first.finish(Vec::new()).unwrap();
        let witness = Witness::open(directory.path(), "0:51").unwrap().unwrap();
        assert!(witness.is_alive());
    }
}
