//! A program and its kernel: paths walked by lookups, handles opened and closed, lookups taken
//! back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pailfs::vfs::Vfs;
use pailfs::vfs::error::VfsError;
use pailfs::vfs::types::{
    Attr, Caller, Creation, DirEntry, Entry, Fh, Ino, Kind, Listing, Lookup, OpenHow, Privilege,
    Replace, Room, SetAttr, Special,
};

use crate::model::steps::{Action, Outcome};
use crate::model::tree::Node;

/// What the kernel asks for at once.
const REQUEST_BYTES: usize = 1 << 20;

/// Who asks, and what is made.
const ROOT: Caller = Caller { uid: 0, gid: 0, pid: 1 };
const FILE: Creation = Creation { uid: 0, gid: 0, mode: 0o644 };
const DIRECTORY: Creation = Creation { uid: 0, gid: 0, mode: 0o755 };

pub(super) struct Client {
    vfs: Arc<Vfs>,
}

/// A path walked: the last directory, and what the walk looked up.
struct Walk<'a> {
    client: &'a Client,
    parent: Ino,
    name: String,
    looked_up: Vec<Ino>,
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        for ino in self.looked_up.drain(..).rev() {
            self.client.vfs.forget(ino, 1);
        }
    }
}

impl Client {
    pub(super) fn new(vfs: Arc<Vfs>) -> Self {
        Self { vfs }
    }

    pub(super) fn vfs(&self) -> &Vfs {
        &self.vfs
    }

