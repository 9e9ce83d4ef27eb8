//! Conditions: what happens only if an object is, or is not, what the caller thinks.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{
    Conditions, DeleteObject, ETag, EtagCondition, GetObject, HeadObject, Payload, WriteOptions,
    Written,
};

use crate::conformance::bench::{Bench, Failure, Outcome, cases, equal, holds, pattern, refused};

cases![
    a_put_if_absent_makes_a_new_object,
    a_put_if_absent_leaves_an_object_alone,
    a_put_if_match_replaces_that_version,
    a_put_if_match_leaves_another_version_alone,
    a_put_if_match_makes_nothing_where_nothing_was,
    of_parallel_puts_if_absent_one_succeeds,
    of_parallel_puts_if_match_one_succeeds,
    a_get_if_match_gives_that_version_alone,
    a_get_if_none_match_gives_other_versions_alone,
    a_get_by_time_gives_what_changed_since_or_did_not,
    a_head_keeps_the_same_conditions_as_a_get,
    a_get_with_the_right_etag_and_a_wrong_time_succeeds,
    a_delete_if_match_deletes_that_version,
    a_delete_if_match_leaves_another_version_alone,
];

fn other() -> ETag {
    ETag::new("00000000000000000000000000000000")
}

fn unless(etag: ETag) -> Conditions {
    Conditions { if_none_match: Some(EtagCondition::Is(etag)), ..Conditions::default() }
}

async fn put_if(bench: &Bench, text: &str, conditions: Conditions) -> StoreResult<Written> {
    let options = WriteOptions { conditions, ..WriteOptions::default() };
    bench.put_with("object", text, options).await
}

async fn get_if(bench: &Bench, conditions: Conditions) -> StoreResult<Vec<u8>> {
    bench.get_with("object", GetObject { conditions, ..GetObject::default() }).await
}

async fn head_if(bench: &Bench, conditions: Conditions) -> StoreResult<u64> {
    let options = HeadObject { conditions, ..HeadObject::default() };
    Ok(bench.store.head_object(&bench.bucket, "object", options).await?.size)
}

async fn a_put_if_absent_makes_a_new_object(bench: &Bench) -> Outcome {
    put_if(bench, "new", Conditions::absent()).await?;
    equal("bytes", bench.get("object").await?, b"new".to_vec())
}

async fn a_put_if_absent_leaves_an_object_alone(bench: &Bench) -> Outcome {
    bench.put("object", "old").await?;
    let put = put_if(bench, "new", Conditions::absent()).await;
    refused("put", put, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("object").await?, b"old".to_vec())
}

async fn a_put_if_match_replaces_that_version(bench: &Bench) -> Outcome {
    let old = bench.put("object", "old").await?;
    put_if(bench, "new", Conditions::matching(old.etag)).await?;
    equal("bytes", bench.get("object").await?, b"new".to_vec())
}

async fn a_put_if_match_leaves_another_version_alone(bench: &Bench) -> Outcome {
    let old = bench.put("object", "old").await?;
    bench.put("object", "theirs").await?;
    let put = put_if(bench, "ours", Conditions::matching(old.etag)).await;
    refused("put", put, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("object").await?, b"theirs".to_vec())
}

async fn a_put_if_match_makes_nothing_where_nothing_was(bench: &Bench) -> Outcome {
    let put = put_if(bench, "new", Conditions::matching(other())).await;
    refused("put", put, &[ErrorKind::NotFound])?;
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])
}

/// Puts eight bodies at once and checks that the only success is what is there.
async fn check_one_wins(bench: &Bench, conditions: Conditions) -> Outcome {
    let bodies: Vec<Bytes> = (0..8).map(|seed| pattern(50_000, seed)).collect();
    let puts = bodies.iter().map(|body| {
        let options = WriteOptions { conditions: conditions.clone(), ..WriteOptions::default() };
        bench.store.put_object(&bench.bucket, "object", Payload::from(body.clone()), options)
    });
    let mut winners = Vec::new();
    for (body, put) in bodies.iter().zip(join_all(puts).await) {
        match put {
            Ok(_) => winners.push(body),
            Err(_) => refused("put", put, &[ErrorKind::Precondition, ErrorKind::Conflict])?,
        }
    }
    equal("winners", winners.len(), 1)?;
    holds("the winner's bytes are there", bench.get("object").await? == *winners[0])
}

