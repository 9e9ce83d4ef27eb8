//! Reading directories: from memory where a listing is recent, else page by page as S3 sends
//! them.
//!
//! A handle keeps the names it has not handed out yet and a few it has, since the kernel may ask
//! again for those that did not fit its buffer. Whoever goes back further starts a new listing.

pub mod ahead;
pub mod pages;
pub mod walk;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Begun, DirectoryFacts, Known, Marker};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::Item;
use crate::vfs::ops::dir::pages::Pages;
use crate::vfs::ops::lookup::{Found, meaning};
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::{Caller, DirEntry, Entry, Fh, FsStat, Ino, Kind, Listing, Opened, Room};

/// Names handed out that a handle still has.
const NAMES_BEHIND_MAX: usize = 4096;

/// `d_ino` of a name that has no inode yet, as libfuse has it.
const INO_UNKNOWN: Ino = Ino(0xffff_ffff);

/// `.` and `..` come first, at these offsets.
const OFFSET_OF_FIRST_NAME: u64 = 2;

/// One `opendir`.
pub struct DirectoryHandle {
    inode: Arc<Inode>,
    cursor: Mutex<Cursor>,
}

impl DirectoryHandle {
    #[must_use]
    pub fn inode(&self) -> &Arc<Inode> {
        &self.inode
    }
}

#[derive(Default)]
struct Cursor {
    /// Position in the directory of the first of `items`.
    first: u64,
    items: VecDeque<Item>,
    source: Source,
}

#[derive(Default)]
enum Source {
    #[default]
    NotStarted,
    Pages(Box<Pages>),
    Ended,
}

impl Vfs {
    pub async fn opendir(&self, ino: Ino) -> VfsResult<Opened> {
        let inode = self.inodes.directory(ino)?;
        let fh = self.handles.add_directory(DirectoryHandle { inode, cursor: Mutex::default() });
        Ok(Opened { fh, keep_cache: false, direct_io: false, no_flush: true })
    }

    pub fn releasedir(&self, fh: Fh) {
        self.handles.remove_directory(fh);
    }

