//! What attributes, listings and copies cost in requests and bytes, and how attributes last.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::faulty::Faulty;
use pailfs::store::types::{GetObject, HeadObject, Payload, WriteOptions};
use pailfs::vfs::Vfs;
use pailfs::vfs::namespace::habit::LOOKED_BYTES_MAX;
use pailfs::vfs::namespace::posix::{self, Dialect, Posix};
use pailfs::vfs::options::Options;
use pailfs::vfs::types::{
    Caller, Creation, DirEntry, Fh, Ino, Kind, Listing, Lookup, OpenHow, Privilege, Room, SetAttr,
    Source,
};

use crate::model::client::Client;
use crate::model::{BUCKET, TTL, empty_bucket, in_virtual_time, put_outside};

const PART_BYTES: u64 = 5 << 20;
const ROOT: Caller = Caller { uid: 0, gid: 0, pid: 1 };
const CREATION: Creation = Creation { uid: 0, gid: 0, mode: 0o644 };
const READ: OpenHow =
    OpenHow { read: true, write: false, append: false, truncate: false, exclusive: false };
const WRITE: OpenHow = OpenHow { read: false, write: true, ..READ };

/// A bucket, and a store over it that counts.
pub(super) struct World {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) faulty: Arc<Faulty>,
    clock: Arc<dyn Clock>,
}

impl World {
    pub(super) async fn new() -> Self {
        let (store, clock) = empty_bucket().await;
        let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
        Self { store, faulty, clock }
    }

    pub(super) fn mount(&self) -> Client {
        self.mount_with(Options::default())
    }

    /// A mount whose calls are counted.
    pub(super) fn mount_with(&self, options: Options) -> Client {
        let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
        let options = Options { ttl: TTL, part_bytes: PART_BYTES, ..options };
        let store = Arc::clone(&self.faulty) as Arc<dyn ObjectStore>;
        Client::new(Vfs::new(store, source, options, Arc::clone(&self.clock)))
    }

    pub(super) fn mount_remembering(&self, directory: &Path) -> Client {
        let attributes_directory = Some(directory.to_owned());
        self.mount_with(Options { attributes_directory, ..Options::default() })
    }

    pub(super) async fn put(&self, key: &str, content: Vec<u8>) {
        let payload = Payload::from(Bytes::from(content));
        let put = self.store.put_object(BUCKET, key, payload, WriteOptions::default()).await;
        put.expect("the store takes it");
    }

    /// What S3 has.
    pub(super) async fn content(&self, key: &str) -> Vec<u8> {
        let got = self.store.get_object(BUCKET, key, GetObject::default()).await;
        let body: Vec<Bytes> = got.expect("an object").body.try_collect().await.expect("bytes");
        body.concat()
    }

    /// What the object says of itself.
    pub(super) async fn posix(&self, key: &str) -> Posix {
        let head = self.store.head_object(BUCKET, key, HeadObject::default()).await;
        posix::read(&head.expect("an object").attributes.metadata)
    }

    /// The keys of all objects that were looked at since call `first`.
    pub(super) fn looked_at(&self, first: usize) -> Vec<String> {
        let calls = self.faulty.calls().split_off(first);
        let looks = calls.into_iter().filter(|(operation, _)| is_look(operation));
        looks.map(|(_, key)| key).collect()
    }

    pub(super) fn calls(&self) -> usize {
        self.faulty.calls().len()
    }
}

/// A request that tells the attributes of an object.
fn is_look(operation: &str) -> bool {
    matches!(operation, "head_object" | "get_object")
}

/// Bytes that tell where they are.
fn pattern(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| seed ^ (index >> 12) as u8).collect()
}

async fn open(client: &Client, path: &str, how: OpenHow) -> Fh {
    let ino = client.ino(path).await;
    client.vfs().open(ino, how, Privilege::Kept).await.expect("an open").fh
}

async fn create(client: &Client, name: &str, how: OpenHow) -> (Ino, Fh) {
    let made = client.vfs().create(Ino::ROOT, name.as_bytes(), how, CREATION).await;
    let (entry, opened) = made.expect("a new file");
    (entry.attr.ino, opened.fh)
}

async fn write(client: &Client, fh: Fh, at: u64, content: &[u8]) {
    let content = Bytes::copy_from_slice(content);
    client.vfs().write(fh, at, content, Privilege::Kept).await.expect("a write");
}

async fn close(client: &Client, fh: Fh) {
    client.vfs().flush(fh).await.expect("a close");
    client.vfs().release(fh).await.expect("a release");
}

