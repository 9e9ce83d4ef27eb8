//! What is peculiar to the model: lives on a directory, shared bytes, its own time.

mod over_time;

use super::*;
use std::collections::HashSet;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::store::clock::{SystemClock, VirtualClock};
use crate::store::types::{
    Checksum, ChecksumAlgorithm, ChecksumType, Conditions, ETag, ObjectAttributes, Restore,
};

const BUCKET: &str = "bucket";

fn options() -> ModelOptions {
    ModelOptions { part_bytes_min: 4, ..ModelOptions::default() }
}

fn open(directory: &Path) -> Model {
    Model::open(directory, Arc::new(SystemClock::new()), options()).unwrap()
}

async fn opened_with_bucket(directory: &Path) -> Model {
    let model = open(directory);
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    model
}

async fn in_memory() -> Model {
    let model = Model::in_memory(Arc::new(SystemClock::new()), options());
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    model
}

fn body(text: &'static str) -> Payload {
    Payload::from(Bytes::from_static(text.as_bytes()))
}

async fn put(model: &Model, key: &str, text: &'static str) -> Written {
    model.put_object(BUCKET, key, body(text), WriteOptions::default()).await.unwrap()
}

/// Writes an object that is too large for a row.
async fn put_large(model: &Model, key: &str) {
    let payload = Payload::from(Bytes::from(vec![0; 100_000]));
    model.put_object(BUCKET, key, payload, WriteOptions::default()).await.unwrap();
}

async fn copy(model: &Model, from: &str, to: &str) {
    let source =
        CopySource { bucket: BUCKET.to_owned(), key: from.to_owned(), ..CopySource::default() };
    model.copy_object(source, BUCKET, to, CopyObject::default()).await.unwrap();
}

async fn delete(model: &Model, key: &str) {
    model.delete_object(BUCKET, key, DeleteObject::default()).await.unwrap();
}

async fn text_of(got: GotObject) -> String {
    let chunks: Vec<_> = got.body.collect().await;
    let bytes: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
    String::from_utf8(bytes).unwrap()
}

async fn get(model: &Model, key: &str) -> String {
    text_of(model.get_object(BUCKET, key, GetObject::default()).await.unwrap()).await
}

async fn enable_versioning(model: &Model) {
    let (bucket, kind) = (Resource::bucket(BUCKET), DocumentKind::Versioning);
    let text = documents::VERSIONING_ENABLED.to_owned();
    model.put_document(&bucket, kind, text).await.unwrap();
}

fn blob_files(directory: &Path) -> usize {
    std::fs::read_dir(directory.join(BLOBS_DIRECTORY)).unwrap().count()
}

/// Of a directory that no model has open.
fn blob_rows(directory: &Path) -> usize {
    let journal = Journal::open(&directory.join(JOURNAL_FILE)).unwrap();
    journal.rows().sweep(&HashSet::new()).unwrap()
}

fn upload<'a>(key: &'a str, upload: &'a str) -> Upload<'a> {
    Upload { bucket: BUCKET, key, upload }
}

async fn upload_part(model: &Model, to: Upload<'_>, number: u32, text: &'static str) -> Part {
    let part = UploadPart { upload: to, number, checksum: None };
    model.upload_part(part, body(text)).await.unwrap()
}

fn rich_attributes() -> ObjectAttributes {
    let some = |text: &str| Some(text.to_owned());
    ObjectAttributes {
        content_type: some("text/plain"),
        content_encoding: some("identity"),
        content_language: some("de"),
        content_disposition: some("inline"),
        cache_control: some("no-store"),
        expires: some("Thu, 01 Jan 2037 00:00:00 GMT"),
        website_redirect_location: some("/elsewhere"),
        metadata: [("name".to_owned(), "value".to_owned())].into(),
        storage_class: some("GLACIER_IR"),
        encryption: Some(crate::store::types::Encryption {
            algorithm: "aws:kms".to_owned(),
            kms_key_id: some("key"),
        }),
    }
}

