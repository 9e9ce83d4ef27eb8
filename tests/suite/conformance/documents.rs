//! Configurations: absent, put, read back, deleted.

use std::time::Duration;

use pailfs::store::error::ErrorKind;
use pailfs::store::types::{
    CreateBucket, DeleteObject, DocumentKind, HeadObject, ObjectLock, Payload, Resource,
    WriteOptions,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::conformance::bench::{
    Bench, Failure, Outcome, cases, equal, holds, refused, refused_with,
};

cases![
    cors,
    lifecycle,
    policy,
    bucket_tagging,
    bucket_encryption,
    website,
    public_access_block,
    ownership_controls,
    versioning_is_off_until_enabled,
    request_payment_is_the_owners_until_set,
    notification_is_empty_until_set,
    logging_is_off_until_set,
    object_lock_is_kept_by_a_bucket_made_with_it,
    a_legal_hold_keeps_a_version,
    a_retention_is_kept_until_its_date,
    a_version_is_held_as_it_is_written,
    a_bucket_without_object_lock_holds_nothing,
    a_malformed_document_is_refused,
    a_missing_bucket_has_no_documents,
];

const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// Absent, put, read back with all of `parts` in it, deleted, absent.
async fn check(bench: &Bench, kind: DocumentKind, text: &str, parts: &[&str]) -> Outcome {
    let bucket = Resource::bucket(&bench.bucket);
    let row = kind.row();
    let absent = bench.store.get_document(&bucket, kind).await;
    refused_with("at first", absent, ErrorKind::NotFound, row.missing_code)?;
    bench.store.put_document(&bucket, kind, text.to_owned()).await?;
    check_holds(bench, kind, parts).await?;
    bench.store.delete_document(&bucket, kind).await?;
    let absent = bench.store.get_document(&bucket, kind).await;
    refused_with("at last", absent, ErrorKind::NotFound, row.missing_code)
}

async fn check_holds(bench: &Bench, kind: DocumentKind, parts: &[&str]) -> Outcome {
    let text = bench.store.get_document(&Resource::bucket(&bench.bucket), kind).await?;
    for part in parts {
        holds(&format!("{part} is in {text}"), text.contains(part))?;
    }
    Ok(())
}

async fn cors(bench: &Bench) -> Outcome {
    let text = format!(
        "<CORSConfiguration {NAMESPACE}><CORSRule><ID>one</ID>\
         <AllowedOrigin>https://example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
         <MaxAgeSeconds>30</MaxAgeSeconds></CORSRule></CORSConfiguration>"
    );
    let parts = ["<AllowedOrigin>https://example.com<", "<AllowedMethod>GET<"];
    check(bench, DocumentKind::Cors, &text, &parts).await
}

async fn lifecycle(bench: &Bench) -> Outcome {
    let text = format!(
        "<LifecycleConfiguration {NAMESPACE}><Rule><ID>logs</ID><Status>Enabled</Status>\
         <Filter><Prefix>logs/</Prefix></Filter>\
         <Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>\
         <Expiration><Days>365</Days></Expiration></Rule></LifecycleConfiguration>"
    );
    let parts =
        ["<Prefix>logs/<", "<Days>30<", "<StorageClass>GLACIER<", "<Days>365<", "<ID>logs<"];
    check(bench, DocumentKind::Lifecycle, &text, &parts).await
}

async fn policy(bench: &Bench) -> Outcome {
    let text = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Sid\":\"keep\",\"Effect\":\"Deny\",\
         \"Principal\":\"*\",\"Action\":\"s3:PutBucketWebsite\",\"Resource\":\"arn:aws:s3:::{}\"}}]}}",
        bench.bucket
    );
    check(bench, DocumentKind::Policy, &text, &["s3:PutBucketWebsite", "arn:aws:s3:::", "Deny"])
        .await
}

async fn bucket_tagging(bench: &Bench) -> Outcome {
    let text = format!(
        "<Tagging {NAMESPACE}><TagSet><Tag><Key>team</Key><Value>blue</Value></Tag></TagSet></Tagging>"
    );
    check(bench, DocumentKind::BucketTagging, &text, &["<Key>team<", "<Value>blue<"]).await
}

async fn bucket_encryption(bench: &Bench) -> Outcome {
    let text = format!(
        "<ServerSideEncryptionConfiguration {NAMESPACE}><Rule><ApplyServerSideEncryptionByDefault>\
         <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
         </ServerSideEncryptionConfiguration>"
    );
    let bucket = Resource::bucket(&bench.bucket);
    bench.store.put_document(&bucket, DocumentKind::BucketEncryption, text).await?;
    check_holds(bench, DocumentKind::BucketEncryption, &["<SSEAlgorithm>AES256<"]).await?;
    bench.store.delete_document(&bucket, DocumentKind::BucketEncryption).await?;
    Ok(())
}

async fn website(bench: &Bench) -> Outcome {
    let text = format!(
        "<WebsiteConfiguration {NAMESPACE}><IndexDocument><Suffix>index.html</Suffix>\
         </IndexDocument></WebsiteConfiguration>"
    );
    check(bench, DocumentKind::Website, &text, &["<Suffix>index.html<"]).await
}

