//! The kernel's requests, one by one: decode, one call, reply. No decisions.
//!
//! What the file system has no answer for is refused here: hard links, and attributes that are not
//! of the family `user`. Every request that is not named is `ENOSYS`, which the kernel remembers.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use crate::mount::convert;
use crate::mount::passthrough::{OpenReply, Passthrough};
use crate::mount::reply::{AttributeReply, DirectoryBuffer, Reply, SharedDirectory};
use crate::mount::run_op::{Bound, Runner, Subject};
use crate::store::clock::Clock;
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::types::{Creation, DirEntry, Entry, Fh, Ino, Kind, Listing, OpenHow, SetAttr};

/// The largest request the kernel makes.
const WRITE_BYTES_MAX: u32 = 1 << 20;

/// Reads in flight at once; fuser's own 16 would be all that read-ahead can have.
const BACKGROUND_REQUESTS_MAX: u16 = 512;

/// Files that are read past us are on file systems that are no stack of others; in return one can
/// be stacked on this mount.
const BACKING_DEPTH_MAX: u32 = 1;

/// What is asked of the kernel, where it can.
///
/// `HANDLE_KILLPRIV_V2` spares every buffered write a request for `security.capability`;
/// `PARALLEL_DIROPS` lets two lookups in one directory wait at the same time.
const CAPABILITIES: InitFlags = InitFlags::FUSE_DO_READDIRPLUS
    .union(InitFlags::FUSE_READDIRPLUS_AUTO)
    .union(InitFlags::FUSE_PARALLEL_DIROPS)
    .union(InitFlags::FUSE_ATOMIC_O_TRUNC)
    .union(InitFlags::FUSE_ASYNC_DIO)
    .union(InitFlags::FUSE_HANDLE_KILLPRIV_V2)
    .union(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP);

/// The file system as the kernel's requests find it.
pub(super) struct Adapter {
    vfs: Arc<Vfs>,
    runner: Runner,
    clock: Arc<dyn Clock>,
    passthrough: Arc<Passthrough>,
}

impl Adapter {
    pub(super) fn new(vfs: Arc<Vfs>, runner: Runner, clock: Arc<dyn Clock>) -> Self {
        Self { vfs, runner, clock, passthrough: Arc::default() }
    }

    pub(super) fn vfs(&self) -> Arc<Vfs> {
        Arc::clone(&self.vfs)
    }

    /// Whoever makes or changes files as well is in no hurry to remove many.
    fn note_change(&self, request: &Request) {
        self.vfs.note_other_change(request.pid());
    }

    fn answer<T: Send + 'static>(
        &self,
        subject: Subject,
        operation: impl Future<Output = VfsResult<T>> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        self.runner.run(subject, Bound::Answer, operation, reply);
    }

    fn transfer<T: Send + 'static>(
        &self,
        subject: Subject,
        operation: impl Future<Output = VfsResult<T>> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        self.runner.run(subject, Bound::Transfer, operation, reply);
    }

    fn list(
        &self,
        subject: Subject,
        place: (Fh, u64),
        listing: Listing,
        into: impl DirectoryBuffer,
    ) {
        let reply = SharedDirectory::new(into);
        let (vfs, filling) = (self.vfs(), reply.share());
        let operation = async move {
            let (fh, offset) = place;
            let mut sink = move |entry: &DirEntry<'_>| filling.put(entry);
            vfs.readdir(fh, offset, listing, &mut sink).await
        };
        self.answer(subject, operation, reply);
    }
}

fn owned(name: &OsStr) -> Arc<[u8]> {
    Arc::from(name.as_bytes())
}

/// S3 keeps attributes of no other family.
fn is_of_user(attribute: &OsStr) -> bool {
    attribute.as_bytes().starts_with(b"user.")
}

/// `mknod(2)` of a regular file: a file that is created and closed.
async fn make_file(vfs: &Vfs, parent: Ino, name: &[u8], creation: Creation) -> VfsResult<Entry> {
    let how = OpenHow { write: true, exclusive: true, ..OpenHow::default() };
    let (entry, opened) = vfs.create(parent, name, how, creation).await?;
    let synced = vfs.fsync(opened.fh).await;
    vfs.release(opened.fh).await?;
    synced.map(|()| entry)
}

