//! Journal: intents that survive a crash.
//!
//! What takes many requests is written down before the first of them, so that whoever comes after
//! a crash can finish it. An intent is one small file in a directory of its scope. It is there
//! and on the disk before [`Journal::record`] returns, and its writer holds a lock on it, so that
//! other mounts take up only what nobody works on any more.
//!
//! What an intent means, and how it is finished, is for those who record it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Of an intent's file.
const EXTENSION: &str = "intent";
/// Of a file that did not become an intent.
const EXTENSION_UNFINISHED: &str = "unfinished";

/// The largest intent that is read, bytes: two keys, or a key and an id, and little else.
const INTENT_BYTES_MAX: u64 = 64 << 10;

/// What is to be done, whatever happens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "intent", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Intent {
    /// All that is below `from` goes below `to`.
    RenameDirectory {
        from: Spot,
        to: Spot,
        /// Milliseconds since 1970.
        began_ms: u64,
        /// When it was given up halfway; `None`: it was cut off.
        failed_ms: Option<u64>,
    },
    /// An upload that nobody is going to complete, once its mount is gone, is aborted.
    AbortUpload {
        bucket: String,
        key: String,
        /// S3's id of it.
        upload: String,
        /// Milliseconds since 1970.
        began_ms: u64,
    },
}

/// What the keys of a directory begin with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    pub bucket: String,
    pub prefix: String,
}

/// The intents of one scope. Every method waits for the disk.
#[derive(Clone, Debug)]
pub struct Journal {
    directory: PathBuf,
}

/// An intent that this process works on; dropped, it is there for the next mount.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    /// Unlocked when it is closed.
    _locked: File,
}

/// What earlier processes left.
#[derive(Debug, Default)]
pub struct Left {
    pub intents: Vec<(Intent, Record)>,
    /// Files that can't be read, each with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Journal {
    /// Intents of different scopes never meet: a scope is a server and who one is there.
    #[must_use]
    pub fn new(state_directory: &Path, scope: &str) -> Self {
        let digest = Sha256::digest(scope.as_bytes());
        let folder: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { directory: state_directory.join("intents").join(folder) }
    }

    /// Writes an intent down; it is on the disk when this returns.
    pub fn record(&self, intent: &Intent) -> io::Result<Record> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let id = format!("{:032x}", fastrand::u128(..));
        let path = self.directory.join(format!("{id}.{EXTENSION}"));
        let locked = write_locked(&path, intent)?;
        Ok(Record { path, _locked: locked })
    }

    /// The intents that nobody works on, each now this process's to finish.
    pub fn take_left(&self) -> io::Result<Left> {
        let mut left = Left::default();
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                Some(EXTENSION) => match take(&path) {
                    Ok(Some(taken)) => left.intents.push(taken),
                    Ok(None) => {}
                    Err(error) => left.unreadable.push((path, error.to_string())),
                },
                Some(EXTENSION_UNFINISHED) => remove_if_left(&path),
                Some(_) | None => {}
            }
        }
        left.intents.sort_by_key(|(intent, _)| intent.began_ms());
        Ok(left)
    }
}

impl Intent {
    fn began_ms(&self) -> u64 {
        match self {
            Self::RenameDirectory { began_ms, .. } | Self::AbortUpload { began_ms, .. } => {
                *began_ms
            }
        }
    }
}

impl Record {
    /// There is nothing left to do.
    pub fn finish(self) -> io::Result<()> {
        fs::remove_file(&self.path)?;
        sync_directory_of(&self.path)
    }

    /// As [`Self::finish`], where it does no harm to find the intent again after a power cut: the
    /// disk need not have it yet when this returns.
    pub fn finish_soon(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// The next mount is to go on with `intent`, in place of what was recorded.
    pub fn leave(self, intent: &Intent) -> io::Result<()> {
        write_locked(&self.path, intent).map(drop)
    }
}

/// Milliseconds since 1970, as intents keep times.
#[must_use]
pub fn to_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time that [`to_ms`] was given.
#[must_use]
pub fn from_ms(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

/// It gets its name with the lock held and the intent on the disk: nobody finds it otherwise.
fn write_locked(path: &Path, intent: &Intent) -> io::Result<File> {
    let unfinished = path.with_extension(EXTENSION_UNFINISHED);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.lock()?;
    file.write_all(&serde_json::to_vec(intent)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory_of(path)?;
    Ok(file)
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// `None` where somebody works on it, or has just ended it.
fn take(path: &Path) -> io::Result<Option<(Intent, Record)>> {
    let Some(file) = lock_if_left(path)? else { return Ok(None) };
    let mut text = Vec::new();
    (&file).take(INTENT_BYTES_MAX).read_to_end(&mut text)?;
    let intent = serde_json::from_slice(&text)?;
    Ok(Some((intent, Record { path: path.to_owned(), _locked: file })))
}

fn lock_if_left(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Between the opening and the lock it may have been ended or written anew.
    let named = fs::symlink_metadata(path).ok();
    let is_same = named.is_some_and(|named| {
        file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (named.dev(), named.ino()))
    });
    Ok(is_same.then_some(file))
}

/// Best effort: what stays is as small as it is harmless.
fn remove_if_left(path: &Path) {
    if let Ok(Some(_locked)) = lock_if_left(path) {
        drop(fs::remove_file(path));
    }
}

#[cfg(test)]
mod tests;