async fn of_parallel_puts_if_absent_one_succeeds(bench: &Bench) -> Outcome {
    check_one_wins(bench, Conditions::absent()).await
}

async fn of_parallel_puts_if_match_one_succeeds(bench: &Bench) -> Outcome {
    let old = bench.put("object", "old").await?;
    check_one_wins(bench, Conditions::matching(old.etag)).await
}

async fn a_get_if_match_gives_that_version_alone(bench: &Bench) -> Outcome {
    let written = bench.put("object", "bytes").await?;
    let got = get_if(bench, Conditions::matching(written.etag)).await?;
    equal("bytes", got, b"bytes".to_vec())?;
    let got = get_if(bench, Conditions::matching(other())).await;
    refused("another version", got, &[ErrorKind::Precondition])
}

async fn a_get_if_none_match_gives_other_versions_alone(bench: &Bench) -> Outcome {
    let written = bench.put("object", "bytes").await?;
    equal("bytes", get_if(bench, unless(other())).await?, b"bytes".to_vec())?;
    let got = get_if(bench, unless(written.etag)).await;
    refused("the same version", got, &[ErrorKind::Precondition])
}

/// Conditions on the time, an hour before and an hour after the object was written.
async fn times(bench: &Bench) -> Result<[Conditions; 4], Failure> {
    let written = bench.head("object").await?.last_modified;
    let hour = Duration::from_secs(3600);
    let [before, after] = [written - hour, written + hour];
    let since = |time| Conditions { if_modified_since: Some(time), ..Conditions::default() };
    let until = |time| Conditions { if_unmodified_since: Some(time), ..Conditions::default() };
    Ok([since(before), until(after), since(written), until(before)])
}

async fn a_get_by_time_gives_what_changed_since_or_did_not(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    let [changed, unchanged, not_changed, not_unchanged] = times(bench).await?;
    equal("modified since", get_if(bench, changed).await?, b"bytes".to_vec())?;
    equal("unmodified since", get_if(bench, unchanged).await?, b"bytes".to_vec())?;
    refused("not modified", get_if(bench, not_changed).await, &[ErrorKind::Precondition])?;
    refused("not unmodified", get_if(bench, not_unchanged).await, &[ErrorKind::Precondition])
}

async fn a_head_keeps_the_same_conditions_as_a_get(bench: &Bench) -> Outcome {
    let etag = bench.put("object", "bytes").await?.etag;
    let [changed, unchanged, not_changed, not_unchanged] = times(bench).await?;
    for met in [Conditions::matching(etag.clone()), unless(other()), changed, unchanged] {
        equal(&format!("{met:?}"), head_if(bench, met).await?, 5)?;
    }
    for unmet in [Conditions::matching(other()), unless(etag), not_changed, not_unchanged] {
        let what = format!("{unmet:?}");
        refused(&what, head_if(bench, unmet).await, &[ErrorKind::Precondition])?;
    }
    Ok(())
}

async fn a_get_with_the_right_etag_and_a_wrong_time_succeeds(bench: &Bench) -> Outcome {
    let etag = bench.put("object", "bytes").await?.etag;
    let [_, _, _, not_unmodified] = times(bench).await?;
    let conditions = Conditions { if_match: Some(EtagCondition::Is(etag)), ..not_unmodified };
    equal("bytes", get_if(bench, conditions).await?, b"bytes".to_vec())
}

async fn delete_if(bench: &Bench, etag: ETag) -> StoreResult<()> {
    let options =
        DeleteObject { conditions: Conditions::matching(etag), ..DeleteObject::default() };
    bench.store.delete_object(&bench.bucket, "object", options).await.map(drop)
}

async fn a_delete_if_match_deletes_that_version(bench: &Bench) -> Outcome {
    let written = bench.put("object", "bytes").await?;
    delete_if(bench, written.etag).await?;
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])
}

async fn a_delete_if_match_leaves_another_version_alone(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    refused("delete", delete_if(bench, other()).await, &[ErrorKind::Precondition])?;
    equal("bytes", bench.get("object").await?, b"bytes".to_vec())
}
