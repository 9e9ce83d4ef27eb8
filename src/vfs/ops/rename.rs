//! Renaming: a copy made by S3, then a delete. The source goes only after its copy is there.
//!
//! Here are the rules of rename(2), and files. How a directory is renamed is `rename_tree`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::error::ErrorKind;
use crate::store::types::Conditions;
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Asked, Facts, Known};
use crate::vfs::namespace::inode::{Below, Inode, Location};
use crate::vfs::namespace::names::Named;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::lookup::{Found, Meaning};
use crate::vfs::ops::make::only_buckets;
use crate::vfs::ops::moves::Purpose;
use crate::vfs::ops::rename_tree::TreeEnd;
use crate::vfs::types::{Ino, ObjectRef, Replace};
use crate::vfs::write::copy::Copied;
use crate::vfs::write::draft::{Draft, Urgency};
use crate::vfs::write::upload::Target;

/// One end of a rename of a file.
struct End {
    directory: Arc<Inode>,
    name: Arc<str>,
    target: Target,
    /// What the metadata of the object say, where somebody asked.
    posix: Asked,
}

/// What a rename comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plan {
    File,
    /// Over an empty directory, if it is one.
    Directory {
        replaces: bool,
    },
}

/// Decides as rename(2) does, from what stands under the two names.
fn plan_rename(source: &Known, target: &Known, replace: Replace) -> VfsResult<Plan> {
    match (source, target, replace) {
        (Known::Absent, _, _) => Err(VfsError::NotFound),
        (_, Known::File(_) | Known::Directory(_), Replace::Refused) => Err(taken()),
        (Known::File(_), Known::Directory(_), Replace::Allowed) => Err(VfsError::IsDirectory),
        (Known::Directory(_), Known::File(_), Replace::Allowed) => Err(VfsError::NotDirectory),
        (Known::File(_), Known::File(_), Replace::Allowed) => Ok(Plan::File),
        (Known::File(_), Known::Absent, _) => Ok(Plan::File),
        (Known::Directory(_), Known::Directory(_), Replace::Allowed) => {
            Ok(Plan::Directory { replaces: true })
        }
        (Known::Directory(_), Known::Absent, _) => Ok(Plan::Directory { replaces: false }),
    }
}

