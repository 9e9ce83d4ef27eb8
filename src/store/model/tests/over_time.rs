//! What time does to a bucket, and what one account sees of another's.

use std::time::SystemTime;

use super::*;
use crate::store::types::{CannedAcl, ObjectLock};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A bucket in virtual time.
async fn timed() -> Model {
    let epoch = SystemTime::UNIX_EPOCH + 20_000 * DAY;
    let model = Model::in_memory(Arc::new(VirtualClock::starting_at(epoch)), options());
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    model
}

async fn put_rules(model: &Model, rules: &str) {
    let text = format!(
        "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix>logs/</Prefix>\
         </Filter>{rules}</Rule></LifecycleConfiguration>"
    );
    let bucket = Resource::bucket(BUCKET);
    model.put_document(&bucket, DocumentKind::Lifecycle, text).await.unwrap();
}

async fn class(model: &Model, key: &str) -> Option<String> {
    let head = model.head_object(BUCKET, key, HeadObject::default()).await.unwrap();
    head.attributes.storage_class
}

#[tokio::test(start_paused = true)]
async fn an_object_is_archived_restored_and_archived_again() {
    let model = timed().await;
    put_rules(
        &model,
        "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>",
    )
    .await;
    put(&model, "logs/1", "text").await;
    let before = model.head_object(BUCKET, "logs/1", HeadObject::default()).await.unwrap();
    tokio::time::advance(29 * DAY).await;
    assert_eq!(class(&model, "logs/1").await, None);
    tokio::time::advance(DAY).await;
    assert_eq!(class(&model, "logs/1").await.as_deref(), Some("GLACIER"));
    let after = model.head_object(BUCKET, "logs/1", HeadObject::default()).await.unwrap();
    assert_eq!((after.etag, after.last_modified), (before.etag, before.last_modified));
    let refused = model.get_object(BUCKET, "logs/1", GetObject::default()).await;
    assert_eq!(refused.err().map(|error| error.kind), Some(ErrorKind::Archived));
    let page = model.list_objects(BUCKET, ListObjects::default()).await.unwrap();
    assert_eq!(page.objects[0].storage_class.as_deref(), Some("GLACIER"));

    let asked = RestoreObject { days: 2, tier: None };
    model.restore_object(BUCKET, "logs/1", asked).await.unwrap();
    tokio::time::advance(options().restore_duration).await;
    assert_eq!(get(&model, "logs/1").await, "text");
    tokio::time::advance(2 * DAY).await;
    assert!(model.get_object(BUCKET, "logs/1", GetObject::default()).await.is_err());
    assert_eq!(class(&model, "logs/1").await.as_deref(), Some("GLACIER"));
}

#[tokio::test(start_paused = true)]
async fn new_rules_are_heeded_at_once() {
    let model = timed().await;
    put(&model, "logs/1", "text").await;
    put(&model, "other", "text").await;
    let never = "<Expiration><Days>1000</Days></Expiration>";
    put_rules(&model, never).await;
    tokio::time::advance(10 * DAY).await;
    assert_eq!(class(&model, "logs/1").await, None);
    put_rules(&model, "<Expiration><Days>10</Days></Expiration>").await;
    let page = model.list_objects(BUCKET, ListObjects::default()).await.unwrap();
    let keys: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["other"]);
}

#[tokio::test(start_paused = true)]
async fn a_day_can_be_short() {
    let clock = Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH + DAY));
    let short = ModelOptions { day: Duration::from_secs(1), ..options() };
    let model = Model::in_memory(clock, short);
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    put_rules(&model, "<Expiration><Days>3</Days></Expiration>").await;
    put(&model, "logs/1", "text").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(class(&model, "logs/1").await, None);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(model.head_object(BUCKET, "logs/1", HeadObject::default()).await.is_err());
}

#[tokio::test]
async fn what_rules_did_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put(&model, "logs/1", "text").await;
    // A date that is past concerns what is there already.
    put_rules(
        &model,
        "<Transition><Date>2020-01-01</Date><StorageClass>GLACIER_IR</StorageClass></Transition>",
    )
    .await;
    assert_eq!(class(&model, "logs/1").await.as_deref(), Some("GLACIER_IR"));
    model.delete_document(&Resource::bucket(BUCKET), DocumentKind::Lifecycle).await.unwrap();
    drop(model);
    let model = open(directory.path());
    assert_eq!(class(&model, "logs/1").await.as_deref(), Some("GLACIER_IR"));
    assert_eq!(get(&model, "logs/1").await, "text");
}

