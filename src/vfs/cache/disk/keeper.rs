//! The keeper: the one thread that writes to the cache on disk and removes from it.
//!
//! It begins by finding what is there, since nothing may be added before it is known how much that
//! is, and then does its jobs in their order. Whatever fails costs the version that it was about its
//! place in the cache, and is logged once of each kind: nobody waits for any of it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use bytes::Bytes;

use crate::vfs::budget::Reservation;
use crate::vfs::cache::disk::Shared;
use crate::vfs::cache::disk::coming::Coming;
use crate::vfs::cache::disk::entry::{Entry, Miss};
use crate::vfs::cache::disk::format::{self, BLOCK_BYTES, FOLDERS, Name, SUM_BYTES, block_count};
use crate::vfs::cache::disk::incoming::{IncomingFiles, Source, adopt};
use crate::vfs::cache::disk::index::{Bounds, VERSIONS_MAX, plan_lacking};
use crate::vfs::types::ObjectRef;

/// What two files take beside their bytes at most: each its last block of the disk, and the header.
const OVERHEAD_BYTES: u64 = 12 << 10;

/// So many blocks are added to a version at a time: 1 MiB.
const BLOCKS_AT_ONCE: u64 = 64;

/// Of one upload: 1 GiB. What else there is to be kept waits meanwhile, or is not kept.
const ADDED_BLOCKS_MAX: usize = 1 << 16;

/// What the keeper is to do.
pub(super) enum Job {
    Store(Storing),
    /// What was stored is a version now.
    Adopt(Adopting),
    /// A version is of no use any more, or an upload came to nothing.
    Drop(Name),
    /// A block is not what its checksum says.
    DropBlock {
        entry: Arc<Entry>,
        block: u64,
        sum: u32,
    },
    /// The disk is to know when a version was used.
    SaveUse(Name),
}

/// Whose files are meant.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    Version(ObjectRef),
    /// An upload's, of whose version nothing is known yet.
    Upload(Name),
}

/// Bytes to be added from `start` on; those of an upload replace what was there.
pub(super) struct Storing {
    pub(super) whose: Whose,
    pub(super) start: u64,
    pub(super) chunks: Vec<Bytes>,
    pub(super) _place: Place,
    /// Of bytes whose memory is not tied to them.
    pub(super) _memory: Option<Reservation>,
}

/// Files that are to become those of a version, which has ranges of their bytes at their offsets.
pub(super) struct Adopting {
    pub(super) from: Vec<Origin>,
    pub(super) object: ObjectRef,
    pub(super) coming: Coming,
}

/// Where bytes of a version come from, and which.
pub(super) struct Origin {
    pub(super) whose: Whose,
    pub(super) ranges: Vec<Range<u64>>,
}

impl Origin {
    /// The blocks that are a version's as they are. Where the bytes end elsewhere, its short last block
    /// is another one.
    fn blocks(&self, object: &ObjectRef) -> Vec<Range<u64>> {
        let size = match &self.whose {
            Whose::Version(before) => before.size.max(object.size),
            Whose::Upload(_) => object.size,
        };
        self.ranges.iter().map(|range| format::blocks_within(range, size)).collect()
    }

    fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }
}

impl Whose {
    fn name(&self) -> Name {
        match self {
            Self::Version(object) => Name::of(object),
            Self::Upload(name) => *name,
        }
    }
}

/// A place for so many bytes in the queue; free when dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Place {
    /// `None` where the queue is full.
    pub(super) fn take(shared: &Arc<Shared>, bytes: u64) -> Option<Self> {
        let add = |queued: u64| Some(queued + bytes).filter(|sum| *sum <= shared.queue_bytes_max);
        shared.queued_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        Some(Self { shared: Arc::clone(shared), bytes })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.queued_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Blocks in a row.
#[derive(Default)]
struct Run {
    start: u64,
    chunks: Vec<Bytes>,
}

impl Run {
    fn goes_on(&self, block: u64) -> bool {
        let count = self.chunks.len() as u64;
        count == 0 || (count < BLOCKS_AT_ONCE && block == self.start + count)
    }

    fn add(&mut self, block: u64, bytes: Vec<u8>) {
        if self.chunks.is_empty() {
            self.start = block;
        }
        self.chunks.push(bytes.into());
    }
}

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
}

impl Keeper {
    /// Does jobs until nobody can send any more.
    pub(super) fn run(self, jobs: &Receiver<Job>) {
        self.scan();
        let is_scanned = self.shared.is_scanned.load(Ordering::Acquire);
        for job in jobs {
            match job {
                Job::Store(storing) if is_scanned => self.store(&storing),
                Job::Store(_) => {}
                Job::Adopt(adopting) => self.adopt(adopting),
                Job::Drop(name) => self.remove(&name),
                Job::DropBlock { entry, block, sum } => {
                    self.tell("dropping a block", entry.drop_block(block, sum));
                }
                Job::SaveUse(name) => self.save_use(&name),
            }
        }
        // Whoever sent them can't say any more what becomes of them.
        let uploads = self.shared.state().index.uploads();
        uploads.iter().for_each(|upload| self.remove(upload));
    }

