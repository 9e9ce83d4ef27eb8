//! Renaming a directory: every key below it is copied by S3, and removed once its copy is there.
//!
//! Keys are taken in rounds of up to [`ROUND_KEYS`]: all of a round are copied before any of it
//! is removed, so that what fails early is undone and leaves everything as it was. What fails
//! after old names have gone, or is cut off, is finished by `recover` at the next mount, from an
//! intent in the journal. Files that are being written go last, while nobody can write to them.
//!
//! In memory are one round's keys (10 MiB at the very worst) and what is open.

mod round;
mod written;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::store::types::{DeleteObject, ListObjects, ListedObject, ObjectAttributes};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::journal::{Intent, Record, Spot, from_ms, to_ms};
use crate::vfs::namespace::directory::{DirectoryFacts, Facts, Known};
use crate::vfs::namespace::inode::{Below, Inode, Location};
use crate::vfs::namespace::names::KEY_BYTES_MAX;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::moves::Moving;
use crate::vfs::ops::recover::{finish, leave};
use crate::vfs::ops::rename_tree::round::Attempt;
use crate::vfs::types::{Ino, ObjectRef};
use crate::vfs::write::upload::Target;

/// Keys that are copied before the first of them is removed under its old name.
pub const ROUND_KEYS: usize = 10_000;

/// Copies and the like under way at once.
pub const REQUESTS_MAX: usize = 32;

/// One end of the rename of a directory.
pub(crate) struct TreeEnd {
    /// The directory that the name is in.
    pub(crate) directory: Arc<Inode>,
    /// Where that was when the name was looked up.
    pub(crate) place: Location,
    pub(crate) name: Arc<str>,
    pub(crate) below: Below,
}

impl TreeEnd {
    /// Whether the name still stands for the same.
    pub(crate) fn is_in_place(&self) -> bool {
        self.directory.place().location == self.place
    }

    fn target(&self, rest: &str) -> Target {
        let key = Arc::from(format!("{}{rest}", self.below.prefix.as_str()));
        Target { bucket: Arc::clone(&self.below.bucket), key }
    }

    fn intent_spot(&self) -> Spot {
        let prefix = self.below.prefix.as_str().to_owned();
        Spot { bucket: self.below.bucket.to_string(), prefix }
    }
}

/// What is below a directory, before anything is done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Survey {
    keys: u64,
    has_marker: bool,
}

impl Survey {
    /// Takes a key into account, given by what follows the prefix. Fails where its new name would
    /// be too long for S3.
    fn add(&mut self, rest: &str, target_bytes: usize) -> VfsResult<()> {
        if target_bytes + rest.len() > KEY_BYTES_MAX {
            return Err(VfsError::NameTooLong);
        }
        self.keys += 1;
        self.has_marker |= rest.is_empty();
        Ok(())
    }
}

/// A rename under way.
struct Run<'a> {
    vfs: &'a Vfs,
    source: &'a TreeEnd,
    target: &'a TreeEnd,
    replaces: bool,
    began_ms: u64,
    survey: Survey,
    /// Keys of files that were being written when it began, by what follows the prefix.
    written: HashSet<String>,
    /// Those of them that are under their new names alone.
    moved_written: HashMap<String, ObjectRef>,
    /// Copied and not yet removed, or tried to be.
    round: Vec<Attempt>,
    copied: u64,
    removed: u64,
}

impl Vfs {
    /// Renames a directory over nothing, or over an empty directory. Nobody else changes names
    /// below either.
    pub(crate) async fn rename_tree(
        &self,
        source: &TreeEnd,
        target: &TreeEnd,
        replaces: bool,
        moving: &Moving<'_>,
    ) -> VfsResult<()> {
        let survey = self.survey(source, target).await?;
        let began_ms = to_ms(self.clock.wall());
        let record = self.record(&intent(source, target, began_ms, None)).await?;
        let mut run = Run {
            vfs: self,
            source,
            target,
            replaces,
            began_ms,
            survey,
            written: self.written_below(&source.below),
            moved_written: HashMap::new(),
            round: Vec::new(),
            copied: 0,
            removed: 0,
        };
        match run.move_all(moving).await {
            Ok(()) => {
                self.tree_renamed(source, target);
                finish(record).await;
                Ok(())
            }
            Err(error) => {
                run.give_up(record, &error).await;
                Err(error)
            }
        }
    }

    /// Counts the keys, before anything is done with them.
    async fn survey(&self, source: &TreeEnd, target: &TreeEnd) -> VfsResult<Survey> {
        let mut survey = Survey::default();
        let mut continuation = None;
        let target_bytes = target.below.prefix.as_str().len();
        loop {
            let (objects, next) = self.page_below(&source.below, continuation).await?;
            for object in objects {
                survey.add(rest_of(&object.key, &source.below), target_bytes)?;
            }
            continuation = next;
            if continuation.is_none() {
                return Ok(survey);
            }
        }
    }

