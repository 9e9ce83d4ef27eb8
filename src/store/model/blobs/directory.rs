//! Blobs as files of one directory.
//!
//! A file gets its name only once its bytes are on disk, so that every file of a name is whole.
//! Which of them are wanted is what the metadata says; [`BlobDirectory::sweep`] removes the rest.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the names of files that are still being written.
const DRAFT_SUFFIX: &str = ".incoming";

/// The directory of all blobs of one store.
#[derive(Debug)]
pub(in crate::store::model) struct BlobDirectory {
    path: PathBuf,
    /// Whether a name was given since the last [`Self::sync`].
    has_new_names: AtomicBool,
    /// Whether files that nobody holds any more are to be removed.
    is_removing: AtomicBool,
}

impl BlobDirectory {
    /// Opens the directory, making it where there is none. Nothing is removed from it until
    /// [`Self::set_removing`].
    pub(in crate::store::model) fn open(path: PathBuf) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&path)?;
        let (has_new_names, is_removing) = (AtomicBool::new(true), AtomicBool::new(false));
        Ok(Arc::new(Self { path, has_new_names, is_removing }))
    }

    /// Whether a file goes with the last one that holds it. Must not be while the metadata may
    /// still name files that nobody holds.
    pub(in crate::store::model) fn set_removing(&self, is_removing: bool) {
        self.is_removing.store(is_removing, Ordering::Release);
    }

    /// The file of an id that the metadata names.
    pub(in crate::store::model) fn file(self: &Arc<Self>, id: &str) -> BlobFile {
        BlobFile { id: id.to_owned(), directory: Arc::clone(self) }
    }

    /// Starts a new file.
    pub(super) fn draft(self: &Arc<Self>) -> io::Result<Draft> {
        let id = format!("{:032x}", fastrand::u128(..));
        let file = File::create_new(self.path.join(format!("{id}{DRAFT_SUFFIX}")))?;
        Ok(Draft { file, id, directory: Arc::clone(self), is_finished: false })
    }

    /// Makes the names that were given durable.
    pub(in crate::store::model) fn sync(&self) -> io::Result<()> {
        if self.has_new_names.swap(false, Ordering::AcqRel) {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes every file that is not one of `wanted`; answers how many.
    pub(in crate::store::model) fn sweep(&self, wanted: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| wanted.contains(name)) {
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => removed += 1,
                }
            }
        }
        Ok(removed)
    }
}

/// A blob's file. Dropping the last one removes it, once the directory is removing.
#[derive(Debug)]
pub(in crate::store::model) struct BlobFile {
    id: String,
    directory: Arc<BlobDirectory>,
}

impl BlobFile {
    pub(in crate::store::model) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path.join(&self.id)
    }
}

impl Drop for BlobFile {
    fn drop(&mut self) {
        if self.directory.is_removing.load(Ordering::Acquire) {
            remove(&self.path());
        }
    }
}

/// A file that is being written; removed unless it is finished.
pub(super) struct Draft {
    pub(super) file: File,
    id: String,
    directory: Arc<BlobDirectory>,
    is_finished: bool,
}

impl Draft {
    /// Makes the bytes durable and gives the file its name.
    pub(super) fn finish(mut self) -> io::Result<BlobFile> {
        self.file.sync_data()?;
        let file = self.directory.file(&self.id);
        fs::rename(self.path(), file.path())?;
        self.is_finished = true;
        self.directory.has_new_names.store(true, Ordering::Release);
        Ok(file)
    }

    fn path(&self) -> PathBuf {
        self.directory.path.join(format!("{}{DRAFT_SUFFIX}", self.id))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_finished {
            remove(&self.path());
        }
    }
}

/// Removes a file that nobody wants. A failure costs space until the next sweep, nothing more.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a blob can't be removed");
    }
}