#[tokio::test]
async fn an_object_survives_a_restart_with_all_that_belongs_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    let tags = Tags::from([("a".to_owned(), "b".to_owned())]);
    let checksum = Checksum { algorithm: ChecksumAlgorithm::Crc32C, value: "4waSgw==".to_owned() };
    let write = WriteOptions {
        attributes: rich_attributes(),
        tags: Some(tags.clone()),
        acl: Some(crate::store::types::CannedAcl::PublicRead),
        checksum: Some(checksum.clone()),
        conditions: Conditions::absent(),
        ..WriteOptions::default()
    };
    let written = model.put_object(BUCKET, "k", body("123456789"), write).await.unwrap();
    let object = Resource::object(BUCKET, "k");
    let acl = model.get_acl(&object).await.unwrap();
    let before = model.head_object(BUCKET, "k", HeadObject::default()).await.unwrap();
    drop(model);

    let model = open(directory.path());
    assert_eq!(get(&model, "k").await, "123456789");
    let head = model.head_object(BUCKET, "k", HeadObject::default()).await.unwrap();
    assert_eq!((head.etag, head.checksum), (written.etag, Some(checksum)));
    assert_eq!(head.attributes, rich_attributes());
    assert_eq!(head.last_modified, before.last_modified);
    assert_eq!(model.get_tags(&object).await.unwrap(), tags);
    assert_eq!(model.get_acl(&object).await.unwrap(), acl);
    assert_eq!(acl.grants.len(), 2);
}

#[tokio::test]
async fn a_bucket_survives_a_restart_and_stays_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    let region = Some("eu-central-1".to_owned());
    let create = CreateBucket { region, object_lock: true, ..CreateBucket::default() };
    model.create_bucket("locked", create).await.unwrap();
    let buckets = model.list_buckets().await.unwrap();
    let upload = model.create_multipart(BUCKET, "k", CreateMultipart::default()).await.unwrap();
    upload_part(&model, self::upload("k", &upload), 1, "part").await;
    let part = UploadPart { upload: self::upload("k", &upload), number: 2, checksum: None };
    let large = Payload::from(Bytes::from(vec![0; 100_000]));
    model.upload_part(part, large).await.unwrap();
    assert_eq!(blob_files(directory.path()), 1);
    drop(model);

    let model = open(directory.path());
    assert_eq!(model.list_buckets().await.unwrap(), buckets);
    assert_eq!(model.head_bucket("locked").await.unwrap(), "eu-central-1");
    let lock = model.get_document(&Resource::bucket("locked"), DocumentKind::ObjectLock).await;
    assert_eq!(lock.unwrap(), documents::OBJECT_LOCK_ENABLED);
    model.delete_bucket(BUCKET).await.unwrap();
    assert_eq!(blob_files(directory.path()), 0);
    drop(model);

    let model = open(directory.path());
    assert_eq!(model.list_buckets().await.unwrap().len(), 1);
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    let uploads = model.list_uploads(BUCKET, ListUploads::default()).await.unwrap();
    assert_eq!(uploads.uploads, []);
    drop(model);
    assert_eq!(blob_rows(directory.path()), 0);
}

#[tokio::test]
async fn versions_survive_a_restart_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put(&model, "k", "null").await;
    enable_versioning(&model).await;
    put(&model, "k", "first").await;
    put(&model, "k", "second").await;
    model.delete_object(BUCKET, "k", DeleteObject::default()).await.unwrap();
    let list = ListVersions::default;
    let before = model.list_versions(BUCKET, list()).await.unwrap();
    assert_eq!(before.versions.len(), 4);
    drop(model);

    let model = open(directory.path());
    assert_eq!(model.list_versions(BUCKET, list()).await.unwrap().versions, before.versions);
    let marker = before.versions[0].version_id.clone();
    let undelete = DeleteObject { version: Some(marker), ..DeleteObject::default() };
    model.delete_object(BUCKET, "k", undelete).await.unwrap();
    drop(model);
    assert_eq!(get(&open(directory.path()), "k").await, "second");
}

#[tokio::test]
async fn an_upload_survives_a_restart_and_can_be_completed() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    let create = CreateMultipart {
        write: WriteOptions { attributes: rich_attributes(), ..WriteOptions::default() },
        checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject)),
    };
    let id = model.create_multipart(BUCKET, "k", create).await.unwrap();
    let first = upload_part(&model, upload("k", &id), 1, "1234").await;
    drop(model);

    let model = open(directory.path());
    let listed = model.list_parts(upload("k", &id), None).await.unwrap().parts;
    assert_eq!(listed.iter().map(|part| &part.part).collect::<Vec<_>>(), [&first]);
    let second = upload_part(&model, upload("k", &id), 2, "56789").await;
    let complete = CompleteMultipart::default();
    let parts = vec![first, second];
    let written = model.complete_multipart(upload("k", &id), parts, complete).await.unwrap();
    assert_eq!(written.checksum.unwrap().value, "y/Q5Jg==");
    drop(model);

    let model = open(directory.path());
    assert_eq!(get(&model, "k").await, "123456789");
    let head = model.head_object(BUCKET, "k", HeadObject::default()).await.unwrap();
    assert_eq!((head.attributes, head.parts), (rich_attributes(), Some(2)));
    let again = model.list_parts(upload("k", &id), None).await.unwrap_err();
    assert_eq!(again.code, "NoSuchUpload");
}

