//! Buckets: making, listing, asking after and removing them.

use http::HeaderMap;
use s3s::dto::{
    BucketLocationConstraint, CreateBucketInput, GetBucketLocationOutput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3Result, dto, s3_error};

use crate::server::convert::attributes::{canned_acl, grants};
use crate::server::convert::names::{continuation, token};
use crate::server::convert::{header, limit, timestamp};
use crate::server::errors::answer_of;
use crate::store::ObjectStore;
use crate::store::types::{Bucket, CreateBucket, DocumentKind, Resource};

/// The region that S3 spells as no region at all in `GetBucketLocation`.
const REGION_UNNAMED: &str = "us-east-1";

/// How the first region in Europe was spelled before there were others.
const CONSTRAINT_OF_OLD: &str = "EU";
const REGION_OF_OLD: &str = "eu-west-1";

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
    region: String,
    headers: &HeaderMap,
    input: CreateBucketInput,
) -> S3Result<()> {
    let ownership = ownership_document(headers)?;
    let options = CreateBucket {
        region: Some(region),
        acl: canned_acl(headers)?,
        grants: grants(headers)?,
        object_lock: input.object_lock_enabled_for_bucket.unwrap_or_default(),
    };
    store.create_bucket(&input.bucket, options).await.map_err(answer_of)?;
    let Some(document) = ownership else { return Ok(()) };
    let bucket = Resource::bucket(&input.bucket);
    let kept = store.put_document(&bucket, DocumentKind::OwnershipControls, document).await;
    kept.map_err(answer_of)
}

/// The region of a new bucket: the one that is asked for, else the server's own.
///
/// A request that is signed for some region has come, as it were, to that region's endpoint, where
/// only buckets of that region are made; what is signed for the first one has come to the endpoint
/// of all.
pub(crate) fn plan_region(
    input: &CreateBucketInput,
    signed: Option<&str>,
    own: &str,
) -> S3Result<String> {
    let configuration = input.create_bucket_configuration.as_ref();
    let asked = configuration.and_then(|asked| asked.location_constraint.as_ref());
    let asked = asked.map(BucketLocationConstraint::as_str).filter(|named| !named.is_empty());
    let asked = match asked {
        Some(REGION_UNNAMED) => {
            return Err(s3_error!(
                InvalidLocationConstraint,
                "The specified location-constraint is not valid"
            ));
        }
        Some(CONSTRAINT_OF_OLD) => Some(REGION_OF_OLD),
        asked => asked,
    };
    let here = signed.filter(|signed| ![REGION_UNNAMED, own].contains(signed));
    match here {
        Some(here) if asked != Some(here) => {
            let asked = asked.unwrap_or("unspecified");
            Err(s3_error!(
                IllegalLocationConstraintException,
                "The {asked} location constraint is incompatible for the region specific endpoint this request was sent to."
            ))
        }
        _ => Ok(asked.unwrap_or(own).to_owned()),
    }
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
    use s3s::dto::CreateBucketConfiguration;

    use super::*;

    /// Of a server in `own-own-1`.
    #[track_caller]
    fn check(asked: Option<&str>, signed: &str, expected: Result<&str, &str>) {
        let location_constraint =
            asked.map(|asked| BucketLocationConstraint::from(asked.to_owned()));
        let input = CreateBucketInput {
            create_bucket_configuration: Some(CreateBucketConfiguration {
                location_constraint,
                ..CreateBucketConfiguration::default()
            }),
            ..CreateBucketInput::default()
        };
        let planned = plan_region(&input, Some(signed), "own-own-1");
        let planned = planned.map_err(|error| error.code().as_str().to_owned());
        assert_eq!(planned, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn a_bucket_is_made_in_the_region_that_is_asked_for() {
        check(None, "us-east-1", Ok("own-own-1"));
        check(None, "own-own-1", Ok("own-own-1"));
        check(Some("eu-north-1"), "us-east-1", Ok("eu-north-1"));
        check(Some("eu-north-1"), "eu-north-1", Ok("eu-north-1"));
        check(Some("EU"), "us-east-1", Ok("eu-west-1"));
    }

    #[test]
    fn a_region_makes_no_bucket_for_another() {
        let illegal = Err("IllegalLocationConstraintException");
        check(None, "eu-north-1", illegal);
        check(Some("eu-west-1"), "eu-north-1", illegal);
        check(Some("us-east-1"), "us-east-1", Err("InvalidLocationConstraint"));
    }

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
