//! Buckets: listing, creating, deleting, asking for them.

use aws_sdk_s3::config::Region;
use aws_sdk_s3::operation::list_buckets::ListBucketsOutput;
use aws_sdk_s3::types;

use crate::store::error::{ErrorKind, StoreResult};
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::convert::time;
use crate::store::s3::regions::is_region_name;
use crate::store::s3::requests::{Extra, grant_headers};
use crate::store::types::{Bucket, CreateBucket, ListObjects};

/// The one region that S3 does not want to be told of when a bucket is created.
const REGION_UNNAMED: &str = "us-east-1";

impl Connection {
    pub(super) async fn list_buckets(&self) -> StoreResult<Vec<Bucket>> {
        let mut buckets = Vec::new();
        let mut continuation = None;
        loop {
            let after: Option<String> = continuation.take();
            let page: ListBucketsOutput = self
                .call_account(|client| {
                    client.list_buckets().set_continuation_token(after.clone()).send()
                })
                .await?;
            buckets.extend(page.buckets.into_iter().flatten().map(bucket_from));
            self.learn_regions(&buckets);
            continuation = page.continuation_token.filter(|token| !token.is_empty());
            if continuation.is_none() {
                return Ok(buckets);
            }
        }
    }

    /// Where the list says where its buckets are, no request has to find out.
    fn learn_regions(&self, buckets: &[Bucket]) {
        for Bucket { name, region, .. } in buckets {
            if let Some(region) = region.as_deref().filter(|region| is_region_name(region)) {
                self.learn_region(name, region);
            }
        }
    }

    pub(super) async fn create_bucket(
        &self,
        bucket: &str,
        options: CreateBucket,
    ) -> StoreResult<()> {
        let region = options.region.as_deref().unwrap_or(self.region());
        let acl = options.acl.map(|acl| types::BucketCannedAcl::from(acl.as_str()));
        let lock = options.object_lock.then_some(true);
        let extra = Extra::with_headers(grant_headers(&options.grants));
        // The request goes to the region that the bucket is to be in.
        self.learn_region(bucket, region);
        let created = self
            .call(bucket, Work::Request, |client| {
                let location = client.config().region().and_then(location);
                client
                    .create_bucket()
                    .bucket(bucket)
                    .set_acl(acl.clone())
                    .set_object_lock_enabled_for_bucket(lock)
                    .set_create_bucket_configuration(location)
                    .customize()
                    .map_request(extra.mapper())
                    .send()
            })
            .await;
        if created.is_err() {
            self.forget_region(bucket);
        }
        created.map(|_output| ())
    }

    pub(super) async fn delete_bucket(&self, bucket: &str) -> StoreResult<()> {
        self.call(bucket, Work::Request, |client| client.delete_bucket().bucket(bucket).send())
            .await?;
        self.forget_region(bucket);
        Ok(())
    }

    pub(super) async fn head_bucket(&self, bucket: &str) -> StoreResult<String> {
        let asked = self
            .call(bucket, Work::Request, |client| client.head_bucket().bucket(bucket).send())
            .await;
        match asked {
            Ok(output) => Ok(output.bucket_region.unwrap_or_else(|| self.region_of(bucket))),
            // An answer to HEAD can't say what is wrong; the listing's can, and can name the
            // region where a server does so only in an error's text.
            Err(error) if error.kind == ErrorKind::Invalid => {
                let question = ListObjects { keys_max: Some(1), ..ListObjects::default() };
                self.list_objects(bucket, question).await?;
                Ok(self.region_of(bucket))
            }
            Err(error) => Err(error),
        }
    }
}

fn location(region: &Region) -> Option<types::CreateBucketConfiguration> {
    let constraint = types::BucketLocationConstraint::from(region.as_ref());
    let configuration = types::CreateBucketConfiguration::builder().location_constraint(constraint);
    (region.as_ref() != REGION_UNNAMED).then(|| configuration.build())
}

fn bucket_from(bucket: types::Bucket) -> Bucket {
    Bucket {
        name: bucket.name.unwrap_or_default(),
        created: bucket.creation_date.map(|date| time(Some(date))),
        region: bucket.bucket_region,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_in_the_first_region_is_created_without_naming_it() {
        assert!(location(&Region::from_static("us-east-1")).is_none());
        let configuration = location(&Region::from_static("eu-west-1")).unwrap();
        assert_eq!(configuration.location_constraint().unwrap().as_str(), "eu-west-1");
    }
}
