//! Attributes: what `stat` tells, and what may be changed of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Facts, Known};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::{Attr, Entry, Fh, Ino, Kind, OpenHow, SetAttr};
use crate::vfs::write::copy::rewrite_attributes;
use crate::vfs::write::upload::Target;

/// `st_blksize`: what `ls` and glibc size their reads of a directory by.
const DIRECTORY_BLOCK_BYTES: u32 = 1 << 20;
/// `st_blksize` of a file: what `cp` and `cat` read and write at once at least.
const FILE_BLOCK_BYTES: u32 = 128 << 10;

/// A time this near to the present is what `touch` means by now.
const NOW_TOLERANCE: Duration = Duration::from_secs(2);

impl Vfs {
    pub async fn getattr(&self, ino: Ino, _fh: Option<Fh>) -> VfsResult<Entry> {
        let inode = self.inodes.get(ino)?;
        if inode.kind == Kind::Directory {
            return Ok(self.directory_entry(&inode));
        }
        let _pass = self.moves.pass(Purpose::Look, &[&inode]).await;
        let (known, ttl) = self.facts(&inode).await?;
        Ok(Entry { attr: self.attr(&inode, &known), ttl })
    }

    pub async fn setattr(&self, ino: Ino, fh: Option<Fh>, change: SetAttr) -> VfsResult<Entry> {
        self.check_writable()?;
        let inode = self.inodes.get(ino)?;
        let now = self.getattr(ino, fh).await?;
        self.check_kept(&now.attr, &change)?;
        if let Some(bytes) = change.size {
            self.resize(&inode, fh, bytes).await?;
        }
        if change.mtime.is_some() {
            self.touch(&inode).await?;
        }
        self.getattr(ino, fh).await
    }

    /// What `stat` tells of an inode of which this is known.
    pub(crate) fn attr(&self, inode: &Inode, known: &Known) -> Attr {
        let open = self.handles.find(inode.ino);
        let draft = open.as_ref().and_then(|open| open.draft());
        let (size, mtime) = match known {
            Known::File(facts) => (facts.size, facts.last_modified),
            Known::Directory(made_at) => (0, made_at.unwrap_or(self.mounted_at)),
            Known::Absent => (0, self.mounted_at),
        };
        let written_at = open.as_ref().and_then(|open| open.written_at());
        let size = draft.as_ref().map_or(size, |draft| draft.bytes());
        let mtime = draft.and(written_at).unwrap_or(mtime);
        let (mode, block_bytes) = match inode.kind {
            Kind::Directory => (self.options.directory_mode, DIRECTORY_BLOCK_BYTES),
            Kind::File
            | Kind::Symlink
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharDevice
            | Kind::BlockDevice => (self.options.file_mode, FILE_BLOCK_BYTES),
        };
        Attr {
            ino: inode.ino,
            kind: inode.kind,
            size,
            mtime,
            atime: mtime,
            ctime: mtime,
            mode,
            uid: self.options.uid,
            gid: self.options.gid,
            block_bytes,
        }
    }

    /// What is known of a file, asked anew where it is no longer fresh.
    pub(crate) async fn facts(&self, inode: &Inode) -> VfsResult<(Known, Duration)> {
        let place = inode.place();
        if place.removed {
            return self.facts_of_removed(inode);
        }
        let Location::File { bucket, key } = &place.location else {
            return Err(VfsError::IsDirectory);
        };
        let Ok(parent) = self.inodes.get(place.parent) else {
            let head = self.head(bucket, key).await?.ok_or(VfsError::NotFound)?;
            return Ok((Known::File(Facts::from(&head)), Duration::ZERO));
        };
        let remembered = parent.names().find(&place.name, self.now(), self.ttl());
        let (known, ttl) = match remembered {
            Some(remembered) => remembered,
            None => {
                let asked_at = self.now();
                let head = self.head(bucket, key).await?;
                let known = head.map_or(Known::Absent, |head| Known::File(Facts::from(&head)));
                let mut names = parent.names();
                names.learn(&place.name, known.clone(), asked_at);
                // This mount may have changed it meanwhile.
                let remembered = names.find(&place.name, self.now(), self.ttl());
                remembered.unwrap_or((known, Duration::ZERO))
            }
        };
        match known {
            Known::File(_) => Ok((known, ttl)),
            Known::Absent | Known::Directory(_) => Err(VfsError::NotFound),
        }
    }

