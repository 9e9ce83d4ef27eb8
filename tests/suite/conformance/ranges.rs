//! Ranges: some of an object's bytes.

use pailfs::store::error::ErrorKind;
use pailfs::store::types::{Conditions, ETag, GetObject, Range};

use crate::conformance::bench::{Bench, Outcome, cases, collect, equal, refused};

cases![
    a_span_gives_its_bytes,
    a_range_to_the_end_gives_the_rest,
    the_last_bytes_can_be_asked_for,
    a_range_past_the_end_stops_at_the_end,
    a_range_behind_the_end_is_refused,
    an_empty_object_has_no_range,
    a_range_of_another_version_is_refused,
];

const TEXT: &str = "0123456789";

/// Gets the range and checks the bytes, their offsets, and that the size is the whole object's.
async fn check(bench: &Bench, range: Range, start: u64, expected: &str) -> Outcome {
    let options = GetObject { range: Some(range), ..GetObject::default() };
    let got = bench.store.get_object(&bench.bucket, "object", options).await?;
    equal(&format!("{range:?}: size"), got.head.size, TEXT.len() as u64)?;
    let offsets = start..start + expected.len() as u64;
    equal(&format!("{range:?}: offsets"), got.range, offsets)?;
    let bytes = collect(got.body).await?;
    equal(&format!("{range:?}: bytes"), String::from_utf8_lossy(&bytes).as_ref(), expected)
}

async fn check_refused(bench: &Bench, range: Range) -> Outcome {
    let options = GetObject { range: Some(range), ..GetObject::default() };
    let got = bench.get_with("object", options).await;
    refused(&format!("{range:?}"), got, &[ErrorKind::Range])
}

async fn a_span_gives_its_bytes(bench: &Bench) -> Outcome {
    bench.put("object", TEXT).await?;
    check(bench, Range::Span { start: 0, end: 1 }, 0, "0").await?;
    check(bench, Range::Span { start: 3, end: 7 }, 3, "3456").await?;
    check(bench, Range::Span { start: 9, end: 10 }, 9, "9").await?;
    check(bench, Range::Span { start: 0, end: 10 }, 0, TEXT).await
}

async fn a_range_to_the_end_gives_the_rest(bench: &Bench) -> Outcome {
    bench.put("object", TEXT).await?;
    check(bench, Range::From { start: 0 }, 0, TEXT).await?;
    check(bench, Range::From { start: 9 }, 9, "9").await
}

async fn the_last_bytes_can_be_asked_for(bench: &Bench) -> Outcome {
    bench.put("object", TEXT).await?;
    check(bench, Range::Last { bytes: 3 }, 7, "789").await?;
    check(bench, Range::Last { bytes: 99 }, 0, TEXT).await
}

async fn a_range_past_the_end_stops_at_the_end(bench: &Bench) -> Outcome {
    bench.put("object", TEXT).await?;
    check(bench, Range::Span { start: 8, end: 4000 }, 8, "89").await
}

async fn a_range_behind_the_end_is_refused(bench: &Bench) -> Outcome {
    bench.put("object", TEXT).await?;
    check_refused(bench, Range::From { start: 10 }).await?;
    check_refused(bench, Range::Span { start: 10, end: 12 }).await?;
    check_refused(bench, Range::Span { start: 5000, end: 5001 }).await
}

async fn an_empty_object_has_no_range(bench: &Bench) -> Outcome {
    bench.put("object", "").await?;
    check_refused(bench, Range::From { start: 0 }).await?;
    check_refused(bench, Range::Span { start: 0, end: 1 }).await
}

async fn a_range_of_another_version_is_refused(bench: &Bench) -> Outcome {
    bench.put("object", TEXT).await?;
    let options = GetObject {
        range: Some(Range::Span { start: 0, end: 4 }),
        conditions: Conditions::matching(ETag::new("00000000000000000000000000000000")),
        ..GetObject::default()
    };
    refused("get", bench.get_with("object", options).await, &[ErrorKind::Precondition])
}