    /// The inode of a file, looked up once and never taken back.
    pub(super) async fn ino(&self, name: &str) -> Ino {
        match self.vfs.lookup(Ino::ROOT, name.as_bytes()).await {
            Ok(Lookup::Found(entry)) => entry.attr.ino,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The permission bits of a file or a directory.
    pub(super) async fn mode(&self, path: &str) -> u32 {
        self.attr(path).await.mode
    }

    pub(super) async fn attr(&self, path: &str) -> Attr {
        let mut walk = self.walk(path).await.expect("a directory");
        match walk.lookup().await {
            Ok(Some(entry)) => entry.attr,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Waits for everything that is being removed, as `fsync` of the root does.
    pub(super) async fn settle(&self) -> Result<(), VfsError> {
        let fh = self.vfs.opendir(Ino::ROOT).await?.fh;
        let synced = self.vfs.fsyncdir(fh).await;
        self.vfs.releasedir(fh);
        synced
    }

    pub(super) fn check_nothing_left(&self) {
        assert_eq!(self.vfs.open_handles(), 0, "handles left open");
        assert_eq!(self.vfs.known_inodes(), 1, "inodes left beside the root");
    }

    pub(super) async fn run(&self, action: &Action) -> Outcome {
        let done = match action {
            Action::Write { path, content } => self.write(path, content).await,
            Action::Append { path, content } => self.append(path, content).await,
            Action::Truncate { path, bytes } => self.truncate(path, *bytes as u64).await,
            Action::Read { path } => self.read(path).await,
            Action::Mkdir { path } => self.mkdir(path).await,
            Action::Rmdir { path } => self.rmdir(path).await,
            Action::Unlink { path } => self.unlink(path).await,
            Action::Rename { from, to } => self.rename(from, to).await,
            Action::List { path } => self.list(path).await,
            Action::Patch { path, at, content } => self.patch(path, *at as u64, content).await,
            Action::Chmod { path, mode } => self.chmod(path, *mode).await,
            Action::Symlink { path, target } => self.symlink(path, target).await,
            Action::Fifo { path } => self.fifo(path).await,
            Action::Copy { from, to } => self.copy(from, to).await,
            Action::UnlinkReading { path, content } => {
                self.reading(path, content, self.unlink(path)).await
            }
            Action::RenameReading { from, to, content } => {
                self.reading(to, content, self.rename(from, to)).await
            }
        };
        done.map_err(|error| error.errno())
    }

    /// Everything in the mount, by path.
    pub(super) async fn all(&self) -> BTreeMap<String, Node> {
        let mut nodes = BTreeMap::new();
        let mut to_read = vec![String::new()];
        while let Some(directory) = to_read.pop() {
            let names = self.list(&directory).await.expect("a directory is listed");
            let names = String::from_utf8(names).expect("names are UTF-8");
            for name in names.lines() {
                let path = join(&directory, name);
                let node = self.node(&path).await.unwrap_or_else(|error| panic!("{path}: {error}"));
                if node == Node::Directory {
                    to_read.push(path.clone());
                }
                nodes.insert(path, node);
            }
        }
        nodes
    }

    async fn node(&self, path: &str) -> Result<Node, VfsError> {
        let mut walk = self.walk(path).await?;
        let attr = walk.lookup().await?.ok_or(VfsError::NotFound)?.attr;
        Ok(match attr.kind {
            Kind::File => Node::File(self.read(path).await?),
            Kind::Directory => Node::Directory,
            Kind::Symlink => Node::Symlink(self.vfs.readlink(attr.ino).await?.to_vec()),
            Kind::Fifo => Node::Fifo,
            kind @ (Kind::Socket | Kind::CharDevice | Kind::BlockDevice) => {
                panic!("{path} is a {kind:?}")
            }
        })
    }

    pub(super) async fn write(&self, path: &str, content: &[u8]) -> Result<Vec<u8>, VfsError> {
        let how = OpenHow { write: true, truncate: true, ..OpenHow::default() };
        let mut walk = self.walk(path).await?;
        let fh = match walk.lookup().await? {
            Some(entry) => self.open(&entry, how).await?,
            None => {
                let (entry, opened) =
                    self.vfs.create(walk.parent, walk.name.as_bytes(), how, FILE).await?;
                walk.looked_up.push(entry.attr.ino);
                opened.fh
            }
        };
        self.put(fh, 0, content).await
    }

    /// Makes a file and writes to it; [`Self::end`] closes it. What was looked up stays so.
    pub(super) async fn begin(&self, path: &str, content: &[u8]) -> Fh {
        let how = OpenHow { write: true, truncate: true, ..OpenHow::default() };
        let mut walk = self.walk(path).await.expect("a directory");
        walk.looked_up.clear();
        let made = self.vfs.create(walk.parent, walk.name.as_bytes(), how, FILE).await;
        let (_, opened) = made.expect("a new file");
        let content = Bytes::copy_from_slice(content);
        self.vfs.write(opened.fh, 0, content, Privilege::Kept).await.expect("a write");
        opened.fh
    }

    /// Closes a file, and tells what `close` tells.
    pub(super) async fn end(&self, fh: Fh) -> Outcome {
        let flushed = self.vfs.flush(fh).await;
        // What `close` has told is not told again.
        drop(self.vfs.release(fh).await);
        flushed.map(|()| Vec::new()).map_err(|error| error.errno())
    }

    async fn append(&self, path: &str, content: &[u8]) -> Result<Vec<u8>, VfsError> {
        let how = OpenHow { write: true, append: true, ..OpenHow::default() };
        let mut walk = self.walk(path).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        let fh = self.open(&entry, how).await?;
        self.put(fh, entry.attr.size, content).await
    }

    /// Writes, closes, and reports the close's failure as a program would.
    async fn put(&self, fh: Fh, offset: u64, content: &[u8]) -> Result<Vec<u8>, VfsError> {
        let mut at = offset;
        let mut written = Ok(());
        for chunk in content.chunks(REQUEST_BYTES) {
            let chunk_bytes = Bytes::copy_from_slice(chunk);
            written = self.vfs.write(fh, at, chunk_bytes, Privilege::Kept).await;
            at += chunk.len() as u64;
            if written.is_err() {
                break;
            }
        }
        let flushed = self.vfs.flush(fh).await;
        let released = self.vfs.release(fh).await;
        written.and(flushed).and(released)?;
        Ok(Vec::new())
    }

    async fn truncate(&self, path: &str, bytes: u64) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        if entry.attr.kind == Kind::Directory {
            return Err(VfsError::IsDirectory);
        }
        let change = SetAttr { size: Some(bytes), ..SetAttr::default() };
        let after = self.vfs.setattr(entry.attr.ino, None, change, ROOT).await?;
        assert_eq!(after.attr.size, bytes);
        Ok(Vec::new())
    }

    pub(super) async fn read(&self, path: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        let how = OpenHow { read: true, ..OpenHow::default() };
        let fh = self.open(&entry, how).await?;
        let mut content = Vec::new();
        let read = loop {
            match self.vfs.read(fh, content.len() as u64, REQUEST_BYTES as u32).await {
                Ok(bytes) if bytes.is_empty() => break Ok(()),
                Ok(bytes) => content.extend_from_slice(&bytes),
                Err(error) => break Err(error),
            }
        };
        self.vfs.release(fh).await?;
        read?;
        assert_eq!(content.len() as u64, entry.attr.size, "stat and read differ on {path}");
        Ok(content)
    }

    async fn patch(&self, path: &str, at: u64, content: &[u8]) -> Result<Vec<u8>, VfsError> {
        let how = OpenHow { write: true, ..OpenHow::default() };
        let mut walk = self.walk(path).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        let fh = self.open(&entry, how).await?;
        self.put(fh, at, content).await
    }

    async fn chmod(&self, path: &str, mode: u32) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        let change = SetAttr { mode: Some(mode), ..SetAttr::default() };
        let after = self.vfs.setattr(entry.attr.ino, None, change, ROOT).await?;
        assert_eq!(after.attr.mode, mode);
        Ok(Vec::new())
    }

    async fn symlink(&self, path: &str, target: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let (name, target) = (walk.name.as_bytes(), target.as_bytes());
        let entry = self.vfs.symlink(walk.parent, name, target, FILE).await?;
        walk.looked_up.push(entry.attr.ino);
        Ok(Vec::new())
    }

    async fn fifo(&self, path: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let fifo = Special { kind: Kind::Fifo, device: 0 };
        let entry = self.vfs.mknod(walk.parent, walk.name.as_bytes(), fifo, FILE).await?;
        walk.looked_up.push(entry.attr.ino);
        Ok(Vec::new())
    }

    /// As `cp` does it: until there is nothing more to copy.
    async fn copy(&self, from: &str, to: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(from).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        let how = OpenHow { read: true, ..OpenHow::default() };
        let source = self.open(&entry, how).await?;
        let copied = self.copy_to(source, to).await;
        self.vfs.release(source).await?;
        copied
    }

    async fn copy_to(&self, source: Fh, to: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(to).await?;
        let how = OpenHow { write: true, ..OpenHow::default() };
        let (entry, opened) = self.vfs.create(walk.parent, walk.name.as_bytes(), how, FILE).await?;
        walk.looked_up.push(entry.attr.ino);
        let mut at = 0;
        let copied = loop {
            let copy = self.vfs.copy_file_range((source, at), (opened.fh, at), 1 << 30);
            match copy.await {
                Ok(0) => break Ok(Vec::new()),
                Ok(bytes) => at += u64::from(bytes),
                Err(error) => break Err(error),
            }
        };
        let flushed = self.vfs.flush(opened.fh).await;
        let released = self.vfs.release(opened.fh).await;
        flushed.and(released).and(copied)
    }

    /// Something happens to a file of which half has been read; what is read then must be of
    /// `content`, unless reading fails.
    async fn reading(
        &self,
        path: &str,
        content: &[u8],
        happens: impl Future<Output = Result<Vec<u8>, VfsError>>,
    ) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
        let how = OpenHow { read: true, ..OpenHow::default() };
        let fh = self.open(&entry, how).await?;
        let half = self.read_on(fh, content, 0, content.len() / 2).await;
        let happened = happens.await;
        let rest = self.read_on(fh, content, content.len() / 2, usize::MAX).await;
        let again = self.read_on(fh, content, 0, usize::MAX).await;
        let released = self.vfs.release(fh).await;
        half.and(rest).and(again).and(released).and(happened)
    }

    /// Reads from `from` on, as far as `to` or the end.
    async fn read_on(
        &self,
        fh: Fh,
        content: &[u8],
        from: usize,
        to: usize,
    ) -> Result<(), VfsError> {
        let mut at = from;
        while at < to {
            let read = self.vfs.read(fh, at as u64, REQUEST_BYTES as u32).await?;
            let end = (at + REQUEST_BYTES).min(content.len());
            assert!(*read == content[at..end], "wrong bytes at {at}: {} of them", read.len());
            if read.is_empty() {
                break;
            }
            at = end;
        }
        Ok(())
    }

    async fn mkdir(&self, path: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let entry = self.vfs.mkdir(walk.parent, walk.name.as_bytes(), DIRECTORY).await?;
        walk.looked_up.push(entry.attr.ino);
        Ok(Vec::new())
    }

    async fn rmdir(&self, path: &str) -> Result<Vec<u8>, VfsError> {
        let walk = self.walk(path).await?;
        self.vfs.rmdir(walk.parent, walk.name.as_bytes()).await.map(|()| Vec::new())
    }

    pub(super) async fn unlink(&self, path: &str) -> Result<Vec<u8>, VfsError> {
        let walk = self.walk(path).await?;
        self.vfs.unlink(walk.parent, walk.name.as_bytes(), ROOT).await.map(|()| Vec::new())
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<Vec<u8>, VfsError> {
        let (mut source, mut target) = (self.walk(from).await?, self.walk(to).await?);
        // The kernel looks at both and at the paths before it asks.
        source.lookup().await?.ok_or(VfsError::NotFound)?;
        target.lookup().await?;
        if to.starts_with(&format!("{from}/")) {
            return Err(VfsError::Invalid("the target is in the source".to_owned()));
        }
        if from.starts_with(&format!("{to}/")) {
            return Err(VfsError::NotEmpty);
        }
        let source = (source.parent, source.name.as_bytes());
        let target = (target.parent, target.name.as_bytes());
        self.vfs.rename(source, target, Replace::Allowed).await.map(|()| Vec::new())
    }

    pub(super) async fn list(&self, path: &str) -> Result<Vec<u8>, VfsError> {
        let mut walk = self.walk(path).await?;
        let ino = if path.is_empty() {
            Ino::ROOT
        } else {
            walk.lookup().await?.ok_or(VfsError::NotFound)?.attr.ino
        };
        let fh = self.vfs.opendir(ino).await?.fh;
        let names = self.entries(fh).await;
        self.vfs.releasedir(fh);
        let mut names = names?;
        names.sort();
        Ok(names.join("\n").into_bytes())
    }

    /// Reads a directory as the kernel does: three entries at a time.
    async fn entries(&self, fh: Fh) -> Result<Vec<String>, VfsError> {
        let mut names = Vec::new();
        let mut offset = 0;
        loop {
            let mut taken = 0;
            let mut looked_up = Vec::new();
            let asked = offset;
            let mut sink = |entry: &DirEntry<'_>| {
                if taken == 3 {
                    return Room::Full;
                }
                taken += 1;
                offset = entry.next_offset;
                looked_up.extend(entry.entry.map(|entry| entry.attr.ino));
                if !matches!(entry.name, "." | "..") {
                    names.push(entry.name.to_owned());
                }
                Room::Taken
            };
            self.vfs.readdir(fh, asked, Listing::Entries, &mut sink).await?;
            for ino in looked_up {
                self.vfs.forget(ino, 1);
            }
            if taken == 0 {
                return Ok(names);
            }
        }
    }

    async fn open(&self, entry: &Entry, how: OpenHow) -> Result<Fh, VfsError> {
        Ok(self.vfs.open(entry.attr.ino, how, Privilege::Kept).await?.fh)
    }

    async fn walk(&self, path: &str) -> Result<Walk<'_>, VfsError> {
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut walk =
            Walk { client: self, parent: Ino::ROOT, name: String::new(), looked_up: Vec::new() };
        for directory in directories.split('/').filter(|name| !name.is_empty()) {
            directory.clone_into(&mut walk.name);
            let entry = walk.lookup().await?.ok_or(VfsError::NotFound)?;
            if entry.attr.kind != Kind::Directory {
                return Err(VfsError::NotDirectory);
            }
            walk.parent = entry.attr.ino;
        }
        name.clone_into(&mut walk.name);
        Ok(walk)
    }
}

impl Walk<'_> {
    async fn lookup(&mut self) -> Result<Option<Entry>, VfsError> {
        match self.client.vfs.lookup(self.parent, self.name.as_bytes()).await? {
            Lookup::Found(entry) => {
                self.looked_up.push(entry.attr.ino);
                Ok(Some(entry))
            }
            Lookup::Absent(_) => Ok(None),
        }
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
