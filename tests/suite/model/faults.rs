//! Exhaustive single faults: each action is done once for every call that it makes to the store,
//! with that call failing, before it takes effect or after.
//!
//! Whatever fails: what the program was told is true, every file is whole under its old name or
//! its new one, nothing is left open, known or half uploaded, and the mount goes on.

mod files;
mod uploads;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::error::{ErrorKind, StoreError};
use pailfs::store::faulty::{Faulty, When};
use pailfs::store::types::{ListUploads, Payload, WriteOptions};
use pailfs::vfs::Vfs;
use pailfs::vfs::options::Options;
use pailfs::vfs::types::{Privilege, Source};
use rustix::io::Errno;

use crate::model::client::Client;
use crate::model::steps::{Action, Outcome};
use crate::model::tree::{Node, Tree};
use crate::model::{BUCKET, TTL, empty_bucket, in_virtual_time, mount, put_outside};

/// More than two parts.
const LARGE_BYTES: usize = 12 << 20;
/// An action makes fewer calls than this.
const CALLS_MAX: usize = 60;

type Snapshot = BTreeMap<String, Node>;

fn put(path: &str, content: &[u8]) -> Action {
    Action::Write { path: path.to_owned(), content: content.to_vec() }
}

fn large(byte: u8) -> Vec<u8> {
    (0..LARGE_BYTES).map(|index| byte ^ (index >> 12) as u8).collect()
}

/// Runs `action` on a mount that was prepared with `before`, failing every call in turn.
#[track_caller]
fn check(before: &[(&str, Vec<u8>)], action: &Action) {
    for when in [When::Before, When::After] {
        for number in 0..CALLS_MAX {
            let mut fired = false;
            in_virtual_time(async { fired = check_one(before, action, number, when).await });
            if !fired {
                assert!(number > 0, "{action:?} makes no call");
                break;
            }
            assert!(number + 1 < CALLS_MAX, "{action:?} makes too many calls");
        }
    }
}

/// Fails the call of that number; false if the action makes fewer.
async fn check_one(before: &[(&str, Vec<u8>)], action: &Action, number: usize, when: When) -> bool {
    let (store, clock) = empty_bucket().await;
    let mut tree = Tree::default();
    for (path, content) in before {
        tree.put_outside(path, content);
        put_outside(&*store, path, content).await;
    }
    let modes = modes(before, action, &mount(&store, &clock)).await;
    let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
    let client = mount(&(Arc::clone(&faulty) as Arc<dyn ObjectStore>), &clock);
    let first = faulty.calls().len();
    let lost = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
    faulty.fail_call(first + number, lost, when);

    let was = tree.all();
    let expected = tree.run(action);
    let told = client.run(action).await;
    let calls = faulty.calls();
    let failed = calls.get(first + number);
    faulty.heal();
    tokio::time::advance(TTL).await;
    let context = format!("{action:?} with {failed:?} failing {when:?}: told {told:?}");
    let fresh = mount(&store, &clock);
    let now = fresh.all().await;
    assert!(failed.is_some() || told == expected, "{context}: nothing failed");
    if let Some((path, modes)) = modes {
        let mode = fresh.mode(&path).await;
        let may_be = if told.is_ok() { &modes[1..] } else { &modes };
        assert!(may_be.contains(&mode), "{context}: the mode is {mode:o}");
    }
    match told {
        Ok(content) => {
            assert_eq!(Ok(content), expected, "{context}");
            check_same(&now, &tree.all(), &context);
        }
        Err(_) => check_nothing_lost(&now, &was, &tree.all(), &context),
    }
    check_goes_on(&client, &now, &context).await;
    check_uploads(&*store, failed, &context).await;
    failed.is_some()
}

/// For a change of mode: of what, and the mode before and after.
async fn modes(
    before: &[(&str, Vec<u8>)],
    action: &Action,
    client: &Client,
) -> Option<(String, [u32; 2])> {
    let Action::Chmod { path, mode } = action else { return None };
    assert!(before.iter().any(|(name, _)| name.starts_with(path)), "{path} is there");
    Some((path.clone(), [client.mode(path).await, *mode]))
}

fn check_same(now: &Snapshot, expected: &Snapshot, context: &str) {
    assert!(now == expected, "{context}: now {:?}", now.keys());
}

/// Every file is what it was or what it was to become, and none is gone that is in both.
fn check_nothing_lost(now: &Snapshot, was: &Snapshot, becomes: &Snapshot, context: &str) {
    for (path, node) in now {
        let known = [was.get(path), becomes.get(path)];
        assert!(known.contains(&Some(node)), "{context}: {path} is neither old nor new");
    }
    for (path, node) in was {
        let stays = becomes.get(path).is_some();
        let elsewhere = now.values().any(|other| other == node);
        let removed = !becomes.values().any(|other| other == node);
        assert!(now.contains_key(path) || !stays, "{context}: {path} is gone");
        assert!(elsewhere || removed || stays, "{context}: the bytes of {path} are gone");
    }
}

