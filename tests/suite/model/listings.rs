//! Listings in virtual time: how many answers of the store are waited for one after the other,
//! and that what is read ahead is as right as what is asked for when it is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::error::{ErrorKind, StoreError};
use pailfs::store::faulty::Faulty;
use pailfs::store::types::{DeleteObject, ObjectAttributes, Payload, WriteOptions};
use pailfs::vfs::Vfs;
use pailfs::vfs::namespace::posix::Dialect;
use pailfs::vfs::options::Options;
use pailfs::vfs::types::{DirEntry, Ino, Kind, Listing, Lookup, Room, Source, XattrMode};

use crate::model::client::Client;
use crate::model::steps::Action;
use crate::model::{BUCKET, TTL, empty_bucket, in_virtual_time};

/// How long each request takes.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// A mount far from its store.
struct Far {
    store: Arc<dyn ObjectStore>,
    seen: Arc<Faulty>,
    clock: Arc<dyn Clock>,
    vfs: Arc<Vfs>,
}

impl Far {
    async fn new(keys: impl IntoIterator<Item = String>) -> Self {
        let options = Options { ttl: TTL, posix_dialect: Dialect::None, ..Options::default() };
        Self::with(options, keys).await
    }

    async fn with(options: Options, keys: impl IntoIterator<Item = String>) -> Self {
        let (store, clock) = empty_bucket().await;
        for key in keys {
            put(&*store, &key).await;
        }
        tokio::time::advance(TTL * 10).await;
        let seen = Arc::new(Faulty::new(Arc::clone(&store)));
        seen.linger("list_objects", ROUND_TRIP / 2);
        seen.linger("head_object", ROUND_TRIP / 2);
        let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
        let far = Arc::clone(&seen) as Arc<dyn ObjectStore>;
        let vfs = Vfs::new(far, source, options, Arc::clone(&clock));
        Self { store, seen, clock, vfs }
    }

    async fn names(&self, directory: Ino) -> Vec<(String, Kind)> {
        let fh = self.vfs.opendir(directory).await.expect("a directory").fh;
        let mut names = Vec::new();
        let mut sink = |entry: &DirEntry<'_>| {
            if !matches!(entry.name, "." | "..") {
                names.push((entry.name.to_owned(), entry.kind));
            }
            Room::Taken
        };
        self.vfs.readdir(fh, 0, Listing::Names, &mut sink).await.expect("a listing");
        self.vfs.releasedir(fh);
        names
    }

    async fn lookup(&self, directory: Ino, name: &str) -> Option<Ino> {
        match self.vfs.lookup(directory, name.as_bytes()).await.expect("an answer") {
            Lookup::Found(entry) => Some(entry.attr.ino),
            Lookup::Absent(_) => None,
        }
    }

    /// All paths of files, as a program finds them that goes through the tree.
    async fn find(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut to_read = vec![(Ino::ROOT, String::new())];
        while let Some((directory, path)) = to_read.pop() {
            for (name, kind) in self.names(directory).await.into_iter().rev() {
                let path = format!("{path}{name}");
                match kind {
                    Kind::Directory => to_read.push((Ino::ROOT, path)),
                    _ => assert!(found.insert(path.clone()), "{path} twice"),
                }
            }
            if let Some((ino, path)) = to_read.last_mut() {
                *ino = self.walk(path).await;
                path.push('/');
            }
        }
        found
    }

    async fn walk(&self, path: &str) -> Ino {
        let mut ino = Ino::ROOT;
        for name in path.split('/') {
            ino = self.lookup(ino, name).await.expect("a directory");
        }
        ino
    }

    /// How many answers were waited for one after the other since then.
    fn round_trips(&self, since: Duration) -> u128 {
        // Sleeps are rounded up to whole milliseconds.
        let elapsed = (self.clock.monotonic() - since).as_millis();
        (elapsed + ROUND_TRIP.as_millis() / 2) / ROUND_TRIP.as_millis()
    }

    /// Markers that were asked for, in order.
    fn markers(&self) -> Vec<String> {
        let calls = self.seen.calls().into_iter();
        let heads = calls.filter(|(operation, _)| *operation == "head_object");
        heads.map(|(_, key)| key).filter(|key| key.ends_with('/')).collect()
    }

    fn lists(&self) -> usize {
        self.seen.calls().iter().filter(|(operation, _)| *operation == "list_objects").count()
    }
}

