//! Uploads in progress when a mount dies or can't end them, and who aborts them.

use std::sync::Arc;

use pailfs::store::ObjectStore;
use pailfs::store::clock::Clock;
use pailfs::store::error::{ErrorKind, StoreError};
use pailfs::store::faulty::Faulty;
use pailfs::store::types::{CreateMultipart, ListUploads};
use pailfs::vfs::Vfs;
use pailfs::vfs::journal::{Intent, Journal};
use pailfs::vfs::options::Options;
use pailfs::vfs::types::Source;
use tempfile::TempDir;

use crate::model::faults::{CALLS_MAX, Trouble, Troubled, intents, large, mount_keeping, put};
use crate::model::steps::Outcome;
use crate::model::tree::Node;
use crate::model::{BUCKET, TTL, empty_bucket, in_virtual_time};

async fn uploads(store: &Arc<dyn ObjectStore>) -> usize {
    let page = store.list_uploads(BUCKET, ListUploads::default()).await;
    page.expect("uploads are listed").uploads.len()
}

/// Writes a large file with trouble at the call of that number; how many uploads the mount has
/// left, `None` where there was no trouble. The next mount must abort them.
async fn write_large(number: usize, trouble: Trouble) -> Option<usize> {
    let mut world = Troubled::new(&[("file", b"old".to_vec())]).await;
    let was = world.tree.all();
    let (told, had_trouble) = world.run(&put("file", &large(1)), number, trouble).await;
    let becomes = world.tree.all();
    let context = format!("{trouble:?} at call {number}: told {told:?}");
    let store = Arc::clone(&world.store);
    let left = uploads(&store).await;
    let now = world.after_next_mount().await;
    assert_eq!(uploads(&store).await, 0, "{context}");
    assert!(now == was || now == becomes, "{context}: {:?}", now.keys());
    had_trouble.then_some(left)
}

#[test]
fn uploads_of_a_mount_that_dies_are_aborted_by_the_next() {
    let mut left = Vec::new();
    for number in 0..CALLS_MAX {
        let mut uploads = None;
        in_virtual_time(async { uploads = write_large(number, Trouble::Crash).await });
        match uploads {
            Some(uploads) => left.push(uploads),
            None => break,
        }
    }
    assert!(left.contains(&1), "no upload was ever left: {left:?}");
    assert!(left.len() < CALLS_MAX, "a write makes too many calls");
}

/// A mount that keeps its state, of a store that may fail.
struct Keeping {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    faulty: Arc<Faulty>,
    state: TempDir,
}

impl Keeping {
    async fn new() -> Self {
        let (store, clock) = empty_bucket().await;
        let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
        let state = tempfile::tempdir().expect("a temporary directory");
        Self { store, clock, faulty, state }
    }

    fn fail(&self, operation: &'static str) {
        let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
        self.faulty.fail_operation(operation, refused);
    }

    /// Writes a large file.
    async fn write(&self) -> Outcome {
        let through = Arc::clone(&self.faulty) as Arc<dyn ObjectStore>;
        mount_keeping(&through, &self.clock, self.state.path()).run(&put("file", &large(1))).await
    }

    /// Mounts anew, and tells how many uploads and intents there are once that has recovered.
    async fn left_by_next_mount(&self, read_only: bool) -> (usize, usize) {
        let through = Arc::clone(&self.faulty) as Arc<dyn ObjectStore>;
        let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
        let state_directory = Some(self.state.path().to_owned());
        let options = Options { read_only, state_directory, ..Options::default() };
        Vfs::new(through, source, options, Arc::clone(&self.clock)).recover().await;
        self.left().await
    }

    async fn left(&self) -> (usize, usize) {
        (uploads(&self.store).await, intents(self.state.path()))
    }
}

#[test]
fn a_write_that_goes_well_or_ill_leaves_no_upload_and_no_intent() {
    in_virtual_time(async {
        let world = Keeping::new().await;
        assert_eq!(world.write().await, Ok(Vec::new()));
        assert_eq!(world.left().await, (0, 0));
        for operation in ["upload_part", "complete_multipart"] {
            world.fail(operation);
            world.write().await.expect_err("the server refuses it");
            assert_eq!(world.left().await, (0, 0), "{operation}");
            world.faulty.heal();
        }
    });
}

#[test]
fn an_upload_stays_until_a_mount_may_abort_it() {
    in_virtual_time(async {
        let world = Keeping::new().await;
        world.fail("complete_multipart");
        world.fail("abort_multipart");
        world.write().await.expect_err("the server refuses it");
        // `close` was told that it failed, and the last close has tried again.
        assert_eq!(world.left().await, (2, 2));
        assert_eq!(world.left_by_next_mount(false).await, (2, 2), "S3 refuses");
        world.faulty.heal();
        assert_eq!(world.left_by_next_mount(true).await, (2, 2), "it is read-only");
        let theirs = world.store.create_multipart(BUCKET, "file", CreateMultipart::default()).await;
        theirs.expect("an upload of somebody else");
        assert_eq!(world.left_by_next_mount(false).await, (1, 0), "only theirs stays");
    });
}

#[test]
fn an_upload_that_is_gone_is_not_looked_for_again() {
    in_virtual_time(async {
        let world = Keeping::new().await;
        let (bucket, key) = (BUCKET.to_owned(), "file".to_owned());
        let intent = Intent::AbortUpload { bucket, key, upload: "gone".to_owned(), began_ms: 1 };
        let journal = Journal::new(world.state.path(), &Options::default().state_scope);
        drop(journal.record(&intent).expect("a record"));
        assert_eq!(world.left_by_next_mount(false).await, (0, 0));
    });
}

#[test]
fn mounts_with_one_directory_for_state_leave_each_others_uploads_alone() {
    in_virtual_time(async {
        let world = Keeping::new().await;
        let one = mount_keeping(&world.store, &world.clock, world.state.path());
        let fh = one.begin("file", &large(1)).await;
        tokio::time::sleep(TTL).await;
        assert_eq!(world.left().await, (1, 1), "parts have gone up");
        assert_eq!(world.left_by_next_mount(false).await, (1, 1), "it is the other's");
        assert_eq!(one.end(fh).await, Ok(Vec::new()));
        assert_eq!(world.left().await, (0, 0));
        assert!(one.all().await.get("file") == Some(&Node::File(large(1))));
    });
}