#[tokio::test]
async fn files_that_nothing_names_are_swept_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put_large(&model, "k").await;
    drop(model);
    let blobs = directory.path().join(BLOBS_DIRECTORY);
    std::fs::write(blobs.join("0123456789abcdef0123456789abcdef"), "orphan").unwrap();
    std::fs::write(blobs.join("fedcba9876543210.incoming"), "draft").unwrap();
    let model = open(directory.path());
    assert_eq!(blob_files(directory.path()), 1);
    assert_eq!(get(&model, "k").await.len(), 100_000);
}

#[tokio::test]
async fn rows_that_nothing_names_are_swept_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put(&model, "kept", "kept").await;
    put(&model, "gone", "gone").await;
    delete(&model, "gone").await;
    drop(model);
    assert_eq!(blob_rows(directory.path()), 2);
    let model = open(directory.path());
    put(&model, "empty", "").await;
    assert_eq!(get(&model, "kept").await, "kept");
    drop(model);
    assert_eq!(blob_rows(directory.path()), 1);
}

#[tokio::test]
async fn files_go_with_the_last_object_that_shares_them() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put_large(&model, "a").await;
    copy(&model, "a", "b").await;
    assert_eq!(blob_files(directory.path()), 1);
    put_large(&model, "a").await;
    drop(model);
    let model = open(directory.path());
    assert_eq!(get(&model, "b").await.len(), 100_000);
    assert_eq!(blob_files(directory.path()), 2);
    delete(&model, "b").await;
    assert_eq!(blob_files(directory.path()), 1);
}

#[tokio::test]
async fn rows_go_with_the_last_object_that_shares_them() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put(&model, "a", "shared").await;
    copy(&model, "a", "b").await;
    put(&model, "a", "replaced").await;
    drop(model);
    assert_eq!((blob_files(directory.path()), blob_rows(directory.path())), (0, 2));
    let model = open(directory.path());
    assert_eq!(get(&model, "b").await, "shared");
    delete(&model, "b").await;
    put(&model, "c", "next").await;
    assert_eq!(get(&model, "a").await, "replaced");
    drop(model);
    assert_eq!(blob_rows(directory.path()), 2);
}

#[tokio::test]
async fn a_body_goes_on_while_its_object_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    for model in [in_memory().await, opened_with_bucket(directory.path()).await] {
        put(&model, "k", "old").await;
        let got = model.get_object(BUCKET, "k", GetObject::default()).await.unwrap();
        put(&model, "k", "new").await;
        put(&model, "other", "next").await;
        assert_eq!(text_of(got).await, "old");
        assert_eq!(get(&model, "k").await, "new");
    }
}

#[tokio::test]
async fn a_directory_has_one_model_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let model = open(directory.path());
    let second = Model::open(directory.path(), Arc::new(SystemClock::new()), options());
    assert_eq!(second.err().unwrap().kind, ErrorKind::Conflict);
    drop(model);
    drop(open(directory.path()));
}

#[tokio::test]
async fn of_many_writers_who_ask_for_absence_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    for model in [in_memory().await, opened_with_bucket(directory.path()).await] {
        let writers = (0..20).map(|_| {
            let conditions = Conditions::absent();
            let options = WriteOptions { conditions, ..WriteOptions::default() };
            model.put_object(BUCKET, "k", body("mine"), options)
        });
        let results = join_all(writers).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let lost = results.into_iter().filter_map(Result::err);
        assert!(lost.into_iter().all(|error| error.kind == ErrorKind::Precondition));
    }
}

#[tokio::test]
async fn many_changes_at_once_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    let keys: Vec<_> = (0..100).map(|n| format!("{n:02}")).collect();
    join_all(keys.iter().map(|key| put(&model, key, "text"))).await;
    let deleted = keys[50..].iter().map(|key| ObjectIdentifier { key: key.clone(), version: None });
    let results = model.delete_objects(BUCKET, deleted.collect()).await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    drop(model);
    let model = open(directory.path());
    let page = model.list_objects(BUCKET, ListObjects::default()).await.unwrap();
    let listed: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
    assert_eq!(listed, keys[..50]);
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let model = opened_with_bucket(directory.path()).await;
    put(&model, "k", "there").await;
    put_large(&model, "large").await;
    let refused = WriteOptions { conditions: Conditions::absent(), ..WriteOptions::default() };
    model.put_object(BUCKET, "k", body("refused"), refused).await.unwrap_err();
    let broken = StoreError::new(ErrorKind::Timeout, "RequestTimeout", "gone");
    let chunks = vec![Ok(Bytes::from(vec![0; 3 << 20])), Err(broken)];
    let payload = Payload::Stream { bytes: 4 << 20, stream: Box::pin(stream::iter(chunks)) };
    let error = model.put_object(BUCKET, "k", payload, WriteOptions::default()).await.unwrap_err();
    assert_eq!(error.code, "RequestTimeout");
    assert_eq!(get(&model, "k").await, "there");
    drop(model);
    assert_eq!(blob_rows(directory.path()), 1);
    let model = open(directory.path());
    assert_eq!(blob_files(directory.path()), 1);
    assert_eq!(get(&model, "k").await, "there");
}

