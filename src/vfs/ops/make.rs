//! Making directories, buckets, symbolic links and special files.
//!
//! Each is one object: a directory its marker, a symbolic link one whose bytes are the target,
//! any other special file an empty one. What they are stands in their metadata.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    Conditions, CreateBucket, ETag, HeadObject, ObjectAttributes, Payload, WriteOptions,
};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::content_type;
use crate::vfs::namespace::directory::{Asked, DirectoryFacts, Facts, Known, SPECIAL_BYTES_MAX};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::names::{DirPrefix, Named};
use crate::vfs::namespace::posix::{self, Posix};
use crate::vfs::ops::lookup::{Found, Meaning, broken_rule};
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::{Creation, Entry, Ino, Kind, ObjectRef, Special};
use crate::vfs::write::copy::{Kept, look, put_acl, rewrite_attributes};
use crate::vfs::write::upload::Target;

/// `S_ISGID` of a directory: what is made in it gets its group.
const SET_GROUP_ID: u32 = 0o2000;

impl Vfs {
    /// Makes a directory, by writing its marker, or in the root of all buckets a bucket.
    pub async fn mkdir(&self, parent: Ino, name: &[u8], creation: Creation) -> VfsResult<Entry> {
        self.check_writable()?;
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        if found.known != Known::Absent {
            return Err(VfsError::Exists("the name is taken".into()));
        }
        let posix = self.created(&directory, Kind::Directory, creation).await?;
        let mut attributes = ObjectAttributes::default();
        self.put_posix(&posix, &mut attributes);
        let mut facts = DirectoryFacts {
            made_at: Some(self.clock.wall()),
            posix: Asked::Fresh(Arc::new(posix)),
        };
        match &found.named {
            Meaning::Bucket => {
                self.create_bucket(&found.name).await?;
                facts.posix = self.unmarked().posix;
            }
            Meaning::Key { bucket, named: Named::Plain { dir, .. } } => {
                let dir = dir.as_ref().ok_or(VfsError::NameTooLong)?;
                self.put_marker(bucket, dir, attributes).await?;
            }
            Meaning::Key { bucket, named: Named::DirOnly { dir } } => {
                if dir.marker_key().is_none() {
                    return Err(not_an_escape_of_anything(&found.name));
                }
                self.put_marker(bucket, dir, attributes).await?;
            }
            Meaning::Key { named: Named::FileOnly { .. }, .. } => {
                return Err(not_an_escape_of_anything(&found.name));
            }
        }
        let entry = self.made(&directory, found, Known::Directory(facts))?;
        self.inodes.get(entry.attr.ino)?.names().made(self.now());
        Ok(entry)
    }

    /// Makes a symbolic link to `target`, which is any bytes.
    pub async fn symlink(
        &self,
        parent: Ino,
        name: &[u8],
        target: &[u8],
        creation: Creation,
    ) -> VfsResult<Entry> {
        if target.is_empty() || target.len() as u64 > SPECIAL_BYTES_MAX {
            return Err(VfsError::NameTooLong);
        }
        let creation = Creation { mode: 0o777, ..creation };
        let special = Special { kind: Kind::Symlink, device: 0 };
        self.make_special(parent, name, special, creation, Bytes::copy_from_slice(target)).await
    }

    /// Makes a pipe, a socket or a device node.
    pub async fn mknod(
        &self,
        parent: Ino,
        name: &[u8],
        special: Special,
        creation: Creation,
    ) -> VfsResult<Entry> {
        self.make_special(parent, name, special, creation, Bytes::new()).await
    }

    /// Where a symbolic link points to.
    pub async fn readlink(&self, ino: Ino) -> VfsResult<Bytes> {
        let inode = self.inodes.get(ino)?;
        if inode.kind != Kind::Symlink {
            return Err(VfsError::Invalid("not a symbolic link".to_owned()));
        }
        let (known, _) = self.facts(&inode).await?;
        let (Known::File(facts), Location::File { bucket, key }) = (known, inode.place().location)
        else {
            return Err(VfsError::NotFound);
        };
        if facts.size == 0 {
            return self.target_in_metadata(&bucket, &key).await;
        }
        let bytes = facts.size.min(SPECIAL_BYTES_MAX) as u32;
        let object = ObjectRef { bucket, key, etag: facts.etag, size: facts.size };
        self.reader.open(object).read(0, bytes).await
    }

