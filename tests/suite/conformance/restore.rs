//! Archived objects: there, but not to be read before they are restored.

use std::time::{Duration, SystemTime};

use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{CopyObject, CopySource, Restore, RestoreObject};

use crate::conformance::bench::{
    Bench, Failure, Outcome, cases, equal, holds, refused, refused_with,
};

cases![
    an_archived_object_can_be_seen_but_not_read,
    an_archived_object_can_not_be_copied,
    a_restore_is_asked_for_and_said_by_a_head,
    a_restored_object_is_read_and_can_be_kept_longer,
    an_object_that_is_not_archived_is_not_restored,
    a_missing_object_is_not_restored,
    instant_retrieval_is_read_at_once,
];

async fn restore(bench: &Bench, key: &str) -> StoreResult<()> {
    let options = RestoreObject { days: 2, tier: Some("Bulk".to_owned()) };
    bench.store.restore_object(&bench.bucket, key, options).await
}

async fn an_archived_object_can_be_seen_but_not_read(bench: &Bench) -> Outcome {
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        bench.put_class("object", class).await?;
        let head = bench.head("object").await?;
        equal("size", head.size, 4)?;
        equal("restore", head.restore, None)?;
        let got = bench.get("object").await;
        refused_with("get", got, ErrorKind::Archived, "InvalidObjectState")?;
    }
    Ok(())
}

async fn an_archived_object_can_not_be_copied(bench: &Bench) -> Outcome {
    bench.put_class("object", "GLACIER").await?;
    let source = CopySource {
        bucket: bench.bucket.clone(),
        key: "object".to_owned(),
        ..CopySource::default()
    };
    let options = CopyObject::default();
    let copied = bench.store.copy_object(source, &bench.bucket, "copy", options).await;
    refused("copy", copied, &[ErrorKind::Archived])
}

async fn a_restore_is_asked_for_and_said_by_a_head(bench: &Bench) -> Outcome {
    bench.put_class("object", "GLACIER").await?;
    restore(bench, "object").await?;
    holds("a head says so", bench.head("object").await?.restore.is_some())
}

async fn a_restored_object_is_read_and_can_be_kept_longer(bench: &Bench) -> Outcome {
    bench.put_class("object", "GLACIER").await?;
    restore(bench, "object").await?;
    let until = restored(bench).await?;
    equal("bytes", bench.get("object").await?, b"cold".to_vec())?;
    let longer = RestoreObject { days: 5, tier: None };
    bench.store.restore_object(&bench.bucket, "object", longer).await?;
    holds("it stays longer", restored(bench).await? > until)
}

/// Until when, once it is.
async fn restored(bench: &Bench) -> Result<SystemTime, Failure> {
    for _ in 0..100 {
        if let Some(Restore::Until(until)) = bench.head("object").await?.restore {
            return Ok(until);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new("the object is not restored"))
}

async fn an_object_that_is_not_archived_is_not_restored(bench: &Bench) -> Outcome {
    bench.put("object", "warm").await?;
    let kinds = [ErrorKind::Archived, ErrorKind::Invalid, ErrorKind::Forbidden];
    refused("restore", restore(bench, "object").await, &kinds)
}

async fn a_missing_object_is_not_restored(bench: &Bench) -> Outcome {
    refused("restore", restore(bench, "missing").await, &[ErrorKind::NotFound])
}

async fn instant_retrieval_is_read_at_once(bench: &Bench) -> Outcome {
    bench.put_class("object", "GLACIER_IR").await?;
    equal("bytes", bench.get("object").await?, b"cold".to_vec())
}
