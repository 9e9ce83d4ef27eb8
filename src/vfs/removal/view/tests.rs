//! What the view hides, and what waits.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::*;
use crate::store::clock::SystemClock;
use crate::store::faulty::Faulty;
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{Conditions, ETag};
use crate::vfs::namespace::inode::{Inodes, Location};
use crate::vfs::removal::queue::Removal;
use crate::vfs::types::Ino;

const BUCKET: &str = "bucket";

/// How long S3 takes to remove, and to say so.
const PAUSE: Duration = Duration::from_secs(1);

/// A bucket in which removals linger.
struct World {
    inner: Arc<Faulty>,
    removals: Arc<Removals>,
    view: View,
}

impl World {
    async fn with(keys: &[&str]) -> Self {
        let model = Model::in_memory(Arc::new(SystemClock::new()), ModelOptions::default());
        model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
        let inner = Arc::new(Faulty::new(Arc::new(model)));
        for key in keys {
            put(&*inner, key).await.unwrap();
        }
        inner.linger("delete_objects", PAUSE);
        let store = Arc::clone(&inner) as Arc<dyn ObjectStore>;
        let removals = Removals::new(Arc::clone(&store));
        let view = View::new(store, &removals);
        Self { inner, removals, view }
    }

    fn remove(&self, key: &str) {
        let directory = Inodes::new(Location::Account).get(Ino::ROOT).unwrap();
        let (bucket, path) = (Arc::from(BUCKET), key.to_owned());
        let removal = Removal { bucket, key: Arc::from(key), directory, path, pid: 1 };
        assert!(self.removals.add(removal));
    }

    async fn seen(&self, options: ListObjects) -> Vec<String> {
        let page = self.view.list_objects(BUCKET, options).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }

    async fn is_there(&self, key: &str) -> bool {
        self.inner.head_object(BUCKET, key, HeadObject::default()).await.is_ok()
    }
}

async fn put(store: &dyn ObjectStore, key: &str) -> StoreResult<ETag> {
    let payload = Payload::from(Bytes::from_static(b"new"));
    let written = store.put_object(BUCKET, key, payload, WriteOptions::default()).await?;
    Ok(written.etag)
}

#[tokio::test(start_paused = true)]
async fn what_is_being_removed_is_not_seen() {
    let world = World::with(&["a", "c", "d"]).await;
    let opened = world.view.head_object(BUCKET, "a", HeadObject::default()).await.unwrap().etag;
    world.remove("a");
    assert!(world.is_there("a").await, "S3 has not been asked yet");
    assert_eq!(world.seen(ListObjects::default()).await, ["c", "d"]);
    let head = world.view.head_object(BUCKET, "a", HeadObject::default()).await;
    assert_eq!(head.unwrap_err().kind, ErrorKind::NotFound);
    let get = |conditions| {
        let options = GetObject { conditions, ..GetObject::default() };
        world.view.get_object(BUCKET, "a", options)
    };
    assert_eq!(get(Conditions::default()).await.err().unwrap().kind, ErrorKind::NotFound);
    assert!(get(Conditions::matching(opened)).await.is_ok(), "who has it open reads on");
}

#[tokio::test(start_paused = true)]
async fn a_short_listing_tells_what_is_behind_the_removed() {
    let keys: Vec<String> = (0..1500).map(|number| format!("{number:04}")).collect();
    let world = World::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    keys[..1498].iter().for_each(|key| world.remove(key));
    let short = ListObjects { keys_max: Some(1), ..ListObjects::default() };
    assert_eq!(world.seen(short).await[0], "1498");
    world.remove("1498");
    world.remove("1499");
    let short = ListObjects { keys_max: Some(1), ..ListObjects::default() };
    assert_eq!(world.seen(short).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_listing_from_before_the_end_does_not_tell_what_went() {
    let world = World::with(&["a", "c"]).await;
    world.inner.linger("list_objects", PAUSE * 10);
    let (listed, ()) = tokio::join!(world.seen(ListObjects::default()), async {
        world.remove("a");
        world.removals.settled().await;
        put(&world.view, "a").await.unwrap();
    });
    assert_eq!(listed, ["a", "c"], "written anew");
    let (listed, ()) = tokio::join!(world.seen(ListObjects::default()), async {
        // S3 answers with both, and then one of them goes.
        tokio::time::sleep(PAUSE * 15).await;
        world.remove("a");
        world.removals.settled().await;
    });
    assert_eq!(listed, ["c"]);
}

/// Something that writes a key waits until its removal has ended.
async fn check_waits<T>(world: &World, write: impl Future<Output = StoreResult<T>>) {
    world.remove("a");
    let mut write = pin!(write);
    assert!((&mut write).now_or_never().is_none());
    assert!(world.removals.state().queue.is_pending(BUCKET, "a"));
    write.await.map(drop).unwrap();
    assert!(!world.removals.state().queue.is_pending(BUCKET, "a"));
}

#[tokio::test(start_paused = true)]
async fn what_is_written_waits_for_the_removal_of_what_was_there() {
    let world = World::with(&["a", "source"]).await;
    let view = &world.view;
    check_waits(&world, put(view, "a")).await;
    assert!(world.is_there("a").await);

    let source = CopySource {
        bucket: BUCKET.to_owned(),
        key: "source".to_owned(),
        version: None,
        conditions: Conditions::default(),
    };
    check_waits(&world, view.copy_object(source, BUCKET, "a", CopyObject::default())).await;
    assert!(world.is_there("a").await);

    let id = view.create_multipart(BUCKET, "a", CreateMultipart::default()).await.unwrap();
    let upload = Upload { bucket: BUCKET, key: "a", upload: &id };
    let part = UploadPart { upload, number: 1, checksum: None };
    let part = view.upload_part(part, Payload::from(Bytes::from_static(b"part"))).await.unwrap();
    let options = CompleteMultipart::default();
    check_waits(&world, view.complete_multipart(upload, vec![part], options)).await;
    assert!(world.is_there("a").await);
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_again_and_a_bucket_wait_too() {
    let world = World::with(&["a"]).await;
    let view = &world.view;
    check_waits(&world, view.delete_object(BUCKET, "a", DeleteObject::default())).await;
    let again = vec![ObjectIdentifier { key: "a".to_owned(), version: None }];
    check_waits(&world, view.delete_objects(BUCKET, again)).await;
    check_waits(&world, view.delete_bucket(BUCKET)).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_without_batches_is_asked_for_each() {
    let world = World::with(&["a", "c", "d"]).await;
    let refused = StoreError::new(ErrorKind::Unsupported, "NotImplemented", "no batches here");
    world.inner.fail_operation("delete_objects", refused);
    ["a", "c"].iter().for_each(|key| world.remove(key));
    world.removals.settled().await;
    assert_eq!(world.seen(ListObjects::default()).await, ["d"]);
    assert!(world.removals.take_failures().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_when_too_much_is_pending_waits() {
    let world = World::with(&[]).await;
    for number in 0..crate::vfs::removal::queue::PENDING_MAX {
        assert!(world.removals.room().now_or_never().is_some());
        world.remove(&number.to_string());
    }
    let mut room = pin!(world.removals.room());
    assert!((&mut room).now_or_never().is_none());
    room.await;
}