async fn check_goes_on(client: &Client, now: &Snapshot, context: &str) {
    check_same(&client.all().await, now, context);
    let after = client.run(&put("after", b"x")).await;
    assert_eq!(after, Ok(Vec::new()), "{context}: the mount goes on");
    client.check_nothing_left();
}

/// No upload is left, except where S3 kept one whose id was lost or refused to abort it.
async fn check_uploads(
    store: &dyn ObjectStore,
    failed: Option<&(&'static str, String)>,
    context: &str,
) {
    // One that was given up while it was begun is aborted when it has been.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let uploads = store.list_uploads(BUCKET, ListUploads::default()).await;
    let count = uploads.expect("uploads are listed").uploads.len();
    let is_excused = failed
        .is_some_and(|(operation, _)| matches!(*operation, "create_multipart" | "abort_multipart"));
    assert!(count == 0 || is_excused, "{context}: {count} uploads are left");
}

/// Writes a file while the server refuses the first conditional call of that name; what is
/// there when the upload ends is `meanwhile`.
async fn write_without_conditions(
    operation: &str,
    content: &[u8],
    meanwhile: Option<&[u8]>,
) -> (Outcome, Snapshot) {
    let (store, clock) = empty_bucket().await;
    let probe = Arc::new(Faulty::new(Arc::clone(&store)));
    let client = mount(&(Arc::clone(&probe) as Arc<dyn ObjectStore>), &clock);
    client.run(&put("new", content)).await.expect("nothing fails");
    let calls = probe.calls();
    let number = calls.iter().position(|(name, _)| *name == operation).expect("the call is made");

    let (store, clock) = empty_bucket().await;
    let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
    let refused = StoreError::new(ErrorKind::Unsupported, "NotImplemented", "no conditions here");
    faulty.fail_call(number, refused, When::Before);
    let client = mount(&(Arc::clone(&faulty) as Arc<dyn ObjectStore>), &clock);
    let fh = client.begin("new", content).await;
    if let Some(theirs) = meanwhile {
        let payload = Payload::from(bytes::Bytes::from(theirs.to_vec()));
        let written = store.put_object(BUCKET, "new", payload, WriteOptions::default()).await;
        written.expect("the store takes it");
    }
    let told = client.end(fh).await;
    (told, mount(&store, &clock).all().await)
}

#[test]
fn a_server_without_conditions_is_written_to_after_a_look() {
    for (operation, content) in
        [("put_object", b"small".to_vec()), ("complete_multipart", large(1))]
    {
        in_virtual_time(async {
            let (told, now) = write_without_conditions(operation, &content, None).await;
            assert_eq!(told, Ok(Vec::new()), "{operation}");
            assert!(now.get("new") == Some(&Node::File(content.clone())), "{operation}");

            let theirs: &[u8] = b"theirs";
            let (told, now) = write_without_conditions(operation, &content, Some(theirs)).await;
            assert_eq!(told, Err(Errno::STALE), "{operation}");
            assert!(now.get("new") == Some(&Node::File(theirs.to_vec())), "{operation}");
        });
    }
}

#[test]
fn a_new_file_is_written_or_the_program_is_told() {
    check(&[("other", b"o".to_vec())], &put("new", b"content"));
}

#[test]
fn a_file_is_replaced_or_stays() {
    check(&[("file", b"old".to_vec())], &put("file", b"new content"));
}

#[test]
fn a_large_file_is_written_or_the_program_is_told() {
    check(&[("dir/other", b"o".to_vec())], &put("dir/new", &large(1)));
}

#[test]
fn a_large_file_is_replaced_or_stays() {
    check(&[("file", large(1))], &put("file", &large(2)));
}

#[test]
fn a_small_file_grows_or_stays() {
    let action = Action::Append { path: "file".into(), content: b" and more".to_vec() };
    check(&[("file", b"some".to_vec())], &action);
}

#[test]
fn a_large_file_grows_or_stays() {
    let action = Action::Append { path: "file".into(), content: b" and more".to_vec() };
    check(&[("file", large(1))], &action);
}

#[test]
fn a_file_is_cut_or_stays() {
    check(&[("file", large(1))], &Action::Truncate { path: "file".into(), bytes: 10 });
    check(&[("file", large(1))], &Action::Truncate { path: "file".into(), bytes: 6 << 20 });
}

#[test]
fn a_renamed_file_is_under_one_name_or_the_other() {
    let action = Action::Rename { from: "dir/old".into(), to: "new".into() };
    check(&[("dir/old", b"content".to_vec())], &action);
}

#[test]
fn a_file_is_renamed_over_another_or_both_stay() {
    let action = Action::Rename { from: "source".into(), to: "target".into() };
    check(&[("source", b"source".to_vec()), ("target", b"target".to_vec())], &action);
}

#[test]
fn a_removed_file_leaves_its_directory() {
    check(&[("dir/file", b"x".to_vec())], &Action::Unlink { path: "dir/file".into() });
}

#[test]
fn a_directory_is_made_or_the_program_is_told() {
    check(&[], &Action::Mkdir { path: "dir".into() });
}

#[test]
fn an_empty_directory_is_removed_or_stays() {
    check(&[("dir/", Vec::new())], &Action::Rmdir { path: "dir".into() });
}

#[test]
fn reading_gives_every_byte_or_an_error() {
    check(&[("file", large(3))], &Action::Read { path: "file".into() });
}

#[test]
fn a_listing_gives_every_name_or_an_error() {
    check(&[("dir/a", b"a".to_vec())], &Action::List { path: "dir".into() });
}

/// A directory with files of several sizes, a marker and a sub-directory.
fn full_directory() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("dir/", Vec::new()),
        ("dir/a", b"a".to_vec()),
        ("dir/large", large(7)),
        ("dir/sub/b", b"in the sub-directory".to_vec()),
        ("dir/sub/deep/c", b"c".to_vec()),
        ("dir-beside", b"beside".to_vec()),
    ]
}

