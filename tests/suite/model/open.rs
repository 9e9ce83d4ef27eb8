//! Programs that have files open: random histories of handles against inodes in a map.
//!
//! Several handles of several inodes, read and written anywhere, cut, punched and copied, while
//! their names are renamed and removed, in so little memory that bytes are staged on disk.
//! Every read must give what a disk would; every sync must have brought it to S3. A second mount
//! that looks on must have what is closed, and of the rest nothing that never was.

mod acts;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::types::{GetObject, ListUploads};
use pailfs::vfs::Vfs;
use pailfs::vfs::error::VfsError;
use pailfs::vfs::options::Options;
use pailfs::vfs::types::{
    Allocation, Caller, Creation, Entry, Fh, Grow, Ino, Kind, Lookup, OpenHow, Privilege, Replace,
    SetAttr, Source, Special,
};
use proptest::prelude::{ProptestConfig, proptest};

use crate::model::client::Client;
use crate::model::open::acts::{Act, LINK, PIPE, act};
use crate::model::tree::Node;
use crate::model::{BUCKET, TTL, empty_bucket, in_virtual_time, mount};

const SLOTS: usize = 4;
const PART_BYTES: u64 = 5 << 20;
/// Less than two parts: large files don't fit.
const MEMORY_BYTES: u64 = 8 << 20;
/// Files grow no further than this.
const FILE_BYTES_MAX: u64 = 3 * PART_BYTES;
const ROOT: Caller = Caller { uid: 0, gid: 0, pid: 1 };
const CREATION: Creation = Creation { uid: 0, gid: 0, mode: 0o644 };

/// What a disk would have.
#[derive(Default)]
struct Disk {
    names: BTreeMap<&'static str, usize>,
    inodes: Vec<Vec<u8>>,
    modes: Vec<u32>,
    /// Of what was not written since its time was set.
    times: Vec<Option<SystemTime>>,
    specials: BTreeMap<&'static str, Node>,
    /// Of every content that was brought to S3.
    committed: HashSet<u64>,
}

impl Disk {
    fn note_committed(&mut self, inode: usize) {
        self.committed.insert(digest(&self.inodes[inode]));
    }
}

fn digest(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}

struct Handle {
    inode: usize,
    how: OpenHow,
    fh: Fh,
    ino: Ino,
}

struct World {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    vfs: Arc<Vfs>,
    client: Client,
    /// Another mount of the bucket.
    second: Client,
    disk: Disk,
    slots: [Option<Handle>; SLOTS],
}

fn slice(content: &[u8], at: u64, bytes: u64) -> &[u8] {
    let start = (at as usize).min(content.len());
    let end = ((at + bytes) as usize).min(content.len());
    &content[start..end]
}

fn overwrite(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    if content.len() < at + data.len() {
        content.resize(at + data.len(), 0);
    }
    content[at..at + data.len()].copy_from_slice(data);
}

/// Comparing is quick, showing millions of bytes is not.
#[track_caller]
fn check_same(actual: &[u8], expected: &[u8], context: &str) {
    let lengths = (actual.len(), expected.len());
    let differs = actual.iter().zip(expected).position(|(actual, expected)| actual != expected);
    assert!(actual == expected, "{context}: lengths {lengths:?}, first difference {differs:?}");
}

impl World {
    async fn new(staging: &Path) -> Self {
        let (store, clock) = empty_bucket().await;
        let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
        let options = Options {
            ttl: TTL,
            part_bytes: PART_BYTES,
            memory_bytes_max: MEMORY_BYTES,
            state_directory: Some(staging.to_owned()),
            ..Options::default()
        };
        let vfs = Vfs::new(Arc::clone(&store), source, options, Arc::clone(&clock));
        let client = Client::new(Arc::clone(&vfs));
        let second = mount(&store, &clock);
        Self { store, clock, vfs, client, second, disk: Disk::default(), slots: Default::default() }
    }