async fn public_access_block(bench: &Bench) -> Outcome {
    let text = format!(
        "<PublicAccessBlockConfiguration {NAMESPACE}><BlockPublicAcls>true</BlockPublicAcls>\
         <IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
         <RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    );
    let bucket = Resource::bucket(&bench.bucket);
    bench.store.put_document(&bucket, DocumentKind::PublicAccessBlock, text).await?;
    let parts = ["<BlockPublicAcls>true<", "<IgnorePublicAcls>false<"];
    check_holds(bench, DocumentKind::PublicAccessBlock, &parts).await?;
    bench.store.delete_document(&bucket, DocumentKind::PublicAccessBlock).await?;
    let absent = bench.store.get_document(&bucket, DocumentKind::PublicAccessBlock).await;
    let code = DocumentKind::PublicAccessBlock.row().missing_code;
    refused_with("at last", absent, ErrorKind::NotFound, code)
}

async fn ownership_controls(bench: &Bench) -> Outcome {
    let text = format!(
        "<OwnershipControls {NAMESPACE}><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>\
         </OwnershipControls>"
    );
    let bucket = Resource::bucket(&bench.bucket);
    bench.store.put_document(&bucket, DocumentKind::OwnershipControls, text).await?;
    let parts = ["<ObjectOwnership>ObjectWriter<"];
    check_holds(bench, DocumentKind::OwnershipControls, &parts).await?;
    bench.store.delete_document(&bucket, DocumentKind::OwnershipControls).await?;
    let absent = bench.store.get_document(&bucket, DocumentKind::OwnershipControls).await;
    let code = DocumentKind::OwnershipControls.row().missing_code;
    refused_with("at last", absent, ErrorKind::NotFound, code)
}

/// What S3 answers before and after a document of a kind that is never missing is put.
async fn check_setting(
    bench: &Bench,
    kind: DocumentKind,
    absent: &str,
    body: &str,
    part: &str,
) -> Outcome {
    let bucket = Resource::bucket(&bench.bucket);
    let root = kind.row().root;
    let first = bench.store.get_document(&bucket, kind).await?;
    holds(&format!("{part} is not yet in {first}"), !first.contains(part))?;
    holds(&format!("{absent} is in {first}"), first.contains(absent))?;
    let text = format!("<{root} {NAMESPACE}>{body}</{root}>");
    bench.store.put_document(&bucket, kind, text).await?;
    check_holds(bench, kind, &[part]).await
}

async fn versioning_is_off_until_enabled(bench: &Bench) -> Outcome {
    let (body, part) = ("<Status>Enabled</Status>", "<Status>Enabled<");
    check_setting(bench, DocumentKind::Versioning, "VersioningConfiguration", body, part).await
}

async fn request_payment_is_the_owners_until_set(bench: &Bench) -> Outcome {
    let (body, part) = ("<Payer>Requester</Payer>", "<Payer>Requester<");
    check_setting(bench, DocumentKind::RequestPayment, "<Payer>BucketOwner<", body, part).await
}

async fn notification_is_empty_until_set(bench: &Bench) -> Outcome {
    let (body, part) = ("<EventBridgeConfiguration/>", "<EventBridgeConfiguration");
    check_setting(bench, DocumentKind::Notification, "NotificationConfiguration", body, part).await
}

async fn logging_is_off_until_set(bench: &Bench) -> Outcome {
    let target = bench.another_bucket("logs", CreateBucket::default()).await?;
    let body = format!(
        "<LoggingEnabled><TargetBucket>{target}</TargetBucket>\
         <TargetPrefix>access/</TargetPrefix></LoggingEnabled>"
    );
    let part = "<TargetPrefix>access/<";
    check_setting(bench, DocumentKind::Logging, "BucketLoggingStatus", &body, part).await
}

async fn locked_bucket(bench: &Bench) -> Result<String, Failure> {
    let options = CreateBucket { object_lock: true, ..CreateBucket::default() };
    bench.another_bucket("locked", options).await
}

async fn object_lock_is_kept_by_a_bucket_made_with_it(bench: &Bench) -> Outcome {
    let kind = DocumentKind::ObjectLock;
    let absent = bench.store.get_document(&Resource::bucket(&bench.bucket), kind).await;
    refused_with("without", absent, ErrorKind::NotFound, kind.row().missing_code)?;
    let locked = Resource::bucket(&locked_bucket(bench).await?);
    let text = bench.store.get_document(&locked, kind).await?;
    holds(&format!("it is enabled in {text}"), text.contains("<ObjectLockEnabled>Enabled<"))?;
    let versioning = bench.store.get_document(&locked, DocumentKind::Versioning).await?;
    holds("versioning is on", versioning.contains("<Status>Enabled<"))
}

/// An object in a bucket with object lock, at its version.
async fn locked_object(bench: &Bench) -> Result<Resource, Failure> {
    let bucket = locked_bucket(bench).await?;
    let payload = Payload::empty();
    let written =
        bench.store.put_object(&bucket, "object", payload, WriteOptions::default()).await?;
    Ok(Resource::Object { bucket, key: "object".to_owned(), version: written.version_id })
}

