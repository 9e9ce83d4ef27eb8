//! Part copies: parts of a multipart upload that S3 takes from an object it has.

use pailfs::store::UploadPart;
use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{Conditions, CopySource, ETag, Part, Payload, Range, WriteOptions};

use crate::conformance::bench::{Bench, Outcome, cases, equal, holds, pattern, refused};
use crate::conformance::multipart::Run;

cases![
    a_whole_object_becomes_a_part,
    ranges_of_an_object_become_parts_between_new_bytes,
    a_part_is_copied_only_if_the_source_matches,
    a_range_outside_the_source_is_refused,
    a_missing_source_is_not_found,
    a_source_key_may_hold_any_character,
];

const PART_BYTES: usize = 5 << 20;

async fn put_source(bench: &Bench, key: &str, bytes: usize) -> Result<ETag, super::bench::Failure> {
    let payload = Payload::from(pattern(bytes, 9));
    let written =
        bench.store.put_object(&bench.bucket, key, payload, WriteOptions::default()).await?;
    Ok(written.etag)
}

fn source(bench: &Bench, key: &str) -> CopySource {
    CopySource { bucket: bench.bucket.clone(), key: key.to_owned(), ..CopySource::default() }
}

async fn copy(
    bench: &Bench,
    run: &Run<'_>,
    number: u32,
    source: CopySource,
    range: Option<Range>,
) -> StoreResult<Part> {
    let part = UploadPart { upload: run.upload(), number, checksum: None };
    bench.store.upload_part_copy(part, source, range).await
}

async fn a_whole_object_becomes_a_part(bench: &Bench) -> Outcome {
    put_source(bench, "source", 1000).await?;
    let run = Run::start(bench, "object").await?;
    let part = copy(bench, &run, 1, source(bench, "source"), None).await?;
    equal("number", part.number, 1)?;
    run.complete(vec![part]).await?;
    holds("the bytes are the source's", bench.get("object").await? == pattern(1000, 9))
}

async fn ranges_of_an_object_become_parts_between_new_bytes(bench: &Bench) -> Outcome {
    put_source(bench, "source", 12 << 20).await?;
    let run = Run::start(bench, "object").await?;
    let end = PART_BYTES as u64;
    let head = Range::Span { start: 0, end };
    let tail = Range::Span { start: end + 100, end: end + 103 };
    let parts = vec![
        copy(bench, &run, 1, source(bench, "source"), Some(head)).await?,
        run.put(2, &pattern(PART_BYTES, 2)).await?,
        copy(bench, &run, 3, source(bench, "source"), Some(tail)).await?,
    ];
    run.complete(parts).await?;
    let bytes = pattern(12 << 20, 9);
    let tail = bytes.slice(PART_BYTES + 100..PART_BYTES + 103);
    let expected = [bytes.slice(..PART_BYTES), pattern(PART_BYTES, 2), tail].concat();
    holds("the bytes are those of the parts", bench.get("object").await? == expected)
}

async fn a_part_is_copied_only_if_the_source_matches(bench: &Bench) -> Outcome {
    let etag = put_source(bench, "source", 1000).await?;
    let run = Run::start(bench, "object").await?;
    let other = ETag::new("00000000000000000000000000000000");
    let matching =
        |etag| CopySource { conditions: Conditions::matching(etag), ..source(bench, "source") };
    let refusal = copy(bench, &run, 1, matching(other), None).await;
    refused("another version", refusal, &[ErrorKind::Precondition])?;
    copy(bench, &run, 1, matching(etag), None).await?;
    Ok(())
}

async fn a_range_outside_the_source_is_refused(bench: &Bench) -> Outcome {
    put_source(bench, "source", 1000).await?;
    let run = Run::start(bench, "object").await?;
    let kinds = [ErrorKind::Invalid, ErrorKind::Range];
    for (start, end) in [(0, 1001), (1000, 1010)] {
        let range = Range::Span { start, end };
        let copied = copy(bench, &run, 1, source(bench, "source"), Some(range)).await;
        refused(&format!("{range:?}"), copied, &kinds)?;
    }
    Ok(())
}

async fn a_missing_source_is_not_found(bench: &Bench) -> Outcome {
    let run = Run::start(bench, "object").await?;
    let copied = copy(bench, &run, 1, source(bench, "missing"), None).await;
    refused("copy", copied, &[ErrorKind::NotFound])
}

async fn a_source_key_may_hold_any_character(bench: &Bench) -> Outcome {
    let key = "a b+c%20d?e#f&g=é";
    put_source(bench, key, 10).await?;
    let run = Run::start(bench, "object").await?;
    let part = copy(bench, &run, 1, source(bench, key), None).await?;
    run.complete(vec![part]).await?;
    holds("the bytes are the source's", bench.get("object").await? == pattern(10, 9))
}
