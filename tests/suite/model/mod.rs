//! The reference model: random operations on the filesystem over the model store, against a
//! tree in a map, in virtual time.
//!
//! After each step the answers must be the same, errnos included; after all of them the whole
//! tree must be, also as a fresh mount sees it, and nothing may be left open or known.

mod attributes;
mod client;
mod faults;
mod listings;
mod looking;
mod open;
mod removals;
mod steps;
mod together;
mod tree;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pailfs::store::clock::{Clock, VirtualClock};
use pailfs::store::faulty::Faulty;
use pailfs::store::model::{Model, ModelOptions};
use pailfs::store::types::{
    CompleteMultipart, CreateBucket, CreateMultipart, DeleteObject, Payload, WriteOptions,
};
use pailfs::store::{ObjectStore, Upload, UploadPart};
use pailfs::vfs::Vfs;
use pailfs::vfs::options::Options;
use pailfs::vfs::removal::streaks::{ONE_BY_ONE, PAUSE_MAX};
use pailfs::vfs::types::Source;
use proptest::prelude::{ProptestConfig, proptest};

use crate::model::client::Client;
use crate::model::steps::{Action, Step, steps};
use crate::model::tree::Tree;

const BUCKET: &str = "reference";
const TTL: Duration = Duration::from_secs(1);

/// How long S3 takes to remove a batch of keys, and to say so.
const REMOVAL: Duration = Duration::from_millis(10);

/// A store, a mount of it, and what the mount should look like.
struct World {
    store: Arc<dyn ObjectStore>,
    /// The same with removals that linger.
    slow: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    client: Client,
    tree: Tree,
}

impl World {
    async fn new() -> Self {
        let (store, clock) = empty_bucket().await;
        let slow = Faulty::new(Arc::clone(&store));
        slow.linger("delete_objects", REMOVAL);
        let slow: Arc<dyn ObjectStore> = Arc::new(slow);
        let client = mount(&slow, &clock);
        Self { store, slow, clock, client, tree: Tree::default() }
    }

    async fn run(&mut self, step: Step) {
        let context = format!("{step:?}");
        match step {
            Step::Remount => {
                self.settle().await;
                self.client.check_nothing_left();
                self.client = mount(&self.slow, &self.clock);
            }
            Step::Hurry => self.hurry().await,
            Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Wait => tokio::time::advance(TTL).await,
            Step::PutOutside(path, content) => self.put_outside(&path, content).await,
            Step::DeleteOutside(path) => self.delete_outside(&path).await,
            Step::Do(action) => {
                let expected = self.tree.run(&action);
                let actual = self.client.run(&action).await;
                assert_eq!(actual, expected, "{context}");
            }
        }
    }

    async fn settle(&self) {
        self.client.settle().await.expect("everything that was removed goes");
    }

    async fn hurry(&mut self) {
        for number in 0..ONE_BY_ONE {
            let path = format!("hurry/{number}");
            put_outside(&*self.store, &path, b"x").await;
        }
        // Nothing was made in any directory shortly before.
        tokio::time::advance(PAUSE_MAX + TTL).await;
        for number in 0..ONE_BY_ONE {
            self.client.unlink(&format!("hurry/{number}")).await.expect("a removal");
        }
        let path = "hurry".to_owned();
        self.client.run(&Action::Rmdir { path }).await.expect("an empty directory");
    }

    async fn put_outside(&mut self, path: &str, content: Vec<u8>) {
        if !self.tree.put_outside(path, &content) {
            return;
        }
        self.settle().await;
        let payload = Payload::from(Bytes::from(content));
        self.store
            .put_object(BUCKET, path, payload, WriteOptions::default())
            .await
            .expect("the store takes it");
        tokio::time::advance(TTL).await;
    }

    async fn delete_outside(&mut self, path: &str) {
        if !self.tree.delete_outside(path) {
            return;
        }
        self.settle().await;
        self.store
            .delete_object(BUCKET, path, DeleteObject::default())
            .await
            .expect("the store takes it");
        tokio::time::advance(TTL).await;
    }

    async fn check(&mut self) {
        let expected = self.tree.all();
        assert_eq!(self.client.all().await, expected, "as the mount sees it");
        self.settle().await;
        assert_eq!(self.client.all().await, expected, "as the mount sees it when all is done");
        self.client.check_nothing_left();
        let fresh = mount(&self.store, &self.clock);
        assert_eq!(fresh.all().await, expected, "as a fresh mount sees it");
        fresh.check_nothing_left();
    }
}

/// A store with one bucket, and a clock that follows tokio's.
async fn empty_bucket() -> (Arc<dyn ObjectStore>, Arc<dyn Clock>) {
    let clock: Arc<dyn Clock> =
        Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH + TTL * 1_000_000));
    let store: Arc<dyn ObjectStore> =
        Arc::new(Model::in_memory(Arc::clone(&clock), ModelOptions::default()));
    store.create_bucket(BUCKET, CreateBucket::default()).await.expect("a new bucket");
    (store, clock)
}

/// What a program has written large is of several parts.
async fn put_outside(store: &dyn ObjectStore, key: &str, content: &[u8]) {
    const PART_BYTES: usize = 5 << 20;
    if content.len() < PART_BYTES {
        let payload = Payload::from(Bytes::copy_from_slice(content));
        let written = store.put_object(BUCKET, key, payload, WriteOptions::default()).await;
        written.expect("the store takes it");
        return;
    }
    let begun = store.create_multipart(BUCKET, key, CreateMultipart::default()).await;
    let id = begun.expect("an upload");
    let upload = Upload { bucket: BUCKET, key, upload: &id };
    let mut parts = Vec::new();
    for (number, chunk) in (1..).zip(content.chunks(PART_BYTES)) {
        let payload = Payload::from(Bytes::copy_from_slice(chunk));
        let part = store.upload_part(UploadPart { upload, number, checksum: None }, payload).await;
        parts.push(part.expect("a part"));
    }
    let completed = store.complete_multipart(upload, parts, CompleteMultipart::default()).await;
    completed.expect("an object");
}

fn mount(store: &Arc<dyn ObjectStore>, clock: &Arc<dyn Clock>) -> Client {
    let source = Source::Prefix { bucket: BUCKET.to_owned(), prefix: String::new() };
    let options = Options { ttl: TTL, part_bytes: 5 << 20, ..Options::default() };
    Client::new(Vfs::new(Arc::clone(store), source, options, Arc::clone(clock)))
}

/// Runs in virtual time.
fn in_virtual_time(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(test);
}

async fn run(steps: Vec<Step>) {
    let mut world = World::new().await;
    for step in steps {
        world.run(step).await;
    }
    world.check().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_mount_is_a_tree_of_files(steps in steps()) {
        in_virtual_time(run(steps));
    }
}