impl Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let refused = || io::Error::from(io::ErrorKind::Unsupported);
        let there = CAPABILITIES & config.capabilities();
        config.add_capabilities(there).map_err(|_| refused())?;
        config.set_max_write(WRITE_BYTES_MAX).map_err(|_| refused())?;
        config.set_max_background(BACKGROUND_REQUESTS_MAX).map_err(|_| refused())?;
        config.set_congestion_threshold(BACKGROUND_REQUESTS_MAX).map_err(|_| refused())?;
        let passthrough = InitFlags::FUSE_PASSTHROUGH;
        if self.vfs.has_backing() && config.add_capabilities(passthrough).is_ok() {
            config.set_max_stack_depth(BACKING_DEPTH_MAX).map_err(|_| refused())?;
            self.passthrough.agree();
        }
        Ok(())
    }

    // Names.

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (vfs, name) = (self.vfs(), owned(name));
        let subject = Subject::of_name("lookup", parent.0, &name);
        self.answer(subject, async move { vfs.lookup(Ino(parent.0), &name).await }, reply);
    }

    fn forget(&self, _request: &Request, ino: INodeNo, lookups: u64) {
        self.runner.run_now("forget", ino.0, || self.vfs.forget(Ino(ino.0), lookups));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        self.note_change(request);
        let (vfs, name) = (self.vfs(), owned(name));
        let subject = Subject::of_name("mknod", parent.0, &name);
        let creation = convert::creation(request, mode, umask);
        let Some(special) = convert::special(mode, device) else {
            return reply.error(fuser::Errno::EINVAL);
        };
        let operation = async move {
            match special.kind {
                Kind::File => make_file(&vfs, Ino(parent.0), &name, creation).await,
                _ => vfs.mknod(Ino(parent.0), &name, special, creation).await,
            }
        };
        self.transfer(subject, operation, reply);
    }

    fn readlink(&self, _request: &Request, ino: INodeNo, reply: ReplyData) {
        let vfs = self.vfs();
        let subject = Subject::of("readlink", ino.0);
        self.answer(subject, async move { vfs.readlink(Ino(ino.0)).await }, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        self.note_change(request);
        let (vfs, name) = (self.vfs(), owned(name));
        let subject = Subject::of_name("mkdir", parent.0, &name);
        let creation = convert::creation(request, mode, umask);
        let operation = async move { vfs.mkdir(Ino(parent.0), &name, creation).await };
        self.answer(subject, operation, reply);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (vfs, name, caller) = (self.vfs(), owned(name), convert::caller(request));
        let subject = Subject::of_name("unlink", parent.0, &name);
        let operation = async move { vfs.unlink(Ino(parent.0), &name, caller).await };
        self.transfer(subject, operation, reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (vfs, name) = (self.vfs(), owned(name));
        let subject = Subject::of_name("rmdir", parent.0, &name);
        // What was removed in it before may still be under way.
        self.transfer(subject, async move { vfs.rmdir(Ino(parent.0), &name).await }, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        self.note_change(request);
        let (vfs, name, target) = (self.vfs(), owned(name), owned(target.as_os_str()));
        let subject = Subject::of_name("symlink", parent.0, &name);
        let creation = convert::creation(request, 0, 0);
        let operation = async move { vfs.symlink(Ino(parent.0), &name, &target, creation).await };
        self.transfer(subject, operation, reply);
    }

    fn link(
        &self,
        _request: &Request,
        _ino: INodeNo,
        directory: INodeNo,
        name: &OsStr,
        reply: ReplyEntry,
    ) {
        let subject = Subject::of_name("link", directory.0, &owned(name));
        let refused = async {
            let message = "S3 has no hard links: an object has one key";
            Err::<Entry, _>(VfsError::NotPermitted(message.to_owned()))
        };
        self.answer(subject, refused, reply);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some(replace) = convert::replace(flags) else {
            return reply.error(fuser::Errno::EINVAL);
        };
        self.note_change(request);
        let (vfs, name, new_name) = (self.vfs(), owned(name), owned(new_name));
        let subject = Subject::of_name("rename", parent.0, &name);
        let operation = async move {
            vfs.rename((Ino(parent.0), &name), (Ino(new_parent.0), &new_name), replace).await
        };
        self.transfer(subject, operation, reply);
    }

    // Attributes.

    fn getattr(&self, _request: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let (vfs, fh) = (self.vfs(), fh.map(|fh| Fh(fh.0)));
        let subject = Subject::of("getattr", ino.0);
        self.answer(subject, async move { vfs.getattr(Ino(ino.0), fh).await }, reply);
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if size.is_some() {
            self.note_change(request);
        }
        let change = SetAttr {
            size,
            mode: mode.map(convert::permissions),
            uid,
            gid,
            atime: atime.map(|time| convert::time(time, &self.clock)),
            mtime: mtime.map(|time| convert::time(time, &self.clock)),
        };
        let (vfs, fh, caller) = (self.vfs(), fh.map(|fh| Fh(fh.0)), convert::caller(request));
        let subject = Subject::of("setattr", ino.0);
        let operation = async move { vfs.setattr(Ino(ino.0), fh, change, caller).await };
        self.transfer(subject, operation, reply);
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let caller = convert::caller(request);
        let (vfs, mask) = (self.vfs(), mask.bits().cast_unsigned());
        let subject = Subject::of("access", ino.0);
        self.answer(subject, async move { vfs.access(Ino(ino.0), caller, mask).await }, reply);
    }

    /// `ls -l` asks `security.selinux` and `system.posix_acl_access` of every file, but not of file
    /// systems that support none: it stops after the first answer.
    fn getxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        bytes_max: u32,
        reply: ReplyXattr,
    ) {
        if !is_of_user(name) {
            return reply.error(fuser::Errno::EOPNOTSUPP);
        }
        let (vfs, name, uid) = (self.vfs(), owned(name), convert::caller(request).uid);
        let subject = Subject::of_attribute("getxattr", ino.0, &name);
        let operation =
            async move { convert::carried(vfs.getxattr(Ino(ino.0), &name, uid).await?) };
        self.answer(subject, operation, AttributeReply::new(reply, bytes_max));
    }

    fn listxattr(&self, _request: &Request, ino: INodeNo, bytes_max: u32, reply: ReplyXattr) {
        let vfs = self.vfs();
        let subject = Subject::of("listxattr", ino.0);
        let operation = async move { convert::carried(vfs.listxattr(Ino(ino.0)).await?) };
        self.answer(subject, operation, AttributeReply::new(reply, bytes_max));
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        // `cp -a` tries `system.posix_acl_access` on everything: nobody needs to read of it.
        if !is_of_user(name) {
            return reply.error(fuser::Errno::EOPNOTSUPP);
        }
        let uid = convert::caller(request).uid;
        let Some(mode) = convert::xattr_mode(flags) else {
            return reply.error(fuser::Errno::EINVAL);
        };
        let (vfs, name, value) = (self.vfs(), owned(name), Bytes::copy_from_slice(value));
        let subject = Subject::of_attribute("setxattr", ino.0, &name);
        let operation = async move { vfs.setxattr(Ino(ino.0), &name, &value, mode, uid).await };
        self.transfer(subject, operation, reply);
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (vfs, name, uid) = (self.vfs(), owned(name), convert::caller(request).uid);
        let subject = Subject::of_attribute("removexattr", ino.0, &name);
        let operation = async move { vfs.removexattr(Ino(ino.0), &name, uid).await };
        self.transfer(subject, operation, reply);
    }

    fn statfs(&self, _request: &Request, ino: INodeNo, reply: ReplyStatfs) {
        let vfs = self.vfs();
        self.answer(Subject::of("statfs", ino.0), async move { Ok(vfs.statfs()) }, reply);
    }

    // Files.

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (vfs, how) = (self.vfs(), convert::open_how(flags.0));
        if how.write {
            self.note_change(request);
        }
        let privilege = convert::caller(request).privilege();
        let subject = Subject::of("open", ino.0);
        let (ino, passthrough) = (Ino(ino.0), Arc::clone(&self.passthrough));
        let reply = OpenReply { reply, ino, passthrough: Arc::clone(&passthrough) };
        let operation = async move { passthrough.open(&vfs, ino, how, privilege).await };
        self.transfer(subject, operation, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.note_change(request);
        let (vfs, name, how) = (self.vfs(), owned(name), convert::open_how(flags));
        let creation = convert::creation(request, mode, umask);
        let subject = Subject::of_name("create", parent.0, &name);
        let operation = async move { vfs.create(Ino(parent.0), &name, how, creation).await };
        self.transfer(subject, operation, reply);
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        bytes: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let vfs = self.vfs();
        let subject = Subject::of("read", ino.0);
        self.answer(subject, async move { vfs.read(Fh(fh.0), offset, bytes).await }, reply);
    }

    fn write(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let bytes_written = u32::try_from(data.len()).unwrap_or(u32::MAX);
        // The buffer is the session's, and holds the next request as soon as this returns.
        let vfs = self.vfs();
        let data = vfs.copy_of(data);
        let subject = Subject::of("write", ino.0);
        let privilege = convert::write_privilege(write_flags);
        let operation = async move {
            vfs.write(Fh(fh.0), offset, data, privilege).await?;
            Ok(bytes_written)
        };
        self.transfer(subject, operation, reply);
    }

    fn fallocate(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let Some(allocation) = convert::allocation(mode) else {
            return reply.error(fuser::Errno::EOPNOTSUPP);
        };
        let (vfs, range) = (self.vfs(), offset..offset.saturating_add(length));
        let subject = Subject::of("fallocate", ino.0);
        let operation = async move { vfs.fallocate(Fh(fh.0), range, allocation).await };
        self.transfer(subject, operation, reply);
    }

    fn lseek(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let (Some(seek), Ok(offset)) = (convert::seek(whence), u64::try_from(offset)) else {
            return reply.error(fuser::Errno::EINVAL);
        };
        let vfs = self.vfs();
        let subject = Subject::of("lseek", ino.0);
        self.answer(subject, async move { vfs.lseek(Fh(fh.0), offset, seek).await }, reply);
    }

    fn copy_file_range(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        _to_ino: INodeNo,
        to_fh: FileHandle,
        to_offset: u64,
        length: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let vfs = self.vfs();
        let subject = Subject::of("copy_file_range", ino.0);
        let operation = async move {
            let (from, to) = ((Fh(fh.0), offset), (Fh(to_fh.0), to_offset));
            vfs.copy_file_range(from, to, length).await
        };
        self.transfer(subject, operation, reply);
    }

    fn flush(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let vfs = self.vfs();
        let subject = Subject::of("flush", ino.0);
        self.transfer(subject, async move { vfs.flush(Fh(fh.0)).await }, reply);
    }

    fn fsync(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let vfs = self.vfs();
        let subject = Subject::of("fsync", ino.0);
        self.transfer(subject, async move { vfs.fsync(Fh(fh.0)).await }, reply);
    }

    fn release(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let vfs = self.vfs();
        let subject = Subject::of("release", ino.0);
        self.passthrough.close(Ino(ino.0));
        self.transfer(subject, async move { vfs.release(Fh(fh.0)).await }, reply);
    }

    fn ioctl(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        _command: u32,
        _data: &[u8],
        _bytes_max: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(fuser::Errno::ENOTTY);
    }

    // Directories.

    fn opendir(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let vfs = self.vfs();
        let subject = Subject::of("opendir", ino.0);
        self.answer(subject, async move { vfs.opendir(Ino(ino.0)).await }, reply);
    }

    fn readdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        self.list(Subject::of("readdir", ino.0), (Fh(fh.0), offset), Listing::Names, reply);
    }

    fn readdirplus(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        self.list(Subject::of("readdir", ino.0), (Fh(fh.0), offset), Listing::Entries, reply);
    }

    fn releasedir(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.runner.run_now("releasedir", ino.0, || self.vfs.releasedir(Fh(fh.0)));
        reply.ok();
    }

    /// A name is in S3 as soon as the operation that made it has returned, and may be there still
    /// when it is removed.
    fn fsyncdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let vfs = self.vfs();
        let subject = Subject::of("fsyncdir", ino.0);
        self.transfer(subject, async move { vfs.fsyncdir(Fh(fh.0)).await }, reply);
    }
}