#[tokio::test]
async fn a_copy_of_parts_is_one_piece_with_the_md5_of_its_bytes() {
    let model = in_memory().await;
    let whole = put(&model, "whole", "123456789").await;
    let id = model.create_multipart(BUCKET, "k", CreateMultipart::default()).await.unwrap();
    let first = upload_part(&model, upload("k", &id), 1, "1234").await;
    let source = |key: &str| CopySource {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
        ..CopySource::default()
    };
    let part = UploadPart { upload: upload("k", &id), number: 2, checksum: None };
    let range = Some(Range::Span { start: 4, end: 9 });
    let second = model.upload_part_copy(part, source("whole"), range).await.unwrap();
    let complete = CompleteMultipart::default();
    model.complete_multipart(upload("k", &id), vec![first, second], complete).await.unwrap();
    let copied = model.copy_object(source("k"), BUCKET, "copy", CopyObject::default()).await;
    assert_eq!(copied.unwrap().etag, whole.etag);
    assert_eq!(get(&model, "copy").await, "123456789");
    let head = model.head_object(BUCKET, "copy", HeadObject::default()).await.unwrap();
    assert_eq!(head.parts, None);
}

#[tokio::test]
async fn an_object_is_copied_onto_itself_only_to_change_it() {
    let model = in_memory().await;
    put(&model, "k", "text").await;
    let source =
        || CopySource { bucket: BUCKET.to_owned(), key: "k".to_owned(), ..CopySource::default() };
    let same = model.copy_object(source(), BUCKET, "k", CopyObject::default()).await;
    assert_eq!(same.unwrap_err().code, "InvalidRequest");
    let change = CopyObject {
        replace_attributes: Some(rich_attributes()),
        storage_class: Some("STANDARD_IA".to_owned()),
        conditions: Conditions::matching(ETag::new("1cb251ec0d568de6a929b520c4aed8d1")),
        ..CopyObject::default()
    };
    model.copy_object(source(), BUCKET, "k", change).await.unwrap();
    let head = model.head_object(BUCKET, "k", HeadObject::default()).await.unwrap();
    assert_eq!(head.attributes.metadata, rich_attributes().metadata);
    assert_eq!(head.attributes.storage_class.as_deref(), Some("STANDARD_IA"));
    assert_eq!(head.attributes.encryption, None);
}

#[tokio::test(start_paused = true)]
async fn an_archived_object_is_restored_in_the_clocks_own_time() {
    let clock = Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH));
    let model = Model::in_memory(clock, options());
    model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
    let attributes = ObjectAttributes {
        storage_class: Some("GLACIER".to_owned()),
        ..ObjectAttributes::default()
    };
    let write = WriteOptions { attributes, ..WriteOptions::default() };
    model.put_object(BUCKET, "k", body("cold"), write).await.unwrap();
    let archived = model.get_object(BUCKET, "k", GetObject::default()).await.err().unwrap();
    assert_eq!(archived.kind, ErrorKind::Archived);
    let ask = RestoreObject { days: 1, tier: None };
    model.restore_object(BUCKET, "k", ask).await.unwrap();
    let head = model.head_object(BUCKET, "k", HeadObject::default()).await.unwrap();
    assert_eq!(head.restore, Some(Restore::Ongoing));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(get(&model, "k").await, "cold");
    tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
    assert!(model.get_object(BUCKET, "k", GetObject::default()).await.is_err());
}

/// An object with two versions in a bucket with object lock; answers the first one.
async fn locked_version(model: &Model) -> Resource {
    let create = CreateBucket { object_lock: true, ..CreateBucket::default() };
    model.create_bucket("locked", create).await.unwrap();
    let put = || model.put_object("locked", "k", body("text"), WriteOptions::default());
    let version = put().await.unwrap().version_id;
    put().await.unwrap();
    Resource::Object { bucket: "locked".to_owned(), key: "k".to_owned(), version }
}