    fn facts_of_removed(&self, inode: &Inode) -> VfsResult<(Known, Duration)> {
        let open = self.handles.find(inode.ino).ok_or(VfsError::NotFound)?;
        let facts = open.last_facts().ok_or(VfsError::NotFound)?;
        Ok((Known::File(facts), self.ttl()))
    }

    fn directory_entry(&self, inode: &Inode) -> Entry {
        let place = inode.place();
        let known = match self.inodes.get(place.parent) {
            Ok(parent) => parent.names().last_known(&place.name).cloned(),
            Err(_) => None,
        };
        let known = known.unwrap_or(Known::Directory(None));
        Entry { attr: self.attr(inode, &known), ttl: self.ttl() }
    }

    /// Refuses what could not be kept, rather than pretend.
    fn check_kept(&self, now: &Attr, change: &SetAttr) -> VfsResult<()> {
        let differs = |wanted: Option<u32>, is: u32| wanted.is_some_and(|wanted| wanted != is);
        if differs(change.mode, now.mode)
            || differs(change.uid, now.uid)
            || differs(change.gid, now.gid)
        {
            let message = "owner and mode of single files are not kept; see --uid, --gid, --umask";
            return Err(VfsError::Unsupported(message.to_owned()));
        }
        let is_kept = |time: Option<SystemTime>, is: SystemTime| {
            time.is_none_or(|time| time == is || self.is_now(time))
        };
        if !is_kept(change.mtime, now.mtime) || !is_kept(change.atime, now.atime) {
            let message = "times other than the present are not kept: S3 sets them";
            return Err(VfsError::Unsupported(message.to_owned()));
        }
        Ok(())
    }

    fn is_now(&self, time: SystemTime) -> bool {
        let now = self.clock.wall();
        let age = now.duration_since(time).unwrap_or_else(|early| early.duration());
        age <= NOW_TOLERANCE
    }

    async fn resize(&self, inode: &Arc<Inode>, fh: Option<Fh>, bytes: u64) -> VfsResult<()> {
        if inode.kind == Kind::Directory {
            return Err(VfsError::IsDirectory);
        }
        if let Some(open) = self.handles.find(inode.ino) {
            // So that the writing does not end in between.
            let _turn = open.turn().await;
            if open.draft().is_some() {
                return self.truncate_open(&open, bytes).await;
            }
        }
        let how = OpenHow { write: true, truncate: bytes == 0, ..OpenHow::default() };
        let opened = self.open(inode.ino, how).await?;
        let resized = match self.handles.file(fh.unwrap_or(opened.fh)) {
            Ok(handle) => self.truncate_open(&handle.file, bytes).await,
            Err(error) => Err(error),
        };
        let flushed = self.flush(opened.fh).await;
        let released = self.release(opened.fh).await;
        resized.and(flushed).and(released)
    }

    /// `touch`: the file is as new as if it had been written now.
    async fn touch(&self, inode: &Arc<Inode>) -> VfsResult<()> {
        if inode.kind == Kind::Directory {
            return Ok(());
        }
        let _pass = self.moves.pass(Purpose::Change, &[inode]).await;
        let opening = self.handles.open(inode);
        let open = &opening.file;
        // Nobody begins or ends writing the file meanwhile.
        let _turn = open.turn().await;
        match open.draft() {
            Some(draft) => {
                draft.touch().await;
                open.note_written(self.clock.wall());
                Ok(())
            }
            None => self.rewrite_in_place(open).await,
        }
    }

    /// Has S3 write the object anew as it is, which makes it new.
    async fn rewrite_in_place(&self, open: &OpenFile) -> VfsResult<()> {
        let place = open.inode.place();
        let Location::File { bucket, key } = &place.location else {
            return Err(VfsError::IsDirectory);
        };
        let target = Target { bucket: Arc::clone(bucket), key: Arc::clone(key) };
        let (object, head) = rewrite_attributes(&self.store, &target, |_| ()).await?;
        let facts = Facts::from(&head);
        open.note_committed(object, facts.clone());
        if let Ok(parent) = self.inodes.get(place.parent) {
            parent.names().learn(&place.name, Known::File(facts), self.now());
        }
        Ok(())
    }
}
