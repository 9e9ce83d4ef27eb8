//! The directory: one mount's part of the cache on disk, and nobody else's while it lives.
//!
//! What is in it, found and paths made; which of it to keep is the keeper's decision.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::vfs::cache::disk::entry::{Paths, STAT_BLOCK_BYTES};
use crate::vfs::cache::disk::format::{self, DATA_SUFFIX, Name, SUMS_SUFFIX};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

const LOCK_NAME: &str = "lock";

/// Why nothing can be cached in a directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0} is in use by another mount of the same")]
    InUse(PathBuf),
    #[error("{path}: {error}")]
    NotWritable { path: PathBuf, error: io::Error },
}

/// A directory that is this process's alone.
pub struct Directory {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

/// A version that was found in the directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FoundVersion {
    pub name: Name,
    /// What its files take of the disk.
    pub bytes: u64,
    pub used_at: SystemTime,
}

/// What is in a folder.
#[derive(Debug, Default)]
pub struct FoundFiles {
    pub versions: Vec<FoundVersion>,
    /// Files whose other half is missing, and those of uploads that an earlier mount has not
    /// brought to their end: of no use to anybody.
    pub strays: Vec<PathBuf>,
}

impl Directory {
    /// Makes the directory where it is missing, and takes it; fails where files can't be made in it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let not_writable = |error| OpenError::NotWritable { path: path.to_owned(), error };
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path)
            .map_err(not_writable)?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let lock = options.open(path.join(LOCK_NAME)).map_err(not_writable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(Errno::WOULDBLOCK) => Err(OpenError::InUse(path.to_owned())),
            Err(error) => Err(not_writable(error.into())),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the files of a version are, or would be.
    #[must_use]
    pub fn paths(&self, name: &Name) -> Paths {
        let folder = self.path.join(name.folder());
        let path = |suffix| folder.join(format!("{name}{suffix}"));
        Paths { data: path(DATA_SUFFIX), sums: path(SUMS_SUFFIX) }
    }

    /// Makes the folder of a version where it is missing.
    pub fn make_folder(&self, name: &Name) -> io::Result<()> {
        let folder = self.path.join(name.folder());
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(folder)
    }

    /// Bytes of the disk that are free, and all there are.
    pub fn space(&self) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
    }

    /// What is in the folder of that number.
    pub fn find(&self, folder: u8) -> io::Result<FoundFiles> {
        let entries = match std::fs::read_dir(self.path.join(format::folder(folder))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(FoundFiles::default());
            }
            entries => entries?,
        };
        let mut halves: BTreeMap<Name, Halves> = BTreeMap::new();
        let mut found = FoundFiles::default();
        for entry in entries {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let file_name = entry.file_name();
            let Some((name, is_data)) = file_name.to_str().and_then(parse) else {
                continue;
            };
            let half = halves.entry(name).or_default();
            half.bytes += metadata.blocks() * STAT_BLOCK_BYTES;
            if is_data {
                half.has_data = true;
            } else {
                half.used_at = Some(metadata.modified()?);
            }
        }
        for (name, half) in halves {
            if Name::uploads().contains(&name) {
                let Paths { data, sums } = self.paths(&name);
                found.strays.extend(
                    [half.has_data.then_some(data), half.used_at.map(|_| sums)]
                        .into_iter()
                        .flatten(),
                );
                continue;
            }
            match half {
                Halves { has_data: true, used_at: Some(used_at), bytes } => {
                    found.versions.push(FoundVersion { name, bytes, used_at });
                }
                Halves { has_data: true, .. } => found.strays.push(self.paths(&name).data),
                Halves { has_data: false, .. } => found.strays.push(self.paths(&name).sums),
            }
        }
        Ok(found)
    }
}

/// What was found of a version's two files.
#[derive(Default)]
struct Halves {
    has_data: bool,
    /// Of the file of checksums.
    used_at: Option<SystemTime>,
    bytes: u64,
}

/// Of a file's name: the version's, and whether it is the file with the bytes.
fn parse(file_name: &str) -> Option<(Name, bool)> {
    if let Some(name) = file_name.strip_suffix(DATA_SUFFIX) {
        return Some((Name::parse(name)?, true));
    }
    Some((Name::parse(file_name.strip_suffix(SUMS_SUFFIX)?)?, false))
}
