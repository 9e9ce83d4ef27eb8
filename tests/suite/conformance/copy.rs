//! Copies: what rides along, what does not, and when.

use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{
    CannedAcl, Conditions, CopyObject, CopySource, CreateBucket, ETag, EtagCondition,
    ObjectAttributes, Resource, Tags, WriteOptions, Written,
};

use crate::conformance::bench::{Bench, Outcome, cases, equal, refused, refused_with};

cases![
    a_copy_has_the_bytes_metadata_and_tags_of_its_source,
    a_copy_can_have_new_metadata,
    a_copy_can_have_new_tags,
    a_copy_has_its_own_storage_class,
    a_copy_has_its_own_acl,
    a_copy_onto_itself_must_change_something,
    a_copy_onto_itself_with_new_metadata_keeps_the_bytes,
    a_copy_across_buckets_is_a_copy,
    a_missing_source_is_not_found,
    a_copy_is_made_only_if_the_source_matches,
    a_copy_if_absent_leaves_an_object_alone,
    a_copy_if_match_replaces_that_version_alone,
];

fn source(bench: &Bench) -> CopySource {
    CopySource { bucket: bench.bucket.clone(), key: "source".to_owned(), ..CopySource::default() }
}

async fn copy(bench: &Bench, key: &str, options: CopyObject) -> StoreResult<Written> {
    bench.store.copy_object(source(bench), &bench.bucket, key, options).await
}

fn attributes(content_type: &str, mode: &str) -> ObjectAttributes {
    ObjectAttributes {
        content_type: Some(content_type.to_owned()),
        metadata: [("mode".to_owned(), mode.to_owned())].into(),
        ..ObjectAttributes::default()
    }
}

fn tags(value: &str) -> Tags {
    Tags::from([("kind".to_owned(), value.to_owned())])
}

/// An object with everything that could ride along.
async fn put_source(bench: &Bench) -> StoreResult<Written> {
    let mut attributes = attributes("text/plain", "1");
    attributes.storage_class = Some("STANDARD_IA".to_owned());
    let options = WriteOptions {
        attributes,
        tags: Some(tags("old")),
        acl: Some(CannedAcl::PublicRead),
        ..WriteOptions::default()
    };
    bench.put_with("source", "bytes", options).await
}

/// Content type and mode of an object, and its tags.
async fn check(bench: &Bench, key: &str, expected: (&str, &str, &str)) -> Outcome {
    let head = bench.head(key).await?;
    let kept = head.attributes;
    equal("content type", kept.content_type.as_deref(), Some(expected.0))?;
    equal("metadata", kept.metadata.get("mode").map(String::as_str), Some(expected.1))?;
    let resource = Resource::object(&bench.bucket, key);
    equal("tags", bench.store.get_tags(&resource).await?, tags(expected.2))?;
    equal("bytes", bench.get(key).await?, b"bytes".to_vec())
}

async fn a_copy_has_the_bytes_metadata_and_tags_of_its_source(bench: &Bench) -> Outcome {
    let written = put_source(bench).await?;
    let copied = copy(bench, "copy", CopyObject::default()).await?;
    equal("etag", &copied.etag, &written.etag)?;
    equal("time is said", copied.last_modified.is_some(), true)?;
    check(bench, "copy", ("text/plain", "1", "old")).await?;
    check(bench, "source", ("text/plain", "1", "old")).await
}

async fn a_copy_can_have_new_metadata(bench: &Bench) -> Outcome {
    put_source(bench).await?;
    let replace_attributes = Some(attributes("text/html", "2"));
    copy(bench, "copy", CopyObject { replace_attributes, ..CopyObject::default() }).await?;
    check(bench, "copy", ("text/html", "2", "old")).await
}

async fn a_copy_can_have_new_tags(bench: &Bench) -> Outcome {
    put_source(bench).await?;
    let options = CopyObject { replace_tags: Some(tags("new")), ..CopyObject::default() };
    copy(bench, "copy", options).await?;
    check(bench, "copy", ("text/plain", "1", "new")).await
}

async fn a_copy_has_its_own_storage_class(bench: &Bench) -> Outcome {
    put_source(bench).await?;
    copy(bench, "standard", CopyObject::default()).await?;
    let class = bench.head("standard").await?.attributes.storage_class;
    equal("none asked for", class.unwrap_or("STANDARD".to_owned()).as_str(), "STANDARD")?;
    let storage_class = Some("ONEZONE_IA".to_owned());
    copy(bench, "onezone", CopyObject { storage_class, ..CopyObject::default() }).await?;
    let class = bench.head("onezone").await?.attributes.storage_class;
    equal("one asked for", class.as_deref(), Some("ONEZONE_IA"))
}

