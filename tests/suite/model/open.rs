//! Programs that have files open: random histories of handles against inodes in a map.
//!
//! Several handles of several inodes, read and written anywhere, cut, punched and copied, while
//! their names are renamed and removed, in so little memory that bytes are staged on disk.
//! Every read must give what a disk would; every sync must have brought it to S3.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::types::{GetObject, ListUploads};
use pailfs::vfs::Vfs;
use pailfs::vfs::error::VfsError;
use pailfs::vfs::options::Options;
use pailfs::vfs::types::{
    Allocation, Caller, Creation, Fh, Grow, Ino, Lookup, OpenHow, Privilege, Replace, SetAttr,
    Source,
};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use crate::model::client::Client;
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

#[derive(Clone, Debug)]
enum Act {
    Open { slot: usize, name: &'static str, how: OpenHow, create: bool },
    Write { slot: usize, at: u64, fill: u8, bytes: u64 },
    Read { slot: usize, at: u64, bytes: u32 },
    Cut { slot: usize, bytes: u64 },
    Punch { slot: usize, at: u64, bytes: u64 },
    Copy { from: usize, at: u64, to: usize, to_at: u64, bytes: u64 },
    Sync { slot: usize },
    Flush { slot: usize },
    Close { slot: usize },
    Unlink { name: &'static str },
    Rename { from: &'static str, to: &'static str },
    Chmod { name: &'static str, mode: u32 },
    Wait,
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("a"), 2 => Just("b"), 1 => Just("c")]
}

/// Near the beginning or near where parts meet.
fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..100u64,
        2 => PART_BYTES - 50..PART_BYTES + 50,
        1 => 2 * PART_BYTES - 50..2 * PART_BYTES + 50,
    ]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..100u64,
        2 => PART_BYTES - 50..PART_BYTES + 50,
    ]
}

fn how() -> impl Strategy<Value = OpenHow> {
    (0..4u8, any::<bool>()).prop_map(|(kind, truncate)| OpenHow {
        read: kind != 1,
        write: kind != 0,
        append: kind == 3,
        truncate: truncate && kind != 0,
        exclusive: false,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let slot = 0..SLOTS;
    prop_oneof![
        6 => (slot.clone(), name(), how(), any::<bool>()).prop_map(|(slot, name, how, create)| {
            Act::Open { slot, name, how, create: create && how.write }
        }),
        8 => (slot.clone(), offset(), any::<u8>(), length())
            .prop_map(|(slot, at, fill, bytes)| Act::Write { slot, at, fill, bytes }),
        6 => (slot.clone(), offset(), length())
            .prop_map(|(slot, at, bytes)| Act::Read { slot, at, bytes: bytes as u32 }),
        2 => (slot.clone(), offset()).prop_map(|(slot, bytes)| Act::Cut { slot, bytes }),
        2 => (slot.clone(), offset(), length())
            .prop_map(|(slot, at, bytes)| Act::Punch { slot, at, bytes }),
        3 => (slot.clone(), offset(), slot.clone(), offset(), length())
            .prop_map(|(from, at, to, to_at, bytes)| Act::Copy { from, at, to, to_at, bytes }),
        2 => slot.clone().prop_map(|slot| Act::Sync { slot }),
        1 => slot.clone().prop_map(|slot| Act::Flush { slot }),
        4 => slot.prop_map(|slot| Act::Close { slot }),
        2 => name().prop_map(|name| Act::Unlink { name }),
        2 => (name(), name()).prop_map(|(from, to)| Act::Rename { from, to }),
        1 => (name(), 0..0o1000u32).prop_map(|(name, mode)| Act::Chmod { name, mode }),
        1 => Just(Act::Wait),
    ]
}

/// What a disk would have.
#[derive(Default)]
struct Disk {
    names: BTreeMap<&'static str, usize>,
    inodes: Vec<Vec<u8>>,
    modes: Vec<u32>,
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
        Self { store, clock, vfs, client, disk: Disk::default(), slots: Default::default() }
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
            Act::Wait => tokio::time::advance(TTL).await,
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
            self.disk.names.insert(name, self.disk.inodes.len() - 1);
            self.disk.inodes.len() - 1
        });
        if how.truncate {
            self.disk.inodes[inode].clear();
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
        self.disk.inodes[handle.inode].resize(bytes as usize, 0);
    }

    async fn punch(&mut self, slot: usize, at: u64, bytes: u64) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.write) else {
            return;
        };
        let zero = Allocation::Zero(Grow::Never);
        self.vfs.fallocate(handle.fh, at..at + bytes, zero).await.expect("a hole");
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
            overwrite(&mut self.disk.inodes[target.inode], to.1 as usize, &copied);
        }
    }

    async fn sync(&mut self, slot: usize, context: &str) {
        let Some(handle) = self.slots[slot].as_ref().filter(|handle| handle.how.write) else {
            return;
        };
        self.vfs.fsync(handle.fh).await.expect("a sync");
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
    }

    async fn rename(&mut self, from: &'static str, to: &'static str, context: &str) {
        let inode = self.disk.names.get(from).copied();
        let (source, target) = ((Ino::ROOT, from.as_bytes()), (Ino::ROOT, to.as_bytes()));
        let told = self.vfs.rename(source, target, Replace::Allowed).await;
        match (inode, told) {
            (Some(inode), Ok(())) => {
                self.disk.names.remove(from);
                self.disk.names.insert(to, inode);
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

    async fn check(mut self) {
        for slot in 0..SLOTS {
            self.close(slot).await;
        }
        self.client.check_nothing_left();
        let fresh = mount(&self.store, &self.clock);
        for client in [&self.client, &fresh] {
            let all = client.all().await;
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            let expected: Vec<&str> = self.disk.names.keys().copied().collect();
            assert_eq!(names, expected);
            for (name, inode) in &self.disk.names {
                let Some(Node::File(content)) = all.get(*name) else { panic!("{name} is no file") };
                check_same(content, &self.disk.inodes[*inode], name);
                let mode = client.mode(name).await;
                assert_eq!(mode, self.disk.modes[*inode], "the mode of {name}");
            }
            client.check_nothing_left();
        }
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
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn open_files_are_inodes_whatever_becomes_of_their_names(
        acts in proptest::collection::vec(act(), 1..60)
    ) {
        in_virtual_time(run(acts));
    }
}
