//! Hot functions: what runs for every request or every name, without S3 and without the kernel.
//!
//! `cargo bench --bench hot`, or with a part of a name behind it: what changed here changed in a
//! function; what it means for a program, `scripts/bench` says.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use pailfs::store::types::{ETag, ListedObject, ObjectPage};
use pailfs::vfs::budget::Reach;
use pailfs::vfs::cache::memory::{Memory, Origin};
use pailfs::vfs::namespace::directory::{Known, Marker, Names};
use pailfs::vfs::namespace::listing::{Assembly, Item};
use pailfs::vfs::namespace::names::{Beside, DirPrefix, name_of_object, resolve};
use pailfs::vfs::namespace::posix;
use pailfs::vfs::read::pattern::{Pattern, Patterns};
use pailfs::vfs::read::plan::{Ahead, ReadLimits, Shape, plan_piece, plan_read};
use pailfs::vfs::types::ObjectRef;

const PAGE_KEYS: usize = 1000;
/// What the kernel reads at once.
const READ_BYTES: u64 = 1 << 20;
const SIZE: u64 = 1 << 30;
const EXTENT_BYTES: usize = 16 << 10;

fn main() {
    divan::main();
}

fn limits() -> ReadLimits {
    ReadLimits::for_memory(256 << 20, Duration::from_secs(60))
}

fn object(index: usize) -> ObjectRef {
    ObjectRef {
        bucket: Arc::from("bucket"),
        key: Arc::from(format!("directory/file-{index:06}")),
        etag: ETag::new("d41d8cd98f00b204e9800998ecf8427e"),
        size: SIZE,
    }
}

fn page() -> ObjectPage {
    let objects = (0..PAGE_KEYS).map(|index| ListedObject {
        key: format!("directory/file-{index:06}"),
        size: 10 << 10,
        etag: ETag::new("d41d8cd98f00b204e9800998ecf8427e"),
        last_modified: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        storage_class: None,
        restore: None,
    });
    ObjectPage { objects: objects.collect(), prefixes: Vec::new(), next: None }
}

fn items() -> Vec<Item> {
    Assembly::new(DirPrefix::root("directory/")).page(page())
}

/// A scan by 1 MiB, in which every fourth read comes before its neighbour.
#[divan::bench]
fn observe_a_scan(bencher: Bencher<'_, '_>) {
    let mut patterns = Patterns::default();
    let mut count = 0;
    bencher.bench_local(move || {
        let swapped = if count % 4 == 3 { count - 1 } else { count };
        count += 1;
        let start = swapped * READ_BYTES;
        patterns.observe(black_box(&(start..start + READ_BYTES))).pattern()
    });
}

#[divan::bench]
fn observe_random_reads(bencher: Bencher<'_, '_>) {
    let mut patterns = Patterns::default();
    let mut random = fastrand::Rng::with_seed(1);
    bencher.bench_local(move || {
        let start = random.u64(..SIZE >> 12) << 12;
        patterns.observe(black_box(&(start..start + 4096))).pattern()
    });
}

#[divan::bench]
fn plan_a_read_of_a_scan() -> (Ahead, u64) {
    let pattern = Pattern::Sequential { streak_bytes: 64 << 20 };
    let asked = black_box((64 << 20)..(65 << 20));
    let plan = plan_read(&asked, SIZE, pattern, &limits(), black_box(1));
    let shape = Shape::Pieces { bytes: 8 << 20 };
    let piece = plan_piece(asked.start, SIZE, shape, &(0..u64::MAX));
    (plan.ahead, piece.end)
}

/// As many extents as a mount holds of random reads.
fn memory(extents: usize) -> (Memory, Vec<ObjectRef>) {
    let mut memory = Memory::new(64 << 20);
    let objects = (0..extents.div_ceil(64)).map(object).collect::<Vec<_>>();
    let bytes = Bytes::from(vec![0; EXTENT_BYTES]);
    for index in 0..extents {
        let start = (index % 64 * EXTENT_BYTES) as u64;
        memory.insert(&objects[index / 64], start, bytes.clone(), Origin::Asked);
    }
    (memory, objects)
}

#[divan::bench(args = [1024, 8192])]
fn find_a_cached_extent(bencher: Bencher<'_, '_>, extents: usize) {
    let (mut memory, objects) = memory(extents);
    let mut random = fastrand::Rng::with_seed(1);
    bencher.bench_local(move || {
        let index = random.usize(..extents);
        let offset = (index % 64 * EXTENT_BYTES) as u64 + 4096;
        memory.get(&objects[index / 64], offset).map(|(start, _)| start)
    });
}

/// One comes, one goes.
#[divan::bench]
fn cache_an_extent(bencher: Bencher<'_, '_>) {
    let (mut memory, objects) = memory(8192);
    let bytes = Bytes::from(vec![0; EXTENT_BYTES]);
    let mut next = 64 * EXTENT_BYTES as u64;
    bencher.bench_local(move || {
        memory.insert(&objects[0], next, bytes.clone(), Origin::Asked);
        next += EXTENT_BYTES as u64;
        memory.evict(EXTENT_BYTES as u64, Reach::Everything)
    });
}

#[divan::bench]
fn key_of_a_name(bencher: Bencher<'_, '_>) {
    let directory = DirPrefix::root("some/directory/");
    bencher.bench_local(|| resolve(&directory, black_box(b"an-ordinary-name.txt")).is_ok());
}

#[divan::bench]
fn name_of_a_key(bencher: Bencher<'_, '_>) {
    let directory = DirPrefix::root("some/directory/");
    let key = "some/directory/an-ordinary-name.txt";
    bencher.bench_local(|| name_of_object(&directory, black_box(key), Beside::Nothing));
}

#[divan::bench]
fn assemble_a_page(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(PAGE_KEYS))
        .with_inputs(page)
        .bench_local_values(|page| Assembly::new(DirPrefix::root("directory/")).page(page));
}

#[divan::bench]
fn learn_a_page(bencher: Bencher<'_, '_>) {
    let now = Duration::from_secs(1);
    bencher.counter(ItemsCount::new(PAGE_KEYS)).with_inputs(items).bench_local_values(|items| {
        let mut names = Names::default();
        let begun = names.begin_listing(now);
        for (name, known) in items {
            names.learn(&name, known, now);
        }
        names.listed(begun, Marker::Absent);
        names
    });
}

#[divan::bench]
fn find_a_name_of_10_000(bencher: Bencher<'_, '_>) {
    let now = Duration::from_secs(1);
    let mut names = Names::default();
    let known: Known = items().swap_remove(0).1;
    let all = (0..10_000).map(|index| Arc::from(format!("file-{index:06}"))).collect::<Vec<_>>();
    for name in &all {
        names.learn(name, known.clone(), now);
    }
    let mut random = fastrand::Rng::with_seed(1);
    bencher.bench_local(move || {
        let name = &all[random.usize(..all.len())];
        names.find(black_box(name), now, Duration::from_secs(1)).is_some()
    });
}

#[divan::bench]
fn read_owner_mode_and_times(bencher: Bencher<'_, '_>) {
    let pairs = [
        ("file-permissions", "0100644"),
        ("file-owner", "1000"),
        ("file-group", "1000"),
        ("file-mtime", "1700000000123456789"),
        ("color", "blue"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let metadata = BTreeMap::from(pairs);
    bencher.bench_local(|| posix::read(black_box(&metadata)));
}
