//! Reading ahead of a program that goes through a tree: one listing of all keys from where it is
//! on, split into those of the directories that it will want next.
//!
//! What is held belongs to a walk and goes with it: when it is too old to be believed, when
//! something happened in the mount that directories no longer remember, when the program goes
//! elsewhere, or when other walks come.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::vfs::Vfs;
use crate::vfs::namespace::directory::listed::Stamp;
use crate::vfs::namespace::directory::{Known, freshness};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::course::Course;
use crate::vfs::namespace::listing::walk::{Complete, NAMES_AHEAD_MAX, Pace, Splitter};
use crate::vfs::namespace::listing::{Assembly, Item};
use crate::vfs::namespace::names::{DirPrefix, Shown, name_of_prefix};
use crate::vfs::ops::dir::pages::{Requests, Scope, Telling};
use crate::vfs::ops::lookup::Found;
use crate::vfs::types::Kind;

/// Directories whose subdirectories somebody goes through, at once.
const WALKS_MAX: usize = 8;

/// Pages read in search of one directory before the program is taken to be elsewhere.
const PAGES_SEARCHED_MAX: usize = 2;

/// Pages of what was asked for before any directory was listed, as long as none was found in them.
const PAGES_PEEKED: usize = 1;

/// The walks of a mount, the latest last.
#[derive(Default)]
pub struct Walks {
    table: Mutex<VecDeque<Arc<Walk>>>,
}

struct Walk {
    bucket: Arc<str>,
    base: DirPrefix,
    inode: Weak<Inode>,
    pace: Mutex<Pace>,
    reading: tokio::sync::Mutex<Option<Reading>>,
}

/// What is read ahead.
struct Reading {
    requests: Requests,
    splitter: Splitter,
    /// By prefix: what was read and not asked for.
    ready: BTreeMap<String, Complete>,
    has_ended: bool,
    /// The directory that was told last: those before it are not read any more.
    from: String,
    /// How often directories had lost what they knew when reading began.
    losses: u64,
    /// Pages that the search for the next directory may take.
    pages_searched_max: usize,
    /// When a page was asked for last.
    asked_at: Duration,
}

impl Walks {
    /// The walk through the subdirectories of this directory.
    fn of(&self, bucket: &Arc<str>, inode: &Arc<Inode>, base: &DirPrefix) -> Arc<Walk> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |walk: &Arc<Walk>| {
            walk.bucket == *bucket
                && walk.base == *base
                && walk.inode.as_ptr() == Arc::as_ptr(inode)
        };
        let at = table.iter().position(is_it);
        let found = at.and_then(|at| table.remove(at));
        let walk = found.unwrap_or_else(|| Arc::new(Walk::new(bucket, inode, base)));
        if table.len() >= WALKS_MAX {
            table.pop_front();
        }
        table.push_back(Arc::clone(&walk));
        walk
    }

    /// Walks that may have read this directory, the nearest first.
    fn above(&self, bucket: &Arc<str>, prefix: &DirPrefix) -> Vec<Arc<Walk>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let is_above = |walk: &&Arc<Walk>| {
            walk.bucket == *bucket && prefix.as_str().starts_with(walk.base.as_str())
        };
        let mut above: Vec<_> = table.iter().filter(is_above).cloned().collect();
        above.sort_by_key(|walk| std::cmp::Reverse(walk.base.as_str().len()));
        above
    }
}

