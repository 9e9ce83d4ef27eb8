//! Remembered: how many names all directories of a mount know of together.
//!
//! A directory bounds its own names. Whoever goes through a large tree makes many directories know
//! theirs, which the kernel lets go late or never: those that were listed longest ago forget what
//! a listing would tell again.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use lru::LruCache;

use crate::vfs::namespace::inode::Inode;
use crate::vfs::types::Ino;

/// Names that directories remember together, about 300 bytes each.
pub const NAMES_IN_ALL_MAX: usize = 200_000;

/// The directories that were listed, the latest last.
pub struct Remembered {
    names_max: usize,
    table: Mutex<Table>,
}

struct Table {
    listed: LruCache<Ino, (Weak<Inode>, usize)>,
    names: usize,
}

impl Remembered {
    #[must_use]
    pub fn new(names_max: usize) -> Self {
        let table = Table { listed: LruCache::unbounded(), names: 0 };
        Self { names_max, table: Mutex::new(table) }
    }

    /// A directory was listed. Others forget what there is no room for.
    pub fn note_listed(&self, directory: &Arc<Inode>) {
        // The directory itself takes as much as a name.
        let names = directory.names().count() + 1;
        let too_old = self.put(directory, names);
        for directory in too_old.iter().filter_map(Weak::upgrade) {
            directory.names().forget_listed();
        }
    }

    fn put(&self, directory: &Arc<Inode>, names: usize) -> Vec<Weak<Inode>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let row = (Arc::downgrade(directory), names);
        let before = table.listed.put(directory.ino, row).map_or(0, |(_, names)| names);
        table.names = table.names - before + names;
        let mut too_old = Vec::new();
        // Never the one that was just listed.
        while table.names > self.names_max && table.listed.len() > 1 {
            let Some((_, (directory, names))) = table.listed.pop_lru() else { break };
            table.names -= names;
            too_old.push(directory);
        }
        too_old
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::vfs::namespace::directory::listed::Stamp;
    use crate::vfs::namespace::directory::{Known, Marker};
    use crate::vfs::namespace::inode::{Inodes, Location};
    use crate::vfs::namespace::names::DirPrefix;
    use crate::vfs::types::Kind;

    fn list(directory: &Inode, names: usize) {
        let begun = directory.names().begin_listing(Duration::ZERO);
        for number in 0..names {
            let name = Arc::from(number.to_string());
            directory.names().learn_listed(&name, Known::directory(), Stamp::default());
        }
        directory.names().listed(begun, Marker::Absent);
    }

    #[test]
    fn directories_that_were_listed_longest_ago_forget_what_there_is_no_room_for() {
        let at = |key: &str| Location::Directory {
            bucket: Arc::from("bucket"),
            prefix: DirPrefix::root(key),
        };
        let inodes = Inodes::new(at(""));
        let enter = |name: &str| {
            let location = at(&format!("{name}/"));
            inodes.enter(Ino::ROOT, &Arc::from(name), Kind::Directory, location)
        };
        let directories = ["a", "b", "c"].map(enter);
        let remembered = Remembered::new(103);
        for directory in &directories[..2] {
            list(directory, 40);
            remembered.note_listed(directory);
        }
        list(&directories[0], 50);
        remembered.note_listed(&directories[0]);
        assert_eq!([0, 1].map(|index| directories[index].names().count()), [50, 40]);
        list(&directories[2], 200);
        directories[1].names().pin(&Arc::from("own"), Known::directory(), Duration::ZERO);
        remembered.note_listed(&directories[2]);
        assert_eq!([0, 1, 2].map(|index| directories[index].names().count()), [0, 1, 200]);
    }
}