    async fn run(&mut self, act: &Act) {
        let context = format!("{act:?}");
        match *act {
            Act::Open { slot, name, how, create } => self.open(slot, name, how, create).await,
            Act::Write { slot, at, fill, bytes } => self.write(slot, at, fill, bytes).await,
            Act::Read { slot, at, bytes } => self.read(slot, at, bytes, &context).await,
            Act::Cut { slot, bytes } => self.cut(slot, bytes).await,
            Act::Punch { slot, at, bytes } => self.punch(slot, at, bytes).await,
            Act::Copy { from, at, to, to_at, bytes } => {
                self.copy((from, at), (to, to_at), bytes).await;
            }
            Act::Sync { slot } => self.sync(slot, &context).await,
            Act::Flush { slot } => {
                if let Some(handle) = &self.slots[slot] {
                    self.vfs.flush(handle.fh).await.expect("a flush");
                    self.disk.note_committed(handle.inode);
                }
            }
            Act::Close { slot } => self.close(slot).await,
            Act::Unlink { name } => {
                let there = self.disk.names.remove(name).is_some();
                let told = self.client.unlink(name).await;
                assert_eq!(told.is_ok(), there, "{context}: {told:?}");
            }
            Act::Rename { from, to } => self.rename(from, to, &context).await,
            Act::Chmod { name, mode } => self.chmod(name, mode).await,
            Act::Utimens { name, second } => self.utimens(name, second).await,
            Act::Symlink { target } => self.symlink(target, &context).await,
            Act::Fifo => self.fifo(&context).await,
            Act::UnlinkSpecial { name } => {
                let there = self.disk.specials.remove(name).is_some();
                let told = self.client.unlink(name).await;
                assert_eq!(told.is_ok(), there, "{context}: {told:?}");
            }
            Act::Wait => {
                tokio::time::advance(TTL).await;
                self.check_second().await;
            }
        }
    }

    async fn open(&mut self, slot: usize, name: &'static str, how: OpenHow, create: bool) {
        if self.slots[slot].is_some() {
            return;
        }
        let inode = self.disk.names.get(name).copied();
        let found = self.vfs.lookup(Ino::ROOT, name.as_bytes()).await.expect("a lookup");
        let (ino, fh) = match (found, inode) {
            (Lookup::Found(entry), Some(_)) => {
                let opened = self.vfs.open(entry.attr.ino, how, Privilege::Kept).await;
                (entry.attr.ino, opened.expect("an open").fh)
            }
            (Lookup::Absent(_), None) if create => {
                let made = self.vfs.create(Ino::ROOT, name.as_bytes(), how, CREATION).await;
                let (entry, opened) = made.expect("a new file");
                (entry.attr.ino, opened.fh)
            }
            (Lookup::Absent(_), None) => return,
            (Lookup::Found(_), None) => panic!("{name} is there, and should not be"),
            (Lookup::Absent(_), Some(_)) => panic!("{name} is not there, and should be"),
        };
        let inode = inode.unwrap_or_else(|| {
            self.disk.inodes.push(Vec::new());
            self.disk.modes.push(CREATION.mode);
            self.disk.times.push(None);
            self.disk.names.insert(name, self.disk.inodes.len() - 1);
            self.disk.inodes.len() - 1
        });
        if how.truncate {
            self.disk.inodes[inode].clear();
            self.disk.times[inode] = None;
        }
        self.slots[slot] = Some(Handle { inode, how, fh, ino });
    }

