//! Unlinking: removing names one by one, or behind a program that removes many.
//!
//! Behind means that the name is gone and the program goes on while S3 has yet to be asked. Only
//! files that nobody has open or copies from go that way. Whoever must know that they are gone
//! from S3, because a directory is removed, renamed or synced or the mount ends, waits.

use std::sync::Arc;
use std::time::Duration;

use crate::store::types::DeleteObject;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::Known;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::ops::moves::Purpose;
use crate::vfs::removal::queue::Removal;
use crate::vfs::removal::streaks::{PAUSE_MAX, Pace};
use crate::vfs::types::{Caller, Fh, Ino};
use crate::vfs::write::upload::Target;
use crate::vfs::{Drained, Vfs};

/// Where a name was made more recently, names are removed one by one.
const MADE_PAUSE: Duration = Duration::from_secs(3);

impl Vfs {
    /// Where a process removes many names one after the other, later ones may be acknowledged
    /// before S3 has removed them; what then fails is told by its next call, by [`Self::rmdir`]
    /// and [`Self::fsyncdir`] of the directory, or by [`Self::drain`].
    pub async fn unlink(&self, parent: Ino, name: &[u8], caller: Caller) -> VfsResult<()> {
        self.check_writable()?;
        let unlinked = match self.removals.take_failure_of(caller.pid) {
            Some(error) => Err(error.into()),
            None => self.unlink_now(parent, name, caller.pid).await,
        };
        match unlinked {
            Ok(()) => self.removals.note_removed(caller.pid, self.now()),
            Err(_) => self.removals.break_streak(caller.pid),
        }
        unlinked
    }

    /// A process changes something otherwise than by removing names: what it removes next, it
    /// removes one by one again.
    pub fn note_other_change(&self, pid: u32) {
        self.removals.break_streak(pid);
    }

    /// What was removed in a directory and below it is gone from S3 when this succeeds.
    pub async fn fsyncdir(&self, fh: Fh) -> VfsResult<()> {
        let handle = self.handles.directory(fh)?;
        self.removed_within(handle.inode()).await
    }

    /// As [`Self::fsyncdir`].
    pub(crate) async fn removed_within(&self, directory: &Inode) -> VfsResult<()> {
        match directory.place().location {
            Location::Directory { bucket, prefix } => {
                self.removals_done(&bucket, prefix.as_str()).await
            }
            Location::Account | Location::File { .. } => {
                self.removals.settled().await;
                let first = self.removals.take_failures().into_iter().next();
                first.map_or(Ok(()), |failure| Err(failure.error.into()))
            }
        }
    }

    /// Whether a program goes through the names of a directory and removes them.
    pub(crate) fn is_being_emptied(&self, directory: &Inode) -> bool {
        self.is_within(PAUSE_MAX, directory.own().emptied_at)
    }

    /// Waits for what is being removed below a directory, and fails as what failed of it.
    pub(crate) async fn removals_done(&self, bucket: &str, prefix: &str) -> VfsResult<()> {
        self.removals.settled_below(bucket, prefix).await;
        match self.removals.take_failure_below(bucket, prefix) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Waits for everything that is being removed, and names what did not go.
    pub(crate) async fn drain_removals(&self, drained: &mut Drained) {
        self.removals.close();
        self.removals.settled().await;
        for failure in self.removals.take_failures() {
            let others = match failure.others {
                0 => String::new(),
                others => format!(", as {others} others beside it"),
            };
            let reason = format!("was removed and is there again{others}: {}", failure.error);
            drained.failed.push((failure.path, reason));
        }
    }

    /// How the next name of a process in a directory is to be removed. Where names come and go, a
    /// thread of the same program may mean something by it.
    fn pace(&self, directory: &Inode, pid: u32) -> Pace {
        if self.is_within(MADE_PAUSE, directory.own().made_in_at) {
            return Pace::OneByOne;
        }
        self.removals.pace(pid, self.now())
    }

    fn is_within(&self, pause: Duration, at: Option<Duration>) -> bool {
        at.is_some_and(|at| self.now().saturating_sub(at) <= pause)
    }

    async fn unlink_now(&self, parent: Ino, name: &[u8], pid: u32) -> VfsResult<()> {
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        let (bucket, key) = match &found.known {
            Known::Absent => return Err(VfsError::NotFound),
            Known::Directory(_) => return Err(VfsError::IsDirectory),
            Known::File(_) => found.named.file().ok_or(VfsError::NotFound)?,
        };
        let pace = self.pace(&directory, pid);
        if pace == Pace::Behind {
            self.removals.room().await;
            self.check_writable()?;
        }
        self.keep_directory(&directory, &found.name).await?;
        let target = Target { bucket, key };
        if pace == Pace::Behind && self.is_at_rest(&directory, &found.name, &target) {
            return self.unlink_behind(&directory, &found.name, target, pid);
        }
        self.part_from(|borrowed| *borrowed == target).await?;
        let leaving = self.leave(&directory, &found.name).await;
        let Target { bucket, key } = target;
        self.store.delete_object(&bucket, &key, DeleteObject::default()).await?;
        self.reader.forget(&bucket, &key);
        self.removed(&directory, &found.name);
        if let Some(leaving) = leaving {
            leaving.gone().await;
        }
        Ok(())
    }

    /// Whether nobody has a file open or copies from it, and no directory needs it: the object may
    /// also be the marker of its own.
    fn is_at_rest(&self, directory: &Inode, name: &Arc<str>, target: &Target) -> bool {
        let inode = self.inodes.find(directory.ino, name);
        let is_open = inode.is_some_and(|inode| self.handles.find(inode.ino).is_some());
        let mut open = self.handles.all().into_iter();
        let is_source = open.any(|file| file.borrows_from(|borrowed| borrowed == target));
        !is_open && !is_source && !target.key.ends_with('/')
    }

    fn unlink_behind(
        &self,
        directory: &Arc<Inode>,
        name: &Arc<str>,
        Target { bucket, key }: Target,
        pid: u32,
    ) -> VfsResult<()> {
        let path = match self.path(directory) {
            above if above.is_empty() => name.to_string(),
            above => format!("{above}/{name}"),
        };
        let directory_of = Arc::clone(directory);
        let (of, at) = (Arc::clone(&bucket), Arc::clone(&key));
        if !self.removals.add(Removal { bucket, key, directory: directory_of, path, pid }) {
            return Err(VfsError::ShuttingDown);
        }
        directory.note_emptied(self.now());
        self.reader.forget(&of, &at);
        self.removed(directory, name);
        Ok(())
    }
}