async fn change(client: &Client, ino: Ino, change: SetAttr) {
    client.vfs().setattr(ino, None, change, ROOT).await.expect("a change");
}

fn to_mode(mode: u32) -> SetAttr {
    SetAttr { mode: Some(mode), ..SetAttr::default() }
}

/// Reads the root as `ls` does: all names with their kinds.
pub(super) async fn read_root(client: &Client, listing: Listing) -> Vec<(String, Kind)> {
    let vfs = client.vfs();
    let fh = vfs.opendir(Ino::ROOT).await.expect("a directory").fh;
    let mut told = Vec::new();
    let mut sink = |entry: &DirEntry<'_>| {
        if let Some(entry) = entry.entry {
            vfs.forget(entry.attr.ino, 1);
        }
        if !matches!(entry.name, "." | "..") {
            told.push((entry.name.to_owned(), entry.kind));
        }
        Room::Taken
    };
    vfs.readdir(fh, 0, listing, &mut sink).await.expect("a listing");
    vfs.releasedir(fh);
    told
}

/// `ls -l`: gives how many look-ups had to ask.
async fn list_long(world: &World, client: &Client) -> usize {
    let mut rounds = 0;
    for (name, _) in read_root(client, Listing::Entries).await {
        let before = world.calls();
        client.attr(&name).await;
        rounds += usize::from(world.calls() > before);
    }
    rounds
}

const COPIED_BYTES: usize = 40 << 20;

/// Copies all of `source` into a new file that stays open.
async fn begin_copy(client: &Client) -> Fh {
    let source = open(client, "source", READ).await;
    let (_, copy) = create(client, "copy", WRITE).await;
    let bytes = COPIED_BYTES as u64;
    let told = client.vfs().copy_file_range((source, 0), (copy, 0), bytes).await;
    assert_eq!(told.expect("a copy") as usize, COPIED_BYTES);
    client.vfs().release(source).await.expect("a release");
    copy
}

#[test]
fn a_copy_inside_the_mount_moves_no_bytes() {
    in_virtual_time(async {
        let world = World::new().await;
        world.put("source", pattern(1, COPIED_BYTES)).await;
        let client = world.mount();
        let copy = begin_copy(&client).await;
        close(&client, copy).await;
        let moved = world.faulty.bytes_moved();
        // Nobody knew that the source would not be read when it was looked up.
        assert!(moved.sent == 0 && moved.fetched <= LOOKED_BYTES_MAX, "{moved:?}");
        assert!(world.content("copy").await == pattern(1, COPIED_BYTES));
    });
}

#[test]
fn a_copy_is_of_what_its_source_was() {
    in_virtual_time(async {
        for removes in [true, false] {
            let world = World::new().await;
            world.put("source", pattern(1, COPIED_BYTES)).await;
            let client = world.mount();
            let copy = begin_copy(&client).await;
            let done = match removes {
                true => client.unlink("source").await,
                false => client.write("source", &pattern(2, 11 << 20)).await,
            };
            done.expect("the source may change");
            close(&client, copy).await;
            assert!(world.content("copy").await == pattern(1, COPIED_BYTES), "{removes}");
            let all = client.list("").await.expect("a listing");
            assert_eq!(all, if removes { &b"copy"[..] } else { b"copy\nsource" });
            if !removes {
                assert!(world.content("source").await == pattern(2, 11 << 20));
            }
        }
    });
}

#[test]
fn a_change_in_the_middle_moves_two_parts_at_most() {
    const BYTES: usize = 100 << 20;
    in_virtual_time(async {
        let world = World::new().await;
        let mut content = pattern(1, BYTES);
        world.put("large", content.clone()).await;
        let client = world.mount();
        let fh = open(&client, "large", WRITE).await;
        let (at, changed) = ((50 << 20) + 123, [0xA5; 4096]);
        write(&client, fh, at, &changed).await;
        close(&client, fh).await;
        let moved = world.faulty.bytes_moved();
        assert!(moved.sent >= 4096 && moved.sent <= 2 * PART_BYTES, "{moved:?}");
        assert!(moved.fetched <= 2 * PART_BYTES, "{moved:?}");
        content[at as usize..][..changed.len()].copy_from_slice(&changed);
        assert!(world.content("large").await == content);
    });
}

const LISTED: usize = 300;

/// Objects that others have put there a while ago.
async fn world_of_others() -> World {
    let world = World::new().await;
    for number in 0..LISTED {
        world.put(&format!("{number:03}"), pattern(number as u8, 10_000)).await;
    }
    tokio::time::advance(TTL * 5).await;
    world
}

