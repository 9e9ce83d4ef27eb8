//! Recovery: what an earlier mount began and could not end.
//!
//! Renames of directories: what is still below the old place is copied and removed as the rename
//! would have done it. Nothing is overwritten: where both names are taken, the old one goes only
//! if the new one is seen to be its copy.
//!
//! Uploads that a mount left in progress: they are aborted, whatever this mount shows. First, since
//! they cost money and it is soon done.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::store::Upload;
use crate::store::error::ErrorKind;
use crate::store::types::ObjectAttributes;
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::journal::{Intent, Journal, Left, Record, Spot, from_ms};
use crate::vfs::namespace::directory::{Asked, Facts};
use crate::vfs::namespace::inode::{Below, Location};
use crate::vfs::namespace::names::DirPrefix;
use crate::vfs::ops::rename_tree::{REQUESTS_MAX, rest_of};
use crate::vfs::types::Ino;
use crate::vfs::write::upload::Target;

/// S3 tells times in whole seconds.
const TIME_GRAIN: Duration = Duration::from_secs(1);

/// A rename that was cut off or given up.
struct Halfway {
    from: Below,
    to: Below,
    began: SystemTime,
    failed: Option<SystemTime>,
}

/// What became of a key below the old place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// It is under its new name, so the old one may go.
    Copied,
    /// It does not belong to the rename, or something else has its new name.
    LeftAlone,
    /// A program writes to it.
    Busy,
    Gone,
}

/// What was finished of one rename.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Finished {
    moved: u64,
    left_alone: u64,
    busy: u64,
}

/// Whether what is under the new name is the copy that a rename made, which began at `began`, of
/// what is under the old one.
#[must_use]
pub fn is_copy_of(source: &Facts, there: &Facts, began: SystemTime) -> bool {
    let is_since = there.last_modified + TIME_GRAIN > began;
    // A copy by parts and a copy of parts have ETags of their own. What was written to the
    // source since is in no copy.
    let is_newest = there.last_modified >= source.last_modified;
    there.size == source.size && (there.etag == source.etag || (is_since && is_newest))
}

impl Vfs {
    /// Finishes what earlier mounts of this source began. To be called once, when the mount is
    /// there; what it does and can't do is in the log.
    pub async fn recover(&self) {
        let Some(journal) = self.journal.clone().filter(|_| !self.options.read_only) else {
            return;
        };
        let mut renames = Vec::new();
        for (intent, record) in take_left(journal).await.intents {
            match intent {
                Intent::AbortUpload { bucket, key, upload, .. } => {
                    let upload = Upload { bucket: &bucket, key: &key, upload: &upload };
                    self.abort_left(upload, record).await;
                }
                Intent::RenameDirectory { from, to, began_ms, failed_ms } => {
                    let (from, to) = (self.below(&from), self.below(&to));
                    let (Some(from), Some(to)) = (from, to) else { continue };
                    let (began, failed) = (from_ms(began_ms), failed_ms.map(from_ms));
                    renames.push((Halfway { from, to, began, failed }, record));
                }
            }
        }
        for (halfway, record) in renames {
            self.finish_rename(&halfway, record).await;
        }
    }

    /// What could not be aborted stays for the next mount.
    async fn abort_left(&self, upload: Upload<'_>, record: Record) {
        let Upload { bucket, key, upload: id } = upload;
        match self.store.abort_multipart(upload).await {
            Ok(()) => {
                tracing::info!(bucket, key, upload = id, "aborted an interrupted upload");
                finish(Some(record)).await;
            }
            // It was completed or aborted, and only its record was left.
            Err(error) if error.kind == ErrorKind::NotFound => finish(Some(record)).await,
            Err(error) => {
                tracing::warn!(
                    bucket,
                    key,
                    upload = id,
                    %error,
                    "an interrupted upload could not be aborted"
                );
            }
        }
    }

    async fn finish_rename(&self, halfway: &Halfway, record: Record) {
        let (from, to) = (halfway.from.prefix.as_str(), halfway.to.prefix.as_str());
        match self.move_rest(halfway).await {
            Ok(Finished { moved, left_alone, busy: 0 }) => {
                tracing::info!(from, to, moved, left_alone, "finished an interrupted rename");
                finish(Some(record)).await;
            }
            Ok(Finished { moved, left_alone, busy }) => {
                tracing::warn!(
                    from,
                    to,
                    moved,
                    left_alone,
                    busy,
                    "an interrupted rename is not finished: files are being written"
                );
            }
            Err(error) => {
                tracing::warn!(from, to, %error, "an interrupted rename could not be finished");
            }
        }
    }