async fn a_copy_has_its_own_acl(bench: &Bench) -> Outcome {
    put_source(bench).await?;
    copy(bench, "private", CopyObject::default()).await?;
    let options = CopyObject { acl: Some(CannedAcl::PublicRead), ..CopyObject::default() };
    copy(bench, "public", options).await?;
    for (key, grants) in [("private", 1), ("public", 2)] {
        let acl = bench.store.get_acl(&Resource::object(&bench.bucket, key)).await?;
        equal(&format!("grants of {key}"), acl.grants.len(), grants)?;
    }
    Ok(())
}

async fn a_copy_onto_itself_must_change_something(bench: &Bench) -> Outcome {
    bench.put("source", "bytes").await?;
    let copied = copy(bench, "source", CopyObject::default()).await;
    refused_with("copy", copied, ErrorKind::Invalid, "InvalidRequest")
}

async fn a_copy_onto_itself_with_new_metadata_keeps_the_bytes(bench: &Bench) -> Outcome {
    let written = put_source(bench).await?;
    let options = CopyObject {
        replace_attributes: Some(attributes("text/html", "2")),
        ..CopyObject::default()
    };
    let copied = copy(bench, "source", options).await?;
    equal("etag", copied.etag, written.etag)?;
    check(bench, "source", ("text/html", "2", "old")).await
}

async fn a_copy_across_buckets_is_a_copy(bench: &Bench) -> Outcome {
    put_source(bench).await?;
    let there = bench.another_bucket("there", CreateBucket::default()).await?;
    let copied = bench.store.copy_object(source(bench), &there, "copy", CopyObject::default());
    copied.await?;
    let got = bench.store.get_object(&there, "copy", Default::default()).await?;
    equal("size", got.head.size, 5)?;
    refused("get here", bench.get("copy").await, &[ErrorKind::NotFound])
}

async fn a_missing_source_is_not_found(bench: &Bench) -> Outcome {
    let copied = copy(bench, "copy", CopyObject::default()).await;
    refused_with("copy", copied, ErrorKind::NotFound, "NoSuchKey")
}

async fn a_copy_is_made_only_if_the_source_matches(bench: &Bench) -> Outcome {
    let etag = bench.put("source", "bytes").await?.etag;
    let other = ETag::new("00000000000000000000000000000000");
    let unless =
        |etag| Conditions { if_none_match: Some(EtagCondition::Is(etag)), ..Conditions::default() };
    for unmet in [Conditions::matching(other.clone()), unless(etag.clone())] {
        let what = format!("{unmet:?}");
        let from = CopySource { conditions: unmet, ..source(bench) };
        let copied =
            bench.store.copy_object(from, &bench.bucket, "copy", CopyObject::default()).await;
        refused(&what, copied, &[ErrorKind::Precondition])?;
    }
    refused("get", bench.get("copy").await, &[ErrorKind::NotFound])?;
    for met in [Conditions::matching(etag), unless(other)] {
        let from = CopySource { conditions: met, ..source(bench) };
        bench.store.copy_object(from, &bench.bucket, "copy", CopyObject::default()).await?;
    }
    equal("bytes", bench.get("copy").await?, b"bytes".to_vec())
}

async fn a_copy_if_absent_leaves_an_object_alone(bench: &Bench) -> Outcome {
    bench.put("source", "bytes").await?;
    let absent = || CopyObject { conditions: Conditions::absent(), ..CopyObject::default() };
    copy(bench, "copy", absent()).await?;
    equal("bytes", bench.get("copy").await?, b"bytes".to_vec())?;
    bench.put("copy", "theirs").await?;
    refused("copy", copy(bench, "copy", absent()).await, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("copy").await?, b"theirs".to_vec())
}

async fn a_copy_if_match_replaces_that_version_alone(bench: &Bench) -> Outcome {
    bench.put("source", "bytes").await?;
    let old = bench.put("copy", "old").await?.etag;
    let theirs = bench.put("copy", "theirs").await?.etag;
    let matching =
        |etag| CopyObject { conditions: Conditions::matching(etag), ..CopyObject::default() };
    refused("copy", copy(bench, "copy", matching(old)).await, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("copy").await?, b"theirs".to_vec())?;
    copy(bench, "copy", matching(theirs)).await?;
    equal("bytes", bench.get("copy").await?, b"bytes".to_vec())
}