async fn put(store: &dyn ObjectStore, key: &str) {
    let payload = Payload::from(Bytes::from_static(b"x"));
    let put = store.put_object(BUCKET, key, payload, WriteOptions::default()).await;
    put.expect("the store takes it");
}

#[track_caller]
fn check_listing(names: usize, round_trips_max: u128, lists_max: usize) {
    in_virtual_time(async {
        let far = Far::new((0..names).map(|n| format!("file-{n:06}.txt"))).await;
        let since = far.clock.monotonic();
        let listed = far.names(Ino::ROOT).await.into_iter();
        let listed: BTreeSet<_> = listed.map(|(name, _)| name).collect();
        assert_eq!(listed.len(), names);
        let (round_trips, lists) = (far.round_trips(since), far.lists());
        assert!(round_trips <= round_trips_max, "{round_trips} round trips, {lists} lists");
        assert!(lists <= lists_max, "{round_trips} round trips, {lists} lists");
    });
}

#[test]
fn two_pages_are_two_round_trips() {
    check_listing(2000, 2, 2);
}

#[test]
fn ten_pages_are_few_round_trips() {
    check_listing(10_000, 5, 45);
}

#[test]
fn a_hundred_pages_are_few_round_trips() {
    check_listing(100_000, 16, 180);
}

#[test]
fn a_tree_of_a_hundred_directories_is_found_in_few_round_trips() {
    in_virtual_time(async {
        let keys = (0..10_000).map(|n| format!("dir{:02}/file{:02}", n / 100, n % 100));
        let far = Far::new(keys.clone()).await;
        let since = far.clock.monotonic();
        let expected: BTreeSet<_> = keys.collect();
        assert!(far.find().await == expected);
        let (round_trips, lists) = (far.round_trips(since), far.lists());
        assert!(round_trips <= 6, "{round_trips} round trips, {lists} lists");
        assert!(lists <= 60, "{round_trips} round trips, {lists} lists");
    });
}

#[test]
fn what_is_in_subdirectories_is_asked_for_when_the_first_of_them_is_looked_up() {
    in_virtual_time(async {
        let far = Far::new((0..100).map(|n| format!("dir{:02}/file{:02}", n / 10, n % 10))).await;
        let since = far.clock.monotonic();
        assert_eq!(far.find().await.len(), 100);
        assert_eq!((far.round_trips(since), far.lists()), (2, 2));
    });
}

#[test]
fn only_the_first_subdirectory_and_those_with_markers_are_asked_for() {
    in_virtual_time(async {
        let files = (0..100).map(|n| format!("dir{:02}/file{:02}", n / 10, n % 10));
        let far = Far::with(Options { ttl: TTL, ..Options::default() }, files).await;
        let metadata = BTreeMap::from([("mode".to_owned(), "16832".to_owned())]);
        let attributes = ObjectAttributes { metadata, ..ObjectAttributes::default() };
        let options = WriteOptions { attributes, ..WriteOptions::default() };
        let put = far.store.put_object(BUCKET, "dir05/", Payload::empty(), options).await;
        put.expect("a marker");
        tokio::time::advance(TTL * 10).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 10);
        for number in 0..10 {
            let name = format!("dir{number:02}");
            let Ok(Lookup::Found(entry)) = far.vfs.lookup(Ino::ROOT, name.as_bytes()).await else {
                panic!("no {name}");
            };
            assert_eq!(entry.attr.mode & 0o777 == 0o700, number == 5, "{name}");
            assert_eq!(far.names(entry.attr.ino).await.len(), 10);
        }
        assert_eq!(far.markers(), ["dir00/", "dir05/"]);
    });
}

