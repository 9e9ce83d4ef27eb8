//! Files: opening, reading, writing, and making what was written durable.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::store::types::{ETag, ObjectAttributes};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::content_type;
use crate::vfs::namespace::directory::{Asked, Facts, Known, Names};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::posix::{self, Posix};
use crate::vfs::ops::attr::without_privilege;
use crate::vfs::ops::handles::{FileHandle, OpenFile};
use crate::vfs::ops::lookup::Found;
use crate::vfs::ops::moves::Purpose;
use crate::vfs::read::ReadHandle;
use crate::vfs::types::{Creation, Entry, Fh, Ino, Kind, ObjectRef, OpenHow, Opened, Privilege};
use crate::vfs::write::copy::{Kept, look};
use crate::vfs::write::draft::{Draft, Urgency};
use crate::vfs::write::gather::{Piece, push_zeros};
use crate::vfs::write::upload::Target;

impl Vfs {
    /// `privilege` is that of whoever opens it, for `O_TRUNC`.
    pub async fn open(&self, ino: Ino, how: OpenHow, privilege: Privilege) -> VfsResult<Opened> {
        let inode = self.inodes.get(ino)?;
        if inode.kind == Kind::Directory {
            return Err(VfsError::IsDirectory);
        }
        let purpose = if how.write { Purpose::Change } else { Purpose::Look };
        if how.write {
            self.check_writable()?;
        }
        let _pass = self.moves.pass(purpose, &[&inode]).await;
        let opening = self.handles.open(&inode);
        let open = Arc::clone(&opening.file);
        let reading = if how.write {
            self.begin_writing(&open, how, privilege).await?;
            None
        } else if open.draft().is_some() {
            None
        } else {
            self.note_opened(&inode);
            Some(self.reader.open(self.object(&open).await?))
        };
        let version = reading.as_ref().map(|reading| &reading.object().etag);
        let keep_cache = version.is_some_and(|etag| inode.note_pages(etag));
        let fh = opening.done(FileHandle::new(open, how, reading));
        Ok(Opened { keep_cache, ..opened(fh, how) })
    }

    /// Makes a file. Nothing is asked of S3 before the first flush.
    pub async fn create(
        &self,
        parent: Ino,
        name: &[u8],
        how: OpenHow,
        creation: Creation,
    ) -> VfsResult<(Entry, Opened)> {
        self.check_writable()?;
        let directory = self.inodes.directory(parent)?;
        let pass = self.moves.pass(Purpose::Change, &[&directory]).await;
        let found = self.find_whole(&directory, name).await?;
        match &found.known {
            Known::Directory(_) => return Err(VfsError::IsDirectory),
            Known::File(_) if how.exclusive => {
                return Err(VfsError::Exists("the file is there".into()));
            }
            Known::File(_) => {
                let entry = self.entered(&directory, &found).ok_or(VfsError::NotFound)?;
                drop(pass);
                return self.open_entered(entry, how, creation.privilege()).await;
            }
            Known::Absent => {}
        }
        let target = self.creatable(&found)?;
        let posix = self.created(&directory, Kind::File, creation).await?;
        let kept = self.kept_of_new(&found.name, &posix);
        let facts = Facts {
            etag: unsent(),
            size: 0,
            last_modified: self.clock.wall(),
            posix: Asked::Fresh(Arc::new(posix)),
            is_archived: false,
        };
        let found = Found { known: Known::File(facts.clone()), ttl: self.ttl(), ..found };
        directory.names().pin(&found.name, found.known.clone(), self.now());
        directory.note_changed(self.clock.wall());
        directory.note_made_in(self.now());
        let entry = self.entered(&directory, &found).ok_or(VfsError::NotFound)?;
        let inode = self.inodes.get(entry.attr.ino)?;
        let opening = self.handles.open(&inode);
        let open = Arc::clone(&opening.file);
        open.begin(Draft::empty(&self.drafting, target, None, kept), None);
        open.note_facts(facts);
        let fh = opening.done(FileHandle::of_made(open, how));
        Ok((entry, opened(fh, how)))
    }