async fn a_legal_hold_keeps_a_version(bench: &Bench) -> Outcome {
    let object = locked_object(bench).await?;
    let Resource::Object { bucket, version, .. } = &object else { return Ok(()) };
    let hold = |status| format!("<LegalHold {NAMESPACE}><Status>{status}</Status></LegalHold>");
    let kind = DocumentKind::LegalHold;
    bench.store.put_document(&object, kind, hold("ON")).await?;
    let text = bench.store.get_document(&object, kind).await?;
    holds(&format!("it is on in {text}"), text.contains("<Status>ON<"))?;
    let delete = DeleteObject { version: version.clone(), ..DeleteObject::default() };
    let deleted = bench.store.delete_object(bucket, "object", delete).await;
    let released = bench.store.put_document(&object, kind, hold("OFF")).await;
    refused("delete of the version", deleted, &[ErrorKind::Forbidden])?;
    released?;
    Ok(())
}

async fn a_retention_is_kept_until_its_date(bench: &Bench) -> Outcome {
    let object = locked_object(bench).await?;
    let Resource::Object { bucket, version, .. } = &object else { return Ok(()) };
    let kind = DocumentKind::Retention;
    let absent = bench.store.get_document(&object, kind).await;
    refused("at first", absent, &[ErrorKind::NotFound])?;
    let past = bench.store.put_document(&object, kind, retention("2001-01-01T00:00:00Z")).await;
    refused("a date in the past", past, &[ErrorKind::Invalid])?;
    let written = bench.store.head_object(bucket, "object", HeadObject::default()).await?;
    let until = OffsetDateTime::from(written.last_modified + Duration::from_secs(3));
    let until = until.format(&Rfc3339).map_err(|error| Failure::new(&error.to_string()))?;
    bench.store.put_document(&object, kind, retention(&until)).await?;
    let text = bench.store.get_document(&object, kind).await?;
    holds(&format!("it is kept in {text}"), text.contains("<Mode>GOVERNANCE<"))?;
    for _ in 0..100 {
        let options = DeleteObject { version: version.clone(), ..DeleteObject::default() };
        if bench.store.delete_object(bucket, "object", options).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new("the version can't be deleted long after its date"))
}

fn held() -> WriteOptions {
    let lock = ObjectLock { legal_hold: Some(true), ..ObjectLock::default() };
    WriteOptions { lock, ..WriteOptions::default() }
}

async fn a_version_is_held_as_it_is_written(bench: &Bench) -> Outcome {
    let bucket = locked_bucket(bench).await?;
    let written = bench.store.put_object(&bucket, "object", Payload::empty(), held()).await?;
    let version = written.version_id;
    let object = Resource::Object {
        bucket: bucket.clone(),
        key: "object".to_owned(),
        version: version.clone(),
    };
    let kind = DocumentKind::LegalHold;
    let text = bench.store.get_document(&object, kind).await?;
    let delete = DeleteObject { version, ..DeleteObject::default() };
    let deleted = bench.store.delete_object(&bucket, "object", delete).await;
    let release = format!("<LegalHold {NAMESPACE}><Status>OFF</Status></LegalHold>");
    bench.store.put_document(&object, kind, release).await?;
    holds(&format!("it is on in {text}"), text.contains("<Status>ON<"))?;
    refused("delete of the version", deleted, &[ErrorKind::Forbidden])
}

async fn a_bucket_without_object_lock_holds_nothing(bench: &Bench) -> Outcome {
    let put = bench.put_with("object", "bytes", held()).await;
    refused("put", put, &[ErrorKind::Invalid])
}

fn retention(until: &str) -> String {
    format!(
        "<Retention {NAMESPACE}><Mode>GOVERNANCE</Mode>\
         <RetainUntilDate>{until}</RetainUntilDate></Retention>"
    )
}

async fn a_malformed_document_is_refused(bench: &Bench) -> Outcome {
    let bucket = Resource::bucket(&bench.bucket);
    for (kind, text) in [
        (DocumentKind::Cors, "<CORSConfiguration><CORSRule>"),
        (DocumentKind::Lifecycle, "not xml"),
        (DocumentKind::Policy, "{\"Version\":"),
    ] {
        let put = bench.store.put_document(&bucket, kind, text.to_owned()).await;
        refused(&format!("{kind:?}"), put, &[ErrorKind::Invalid])?;
    }
    let kept = bench.store.get_document(&bucket, DocumentKind::Cors).await;
    equal("nothing is kept", kept.is_err(), true)
}

async fn a_missing_bucket_has_no_documents(bench: &Bench) -> Outcome {
    let missing = Resource::bucket(&format!("{}-missing", bench.bucket));
    for kind in [DocumentKind::Cors, DocumentKind::Versioning, DocumentKind::Policy] {
        let got = bench.store.get_document(&missing, kind).await;
        refused_with(&format!("{kind:?}"), got, ErrorKind::NotFound, "NoSuchBucket")?;
    }
    Ok(())
}
