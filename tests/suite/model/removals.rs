//! Programs that remove many names: what S3 is asked, what is seen meanwhile, what is made again
//! under the same names, and who is told of what did not go.

mod faults;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::error::ErrorKind;
use pailfs::store::faulty::Faulty;
use pailfs::store::types::{CreateBucket, ListObjects};
use pailfs::vfs::Vfs;
use pailfs::vfs::options::Options;
use pailfs::vfs::removal::streaks::{ONE_BY_ONE, PAUSE_MAX};
use pailfs::vfs::types::{Caller, Ino, Lookup, Replace, Source};
use rustix::io::Errno;

use crate::model::client::Client;
use crate::model::steps::Action;
use crate::model::tree::Tree;
use crate::model::{BUCKET, TTL, empty_bucket, in_virtual_time, put_outside};

/// How long S3 takes to remove a batch, and to say so.
const PAUSE: Duration = Duration::from_millis(100);

/// Removed one by one before a streak is one.
const FIRST: usize = ONE_BY_ONE as usize;

/// A mount whose removals linger, and what it should look like.
struct World {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    faulty: Arc<Faulty>,
    client: Client,
    tree: Tree,
    /// Directories that the kernel does not forget.
    held: Vec<Ino>,
}

impl World {
    async fn with(files: &[&str]) -> Self {
        Self::mounted(files, TTL).await
    }

    async fn mounted(files: &[&str], ttl: Duration) -> Self {
        let (store, clock) = empty_bucket().await;
        let mut tree = Tree::default();
        for path in files {
            tree.put_outside(path, path.as_bytes());
            put_outside(&*store, path, path.as_bytes()).await;
        }
        let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
        faulty.linger("delete_objects", PAUSE);
        let client = mount(&(Arc::clone(&faulty) as Arc<dyn ObjectStore>), &clock, ttl);
        Self { store, clock, faulty, client, tree, held: Vec::new() }
    }

    /// The kernel remembers these directories, each in the one before.
    async fn hold(&mut self, names: &[&str]) {
        let mut parent = Ino::ROOT;
        for name in names {
            match self.client.vfs().lookup(parent, name.as_bytes()).await {
                Ok(Lookup::Found(entry)) => parent = entry.attr.ino,
                other => panic!("{name}: {other:?}"),
            }
            self.held.push(parent);
        }
    }

    /// The kernel forgets them.
    fn release(&mut self) {
        for ino in self.held.drain(..).rev() {
            self.client.vfs().forget(ino, 1);
        }
    }

    /// Does it here and in the tree; both must say the same.
    async fn run(&mut self, action: Action) {
        let expected = self.tree.run(&action);
        assert_eq!(self.client.run(&action).await, expected, "{action:?}");
    }

    async fn unlink(&mut self, path: &str) {
        self.run(Action::Unlink { path: path.to_owned() }).await;
    }

    /// From now on the program removes behind.
    async fn hurry(&mut self) {
        for number in 0..FIRST {
            put_outside(&*self.store, &format!("first-{number}"), b"x").await;
        }
        // Nothing was made in any directory shortly before.
        tokio::time::advance(PAUSE_MAX + TTL).await;
        for number in 0..FIRST {
            let path = format!("first-{number}");
            self.client.unlink(&path).await.expect("a removal");
        }
    }

    /// Everything is as it should be, here at once and elsewhere when S3 has done all.
    async fn check(&mut self, context: &str) {
        let expected = self.tree.all();
        assert_eq!(self.client.all().await, expected, "{context}: as the mount sees it");
        self.client.settle().await.expect("everything goes");
        assert_eq!(self.client.all().await, expected, "{context}: as the mount sees it later");
        self.release();
        self.client.check_nothing_left();
        let fresh = mount(&self.store, &self.clock, TTL);
        assert_eq!(fresh.all().await, expected, "{context}: as a fresh mount sees it");
    }

    /// How often each method of the store was called since the call of that number.
    fn calls_since(&self, first: usize) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (operation, _) in &self.faulty.calls()[first..] {
            *counts.entry(*operation).or_default() += 1;
        }
        counts
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.store.list_objects(BUCKET, ListObjects::default()).await;
        page.expect("a listing").objects.into_iter().map(|object| object.key).collect()
    }
}

fn mount(store: &Arc<dyn ObjectStore>, clock: &Arc<dyn Clock>, ttl: Duration) -> Client {
    let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
    let options = Options { ttl, part_bytes: 5 << 20, ..Options::default() };
    Client::new(Vfs::new(Arc::clone(store), source, options, Arc::clone(clock)))
}

