//! Uploads and their records, over the model store and a real disk.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tempfile::TempDir;

use super::*;
use crate::store::clock::VirtualClock;
use crate::store::faulty::Faulty;
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{CreateBucket, ListUploads};

const BUCKET: &str = "bucket";
const SCOPE: &str = "here";

/// A store, and a directory for state.
struct World {
    store: Arc<Faulty>,
    multiparts: Arc<Multiparts>,
    state: PathBuf,
    _directory: TempDir,
}

impl World {
    /// With the state in a directory of that name; there is one, and there is a file.
    async fn new(state: &str) -> Self {
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1234);
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(started));
        let model: Arc<dyn ObjectStore> =
            Arc::new(Model::in_memory(Arc::clone(&clock), ModelOptions::default()));
        model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
        let store = Arc::new(Faulty::new(model));
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let state = directory.path().join(state);
        let journal = Some(Journal::new(&state, SCOPE));
        let shared: Arc<dyn ObjectStore> = Arc::<Faulty>::clone(&store);
        let multiparts = Multiparts::new(shared, journal, clock);
        Self { store, multiparts, state, _directory: directory }
    }

    fn begin(&self) -> impl Future<Output = StoreResult<Begun>> {
        let (multiparts, write) = (Arc::clone(&self.multiparts), WriteOptions::default());
        async move { multiparts.begin(&Arc::from(BUCKET), &Arc::from("key"), write).await }
    }

    /// Uploads in progress, and how many records there are.
    async fn left(&self) -> (usize, usize) {
        let page = self.store.list_uploads(BUCKET, ListUploads::default()).await.unwrap();
        let scopes = fs::read_dir(self.state.join("intents")).into_iter().flatten();
        let records = scopes.map(|scope| fs::read_dir(scope.unwrap().path()).unwrap().count());
        (page.uploads.len(), records.sum())
    }

    /// As the next mount finds them.
    fn intents(&self) -> Vec<Intent> {
        let left = Journal::new(&self.state, SCOPE).take_left().unwrap();
        left.intents.into_iter().map(|(intent, _)| intent).collect()
    }
}

fn in_virtual_time(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

#[test]
fn an_upload_is_recorded_until_it_has_ended() {
    in_virtual_time(async {
        let world = World::new("state").await;
        let begun = world.begin().await.unwrap();
        assert_eq!(world.left().await, (1, 1));
        assert_eq!(world.intents(), [], "somebody works on it");
        begun.abort().await;
        assert_eq!(world.left().await, (0, 0));
        world.begin().await.unwrap().ended().await;
        assert_eq!(world.left().await.1, 0);
    });
}

#[test]
fn an_upload_that_can_not_be_aborted_is_left_to_the_next_mount() {
    in_virtual_time(async {
        let world = World::new("state").await;
        let begun = world.begin().await.unwrap();
        let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
        world.store.fail_operation("abort_multipart", refused);
        begun.abort().await;
        let upload = begun.upload().upload.to_owned();
        drop(begun);
        let (bucket, key) = (BUCKET.to_owned(), "key".to_owned());
        assert_eq!(world.intents(), [Intent::AbortUpload { bucket, key, upload, began_ms: 1234 }]);
    });
}

#[test]
fn an_upload_that_is_not_begun_is_not_recorded() {
    in_virtual_time(async {
        let world = World::new("state").await;
        let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
        world.store.fail_operation("create_multipart", refused);
        assert!(world.begin().await.is_err());
        assert_eq!(world.left().await, (0, 0));
    });
}

#[test]
fn whoever_gives_up_waiting_for_an_upload_leaves_nothing() {
    in_virtual_time(async {
        let world = World::new("state").await;
        assert!(world.begin().now_or_never().is_none(), "S3 has not answered");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let calls: Vec<_> = world.store.calls().into_iter().map(|(name, _)| name).collect();
        assert_eq!(calls, ["create_multipart", "abort_multipart"]);
        assert_eq!(world.left().await, (0, 0));
    });
}

#[test]
fn a_disk_that_takes_no_record_stops_no_upload() {
    in_virtual_time(async {
        let world = World::new("file/state").await;
        for _ in 0..2 {
            let begun = world.begin().await.unwrap();
            assert_eq!(world.left().await, (1, 0));
            begun.abort().await;
            assert_eq!(world.left().await, (0, 0));
        }
    });
}
