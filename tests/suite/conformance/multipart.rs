//! Multipart uploads: parts become one object, all at once or not at all.

use bytes::Bytes;
use futures_util::future::try_join_all;
use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{
    CompleteMultipart, Conditions, CreateMultipart, ETag, ListObjects, ListUploads,
    ObjectAttributes, Part, Payload, Resource, Tags, WriteOptions, Written,
};
use pailfs::store::{Upload, UploadPart};

use crate::conformance::bench::{
    Bench, Failure, Outcome, cases, equal, hex, holds, md5, pattern, refused, refused_with,
};

cases![
    parts_become_one_object_with_the_etag_of_their_md5s,
    a_single_small_part_is_enough,
    parts_may_arrive_at_once_and_in_any_order,
    part_numbers_may_have_gaps,
    a_part_sent_again_replaces_the_first,
    parts_left_out_at_the_end_are_left_out,
    a_small_part_before_the_last_is_refused,
    parts_out_of_order_are_refused,
    a_part_that_is_not_there_is_refused,
    a_part_with_another_etag_is_refused,
    an_upload_without_parts_is_refused,
    a_part_number_outside_1_to_10000_is_refused,
    an_upload_is_unseen_until_complete,
    an_aborted_upload_is_gone,
    a_missing_upload_is_not_found,
    the_parts_of_an_upload_are_listed,
    uploads_in_progress_are_listed_until_they_end,
    uploads_are_listed_below_a_prefix_and_in_pages,
    an_upload_keeps_what_was_said_when_it_began,
    a_completion_if_absent_leaves_an_object_alone,
    a_completion_if_match_replaces_that_version_alone,
];

const PART_BYTES: usize = 5 << 20;

/// An upload under way.
pub(super) struct Run<'a> {
    bench: &'a Bench,
    key: &'a str,
    id: String,
}

impl<'a> Run<'a> {
    pub(super) async fn start(bench: &'a Bench, key: &'a str) -> Result<Self, Failure> {
        Self::start_with(bench, key, CreateMultipart::default()).await
    }

    pub(super) async fn start_with(
        bench: &'a Bench,
        key: &'a str,
        options: CreateMultipart,
    ) -> Result<Self, Failure> {
        let id = bench.store.create_multipart(&bench.bucket, key, options).await?;
        Ok(Self { bench, key, id })
    }

    pub(super) fn upload(&self) -> Upload<'_> {
        Upload { bucket: &self.bench.bucket, key: self.key, upload: &self.id }
    }

    pub(super) async fn put(&self, number: u32, bytes: &Bytes) -> StoreResult<Part> {
        let part = UploadPart { upload: self.upload(), number, checksum: None };
        self.bench.store.upload_part(part, Payload::from(bytes.clone())).await
    }

    pub(super) async fn complete(&self, parts: Vec<Part>) -> StoreResult<Written> {
        self.complete_with(parts, CompleteMultipart::default()).await
    }

    pub(super) async fn complete_with(
        &self,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        self.bench.store.complete_multipart(self.upload(), parts, options).await
    }

    pub(super) async fn abort(&self) -> StoreResult<()> {
        self.bench.store.abort_multipart(self.upload()).await
    }
}

async fn parts_become_one_object_with_the_etag_of_their_md5s(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let bytes = [pattern(PART_BYTES, 1), pattern(PART_BYTES + 7, 2), pattern(11, 3)];
    let mut parts = Vec::new();
    for (number, bytes) in (1..).zip(&bytes) {
        parts.push(run.put(number, bytes).await?);
    }
    let written = run.complete(parts).await?;
    let digests: Vec<u8> = bytes.iter().flat_map(|bytes| md5(bytes)).collect();
    equal("etag", written.etag.as_str(), format!("{}-3", hex(&md5(&digests))).as_str())?;
    let head = bench.head("object").await?;
    equal("etag of the object", head.etag, written.etag)?;
    equal("size", head.size, (2 * PART_BYTES + 18) as u64)?;
    holds("the bytes are the parts'", bench.get("object").await? == bytes.concat())
}

async fn a_single_small_part_is_enough(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    let written = run.complete(vec![part]).await?;
    holds("the etag says one part", written.etag.as_str().ends_with("-1"))?;
    holds("the bytes are the part's", bench.get("object").await? == pattern(10, 1))
}

async fn parts_may_arrive_at_once_and_in_any_order(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let bytes = [pattern(PART_BYTES, 1), pattern(PART_BYTES, 2), pattern(5, 3)];
    let puts = [(3, &bytes[2]), (1, &bytes[0]), (2, &bytes[1])];
    let puts = puts.iter().map(|(number, bytes)| run.put(*number, bytes));
    let mut parts = try_join_all(puts).await?;
    parts.sort_by_key(|part| part.number);
    run.complete(parts).await?;
    holds("the bytes are the parts'", bench.get("object").await? == bytes.concat())
}