fn process(pid: u32) -> Caller {
    Caller { uid: 0, gid: 0, pid }
}

fn files(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("dir/{number:04}")).collect()
}

fn borrowed(paths: &[String]) -> Vec<&str> {
    paths.iter().map(String::as_str).collect()
}

#[test]
fn three_thousand_files_are_removed_by_a_handful_of_requests() {
    in_virtual_time(async {
        let paths = files(3000);
        let mut world = World::with(&borrowed(&paths)).await;
        world.hold(&["dir"]).await;
        world.run(Action::List { path: "dir".into() }).await;
        let first = world.faulty.calls().len();
        for path in &paths {
            world.unlink(path).await;
        }
        world.run(Action::Rmdir { path: "dir".into() }).await;
        let calls = world.calls_since(first);
        assert!(calls["delete_objects"] <= 5, "{calls:?}");
        assert_eq!(calls["delete_object"], FIRST + 1, "{calls:?}: the first ones, and the marker");
        assert_eq!(calls["put_object"], 1, "{calls:?}: the marker of the emptied directory");
        assert!(calls["list_objects"] <= 5, "{calls:?}");
        assert!(calls.values().sum::<usize>() < FIRST + 15, "{calls:?}");
        world.check("after all").await;
        assert_eq!(world.keys().await, Vec::<String>::new());
    });
}

#[test]
fn names_that_are_no_longer_fresh_are_asked_for_by_the_thousand() {
    in_virtual_time(async {
        let paths = files(3000);
        let mut world = World::with(&borrowed(&paths)).await;
        world.hold(&["dir"]).await;
        world.hurry().await;
        world.run(Action::List { path: "dir".into() }).await;
        let first = world.faulty.calls().len();
        for (number, path) in paths.iter().enumerate() {
            if number % 500 == 0 {
                tokio::time::advance(TTL).await;
            }
            world.unlink(path).await;
        }
        world.run(Action::Rmdir { path: "dir".into() }).await;
        let calls = world.calls_since(first);
        assert!(calls.values().sum::<usize>() < 50, "{calls:?}");
        world.check("after all").await;
    });
}

#[test]
fn an_emptied_directory_stays() {
    in_virtual_time(async {
        for ttl in [TTL, Duration::ZERO] {
            let paths = files(60);
            let mut world = World::mounted(&borrowed(&paths), ttl).await;
            for path in &paths {
                world.unlink(path).await;
            }
            world.check("emptied").await;
            assert_eq!(world.keys().await, ["dir/"]);
            world.run(Action::Rmdir { path: "dir".into() }).await;
            world.check("removed").await;
        }
    });
}

#[test]
fn other_processes_and_slow_ones_wait_for_every_removal() {
    in_virtual_time(async {
        let mut world = World::with(&["a", "b", "c"]).await;
        world.hurry().await;
        let vfs = world.client.vfs();
        vfs.unlink(Ino::ROOT, b"a", process(2)).await.expect("a removal");
        assert_eq!(world.keys().await, ["b", "c"]);
        vfs.unlink(Ino::ROOT, b"b", process(1)).await.expect("a removal");
        assert_eq!(world.keys().await, ["b", "c"], "S3 has not done it yet");
        vfs.note_other_change(1);
        vfs.unlink(Ino::ROOT, b"c", process(1)).await.expect("a removal");
        assert_eq!(world.keys().await, ["b"], "the process has done something else meanwhile");
        for path in ["a", "b", "c"] {
            world.tree.run(&Action::Unlink { path: path.to_owned() }).expect("it was there");
        }
        world.check("all gone").await;
        world.hurry().await;
    });
}

/// What may be made of a name that was removed just now.
fn makings() -> Vec<Action> {
    let name = || "dir/name".to_owned();
    vec![
        Action::Write { path: name(), content: b"new".to_vec() },
        Action::Write { path: name(), content: Vec::new() },
        Action::Write { path: name(), content: vec![7; 11 << 20] },
        Action::Mkdir { path: name() },
        Action::Symlink { path: name(), target: "there".to_owned() },
        Action::Fifo { path: name() },
        Action::Rename { from: "file".to_owned(), to: name() },
        Action::Rename { from: "full".to_owned(), to: name() },
        Action::Copy { from: "file".to_owned(), to: name() },
    ]
}

