//! Making directories, and removing names.

use std::sync::Arc;

use crate::store::error::ErrorKind;
use crate::store::types::{
    Conditions, CreateBucket, DeleteObject, ListObjects, ObjectAttributes, Payload, WriteOptions,
};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::Known;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::names::{DirPrefix, Named};
use crate::vfs::ops::lookup::{Found, Meaning, may_be_bucket};
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::{Entry, Ino};
use crate::vfs::write::draft::Draft;

/// What AWS's own tools give to markers of directories.
const MARKER_CONTENT_TYPE: &str = "application/x-directory";

impl Vfs {
    /// Makes a directory, by writing its marker, or in the root of all buckets a bucket.
    pub async fn mkdir(&self, parent: Ino, name: &[u8]) -> VfsResult<Entry> {
        self.check_writable()?;
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        if found.known != Known::Absent {
            return Err(VfsError::Exists("the name is taken".into()));
        }
        match &found.named {
            Meaning::Bucket => self.create_bucket(&found.name).await?,
            Meaning::Key { bucket, named: Named::Plain { dir, .. } } => {
                let dir = dir.as_ref().ok_or(VfsError::NameTooLong)?;
                self.put_marker(bucket, dir).await?;
            }
            Meaning::Key { bucket, named: Named::DirOnly { dir } } => {
                if dir.marker_key().is_none() {
                    return Err(not_an_escape_of_anything(&found.name));
                }
                self.put_marker(bucket, dir).await?;
            }
            Meaning::Key { named: Named::FileOnly { .. }, .. } => {
                return Err(not_an_escape_of_anything(&found.name));
            }
        }
        let known = Known::Directory(Some(self.clock.wall()));
        directory.names().learn(&found.name, known.clone(), self.now());
        let found = Found { known, ttl: self.ttl(), ..found };
        let entry = self.entered(&directory, &found).ok_or(VfsError::NotFound)?;
        self.inodes.get(entry.attr.ino)?.names().made(self.now());
        Ok(entry)
    }

    pub async fn unlink(&self, parent: Ino, name: &[u8]) -> VfsResult<()> {
        self.check_writable()?;
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        let (bucket, key) = match &found.known {
            Known::Absent => return Err(VfsError::NotFound),
            Known::Directory(_) => return Err(VfsError::IsDirectory),
            Known::File(_) => found.named.file().ok_or(VfsError::NotFound)?,
        };
        self.keep_directory(&directory, &found.name).await?;
        let draft = self.orphan(&directory, &found.name).await;
        let deleted = self.store.delete_object(&bucket, &key, DeleteObject::default()).await;
        if let Err(error) = deleted {
            if let Some(draft) = draft {
                draft.adopt().await;
            }
            return Err(error.into());
        }
        self.reader.forget(&bucket, &key);
        self.removed(&directory, &found.name);
        Ok(())
    }

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
        if child.is_some_and(|child| !child.names().pinned().is_empty()) {
            return Err(VfsError::NotEmpty);
        }
        // Also of a bucket: there are servers that delete one with all that is in it.
        self.check_empty(&bucket, &prefix).await?;
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
        self.put_marker(bucket, prefix).await?;
        directory.names().marked();
        Ok(())
    }

    /// What is being written under a name that is about to go is not committed any more. Gives
    /// back the draft, to be adopted again where the name stays.
    pub(crate) async fn orphan(&self, directory: &Inode, name: &Arc<str>) -> Option<Arc<Draft>> {
        let inode = self.inodes.find(directory.ino, name)?;
        let draft = self.handles.find(inode.ino)?.draft()?;
        draft.orphan().await;
        Some(draft)
    }

    /// A name of this mount is gone, by its own doing.
    pub(crate) fn removed(&self, directory: &Inode, name: &Arc<str>) {
        // First the inode: whoever pins a name looks at it while holding the names.
        self.inodes.remove(directory.ino, name);
        directory.names().unpin(name, Known::Absent, Some(self.now()));
    }

    async fn create_bucket(&self, name: &str) -> VfsResult<()> {
        if !may_be_bucket(name) {
            let rule = "a bucket's name has 3 to 63 characters out of a-z, 0-9, `.` and `-`, \
                        and begins and ends with a letter or a digit";
            return Err(VfsError::Invalid(rule.to_owned()));
        }
        let region = self.options.create_region.clone();
        let options = CreateBucket { region, ..CreateBucket::default() };
        Ok(self.store.create_bucket(name, options).await?)
    }

    pub(crate) async fn put_marker(&self, bucket: &str, dir: &DirPrefix) -> VfsResult<()> {
        let Some(key) = dir.marker_key() else { return Ok(()) };
        let put = |conditions| {
            let attributes = ObjectAttributes {
                content_type: Some(MARKER_CONTENT_TYPE.to_owned()),
                ..ObjectAttributes::default()
            };
            let options = WriteOptions { attributes, conditions, ..WriteOptions::default() };
            self.store.put_object(bucket, key, Payload::empty(), options)
        };
        let mut put_once = put(Conditions::absent()).await;
        if put_once.as_ref().is_err_and(|error| error.kind == ErrorKind::Unsupported) {
            // A server without conditions; the directory was looked for just now.
            put_once = put(Conditions::default()).await;
        }
        match put_once {
            Ok(_) => Ok(()),
            // Somebody else has made it, which is as good.
            Err(error) if error.kind == ErrorKind::Precondition => Ok(()),
            Err(error) => Err(error.into()),
        }
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

fn not_an_escape_of_anything(name: &str) -> VfsError {
    VfsError::Invalid(format!("{name} is the escaped name of something that is not there"))
}