#[test]
fn a_long_listing_asks_for_each_object_once_and_the_next_mount_for_none() {
    in_virtual_time(async {
        let world = world_of_others().await;
        let directory = tempfile::tempdir().expect("a temporary directory");

        let first = world.mount_remembering(directory.path());
        let rounds = list_long(&world, &first).await;
        let mut asked = world.looked_at(0);
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), LISTED);
        assert_eq!(world.looked_at(0).len(), LISTED, "some are asked for twice");
        assert!(rounds <= 10, "{rounds} rounds");
        drop(first);

        let before = world.calls();
        let second = world.mount_remembering(directory.path());
        assert_eq!(list_long(&world, &second).await, 0);
        assert_eq!(world.looked_at(before), Vec::<String>::new());

        world.put("123", pattern(9, 10_001)).await;
        tokio::time::advance(TTL * 5).await;
        let before = world.calls();
        list_long(&world, &second).await;
        assert_eq!(world.looked_at(before), ["123"]);
        assert_eq!(second.attr("123").await.size, 10_001);
    });
}

#[test]
fn small_objects_are_listed_as_what_they_are() {
    in_virtual_time(async {
        let world = World::new().await;
        let first = world.mount();
        let mut expected = Vec::new();
        for number in 0..20 {
            let (name, ten) = (format!("{number:02}"), b"ten bytes.");
            if number % 3 == 0 {
                let made = first.vfs().symlink(Ino::ROOT, name.as_bytes(), ten, CREATION).await;
                made.expect("a link");
                expected.push((name, Kind::Symlink));
            } else {
                world.put(&name, ten.to_vec()).await;
                expected.push((name, Kind::File));
            }
        }
        for listing in [Listing::Names, Listing::Entries] {
            assert_eq!(read_root(&world.mount(), listing).await, expected, "{listing:?}");
        }
    });
}

#[test]
fn links_that_a_look_at_another_name_told_are_listed_as_links() {
    in_virtual_time(async {
        for listing in [Listing::Names, Listing::Entries] {
            let world = World::new().await;
            let (client, other) = (world.mount(), world.mount());
            assert_eq!(read_root(&client, listing).await, []);
            let made = other.vfs().symlink(Ino::ROOT, b"link", b"there", CREATION).await;
            made.expect("a link");
            tokio::time::advance(TTL * 2).await;
            client.read("absent").await.expect_err("there is none");
            let expected = [("link".to_owned(), Kind::Symlink)];
            assert_eq!(read_root(&client, listing).await, expected, "{listing:?}");
        }
    });
}

#[test]
fn a_mount_without_attributes_asks_for_none() {
    in_virtual_time(async {
        let world = world_of_others().await;
        world.put("small", b"ten bytes.".to_vec()).await;
        let options = Options { posix_dialect: Dialect::None, ..Options::default() };
        let client = world.mount_with(options);
        assert_eq!(list_long(&world, &client).await, 0);
        read_root(&client, Listing::Names).await;
        assert_eq!(world.looked_at(0), Vec::<String>::new());
    });
}

#[test]
fn a_file_made_only_to_be_read_is_there_at_its_close() {
    in_virtual_time(async {
        let world = World::new().await;
        let client = world.mount();
        let (_, fh) = create(&client, "made", READ).await;
        close(&client, fh).await;
        assert_eq!(world.content("made").await, b"");
        assert_eq!(world.posix("made").await.mode, Some(0o644));
    });
}

#[test]
fn a_mode_changed_between_two_syncs_is_kept_by_the_second() {
    in_virtual_time(async {
        for writes in [false, true] {
            let world = World::new().await;
            let client = world.mount();
            let (ino, fh) = create(&client, "file", WRITE).await;
            write(&client, fh, 0, b"first").await;
            client.vfs().fsync(fh).await.expect("a sync");
            change(&client, ino, to_mode(0o600)).await;
            if writes {
                write(&client, fh, 5, b", second").await;
            }
            client.vfs().fsync(fh).await.expect("a sync");
            assert_eq!(world.posix("file").await.mode, Some(0o600), "writes: {writes}");
            let content: &[u8] = if writes { b"first, second" } else { b"first" };
            assert_eq!(world.content("file").await, content);
            close(&client, fh).await;
            assert_eq!(world.mount().mode("file").await, 0o600);
        }
    });
}

