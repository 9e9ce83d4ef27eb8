//! The nouns of a filesystem, as `stat(2)` and FUSE name them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::types::ETag;

/// An inode number; never used again for another file while the mount lives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ino(pub u64);

impl Ino {
    /// `FUSE_ROOT_ID`.
    pub const ROOT: Self = Self(1);
}

/// An open file or directory.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Fh(pub u64);

/// What kind of thing an inode is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// What `stat(2)` tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attr {
    pub ino: Ino,
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    pub mtime: SystemTime,
    pub atime: SystemTime,
    pub ctime: SystemTime,
    /// Permission bits alone, without the file type.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// `st_nlink`: zero where the name is gone.
    pub links: u32,
    /// `st_rdev`: which device a device node stands for, zero for anything else.
    pub device: u64,
    /// `st_blksize`.
    pub block_bytes: u32,
}

/// A name resolved: what the kernel keeps as a dentry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub attr: Attr,
    /// For how long the kernel may answer for this name and these attributes itself.
    pub ttl: Duration,
}

/// What a name resolves to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lookup {
    Found(Entry),
    /// Not there, and the kernel may remember so for this long.
    Absent(Duration),
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
    pub pid: u32,
}

impl Caller {
    /// Only the superuser's changes leave set-user-id bits alone (`CAP_FSETID`).
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        if self.uid == 0 { Privilege::Kept } else { Privilege::Dropped }
    }
}

/// Who makes a thing, and with which permissions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Creation {
    pub uid: u32,
    pub gid: u32,
    /// Permission bits, less those that the umask takes away.
    pub mode: u32,
}

impl Creation {
    /// As [`Caller::privilege`].
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        if self.uid == 0 { Privilege::Kept } else { Privilege::Dropped }
    }
}

/// What a special file is: its kind, and for a device node its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Special {
    pub kind: Kind,
    /// `st_rdev`.
    pub device: u64,
}

/// How a file is opened, as the flags of `open(2)` say it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OpenHow {
    pub read: bool,
    pub write: bool,
    pub append: bool,
    pub truncate: bool,
    /// `O_EXCL` of a create.
    pub exclusive: bool,
}

/// An opened file, and how the kernel is to cache it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    pub fh: Fh,
    /// The pages the kernel has are of this very version.
    pub keep_cache: bool,
    /// Bypass the page cache: writes arrive large and once.
    pub direct_io: bool,
    /// Nothing was opened for writing, so `close` needs no FLUSH.
    pub no_flush: bool,
}

/// Whether set-user-id and set-group-id bits survive a change of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Privilege {
    Kept,
    /// Whoever makes the change has no right to keep them.
    Dropped,
}

/// What `setattr` is to change; `None` leaves it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SetAttr {
    pub size: Option<u64>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub atime: Option<SystemTime>,
    pub mtime: Option<SystemTime>,
}

/// One name of a directory, as `readdir` gives it.
#[derive(Clone, Debug)]
pub struct DirEntry<'a> {
    pub name: &'a str,
    /// Where reading goes on after this entry.
    pub next_offset: u64,
    /// `d_ino`; for `readdirplus` the same as in `entry`.
    pub ino: Ino,
    pub kind: Kind,
    /// For `readdirplus`. `None` for `.` and `..`, which the kernel doesn't look up.
    pub entry: Option<&'a Entry>,
}

/// Whether a reply buffer took an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Room {
    Taken,
    Full,
}

/// Which of the two `readdir` requests is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listing {
    Names,
    /// READDIRPLUS: names with their attributes, each counted as a lookup.
    Entries,
}

/// Whether a file may become longer by what is done beyond its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grow {
    AsNeeded,
    Never,
}

/// What `fallocate(2)` is to do with a range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Allocation {
    /// There is room for it.
    Allocate(Grow),
    /// It becomes zeros: a hole.
    Zero(Grow),
}

/// What `lseek(2)` looks for, from an offset on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seek {
    Data,
    Hole,
}

/// Whether `rename(2)` may replace what stands under the new name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replace {
    Allowed,
    /// `RENAME_NOREPLACE`.
    Refused,
}

/// Whether setxattr may make or replace a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum XattrMode {
    Either,
    /// `XATTR_CREATE`.
    Create,
    /// `XATTR_REPLACE`.
    Replace,
}

/// What `statfs(2)` tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FsStat {
    pub block_bytes: u32,
    pub blocks: u64,
    pub blocks_free: u64,
    pub name_bytes_max: u32,
}

/// One version of one object: all that the read path needs to know of a file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ObjectRef {
    pub bucket: Arc<str>,
    pub key: Arc<str>,
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
}

/// What is mounted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// Every bucket of the account, each a directory.
    Account,
    /// A bucket, or what is below a prefix of it. The prefix is empty or ends in `/`.
    Prefix { bucket: String, prefix: String },
}