#[test]
fn what_was_read_ahead_does_not_outlive_a_refresh() {
    in_virtual_time(async {
        let files = (0..100).map(|n| format!("dir{:02}/file{:02}", n / 10, n % 10));
        let lasting = Options { ttl: TTL * 600, ..Options::default() };
        let far = Far::with(Options { posix_dialect: Dialect::None, ..lasting }, files).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 10);
        assert_eq!(far.names(far.walk("dir00").await).await.len(), 10);
        put(&*far.store, "dir05/new").await;
        let refresh =
            far.vfs.setxattr(Ino::ROOT, b"user.pailfs.refresh", b"1", XattrMode::Either, 0);
        refresh.await.expect("a refresh");
        assert_eq!(far.names(far.walk("dir05").await).await.len(), 11);
    });
}

#[test]
fn directories_that_were_listed_long_ago_are_listed_anew_where_many_were_since() {
    const NAMES: usize = 45_000;
    in_virtual_time(async {
        let files = (0..5 * NAMES).map(|n| format!("dir{}/{}", n / NAMES, n % NAMES));
        let lasting = Options { ttl: TTL * 600, ..Options::default() };
        let far = Far::with(Options { posix_dialect: Dialect::None, ..lasting }, files).await;
        for number in 0..5 {
            let directory = far.walk(&format!("dir{number}")).await;
            assert_eq!(far.names(directory).await.len(), NAMES);
        }
        let lists = far.lists();
        assert_eq!(far.names(far.walk("dir4").await).await.len(), NAMES);
        assert_eq!(far.lists(), lists);
        assert_eq!(far.names(far.walk("dir0").await).await.len(), NAMES);
        assert!(far.lists() >= lists + 45, "it is still remembered");
    });
}

#[test]
fn a_subdirectory_too_large_to_be_read_ahead_costs_little_more_and_once() {
    in_virtual_time(async {
        let large = (0..2500).map(|n| format!("a/{n}"));
        let far = Far::new(large.chain((0..10).map(|n| format!("b{n}/file")))).await;
        let mut lists = Vec::new();
        for _ in 0..2 {
            let before = far.lists();
            assert_eq!(far.names(Ino::ROOT).await.len(), 11);
            assert_eq!(far.names(far.walk("a").await).await.len(), 2500);
            lists.push(far.lists() - before);
            tokio::time::advance(TTL).await;
        }
        assert!(lists[0] <= lists[1] + 2, "{lists:?} lists");
    });
}

#[test]
fn a_subdirectory_that_is_looked_up_time_and_again_is_not_read_ahead_of() {
    in_virtual_time(async {
        let far = Far::new((0..10).map(|n| format!("dir{n}/file"))).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 10);
        for _ in 0..10 {
            far.walk("dir0").await;
            tokio::time::advance(TTL).await;
        }
        // The root, what is in its directories, and one for each time that it had to be asked for.
        assert!(far.lists() <= 2 + 9, "{} lists", far.lists());
    });
}

/// Ten small directories, of which the first five were listed.
async fn half_walked() -> Far {
    let keys = (0..100).map(|n| format!("dir{:02}/file{:02}", n / 10, n % 10));
    let far = Far::new(keys).await;
    assert_eq!(far.names(Ino::ROOT).await.len(), 10);
    for number in 0..5 {
        let directory = far.walk(&format!("dir{number:02}")).await;
        assert_eq!(far.names(directory).await.len(), 10);
    }
    far
}

#[test]
fn what_was_read_ahead_is_believed_no_longer_than_anything() {
    in_virtual_time(async {
        let far = half_walked().await;
        put(&*far.store, "dir07/added").await;
        let gone = far.store.delete_object(BUCKET, "dir07/file03", DeleteObject::default()).await;
        gone.expect("a removal");
        tokio::time::advance(TTL).await;
        let directory = far.walk("dir07").await;
        let names: BTreeSet<_> =
            far.names(directory).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 10);
        assert!(names.contains("added") && !names.contains("file03"), "{names:?}");
    });
}