    fn scan(&self) {
        for folder in 0..FOLDERS {
            let is_idle = self.shared.queued_bytes.load(Ordering::Acquire) == 0;
            if is_idle && self.shared.is_ending.load(Ordering::Acquire) {
                return;
            }
            // There are 256 of them.
            let found = self.shared.directory.find(folder as u8);
            let Some(found) = self.tell("listing", found) else { continue };
            let mut state = self.shared.state();
            for version in found.versions {
                state.index.add_found(version.name, version.bytes, version.used_at);
            }
            drop(state);
            for stray in found.strays {
                self.tell("removing", std::fs::remove_file(stray));
            }
        }
        self.shared.is_scanned.store(true, Ordering::Release);
        self.make_room(None, 0);
    }

    fn store(&self, storing: &Storing) {
        let Storing { whose, start, chunks, .. } = storing;
        if self.tell("writing", self.try_store(whose, *start, chunks)).is_none() {
            self.remove(&whose.name());
        }
    }

    fn try_store(&self, whose: &Whose, start: u64, chunks: &[Bytes]) -> io::Result<()> {
        let name = &whose.name();
        let length: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let is_new = !self.shared.state().index.contains(name);
        let size = match whose {
            Whose::Version(object) => object.size,
            // As far as it is known yet.
            Whose::Upload(_) => start + length,
        };
        if let Whose::Upload(_) = whose
            && !is_new
        {
            let files = IncomingFiles::open(&self.shared.directory.paths(name))?;
            files.forget(&(start..start + length))?;
        }
        // Of a new file of checksums nothing but what is written takes room, whatever its length.
        let overhead = if is_new { OVERHEAD_BYTES } else { block_count(length) * SUM_BYTES };
        let bytes = length + overhead;
        let bytes_max = self.shared.bytes_max;
        if !self.shared.state().index.admits(name, size, bytes, bytes_max)
            || !self.make_room(Some(name), bytes)
        {
            return Ok(());
        }
        let bytes = match whose {
            Whose::Version(object) => {
                let entry = match self.shared.entry(name, object)? {
                    Some(entry) => entry,
                    None => self.create(name, object)?,
                };
                entry.write(start, chunks)?;
                entry.disk_bytes()?
            }
            Whose::Upload(_) => {
                let files = self.incoming_files(name, is_new)?;
                files.write(start, chunks)?;
                files.disk_bytes()?
            }
        };
        self.shared.state().index.put(*name, bytes, self.shared.clock.wall());
        // The disk may have taken more than was to be expected.
        self.make_room(Some(name), 0);
        Ok(())
    }

    fn incoming_files(&self, name: &Name, is_new: bool) -> io::Result<IncomingFiles> {
        let paths = self.shared.directory.paths(name);
        if !is_new {
            return IncomingFiles::open(&paths);
        }
        self.shared.directory.make_folder(name)?;
        IncomingFiles::create(&paths)
    }

    /// The files that have most of the version become its, and have what others have of it added.
    /// Files that are not there any more, since others needed their room, are no loss.
    fn adopt(&self, adopting: Adopting) {
        let Adopting { mut from, object, coming } = adopting;
        let to = Name::of(&object);
        let there = |origin: &Origin| {
            let row = self.shared.state().index.bytes_of(&origin.whose.name());
            row.map_or(0, |bytes| bytes.min(origin.bytes()))
        };
        from.sort_by_cached_key(|origin| std::cmp::Reverse(there(origin)));
        let Some((first, others)) = from.split_first() else { return };
        if there(first) == 0 || from.iter().any(|origin| origin.whose.name() == to) {
            return;
        }
        // The same bytes once more; readers keep the files that they have open.
        self.remove(&to);
        let name = first.whose.name();
        // Whoever has opened these may read bytes that are overwritten, which fit no checksum.
        if let Some(entry) = self.forget(&name) {
            entry.take();
        }
        let adopted = self.tell("writing", self.try_adopt(first, &to, &object));
        self.remove(&name);
        match adopted {
            Some(bytes) => {
                self.adopted(&to, &object, bytes);
                self.make_room(Some(&to), 0);
            }
            None => self.remove(&to),
        }
        // What is not there yet can be had from S3.
        drop(coming);
        for other in others.iter().filter(|other| there(other) > 0) {
            self.tell("copying", self.add(other, &object));
            self.remove(&other.whose.name());
        }
    }

