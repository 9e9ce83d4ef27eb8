//! Attributes: what `stat` tells, and what may be changed of it.
//!
//! Owner, mode and times are kept in the metadata of a file's object, a directory's in those of
//! its marker. On a file that is being written they ride along with its next commit; at rest S3
//! copies the object onto itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::types::ObjectAttributes;
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::archive::is_archived;
use crate::vfs::namespace::directory::{Asked, DirectoryFacts, Facts, Known};
use crate::vfs::namespace::habit::Wanted;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::posix::{self, Dialect, Posix};
use crate::vfs::ops::asking::SETTLING;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::{Attr, Caller, Entry, Fh, Ino, Kind, OpenHow, Privilege, SetAttr};
use crate::vfs::write::copy::{Copied, rewrite_attributes};
use crate::vfs::write::upload::Target;

/// `st_blksize`: what `ls` and glibc size their reads of a directory by.
const DIRECTORY_BLOCK_BYTES: u32 = 1 << 20;
/// `st_blksize` of a file: what `cp` and `cat` read and write at once at least.
const FILE_BLOCK_BYTES: u32 = 128 << 10;

/// A time this near to the present is what `touch` means by now.
const NOW_TOLERANCE: Duration = Duration::from_secs(2);

/// `S_ISUID`, `S_ISGID`, `S_IXGRP` of `<sys/stat.h>`.
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;
const GROUP_EXECUTES: u32 = 0o010;

impl SetAttr {
    fn changes_metadata(&self) -> bool {
        let Self { size: _, mode, uid, gid, atime, mtime } = *self;
        mode.or(uid).or(gid).is_some() || atime.or(mtime).is_some()
    }

    fn changes_owner(&self) -> bool {
        self.uid.or(self.gid).is_some()
    }
}

/// What becomes of a file's attributes by a change at `now`; `mode` are the bits it has.
#[must_use]
pub fn plan_change(
    before: &Posix,
    mode: u32,
    change: &SetAttr,
    privilege: Privilege,
    now: SystemTime,
) -> Posix {
    let drops = change.changes_owner() && privilege == Privilege::Dropped;
    let kept = if drops { Some(without_privilege(mode)) } else { before.mode };
    Posix {
        mode: change.mode.or(kept),
        uid: change.uid.or(before.uid),
        gid: change.gid.or(before.gid),
        atime: change.atime.or(before.atime),
        mtime: change.mtime.or(before.mtime),
        ctime: Some(now),
        ..before.clone()
    }
}

/// When a thing was changed last, by its metadata and by when its object was made: every change
/// makes it anew, but metadata may have been copied from what it was before.
#[must_use]
pub fn plan_ctime(said: Option<SystemTime>, modified: SystemTime) -> SystemTime {
    match said {
        Some(said) if modified.duration_since(said).is_ok_and(|later| later > SETTLING) => modified,
        Some(said) => said,
        None => modified,
    }
}

/// The bits that a file keeps when it is changed by somebody without the right to keep all.
///
/// Without execution by the group, the set-group-id bit does not mean privilege (chmod(2)).
#[must_use]
pub fn without_privilege(mode: u32) -> u32 {
    let dropped = if mode & GROUP_EXECUTES != 0 { SET_USER_ID | SET_GROUP_ID } else { SET_USER_ID };
    mode & !dropped
}

impl Vfs {
    pub async fn getattr(&self, ino: Ino, _fh: Option<Fh>) -> VfsResult<Entry> {
        let inode = self.inodes.get(ino)?;
        if inode.kind == Kind::Directory {
            return self.directory_entry(&inode).await;
        }
        let _pass = self.moves.pass(Purpose::Look, &[&inode]).await;
        let (known, ttl) = self.facts(&inode).await?;
        Ok(self.entry(&inode, &known, ttl))
    }

    pub async fn setattr(
        &self,
        ino: Ino,
        fh: Option<Fh>,
        change: SetAttr,
        caller: Caller,
    ) -> VfsResult<Entry> {
        self.check_writable()?;
        let inode = self.inodes.get(ino)?;
        let privilege = caller.privilege();
        if !self.asks() {
            let now = self.getattr(ino, fh).await?;
            self.check_kept(&now.attr, &change)?;
        }
        if let Some(bytes) = change.size {
            self.resize(&inode, fh, bytes, privilege).await?;
        }
        if change.changes_metadata() {
            match inode.kind {
                Kind::Directory => self.change_directory(&inode, &change).await?,
                _ => self.change_file(&inode, &change, privilege).await?,
            }
        }
        self.getattr(ino, fh).await
    }