    /// Hands the entries after `offset` to `sink` until it is full or the directory ends.
    /// With [`Listing::Entries`] each entry taken counts as a lookup, before the sink sees it.
    pub async fn readdir(
        &self,
        fh: Fh,
        offset: u64,
        listing: Listing,
        sink: &mut (dyn FnMut(&DirEntry<'_>) -> Room + Send),
    ) -> VfsResult<()> {
        let handle = self.handles.directory(fh)?;
        let directory = &handle.inode;
        if tell_dots(directory, offset, sink) == Room::Full {
            return Ok(());
        }
        let mut cursor = handle.cursor.lock().await;
        let _pass = self.moves.pass(Purpose::Look, &[directory]).await;
        let mut position = offset.saturating_sub(OFFSET_OF_FIRST_NAME);
        if offset == 0 || position < cursor.first {
            *cursor = Cursor::default();
        }
        let begun_at = position;
        loop {
            let item = match self.item(directory, &mut cursor, position).await {
                Ok(Some(item)) => item,
                Ok(None) => break,
                // What was told so far is an answer; the next request meets the failure again.
                Err(_) if position > begun_at => break,
                Err(error) => return Err(error),
            };
            position += 1;
            if self.tell(directory, &item, position, listing, sink) == Room::Full {
                break;
            }
        }
        cursor.trim(position);
        Ok(())
    }

    pub fn statfs(&self) -> FsStat {
        // S3 has no end; these are the numbers of a very large disk.
        const BLOCKS: u64 = 1 << 40;
        FsStat { block_bytes: 4096, blocks: BLOCKS, blocks_free: BLOCKS, name_bytes_max: 255 }
    }

    /// Whether `caller` may, as far as the mount knows: `mask` as in `access(2)`. S3 has the
    /// last word when the thing is done.
    pub async fn access(&self, ino: Ino, _caller: Caller, mask: u32) -> VfsResult<()> {
        const W_OK: u32 = 2;
        self.inodes.get(ino)?;
        if mask & W_OK != 0 { self.check_writable() } else { Ok(()) }
    }

    /// The item at a position, asking S3 for as many pages as it takes.
    async fn item(
        &self,
        directory: &Inode,
        cursor: &mut Cursor,
        position: u64,
    ) -> VfsResult<Option<Item>> {
        loop {
            if let Some(item) = cursor.items.get((position - cursor.first) as usize) {
                return Ok(Some(item.clone()));
            }
            match &mut cursor.source {
                Source::Ended => return Ok(None),
                Source::NotStarted => self.start(directory, cursor).await?,
                Source::Pages(pages) => {
                    let (items, is_last) = self.page(directory, pages).await?;
                    cursor.items.extend(items);
                    if is_last {
                        cursor.source = Source::Ended;
                    }
                }
            }
            cursor.trim(position);
        }
    }

    async fn start(&self, directory: &Inode, cursor: &mut Cursor) -> VfsResult<()> {
        let location = directory.place().location;
        // What is remembered of all buckets may have some that the account does not list.
        let remembered = match location {
            Location::Account => None,
            Location::Directory { .. } | Location::File { .. } => {
                directory.names().all(self.now(), self.ttl())
            }
        };
        if let Some(items) = remembered {
            // Whether they are links or files may not have been asked yet.
            cursor.items.extend(self.settle(directory, items).await);
            cursor.source = Source::Ended;
            return Ok(());
        }
        match location {
            Location::Account => {
                let begun = directory.names().begin_listing(self.now());
                cursor.items.extend(self.list_buckets(directory, begun).await?);
                self.note_remembered(directory);
                cursor.source = Source::Ended;
            }
            Location::Directory { bucket, prefix } => {
                if let Some(items) = self.walked(directory, &bucket, &prefix).await {
                    cursor.items.extend(items);
                    cursor.source = Source::Ended;
                    return Ok(());
                }
                let pages = self.begin_pages(directory, bucket, prefix);
                cursor.source = Source::Pages(Box::new(pages));
            }
            Location::File { .. } => return Err(VfsError::NotDirectory),
        }
        Ok(())
    }

    /// A listing of a directory has ended.
    fn note_remembered(&self, directory: &Inode) {
        if let Ok(directory) = self.inodes.directory(directory.ino) {
            self.remembered.note_listed(&directory);
        }
    }

    async fn list_buckets(&self, directory: &Inode, begun: Begun) -> VfsResult<Vec<Item>> {
        let asked_at = self.now();
        let buckets = self.store.list_buckets().await?;
        let mut names = directory.names();
        let mut items = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let name: Arc<str> = Arc::from(bucket.name.as_str());
            let made_at = bucket.created;
            let known = Known::Directory(DirectoryFacts { made_at, ..self.unmarked() });
            names.learn(&name, known.clone(), asked_at);
            items.push((name, known));
        }
        names.listed(begun, Marker::Absent);
        Ok(items)
    }

    fn tell(
        &self,
        directory: &Inode,
        item: &Item,
        position: u64,
        listing: Listing,
        sink: &mut (dyn FnMut(&DirEntry<'_>) -> Room + Send),
    ) -> Room {
        let (name, known) = item;
        let next_offset = position + OFFSET_OF_FIRST_NAME;
        let entry = match listing {
            Listing::Names => None,
            // A name that can't be resolved any more was removed since it was listed.
            Listing::Entries => match self.enter_listed(directory, name, known) {
                Some(entry) => Some(entry),
                None => return Room::Taken,
            },
        };
        let known_ino = || self.inodes.find(directory.ino, name).map(|inode| inode.ino);
        let ino = match &entry {
            Some(entry) => entry.attr.ino,
            None => known_ino().unwrap_or(INO_UNKNOWN),
        };
        let told = DirEntry { name, next_offset, ino, kind: known.kind(), entry: entry.as_ref() };
        let room = sink(&told);
        if room == Room::Full && entry.is_some() {
            self.inodes.forget(ino, 1);
        }
        room
    }

    /// Enters a name as it is now, which may be otherwise than when it was listed.
    fn enter_listed(&self, directory: &Inode, name: &Arc<str>, listed: &Known) -> Option<Entry> {
        let now = directory.names().find(name, self.now(), self.ttl());
        let (known, ttl) = now.unwrap_or_else(|| (listed.clone(), Duration::ZERO));
        // Whoever wants the attributes looks the name up, and they are asked for then.
        let ttl = if known.posix().is_some() { ttl } else { Duration::ZERO };
        let named = meaning(directory, name.as_bytes()).ok()?;
        self.entered(directory, &Found { name: Arc::clone(name), named, known, ttl })
    }
}

impl Cursor {
    /// Forgets names that nobody will ask for again.
    fn trim(&mut self, position: u64) {
        let behind = position.saturating_sub(self.first) as usize;
        let superfluous = behind.saturating_sub(NAMES_BEHIND_MAX).min(self.items.len());
        self.items.drain(..superfluous);
        self.first += superfluous as u64;
    }
}

fn tell_dots(
    directory: &Inode,
    offset: u64,
    sink: &mut (dyn FnMut(&DirEntry<'_>) -> Room + Send),
) -> Room {
    let dots = [(".", directory.ino), ("..", directory.place().parent)];
    for (index, (name, ino)) in dots.into_iter().enumerate().skip(offset as usize) {
        let next_offset = index as u64 + 1;
        let dot = DirEntry { name, next_offset, ino, kind: Kind::Directory, entry: None };
        if sink(&dot) == Room::Full {
            return Room::Full;
        }
    }
    Room::Taken
}
