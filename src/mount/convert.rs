//! The file system's nouns in the kernel's spelling, and back.
//!
//! Pure. Which errno an error is, is `vfs::error`'s business.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use fuser::{FileAttr, FileType, FopenFlags, INodeNo, RenameFlags, Request, TimeOrNow, WriteFlags};
use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use crate::store::clock::Clock;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::types::{
    Allocation, Attr, Caller, Creation, Grow, Ino, Kind, OpenHow, Opened, Privilege, Replace, Seek,
    Special, XattrMode,
};

/// What `st_blocks` counts in, whatever the block size is.
const STAT_BLOCK_BYTES: u64 = 512;

/// Permission bits of a mode that also carries the file type.
const PERMISSION_BITS: u32 = 0o7777;

pub(super) fn file_attr(attr: &Attr) -> FileAttr {
    FileAttr {
        ino: INodeNo(attr.ino.0),
        size: attr.size,
        blocks: attr.size.div_ceil(STAT_BLOCK_BYTES),
        atime: attr.atime,
        mtime: attr.mtime,
        ctime: attr.ctime,
        crtime: attr.ctime,
        kind: file_type(attr.kind),
        perm: u16::try_from(permissions(attr.mode)).unwrap_or(0),
        nlink: attr.links,
        uid: attr.uid,
        gid: attr.gid,
        rdev: u32::try_from(attr.device).unwrap_or(0),
        blksize: attr.block_bytes,
        flags: 0,
    }
}

/// Attributes that say no more than a number and a kind: for a name the kernel does not look
/// up (`.`), and with inode 0 for one that is not there.
pub(super) fn bare_attr(ino: Ino, kind: Kind) -> FileAttr {
    file_attr(&Attr {
        ino,
        kind,
        size: 0,
        mtime: SystemTime::UNIX_EPOCH,
        atime: SystemTime::UNIX_EPOCH,
        ctime: SystemTime::UNIX_EPOCH,
        mode: 0,
        uid: 0,
        gid: 0,
        links: 1,
        device: 0,
        block_bytes: 0,
    })
}

pub(super) fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}

/// What `mknod(2)` is to make; `None` for what only other calls make.
pub(super) fn special(mode: u32, device: u32) -> Option<Special> {
    use rustix::fs::FileType as Mode;
    let kind = match Mode::from_raw_mode(mode) {
        Mode::RegularFile => Kind::File,
        Mode::Fifo => Kind::Fifo,
        Mode::Socket => Kind::Socket,
        Mode::CharacterDevice => Kind::CharDevice,
        Mode::BlockDevice => Kind::BlockDevice,
        Mode::Directory | Mode::Symlink | Mode::Unknown => return None,
    };
    Some(Special { kind, device: u64::from(device) })
}

/// `None` for what the kernel answers itself.
pub(super) fn seek(whence: i32) -> Option<Seek> {
    /// `SEEK_DATA` and `SEEK_HOLE` of `<unistd.h>`.
    const SEEK_DATA: i32 = 3;
    const SEEK_HOLE: i32 = 4;
    match whence {
        SEEK_DATA => Some(Seek::Data),
        SEEK_HOLE => Some(Seek::Hole),
        _ => None,
    }
}

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

/// Who makes a thing, and with which of the bits that were asked for.
pub(super) fn creation(request: &Request, mode: u32, umask: u32) -> Creation {
    let mode = permissions(mode) & !umask;
    Creation { uid: request.uid(), gid: request.gid(), mode }
}

/// `FUSE_WRITE_KILL_SUIDGID`: the kernel leaves it to us.
pub(super) fn write_privilege(flags: WriteFlags) -> Privilege {
    if flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
        Privilege::Dropped
    } else {
        Privilege::Kept
    }
}

/// What `fallocate(2)` is to do; `None` for modes that no object can have.
pub(super) fn allocation(mode: i32) -> Option<Allocation> {
    let flags = FallocateFlags::from_bits_retain(mode.cast_unsigned());
    let resize =
        if flags.contains(FallocateFlags::KEEP_SIZE) { Grow::Never } else { Grow::AsNeeded };
    match flags.difference(FallocateFlags::KEEP_SIZE) {
        rest if rest.is_empty() => Some(Allocation::Allocate(resize)),
        rest if rest == FallocateFlags::ZERO_RANGE => Some(Allocation::Zero(resize)),
        rest if rest == FallocateFlags::PUNCH_HOLE => Some(Allocation::Zero(Grow::Never)),
        _ => None,
    }
}

pub(super) fn permissions(mode: u32) -> u32 {
    mode & PERMISSION_BITS
}

pub(super) fn fuse_errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw_os_error())
}

pub(super) fn open_how(flags: i32) -> OpenHow {
    let flags = OFlags::from_bits_retain(flags.cast_unsigned());
    let mode = flags & OFlags::RWMODE;
    OpenHow {
        read: mode == OFlags::RDONLY || mode == OFlags::RDWR,
        write: mode == OFlags::WRONLY || mode == OFlags::RDWR,
        append: flags.contains(OFlags::APPEND),
        truncate: flags.contains(OFlags::TRUNC),
        exclusive: flags.contains(OFlags::EXCL),
    }
}

pub(super) fn open_flags(opened: &Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache);
    flags.set(FopenFlags::FOPEN_DIRECT_IO, opened.direct_io);
    flags.set(FopenFlags::FOPEN_NOFLUSH, opened.no_flush);
    flags
}