#[test]
fn what_was_read_ahead_does_not_hide_own_changes() {
    in_virtual_time(async {
        let far = half_walked().await;
        let client = Client::new(Arc::clone(&far.vfs));
        let write = |path: &str| Action::Write { path: path.to_owned(), content: b"new".to_vec() };
        client.run(&write("dir06/made")).await.expect("a file");
        let unlink = Action::Unlink { path: "dir07/file00".to_owned() };
        client.run(&unlink).await.expect("a removal");
        let rename = Action::Rename { from: "dir08".to_owned(), to: "moved".to_owned() };
        client.run(&rename).await.expect("a rename");
        for (directory, count) in [("dir06", 11), ("dir07", 9), ("moved", 10), ("dir09", 10)] {
            let ino = far.walk(directory).await;
            assert_eq!(far.names(ino).await.len(), count, "{directory}");
        }
        assert_eq!(far.lookup(Ino::ROOT, "dir08").await, None);
    });
}

#[test]
fn names_that_expired_together_are_asked_for_by_the_page() {
    in_virtual_time(async {
        let far = Far::new((0..2000).map(|n| format!("file{n:04}"))).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 2000);
        let gone = far.store.delete_object(BUCKET, "file1500", DeleteObject::default()).await;
        gone.expect("a removal");
        tokio::time::advance(TTL).await;
        let before = far.seen.calls().len();
        for number in 0..2000 {
            let is_there = far.lookup(Ino::ROOT, &format!("file{number:04}")).await.is_some();
            assert_eq!(is_there, number != 1500, "file{number:04}");
        }
        let asked = far.seen.calls().len() - before;
        assert!(asked < 20, "{asked} requests");
    });
}

/// Makes a hundred files a second, and gives the requests that were not the making.
async fn make(far: &Far, names: impl IntoIterator<Item = String>) -> usize {
    let client = Client::new(Arc::clone(&far.vfs));
    let before = far.seen.calls().len();
    for path in names {
        client.run(&Action::Write { path, content: b"new".to_vec() }).await.expect("a file");
        tokio::time::advance(TTL / 100).await;
    }
    let calls = &far.seen.calls()[before..];
    calls.iter().filter(|(operation, _)| *operation != "put_object").count()
}

#[test]
fn files_made_in_a_large_directory_cost_a_request_each() {
    in_virtual_time(async {
        let far = Far::new((0..2000).map(|n| format!("file{n}"))).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 2000);
        tokio::time::advance(TTL).await;
        let behind = make(&far, (0..1000).map(|n| format!("more{n:04}"))).await;
        assert!(behind < 30, "{behind} requests for names in their order");
        tokio::time::advance(TTL * 10).await;
        let among = make(&far, (2000..3000).map(|n| format!("file{n}"))).await;
        assert!(among < 60, "{among} requests for names by number");
        assert_eq!(far.names(Ino::ROOT).await.len(), 4000);
    });
}

#[test]
fn names_that_nobody_listed_are_asked_for_by_the_page_in_their_order() {
    in_virtual_time(async {
        let far = Far::new((0..20_000).map(|n| format!("file{n:05}"))).await;
        let before = far.seen.calls().len();
        for number in 0..20_000 {
            assert!(far.lookup(Ino::ROOT, &format!("file{number:05}")).await.is_some());
        }
        let asked = far.seen.calls().len() - before;
        assert!(asked < 40, "{asked} requests");
    });
}

#[test]
fn files_that_are_made_again_cost_a_request_each() {
    in_virtual_time(async {
        let far = Far::new((0..5000).map(|n| format!("file{n:04}"))).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 5000);
        let client = Client::new(Arc::clone(&far.vfs));
        let again = || (1000..2000).map(|n| format!("file{n:04}"));
        for path in again() {
            client.run(&Action::Unlink { path }).await.expect("a removal");
        }
        tokio::time::advance(TTL * 10).await;
        let asked = make(&far, again()).await;
        assert!(asked < 40, "{asked} requests");
        assert_eq!(far.names(Ino::ROOT).await.len(), 5000);
    });
}