    /// Moves what is still below the old place.
    async fn move_rest(&self, halfway: &Halfway) -> VfsResult<Finished> {
        // Programs see it as if it happened elsewhere, except that they don't come in between.
        let _moving = self.moves.begin(vec![halfway.from.spot(), halfway.to.spot()]).await;
        let mut finished = Finished::default();
        let mut continuation = None;
        loop {
            self.check_writable()?;
            let (objects, next) = self.page_below(&halfway.from, continuation).await?;
            if finished == Finished::default() && !objects.is_empty() {
                self.keep_parent(&halfway.from).await?;
            }
            let known = objects.into_iter().map(|object| {
                let (etag, size) = (object.etag, object.size);
                let last_modified = object.last_modified;
                let (posix, is_archived) = (Asked::NotYet, false);
                (object.key, Facts { etag, size, last_modified, posix, is_archived })
            });
            self.move_page(halfway, known.collect(), &mut finished).await?;
            continuation = next;
            if continuation.is_none() {
                break;
            }
        }
        self.forget_names(&halfway.from);
        self.forget_names(&halfway.to);
        Ok(finished)
    }

    /// Writes the marker of the directory that the old place is in, if nothing else is in it.
    async fn keep_parent(&self, below: &Below) -> VfsResult<()> {
        let Some(parent) = parent_of(below.prefix.as_str()) else { return Ok(()) };
        let parent = DirPrefix::root(parent);
        if self.is_root(&parent) || self.has_beside(&below.bucket, &parent, &below.prefix).await? {
            return Ok(());
        }
        self.put_marker(&below.bucket, &parent, ObjectAttributes::default()).await
    }

    fn is_root(&self, directory: &DirPrefix) -> bool {
        let root = self.inodes.get(Ino::ROOT).map(|root| root.place().location);
        matches!(root, Ok(Location::Directory { prefix, .. }) if prefix == *directory)
    }