    /// Up to `bytes` bytes from `offset`; fewer only at the end of the file.
    pub async fn read(&self, fh: Fh, offset: u64, bytes: u32) -> VfsResult<Bytes> {
        let handle = self.handles.file(fh)?;
        if let Some(draft) = handle.file.draft() {
            return self.read_draft(&handle, &draft, offset..offset + u64::from(bytes)).await;
        }
        let reading = handle.reading(|object| self.reader.open(object));
        let reading = reading.ok_or(VfsError::Stale)?;
        let (reading, read) = match reading.read(offset, bytes).await {
            Err(VfsError::Stale) => self.read_again(&handle, reading, offset, bytes).await?,
            Err(error) => {
                let ObjectRef { bucket, key, .. } = reading.object().clone();
                return Err(self.explained(&Target { bucket, key }, error).await);
            }
            Ok(read) => (reading, read),
        };
        // The kernel keeps one file's pages: those of two versions would be mixed.
        if handle.file.inode.has_pages_of_other(&reading.object().etag) {
            return Err(VfsError::Stale);
        }
        Ok(read)
    }

    /// A version that is no more may be gone by this mount's own doing, which goes on elsewhere.
    async fn read_again(
        &self,
        handle: &FileHandle,
        before: Arc<ReadHandle>,
        offset: u64,
        bytes: u32,
    ) -> VfsResult<(Arc<ReadHandle>, Bytes)> {
        // Whoever renames the file or changes its attributes has the turn until it is known.
        drop(handle.file.turn().await);
        let reading = handle.reading(|object| self.reader.open(object)).ok_or(VfsError::Stale)?;
        if reading.object() == before.object() {
            return Err(VfsError::Stale);
        }
        let read = reading.read(offset, bytes).await?;
        Ok((reading, read))
    }

    /// Takes all of `data` or fails.
    pub async fn write(
        &self,
        fh: Fh,
        offset: u64,
        data: Bytes,
        privilege: Privilege,
    ) -> VfsResult<()> {
        let (handle, draft) = self.writing(fh)?;
        // The kernel knows the end of a file only as of its last word from us.
        let offset = (!handle.how.append).then_some(offset);
        draft.write(offset, data).await?;
        self.written(&handle.file, privilege).await;
        Ok(())
    }

    /// A descriptor of the handle is closed: what was written is in S3 when this succeeds.
    pub async fn flush(&self, fh: Fh) -> VfsResult<()> {
        let handle = self.handles.file(fh)?;
        if handle.how.write { self.commit(&handle.file, Urgency::IfWritten).await } else { Ok(()) }
    }

    pub async fn fsync(&self, fh: Fh) -> VfsResult<()> {
        let handle = self.handles.file(fh)?;
        self.commit(&handle.file, Urgency::Always).await
    }

    /// The last descriptor is gone. A file that was never written to goes to S3 only now, so
    /// its failure can only be logged.
    pub async fn release(&self, fh: Fh) -> VfsResult<()> {
        let handle = self.handles.remove_file(fh)?;
        let ended = if handle.is_writer { self.end_writing(&handle.file).await } else { Ok(()) };
        self.handles.close(handle.file.inode.ino);
        ended
    }

    pub(crate) async fn truncate_open(
        &self,
        open: &OpenFile,
        bytes: u64,
        privilege: Privilege,
    ) -> VfsResult<()> {
        let draft = open.draft().ok_or(VfsError::BadHandle)?;
        draft.truncate(bytes).await?;
        self.written(open, privilege).await;
        Ok(())
    }

    /// The file and its draft, if `fh` may write.
    pub(crate) fn writing(&self, fh: Fh) -> VfsResult<(Arc<FileHandle>, Arc<Draft>)> {
        self.check_writable()?;
        let handle = self.handles.file(fh)?;
        let draft = handle.file.draft().filter(|_| handle.how.write);
        let draft = draft.ok_or(VfsError::BadHandle)?;
        Ok((handle, draft))
    }

    /// The bytes of a file have changed.
    pub(crate) async fn written(&self, file: &OpenFile, privilege: Privilege) {
        file.note_written(self.clock.wall());
        if file.undate()
            && let Some(draft) = file.draft()
        {
            let undate = |attributes: &mut ObjectAttributes| {
                let posix = posix::read(&attributes.metadata);
                self.put_posix(&without_times(&posix), attributes);
            };
            draft.set_attributes(undate).await;
        }
        if privilege == Privilege::Dropped {
            self.drop_privilege(file).await;
        }
    }

