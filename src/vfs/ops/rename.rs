//! Renaming: a copy made by S3, then a delete. The source goes only after its copy is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::error::ErrorKind;
use crate::store::types::{Conditions, DeleteObject};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Asked, Facts, Known};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::ops::make::only_buckets;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::lookup::{Found, Meaning};
use crate::vfs::types::{Ino, ObjectRef, Replace};
use crate::vfs::write::copy::copy_object;
use crate::vfs::write::draft::{Draft, Urgency};
use crate::vfs::write::upload::Target;

/// One end of a rename.
struct End {
    directory: Arc<Inode>,
    name: Arc<str>,
    target: Target,
}

impl Vfs {
    /// Renames a file. A directory is refused as if it were on another file system, upon which
    /// `mv` copies and removes it.
    pub async fn rename(
        &self,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        replace: Replace,
    ) -> VfsResult<()> {
        self.check_writable()?;
        let (source, found) = self.end(from).await?;
        match found.known {
            Known::Absent => return Err(VfsError::NotFound),
            Known::Directory(_) if matches!(found.named, Meaning::Bucket) => {
                return Err(VfsError::NotPermitted("a bucket can't be renamed".to_owned()));
            }
            Known::Directory(_) => {
                let message = "directories are renamed by copying what is in them";
                return Err(VfsError::CrossDevice(message.to_owned()));
            }
            Known::File(_) => {}
        }
        let (target, found) = self.end(to).await?;
        match found.known {
            Known::File(_) | Known::Directory(_) if replace == Replace::Refused => {
                return Err(VfsError::Exists("the new name is taken".into()));
            }
            Known::Directory(_) => return Err(VfsError::IsDirectory),
            Known::Absent if matches!(found.named, Meaning::Bucket) => return Err(only_buckets()),
            Known::File(_) | Known::Absent => {}
        }
        let (source, target) = (source.file()?, target.file()?);
        if source.target == target.target {
            Ok(())
        } else {
            self.run(source, target, replace).await
        }
    }

    async fn end(&self, (parent, name): (Ino, &[u8])) -> VfsResult<(MaybeEnd, Found)> {
        let directory = self.inodes.directory(parent)?;
        let found = self.find(&directory, name).await?;
        let target = found.named.file().map(|(bucket, key)| Target { bucket, key });
        Ok((MaybeEnd { directory, name: Arc::clone(&found.name), target }, found))
    }

    async fn run(&self, source: End, target: End, replace: Replace) -> VfsResult<()> {
        let inode = self.inodes.find(source.directory.ino, &source.name);
        let opening = inode.as_ref().map(|inode| self.handles.open(inode));
        let open = opening.as_ref().map(|opening| &*opening.file);
        // Nobody begins or ends writing the file meanwhile.
        let _turn = match open {
            Some(open) => Some(open.turn().await),
            None => None,
        };
        if let Some(open) = open {
            self.commit(open, Urgency::Always).await?;
        }
        let replaced = self.orphan(&target.directory, &target.name).await?;
        let moved = match open.and_then(OpenFile::draft) {
            Some(draft) => self.move_written(&draft, &source, &target, replace).await,
            None => self.move_object(&source, &target, replace).await,
        };
        match moved {
            Ok(object) => {
                self.renamed(&source, &target, open, object);
                Ok(())
            }
            Err(error) => {
                if let Some(draft) = replaced {
                    draft.adopt().await;
                }
                target.directory.names().doubt(&target.name);
                Err(error)
            }
        }
    }

    /// Moves a file that is being written; nobody writes meanwhile. Where it fails, the file stays
    /// where it was.
    async fn move_written(
        &self,
        draft: &Arc<Draft>,
        from: &End,
        to: &End,
        replace: Replace,
    ) -> VfsResult<ObjectRef> {
        let mut hold = draft.hold().await;
        hold.commit(Urgency::Always, BTreeMap::new()).await?;
        let object = self.move_object(from, to, replace).await?;
        hold.moved(to.target.clone(), object.clone());
        Ok(object)
    }

    /// Has S3 copy the object and remove it under its old name.
    async fn move_object(&self, from: &End, to: &End, replace: Replace) -> VfsResult<ObjectRef> {
        self.keep_directory(&from.directory, &from.name).await?;
        let conditions = match replace {
            Replace::Allowed => Conditions::default(),
            Replace::Refused => Conditions::absent(),
        };
        let copied = copy_object(&self.store, &from.target, &to.target, conditions).await;
        let copied = copied.map_err(|error| match (error.kind, replace) {
            (ErrorKind::Precondition, Replace::Refused) => {
                VfsError::Exists("the new name is taken".into())
            }
            _ => error.into(),
        })?;
        let (bucket, key) = (&from.target.bucket, &from.target.key);
        self.store.delete_object(bucket, key, DeleteObject::default()).await?;
        Ok(copied)
    }

    /// Lets the names know, and who has the file open.
    fn renamed(&self, from: &End, to: &End, open: Option<&OpenFile>, object: ObjectRef) {
        self.reader.forget(&from.target.bucket, &from.target.key);
        self.reader.forget(&to.target.bucket, &to.target.key);
        self.removed(&to.directory, &to.name);
        let now = self.now();
        let facts = Facts {
            etag: object.etag.clone(),
            size: object.size,
            last_modified: self.clock.wall(),
            posix: Asked::NotYet,
        };
        let location = Location::File {
            bucket: Arc::clone(&to.target.bucket),
            key: Arc::clone(&to.target.key),
        };
        let mut is_written = false;
        if let Some(open) = open {
            open.note_committed(object, facts.clone());
            is_written = open.draft().is_some();
            self.inodes.rename(&open.inode, to.directory.ino, &to.name, location);
        }
        from.directory.names().unpin(&from.name, Known::Absent, Some(now));
        let (mut names, known) = (to.directory.names(), Known::File(facts));
        if is_written {
            names.pin(&to.name, known, now);
        } else {
            names.unpin(&to.name, known, Some(now));
        }
    }
}

/// One end of a rename that may be a directory.
struct MaybeEnd {
    directory: Arc<Inode>,
    name: Arc<str>,
    target: Option<Target>,
}

impl MaybeEnd {
    fn file(self) -> VfsResult<End> {
        let Some(target) = self.target else {
            let message = format!("{} is the escaped name of a directory", self.name);
            return Err(VfsError::Invalid(message));
        };
        Ok(End { directory: self.directory, name: self.name, target })
    }
}