fn rename(from: &str, to: &str) -> Action {
    Action::Rename { from: from.into(), to: to.into() }
}

#[test]
fn a_renamed_directory_is_under_one_name_or_the_other() {
    check(&full_directory(), &rename("dir", "new"));
}

#[test]
fn a_directory_without_a_marker_is_under_one_name_or_the_other() {
    let before = [("up/dir/a", b"a".to_vec()), ("up/dir/b", b"b".to_vec())];
    check(&before, &rename("up/dir", "new"));
}

#[test]
fn a_directory_is_renamed_over_an_empty_one_or_both_stay() {
    let before = [("dir/a", b"a".to_vec()), ("dir/b", b"b".to_vec()), ("new/", Vec::new())];
    check(&before, &rename("dir", "new"));
}

/// A mount that keeps its intents there.
fn mount_keeping(store: &Arc<dyn ObjectStore>, clock: &Arc<dyn Clock>, state: &Path) -> Client {
    let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
    let options = Options {
        ttl: TTL,
        part_bytes: 5 << 20,
        state_directory: Some(state.to_owned()),
        ..Options::default()
    };
    Client::new(Vfs::new(Arc::clone(store), source, options, Arc::clone(clock)))
}

/// Intents that are left below a directory for state.
fn intents(state: &Path) -> usize {
    let scopes = std::fs::read_dir(state.join("intents")).into_iter().flatten();
    let folders = scopes.map(|scope| scope.expect("a folder").path());
    folders.map(|folder| std::fs::read_dir(folder).expect("a folder").count()).sum()
}

/// What goes wrong while a directory is renamed.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Fails(When),
    /// From the call on there is no process any more.
    Crash,
}

/// A world in which the renaming meets trouble.
struct Troubled {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    faulty: Arc<Faulty>,
    client: Client,
    state: tempfile::TempDir,
    tree: Tree,
    /// The call that meets trouble.
    call: usize,
}

impl Troubled {
    async fn new(before: &[(&str, Vec<u8>)]) -> Self {
        let (store, clock) = empty_bucket().await;
        let mut tree = Tree::default();
        for (path, content) in before {
            tree.put_outside(path, content);
            put_outside(&*store, path, content).await;
        }
        // What is to be seen as older than the rename must be.
        tokio::time::advance(TTL * 3).await;
        let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
        let state = tempfile::tempdir().expect("a temporary directory");
        let through = Arc::clone(&faulty) as Arc<dyn ObjectStore>;
        let client = mount_keeping(&through, &clock, state.path());
        Self { store, clock, faulty, client, state, tree, call: usize::MAX }
    }