    async fn drop_privilege(&self, file: &OpenFile) {
        let Some(facts) = file.last_facts() else { return };
        let mode = facts.posix.posix().and_then(|posix| posix.mode);
        let Some(dropped) = mode.map(without_privilege).filter(|left| Some(*left) != mode) else {
            return;
        };
        self.change_open(file, |posix| Posix { mode: Some(dropped), ..posix.clone() }).await;
    }

    /// What the object of a new file has beside its bytes.
    fn kept_of_new(&self, name: &str, posix: &Posix) -> Kept {
        let content_type = content_type::of_name(name).map(str::to_owned);
        let storage_class = self.options.storage_class.clone();
        let mut attributes =
            ObjectAttributes { content_type, storage_class, ..ObjectAttributes::default() };
        self.put_posix(&without_times(posix), &mut attributes);
        Kept { attributes, ..Kept::default() }
    }

    /// Where an inode is below the mount, for messages; empty for the root.
    #[must_use]
    pub fn path_of(&self, ino: Ino) -> String {
        match self.inodes.get(ino) {
            Ok(inode) => self.path(&inode),
            Err(_) => format!("inode {}", ino.0),
        }
    }

    /// Where the file is below the mount, for messages.
    pub(crate) fn path(&self, inode: &Inode) -> String {
        let mut place = inode.place();
        let mut path = place.name.to_string();
        while place.parent != Ino::ROOT {
            let Ok(parent) = self.inodes.get(place.parent) else { break };
            place = parent.place();
            path = format!("{}/{path}", place.name);
        }
        path
    }

    async fn open_entered(
        &self,
        entry: Entry,
        how: OpenHow,
        privilege: Privilege,
    ) -> VfsResult<(Entry, Opened)> {
        match self.open(entry.attr.ino, how, privilege).await {
            Ok(opened) => Ok((entry, opened)),
            Err(error) => {
                self.inodes.forget(entry.attr.ino, 1);
                Err(error)
            }
        }
    }

    /// The version of the file that is there now.
    async fn object(&self, open: &OpenFile) -> VfsResult<ObjectRef> {
        let (known, _) = self.facts(&open.inode).await?;
        match (known, open.inode.place().location) {
            (Known::File(facts), Location::File { bucket, key }) => {
                if facts.is_archived
                    && let Some(head) = self.head(&bucket, &key).await?
                {
                    let target = Target { bucket: Arc::clone(&bucket), key: Arc::clone(&key) };
                    self.check_readable(&target, &head).await?;
                }
                open.note_facts(facts.clone());
                Ok(ObjectRef { bucket, key, etag: facts.etag, size: facts.size })
            }
            _ => Err(VfsError::NotFound),
        }
    }

    async fn begin_writing(
        &self,
        open: &OpenFile,
        how: OpenHow,
        privilege: Privilege,
    ) -> VfsResult<()> {
        let _turn = open.turn().await;
        match open.draft() {
            Some(draft) => {
                if how.truncate {
                    draft.truncate(0).await?;
                }
                open.join();
            }
            None => {
                let (object, kept) = self.object_to_write(open, how).await?;
                open.begin(self.draft(object.clone(), how, kept), Some(object));
            }
        }
        if how.truncate {
            self.written(open, privilege).await;
        }
        if let Some(facts) = open.last_facts() {
            self.pin(&open.inode, &Known::File(facts));
        }
        Ok(())
    }

    fn draft(&self, object: ObjectRef, how: OpenHow, kept: Kept) -> Draft {
        if !how.truncate {
            return Draft::over(&self.drafting, object, kept);
        }
        let target = Target { bucket: object.bucket, key: object.key };
        Draft::empty(&self.drafting, target, Some(object.etag), kept)
    }