impl Vfs {
    /// Renames a file, or a directory with all that is in it.
    pub async fn rename(
        &self,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        replace: Replace,
    ) -> VfsResult<()> {
        self.check_writable()?;
        loop {
            let parents = (self.inodes.directory(from.0)?, self.inodes.directory(to.0)?);
            let pass = self.moves.pass(Purpose::Change, &[&parents.0, &parents.1]).await;
            let source = self.find(&parents.0, from.1).await?;
            let target = self.find(&parents.1, to.1).await?;
            let plan = plan_rename(&source.known, &target.known, replace)?;
            let (source, target) = ((parents.0, source), (parents.1, target));
            match plan {
                Plan::File => return self.rename_file(source, target, replace).await,
                Plan::Directory { replaces } => {
                    drop(pass);
                    let (source, target) = (tree_end(source)?, tree_end(target)?);
                    if self.rename_directory(&source, &target, replaces).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn rename_file(
        &self,
        source: (Arc<Inode>, Found),
        target: (Arc<Inode>, Found),
        replace: Replace,
    ) -> VfsResult<()> {
        if matches!(target.1.named, Meaning::Bucket) {
            return Err(only_buckets());
        }
        let (source, target) = (end(source)?, end(target)?);
        if source.target == target.target {
            Ok(())
        } else {
            self.run(source, target, replace).await
        }
    }

    /// False where somebody renamed a directory above before it was this one's turn.
    async fn rename_directory(
        &self,
        source: &TreeEnd,
        target: &TreeEnd,
        replaces: bool,
    ) -> VfsResult<bool> {
        if source.below == target.below {
            return Ok(true);
        }
        check_not_inside(&source.below, &target.below)?;
        let moving = self.moves.begin(vec![source.below.spot(), target.below.spot()]).await;
        if !source.is_in_place() || !target.is_in_place() {
            return Ok(false);
        }
        for end in [source, target] {
            let Below { bucket, prefix } = &end.below;
            self.removals_done(bucket, prefix.as_str()).await?;
        }
        if replaces {
            let there = self.inodes.find(target.directory.ino, &target.name);
            if there.is_some_and(|there| !there.names().pinned().is_empty()) {
                return Err(VfsError::NotEmpty);
            }
            self.check_empty(&target.below.bucket, &target.below.prefix).await?;
        }
        self.rename_tree(source, target, replaces, &moving).await.map(|()| true)
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
        self.part_from(|borrowed| [&source.target, &target.target].contains(&borrowed)).await?;
        let replaced = self.leave(&target.directory, &target.name).await;
        let moved = match open.and_then(OpenFile::draft) {
            Some(draft) => {
                let stamp = open.map(|open| self.stamp(open).1).unwrap_or_default();
                self.move_written(&draft, stamp, (&source, &target), replace).await
            }
            None => self.move_object(&source, &target, replace).await,
        };
        match moved {
            Ok(object) => {
                self.renamed(&source, &target, open, object);
                if let Some(replaced) = replaced {
                    replaced.gone().await;
                }
                Ok(())
            }
            Err(error) => {
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
        stamp: BTreeMap<String, String>,
        (from, to): (&End, &End),
        replace: Replace,
    ) -> VfsResult<ObjectRef> {
        let mut hold = draft.hold().await;
        hold.commit(Urgency::Always, stamp).await?;
        let object = self.move_object(from, to, replace).await?;
        hold.moved(to.target.clone(), object.clone());
        Ok(object)
    }

    /// Has S3 copy the object and remove it under its old name.
    async fn move_object(&self, from: &End, to: &End, replace: Replace) -> VfsResult<ObjectRef> {
        // The directory keeps the new name where it is the same.
        if from.directory.ino != to.directory.ino {
            self.keep_directory(&from.directory, &from.name).await?;
        }
        let copied = match replace {
            Replace::Allowed => {
                self.copy_entry(&from.target, &to.target, Conditions::default()).await?
            }
            Replace::Refused => self.copy_to_free_name(&from.target, &to.target).await?,
        };
        if let Some(inode) = self.inodes.find(from.directory.ino, &from.name) {
            inode.renew_pages(&copied.source, &copied.object.etag);
        }
        match self.remove_version(&from.target, Conditions::matching(copied.source.clone())).await {
            // Somebody has written the old name anew since it was copied, and that stays.
            Err(VfsError::Store(error)) if error.kind == ErrorKind::Precondition => {
                let key = &*from.target.key;
                tracing::warn!(key, "renamed, and written anew under its old name by others");
            }
            removed => removed?,
        }
        if let Some(origin) = copied.origin(&from.target) {
            self.reader.keep_moved(&origin, &copied.object);
        }
        Ok(copied.object)
    }

    /// Has S3 copy an object where there is none; fails with `Exists` where there is one.
    pub(crate) async fn copy_to_free_name(&self, from: &Target, to: &Target) -> VfsResult<Copied> {
        let copied = self.copy_entry(from, to, Conditions::absent()).await;
        let error = match copied {
            Ok(copied) => return Ok(copied),
            Err(error) => error,
        };
        match error.kind {
            // Also where it is our own copy, whose answer was lost: two who race for a name must
            // not both believe that they have it.
            ErrorKind::Precondition | ErrorKind::Exists => Err(taken()),
            // A server without conditions on copies.
            ErrorKind::Unsupported => match self.head(&to.bucket, &to.key).await? {
                Some(_) => Err(taken()),
                None => Ok(self.copy_entry(from, to, Conditions::default()).await?),
            },
            _ => Err(error.into()),
        }
    }

    /// Lets the names know, and who has the file open.
    fn renamed(&self, from: &End, to: &End, open: Option<&OpenFile>, object: ObjectRef) {
        self.reader.forget(&from.target.bucket, &from.target.key);
        self.reader.forget_others(&object);
        self.removed(&to.directory, &to.name);
        let now = self.now();
        to.directory.note_made_in(now);
        let written = open.and_then(OpenFile::last_facts).map(|facts| facts.posix);
        let facts = Facts {
            etag: object.etag.clone(),
            size: object.size,
            last_modified: self.clock.wall(),
            posix: written.unwrap_or_else(|| from.posix.clone()).renamed(self.clock.wall()),
            is_archived: false,
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

fn taken() -> VfsError {
    VfsError::Exists("the new name is taken".to_owned())
}

fn end((directory, found): (Arc<Inode>, Found)) -> VfsResult<End> {
    let Some((bucket, key)) = found.named.file() else {
        let message = format!("{} is the escaped name of a directory", found.name);
        return Err(VfsError::Invalid(message));
    };
    let posix = match found.known {
        Known::File(facts) => facts.posix,
        Known::Absent | Known::Directory(_) => Asked::NotYet,
    };
    Ok(End { directory, name: found.name, target: Target { bucket, key }, posix })
}

fn tree_end((directory, found): (Arc<Inode>, Found)) -> VfsResult<TreeEnd> {
    let (bucket, prefix) = match &found.named {
        Meaning::Bucket if found.known == Known::Absent => return Err(only_buckets()),
        Meaning::Bucket => {
            return Err(VfsError::NotPermitted("a bucket can't be renamed".to_owned()));
        }
        Meaning::Key { named: Named::FileOnly { .. }, .. } => {
            let message = format!("{} is the escaped name of a file", found.name);
            return Err(VfsError::Invalid(message));
        }
        Meaning::Key { .. } => found.named.directory(&found.name).ok_or(VfsError::NameTooLong)?,
    };
    if prefix.marker_key().is_none() {
        let message = format!("{} stands for a piece of longer names: rename those", found.name);
        return Err(VfsError::Invalid(message));
    }
    let below = Below { bucket, prefix };
    let place = directory.place().location;
    Ok(TreeEnd { directory, place, name: found.name, below })
}

/// A directory can't become its own subdirectory.
fn check_not_inside(source: &Below, target: &Below) -> VfsResult<()> {
    let (source, target) = (source.spot(), target.spot());
    if source.0 == target.0 && target.1.starts_with(&*source.1) {
        let message = "a directory can't be moved into itself";
        return Err(VfsError::Invalid(message.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rustix::io::Errno;

    use super::*;
    use crate::store::types::ETag;
    use crate::vfs::namespace::names::DirPrefix;

    fn file() -> Known {
        let (etag, last_modified) = (ETag::new("e"), SystemTime::UNIX_EPOCH);
        let posix = Asked::NotYet;
        Known::File(Facts { etag, size: 1, last_modified, posix, is_archived: false })
    }

    fn directory() -> Known {
        Known::directory()
    }

    #[track_caller]
    fn check(source: &Known, target: &Known, replace: Replace, expected: Result<Plan, Errno>) {
        let plan = plan_rename(source, target, replace).map_err(|error| error.errno());
        assert_eq!(plan, expected);
    }

    #[test]
    fn what_is_not_there_is_not_renamed() {
        check(&Known::Absent, &file(), Replace::Refused, Err(Errno::NOENT));
        check(&Known::Absent, &Known::Absent, Replace::Allowed, Err(Errno::NOENT));
    }

    #[test]
    fn like_replaces_like() {
        check(&file(), &file(), Replace::Allowed, Ok(Plan::File));
        check(&file(), &directory(), Replace::Allowed, Err(Errno::ISDIR));
        check(&directory(), &file(), Replace::Allowed, Err(Errno::NOTDIR));
        let over = Plan::Directory { replaces: true };
        check(&directory(), &directory(), Replace::Allowed, Ok(over));
    }

    #[test]
    fn nothing_is_replaced_where_that_is_refused() {
        for source in [&file(), &directory()] {
            for target in [&file(), &directory()] {
                check(source, target, Replace::Refused, Err(Errno::EXIST));
            }
        }
        check(&file(), &Known::Absent, Replace::Refused, Ok(Plan::File));
        let free = Plan::Directory { replaces: false };
        check(&directory(), &Known::Absent, Replace::Refused, Ok(free));
    }

    #[test]
    fn a_directory_does_not_become_its_own_subdirectory() {
        let below = |bucket: &str, prefix: &str| Below {
            bucket: Arc::from(bucket),
            prefix: DirPrefix::root(prefix),
        };
        assert!(check_not_inside(&below("b", "a/"), &below("b", "a/c/")).is_err());
        assert!(check_not_inside(&below("b", "a/"), &below("b", "a-/")).is_ok());
        assert!(check_not_inside(&below("b", "a/"), &below("c", "a/c/")).is_ok());
        assert!(check_not_inside(&below("b", "a/c/"), &below("b", "a/")).is_ok());
    }
}
