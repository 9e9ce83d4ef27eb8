//! Inodes: which file or directory a number stands for while the kernel knows it.
//!
//! An inode is where a thing is, not what it is like: that is `directory`'s. It lives from the
//! lookup that answered with its number until the kernel has taken back every lookup.
//!
//! Lock order of the whole of `vfs`: the table of open files, then one directory's names, then
//! the table here, then one inode's place. None is held across an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::store::types::ETag;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::Names;
use crate::vfs::namespace::habit::Habit;
use crate::vfs::namespace::names::DirPrefix;
use crate::vfs::namespace::posix::Posix;
use crate::vfs::types::{Ino, Kind};

/// Where a thing is in S3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Location {
    /// The root that holds every bucket.
    Account,
    Directory {
        bucket: Arc<str>,
        prefix: DirPrefix,
    },
    File {
        bucket: Arc<str>,
        key: Arc<str>,
    },
}

impl Location {
    /// Whether it is in this directory, or is the directory itself.
    #[must_use]
    pub fn is_below(&self, directory: &Below) -> bool {
        self.moved(directory, directory).is_some()
    }

    /// Where this is after all that is below `from` went below `to`; `None` if it is not there.
    fn moved(&self, from: &Below, to: &Below) -> Option<Self> {
        match self {
            Self::Directory { bucket, prefix } if *bucket == from.bucket => {
                let prefix = prefix.moved(&from.prefix, &to.prefix)?;
                Some(Self::Directory { bucket: Arc::clone(&to.bucket), prefix })
            }
            Self::File { bucket, key } if *bucket == from.bucket => {
                let rest = key.strip_prefix(from.prefix.as_str())?;
                let key = Arc::from(format!("{}{rest}", to.prefix.as_str()));
                Some(Self::File { bucket: Arc::clone(&to.bucket), key })
            }
            Self::Account | Self::Directory { .. } | Self::File { .. } => None,
        }
    }
}

/// Where all that is in one directory is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Below {
    pub bucket: Arc<str>,
    pub prefix: DirPrefix,
}

impl Below {
    /// The bucket, and what the keys begin with.
    #[must_use]
    pub fn spot(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.bucket), Arc::from(self.prefix.as_str()))
    }
}

/// Where a thing is in the tree and in S3.
#[derive(Clone, Debug)]
pub struct Place {
    pub parent: Ino,
    pub name: Arc<str>,
    pub location: Location,
    /// The name is gone while the inode lives on.
    pub removed: bool,
}

/// A file or directory that the kernel knows.
pub struct Inode {
    pub ino: Ino,
    pub kind: Kind,
    place: Mutex<Place>,
    names: Mutex<Names>,
    /// The version of the file whose pages the kernel may have.
    pages_of: Mutex<Option<ETag>>,
    own: Mutex<Own>,
    /// Somebody who asked for attributes of names in it has them.
    pub attributes_arrived: Notify,
    /// Whoever lists it for the sake of one name: others wait for what that tells. When that failed
    /// last, as the mount's clock counts.
    pub listing_ahead: tokio::sync::Mutex<Option<Duration>>,
}

/// What this mount alone knows of a directory.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// When a name in it was made or removed here.
    pub changed_at: Option<SystemTime>,
    /// When a name in it was made here, as the mount's clock counts.
    pub made_in_at: Option<Duration>,
    /// When a program that removes many names removed one in it, as the mount's clock counts.
    pub emptied_at: Option<Duration>,
    /// What programs do with the files in it.
    pub habit: Habit,
    /// Owner, mode and times of a directory that has no key to keep them under: the root of a
    /// bucket, and that of all buckets.
    pub posix: Option<Arc<Posix>>,
}

impl Inode {
    fn new(ino: Ino, kind: Kind, place: Place) -> Arc<Self> {
        Arc::new(Self {
            ino,
            kind,
            place: Mutex::new(place),
            names: Mutex::default(),
            pages_of: Mutex::default(),
            own: Mutex::default(),
            attributes_arrived: Notify::new(),
            listing_ahead: tokio::sync::Mutex::default(),
        })
    }

    /// Where it is now.
    #[must_use]
    pub fn place(&self) -> Place {
        lock(&self.place).clone()
    }

    /// From now on the pages that the kernel may have are of this version. True if they were.
    pub fn note_pages(&self, etag: &ETag) -> bool {
        let before = lock(&self.pages_of).replace(etag.clone());
        before.as_ref() == Some(etag)
    }

