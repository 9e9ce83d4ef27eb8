//! Backing: files on this machine that have all bytes of what is open.
//!
//! Whoever reads past this process sees none of what is written through it, so there are none where
//! anything can be written. Which opens the kernel serves by them is `mount`'s business.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::types::{Fh, Ino};

/// An open waits no longer for a disk that hangs: the file is read by way of this process then.
const DISK_WAIT_MAX: Duration = Duration::from_secs(10);

/// What an open file is, and where all of its bytes are.
#[derive(Clone, Debug)]
pub struct Backing {
    /// Tells the version from all others of the file.
    pub version: Arc<str>,
    /// All bytes at their offsets, each checked; `None` where that is not so, or not yet.
    pub file: Option<Arc<File>>,
}

impl Vfs {
    /// Whether files of this mount ever have a [`Backing`].
    #[must_use]
    pub fn has_backing(&self) -> bool {
        self.options.read_only && self.reader.disk().is_some()
    }

    /// Of a file that is open.
    pub async fn backing(&self, fh: Fh) -> VfsResult<Backing> {
        let handle = self.handles.file(fh)?;
        let reading = handle.reading(|object| self.reader.open(object)).ok_or(VfsError::Stale)?;
        let object = reading.object();
        let file = match self.reader.disk().filter(|_| self.options.read_only) {
            Some(disk) => timeout(DISK_WAIT_MAX, disk.backing(object)).await.ok().flatten(),
            None => None,
        };
        Ok(Backing { version: Arc::from(object.etag.as_str()), file })
    }

    /// The next lookup of the file's name finds another inode: what is open of this one can't be
    /// told that the file has changed.
    pub fn retire(&self, ino: Ino) {
        self.inodes.retire(ino);
    }

    /// Waits until what is to be cached on disk is there.
    pub fn finish_disk_cache(&self) {
        if let Some(disk) = self.reader.disk() {
            disk.finish();
        }
    }
}