/// The largest value that the kernel carries (`XATTR_SIZE_MAX`), and list of names
/// (`XATTR_LIST_MAX`).
const ATTRIBUTE_BYTES_MAX: usize = 65_536;

/// A value, if the kernel can carry it.
pub(super) fn carried(value: Bytes) -> VfsResult<Bytes> {
    if value.len() > ATTRIBUTE_BYTES_MAX {
        return Err(VfsError::ValueTooLarge(value.len()));
    }
    Ok(value)
}

/// As `<linux/xattr.h>` has them; `None` for others.
pub(super) fn xattr_mode(flags: i32) -> Option<XattrMode> {
    match flags {
        0 => Some(XattrMode::Either),
        1 => Some(XattrMode::Create),
        2 => Some(XattrMode::Replace),
        _ => None,
    }
}

/// `None` for flags that no object store can honour: an exchange, a whiteout.
pub(super) fn replace(flags: RenameFlags) -> Option<Replace> {
    if flags.is_empty() {
        Some(Replace::Allowed)
    } else if flags == RenameFlags::RENAME_NOREPLACE {
        Some(Replace::Refused)
    } else {
        None
    }
}

pub(super) fn time(time: TimeOrNow, clock: &Arc<dyn Clock>) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => clock.wall(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::types::Fh;

    #[track_caller]
    fn check_blocks(bytes: u64, blocks: u64) {
        let attr = Attr {
            ino: Ino(7),
            kind: Kind::File,
            size: bytes,
            mtime: SystemTime::UNIX_EPOCH,
            atime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            mode: 0o100_644,
            uid: 1,
            gid: 2,
            links: 1,
            device: 0,
            block_bytes: 4096,
        };
        let converted = file_attr(&attr);
        assert_eq!(converted.blocks, blocks);
        assert_eq!(converted.perm, 0o644, "the file type is no permission");
        assert_eq!(converted.nlink, 1);
    }

    #[test]
    fn blocks_are_512_bytes_rounded_up() {
        check_blocks(0, 0);
        check_blocks(1, 1);
        check_blocks(512, 1);
        check_blocks(513, 2);
        check_blocks(5 << 40, 10 << 30);
    }

    #[track_caller]
    fn check_open(flags: OFlags, expected: OpenHow) {
        assert_eq!(open_how(flags.bits().cast_signed()), expected);
    }

    #[test]
    fn open_flags_say_how_a_file_is_opened() {
        let none = OpenHow::default();
        check_open(OFlags::RDONLY, OpenHow { read: true, ..none });
        check_open(OFlags::WRONLY | OFlags::TRUNC, OpenHow { write: true, truncate: true, ..none });
        check_open(
            OFlags::RDWR | OFlags::APPEND | OFlags::EXCL,
            OpenHow { read: true, write: true, append: true, exclusive: true, ..none },
        );
    }

    #[test]
    fn an_open_reply_carries_only_what_was_decided() {
        let plain = Opened { fh: Fh(1), keep_cache: false, direct_io: false, no_flush: false };
        assert_eq!(open_flags(&plain), FopenFlags::empty());
        assert_eq!(
            open_flags(&Opened { keep_cache: true, no_flush: true, ..plain }),
            FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH
        );
        assert_eq!(open_flags(&Opened { direct_io: true, ..plain }), FopenFlags::FOPEN_DIRECT_IO);
    }

    #[test]
    fn fallocate_allocates_or_makes_zeros() {
        let flags = |flags: FallocateFlags| allocation(flags.bits().cast_signed());
        let keep = FallocateFlags::KEEP_SIZE;
        assert_eq!(allocation(0), Some(Allocation::Allocate(Grow::AsNeeded)));
        assert_eq!(flags(keep), Some(Allocation::Allocate(Grow::Never)));
        let punch = FallocateFlags::PUNCH_HOLE;
        assert_eq!(flags(keep | punch), Some(Allocation::Zero(Grow::Never)));
        let zero = FallocateFlags::ZERO_RANGE;
        assert_eq!(flags(zero), Some(Allocation::Zero(Grow::AsNeeded)));
        assert_eq!(flags(keep | zero), Some(Allocation::Zero(Grow::Never)));
        assert_eq!(flags(FallocateFlags::COLLAPSE_RANGE), None);
    }

    #[test]
    fn mknod_makes_what_is_not_a_directory_nor_a_link() {
        let fifo = Special { kind: Kind::Fifo, device: 0 };
        assert_eq!(special(0o010_644, 0), Some(fifo));
        let device = Special { kind: Kind::BlockDevice, device: 0x801 };
        assert_eq!(special(0o060_600, 0x801), Some(device));
        assert_eq!(special(0o040_755, 0), None);
    }

    #[test]
    fn a_rename_is_plain_or_does_not_replace_or_is_refused() {
        assert_eq!(replace(RenameFlags::empty()), Some(Replace::Allowed));
        assert_eq!(replace(RenameFlags::RENAME_NOREPLACE), Some(Replace::Refused));
        assert_eq!(replace(RenameFlags::RENAME_EXCHANGE), None);
        let both = RenameFlags::RENAME_NOREPLACE | RenameFlags::RENAME_WHITEOUT;
        assert_eq!(replace(both), None);
    }
}
