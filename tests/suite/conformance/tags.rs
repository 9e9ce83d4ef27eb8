//! Tags of objects.

use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{GetObject, Resource, Tags, WriteOptions};

use crate::conformance::bench::{Bench, Outcome, cases, equal, refused};

cases![
    tags_come_back_and_can_be_removed,
    an_object_can_be_written_with_tags,
    tags_leave_the_object_as_it_was,
    a_get_counts_the_tags,
    ten_tags_are_the_limit,
    a_tag_key_has_at_most_128_characters,
    a_missing_object_has_no_tags,
];

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn put(bench: &Bench, tags: Tags) -> StoreResult<()> {
    bench.store.put_tags(&Resource::object(&bench.bucket, "object"), tags).await
}

async fn get(bench: &Bench) -> StoreResult<Tags> {
    bench.store.get_tags(&Resource::object(&bench.bucket, "object")).await
}

async fn tags_come_back_and_can_be_removed(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    equal("tags of a new object", get(bench).await?, Tags::new())?;
    let given =
        tags(&[("project", "blue sky"), ("a+b=c/d", "x_y-z.:@"), ("empty", ""), ("é", "ü")]);
    put(bench, given.clone()).await?;
    equal("tags", get(bench).await?, given)?;
    put(bench, tags(&[("only", "one")])).await?;
    equal("replaced", get(bench).await?, tags(&[("only", "one")]))?;
    put(bench, Tags::new()).await?;
    equal("removed", get(bench).await?, Tags::new())
}

async fn an_object_can_be_written_with_tags(bench: &Bench) -> Outcome {
    let given = tags(&[("a key", "a value"), ("k", "x+y=z")]);
    let options = WriteOptions { tags: Some(given.clone()), ..WriteOptions::default() };
    bench.put_with("object", "bytes", options).await?;
    equal("tags", get(bench).await?, given)?;
    bench.put("object", "new").await?;
    equal("tags of the object that replaced it", get(bench).await?, Tags::new())
}

async fn tags_leave_the_object_as_it_was(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    let before = bench.head("object").await?;
    put(bench, tags(&[("k", "v")])).await?;
    let after = bench.head("object").await?;
    equal("etag", after.etag, before.etag)?;
    equal("time", after.last_modified, before.last_modified)
}

async fn a_get_counts_the_tags(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    put(bench, tags(&[("a", "1"), ("b", "2")])).await?;
    let got = bench.store.get_object(&bench.bucket, "object", GetObject::default()).await?;
    equal("tag count", got.head.tag_count, Some(2))
}

async fn ten_tags_are_the_limit(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    let many = |count: usize| (0..count).map(|n| (format!("k{n}"), "v".to_owned())).collect();
    put(bench, many(10)).await?;
    refused("an eleventh", put(bench, many(11)).await, &[ErrorKind::Invalid])?;
    equal("tags", get(bench).await?.len(), 10)
}

async fn a_tag_key_has_at_most_128_characters(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    put(bench, tags(&[(&"k".repeat(128), "v")])).await?;
    let over = put(bench, tags(&[(&"k".repeat(129), "v")])).await;
    refused("one more", over, &[ErrorKind::Invalid])
}

async fn a_missing_object_has_no_tags(bench: &Bench) -> Outcome {
    refused("get", get(bench).await, &[ErrorKind::NotFound])?;
    refused("put", put(bench, tags(&[("k", "v")])).await, &[ErrorKind::NotFound])
}
