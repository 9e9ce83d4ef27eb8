//! What belongs to an object, over the model store.

use std::time::SystemTime;

use bytes::Bytes;

use super::*;
use crate::store::clock::VirtualClock;
use crate::store::faulty::Faulty;
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{CannedAcl, CreateBucket, Payload};

const BUCKET: &str = "bucket";

fn target(key: &str) -> Target {
    Target { bucket: BUCKET.into(), key: key.into() }
}

/// A store with an object that has everything an object can have.
async fn store() -> Arc<Faulty> {
    let clock = Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH));
    let model: Arc<dyn ObjectStore> = Arc::new(Model::in_memory(clock, ModelOptions::default()));
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
        let copied =
            copy_object(&store, &target("full"), &target("copy"), conditions.clone(), |_, _| ())
                .await;
        let (head, after) = look(&store, &target("copy")).await.unwrap();
        assert_eq!(after, before);
        assert_eq!(copied.unwrap().object.etag, head.etag);
        let again =
            copy_object(&store, &target("full"), &target("copy"), conditions, |_, _| ()).await;
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
        let full = target("full");
        let rewritten = rewrite_attributes(&store, &full, |attributes, _| {
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
