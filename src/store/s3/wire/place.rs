//! Places: the address of a bucket, and what a request to it is signed for.
//!
//! The rules are the SDK's own; they take longer than signing, so their results are remembered.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::endpoint::{DefaultResolver, Endpoint, ParamsBuilder, ResolveEndpoint};
use lru::LruCache;

use crate::store::error::StoreResult;
use crate::store::s3::errors::not_a_request;

/// Addresses that are remembered; one more costs some microseconds.
const PLACES_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("is above zero");
/// What S3 is signed for where the rules name nothing else.
const SERVICE: &str = "s3";

/// Where to send requests on a bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// Without a slash at its end; names the bucket in its host or its path.
    pub url: String,
    pub region: String,
    pub service: String,
}

/// The places of buckets, by bucket and region.
pub(in crate::store::s3) struct Places {
    rules: DefaultResolver,
    /// All that the rules want to know but bucket and region.
    basis: ParamsBuilder,
    known: Mutex<LruCache<(String, String), Arc<Place>>>,
}

impl Places {
    pub(in crate::store::s3) fn new(basis: ParamsBuilder) -> Self {
        Self { rules: DefaultResolver::new(), basis, known: Mutex::new(LruCache::new(PLACES_MAX)) }
    }

    pub(super) async fn find(&self, bucket: &str, region: &str) -> StoreResult<Arc<Place>> {
        let name = (bucket.to_owned(), region.to_owned());
        if let Some(place) = self.known().get(&name) {
            return Ok(Arc::clone(place));
        }
        let place = Arc::new(self.resolve(bucket, region).await?);
        self.known().put(name, Arc::clone(&place));
        Ok(place)
    }

    async fn resolve(&self, bucket: &str, region: &str) -> StoreResult<Place> {
        if bucket.is_empty() {
            return Err(not_a_request("a bucket has a name"));
        }
        let params = self.basis.clone().bucket(bucket).region(region).build();
        let params = params.map_err(|error| not_a_request(&error.to_string()))?;
        let endpoint = self.rules.resolve_endpoint(&params).await;
        let endpoint = endpoint.map_err(|error| not_a_request(&error.to_string()))?;
        Ok(place_of(&endpoint, region))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, LruCache<(String, String), Arc<Place>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(endpoint: &Endpoint, region: &str) -> Place {
    let scheme = endpoint.auth_schemes().iter().find(|scheme| scheme.name() == "sigv4");
    let property = |name: &str, default: &str| {
        let found = scheme.and_then(|scheme| scheme.get(name)?.as_string());
        found.unwrap_or(default).to_owned()
    };
    Place {
        url: endpoint.url().trim_end_matches('/').to_owned(),
        region: property("signingRegion", region),
        service: property("signingName", SERVICE),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::endpoint::Params;

    use super::*;

    #[track_caller]
    fn check(place: &StoreResult<Arc<Place>>, expected: [&str; 3]) {
        let Place { url, region, service } = &**place.as_ref().unwrap();
        assert_eq!([url.as_str(), region, service], expected);
    }

    #[tokio::test]
    async fn a_bucket_of_aws_is_in_the_host_name() {
        let places = Places::new(Params::builder());
        let expected = ["https://photos.s3.eu-west-1.amazonaws.com", "eu-west-1", "s3"];
        check(&places.find("photos", "eu-west-1").await, expected);
        check(&places.find("photos", "eu-west-1").await, expected);
        let expected = ["https://s3.us-east-1.amazonaws.com/pho.tos", "us-east-1", "s3"];
        check(&places.find("pho.tos", "us-east-1").await, expected);
        assert_eq!(places.known().len(), 2);
    }

    #[tokio::test]
    async fn a_bucket_of_an_endpoint_is_in_the_path_if_it_is_to_be() {
        let given = Params::builder().endpoint("http://127.0.0.1:9000/s3/");
        let by_path = Places::new(given.clone().force_path_style(true));
        let expected = ["http://127.0.0.1:9000/s3/photos", "garage", "s3"];
        check(&by_path.find("photos", "garage").await, expected);
        let by_host = Places::new(Params::builder().endpoint("http://host:9000"));
        check(&by_host.find("photos", "r").await, ["http://photos.host:9000", "r", "s3"]);
    }

    #[tokio::test]
    async fn a_directory_bucket_is_signed_for_by_its_own_name() {
        let places = Places::new(Params::builder().disable_s3_express_session_auth(true));
        let place = places.find("photos--use1-az4--x-s3", "us-east-1").await;
        let host = "https://photos--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com";
        check(&place, [host, "us-east-1", "s3express"]);
    }

    #[tokio::test]
    async fn nonsense_has_no_place() {
        let places = Places::new(Params::builder());
        assert!(places.find("", "us-east-1").await.is_err());
        assert!(places.find("photos", "not a region").await.is_err());
    }
}