    fn try_adopt(&self, origin: &Origin, to: &Name, object: &ObjectRef) -> io::Result<u64> {
        self.shared.directory.make_folder(to)?;
        let sums_start = match &origin.whose {
            Whose::Version(object) => format::header(object).len() as u64,
            Whose::Upload(_) => 0,
        };
        let paths = self.shared.directory.paths(&origin.whose.name());
        let source = Source { paths: &paths, sums_start, blocks: &origin.blocks(object) };
        adopt(&source, &self.shared.directory.paths(to), object)
    }

    /// Adds to a version what other files have of it.
    fn add(&self, origin: &Origin, object: &ObjectRef) -> io::Result<()> {
        let paths = self.shared.directory.paths(&origin.whose.name());
        let read: Box<dyn Fn(u64) -> Result<Vec<u8>, Miss>> = match &origin.whose {
            Whose::Upload(_) => {
                let files = IncomingFiles::open(&paths)?;
                Box::new(move |block| files.read_block(block, object.size))
            }
            Whose::Version(before) => {
                let Some(entry) = Entry::open(&paths, before)? else { return Ok(()) };
                Box::new(move |block| {
                    entry.read(&format::bytes_of(&(block..block + 1), before.size))
                })
            }
        };
        let to = Whose::Version(object.clone());
        let mut run = Run::default();
        for block in origin.blocks(object).into_iter().flatten().take(ADDED_BLOCKS_MAX) {
            if !run.goes_on(block) {
                let Run { start, chunks } = std::mem::take(&mut run);
                self.try_store(&to, start * BLOCK_BYTES, &chunks)?;
            }
            match read(block) {
                Ok(bytes) => run.add(block, bytes),
                Err(Miss::Flaw(_)) => {}
                Err(Miss::Failed(error)) => return Err(error),
            }
        }
        match run.chunks.is_empty() {
            true => Ok(()),
            false => self.try_store(&to, run.start * BLOCK_BYTES, &run.chunks),
        }
    }

    /// The files are there; who has opened those before them does not keep these from being found.
    fn adopted(&self, name: &Name, object: &ObjectRef, bytes: u64) {
        let opened = Entry::open(&self.shared.directory.paths(name), object);
        let entry = self.tell("opening", opened).flatten().map(Arc::new);
        let mut state = self.shared.state();
        state.index.put(*name, bytes, self.shared.clock.wall());
        let replaced = entry.and_then(|entry| state.open.push(*name, entry));
        drop(state);
        drop(replaced);
    }

    fn create(&self, name: &Name, object: &ObjectRef) -> io::Result<Arc<Entry>> {
        self.remove(name);
        self.shared.directory.make_folder(name)?;
        let entry = Arc::new(Entry::create(&self.shared.directory.paths(name), object)?);
        let replaced = self.shared.state().open.push(*name, Arc::clone(&entry));
        drop(replaced);
        Ok(entry)
    }

    /// Removes what must go for `bytes` more of a version. False where that is not enough.
    fn make_room(&self, name: Option<&Name>, bytes: u64) -> bool {
        let Some(lacking) = self.lacking(bytes) else { return false };
        let bytes_max = self.shared.bytes_max;
        let bounds = Bounds { bytes_max, versions_max: VERSIONS_MAX, lacking_bytes: lacking };
        let victims = self.shared.state().index.plan_eviction(name, bytes, &bounds);
        if victims.is_empty() && lacking == 0 {
            return self.shared.state().index.bytes() + bytes <= bytes_max;
        }
        for victim in victims {
            self.remove(&victim);
        }
        let is_roomy = self.shared.state().index.bytes() + bytes <= bytes_max;
        let lacking = self.lacking(bytes);
        if lacking.is_some_and(|lacking| lacking > 0) {
            let error = io::Error::new(io::ErrorKind::StorageFull, "the disk is nearly full");
            self.tell("writing", Err::<(), _>(error));
        }
        is_roomy && lacking == Some(0)
    }

    /// How many bytes the disk lacks to stay as free as it should when `bytes` are added.
    fn lacking(&self, bytes: u64) -> Option<u64> {
        let (free, total) = self.tell("asking for free space", self.shared.directory.space())?;
        Some(plan_lacking(free, total, bytes))
    }

    fn remove(&self, name: &Name) {
        drop(self.forget(name));
        self.tell("removing", Entry::remove(&self.shared.directory.paths(name)));
    }

    /// Has nobody find a version any more, whose files are still there.
    fn forget(&self, name: &Name) -> Option<Arc<Entry>> {
        let mut state = self.shared.state();
        state.index.remove(name);
        state.open.pop(name)
    }

    fn save_use(&self, name: &Name) {
        if self.shared.state().index.contains(name) {
            let now = self.shared.clock.wall();
            let saved = Entry::save_use(&self.shared.directory.paths(name), now);
            self.tell("noting a use", saved);
        }
    }

    fn tell<T>(&self, doing: &'static str, outcome: io::Result<T>) -> Option<T> {
        outcome.map_err(|error| self.shared.tell(doing, &error)).ok()
    }
}

#[cfg(test)]
mod tests;