    /// What was the version `before` is `now` another of the same bytes: S3 gives some copies an
    /// ETag of their own.
    pub fn renew_pages(&self, before: &ETag, now: &ETag) {
        let mut pages_of = lock(&self.pages_of);
        if pages_of.as_ref() == Some(before) {
            *pages_of = Some(now.clone());
        }
    }

    /// The pages that the kernel may have are of no version.
    pub fn forget_pages(&self) {
        *lock(&self.pages_of) = None;
    }

    /// Whether the pages that the kernel may have are of another version than this.
    #[must_use]
    pub fn has_pages_of_other(&self, etag: &ETag) -> bool {
        lock(&self.pages_of).as_ref().is_some_and(|version| version != etag)
    }

    #[must_use]
    pub fn own(&self) -> Own {
        lock(&self.own).clone()
    }

    /// A name in it was made or removed.
    pub fn note_changed(&self, at: SystemTime) {
        lock(&self.own).changed_at = Some(at);
    }

    /// A name in it was made.
    pub fn note_made_in(&self, at: Duration) {
        lock(&self.own).made_in_at = Some(at);
    }

    /// A program that removes many names has removed one in it.
    pub fn note_emptied(&self, at: Duration) {
        lock(&self.own).emptied_at = Some(at);
    }

    /// A program did something with a file in it.
    pub fn change_habit(&self, change: impl FnOnce(&mut Habit)) {
        change(&mut lock(&self.own).habit);
    }

    /// Times that were set count more than what happened before.
    pub fn forget_changed(&self) {
        lock(&self.own).changed_at = None;
    }

    /// Keeps attributes for as long as the mount lives.
    pub fn keep_posix(&self, posix: Posix) {
        lock(&self.own).posix = Some(Arc::new(posix));
    }

    /// What was asked of the marker of a mount's root is to be asked anew.
    pub fn forget_posix(&self) {
        lock(&self.own).posix = None;
    }

    /// What is known of the names in it; empty for a file.
    pub fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.names)
    }
}

/// Every inode of the mount.
pub struct Inodes {
    table: Mutex<Table>,
    losses: AtomicU64,
}

struct Table {
    by_ino: HashMap<Ino, Slot>,
    by_name: HashMap<(Ino, Arc<str>), Ino>,
    next: u64,
}

struct Slot {
    inode: Arc<Inode>,
    lookups: u64,
}

impl Inodes {
    /// A table with the root alone.
    #[must_use]
    pub fn new(root: Location) -> Self {
        let place =
            Place { parent: Ino::ROOT, name: Arc::from(""), location: root, removed: false };
        let slot = Slot { inode: Inode::new(Ino::ROOT, Kind::Directory, place), lookups: 1 };
        let by_ino = HashMap::from([(Ino::ROOT, slot)]);
        let table = Table { by_ino, by_name: HashMap::new(), next: Ino::ROOT.0 + 1 };
        Self { table: Mutex::new(table), losses: AtomicU64::new(0) }
    }

    pub fn get(&self, ino: Ino) -> VfsResult<Arc<Inode>> {
        let table = lock(&self.table);
        table.by_ino.get(&ino).map(|slot| Arc::clone(&slot.inode)).ok_or(VfsError::NotFound)
    }

    pub fn directory(&self, ino: Ino) -> VfsResult<Arc<Inode>> {
        let inode = self.get(ino)?;
        match inode.kind {
            Kind::Directory => Ok(inode),
            Kind::File
            | Kind::Symlink
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharDevice
            | Kind::BlockDevice => Err(VfsError::NotDirectory),
        }
    }

    /// The inode of a name, if the kernel knows it.
    #[must_use]
    pub fn find(&self, parent: Ino, name: &Arc<str>) -> Option<Arc<Inode>> {
        let table = lock(&self.table);
        let ino = table.by_name.get(&(parent, Arc::clone(name)))?;
        table.by_ino.get(ino).map(|slot| Arc::clone(&slot.inode))
    }

    /// The inode of a name, made where there is none, and one lookup more.
    ///
    /// A name that has become another kind of thing is another inode: the kernel never changes
    /// the kind of one it knows.
    pub fn enter(
        &self,
        parent: Ino,
        name: &Arc<str>,
        kind: Kind,
        location: Location,
    ) -> Arc<Inode> {
        let mut table = lock(&self.table);
        let at = (parent, Arc::clone(name));
        if let Some(ino) = table.by_name.get(&at).copied()
            && let Some(slot) = table.by_ino.get_mut(&ino)
            && slot.inode.kind == kind
            && lock(&slot.inode.place).location == location
        {
            slot.lookups += 1;
            return Arc::clone(&slot.inode);
        }
        let ino = Ino(table.next);
        table.next += 1;
        let place = Place { parent, name: Arc::clone(name), location, removed: false };
        let inode = Inode::new(ino, kind, place);
        table.by_ino.insert(ino, Slot { inode: Arc::clone(&inode), lookups: 1 });
        table.by_name.insert(at, ino);
        inode
    }