#[test]
fn what_is_made_under_a_removed_name_stays() {
    // What is remembered of the directories, and how much of the removal S3 has done before it is
    // made anew.
    for (making, is_held) in
        makings().into_iter().flat_map(|one| [(one.clone(), false), (one, true)])
    {
        for waits in 0..4 {
            in_virtual_time(async {
                let before = ["dir/name", "dir/other", "file", "full/file", "full/name"];
                let mut world = World::with(&before).await;
                if is_held {
                    world.hold(&["dir"]).await;
                    world.hold(&["full"]).await;
                }
                world.hurry().await;
                world.unlink("full/name").await;
                world.unlink("dir/name").await;
                assert!(world.keys().await.contains(&"dir/name".to_owned()), "not gone yet");
                world.run(Action::Read { path: "dir/name".into() }).await;
                world.run(Action::List { path: "dir".into() }).await;
                tokio::time::sleep(PAUSE * waits * 3 / 2).await;
                world.run(making.clone()).await;
                world.check(&format!("{making:?} after {waits}")).await;
            });
        }
    }
}

#[test]
fn what_is_made_inside_a_directory_that_has_a_removed_name_stays() {
    in_virtual_time(async {
        let mut world = World::with(&["name", "other"]).await;
        world.hurry().await;
        world.unlink("name").await;
        world.run(Action::Mkdir { path: "name".into() }).await;
        let (path, content) = ("name/file".to_owned(), b"new".to_vec());
        world.run(Action::Write { path, content }).await;
        world.check("a directory of the name").await;
    });
}

#[test]
fn a_file_that_was_made_and_removed_in_turn_is_as_it_was_left() {
    in_virtual_time(async {
        let mut world = World::with(&["dir/stays"]).await;
        for number in 0..5_u8 {
            let path = || "dir/name".to_owned();
            world.run(Action::Write { path: path(), content: vec![number] }).await;
            world.run(Action::Read { path: path() }).await;
            if number < 4 {
                world.hurry().await;
                world.unlink("dir/name").await;
            }
        }
        world.check("the last").await;
    });
}

#[test]
fn where_names_are_made_they_are_removed_one_by_one() {
    in_virtual_time(async {
        let mut world = World::with(&["dir/name", "dir/stays", "other/name", "other/stays"]).await;
        world.hold(&["dir"]).await;
        world.hurry().await;
        let (path, content) = ("dir/journal".to_owned(), b"new".to_vec());
        world.run(Action::Write { path, content }).await;
        world.unlink("dir/name").await;
        world.unlink("other/name").await;
        assert_eq!(world.keys().await, ["dir/journal", "dir/stays", "other/name", "other/stays"]);
        world.check("all gone").await;
    });
}

#[test]
fn directories_are_renamed_without_what_was_removed_of_them() {
    for to in ["new", "empty"] {
        in_virtual_time(async {
            let paths = files(50);
            let mut world = World::with(&borrowed(&paths)).await;
            world.run(Action::Mkdir { path: "empty".into() }).await;
            world.hurry().await;
            for path in &paths[10..] {
                world.unlink(path).await;
            }
            world.run(Action::Rename { from: "dir".into(), to: to.to_owned() }).await;
            world.check("renamed").await;
        });
    }
}

#[test]
fn a_directory_is_renamed_over_one_that_was_emptied_just_now() {
    in_virtual_time(async {
        let paths = files(50);
        let mut world = World::with(&borrowed(&paths)).await;
        put_outside(&*world.store, "source/0001", b"other").await;
        world.tree.put_outside("source/0001", b"other");
        world.hurry().await;
        for path in &paths {
            world.unlink(path).await;
        }
        world.run(Action::Rename { from: "source".into(), to: "dir".into() }).await;
        world.check("renamed").await;
    });
}

#[test]
fn an_open_file_is_removed_at_once_and_read_on() {
    in_virtual_time(async {
        let mut world = World::with(&["name", "other"]).await;
        world.hurry().await;
        let (path, content) = ("name".to_owned(), b"name".to_vec());
        world.run(Action::UnlinkReading { path, content }).await;
        assert_eq!(world.keys().await, ["other"]);
        world.check("read on").await;
    });
}

#[test]
fn a_file_is_copied_whole_from_one_that_was_removed_before_the_copy_was_closed() {
    in_virtual_time(async {
        let mut world = World::with(&["source", "other"]).await;
        world.hurry().await;
        let (from, to) = ("source".to_owned(), "copy".to_owned());
        world.run(Action::Copy { from, to }).await;
        world.unlink("source").await;
        world.check("copied").await;
    });
}

#[test]
fn the_end_of_a_mount_waits_for_what_is_being_removed() {
    in_virtual_time(async {
        let paths = files(50);
        let mut world = World::with(&borrowed(&paths)).await;
        world.hurry().await;
        for path in &paths {
            world.unlink(path).await;
        }
        assert_eq!(world.keys().await.len(), 51, "with the marker");
        assert_eq!(world.client.vfs().drain().await.failed, []);
        assert_eq!(world.keys().await, ["dir/"]);
    });
}

