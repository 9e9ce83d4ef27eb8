//! Outcomes as replies: one way to answer, whichever of the kernel's reply objects it takes.
//!
//! A reply object is `Send` and answered once, from anywhere; one that is dropped unanswered
//! sends `EIO`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fuser::{
    FileHandle, Generation, INodeNo, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
};
use rustix::io::Errno;

use crate::mount::convert;
use crate::vfs::types::{DirEntry, Entry, FsStat, Ino, Kind, Lookup, Opened, Room};

/// Inode numbers are never used twice, so every file is of the first generation.
const GENERATION: Generation = Generation(0);

/// Takes the outcome of an operation to whoever asked.
pub(super) trait Reply<T>: Send + 'static {
    fn succeed(self, value: T);
    fn refuse(self, errno: Errno);
}

impl Reply<()> for ReplyEmpty {
    fn succeed(self, (): ()) {
        self.ok();
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<Lookup> for ReplyEntry {
    fn succeed(self, lookup: Lookup) {
        match lookup {
            Lookup::Found(entry) => Reply::<Entry>::succeed(self, entry),
            // Inode 0 makes a name that is known to be absent.
            Lookup::Absent(ttl) => {
                self.entry(&ttl, &convert::bare_attr(Ino(0), Kind::File), GENERATION);
            }
        }
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<Entry> for ReplyEntry {
    fn succeed(self, entry: Entry) {
        self.entry(&entry.ttl, &convert::file_attr(&entry.attr), GENERATION);
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<Entry> for ReplyAttr {
    fn succeed(self, entry: Entry) {
        self.attr(&entry.ttl, &convert::file_attr(&entry.attr));
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<Opened> for ReplyOpen {
    fn succeed(self, opened: Opened) {
        self.opened(FileHandle(opened.fh.0), convert::open_flags(&opened));
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<(Entry, Opened)> for ReplyCreate {
    fn succeed(self, (entry, opened): (Entry, Opened)) {
        let attr = convert::file_attr(&entry.attr);
        let flags = convert::open_flags(&opened);
        self.created(&entry.ttl, &attr, GENERATION, FileHandle(opened.fh.0), flags);
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<Bytes> for ReplyData {
    fn succeed(self, bytes: Bytes) {
        self.data(&bytes);
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<Bytes> for (fuser::ReplyXattr, u32) {
    fn succeed(self, bytes: Bytes) {
        match self {
            (reply, 0) => reply.size(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            (reply, limit) if bytes.len() > limit as usize => reply.error(fuser::Errno::ERANGE),
            (reply, _) => reply.data(&bytes),
        }
    }

    fn refuse(self, errno: Errno) {
        self.0.error(convert::fuse_errno(errno));
    }
}

impl Reply<u32> for ReplyWrite {
    fn succeed(self, bytes_written: u32) {
        self.written(bytes_written);
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<u64> for ReplyLseek {
    fn succeed(self, offset: u64) {
        self.offset(offset.cast_signed());
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl Reply<FsStat> for ReplyStatfs {
    fn succeed(self, stat: FsStat) {
        let FsStat { block_bytes, blocks, blocks_free, name_bytes_max } = stat;
        // A bucket has no table of inodes that could be full.
        let (files, files_free) = (0, 0);
        let blocks_available = blocks_free;
        self.statfs(
            blocks,
            blocks_free,
            blocks_available,
            files,
            files_free,
            block_bytes,
            name_bytes_max,
            block_bytes,
        );
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

/// A reply object that entries of a directory are put into.
pub(super) trait DirectoryBuffer: Send + 'static {
    fn put(&mut self, entry: &DirEntry<'_>) -> Room;
    fn succeed(self);
    fn refuse(self, errno: Errno);
}

impl DirectoryBuffer for ReplyDirectory {
    fn put(&mut self, entry: &DirEntry<'_>) -> Room {
        let kind = convert::file_type(entry.kind);
        room(self.add(INodeNo(entry.ino.0), entry.next_offset, kind, entry.name))
    }

    fn succeed(self) {
        self.ok();
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

impl DirectoryBuffer for ReplyDirectoryPlus {
    fn put(&mut self, entry: &DirEntry<'_>) -> Room {
        let (attr, ttl) = match entry.entry {
            Some(known) => (convert::file_attr(&known.attr), known.ttl),
            None => (convert::bare_attr(entry.ino, entry.kind), Duration::ZERO),
        };
        room(self.add(attr.ino, entry.next_offset, entry.name, &ttl, &attr, GENERATION))
    }

    fn succeed(self) {
        self.ok();
    }

    fn refuse(self, errno: Errno) {
        self.error(convert::fuse_errno(errno));
    }
}

fn room(is_full: bool) -> Room {
    if is_full { Room::Full } else { Room::Taken }
}

/// A directory's reply, held by the operation that fills it and by whoever answers for an
/// operation that failed, panicked or came too late.
pub(super) struct SharedDirectory<B>(Arc<Mutex<Option<B>>>);

impl<B: DirectoryBuffer> SharedDirectory<B> {
    pub(super) fn new(buffer: B) -> Self {
        Self(Arc::new(Mutex::new(Some(buffer))))
    }

    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Nothing fits once the reply is sent.
    pub(super) fn put(&self, entry: &DirEntry<'_>) -> Room {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.as_mut().map_or(Room::Full, |buffer| buffer.put(entry))
    }

    fn take(&self) -> Option<B> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<B: DirectoryBuffer> Reply<()> for SharedDirectory<B> {
    fn succeed(self, (): ()) {
        if let Some(buffer) = self.take() {
            buffer.succeed();
        }
    }

    fn refuse(self, errno: Errno) {
        if let Some(buffer) = self.take() {
            buffer.refuse(errno);
        }
    }
}