async fn part_numbers_may_have_gaps(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let bytes = [pattern(PART_BYTES, 1), pattern(3, 2)];
    let parts = vec![run.put(7, &bytes[0]).await?, run.put(10_000, &bytes[1]).await?];
    run.complete(parts).await?;
    holds("the bytes are the parts'", bench.get("object").await? == bytes.concat())
}

async fn a_part_sent_again_replaces_the_first(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    run.put(1, &pattern(10, 1)).await?;
    let part = run.put(1, &pattern(12, 2)).await?;
    run.complete(vec![part]).await?;
    holds("the bytes are the second's", bench.get("object").await? == pattern(12, 2))
}

async fn parts_left_out_at_the_end_are_left_out(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    run.put(2, &pattern(12, 2)).await?;
    run.complete(vec![part]).await?;
    holds("the bytes are the first part's", bench.get("object").await? == pattern(10, 1))
}

async fn a_small_part_before_the_last_is_refused(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let parts =
        vec![run.put(1, &pattern(PART_BYTES - 1, 1)).await?, run.put(2, &pattern(10, 2)).await?];
    let done = run.complete(parts).await;
    refused_with("completion", done, ErrorKind::Invalid, "EntityTooSmall")?;
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])
}

async fn parts_out_of_order_are_refused(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let first = run.put(1, &pattern(PART_BYTES, 1)).await?;
    let second = run.put(2, &pattern(PART_BYTES, 2)).await?;
    let done = run.complete(vec![second, first]).await;
    refused_with("completion", done, ErrorKind::Invalid, "InvalidPartOrder")
}

async fn a_part_that_is_not_there_is_refused(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    let missing = Part { number: 2, ..part.clone() };
    let done = run.complete(vec![part, missing]).await;
    refused_with("completion", done, ErrorKind::Invalid, "InvalidPart")
}

async fn a_part_with_another_etag_is_refused(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    let other = Part { etag: ETag::new("00000000000000000000000000000000"), ..part.clone() };
    let done = run.complete(vec![other]).await;
    refused_with("completion", done, ErrorKind::Invalid, "InvalidPart")?;
    run.complete(vec![part]).await?;
    equal("size once completed rightly", bench.head("object").await?.size, 10)
}

async fn an_upload_without_parts_is_refused(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    refused("completion", run.complete(Vec::new()).await, &[ErrorKind::Invalid])
}

async fn a_part_number_outside_1_to_10000_is_refused(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    refused("part 0", run.put(0, &pattern(1, 1)).await, &[ErrorKind::Invalid])?;
    refused("part 10001", run.put(10_001, &pattern(1, 1)).await, &[ErrorKind::Invalid])
}

async fn an_upload_is_unseen_until_complete(bench: &Bench) -> Outcome {
    bench.put("object", "old").await?;
    let run = Run::start(bench, "object").await?;
    let hidden = Run::start(bench, "other").await?;
    hidden.put(1, &pattern(10, 1)).await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    equal("bytes meanwhile", bench.get("object").await?, b"old".to_vec())?;
    let keys = bench.list(ListObjects::default()).await?.keys;
    equal("listed meanwhile", keys, vec!["object".to_owned()])?;
    run.complete(vec![part]).await?;
    holds("bytes afterwards", bench.get("object").await? == pattern(10, 1))
}

async fn an_aborted_upload_is_gone(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    run.abort().await?;
    let done = run.complete(vec![part]).await;
    refused_with("completion", done, ErrorKind::NotFound, "NoSuchUpload")?;
    let late = run.put(2, &pattern(10, 1)).await;
    refused_with("a late part", late, ErrorKind::NotFound, "NoSuchUpload")?;
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])
}

async fn a_missing_upload_is_not_found(bench: &Bench) -> Outcome {
    let gone = Run::start(bench, "object").await?;
    gone.abort().await?;
    let parts = bench.store.list_parts(gone.upload(), None).await;
    refused_with("list parts", parts, ErrorKind::NotFound, "NoSuchUpload")?;
    refused_with("abort", gone.abort().await, ErrorKind::NotFound, "NoSuchUpload")
}

