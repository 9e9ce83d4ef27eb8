//! Removing directories, and what keeps a directory there that has lost its last name.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use crate::store::types::{DeleteObject, ListObjects, ObjectAttributes};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::Known;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::names::DirPrefix;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::lookup::Meaning;
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::Ino;
use crate::vfs::write::copy::Kept;
use crate::vfs::write::draft::{Draft, Hold};

/// A file whose name is about to go: nobody writes it, commits it, or begins or ends writing it.
/// Dropped, it stays as it was.
pub(crate) struct Leaving {
    open: Arc<OpenFile>,
    hold: Hold,
    /// Nobody writes it; the draft is there to be read from when the object is gone.
    is_read_only: bool,
    is_gone: bool,
    _turn: OwnedMutexGuard<()>,
}

impl Leaving {
    /// The name is gone, and its inode knows.
    pub(crate) async fn gone(mut self) {
        self.is_gone = true;
        self.hold.orphan().await;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.is_read_only && !self.is_gone {
            self.open.end();
        }
    }
}

impl Vfs {
    /// Removes an empty directory, or in the root of all buckets an empty bucket.
    pub async fn rmdir(&self, parent: Ino, name: &[u8]) -> VfsResult<()> {
        self.check_writable()?;
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        match &found.known {
            Known::Absent => return Err(VfsError::NotFound),
            Known::File(_) => return Err(VfsError::NotDirectory),
            Known::Directory(_) => {}
        }
        let (bucket, prefix) = found.named.directory(&found.name).ok_or(VfsError::NotFound)?;
        let child = self.inodes.find(parent, &found.name);
        if child.as_ref().is_some_and(|child| !child.names().pinned().is_empty()) {
            return Err(VfsError::NotEmpty);
        }
        // Nobody gives it attributes meanwhile, and with them its marker.
        let opening = child.as_ref().map(|child| self.handles.open(child));
        let _turn = match &opening {
            Some(opening) => Some(opening.file.turn().await),
            None => None,
        };
        let removed = self.removals_done(&bucket, prefix.as_str()).await;
        // Also of a bucket: there are servers that delete one with all that is in it. What failed
        // and has gone since is no failure.
        self.check_empty(&bucket, &prefix).await.map_err(|error| removed.err().unwrap_or(error))?;
        if matches!(found.named, Meaning::Bucket) {
            self.store.delete_bucket(&bucket).await?;
        } else {
            self.keep_directory(&directory, &found.name).await?;
            if let Some(marker) = prefix.marker_key() {
                self.store.delete_object(&bucket, marker, DeleteObject::default()).await?;
            }
        }
        self.removed(&directory, &found.name);
        Ok(())
    }

    /// Writes the marker of a directory that is about to lose its last entry, so that the
    /// directory does not go with it.
    pub(crate) async fn keep_directory(&self, directory: &Inode, leaving: &str) -> VfsResult<()> {
        let place = directory.place();
        let Location::Directory { bucket, prefix } = &place.location else { return Ok(()) };
        let Some(marker) = prefix.marker_key() else { return Ok(()) };
        let stays = {
            let names = directory.names();
            names.has_marker() || names.has_other_than(leaving, self.now(), self.ttl())
        };
        // The root of a mount is there whatever is in it.
        if directory.ino == Ino::ROOT || stays || self.has_two_below(bucket, marker).await? {
            return Ok(());
        }
        self.put_marker(bucket, prefix, ObjectAttributes::default()).await?;
        directory.names().marked();
        Ok(())
    }

    /// Keeps everybody from writing a file whose name is about to go, and brings its bytes here
    /// for those who have it open to read. `None` where nobody has it open for either.
    pub(crate) async fn leave(&self, directory: &Inode, name: &Arc<str>) -> Option<Leaving> {
        let inode = self.inodes.find(directory.ino, name)?;
        let open = self.handles.find(inode.ino)?;
        let turn = open.turn_owned().await;
        let written = open.draft();
        let is_read_only = written.is_none();
        let over = |object| Arc::new(Draft::over(&self.drafting, object, Kept::default()));
        let version = || open.version().filter(|_| open.has_readers()).map(over);
        let draft = written.or_else(version)?;
        let mut hold = draft.hold().await;
        if open.has_readers()
            && let Err(error) = hold.detach().await
        {
            let path = self.path(&inode);
            tracing::warn!(path, %error, "open and removed: what is not here can't be read on");
            if is_read_only {
                return None;
            }
        }
        if is_read_only {
            open.keep(&draft);
        }
        Some(Leaving { open, hold, is_read_only, is_gone: false, _turn: turn })
    }

    /// A name of this mount is gone, by its own doing.
    pub(crate) fn removed(&self, directory: &Inode, name: &Arc<str>) {
        // First the inode: whoever pins a name looks at it while holding the names.
        self.inodes.remove(directory.ino, name);
        directory.names().unpin(name, Known::Absent, Some(self.now()));
        directory.note_changed(self.clock.wall());
    }

    /// Fails with `NotEmpty` where there is anything but the marker of a directory.
    pub(crate) async fn check_empty(&self, bucket: &str, prefix: &DirPrefix) -> VfsResult<()> {
        let keys = self.first_keys(bucket, prefix.as_str()).await?;
        let marker = prefix.marker_key();
        let is_empty = keys.iter().all(|(key, bytes)| Some(key.as_str()) == marker && *bytes == 0);
        if is_empty { Ok(()) } else { Err(VfsError::NotEmpty) }
    }

    /// Whether a directory stays there by more than the one key that leaves.
    async fn has_two_below(&self, bucket: &str, prefix: &str) -> VfsResult<bool> {
        Ok(self.first_keys(bucket, prefix).await?.len() > 1)
    }

    /// Up to two keys below a prefix, with their sizes.
    async fn first_keys(&self, bucket: &str, prefix: &str) -> VfsResult<Vec<(String, u64)>> {
        let options =
            ListObjects { prefix: prefix.to_owned(), keys_max: Some(2), ..ListObjects::default() };
        let page = self.store.list_objects(bucket, options).await?;
        Ok(page.objects.into_iter().map(|object| (object.key, object.size)).collect())
    }
}
