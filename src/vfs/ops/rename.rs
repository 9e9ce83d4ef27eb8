//! Renaming: a copy made by S3, then a delete. The source goes only after its copy is there.

use std::sync::Arc;

use crate::store::error::ErrorKind;
use crate::store::types::{Conditions, DeleteObject};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Facts, Known};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::ops::file::only_buckets;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::lookup::{Found, Meaning};
use crate::vfs::types::{Ino, Replace};
use crate::vfs::write::copy::{Copied, copy_object};
use crate::vfs::write::draft::Urgency;
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
        let open = inode.as_ref().and_then(|inode| self.handles.find(inode.ino));
        let replaced = self.orphan(&target.directory, &target.name).await;
        let facts = match self.copy(&source, &target, replace, open.as_deref()).await {
            Ok(facts) => facts,
            Err(error) => {
                if let Some(draft) = replaced {
                    draft.adopt().await;
                }
                return Err(error);
            }
        };
        self.keep_directory(&source.directory, &source.name).await?;
        let (bucket, key) = (&source.target.bucket, &source.target.key);
        self.store.delete_object(bucket, key, DeleteObject::default()).await?;
        self.renamed(&source, &target, inode.as_deref(), facts);
        Ok(())
    }

    /// Makes the copy; a file that is being written is committed first and goes on under its
    /// new name.
    async fn copy(
        &self,
        source: &End,
        target: &End,
        replace: Replace,
        open: Option<&OpenFile>,
    ) -> VfsResult<Facts> {
        loop {
            if let Some(open) = open {
                self.commit(open, Urgency::Always).await?;
            }
            let Copied { source: version, object: copied } =
                self.copy_once(source, target, replace).await?;
            let facts = Facts {
                etag: copied.etag.clone(),
                size: copied.size,
                last_modified: self.clock.wall(),
            };
            let Some((open, draft)) = open.and_then(|open| Some((open, open.draft()?))) else {
                return Ok(facts);
            };
            if draft.retarget(target.target.clone(), &version, copied.etag.clone()).await.is_ok() {
                open.note_committed(copied, facts.clone());
                return Ok(facts);
            }
        }
    }

    async fn copy_once(&self, from: &End, to: &End, replace: Replace) -> VfsResult<Copied> {
        let conditions = match replace {
            Replace::Allowed => Conditions::default(),
            Replace::Refused => Conditions::absent(),
        };
        match copy_object(&self.store, &from.target, &to.target, conditions).await {
            Ok(copied) => Ok(copied),
            Err(error) if error.kind == ErrorKind::Precondition && replace == Replace::Refused => {
                Err(VfsError::Exists("the new name is taken".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the names know.
    fn renamed(&self, from: &End, to: &End, inode: Option<&Inode>, facts: Facts) {
        self.reader.forget(&from.target.bucket, &from.target.key);
        self.reader.forget(&to.target.bucket, &to.target.key);
        self.removed(&to.directory, &to.name);
        let now = self.now();
        let location = Location::File {
            bucket: Arc::clone(&to.target.bucket),
            key: Arc::clone(&to.target.key),
        };
        if let Some(inode) = inode {
            self.inodes.rename(inode, to.directory.ino, &to.name, location);
        }
        from.directory.names().unpin(&from.name, Known::Absent, now);
        let open = inode.and_then(|inode| self.handles.find(inode.ino));
        let is_written = open.is_some_and(|open| open.draft().is_some());
        let (mut names, known) = (to.directory.names(), Known::File(facts));
        if is_written {
            names.pin(&to.name, known, now);
        } else {
            names.unpin(&to.name, known, now);
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
