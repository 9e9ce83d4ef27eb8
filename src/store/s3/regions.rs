//! Regions: where a bucket is, and where a refused request is to be repeated.
//!
//! S3 answers a request that came to the wrong region with the right one, in a header or in the
//! error's text. [`plan_redirect`] decides, [`BucketRegions`] remembers; sending the request
//! again is `connection`'s business.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::store::s3::errors::{Refusal, is_of_other_region};

/// Buckets of other regions that are remembered; one more costs a bucket its redirect again.
const BUCKETS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("is above zero");
/// Longer than any region's name; what is longer is not one.
const REGION_LENGTH_MAX: usize = 64;

/// The region to repeat a request in that was refused in region `asked`, if that can help.
pub(super) fn plan_redirect(refusal: &Refusal, asked: &str) -> Option<String> {
    if !is_of_other_region(refusal) {
        return None;
    }
    refusal.region.clone().filter(|region| region != asked && is_region_name(region))
}

/// A region becomes part of a host name, so a server must not be able to put more in it.
pub(super) fn is_region_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= REGION_LENGTH_MAX && text.bytes().all(allowed)
}

/// The buckets that are known to be in another region than the client's own.
pub(super) struct BucketRegions {
    regions: Mutex<LruCache<String, String>>,
}

impl BucketRegions {
    pub(super) fn new() -> Self {
        Self { regions: Mutex::new(LruCache::new(BUCKETS_MAX)) }
    }

    pub(super) fn of(&self, bucket: &str) -> Option<String> {
        self.lock().get(bucket).cloned()
    }

    pub(super) fn learn(&self, bucket: &str, region: &str) {
        self.lock().put(bucket.to_owned(), region.to_owned());
    }

    pub(super) fn forget(&self, bucket: &str) {
        self.lock().pop(bucket);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<String, String>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str, region: Option<&str>) -> Refusal {
        Refusal {
            status,
            code: code.to_owned(),
            message: String::new(),
            request_id: None,
            region: region.map(str::to_owned),
        }
    }

    #[track_caller]
    fn check(refusal: &Refusal, expected: Option<&str>) {
        assert_eq!(plan_redirect(refusal, "us-east-1").as_deref(), expected);
    }

    #[test]
    fn a_redirect_with_a_region_is_followed() {
        check(&refusal(301, "PermanentRedirect", Some("eu-west-1")), Some("eu-west-1"));
        check(&refusal(307, "TemporaryRedirect", Some("eu-west-1")), Some("eu-west-1"));
        check(&refusal(400, "AuthorizationHeaderMalformed", Some("garage")), Some("garage"));
    }

    #[test]
    fn a_refused_head_has_no_code_and_is_followed_by_its_header() {
        check(&refusal(301, "", Some("eu-west-1")), Some("eu-west-1"));
        check(&refusal(400, "", Some("eu-west-1")), Some("eu-west-1"));
    }

    #[test]
    fn other_errors_are_no_redirects_whatever_region_they_name() {
        check(&refusal(404, "NoSuchKey", Some("eu-west-1")), None);
        check(&refusal(403, "AccessDenied", Some("eu-west-1")), None);
        check(&refusal(400, "InvalidArgument", Some("eu-west-1")), None);
    }

    #[test]
    fn a_redirect_to_nowhere_or_to_where_we_asked_is_an_error() {
        check(&refusal(301, "PermanentRedirect", None), None);
        check(&refusal(301, "PermanentRedirect", Some("us-east-1")), None);
        check(&refusal(301, "PermanentRedirect", Some("evil.example.com/")), None);
    }

    #[test]
    fn a_bucket_is_remembered_until_it_is_forgotten() {
        let regions = BucketRegions::new();
        regions.learn("photos", "eu-west-1");
        assert_eq!(regions.of("photos").as_deref(), Some("eu-west-1"));
        assert_eq!(regions.of("videos"), None);
        regions.forget("photos");
        assert_eq!(regions.of("photos"), None);
    }

    #[test]
    fn no_more_buckets_are_remembered_than_there_is_room_for() {
        let regions = BucketRegions::new();
        for number in 0..=BUCKETS_MAX.get() {
            regions.learn(&number.to_string(), "eu-west-1");
        }
        assert_eq!(regions.lock().len(), BUCKETS_MAX.get());
        assert_eq!(regions.of("0"), None);
    }
}