    /// Some keys below a directory, and where the next are.
    pub(crate) async fn page_below(
        &self,
        below: &Below,
        continuation: Option<String>,
    ) -> VfsResult<(Vec<ListedObject>, Option<String>)> {
        let prefix = below.prefix.as_str().to_owned();
        let options = ListObjects { prefix, continuation, ..ListObjects::default() };
        let page = self.store.list_objects(&below.bucket, options).await?;
        Ok((page.objects, page.next))
    }

    async fn record(&self, intent: &Intent) -> VfsResult<Option<Record>> {
        let Some(journal) = self.journal.clone() else { return Ok(None) };
        let intent = intent.clone();
        let recorded = tokio::task::spawn_blocking(move || journal.record(&intent)).await;
        match recorded {
            Ok(Ok(record)) => Ok(Some(record)),
            Ok(Err(error)) => Err(VfsError::Journal(error.to_string())),
            Err(panic) => Err(VfsError::Journal(panic.to_string())),
        }
    }

    /// Lets the names and inodes know.
    fn tree_renamed(&self, source: &TreeEnd, target: &TreeEnd) {
        let now = self.now();
        self.removed(&target.directory, &target.name);
        let inode = self.inodes.find(source.directory.ino, &source.name);
        if let Some(inode) = &inode {
            let location = inode.place().location;
            self.inodes.rename(inode, target.directory.ino, &target.name, location);
        }
        for moved in self.inodes.relocate(&source.below, &target.below) {
            // ETags and times of copies are their own.
            moved.names().forget_unpinned();
            self.follow_name(&moved);
        }
        let known = source.directory.names().last_known(&source.name).cloned();
        let known = match known {
            Some(Known::Directory(facts)) => {
                let posix = facts.posix.renamed(self.clock.wall());
                Known::Directory(DirectoryFacts { posix, ..facts })
            }
            Some(Known::File(_) | Known::Absent) | None => Known::directory(),
        };
        source.directory.names().unpin(&source.name, Known::Absent, Some(now));
        source.directory.note_changed(self.clock.wall());
        target.directory.names().unpin(&target.name, known, Some(now));
    }

    /// What is said of the name of a file that is being written is of its new object.
    fn follow_name(&self, inode: &Inode) {
        let Some(open) = self.handles.find(inode.ino).filter(|open| open.draft().is_some()) else {
            return;
        };
        if let Some(facts) = open.last_facts() {
            self.pin(inode, &Known::File(facts));
        }
    }

    /// Open files below a directory.
    fn open_below(&self, below: &Below) -> Vec<(Arc<OpenFile>, String)> {
        let open = self.handles.all().into_iter();
        open.filter_map(|open| {
            let place = open.inode.place();
            let Location::File { bucket, key } = &place.location else { return None };
            if place.removed || *bucket != below.bucket {
                return None;
            }
            let rest = key.strip_prefix(below.prefix.as_str())?.to_owned();
            Some((open, rest))
        })
        .collect()
    }

    /// Keys of files below a directory that are being written, by what follows its prefix.
    pub(crate) fn written_below(&self, below: &Below) -> HashSet<String> {
        let open = self.open_below(below).into_iter();
        open.filter(|(open, _)| open.draft().is_some()).map(|(_, rest)| rest).collect()
    }

    /// Writes the marker of a directory that is about to lose another with all that is in it, if
    /// that is its last.
    async fn keep_directory_of(&self, end: &TreeEnd) -> VfsResult<()> {
        let Location::Directory { bucket, prefix } = &end.place else { return Ok(()) };
        let stays = {
            let names = end.directory.names();
            names.has_marker() || names.has_other_than(&end.name, self.now(), self.ttl())
        };
        // The root of a mount is there whatever is in it.
        if end.directory.ino == Ino::ROOT
            || stays
            || self.has_beside(bucket, prefix, &end.below.prefix).await?
        {
            return Ok(());
        }
        self.put_marker(bucket, prefix, ObjectAttributes::default()).await?;
        end.directory.names().marked();
        Ok(())
    }
}