    /// The version that is there now, with all that its next version would lose.
    async fn object_to_write(&self, open: &OpenFile, how: OpenHow) -> VfsResult<(ObjectRef, Kept)> {
        let place = open.inode.place();
        let Location::File { bucket, key } = place.location else {
            return Err(VfsError::IsDirectory);
        };
        if place.removed {
            return Err(VfsError::Stale);
        }
        let asked_at = self.now();
        let target = Target { bucket, key };
        let (head, mut kept) = look(&self.store, &target).await?;
        if !how.truncate {
            self.check_readable(&target, &head).await?;
        }
        let facts = self.facts_of(&head);
        if facts.is_archived || kept.attributes.storage_class.is_none() {
            // New bytes are not archived because those were that they replace.
            kept.attributes.storage_class.clone_from(&self.options.storage_class);
        }
        let posix = posix::read(&kept.attributes.metadata);
        self.put_posix(&without_times(&posix), &mut kept.attributes);
        open.note_facts(facts.clone());
        let Target { bucket, key } = target;
        let object = ObjectRef { bucket, key, etag: facts.etag.clone(), size: facts.size };
        let learn = |names: &mut Names, name: &Arc<str>| {
            names.learn(name, Known::File(facts.clone()), asked_at);
        };
        self.tell_parent(&open.inode, learn);
        Ok((object, kept))
    }

    async fn end_writing(&self, file: &OpenFile) -> VfsResult<()> {
        let _turn = file.turn().await;
        // Somebody may have begun again while this one waited.
        if !file.leave() {
            return Ok(());
        }
        let committed = self.commit(file, Urgency::Always).await;
        if file.inode.place().removed {
            // Whoever still reads it does so from the draft; it goes with the last handle.
            return committed;
        }
        if let Some(draft) = file.draft() {
            draft.discard().await;
        }
        // The kernel's pages may be of writes that never became a version, or of what was there
        // before some that did.
        file.inode.forget_pages();
        file.end();
        self.unpin(file);
        committed
    }

    /// Other attributes of a file that is being written, or whose name is gone.
    pub(crate) fn note(&self, open: &OpenFile, facts: Facts) {
        open.note_facts(facts.clone());
        self.pin(&open.inode, &Known::File(facts));
    }

    /// Names a file that is being written: S3's word on it does not count before it is there.
    pub(crate) fn pin(&self, inode: &Inode, known: &Known) {
        let now = self.now();
        self.tell_parent(inode, |names, name| names.pin(name, known.clone(), now));
    }

    /// S3's word counts again.
    fn unpin(&self, file: &OpenFile) {
        let known = match file.last_facts() {
            Some(facts) if facts.etag != unsent() => Known::File(facts),
            Some(_) | None => Known::Absent,
        };
        let asked_at = file.has_committed().then(|| self.now());
        self.tell_parent(&file.inode, |names, name| names.unpin(name, known.clone(), asked_at));
    }

    /// Changes what is known of a file's name, unless the name is gone.
    fn tell_parent(&self, inode: &Inode, tell: impl Fn(&mut Names, &Arc<str>)) {
        loop {
            let before = inode.place();
            let Ok(parent) = self.inodes.get(before.parent) else { return };
            let mut names = parent.names();
            // Looked at while the names are held: a rename or removal changes the place first
            // and then the names.
            let place = inode.place();
            if place.removed {
                return;
            }
            if (place.parent, &place.name) == (before.parent, &before.name) {
                return tell(&mut names, &place.name);
            }
        }
    }

    async fn read_draft(
        &self,
        handle: &FileHandle,
        draft: &Draft,
        range: Range<u64>,
    ) -> VfsResult<Bytes> {
        let mut chunks = Vec::new();
        for piece in draft.read(range).await? {
            match piece {
                Piece::Held(held) => chunks.push(held),
                Piece::Staged(span) => chunks.push(span.read().await?),
                Piece::Zeros(bytes) => push_zeros(&mut chunks, bytes),
                Piece::Remote(object, range) => {
                    let reading = handle.reading_of(object, |object| self.reader.open(object));
                    let bytes = (range.end - range.start) as u32;
                    chunks.push(reading.read(range.start, bytes).await?);
                }
            }
        }
        Ok(joined(chunks))
    }
}

/// What is known of a file before it is written: when that will be is not.
fn without_times(posix: &Posix) -> Posix {
    Posix { mtime: None, ctime: None, ..posix.clone() }
}

/// Stands where a file's ETag will be once S3 has it; no object has it.
fn unsent() -> ETag {
    ETag::new("")
}

fn opened(fh: Fh, how: OpenHow) -> Opened {
    let only_writes = how.write && !how.read;
    Opened { fh, keep_cache: false, direct_io: only_writes, no_flush: !how.write }
}

fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() == 1 {
        return chunks.swap_remove(0);
    }
    let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
    whole.freeze()
}