    /// Takes back `count` lookups; the inode goes with the last.
    pub fn forget(&self, ino: Ino, count: u64) {
        let mut table = lock(&self.table);
        let Some(slot) = table.by_ino.get_mut(&ino) else { return };
        slot.lookups = slot.lookups.saturating_sub(count);
        if slot.lookups > 0 || ino == Ino::ROOT {
            return;
        }
        let inode = Arc::clone(&slot.inode);
        let place = inode.place();
        table.by_ino.remove(&ino);
        table.unname(ino, place.parent, &place.name);
        drop(table);
        if inode.kind == Kind::Directory && inode.names().has_own_words() {
            self.note_loss();
        }
    }

    /// How often a directory was forgotten that knew something better than S3, or is elsewhere
    /// than before: what S3 said earlier counts no more where nobody remembers what was done.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Something that directories knew better than S3 is forgotten or in doubt.
    pub fn note_loss(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
    }

    /// The name is gone; the inode lives on while the kernel knows it.
    pub fn remove(&self, parent: Ino, name: &Arc<str>) -> Option<Arc<Inode>> {
        self.note_loss();
        let mut table = lock(&self.table);
        let ino = table.by_name.remove(&(parent, Arc::clone(name)))?;
        let inode = Arc::clone(&table.by_ino.get(&ino)?.inode);
        lock(&inode.place).removed = true;
        Some(inode)
    }

    /// The next lookup of the inode's name makes another; this one lives on while the kernel knows
    /// it, and is as little removed as before.
    pub fn retire(&self, ino: Ino) {
        let mut table = lock(&self.table);
        let Some(slot) = table.by_ino.get(&ino) else { return };
        let place = slot.inode.place();
        table.unname(ino, place.parent, &place.name);
    }

    /// The inode has another name now; what had that name before is removed.
    pub fn rename(&self, inode: &Inode, parent: Ino, name: &Arc<str>, location: Location) {
        self.note_loss();
        let mut table = lock(&self.table);
        let before = inode.place();
        table.unname(inode.ino, before.parent, &before.name);
        let replaced = table.by_name.insert((parent, Arc::clone(name)), inode.ino);
        if let Some(slot) = replaced.and_then(|ino| table.by_ino.get(&ino)) {
            lock(&slot.inode.place).removed = true;
        }
        *lock(&inode.place) = Place { parent, name: Arc::clone(name), location, removed: false };
    }

    /// All that is below the one directory is below the other now. Gives back the inodes that are
    /// elsewhere than before, the directory's own among them.
    pub fn relocate(&self, from: &Below, to: &Below) -> Vec<Arc<Inode>> {
        self.note_loss();
        let table = lock(&self.table);
        let inodes = table.by_ino.values().map(|slot| &slot.inode);
        let moved = inodes.filter(|inode| {
            let mut place = lock(&inode.place);
            if place.removed {
                return false;
            }
            let location = place.location.moved(from, to);
            let has_moved = location.is_some();
            place.location = location.unwrap_or_else(|| place.location.clone());
            has_moved
        });
        moved.cloned().collect()
    }

    /// Every inode that the kernel knows.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Inode>> {
        lock(&self.table).by_ino.values().map(|slot| Arc::clone(&slot.inode)).collect()
    }

    /// How many inodes the kernel knows.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.table).by_ino.len()
    }
}

impl Table {
    fn unname(&mut self, ino: Ino, parent: Ino, name: &Arc<str>) {
        let at = (parent, Arc::clone(name));
        if self.by_name.get(&at) == Some(&ino) {
            self.by_name.remove(&at);
        }
    }
}