    /// What is made in a directory: its group is the directory's where that says so. Where
    /// nothing is kept it is the mount's from the start.
    pub(crate) async fn created(
        &self,
        directory: &Inode,
        kind: Kind,
        creation: Creation,
    ) -> VfsResult<Posix> {
        if !self.asks() {
            return Ok(Posix::default());
        }
        let above = self.attr(directory, &self.directory_known(directory).await?);
        let now = Some(self.clock.wall());
        let planned = plan_creation(creation, kind, above.mode, above.gid);
        Ok(Posix { mtime: now, ctime: now, ..planned })
    }

    /// Where a new file of this name goes.
    pub(crate) fn creatable(&self, found: &Found) -> VfsResult<Target> {
        match &found.named {
            Meaning::Bucket => Err(only_buckets()),
            Meaning::Key { named: Named::Plain { .. }, .. } => {
                let (bucket, key) = found.named.file().ok_or(VfsError::NotFound)?;
                Ok(Target { bucket, key })
            }
            Meaning::Key { .. } => Err(not_an_escape_of_anything(&found.name)),
        }
    }

    /// Writes the marker of a directory, unless it is there.
    pub(crate) async fn put_marker(
        &self,
        bucket: &str,
        dir: &DirPrefix,
        attributes: ObjectAttributes,
    ) -> VfsResult<()> {
        let Some(key) = dir.marker_key() else { return Ok(()) };
        let content_type = Some(content_type::DIRECTORY_MARKER.to_owned());
        let attributes = ObjectAttributes { content_type, ..attributes };
        match self.put_new(bucket, key, Bytes::new(), attributes).await {
            Ok(_) => Ok(()),
            // Somebody else has made it, which is as good.
            Err(error) if error.kind == ErrorKind::Precondition => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the attributes of a marker; where there is none it is made.
    ///
    /// An empty one is written anew, not copied: there are servers that don't copy markers, nor
    /// find that they meet a condition.
    pub(crate) async fn change_marker(
        &self,
        marker: &Target,
        plan: impl FnOnce(&mut ObjectAttributes, SystemTime) -> VfsResult<()>,
    ) -> VfsResult<()> {
        let (bytes, mut kept, modified) = match look(&self.store, marker).await {
            Ok((head, kept)) => (head.size, kept, head.last_modified),
            Err(error) if error.kind == ErrorKind::NotFound => {
                (0, kept_of_marker(), self.clock.wall())
            }
            Err(error) => return Err(error.into()),
        };
        if bytes > 0 {
            rewrite_attributes(&self.multiparts, marker, plan).await?;
            return Ok(());
        }
        plan(&mut kept.attributes, modified)?;
        let Kept { attributes, tags, acl } = kept;
        let options = WriteOptions { attributes, tags, ..WriteOptions::default() };
        let Target { bucket, key } = marker;
        self.store.put_object(bucket, key, Payload::empty(), options).await?;
        Ok(put_acl(&self.store, marker, acl.as_ref()).await?)
    }

    /// Takes note of a name that this mount has made, and enters it.
    fn made(&self, directory: &Inode, found: Found, known: Known) -> VfsResult<Entry> {
        directory.names().learn(&found.name, known.clone(), self.now());
        directory.note_changed(self.clock.wall());
        directory.note_made_in(self.now());
        let found = Found { known, ttl: self.ttl(), ..found };
        self.entered(directory, &found).ok_or(VfsError::NotFound)
    }

    async fn make_special(
        &self,
        parent: Ino,
        name: &[u8],
        special: Special,
        creation: Creation,
        content: Bytes,
    ) -> VfsResult<Entry> {
        self.check_writable()?;
        if !self.asks() {
            let message = "links and special files are kept in metadata, which are off here";
            return Err(VfsError::NotPermitted(message.to_owned()));
        }
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        if found.known != Known::Absent {
            return Err(VfsError::Exists("the name is taken".into()));
        }
        let target = self.creatable(&found)?;
        let posix = self.created(&directory, special.kind, creation).await?;
        let posix = Posix { device: Some(special.device).filter(|_| is_device(special)), ..posix };
        let mut attributes = ObjectAttributes::default();
        self.put_posix(&posix, &mut attributes);
        let size = content.len() as u64;
        let put = self.put_new(&target.bucket, &target.key, content, attributes).await;
        let etag = put.map_err(|error| match error.kind {
            ErrorKind::Precondition => VfsError::Exists("the name is taken by now".into()),
            _ => error.into(),
        })?;
        let (last_modified, posix) = (self.clock.wall(), Asked::Fresh(Arc::new(posix)));
        self.made(
            &directory,
            found,
            Known::File(Facts { etag, size, last_modified, posix, is_archived: false }),
        )
    }

    /// Writes a small object where there is none. A server without conditions is trusted: the
    /// name was looked for just now.
    async fn put_new(
        &self,
        bucket: &str,
        key: &str,
        content: Bytes,
        attributes: ObjectAttributes,
    ) -> StoreResult<ETag> {
        let put = |conditions| {
            let attributes = attributes.clone();
            let options = WriteOptions { attributes, conditions, ..WriteOptions::default() };
            self.store.put_object(bucket, key, Payload::from(content.clone()), options)
        };
        let mut put_once = put(Conditions::absent()).await;
        if put_once.as_ref().is_err_and(|error| error.kind == ErrorKind::Unsupported) {
            put_once = put(Conditions::default()).await;
        }
        put_once.map(|written| written.etag)
    }

    /// Some keep the target of a link in its metadata, and no bytes.
    async fn target_in_metadata(&self, bucket: &str, key: &str) -> VfsResult<Bytes> {
        let head = self.store.head_object(bucket, key, HeadObject::default()).await?;
        let target = posix::symlink_target(&head.attributes.metadata);
        let target = target.ok_or(VfsError::Invalid("the link has no target".to_owned()))?;
        Ok(Bytes::from(target))
    }

    async fn create_bucket(&self, name: &str) -> VfsResult<()> {
        // The answer of S3 without asking it, and with the rule that it does not say.
        if let Some(rule) = broken_rule(name) {
            let message = format!("the name of a bucket {rule}");
            return Err(StoreError::new(ErrorKind::Invalid, "InvalidBucketName", message).into());
        }
        let region = self.options.create_region.clone();
        let options = CreateBucket { region, ..CreateBucket::default() };
        Ok(self.store.create_bucket(name, options).await?)
    }
}

/// The attributes of a new thing in a directory with this mode and group: a directory with the
/// set-group-id bit hands both on (inode(7)).
#[must_use]
pub fn plan_creation(creation: Creation, kind: Kind, mode_above: u32, gid_above: u32) -> Posix {
    let inherits = mode_above & SET_GROUP_ID != 0;
    let handed_on = if inherits && kind == Kind::Directory { SET_GROUP_ID } else { 0 };
    Posix {
        kind: Some(kind),
        mode: Some(creation.mode | handed_on),
        uid: Some(creation.uid),
        gid: Some(if inherits { gid_above } else { creation.gid }),
        ..Posix::default()
    }
}

fn kept_of_marker() -> Kept {
    let content_type = Some(content_type::DIRECTORY_MARKER.to_owned());
    let attributes = ObjectAttributes { content_type, ..ObjectAttributes::default() };
    Kept { attributes, ..Kept::default() }
}

fn is_device(special: Special) -> bool {
    matches!(special.kind, Kind::CharDevice | Kind::BlockDevice)
}

/// Why there is no file in the root of all buckets.
pub(crate) fn only_buckets() -> VfsError {
    let message = "files live in buckets; here is only room for buckets: use mkdir";
    VfsError::NotPermitted(message.to_owned())
}

fn not_an_escape_of_anything(name: &str) -> VfsError {
    VfsError::Invalid(format!("{name} is the escaped name of something that is not there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(kind: Kind, mode_above: u32) -> (Option<u32>, Option<u32>) {
        let creation = Creation { uid: 1, gid: 2, mode: 0o750 };
        let posix = plan_creation(creation, kind, mode_above, 9);
        (posix.mode, posix.gid)
    }

    #[test]
    fn a_directory_with_set_group_id_hands_its_group_on() {
        assert_eq!(planned(Kind::File, 0o755), (Some(0o750), Some(2)));
        assert_eq!(planned(Kind::File, 0o2755), (Some(0o750), Some(9)));
        assert_eq!(planned(Kind::Directory, 0o2755), (Some(0o2750), Some(9)));
    }
}