impl Run<'_> {
    async fn move_all(&mut self, moving: &Moving<'_>) -> VfsResult<()> {
        let mut continuation = None;
        loop {
            let page = self.vfs.page_below(&self.source.below, continuation).await?;
            self.copy(page.0).await?;
            continuation = page.1;
            if continuation.is_none() {
                break;
            }
            if self.round.len() >= ROUND_KEYS {
                self.part_from_source().await?;
                moving.switch().await;
                self.remove_round().await?;
                self.say_progress();
            }
        }
        self.move_last(moving).await
    }

    /// The last round, with what is being written.
    async fn move_last(&mut self, moving: &Moving<'_>) -> VfsResult<()> {
        let open = self.vfs.open_below(&self.source.below);
        self.part_from_source().await?;
        let mut held = self.hold(&open).await?;
        self.copy_written().await?;
        if self.copied == 0 {
            let Below { bucket, prefix } = &self.target.below;
            self.vfs.put_marker(bucket, prefix, ObjectAttributes::default()).await?;
        }
        if self.source.directory.ino != self.target.directory.ino {
            self.vfs.keep_directory_of(self.source).await?;
        }
        moving.switch().await;
        let removed = self.remove_round().await;
        held.follow(self);
        removed?;
        self.drop_replaced_marker().await;
        Ok(())
    }

    /// Whoever has copied from a file below by name alone takes the bytes.
    async fn part_from_source(&self) -> VfsResult<()> {
        let from = &self.source.below;
        let is_below = |borrowed: &Target| {
            borrowed.bucket == from.bucket && borrowed.key.starts_with(from.prefix.as_str())
        };
        self.vfs.part_from(is_below).await
    }

    /// The directory is as the one that was renamed, also where that one had no marker.
    async fn drop_replaced_marker(&self) {
        if !self.replaces || self.survey.has_marker || self.copied == 0 {
            return;
        }
        let target = self.target.target("");
        let deleted =
            self.vfs.store.delete_object(&target.bucket, &target.key, DeleteObject::default());
        if let Err(error) = deleted.await {
            tracing::warn!(key = %target.key, %error, "a replaced directory's marker stays");
        }
    }

    /// Undoes what can be undone, and says what could not.
    async fn give_up(&mut self, record: Option<Record>, error: &VfsError) {
        let is_undone = self.removed == 0 && self.undo().await;
        for end in [self.source, self.target] {
            end.directory.names().forget_unpinned();
            self.vfs.forget_names(&end.below);
        }
        let (from, to) = (self.source.below.prefix.as_str(), self.target.below.prefix.as_str());
        if is_undone {
            tracing::warn!(
                from,
                to,
                "a directory was not renamed, everything is as before: {error}"
            );
            return finish(record).await;
        }
        let (copied, removed, keys) = (self.copied, self.removed, self.survey.keys);
        let next = match &record {
            Some(_) => "the next mount finishes it",
            None => "what is left must be moved by hand",
        };
        tracing::error!(
            from,
            to,
            copied,
            removed,
            keys,
            "a directory was renamed in part, {next}: {error}"
        );
        let failed_ms = Some(to_ms(self.vfs.clock.wall()));
        leave(record, intent(self.source, self.target, self.began_ms, failed_ms)).await;
    }

    fn say_progress(&self) {
        let (from, to) = (self.source.below.prefix.as_str(), self.target.below.prefix.as_str());
        tracing::info!(from, to, moved = self.removed, of = self.survey.keys, "renaming");
    }

    fn began(&self) -> SystemTime {
        from_ms(self.began_ms)
    }

    /// The file is this object now.
    fn note_object(&self, open: &OpenFile, object: ObjectRef) -> Facts {
        let last_modified = self.vfs.clock.wall();
        let posix = open.last_facts().map(|facts| facts.posix).unwrap_or_default();
        let facts = Facts {
            etag: object.etag.clone(),
            size: object.size,
            last_modified,
            posix,
            is_archived: false,
        };
        open.note_committed(object, facts.clone());
        facts
    }
}

/// What follows the prefix of a directory in a key below it.
pub(crate) fn rest_of<'a>(key: &'a str, below: &Below) -> &'a str {
    key.strip_prefix(below.prefix.as_str()).unwrap_or_default()
}

fn intent(source: &TreeEnd, target: &TreeEnd, began_ms: u64, failed_ms: Option<u64>) -> Intent {
    let (from, to) = (source.intent_spot(), target.intent_spot());
    Intent::RenameDirectory { from, to, began_ms, failed_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_over_1024_bytes_stops_the_rename() {
        let mut survey = Survey::default();
        assert!(survey.add(&"x".repeat(1000), 24).is_ok());
        assert!(matches!(survey.add(&"x".repeat(1000), 25), Err(VfsError::NameTooLong)));
    }

    #[test]
    fn the_key_that_is_the_prefix_itself_is_the_marker() {
        let mut survey = Survey::default();
        survey.add("sub/", 4).unwrap();
        assert_eq!(survey, Survey { keys: 1, has_marker: false });
        survey.add("", 4).unwrap();
        assert_eq!(survey, Survey { keys: 2, has_marker: true });
    }
}