    async fn move_page(
        &self,
        halfway: &Halfway,
        objects: Vec<(String, Facts)>,
        finished: &mut Finished,
    ) -> VfsResult<()> {
        let written = self.written_below(&halfway.from);
        let mut waiting = objects.into_iter();
        let mut under_way = FuturesUnordered::new();
        let mut to_remove: Vec<Arc<str>> = Vec::new();
        let mut failure = None;
        loop {
            while failure.is_none() && under_way.len() < REQUESTS_MAX {
                let Some((key, facts)) = waiting.next() else { break };
                let is_written = written.contains(rest_of(&key, &halfway.from));
                under_way.push(async move {
                    let outcome = if is_written {
                        Ok(Outcome::Busy)
                    } else {
                        self.move_key(halfway, &key, &facts).await
                    };
                    (key, outcome)
                });
            }
            let Some((key, outcome)) = under_way.next().await else { break };
            match outcome {
                Ok(Outcome::Copied) => to_remove.push(Arc::from(key)),
                Ok(Outcome::LeftAlone) => finished.left_alone += 1,
                Ok(Outcome::Busy) => finished.busy += 1,
                Ok(Outcome::Gone) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        // Some servers keep a directory whose marker went before what was in it.
        to_remove.sort_unstable_by(|one, other| other.cmp(one));
        for removal in self.remove_keys(&halfway.from.bucket, &to_remove).await {
            match removal {
                Ok(()) => finished.moved += 1,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn move_key(&self, halfway: &Halfway, key: &str, source: &Facts) -> VfsResult<Outcome> {
        let rest = rest_of(key, &halfway.from);
        let new_key = format!("{}{rest}", halfway.to.prefix.as_str());
        if halfway.failed.is_some_and(|failed| source.last_modified > failed) {
            tracing::warn!(key, "is newer than the rename that was given up, and stays");
            return Ok(Outcome::LeftAlone);
        }
        let of = |below: &Below, key: &str| Target {
            bucket: Arc::clone(&below.bucket),
            key: Arc::from(key),
        };
        let (from, to) = (of(&halfway.from, key), of(&halfway.to, &new_key));
        match self.copy_to_free_name(&from, &to).await {
            Ok(_) => return Ok(Outcome::Copied),
            Err(VfsError::Exists(_)) => {}
            Err(error) => {
                let is_gone = self.head(&from.bucket, key).await?.is_none();
                return if is_gone { Ok(Outcome::Gone) } else { Err(error) };
            }
        }
        let there = self.head(&to.bucket, &to.key).await?.ok_or(VfsError::NotFound)?;
        if is_copy_of(source, &self.facts_of(&there), halfway.began) {
            return Ok(Outcome::Copied);
        }
        tracing::warn!(key, new_key, "both are there and differ: both stay");
        Ok(Outcome::LeftAlone)
    }

    /// What S3 said of names below a directory is asked for anew.
    pub(crate) fn forget_names(&self, below: &Below) {
        // All that is there stays there.
        for inode in self.inodes.relocate(below, below) {
            inode.names().forget_unpinned();
        }
    }

    /// A place of an intent, if this mount shows it.
    fn below(&self, spot: &Spot) -> Option<Below> {
        let below = Below {
            bucket: Arc::from(spot.bucket.as_str()),
            prefix: DirPrefix::root(&spot.prefix),
        };
        let is_shown = match self.inodes.get(Ino::ROOT).ok()?.place().location {
            Location::Account => true,
            Location::Directory { bucket, prefix } => {
                bucket == below.bucket && spot.prefix.starts_with(prefix.as_str())
            }
            Location::File { .. } => false,
        };
        let is_directory = spot.prefix.ends_with('/');
        (is_shown && is_directory).then_some(below)
    }
}

/// The directory that a directory is in; `None` for one in the root of its bucket.
fn parent_of(prefix: &str) -> Option<&str> {
    let path = prefix.strip_suffix('/')?;
    path.rfind('/').map(|at| &path[..=at])
}

async fn take_left(journal: Journal) -> Left {
    let left = tokio::task::spawn_blocking(move || journal.take_left()).await;
    let left = match left {
        Ok(Ok(left)) => left,
        Ok(Err(error)) => {
            tracing::warn!("what earlier mounts left can't be read: {error}");
            Left::default()
        }
        Err(panic) => {
            tracing::error!("what earlier mounts left can't be read: {panic}");
            Left::default()
        }
    };
    for (path, reason) in &left.unreadable {
        tracing::warn!("{} can't be read and is left: {reason}", path.display());
    }
    left
}

/// There is nothing left to do.
pub(crate) async fn finish(record: Option<Record>) {
    let Some(record) = record else { return };
    note_ended(tokio::task::spawn_blocking(move || record.finish()).await);
}

/// There is something left to do, for the next mount.
pub(crate) async fn leave(record: Option<Record>, intent: Intent) {
    let Some(record) = record else { return };
    note_ended(tokio::task::spawn_blocking(move || record.leave(&intent)).await);
}

/// An intent that stays by mistake is found done by the next mount.
fn note_ended(ended: Result<std::io::Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("an intent could not be changed: {error}"),
        Err(panic) => tracing::error!("an intent could not be changed: {panic}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::ETag;

    fn facts(etag: &str, size: u64, seconds: u64) -> Facts {
        let last_modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (etag, posix) = (ETag::new(etag), Asked::NotYet);
        Facts { etag, size, last_modified, posix, is_archived: false }
    }

    #[track_caller]
    fn check(source: &Facts, there: &Facts, expected: bool) {
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(100_700);
        assert_eq!(is_copy_of(source, there, began), expected);
    }

    #[test]
    fn a_directory_is_in_the_one_before_its_last_slash() {
        assert_eq!(parent_of("a/b/c/"), Some("a/b/"));
        assert_eq!(parent_of("a//"), Some("a/"));
        assert_eq!(parent_of("a/"), None);
    }

    #[test]
    fn the_same_bytes_are_a_copy_whenever_they_were_written() {
        check(&facts("a", 5, 50), &facts("a", 5, 60), true);
        check(&facts("a", 5, 50), &facts("a", 5, 101), true);
    }

    #[test]
    fn what_was_written_since_the_rename_began_is_its_copy_if_it_is_as_long() {
        check(&facts("a-2", 5, 50), &facts("b", 5, 101), true);
        check(&facts("a-2", 5, 50), &facts("b", 5, 100), true);
        check(&facts("a-2", 5, 50), &facts("b", 6, 101), false);
    }

    #[test]
    fn what_was_there_before_or_is_older_than_the_source_is_no_copy() {
        check(&facts("a", 5, 50), &facts("b", 5, 99), false);
        check(&facts("a", 5, 120), &facts("b", 5, 110), false);
    }
}
