//! Buckets: making, listing, asking after and removing them.

use http::HeaderMap;
use s3s::dto::{
    BucketLocationConstraint, CreateBucketInput, GetBucketLocationOutput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Result, dto, s3_error};

use crate::server::convert::attributes::canned_acl;
use crate::server::convert::names::{continuation, token};
use crate::server::convert::{header, limit, timestamp};
use crate::server::errors::answer_of;
use crate::store::ObjectStore;
use crate::store::types::{Bucket, CreateBucket, DocumentKind, Resource};

/// The region that S3 spells as no region at all in `GetBucketLocation`.
const REGION_UNNAMED: &str = "us-east-1";

/// What `x-amz-object-ownership` may say.
const OWNERSHIPS: [&str; 3] = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];

pub(crate) async fn list(
    store: &dyn ObjectStore,
    input: ListBucketsInput,
) -> S3Result<ListBucketsOutput> {
    let buckets = store.list_buckets().await.map_err(answer_of)?;
    let after = input.continuation_token.as_deref().map(continuation).transpose()?;
    let buckets_max =
        limit("max-buckets", input.max_buckets)?.map_or(usize::MAX, |max| max as usize);
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let mut asked: Vec<Bucket> = buckets
        .into_iter()
        .filter(|bucket| bucket.name.starts_with(prefix))
        .filter(|bucket| after.as_ref().is_none_or(|after| bucket.name > *after))
        .collect();
    let more = asked.len() > buckets_max;
    asked.truncate(buckets_max);
    let next = asked.last().filter(|_| more).map(|bucket| token(&bucket.name));
    Ok(ListBucketsOutput {
        buckets: Some(asked.into_iter().map(listed).collect()),
        continuation_token: next,
        prefix: input.prefix,
        owner: None,
    })
}

fn listed(bucket: Bucket) -> dto::Bucket {
    dto::Bucket {
        name: Some(bucket.name),
        creation_date: bucket.created.map(timestamp),
        bucket_region: bucket.region,
    }
}

pub(crate) async fn create(
    store: &dyn ObjectStore,
    region: &str,
    headers: &HeaderMap,
    input: CreateBucketInput,
) -> S3Result<()> {
    let ownership = ownership_document(headers)?;
    let asked = input.create_bucket_configuration.and_then(|asked| asked.location_constraint);
    let asked = asked.map(|constraint| constraint.as_str().to_owned());
    let options = CreateBucket {
        region: asked.filter(|named| !named.is_empty()).or_else(|| Some(region.to_owned())),
        acl: canned_acl(headers)?,
        object_lock: input.object_lock_enabled_for_bucket.unwrap_or_default(),
    };
    store.create_bucket(&input.bucket, options).await.map_err(answer_of)?;
    let Some(document) = ownership else { return Ok(()) };
    let bucket = Resource::bucket(&input.bucket);
    let kept = store.put_document(&bucket, DocumentKind::OwnershipControls, document).await;
    kept.map_err(answer_of)
}

fn ownership_document(headers: &HeaderMap) -> S3Result<Option<String>> {
    let Some(ownership) = header(headers, "x-amz-object-ownership") else { return Ok(None) };
    if !OWNERSHIPS.contains(&ownership) {
        return Err(s3_error!(
            InvalidArgument,
            "Invalid x-amz-object-ownership header: {ownership}"
        ));
    }
    Ok(Some(format!(
        "<OwnershipControls xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule>\
         <ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"
    )))
}

pub(crate) async fn head(store: &dyn ObjectStore, bucket: &str) -> S3Result<HeadBucketOutput> {
    let region = store.head_bucket(bucket).await.map_err(answer_of)?;
    Ok(HeadBucketOutput { bucket_region: Some(region), ..HeadBucketOutput::default() })
}

pub(crate) async fn location(
    store: &dyn ObjectStore,
    bucket: &str,
) -> S3Result<GetBucketLocationOutput> {
    let region = store.head_bucket(bucket).await.map_err(answer_of)?;
    let named = Some(region).filter(|region| region != REGION_UNNAMED);
    Ok(GetBucketLocationOutput { location_constraint: named.map(BucketLocationConstraint::from) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ownership_is_kept_as_the_document_it_stands_for() {
        let mut headers = HeaderMap::new();
        assert_eq!(ownership_document(&headers).unwrap(), None);
        headers.insert("x-amz-object-ownership", "ObjectWriter".parse().unwrap());
        let document = ownership_document(&headers).unwrap().unwrap();
        assert!(document.contains("<ObjectOwnership>ObjectWriter</ObjectOwnership>"));
        headers.insert("x-amz-object-ownership", "</Rule>".parse().unwrap());
        assert_eq!(ownership_document(&headers).unwrap_err().code().as_str(), "InvalidArgument");
    }
}