impl Walk {
    fn new(bucket: &Arc<str>, inode: &Arc<Inode>, base: &DirPrefix) -> Self {
        Self {
            bucket: Arc::clone(bucket),
            base: base.clone(),
            inode: Arc::downgrade(inode),
            pace: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn begins(&self, prefix: &DirPrefix) -> bool {
        self.pace().begins(prefix.as_str())
    }

    /// Whether a directory may be among what is read ahead at the moment.
    fn may_have(&self, prefix: &DirPrefix, now: Duration, ttl: Duration) -> bool {
        // Whoever has the lock is reading.
        let Ok(place) = self.reading.try_lock() else { return true };
        place.as_ref().is_some_and(|reading| {
            prefix.as_str() >= &*reading.from && freshness(reading.asked_at, now, ttl).is_some()
        })
    }

    /// The directory whose subdirectories are gone through, where it still is what it was.
    fn directory(&self) -> Option<Arc<Inode>> {
        let inode = self.inode.upgrade()?;
        let is_here = match inode.place().location {
            Location::Directory { bucket, prefix } => {
                (&bucket, &prefix) == (&self.bucket, &self.base)
            }
            Location::Account | Location::File { .. } => false,
        };
        is_here.then_some(inode)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vfs {
    /// The names of a directory, as far as they were or can be read ahead of the program.
    pub(super) async fn walked(
        &self,
        directory: &Inode,
        bucket: &Arc<str>,
        prefix: &DirPrefix,
    ) -> Option<Vec<Item>> {
        if self.ttl().is_zero() || prefix.marker_key().is_none() {
            return None;
        }
        for walk in self.walks.above(bucket, prefix) {
            if let Some(complete) = self.read_ahead(&walk, prefix).await {
                return self.tell_walked(directory, prefix, complete).await;
            }
        }
        let (parent, base) = self.parent_of(directory, bucket)?;
        let walk = self.walks.of(bucket, &parent, &base);
        if !walk.begins(prefix) || !self.lists_in_order() {
            return None;
        }
        let reading = self.reading(&walk, prefix, PAGES_SEARCHED_MAX);
        *walk.reading.lock().await = Some(reading);
        let complete = self.read_ahead(&walk, prefix).await?;
        self.tell_walked(directory, prefix, complete).await
    }

    /// A program looks at the first subdirectory of a directory that it has read. It may go through
    /// the tree: a page of all keys is asked for beside what it asks for itself.
    pub(crate) fn peek(&self, directory: &Inode, found: &Found) {
        if found.known.kind() != Kind::Directory || self.ttl().is_zero() || !self.lists_in_order() {
            return;
        }
        let Some((bucket, prefix)) = found.named.directory(&found.name) else { return };
        let Location::Directory { prefix: base, .. } = directory.place().location else { return };
        if !directory.names().begins_walk(&found.name) || prefix.marker_key().is_none() {
            return;
        }
        let may_have = |walk: &Arc<Walk>| walk.may_have(&prefix, self.now(), self.ttl());
        if self.walks.above(&bucket, &prefix).iter().any(may_have) {
            return;
        }
        let Ok(inode) = self.inodes.directory(directory.ino) else { return };
        let walk = self.walks.of(&bucket, &inode, &base);
        if !walk.pace().may_peek() {
            return;
        }
        if let Ok(mut place) = walk.reading.try_lock() {
            match place.take() {
                // Nobody has wanted anything of it.
                Some(reading) if reading.pages_searched_max == PAGES_PEEKED => {
                    return walk.pace().was_in_vain();
                }
                // Somebody else is on the way.
                Some(reading) if self.is_current(&reading) => {
                    *place = Some(reading);
                    return;
                }
                Some(_) | None => {}
            }
            let mut reading = self.reading(&walk, &prefix, PAGES_PEEKED);
            reading.requests.ask(&self.store, self.walk_stamp());
            *place = Some(reading);
        }
    }

    /// A program has read a directory, which was listed by itself and had so many names.
    pub(super) fn note_listed(&self, directory: &Inode, names: usize) {
        directory.names().was_read();
        self.note_remembered(directory);
        let Location::Directory { bucket, .. } = directory.place().location else { return };
        let Some((parent, base)) = self.parent_of(directory, &bucket) else { return };
        let walk = self.walks.of(&bucket, &parent, &base);
        walk.pace().told(names);
    }

    fn parent_of(&self, directory: &Inode, bucket: &Arc<str>) -> Option<(Arc<Inode>, DirPrefix)> {
        let parent = self.inodes.directory(directory.place().parent).ok()?;
        match parent.place().location {
            Location::Directory { bucket: of_parent, prefix } if of_parent == *bucket => {
                (parent.ino != directory.ino).then_some((parent, prefix))
            }
            Location::Directory { .. } | Location::Account | Location::File { .. } => None,
        }
    }

    /// The listing of a directory from a walk, which ends where it does not have it.
    async fn read_ahead(&self, walk: &Walk, prefix: &DirPrefix) -> Option<Complete> {
        let mut place = walk.reading.lock().await;
        place.take_if(|reading| !self.is_current(reading));
        let reading = place.as_mut().filter(|reading| prefix.as_str() >= &*reading.from)?;
        let complete = self.search(walk, reading, prefix.as_str()).await;
        let is_believed = complete.as_ref().is_some_and(|complete| {
            reading.losses == self.inodes.losses()
                && freshness(complete.asked.at, self.now(), self.ttl()).is_some()
        });
        if !is_believed {
            walk.pace().was_in_vain();
            *place = None;
        }
        complete.filter(|_| is_believed)
    }

    /// Whether what is read ahead may be believed at the moment.
    fn is_current(&self, reading: &Reading) -> bool {
        reading.losses == self.inodes.losses()
            && freshness(reading.asked_at, self.now(), self.ttl()).is_some()
    }

    async fn search(&self, walk: &Walk, reading: &mut Reading, prefix: &str) -> Option<Complete> {
        let mut pages = 0;
        loop {
            if let Some(complete) = reading.ready.remove(prefix) {
                // What is inside comes behind, and so does all that the program will want.
                reading.ready = reading.ready.split_off(prefix);
                prefix.clone_into(&mut reading.from);
                reading.pages_searched_max = PAGES_SEARCHED_MAX;
                return Some(complete);
            }
            let names: usize = reading.ready.values().map(Complete::count).sum();
            if reading.has_ended || names > NAMES_AHEAD_MAX || pages == reading.pages_searched_max {
                return None;
            }
            self.read_page(walk, reading).await?;
            pages += 1;
        }
    }

    async fn read_page(&self, walk: &Walk, reading: &mut Reading) -> Option<()> {
        reading.asked_at = self.now();
        let taken = reading.requests.next(self, || self.walk_stamp()).await.ok()?;
        if !self.lists_in_order() {
            return None;
        }
        reading.has_ended = taken.page.next.is_none();
        for complete in reading.splitter.page(taken.page, taken.asked)? {
            reading.ready.insert(complete.prefix.clone(), complete);
        }
        let unmarked = reading.splitter.take_unmarked();
        if let Some(base) = walk.directory().filter(|_| self.is_current(reading)) {
            self.learn_unmarked(&base, &walk.base, &unmarked, taken.asked);
        }
        Some(())
    }

    /// What is read ahead is told only where directories have not lost what they knew.
    fn walk_stamp(&self) -> Stamp {
        Stamp { at: self.now(), upheavals: 0 }
    }

    fn reading(&self, walk: &Walk, first: &DirPrefix, pages_searched_max: usize) -> Reading {
        let before_first = first.as_str().trim_end_matches('/');
        let (bucket, base) = (Arc::clone(&walk.bucket), walk.base.as_str());
        let scope = Scope { bucket, prefix: Arc::from(base), delimiter: None };
        let course = Course::new(base, true).starting(before_first);
        Reading {
            requests: Requests::new(scope, course),
            splitter: Splitter::new(base),
            ready: BTreeMap::new(),
            has_ended: false,
            from: first.as_str().to_owned(),
            losses: self.inodes.losses(),
            pages_searched_max,
            asked_at: self.now(),
        }
    }

    /// Subdirectories without a marker have no attributes of their own to be asked for.
    fn learn_unmarked(
        &self,
        directory: &Inode,
        prefix: &DirPrefix,
        unmarked: &[String],
        asked: Stamp,
    ) {
        let mut names = directory.names();
        for path in unmarked {
            let Shown::As(name) = name_of_prefix(prefix, path) else { continue };
            let is_child = *path == format!("{}{name}/", prefix.as_str());
            let known = names.last_known(&name).filter(|_| is_child);
            if known.is_some_and(|known| known.kind() == Kind::Directory && !known.is_whole()) {
                let known = Known::Directory(self.unmarked());
                names.learn_since(&Arc::from(name.as_ref()), known, asked);
            }
        }
    }

    /// Learns and tells what was read ahead, as the whole listing that it is.
    async fn tell_walked(
        &self,
        directory: &Inode,
        prefix: &DirPrefix,
        complete: Complete,
    ) -> Option<Vec<Item>> {
        let mut telling = Telling::since(directory, complete.asked.at)?;
        let mut assembly = Assembly::new(prefix.clone());
        let told = self.without_asking(assembly.page(complete.page));
        let items = telling.learn(directory, told, complete.asked);
        let mut items = self.settle(directory, items).await;
        items.extend(telling.end(directory, assembly.marker()));
        self.learn_unmarked(directory, prefix, &complete.unmarked, complete.asked);
        self.note_remembered(directory);
        Some(items)
    }
}
