//! Looking at an object: with its first bytes, where programs read what they look at.
//!
//! Whether they do is `namespace::habit`'s decision.

use std::sync::Arc;

use crate::store::error::ErrorKind;
use crate::store::types::ObjectHead;
use crate::vfs::Vfs;
use crate::vfs::error::VfsResult;
use crate::vfs::namespace::directory::{Facts, Known};
use crate::vfs::namespace::habit::{Look, Wanted, plan_look};
use crate::vfs::namespace::inode::Inode;
use crate::vfs::types::ObjectRef;

impl Vfs {
    /// What S3 says of an object in `directory`, of which `before` was known; `None` if there is none.
    pub(crate) async fn look(
        &self,
        directory: &Inode,
        (bucket, key): (&str, &str),
        before: Option<&Known>,
        wanted: Wanted,
    ) -> VfsResult<Option<ObjectHead>> {
        let facts = match before {
            Some(Known::File(facts)) => Some(facts),
            Some(Known::Absent | Known::Directory(_)) | None => None,
        };
        let is_here = facts.is_some_and(|facts| self.has_bytes_of(bucket, key, facts))
            || self.reader.may_be_on_disk(bucket, key);
        let look = match is_here {
            true => Look::Head,
            false => plan_look(directory.own().habit, facts.map(|facts| facts.size), wanted),
        };
        if let Look::First { bytes } = look {
            match self.reader.look(bucket, key, bytes).await {
                Ok(Some(head)) => return Ok(Some(head)),
                Ok(None) => {}
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        self.head(bucket, key).await
    }

    /// A program has looked a file up in this directory.
    pub(crate) fn note_looked(&self, directory: &Inode) {
        directory.change_habit(|habit| habit.note_looked());
    }

    /// A program has opened a file to read it.
    pub(crate) fn note_opened(&self, file: &Inode) {
        if let Ok(directory) = self.inodes.get(file.place().parent) {
            directory.change_habit(|habit| habit.note_opened());
        }
    }

    fn has_bytes_of(&self, bucket: &str, key: &str, facts: &Facts) -> bool {
        let object = ObjectRef {
            bucket: Arc::from(bucket),
            key: Arc::from(key),
            etag: facts.etag.clone(),
            size: facts.size,
        };
        self.reader.cached_bytes(&object) > 0
    }
}