async fn the_parts_of_an_upload_are_listed(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let mut sent = Vec::new();
    for number in [1, 2, 5] {
        sent.push((number, run.put(number, &pattern(number as usize, 1)).await?.etag));
    }
    let page = bench.store.list_parts(run.upload(), None).await?;
    let sizes: Vec<u64> = page.parts.iter().map(|listed| listed.size).collect();
    equal("sizes", sizes, vec![1, 2, 5])?;
    let listed: Vec<_> =
        page.parts.into_iter().map(|listed| (listed.part.number, listed.part.etag)).collect();
    equal("parts", listed, sent)?;
    let page = bench.store.list_parts(run.upload(), Some(1)).await?;
    let after: Vec<u32> = page.parts.iter().map(|listed| listed.part.number).collect();
    equal("parts after the first", after, vec![2, 5])
}

async fn uploads_in_progress_are_listed_until_they_end(bench: &Bench) -> Outcome {
    let first = Run::start(bench, "first").await?;
    let second = Run::start(bench, "second").await?;
    let page = bench.store.list_uploads(&bench.bucket, ListUploads::default()).await?;
    let listed: Vec<_> =
        page.uploads.into_iter().map(|listed| (listed.key, listed.upload)).collect();
    let expected =
        vec![("first".to_owned(), first.id.clone()), ("second".to_owned(), second.id.clone())];
    equal("uploads", listed, expected)?;
    let part = first.put(1, &pattern(10, 1)).await?;
    first.complete(vec![part]).await?;
    second.abort().await?;
    let page = bench.store.list_uploads(&bench.bucket, ListUploads::default()).await?;
    equal("uploads afterwards", page.uploads, Vec::new())
}

async fn uploads_are_listed_below_a_prefix_and_in_pages(bench: &Bench) -> Outcome {
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        Run::start(bench, key).await?;
    }
    let mut options =
        ListUploads { prefix: "a/".to_owned(), uploads_max: Some(2), ..ListUploads::default() };
    let mut keys = Vec::new();
    loop {
        let page = bench.store.list_uploads(&bench.bucket, options.clone()).await?;
        holds("no page is larger than asked", page.uploads.len() <= 2)?;
        keys.extend(page.uploads.into_iter().map(|listed| listed.key));
        let Some((key, upload)) = page.next else { break };
        (options.key_marker, options.upload_marker) = (Some(key), Some(upload));
    }
    equal("keys", keys, ["a/1", "a/2", "a/3"].map(String::from).to_vec())
}

async fn an_upload_keeps_what_was_said_when_it_began(bench: &Bench) -> Outcome {
    let attributes = ObjectAttributes {
        content_type: Some("text/plain".to_owned()),
        storage_class: Some("STANDARD_IA".to_owned()),
        metadata: [("mode".to_owned(), "33188".to_owned())].into(),
        ..ObjectAttributes::default()
    };
    let tags = Tags::from([("kind".to_owned(), "test".to_owned())]);
    let write = WriteOptions { attributes, tags: Some(tags.clone()), ..WriteOptions::default() };
    let options = CreateMultipart { write, ..CreateMultipart::default() };
    let run = Run::start_with(bench, "object", options).await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    run.complete(vec![part]).await?;
    let kept = bench.head("object").await?.attributes;
    equal("content type", kept.content_type.as_deref(), Some("text/plain"))?;
    equal("storage class", kept.storage_class.as_deref(), Some("STANDARD_IA"))?;
    equal("metadata", kept.metadata.get("mode").map(String::as_str), Some("33188"))?;
    let resource = Resource::object(&bench.bucket, "object");
    equal("tags", bench.store.get_tags(&resource).await?, tags)
}

async fn a_completion_if_absent_leaves_an_object_alone(bench: &Bench) -> Outcome {
    let absent =
        || CompleteMultipart { conditions: Conditions::absent(), ..CompleteMultipart::default() };
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    bench.put("object", "theirs").await?;
    let done = run.complete_with(vec![part], absent()).await;
    refused("completion", done, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("object").await?, b"theirs".to_vec())?;
    let run = Run::start(bench, "new").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    run.complete_with(vec![part], absent()).await?;
    equal("size of a new object", bench.head("new").await?.size, 10)
}

async fn a_completion_if_match_replaces_that_version_alone(bench: &Bench) -> Outcome {
    let matching = |etag| CompleteMultipart {
        conditions: Conditions::matching(etag),
        ..CompleteMultipart::default()
    };
    let old = bench.put("object", "old").await?.etag;
    let theirs = bench.put("object", "theirs").await?.etag;
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    let done = run.complete_with(vec![part], matching(old)).await;
    refused("completion", done, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("object").await?, b"theirs".to_vec())?;
    let run = Run::start(bench, "object").await?;
    let part = run.put(1, &pattern(10, 1)).await?;
    run.complete_with(vec![part], matching(theirs)).await?;
    equal("size afterwards", bench.head("object").await?.size, 10)
}