    /// What the kernel is told of an inode of which this is known.
    pub(crate) fn entry(&self, inode: &Inode, known: &Known, ttl: Duration) -> Entry {
        let attr = self.attr(inode, known);
        // A write may drop these bits, and the kernel does not look at the mode again then.
        let may_drop = inode.kind == Kind::File && attr.mode & (SET_USER_ID | SET_GROUP_ID) != 0;
        Entry { attr, ttl: if may_drop { Duration::ZERO } else { ttl } }
    }

    /// What `stat` tells of an inode of which this is known.
    pub(crate) fn attr(&self, inode: &Inode, known: &Known) -> Attr {
        let own = inode.own();
        let posix = own.posix.as_ref().or(known.posix()).cloned().unwrap_or_default();
        let open = self.handles.find(inode.ino);
        let draft = open.as_ref().and_then(|open| open.draft());
        let (size, modified) = match known {
            Known::File(facts) => (facts.size, facts.last_modified),
            Known::Directory(facts) => (0, facts.made_at.unwrap_or(self.mounted_at)),
            Known::Absent => (0, self.mounted_at),
        };
        let written_at = open.as_ref().and_then(|open| open.written_at());
        let changed_at = own.changed_at.or(draft.as_ref().and(written_at));
        let size = draft.as_ref().map_or(size, |draft| draft.bytes());
        let mtime = changed_at.or(posix.mtime).unwrap_or(modified);
        let is_directory = inode.kind == Kind::Directory;
        let mode = if is_directory { self.options.directory_mode } else { self.options.file_mode };
        Attr {
            ino: inode.ino,
            kind: inode.kind,
            size,
            mtime,
            atime: posix.atime.unwrap_or(mtime),
            ctime: changed_at.unwrap_or_else(|| plan_ctime(posix.ctime, modified)),
            mode: posix.mode.unwrap_or(mode),
            uid: posix.uid.unwrap_or(self.options.uid),
            gid: posix.gid.unwrap_or(self.options.gid),
            links: if inode.place().removed { 0 } else { 1 + u32::from(is_directory) },
            device: posix.device.unwrap_or(0),
            block_bytes: if is_directory { DIRECTORY_BLOCK_BYTES } else { FILE_BLOCK_BYTES },
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
            return Ok((Known::File(self.facts_of(&head)), Duration::ZERO));
        };
        let remembered = parent.names().find(&place.name, self.now(), self.ttl());
        let (known, ttl) = match remembered.filter(|(known, _)| known.is_whole()) {
            Some(remembered) => remembered,
            None => {
                let asked_at = self.now();
                let before = parent.names().last_known(&place.name).cloned();
                let at = (&**bucket, &**key);
                let head = self.look(&parent, at, before.as_ref(), Wanted::Now).await?;
                let known = self.known_file(head);
                let mut names = parent.names();
                names.learn(&place.name, known.clone(), asked_at);
                // This mount may have changed it meanwhile.
                let remembered = names.find(&place.name, self.now(), self.ttl());
                let whole = remembered.filter(|(known, _)| known.is_whole());
                whole.unwrap_or((known, Duration::ZERO))
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

    async fn directory_entry(&self, inode: &Inode) -> VfsResult<Entry> {
        let place = inode.place();
        if inode.ino == Ino::ROOT && inode.own().posix.is_none() {
            self.ask_root(inode, &place.location).await?;
        }
        let known = self.directory_known(inode).await?;
        Ok(self.entry(inode, &known, self.ttl()))
    }

    /// What is known of a directory, with its attributes.
    pub(crate) async fn directory_known(&self, inode: &Inode) -> VfsResult<Known> {
        let place = inode.place();
        let Ok(parent) = self.inodes.get(place.parent) else { return Ok(Known::directory()) };
        let known = parent.names().last_known(&place.name).cloned();
        let known = known.unwrap_or_else(Known::directory);
        let Location::Directory { bucket, prefix } = &place.location else { return Ok(known) };
        if known.is_whole() || inode.ino == Ino::ROOT || place.removed || !self.asks() {
            return Ok(known);
        }
        let asked_at = self.now();
        let known = self.ask_marker(bucket, prefix).await?;
        parent.names().learn(&place.name, known.clone(), asked_at);
        Ok(known)
    }

    /// The root of a mounted prefix may have a marker; it is looked at once.
    async fn ask_root(&self, root: &Inode, location: &Location) -> VfsResult<()> {
        let known = match location {
            Location::Directory { bucket, prefix } if self.asks() => {
                self.ask_marker(bucket, prefix).await?
            }
            Location::Account | Location::Directory { .. } | Location::File { .. } => {
                Known::directory()
            }
        };
        root.keep_posix(known.posix().map(|posix| Posix::clone(posix)).unwrap_or_default());
        Ok(())
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

    async fn resize(
        &self,
        inode: &Arc<Inode>,
        fh: Option<Fh>,
        bytes: u64,
        privilege: Privilege,
    ) -> VfsResult<()> {
        if inode.kind == Kind::Directory {
            return Err(VfsError::IsDirectory);
        }
        if let Some(open) = self.handles.find(inode.ino) {
            // So that the writing does not end in between.
            let _turn = open.turn().await;
            if open.draft().is_some() {
                return self.truncate_open(&open, bytes, privilege).await;
            }
        }
        let how = OpenHow { write: true, truncate: bytes == 0, ..OpenHow::default() };
        let opened = self.open(inode.ino, how, privilege).await?;
        let resized = match self.handles.file(fh.unwrap_or(opened.fh)) {
            Ok(handle) => self.truncate_open(&handle.file, bytes, privilege).await,
            Err(error) => Err(error),
        };
        let flushed = self.flush(opened.fh).await;
        let released = self.release(opened.fh).await;
        resized.and(flushed).and(released)
    }

    async fn change_file(
        &self,
        inode: &Arc<Inode>,
        change: &SetAttr,
        privilege: Privilege,
    ) -> VfsResult<()> {
        let _pass = self.moves.pass(Purpose::Change, &[inode]).await;
        let opening = self.handles.open(inode);
        let open = &opening.file;
        // Nobody begins or ends writing the file meanwhile.
        let _turn = open.turn().await;
        if open.draft().is_none() && !inode.place().removed {
            let plan = |attributes: &mut ObjectAttributes| {
                let before = posix::read(&attributes.metadata);
                let changed = self.planned(inode.kind, &before, change, privilege);
                self.put_posix(&changed, attributes);
                Ok(())
            };
            return self.amend_at_rest(open, plan).await;
        }
        if change.mtime.is_some() {
            open.forget_written();
        }
        self.change_open(open, |posix| self.planned(inode.kind, posix, change, privilege)).await;
        Ok(())
    }

    /// Changes the attributes of a file that is being written, or whose name is gone.
    pub(crate) async fn change_open(&self, open: &OpenFile, plan: impl FnOnce(&Posix) -> Posix) {
        let Some(facts) = open.last_facts() else { return };
        let posix = plan(facts.posix.posix().map_or(&Posix::default(), |posix| &**posix));
        if let Some(draft) = open.draft() {
            let write = |attributes: &mut ObjectAttributes| self.put_posix(&posix, attributes);
            draft.set_attributes(write).await;
            open.note_dated();
        }
        self.note(open, Facts { posix: Asked::Fresh(Arc::new(posix)), ..facts });
    }

    /// Has S3 copy the object onto itself with other attributes. The caller has the file's turn.
    pub(crate) async fn amend_at_rest(
        &self,
        open: &OpenFile,
        change: impl FnOnce(&mut ObjectAttributes) -> VfsResult<()>,
    ) -> VfsResult<()> {
        let place = open.inode.place();
        let Location::File { bucket, key } = place.location else {
            return Err(VfsError::IsDirectory);
        };
        let target = Target { bucket, key };
        self.part_from(|borrowed| *borrowed == target).await?;
        let rewritten = rewrite_attributes(&self.multiparts, &target, |attributes, modified| {
            self.keep_time(attributes, modified);
            change(attributes)
        });
        let copied = match rewritten.await {
            Ok(copied) => copied,
            Err(error) => return Err(self.explained(&target, error).await),
        };
        if let Some(origin) = copied.origin(&target) {
            self.reader.keep_moved(&origin, &copied.object);
        }
        let Copied { object, source, head, .. } = copied;
        let facts = Facts {
            etag: object.etag.clone(),
            size: object.size,
            last_modified: self.clock.wall(),
            posix: self.asked_now(&head.attributes),
            is_archived: is_archived(head.attributes.storage_class.as_deref(), None, None),
        };
        // The bytes are the same, so the kernel's pages of them are good. Whoever reads what was
        // there before somebody else's change reads on in that.
        open.inode.renew_pages(&source, &object.etag);
        if open.last_facts().is_none_or(|before| before.etag == source) {
            open.note_committed(object, facts.clone());
        }
        if let Ok(parent) = self.inodes.get(place.parent) {
            parent.names().learn(&place.name, Known::File(facts), self.now());
        }
        Ok(())
    }

    async fn change_directory(&self, inode: &Arc<Inode>, change: &SetAttr) -> VfsResult<()> {
        let _pass = self.moves.pass(Purpose::Change, &[inode]).await;
        let opening = self.handles.open(inode);
        let _turn = opening.file.turn().await;
        let marker = marker_of(inode).filter(|_| self.asks() && !inode.place().removed);
        let Some(marker) = marker else {
            return self.change_unmarked(inode, change);
        };
        let plan = |attributes: &mut ObjectAttributes| {
            let before = posix::read(&attributes.metadata);
            let changed = self.planned(Kind::Directory, &before, change, Privilege::Kept);
            self.put_posix(&changed, attributes);
            Ok(())
        };
        self.amend_marker(inode, &marker, plan).await?;
        if change.mtime.is_some() {
            inode.forget_changed();
        }
        Ok(())
    }

    /// Changes the attributes of a directory's marker, which is made where there is none.
    pub(crate) async fn amend_marker(
        &self,
        inode: &Inode,
        marker: &Target,
        change: impl FnOnce(&mut ObjectAttributes) -> VfsResult<()>,
    ) -> VfsResult<()> {
        let mut changed = Asked::default();
        let plan = |attributes: &mut ObjectAttributes, modified| {
            self.keep_time(attributes, modified);
            change(attributes)?;
            changed = self.asked_now(attributes);
            Ok(())
        };
        self.change_marker(marker, plan).await?;
        inode.names().marked();
        let place = inode.place();
        if inode.ino == Ino::ROOT {
            let posix = changed.posix().map(|posix| Posix::clone(posix));
            inode.keep_posix(posix.unwrap_or_default());
        } else if let Ok(parent) = self.inodes.get(place.parent) {
            let facts = DirectoryFacts { made_at: Some(self.clock.wall()), posix: changed };
            parent.names().learn(&place.name, Known::Directory(facts), self.now());
        }
        Ok(())
    }

    /// The root of a bucket has no key, so its attributes live as long as the mount.
    fn change_unmarked(&self, inode: &Inode, change: &SetAttr) -> VfsResult<()> {
        let before = inode.own().posix.unwrap_or_default();
        inode.keep_posix(self.planned(Kind::Directory, &before, change, Privilege::Kept));
        if change.mtime.is_some() {
            inode.forget_changed();
        }
        Ok(())
    }

    fn planned(&self, kind: Kind, before: &Posix, change: &SetAttr, privilege: Privilege) -> Posix {
        let mode = before.mode.unwrap_or(self.options.file_mode);
        let changed = plan_change(before, mode, change, privilege, self.clock.wall());
        Posix { kind: Some(kind), ..changed }
    }

    /// Whether metadata are asked for and written.
    pub(crate) fn asks(&self) -> bool {
        self.options.posix_dialect != Dialect::None
    }

    /// An object that says no time has the one at which it was made, which a copy has not.
    pub(crate) fn keep_time(&self, attributes: &mut ObjectAttributes, modified: SystemTime) {
        let posix = posix::read(&attributes.metadata);
        if posix.mtime.is_none() {
            self.put_posix(&Posix { mtime: Some(modified), ..posix }, attributes);
        }
    }

    /// What attributes that were given to an object just now say of it.
    fn asked_now(&self, attributes: &ObjectAttributes) -> Asked {
        if self.asks() {
            Asked::Fresh(Arc::new(posix::read(&attributes.metadata)))
        } else {
            Asked::Settled(Arc::default())
        }
    }

    pub(crate) fn put_posix(&self, posix: &Posix, attributes: &mut ObjectAttributes) {
        posix::write(posix, self.options.posix_dialect, &mut attributes.metadata);
    }
}

/// The object that carries the attributes of a directory; `None` where there can be none.
pub(crate) fn marker_of(inode: &Inode) -> Option<Target> {
    match inode.place().location {
        Location::Directory { bucket, prefix } => {
            Some(Target { bucket, key: Arc::from(prefix.marker_key()?) })
        }
        Location::Account | Location::File { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(change: SetAttr, mode: u32, privilege: Privilege) -> Posix {
        let before = Posix { mode: Some(mode), uid: Some(1), ..Posix::default() };
        plan_change(&before, mode, &change, privilege, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn what_is_not_changed_stays_and_the_time_of_the_change_is_kept() {
        let after = change(SetAttr { gid: Some(7), ..SetAttr::default() }, 0o640, Privilege::Kept);
        let expected = Posix {
            mode: Some(0o640),
            uid: Some(1),
            gid: Some(7),
            ctime: Some(SystemTime::UNIX_EPOCH),
            ..Posix::default()
        };
        assert_eq!(after, expected);
    }

    #[test]
    fn an_object_that_was_made_long_after_it_says_has_changed_since() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(plan_ctime(Some(at(10)), at(11)), at(10));
        assert_eq!(plan_ctime(Some(at(10)), at(20)), at(20));
        assert_eq!(plan_ctime(Some(at(30)), at(20)), at(30));
        assert_eq!(plan_ctime(None, at(20)), at(20));
    }

    #[test]
    fn a_new_owner_without_privilege_loses_set_user_id() {
        let chown = SetAttr { uid: Some(2), ..SetAttr::default() };
        assert_eq!(change(chown, 0o6755, Privilege::Dropped).mode, Some(0o755));
        assert_eq!(change(chown, 0o6745, Privilege::Dropped).mode, Some(0o2745));
        assert_eq!(change(chown, 0o6755, Privilege::Kept).mode, Some(0o6755));
    }
}