#[test]
fn files_made_in_no_order_in_a_huge_directory_do_not_cost_a_page_each() {
    in_virtual_time(async {
        let scattered = |n: u32| format!("{:08x}", n.wrapping_mul(2_654_435_761));
        let far = Far::new((0..40_000).map(scattered)).await;
        let before = far.seen.calls().len();
        make(&far, (40_000..40_200).map(scattered)).await;
        let calls = far.seen.calls();
        let looks = calls[before..]
            .iter()
            .filter(|(operation, _)| matches!(*operation, "head_object" | "get_object"));
        let alone = looks.count();
        assert!((50..=200).contains(&alone), "{alone} names were asked for by themselves");
    });
}

#[test]
fn a_later_page_tells_what_was_free_before() {
    in_virtual_time(async {
        let far = Far::new((0..2000).map(|n| format!("file{n}"))).await;
        make(&far, (0..10).map(|n| format!("more{n}"))).await;
        put(&*far.store, "others").await;
        assert_eq!(far.lookup(Ino::ROOT, "other").await, None);
        let before = far.lists();
        assert_eq!(far.lookup(Ino::ROOT, "less").await, None);
        assert_eq!(far.lists() - before, 1, "no page was asked for");
        assert!(far.lookup(Ino::ROOT, "others").await.is_some());
    });
}

#[test]
fn what_others_make_in_a_large_directory_shows_after_the_ttl() {
    in_virtual_time(async {
        let far = Far::new((0..2000).map(|n| format!("file{n}"))).await;
        let more = |n: u32| format!("more{n:04}");
        make(&far, (0..20).map(more)).await;
        assert_eq!(far.lookup(Ino::ROOT, "more0100").await, None);
        put(&*far.store, "more0100").await;
        put(&*far.store, "more0200/below").await;
        make(&far, (20..130).filter(|n| *n != 100).map(more)).await;
        assert!(far.lookup(Ino::ROOT, "more0100").await.is_some());
        assert!(far.lookup(Ino::ROOT, "more0200").await.is_some());
        assert_eq!(far.lookup(Ino::ROOT, "more0300").await, None);
    });
}

#[test]
fn what_was_read_ahead_and_not_wanted_is_not_read_ahead_again() {
    in_virtual_time(async {
        let far = Far::new((0..10).map(|n| format!("dir{n}/file"))).await;
        for _ in 0..5 {
            assert_eq!(far.names(Ino::ROOT).await.len(), 10);
            far.walk("dir0").await;
            tokio::time::advance(TTL).await;
        }
        assert_eq!(far.lists(), 5 + 1);
    });
}

#[test]
fn a_page_that_fails_is_asked_for_once_by_all_who_wait_for_it() {
    in_virtual_time(async {
        let far = Far::new((0..20).map(|n| format!("file{n:02}"))).await;
        assert_eq!(far.names(Ino::ROOT).await.len(), 20);
        tokio::time::advance(TTL).await;
        let failure = StoreError::new(ErrorKind::Unavailable, "ServiceUnavailable", "not now");
        far.seen.fail_operation("list_objects", failure);
        for number in 0..4 {
            assert!(far.lookup(Ino::ROOT, &format!("file{number:02}")).await.is_some());
        }
        let before = far.lists();
        let names: Vec<_> = (4..20).map(|number| format!("file{number:02}")).collect();
        let lookups = names.iter().map(|name| far.lookup(Ino::ROOT, name));
        assert!(join_all(lookups).await.iter().all(Option::is_some));
        assert_eq!(far.lists() - before, 1);
    });
}

#[test]
fn a_listing_that_is_given_up_asks_for_no_more() {
    in_virtual_time(async {
        let far = Far::new((0..20_000).map(|n| format!("file-{n:06}"))).await;
        let fh = far.vfs.opendir(Ino::ROOT).await.expect("a directory").fh;
        let mut taken = 0;
        let mut sink = |_: &DirEntry<'_>| {
            taken += 1;
            if taken > 3500 { Room::Full } else { Room::Taken }
        };
        far.vfs.readdir(fh, 0, Listing::Names, &mut sink).await.expect("names");
        far.vfs.releasedir(fh);
        let asked = far.lists();
        tokio::time::advance(TTL).await;
        assert_eq!(far.lists(), asked);
        assert_eq!(far.vfs.open_handles(), 0);
    });
}