#[tokio::test(start_paused = true)]
async fn a_locked_version_is_kept_and_can_be_hidden() {
    let model =
        Model::in_memory(Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH)), options());
    let object = locked_version(&model).await;
    let Resource::Object { version, .. } = object.clone() else { unreachable!() };
    let delete = |version: Option<String>| {
        let options = DeleteObject { version, ..DeleteObject::default() };
        model.delete_object("locked", "k", options)
    };
    let retention = "<Retention><Mode>COMPLIANCE</Mode>\
        <RetainUntilDate>1970-01-01T00:01:00Z</RetainUntilDate></Retention>";
    let kind = DocumentKind::Retention;
    model.put_document(&object, kind, retention.to_owned()).await.unwrap();
    let refused = delete(version.clone()).await.unwrap_err();
    assert_eq!((refused.kind, &*refused.code), (ErrorKind::Forbidden, "AccessDenied"));
    let identifier = ObjectIdentifier { key: "k".to_owned(), version: version.clone() };
    let batch = model.delete_objects("locked", vec![identifier]).await.unwrap();
    assert_eq!(batch[0].as_ref().unwrap_err().code, "AccessDenied");
    assert!(delete(None).await.unwrap().delete_marker);

    tokio::time::advance(Duration::from_mins(1)).await;
    let late = model.put_document(&object, kind, retention.to_owned()).await.unwrap_err();
    assert_eq!((late.kind, &*late.code), (ErrorKind::Invalid, "InvalidArgument"));
    delete(version).await.unwrap();
}

#[tokio::test]
async fn a_lock_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let model = open(directory.path());
    let object = locked_version(&model).await;
    let hold = "<LegalHold><Status>ON</Status></LegalHold>".to_owned();
    model.put_document(&object, DocumentKind::LegalHold, hold).await.unwrap();
    drop(model);

    let model = open(directory.path());
    let Resource::Object { version, .. } = object else { unreachable!() };
    let delete = DeleteObject { version, ..DeleteObject::default() };
    let refused = model.delete_object("locked", "k", delete).await.unwrap_err();
    assert_eq!(refused.code, "AccessDenied");
}

#[tokio::test]
async fn a_bucket_with_object_lock_keeps_its_versions() {
    let model = in_memory().await;
    locked_version(&model).await;
    let suspended = documents::VERSIONING_ENABLED.replace("Enabled<", "Suspended<");
    let suspend = |bucket: &str| {
        let bucket = Resource::bucket(bucket);
        let (model, text) = (&model, suspended.clone());
        async move { model.put_document(&bucket, DocumentKind::Versioning, text).await }
    };
    assert_eq!(suspend("locked").await.unwrap_err().code, "InvalidBucketState");
    suspend(BUCKET).await.unwrap();
}

#[tokio::test]
async fn a_body_that_is_not_what_its_checksum_says_is_refused() {
    let model = in_memory().await;
    let checksum =
        Some(Checksum { algorithm: ChecksumAlgorithm::Crc32C, value: "AAAAAA==".to_owned() });
    let options = WriteOptions { checksum, ..WriteOptions::default() };
    let error = model.put_object(BUCKET, "k", body("text"), options).await.unwrap_err();
    assert_eq!(error.code, "BadDigest");
    let head = model.head_object(BUCKET, "k", HeadObject::default()).await;
    assert_eq!(head.unwrap_err().code, "NoSuchKey");
}

#[tokio::test]
async fn a_completed_upload_is_checked_against_the_checksum_of_the_whole() {
    let model = in_memory().await;
    let crc = Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject));
    let expect = |value: &str| CompleteMultipart {
        checksum: Some(Checksum { algorithm: ChecksumAlgorithm::Crc32, value: value.to_owned() }),
        ..CompleteMultipart::default()
    };
    for (checksum, value, expected) in [
        (crc, "AAAAAA==", Some("BadDigest")),
        (None, "y/Q5Jg==", Some("InvalidRequest")),
        (crc, "y/Q5Jg==", None),
    ] {
        let create = CreateMultipart { checksum, ..CreateMultipart::default() };
        let id = model.create_multipart(BUCKET, "k", create).await.unwrap();
        let part = upload_part(&model, upload("k", &id), 1, "123456789").await;
        let result = model.complete_multipart(upload("k", &id), vec![part], expect(value)).await;
        assert_eq!(result.err().map(|error| error.code).as_deref(), expected);
    }
}

#[tokio::test]
async fn a_model_has_no_address() {
    let model = in_memory().await;
    let error = model.presign_get(BUCKET, "k", Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}
