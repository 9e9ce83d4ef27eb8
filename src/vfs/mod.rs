//! What a filesystem over objects is. Knows neither FUSE nor HTTP.
//!
//! [`Vfs`] is the whole of it: one method for each thing a program can ask of a file or a
//! directory. Every method is `async` and ready at once where the answer is known, so that a
//! caller may poll it once and only then decide to wait.

pub mod budget;
pub mod cache;
pub mod error;
pub mod namespace;
pub mod options;
pub mod read;
pub mod types;

use std::sync::Arc;

use bytes::Bytes;

use crate::store::ObjectStore;
use crate::store::clock::Clock;
use crate::vfs::error::VfsResult;
use crate::vfs::options::Options;
use crate::vfs::types::{
    Caller, DirEntry, Entry, Fh, FsStat, Ino, Listing, Lookup, OpenHow, Opened, Replace, Room,
    SetAttr, Source,
};

/// One mounted source.
pub struct Vfs {}

/// What was still to be written when a mount ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Drained {
    /// Files whose bytes reached S3 while draining.
    pub written: u64,
    /// Paths that could not be written, each with the reason.
    pub failed: Vec<(String, String)>,
}

#[expect(clippy::todo, reason = "signatures first")]
impl Vfs {
    /// Checks the source (unless [`Options::check`] is off) and makes its root.
    pub async fn new(
        store: Arc<dyn ObjectStore>,
        source: Source,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> VfsResult<Arc<Self>> {
        todo!()
    }

    pub async fn lookup(&self, parent: Ino, name: &[u8]) -> VfsResult<Lookup> {
        todo!()
    }

    /// Takes back `count` lookups of an inode.
    pub fn forget(&self, ino: Ino, count: u64) {
        todo!()
    }

    pub async fn getattr(&self, ino: Ino, fh: Option<Fh>) -> VfsResult<Entry> {
        todo!()
    }

    pub async fn setattr(&self, ino: Ino, fh: Option<Fh>, change: SetAttr) -> VfsResult<Entry> {
        todo!()
    }

    pub async fn mkdir(&self, parent: Ino, name: &[u8]) -> VfsResult<Entry> {
        todo!()
    }

    pub async fn unlink(&self, parent: Ino, name: &[u8]) -> VfsResult<()> {
        todo!()
    }

    pub async fn rmdir(&self, parent: Ino, name: &[u8]) -> VfsResult<()> {
        todo!()
    }

    pub async fn rename(
        &self,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        replace: Replace,
    ) -> VfsResult<()> {
        todo!()
    }

    pub async fn open(&self, ino: Ino, how: OpenHow) -> VfsResult<Opened> {
        todo!()
    }

    pub async fn create(
        &self,
        parent: Ino,
        name: &[u8],
        how: OpenHow,
    ) -> VfsResult<(Entry, Opened)> {
        todo!()
    }

    /// Up to `bytes` bytes from `offset`; fewer only at the end of the file.
    pub async fn read(&self, fh: Fh, offset: u64, bytes: u32) -> VfsResult<Bytes> {
        todo!()
    }

    /// Takes all of `data` or fails.
    pub async fn write(&self, fh: Fh, offset: u64, data: Bytes) -> VfsResult<()> {
        todo!()
    }

    /// A descriptor of the handle is closed: what was written is in S3 when this succeeds.
    pub async fn flush(&self, fh: Fh) -> VfsResult<()> {
        todo!()
    }

    pub async fn fsync(&self, fh: Fh) -> VfsResult<()> {
        todo!()
    }

    /// The last descriptor is gone.
    pub async fn release(&self, fh: Fh) -> VfsResult<()> {
        todo!()
    }

    pub async fn opendir(&self, ino: Ino) -> VfsResult<Opened> {
        todo!()
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
        todo!()
    }

    pub fn releasedir(&self, fh: Fh) {
        todo!()
    }

    pub fn statfs(&self) -> FsStat {
        todo!()
    }

    /// Whether S3 would let `caller` do it as far as the mount knows: `mask` as in `access(2)`.
    pub async fn access(&self, ino: Ino, caller: Caller, mask: u32) -> VfsResult<()> {
        todo!()
    }

    /// Writes what open files still hold and refuses every later change.
    pub async fn drain(&self) -> Drained {
        todo!()
    }
}