async fn delete_version(model: &Model, key: &str, version: Option<String>) -> StoreResult<Deleted> {
    model.delete_object(BUCKET, key, DeleteObject { version, ..DeleteObject::default() }).await
}

#[tokio::test(start_paused = true)]
async fn a_bucket_gives_its_retention_to_new_versions() {
    let model = timed().await;
    let bucket = Resource::bucket(BUCKET);
    let enabled = documents::VERSIONING_ENABLED.to_owned();
    model.put_document(&bucket, DocumentKind::Versioning, enabled).await.unwrap();
    let before = put(&model, "before", "text").await;
    let text = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                <DefaultRetention><Mode>COMPLIANCE</Mode><Days>3</Days></DefaultRetention></Rule>\
                </ObjectLockConfiguration>";
    model.put_document(&bucket, DocumentKind::ObjectLock, text.to_owned()).await.unwrap();
    assert!(delete_version(&model, "before", before.version_id).await.is_ok());

    let written = put(&model, "key", "text").await;
    let now = model.clock.wall();
    let lock =
        ObjectLock { retention: Some(("GOVERNANCE".to_owned(), now + DAY)), legal_hold: None };
    let options = WriteOptions { lock, ..WriteOptions::default() };
    let own = model.put_object(BUCKET, "own", body("text"), options).await.unwrap();
    let deleted = delete_version(&model, "key", written.version_id.clone()).await;
    assert_eq!(deleted.unwrap_err().code, "AccessDenied");
    tokio::time::advance(DAY).await;
    assert!(delete_version(&model, "own", own.version_id).await.is_ok(), "its own was shorter");
    assert!(delete_version(&model, "key", written.version_id.clone()).await.is_err());
    tokio::time::advance(2 * DAY).await;
    assert!(delete_version(&model, "key", written.version_id).await.is_ok());
}

fn denied<T>(result: StoreResult<T>) {
    assert_eq!(
        result.err().map(|error| (error.kind, error.code)),
        Some((ErrorKind::Forbidden, "AccessDenied".into()))
    );
}

#[tokio::test]
async fn a_bucket_of_another_account_is_theirs() {
    let ours = in_memory().await;
    put(&ours, "key", "text").await;
    let theirs = ours.for_account(Owner { id: "9".repeat(64), display_name: None });
    assert_eq!(theirs.list_buckets().await.unwrap(), []);
    let taken = theirs.create_bucket(BUCKET, CreateBucket::default()).await.unwrap_err();
    assert_eq!((taken.kind, &*taken.code), (ErrorKind::Exists, "BucketAlreadyExists"));
    denied(theirs.head_bucket(BUCKET).await);
    denied(theirs.list_objects(BUCKET, ListObjects::default()).await);
    denied(theirs.get_object(BUCKET, "key", GetObject::default()).await);
    denied(theirs.head_object(BUCKET, "missing", HeadObject::default()).await);
    denied(theirs.put_object(BUCKET, "new", body("x"), WriteOptions::default()).await);
    denied(theirs.delete_object(BUCKET, "key", DeleteObject::default()).await);
    denied(theirs.get_acl(&Resource::bucket(BUCKET)).await);
    denied(theirs.delete_bucket(BUCKET).await);
}

#[tokio::test]
async fn what_is_shared_with_all_is_read_by_another_account() {
    let ours = in_memory().await;
    put(&ours, "private", "text").await;
    let acl = Some(CannedAcl::PublicRead);
    let public = WriteOptions { acl, ..WriteOptions::default() };
    ours.put_object(BUCKET, "public", body("text"), public).await.unwrap();
    let theirs = ours.for_account(Owner { id: "9".repeat(64), display_name: None });
    assert_eq!(get(&theirs, "public").await, "text");
    denied(theirs.get_object(BUCKET, "private", GetObject::default()).await);
    denied(theirs.list_objects(BUCKET, ListObjects::default()).await);
    let listable = AclChange::Canned(CannedAcl::PublicRead);
    ours.put_acl(&Resource::bucket(BUCKET), listable).await.unwrap();
    let page = theirs.list_objects(BUCKET, ListObjects::default()).await.unwrap();
    assert_eq!(page.objects.len(), 2);
    let missing = theirs.head_object(BUCKET, "missing", HeadObject::default()).await;
    assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
    denied(theirs.put_object(BUCKET, "new", body("x"), WriteOptions::default()).await);
    let source =
        CopySource { bucket: BUCKET.to_owned(), key: "public".to_owned(), ..CopySource::default() };
    theirs.create_bucket("theirs", CreateBucket::default()).await.unwrap();
    theirs.copy_object(source, "theirs", "copy", CopyObject::default()).await.unwrap();
}