    /// What the program is told, `None` where it is told nothing; and whether there was trouble.
    async fn run(
        &mut self,
        action: &Action,
        number: usize,
        trouble: Trouble,
    ) -> (Option<Outcome>, bool) {
        let call = self.faulty.calls().len() + number;
        self.call = call;
        match trouble {
            Trouble::Fails(when) => {
                let lost = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "on purpose");
                self.faulty.fail_call(call, lost, when);
            }
            Trouble::Crash => self.faulty.fall_silent_at(call),
        }
        let a_day = Duration::from_secs(86_400);
        let told = tokio::time::timeout(a_day, self.client.run(action)).await.ok();
        let had_trouble = self.faulty.calls().len() > call;
        self.tree.run(action).expect("the rename makes sense");
        self.faulty.heal();
        (told, had_trouble)
    }

    fn failed_call(&self) -> Option<&'static str> {
        self.faulty.calls().get(self.call).map(|(operation, _)| *operation)
    }

    /// Everything as the next mount has it once it has finished what was left.
    async fn after_next_mount(self) -> Snapshot {
        let Self { store, clock, client, state, .. } = self;
        drop(client);
        tokio::time::advance(TTL * 3).await;
        let next = mount_keeping(&store, &clock, state.path());
        next.vfs().recover().await;
        assert_eq!(intents(state.path()), 0, "an intent is left");
        let now = next.all().await;
        next.check_nothing_left();
        now
    }
}

/// Renames a directory with trouble at every call in turn; the next mount must find all of it
/// under the old name or all of it under the new one.
#[track_caller]
fn check_all_or_nothing(before: &[(&str, Vec<u8>)], action: &Action, trouble: Trouble) {
    for number in 0..CALLS_MAX {
        let mut fired = false;
        in_virtual_time(async {
            let mut world = Troubled::new(before).await;
            let was = world.tree.all();
            let (told, had_trouble) = world.run(action, number, trouble).await;
            fired = had_trouble;
            let becomes = world.tree.all();
            let context = format!("{action:?}, {trouble:?} at call {number}: told {told:?}");
            let now = world.after_next_mount().await;
            match told {
                Some(Ok(_)) => check_same(&now, &becomes, &context),
                Some(Err(_)) | None => {
                    assert!(now == was || now == becomes, "{context}: {:?}", now.keys());
                }
            }
        });
        if !fired {
            assert!(number > 5, "{action:?} makes few calls");
            return;
        }
    }
    panic!("{action:?} makes too many calls");
}

#[test]
fn a_failed_rename_of_a_directory_is_undone_or_finished_by_the_next_mount() {
    for when in [When::Before, When::After] {
        check_all_or_nothing(&full_directory(), &rename("dir", "new"), Trouble::Fails(when));
    }
}

#[test]
fn a_rename_of_a_directory_that_is_cut_off_is_finished_by_the_next_mount() {
    check_all_or_nothing(&full_directory(), &rename("dir", "new"), Trouble::Crash);
    let before = [("up/dir/a", b"a".to_vec()), ("up/dir/b", b"b".to_vec()), ("new/", Vec::new())];
    check_all_or_nothing(&before, &rename("up/dir", "new"), Trouble::Crash);
}

/// Renames a directory in which a file is being written, then writes on and closes.
async fn write_on_in_a_renamed_directory(number: usize, when: When) -> bool {
    let before = [("dir/a", b"a".to_vec()), ("dir/sub/b", b"b".to_vec())];
    let mut world = Troubled::new(&before).await;
    let fh = world.client.begin("dir/sub/open", b"first, ").await;
    let (told, had_trouble) = world.run(&rename("dir", "new"), number, Trouble::Fails(when)).await;
    let context = format!("{when:?} at call {number}: told {told:?}");
    let wrote =
        world.client.vfs().write(fh, 7, Bytes::from_static(b"second"), Privilege::Kept).await;
    wrote.unwrap_or_else(|error| panic!("{context}: {error}"));
    let closed = world.client.end(fh).await;
    // What was put there and never acknowledged looks like somebody else's file.
    let is_unsure = world.failed_call() == Some("put_object") && when == When::After;
    if is_unsure && closed == Err(Errno::STALE) {
        return had_trouble;
    }
    assert_eq!(closed, Ok(Vec::new()), "{context}");

    tokio::time::advance(TTL).await;
    let places = ["dir/sub/open", "new/sub/open"];
    let whole = Node::File(b"first, second".to_vec());
    let is_whole = |now: &Snapshot| places.iter().any(|path| now.get(*path) == Some(&whole));
    let now = world.client.all().await;
    assert!(is_whole(&now), "{context}: {now:?}");
    if told == Some(Ok(Vec::new())) {
        assert_eq!(now.get("new/sub/open"), Some(&whole), "{context}");
        assert!(!now.contains_key("dir"), "{context}: {now:?}");
    }
    assert!(is_whole(&world.after_next_mount().await), "{context}");
    had_trouble
}

#[test]
fn a_program_writes_on_whatever_becomes_of_the_rename() {
    for when in [When::Before, When::After] {
        for number in 0..CALLS_MAX {
            let mut fired = false;
            in_virtual_time(async { fired = write_on_in_a_renamed_directory(number, when).await });
            if !fired {
                assert!(number > 5, "few calls");
                break;
            }
        }
    }
}
