//! What belongs to an object, over the model store.

use std::time::SystemTime;

use bytes::Bytes;

use super::*;
use crate::store::clock::{Clock, VirtualClock};
use crate::store::faulty::Faulty;
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{CannedAcl, CreateBucket, ListUploads, Payload};

const BUCKET: &str = "bucket";

fn target(key: &str) -> Target {
    Target { bucket: BUCKET.into(), key: key.into() }
}

/// A store with an object that has everything an object can have.
async fn store() -> Arc<Faulty> {
    let model: Arc<dyn ObjectStore> = Arc::new(Model::in_memory(clock(), ModelOptions::default()));
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    let attributes = ObjectAttributes {
        content_type: Some("text/x-special".to_owned()),
        metadata: [("mode".to_owned(), "0600".to_owned())].into(),
        storage_class: Some("STANDARD_IA".to_owned()),
        website_redirect_location: Some("/elsewhere".to_owned()),
        ..ObjectAttributes::default()
    };
    let options = WriteOptions {
        attributes,
        tags: Some([("tag".to_owned(), "value".to_owned())].into()),
        acl: Some(CannedAcl::PublicRead),
        ..WriteOptions::default()
    };
    model.put_object(BUCKET, "full", body(), options).await.unwrap();
    model.put_object(BUCKET, "plain", body(), WriteOptions::default()).await.unwrap();
    Arc::new(Faulty::new(model))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH))
}

fn without_journal(store: &Arc<dyn ObjectStore>) -> Arc<Multiparts> {
    Multiparts::new(Arc::clone(store), None, clock())
}

fn body() -> Payload {
    Payload::from(Bytes::from_static(b"content"))
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

#[test]
fn a_look_takes_two_requests_and_finds_no_default_acl() {
    run(async {
        let faulty = store().await;
        let store: Arc<dyn ObjectStore> = Arc::<Faulty>::clone(&faulty);
        let (head, kept) = look(&store, &target("plain")).await.unwrap();
        assert_eq!((head.size, &kept.acl, &kept.tags), (7, &None, &None));
        assert_eq!(faulty.calls().len(), 2);
        let (_, kept) = look(&store, &target("full")).await.unwrap();
        assert_eq!(kept.acl.unwrap().grants.len(), 2);
        assert_eq!(kept.tags.unwrap().len(), 1);
        let missing = look(&store, &target("missing")).await.unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NotFound);
    });
}

#[test]
fn a_server_that_shows_no_acl_has_the_default() {
    run(async {
        let faulty = store().await;
        let store: Arc<dyn ObjectStore> = Arc::<Faulty>::clone(&faulty);
        for (kind, is_taken) in [
            (ErrorKind::Forbidden, true),
            (ErrorKind::Unsupported, true),
            (ErrorKind::NotFound, true),
            (ErrorKind::Timeout, false),
        ] {
            faulty.fail_operation("get_acl", StoreError::new(kind, "Code", "failed on purpose"));
            let looked = look(&store, &target("full")).await;
            assert_eq!(looked.is_ok_and(|(_, kept)| kept.acl.is_none()), is_taken, "{kind:?}");
        }
    });
}

#[test]
fn a_copy_has_everything_the_object_had() {
    run(async {
        let store: Arc<dyn ObjectStore> = store().await;
        let (_, before) = look(&store, &target("full")).await.unwrap();
        let conditions = Conditions::absent();
        let copied = copy_object(
            &without_journal(&store),
            &target("full"),
            &target("copy"),
            conditions.clone(),
            |_, _| (),
        )
        .await;
        let (head, after) = look(&store, &target("copy")).await.unwrap();
        assert_eq!(after, before);
        assert_eq!(copied.unwrap().object.etag, head.etag);
        let again = copy_object(
            &without_journal(&store),
            &target("full"),
            &target("copy"),
            conditions,
            |_, _| (),
        )
        .await;
        assert_eq!(again.unwrap_err().kind, ErrorKind::Precondition);
    });
}

#[test]
fn changed_attributes_leave_everything_else() {
    run(async {
        let store: Arc<dyn ObjectStore> = store().await;
        let (_, mut expected) = look(&store, &target("full")).await.unwrap();
        let change = |attributes: &mut ObjectAttributes| {
            attributes.metadata.insert("mode".to_owned(), "0644".to_owned());
        };
        let (full, multiparts) = (target("full"), without_journal(&store));
        let rewritten = rewrite_attributes(&multiparts, &full, |attributes, _| {
            change(attributes);
            Ok(())
        });
        let Copied { object, head: told, .. } = rewritten.await.unwrap();
        change(&mut expected.attributes);
        let (head, after) = look(&store, &target("full")).await.unwrap();
        assert_eq!(after, expected);
        assert_eq!((object.etag, object.size), (head.etag.clone(), 7));
        assert_eq!((told.etag, told.last_modified), (head.etag, head.last_modified));
        assert_eq!(told.attributes, head.attributes);
    });
}

/// Copies by parts what would be copied at once, where `failing` fails.
async fn copy_by_parts(failing: Option<&'static str>) -> (StoreResult<ETag>, usize) {
    let faulty = store().await;
    if let Some(operation) = failing {
        let error = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
        faulty.fail_operation(operation, error);
    }
    let store: Arc<dyn ObjectStore> = Arc::<Faulty>::clone(&faulty);
    let (source, target) = (target("full"), target("copy"));
    let (head, kept) = look(&store, &source).await.unwrap();
    let multiparts = &without_journal(&store);
    let copy = Copy { multiparts, source: &source, head: &head, target: &target, kept: &kept };
    let copied = copy.by_parts(Conditions::default()).await;
    let uploads = store.list_uploads(BUCKET, ListUploads::default()).await.unwrap().uploads;
    (copied, uploads.len())
}

#[test]
fn a_copy_by_parts_leaves_no_upload() {
    run(async {
        let (copied, uploads) = copy_by_parts(None).await;
        assert_eq!((copied.is_ok(), uploads), (true, 0));
        for operation in ["upload_part_copy", "complete_multipart"] {
            let (copied, uploads) = copy_by_parts(Some(operation)).await;
            assert_eq!(copied.unwrap_err().kind, ErrorKind::Forbidden);
            assert_eq!(uploads, 0, "{operation}");
        }
    });
}