/// A panic while a lock was held leaves nothing half done in these tables: each change is one
/// insert or one remove.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(key: &str) -> Location {
        Location::File { bucket: Arc::from("b"), key: Arc::from(key) }
    }

    fn name(text: &str) -> Arc<str> {
        Arc::from(text)
    }

    #[test]
    fn a_name_keeps_its_inode_until_every_lookup_is_taken_back() {
        let inodes = Inodes::new(Location::Account);
        let first = inodes.enter(Ino::ROOT, &name("a"), Kind::File, file("a"));
        let second = inodes.enter(Ino::ROOT, &name("a"), Kind::File, file("a"));
        assert_eq!(first.ino, second.ino);
        inodes.forget(first.ino, 1);
        assert!(inodes.get(first.ino).is_ok());
        inodes.forget(first.ino, 1);
        assert!(inodes.get(first.ino).is_err());
        assert!(inodes.find(Ino::ROOT, &name("a")).is_none());
        assert_ne!(inodes.enter(Ino::ROOT, &name("a"), Kind::File, file("a")).ino, first.ino);
    }

    #[test]
    fn a_file_that_became_a_directory_is_another_inode() {
        let inodes = Inodes::new(Location::Account);
        let before = inodes.enter(Ino::ROOT, &name("a"), Kind::File, file("a"));
        let after = inodes.enter(Ino::ROOT, &name("a"), Kind::Directory, Location::Account);
        assert_ne!(before.ino, after.ino);
        inodes.forget(before.ino, 1);
        assert_eq!(inodes.find(Ino::ROOT, &name("a")).map(|inode| inode.ino), Some(after.ino));
    }

    #[test]
    fn a_retired_inode_lives_on_beside_the_next_of_its_name() {
        let inodes = Inodes::new(Location::Account);
        let before = inodes.enter(Ino::ROOT, &name("a"), Kind::File, file("a"));
        inodes.retire(before.ino);
        let after = inodes.enter(Ino::ROOT, &name("a"), Kind::File, file("a"));
        assert_ne!(before.ino, after.ino);
        assert!(!before.place().removed && inodes.get(before.ino).is_ok());
        inodes.retire(before.ino);
        inodes.forget(before.ino, 1);
        assert_eq!(inodes.find(Ino::ROOT, &name("a")).map(|inode| inode.ino), Some(after.ino));
    }

    #[test]
    fn a_rename_removes_what_had_the_name() {
        let inodes = Inodes::new(Location::Account);
        let old = inodes.enter(Ino::ROOT, &name("to"), Kind::File, file("to"));
        let new = inodes.enter(Ino::ROOT, &name("from"), Kind::File, file("from"));
        inodes.rename(&new, Ino::ROOT, &name("to"), file("to"));
        assert!(old.place().removed);
        assert!(inodes.find(Ino::ROOT, &name("from")).is_none());
        let found = inodes.find(Ino::ROOT, &name("to"));
        assert_eq!(found.map(|inode| inode.ino), Some(new.ino));
    }

    #[test]
    fn what_is_below_a_renamed_directory_goes_with_it() {
        let inodes = Inodes::new(Location::Account);
        let below =
            |prefix: &str| Below { bucket: Arc::from("b"), prefix: DirPrefix::root(prefix) };
        let of = |below: &Below| Location::Directory {
            bucket: Arc::clone(&below.bucket),
            prefix: below.prefix.clone(),
        };
        let dir = inodes.enter(Ino::ROOT, &name("dir"), Kind::Directory, of(&below("dir/")));
        let sub = inodes.enter(dir.ino, &name("sub"), Kind::Directory, of(&below("dir/sub/")));
        let inside = inodes.enter(sub.ino, &name("a"), Kind::File, file("dir/sub/a"));
        let gone = inodes.enter(sub.ino, &name("b"), Kind::File, file("dir/sub/b"));
        inodes.remove(sub.ino, &name("b"));
        let beside = inodes.enter(Ino::ROOT, &name("dir-"), Kind::File, file("dir-"));

        let moved = inodes.relocate(&below("dir/"), &below("new/place/"));
        let mut moved: Vec<Ino> = moved.iter().map(|inode| inode.ino).collect();
        moved.sort();
        assert_eq!(moved, [dir.ino, sub.ino, inside.ino]);
        assert_eq!(dir.place().location, of(&below("new/place/")));
        assert_eq!(sub.place().location, of(&below("new/place/sub/")));
        assert_eq!(inside.place().location, file("new/place/sub/a"));
        assert_eq!(gone.place().location, file("dir/sub/b"));
        assert_eq!(beside.place().location, file("dir-"));
    }

    #[test]
    fn the_root_is_never_forgotten() {
        let inodes = Inodes::new(Location::Account);
        inodes.forget(Ino::ROOT, 100);
        assert!(inodes.get(Ino::ROOT).is_ok());
        assert_eq!(inodes.count(), 1);
    }
}