#[test]
fn a_time_set_while_a_file_is_open_lasts() {
    in_virtual_time(async {
        for bytes in [10, 12 << 20] {
            let world = World::new().await;
            let client = world.mount();
            let (ino, fh) = create(&client, "file", WRITE).await;
            write(&client, fh, 0, &pattern(1, bytes)).await;
            let set = SystemTime::UNIX_EPOCH + Duration::new(12_345, 678_901_234);
            change(&client, ino, SetAttr { mtime: Some(set), ..SetAttr::default() }).await;
            assert_eq!(client.attr("file").await.mtime, set, "while it is open");
            close(&client, fh).await;
            assert_eq!(client.attr("file").await.mtime, set, "{bytes} bytes, closed");
            tokio::time::advance(TTL * 3).await;
            assert_eq!(client.attr("file").await.mtime, set, "{bytes} bytes, asked anew");
            assert_eq!(world.mount().attr("file").await.mtime, set, "{bytes} bytes, remounted");
        }
    });
}

#[test]
fn the_time_of_a_write_is_the_same_later() {
    in_virtual_time(async {
        for bytes in [10, 12 << 20] {
            let world = World::new().await;
            let client = world.mount();
            let (_, fh) = create(&client, "file", WRITE).await;
            tokio::time::advance(Duration::from_millis(1_234)).await;
            write(&client, fh, 0, &pattern(1, bytes)).await;
            tokio::time::advance(Duration::from_millis(4_321)).await;
            close(&client, fh).await;
            let told = client.attr("file").await.mtime;
            tokio::time::advance(TTL * 3).await;
            assert_eq!(client.attr("file").await.mtime, told, "{bytes} bytes");
            assert_eq!(world.mount().attr("file").await.mtime, told, "{bytes} bytes, remounted");
        }
    });
}

#[test]
fn a_file_is_read_on_after_its_mode_is_changed() {
    check_read_on(&async |client: &Client| {
        let directory = client.ino("dir").await;
        let found = client.vfs().lookup(directory, b"file").await.expect("a lookup");
        let Lookup::Found(entry) = found else { panic!("the file is there") };
        change(client, entry.attr.ino, to_mode(0o600)).await;
        "dir/file"
    });
}

#[test]
fn a_file_is_read_on_after_it_is_renamed() {
    check_read_on(&async |client: &Client| {
        client.rename("dir/file", "renamed").await.expect("a rename");
        "renamed"
    });
}

#[test]
fn a_file_is_read_on_after_its_directory_is_renamed() {
    check_read_on(&async |client: &Client| {
        client.rename("dir", "renamed").await.expect("a rename");
        "renamed/file"
    });
}

/// Reads a file of several parts, of which S3's copies have another ETag, while `act` has it
/// copied; `act` says where it is then.
#[track_caller]
fn check_read_on(act: &impl AsyncFn(&Client) -> &'static str) {
    const BYTES: usize = 22 << 20;
    in_virtual_time(async {
        let world = World::new().await;
        let content = pattern(1, BYTES);
        put_outside(&*world.store, "dir/file", &content).await;
        let head = world.store.head_object(BUCKET, "dir/file", HeadObject::default()).await;
        let before = head.expect("an object").etag;
        assert!(before.as_str().contains('-'), "it is of several parts");

        let client = world.mount();
        let directory = client.ino("dir").await;
        let found = client.vfs().lookup(directory, b"file").await.expect("a lookup");
        let Lookup::Found(entry) = found else { panic!("the file is there") };
        let opened = client.vfs().open(entry.attr.ino, READ, Privilege::Kept).await;
        let fh = opened.expect("an open").fh;
        let mut read = client.vfs().read(fh, 0, 1 << 20).await.expect("a read").to_vec();
        let key = act(&client).await;
        let head = world.store.head_object(BUCKET, key, HeadObject::default()).await;
        assert!(head.expect("an object").etag != before, "the copy has another ETag");
        while read.len() < BYTES {
            let some = client.vfs().read(fh, read.len() as u64, 1 << 20).await.expect("a read");
            assert!(!some.is_empty(), "the file ends early");
            read.extend_from_slice(&some);
        }
        assert!(read == content);
        client.vfs().release(fh).await.expect("a release");
    });
}

#[test]
fn a_mode_may_change_while_a_copy_of_the_file_is_not_closed() {
    in_virtual_time(async {
        let world = World::new().await;
        put_outside(&*world.store, "source", &pattern(1, COPIED_BYTES)).await;
        let client = world.mount();
        let copy = begin_copy(&client).await;
        // The object is of several parts: S3's copy of it onto itself has another ETag.
        let ino = client.ino("source").await;
        change(&client, ino, to_mode(0o600)).await;
        close(&client, copy).await;
        assert!(world.content("copy").await == pattern(1, COPIED_BYTES));
        assert_eq!(world.posix("source").await.mode, Some(0o600));
    });
}