#[test]
fn escaped_names_are_removed_behind_too() {
    in_virtual_time(async {
        let keys = ["a", "a/b", "c//d", "dir/", "dir/.", "stays"];
        let mut world = World::with(&[]).await;
        for key in keys {
            put_outside(&*world.store, key, b"x").await;
        }
        world.hurry().await;
        for path in ["@s3.file=a", "c/@s3.name=/d", "dir/@s3.file=", "dir/@s3.name=."] {
            world.client.unlink(path).await.expect("a removal");
        }
        assert_eq!(world.client.list("a").await.expect("a listing"), b"b");
        assert_eq!(world.client.list("").await.expect("a listing"), b"a\nc\ndir\nstays");
        world.client.settle().await.expect("everything goes");
        assert_eq!(world.keys().await, ["a/b", "c//", "dir/", "stays"]);
    });
}

#[test]
fn a_directory_does_not_show_the_removed_file_of_its_name() {
    in_virtual_time(async {
        let mut world = World::with(&[]).await;
        for key in ["a", "a/", "stays"] {
            put_outside(&*world.store, key, b"").await;
        }
        world.hurry().await;
        world.client.unlink("@s3.file=a").await.expect("a removal");
        world.client.run(&Action::Rmdir { path: "a".into() }).await.expect("it is empty");
        assert_eq!(world.client.list("").await.expect("a listing"), b"stays");
        assert_eq!(world.keys().await, ["a", "stays"], "S3 has not done it yet");
        world.client.settle().await.expect("everything goes");
        assert_eq!(world.keys().await, ["stays"]);
    });
}

#[test]
fn a_bucket_is_emptied_and_removed_through_the_account() {
    in_virtual_time(async {
        let mut world = World::with(&[]).await;
        world.store.create_bucket("other", CreateBucket::default()).await.expect("a bucket");
        for path in files(40) {
            put_outside(&*world.store, &path, b"x").await;
        }
        let through = Arc::clone(&world.faulty) as Arc<dyn ObjectStore>;
        let vfs = Vfs::new(through, Source::Account, Options::default(), Arc::clone(&world.clock));
        world.client = Client::new(vfs);
        for path in files(40) {
            world.client.unlink(&format!("{BUCKET}/{path}")).await.expect("a removal");
        }
        for path in [format!("{BUCKET}/dir"), BUCKET.to_owned()] {
            world.client.run(&Action::Rmdir { path }).await.expect("it is empty");
        }
        assert_eq!(world.client.list("").await.expect("a listing"), b"other");
        let gone = world.store.head_bucket(BUCKET).await.expect_err("it is gone");
        assert_eq!(gone.kind, ErrorKind::NotFound);
    });
}

#[test]
fn a_read_only_mount_removes_nothing() {
    in_virtual_time(async {
        let world = World::with(&["a"]).await;
        let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
        let options = Options { read_only: true, ..Options::default() };
        let vfs = Vfs::new(Arc::clone(&world.store), source, options, Arc::clone(&world.clock));
        let told = vfs.unlink(Ino::ROOT, b"a", process(1)).await.expect_err("refused");
        assert_eq!(told.errno(), Errno::ROFS);
    });
}

#[test]
fn a_directory_that_the_kernel_forgot_does_not_show_what_was_removed() {
    in_virtual_time(async {
        let mut world = World::with(&["dir/a", "dir/stays"]).await;
        world.hurry().await;
        // Each walk of the client takes back its look-ups, so that nothing is remembered.
        world.unlink("dir/a").await;
        world.client.check_nothing_left();
        tokio::time::advance(PAUSE).await;
        assert_eq!(world.client.list("dir").await.expect("a listing"), b"stays");
        let vfs = world.client.vfs();
        let Ok(Lookup::Found(dir)) = vfs.lookup(Ino::ROOT, b"dir").await else {
            panic!("the directory is there");
        };
        let absent = vfs.lookup(dir.attr.ino, b"a").await.expect("a look-up");
        assert!(matches!(absent, Lookup::Absent(_)), "{absent:?}");
        let taken = (dir.attr.ino, b"stays".as_slice());
        let renamed = vfs.rename(taken, (dir.attr.ino, b"a"), Replace::Refused).await;
        renamed.expect("the name is free");
        vfs.forget(dir.attr.ino, 1);
        let (from, to) = ("dir/stays".to_owned(), "dir/a".to_owned());
        world.tree.run(&Action::Rename { from, to }).expect("it makes sense");
        world.check("renamed").await;
    });
}
