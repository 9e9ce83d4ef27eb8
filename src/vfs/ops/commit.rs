//! Commits: what was written becomes an object, and the names learn of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::vfs::error::VfsResult;
use crate::vfs::namespace::directory::{Asked, Facts, Known};
use crate::vfs::namespace::inode::Location;
use crate::vfs::namespace::posix::{self, Posix};
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::draft::{Committed, Urgency};
use crate::vfs::write::upload::Target;
use crate::vfs::{Drained, Vfs};

impl Vfs {
    /// Writes what open files still hold, waits for what is being removed, and refuses every later
    /// change.
    pub async fn drain(&self) -> Drained {
        self.ending.store(true, std::sync::atomic::Ordering::Release);
        let mut drained = Drained::default();
        // What is left undone of a rename would be for the next mount to do.
        self.moves.settled().await;
        for file in self.handles.all() {
            let Some(draft) = file.draft() else { continue };
            let before = draft.is_dirty().await;
            match self.commit(&file, Urgency::Always).await {
                Ok(()) if before => {
                    let (path, bytes) = (self.path(&file.inode), draft.bytes());
                    tracing::warn!(path, bytes, "still open at the end: S3 has what was written");
                    drained.written += 1;
                }
                Ok(()) => {}
                Err(error) => {
                    let reason = format!("is not in S3: {error}");
                    drained.failed.push((self.path(&file.inode), reason));
                }
            }
        }
        self.drain_removals(&mut drained).await;
        drained
    }

    /// Makes what was written an object, and lets the names know.
    pub(crate) async fn commit(&self, file: &OpenFile, urgency: Urgency) -> VfsResult<()> {
        let committed = self.commit_draft(file, urgency).await;
        file.note_failure(committed.as_ref().err().map(ToString::to_string));
        committed
    }

    async fn commit_draft(&self, file: &OpenFile, urgency: Urgency) -> VfsResult<()> {
        let Some(draft) = file.draft() else { return Ok(()) };
        if let Location::File { bucket, key } = file.inode.place().location
            && draft.is_dirty().await
        {
            let own = Target { bucket, key };
            self.part_from(|borrowed| *borrowed == own).await?;
        }
        let before = file.last_facts();
        let (posix, stamp) = self.stamp(file);
        let Some(committed) = draft.commit(urgency, stamp).await? else { return Ok(()) };
        let Committed { object, stamped } = committed;
        let facts = match self.unstamped(&object, stamped).await {
            Some(facts) => facts,
            None => self.facts_of_made(&object, posix),
        };
        let facts = match file.last_facts() {
            // Attributes that somebody has set meanwhile go with the next commit.
            Some(now) if before.is_some_and(|before| before.posix != now.posix) => {
                Facts { posix: now.posix, ..facts }
            }
            Some(_) | None => facts,
        };
        file.note_committed(object, facts.clone());
        self.pin(&file.inode, &Known::File(facts));
        Ok(())
    }

    /// What the metadata of a file's next object are to say, and that spelt.
    pub(crate) fn stamp(&self, file: &OpenFile) -> (Posix, BTreeMap<String, String>) {
        let known = file.last_facts().and_then(|facts| facts.posix.posix().cloned());
        let mut posix = known.map(|posix| Posix::clone(&posix)).unwrap_or_default();
        if let Some(at) = file.written_at() {
            posix = Posix { mtime: Some(at), ctime: posix.ctime.max(Some(at)), ..posix };
        }
        let mut stamp = BTreeMap::new();
        posix::write(&posix, self.options.posix_dialect, &mut stamp);
        (posix, stamp)
    }

    pub(crate) fn facts_of_made(&self, object: &ObjectRef, posix: Posix) -> Facts {
        Facts {
            etag: object.etag.clone(),
            size: object.size,
            last_modified: self.clock.wall(),
            posix: Asked::Fresh(Arc::new(posix)),
            is_archived: false,
        }
    }

    /// An upload of many parts was begun before it was known when the file would be written last,
    /// so its time is the one S3 gives it.
    async fn unstamped(&self, object: &ObjectRef, stamped: bool) -> Option<Facts> {
        if stamped || !self.asks() {
            return None;
        }
        // The object is there, whatever is answered; at worst its time is off by the upload's.
        let head = self.head(&object.bucket, &object.key).await.ok().flatten()?;
        (head.etag == object.etag).then(|| self.facts_of(&head))
    }
}
