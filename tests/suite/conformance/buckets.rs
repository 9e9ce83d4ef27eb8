//! Buckets: made, found, listed, refused, removed.

use bytes::Bytes;
use pailfs::store::error::ErrorKind;
use pailfs::store::types::{CreateBucket, GetObject, ListObjects, Payload, WriteOptions};

use crate::conformance::bench::{
    Bench, Outcome, cases, collect, equal, holds, refused, refused_with,
};

cases![
    a_new_bucket_is_listed_and_says_its_region,
    a_bucket_is_not_made_twice,
    a_bucket_name_outside_the_rules_is_invalid,
    a_missing_bucket_is_not_found,
    a_bucket_that_holds_an_object_is_not_deleted,
    a_deleted_bucket_is_gone_and_can_be_made_again,
    buckets_are_listed_by_name,
    buckets_of_several_regions_are_used_side_by_side,
    a_region_that_is_none_is_refused,
];

async fn a_new_bucket_is_listed_and_says_its_region(bench: &Bench) -> Outcome {
    let region = bench.store.head_bucket(&bench.bucket).await?;
    holds("the region is said", !region.is_empty())?;
    let buckets = bench.store.list_buckets().await?;
    let found = buckets.iter().find(|bucket| bucket.name == bench.bucket);
    holds("the bucket is listed", found.is_some())?;
    holds("with the time it was made", found.is_some_and(|bucket| bucket.created.is_some()))
}

async fn a_bucket_is_not_made_twice(bench: &Bench) -> Outcome {
    let again = bench.store.create_bucket(&bench.bucket, CreateBucket::default()).await;
    refused_with("made again", again, ErrorKind::Exists, "BucketAlreadyOwnedByYou")
}

async fn a_bucket_name_outside_the_rules_is_invalid(bench: &Bench) -> Outcome {
    let long = "a".repeat(64);
    for name in ["ab", "Upper-case", "under_score", "-dash-first", "192.168.5.4", &long] {
        let made = bench.store.create_bucket(name, CreateBucket::default()).await;
        refused(name, made, &[ErrorKind::Invalid])?;
    }
    Ok(())
}

async fn a_missing_bucket_is_not_found(bench: &Bench) -> Outcome {
    let missing = format!("{}-missing", bench.bucket);
    refused("head", bench.store.head_bucket(&missing).await, &[ErrorKind::NotFound])?;
    refused_with(
        "list",
        bench.store.list_objects(&missing, ListObjects::default()).await,
        ErrorKind::NotFound,
        "NoSuchBucket",
    )?;
    let deleted = bench.store.delete_bucket(&missing).await;
    refused_with("delete", deleted, ErrorKind::NotFound, "NoSuchBucket")
}

async fn a_bucket_that_holds_an_object_is_not_deleted(bench: &Bench) -> Outcome {
    bench.put("object", "held").await?;
    let deleted = bench.store.delete_bucket(&bench.bucket).await;
    refused_with("delete", deleted, ErrorKind::NotEmpty, "BucketNotEmpty")?;
    equal("its object", bench.get("object").await?, b"held".to_vec())
}

async fn a_deleted_bucket_is_gone_and_can_be_made_again(bench: &Bench) -> Outcome {
    bench.store.delete_bucket(&bench.bucket).await?;
    let gone = bench.store.head_bucket(&bench.bucket).await;
    refused("head", gone, &[ErrorKind::NotFound])?;
    bench.store.create_bucket(&bench.bucket, CreateBucket::default()).await?;
    equal("it is empty", bench.list(ListObjects::default()).await?.keys, Vec::new())
}

async fn buckets_are_listed_by_name(bench: &Bench) -> Outcome {
    for suffix in ["c", "a", "b"] {
        bench.another_bucket(suffix, CreateBucket::default()).await?;
    }
    let buckets = bench.store.list_buckets().await?;
    let ours = buckets.into_iter().map(|bucket| bucket.name);
    let ours: Vec<_> = ours.filter(|name| name.starts_with(&bench.bucket)).collect();
    let expected = ["", "-a", "-b", "-c"].map(|suffix| format!("{}{suffix}", bench.bucket));
    equal("the buckets", ours, expected.to_vec())
}

async fn buckets_of_several_regions_are_used_side_by_side(bench: &Bench) -> Outcome {
    for region in ["eu-west-1", "ap-southeast-2"] {
        let options = CreateBucket { region: Some(region.to_owned()), ..CreateBucket::default() };
        let bucket = bench.another_bucket(region, options).await?;
        equal("the region", bench.store.head_bucket(&bucket).await?, region.to_owned())?;
        let payload = Payload::from(Bytes::from_static(b"there"));
        bench.store.put_object(&bucket, "object", payload, WriteOptions::default()).await?;
        let got = bench.store.get_object(&bucket, "object", GetObject::default()).await?;
        equal("its bytes", collect(got.body).await?, b"there".to_vec())?;
    }
    Ok(())
}

async fn a_region_that_is_none_is_refused(bench: &Bench) -> Outcome {
    let options = CreateBucket { region: Some("nowhere".to_owned()), ..CreateBucket::default() };
    let made = bench.store.create_bucket(&format!("{}-none", bench.bucket), options).await;
    refused_with("made", made, ErrorKind::Invalid, "InvalidLocationConstraint")
}