    async fn write(&mut self, slot: usize, at: u64, fill: u8, bytes: u64) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.write) else {
            return;
        };
        let content = &mut self.disk.inodes[handle.inode];
        let at = if handle.how.append { content.len() as u64 } else { at };
        if at + bytes > FILE_BYTES_MAX {
            return;
        }
        self.disk.times[handle.inode] = None;
        let data: Vec<u8> = (0..bytes).map(|index| fill.wrapping_add((index >> 3) as u8)).collect();
        for (index, chunk) in data.chunks(1 << 20).enumerate() {
            let at = at + ((index as u64) << 20);
            let chunk = Bytes::copy_from_slice(chunk);
            self.vfs.write(handle.fh, at, chunk, Privilege::Kept).await.expect("a write");
        }
        if bytes > 0 {
            overwrite(content, at as usize, &data);
        }
    }

    async fn read(&mut self, slot: usize, at: u64, bytes: u32, context: &str) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.read) else {
            return;
        };
        let expected = slice(&self.disk.inodes[handle.inode], at, u64::from(bytes));
        let read = self.vfs.read(handle.fh, at, bytes).await;
        check_same(&read.unwrap_or_else(|error| panic!("{context}: {error}")), expected, context);
    }

    async fn cut(&mut self, slot: usize, bytes: u64) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.write) else {
            return;
        };
        let change = SetAttr { size: Some(bytes), ..SetAttr::default() };
        let cut = self.vfs.setattr(handle.ino, Some(handle.fh), change, ROOT).await;
        assert_eq!(cut.expect("a cut").attr.size, bytes);
        self.disk.times[handle.inode] = None;
        self.disk.inodes[handle.inode].resize(bytes as usize, 0);
    }

    async fn punch(&mut self, slot: usize, at: u64, bytes: u64) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.write) else {
            return;
        };
        let zero = Allocation::Zero(Grow::Never);
        self.vfs.fallocate(handle.fh, at..at + bytes, zero).await.expect("a hole");
        self.disk.times[handle.inode] = None;
        let content = &mut self.disk.inodes[handle.inode];
        let end = ((at + bytes) as usize).min(content.len());
        if let Some(punched) = content.get_mut(at as usize..end) {
            punched.fill(0);
        }
    }

    async fn copy(&mut self, from: (usize, u64), to: (usize, u64), bytes: u64) {
        let (Some(source), Some(target)) = (&self.slots[from.0], &self.slots[to.0]) else { return };
        let overlaps = source.inode == target.inode && from.1.abs_diff(to.1) < bytes;
        let may = source.how.read && target.how.write && !target.how.append;
        if !may || overlaps || to.1 + bytes > FILE_BYTES_MAX {
            return;
        }
        let copied = slice(&self.disk.inodes[source.inode], from.1, bytes).to_vec();
        let told = self.vfs.copy_file_range((source.fh, from.1), (target.fh, to.1), bytes).await;
        assert_eq!(told.expect("a copy") as usize, copied.len());
        if !copied.is_empty() {
            self.disk.times[target.inode] = None;
            overwrite(&mut self.disk.inodes[target.inode], to.1 as usize, &copied);
        }
    }

    async fn sync(&mut self, slot: usize, context: &str) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.write) else {
            return;
        };
        self.vfs.fsync(handle.fh).await.expect("a sync");
        self.disk.note_committed(handle.inode);
        let named = self.disk.names.iter().find(|(_, inode)| **inode == handle.inode);
        let Some((name, inode)) = named else { return };
        let got = self.store.get_object(BUCKET, name, GetObject::default()).await;
        let body: Vec<Bytes> = got.expect("an object").body.try_collect().await.expect("bytes");
        check_same(&body.concat(), &self.disk.inodes[*inode], context);
    }

    async fn close(&mut self, slot: usize) {
        let Some(handle) = self.slots[slot].take() else { return };
        self.vfs.flush(handle.fh).await.expect("a close");
        self.vfs.release(handle.fh).await.expect("a release");
        self.vfs.forget(handle.ino, 1);
        self.disk.note_committed(handle.inode);
    }

    async fn rename(&mut self, from: &'static str, to: &'static str, context: &str) {
        let inode = self.disk.names.get(from).copied();
        let (source, target) = ((Ino::ROOT, from.as_bytes()), (Ino::ROOT, to.as_bytes()));
        let told = self.vfs.rename(source, target, Replace::Allowed).await;
        match (inode, told) {
            (Some(inode), Ok(())) => {
                self.disk.names.remove(from);
                self.disk.names.insert(to, inode);
                // What is still being written goes to S3 under its new name at once.
                self.disk.note_committed(inode);
            }
            (None, Err(VfsError::NotFound)) => {}
            (inode, told) => panic!("{context}: {inode:?} {told:?}"),
        }
    }

    async fn chmod(&mut self, name: &'static str, mode: u32) {
        let Some(inode) = self.disk.names.get(name) else { return };
        let ino = self.client.ino(name).await;
        let change = SetAttr { mode: Some(mode), ..SetAttr::default() };
        self.vfs.setattr(ino, None, change, ROOT).await.expect("a change of mode");
        self.vfs.forget(ino, 1);
        self.disk.modes[*inode] = mode;
    }

    async fn utimens(&mut self, name: &'static str, second: u64) {
        let Some(inode) = self.disk.names.get(name) else { return };
        let ino = self.client.ino(name).await;
        let time = SystemTime::UNIX_EPOCH + Duration::new(second, 123_456_789);
        let change = SetAttr { mtime: Some(time), ..SetAttr::default() };
        self.vfs.setattr(ino, None, change, ROOT).await.expect("a change of time");
        self.vfs.forget(ino, 1);
        self.disk.times[*inode] = Some(time);
    }

    async fn symlink(&mut self, target: u8, context: &str) {
        let target = format!("some/where/{target}");
        let (name, bytes) = (LINK.as_bytes(), target.as_bytes());
        let told = self.vfs.symlink(Ino::ROOT, name, bytes, CREATION).await;
        self.made(LINK, Node::Symlink(target.into_bytes()), told, context);
    }

    async fn fifo(&mut self, context: &str) {
        let fifo = Special { kind: Kind::Fifo, device: 0 };
        let told = self.vfs.mknod(Ino::ROOT, PIPE.as_bytes(), fifo, CREATION).await;
        self.made(PIPE, Node::Fifo, told, context);
    }

    fn made(
        &mut self,
        name: &'static str,
        node: Node,
        told: Result<Entry, VfsError>,
        context: &str,
    ) {
        match (self.disk.specials.contains_key(name), told) {
            (false, Ok(entry)) => {
                self.vfs.forget(entry.attr.ino, 1);
                self.disk.specials.insert(name, node);
            }
            (true, Err(VfsError::Exists(_))) => {}
            (there, told) => panic!("{context}: {there} {told:?}"),
        }
    }

    fn is_written(&self, inode: usize) -> bool {
        self.slots.iter().flatten().any(|handle| handle.inode == inode && handle.how.write)
    }

    /// What nobody writes is elsewhere as it is here; what somebody writes is as it once was.
    async fn check_second(&self) {
        let all = self.second.all().await;
        for (name, inode) in &self.disk.names {
            let content = match all.get(*name) {
                Some(Node::File(content)) => content,
                None if self.is_written(*inode) => continue,
                other => panic!("{name} elsewhere: {}", other.is_some()),
            };
            if self.is_written(*inode) {
                let known = self.disk.committed.contains(&digest(content));
                assert!(known, "{name} elsewhere: {} bytes that never were", content.len());
            } else {
                check_same(content, &self.disk.inodes[*inode], &format!("{name} elsewhere"));
                self.check_attributes(&self.second, name, *inode).await;
            }
        }
        for (name, node) in &self.disk.specials {
            assert_eq!(all.get(*name), Some(node), "{name} elsewhere");
        }
        let is_known = |name: &str| {
            self.disk.names.contains_key(name) || self.disk.specials.contains_key(name)
        };
        for name in all.keys() {
            assert!(is_known(name), "{name} is still there elsewhere");
        }
        self.second.check_nothing_left();
    }

    async fn check_attributes(&self, client: &Client, name: &str, inode: usize) {
        let attr = client.attr(name).await;
        assert_eq!(attr.mode, self.disk.modes[inode], "the mode of {name}");
        if let Some(time) = self.disk.times[inode] {
            assert_eq!(attr.mtime, time, "the time of {name}");
        }
    }

    async fn check(mut self) {
        for slot in 0..SLOTS {
            self.close(slot).await;
        }
        self.client.check_nothing_left();
        let fresh = mount(&self.store, &self.clock);
        for client in [&self.client, &fresh] {
            let all = client.all().await;
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            let disk = &self.disk;
            let mut expected: Vec<&str> =
                disk.names.keys().chain(disk.specials.keys()).copied().collect();
            expected.sort_unstable();
            assert_eq!(names, expected);
            for (name, node) in &self.disk.specials {
                assert_eq!(all.get(*name), Some(node), "{name}");
            }
            for (name, inode) in &self.disk.names {
                let Some(Node::File(content)) = all.get(*name) else { panic!("{name} is no file") };
                check_same(content, &self.disk.inodes[*inode], name);
                self.check_attributes(client, name, *inode).await;
            }
            client.check_nothing_left();
        }
        // One that was given up while it was begun is aborted when it has been.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let uploads = self.store.list_uploads(BUCKET, ListUploads::default()).await;
        assert_eq!(uploads.expect("a listing").uploads.len(), 0, "uploads are left");
    }
}

async fn run(acts: Vec<Act>) {
    let staging = tempfile::tempdir().expect("a temporary directory");
    let mut world = World::new(staging.path()).await;
    for act in &acts {
        world.run(act).await;
    }
    world.check().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn open_files_are_inodes_whatever_becomes_of_their_names(
        acts in proptest::collection::vec(act(), 1..60)
    ) {
        in_virtual_time(run(acts));
    }
}
