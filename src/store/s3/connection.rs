//! A connection: one operation, from its deadline to the region it is repeated in.
//!
//! Which requests an operation consists of is the families' business, and a single request is
//! repeated by who sends it: the SDK or `wire`. How long an operation may take ([`plan_limits`]),
//! in which region it is sent and whether it is sent once more elsewhere is decided here.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use http::Response;

use crate::store::error::{StoreError, StoreResult};
use crate::store::s3::attempts;
use crate::store::s3::errors::{
    Refusal, is_expired, may_be_expired, read_error, refusal_of, without_success,
};
use crate::store::s3::keyring::Renewal;
use crate::store::s3::probes::Probes;
use crate::store::s3::regions::{BucketRegions, plan_redirect};
use crate::store::s3::transport::WatchedBody;
use crate::store::s3::wire::Wire;
use crate::store::s3::wire::request::Ask;
use crate::store::s3::wire::retry::Failed;

/// Upload speed below which an operation is given up though bytes still move.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 64 * 1024;
/// S3 copies 5 GiB in a minute or two; other servers are slower.
const SERVER_SIDE_FACTOR: u32 = 5;
/// More regions than AWS has; a server that invents more gets its clients made anew.
const REGIONS_MAX: usize = 64;

/// What an operation consists of, as far as it takes time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Work {
    /// A question and its answer.
    Request,
    /// So many bytes from here to there.
    Upload { bytes: u64 },
    /// Bytes that the server moves by itself: copies, and putting parts together.
    ServerSide,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limits {
    /// For the operation with all its retries.
    pub operation: Duration,
    /// For the answer to one request, once its body is sent.
    pub answer: Duration,
}

/// Plans how long an operation may take: a deadline made for small requests would end uploads
/// over slow lines and copies of large objects that are doing well.
pub(super) fn plan_limits(work: Work, basis: Limits) -> Limits {
    match work {
        Work::Request => basis,
        Work::Upload { bytes } => {
            let transfer = Duration::from_secs(bytes / UPLOAD_BYTES_PER_SECOND_MIN);
            Limits { operation: basis.operation + transfer, ..basis }
        }
        Work::ServerSide => Limits {
            operation: basis.operation * SERVER_SIDE_FACTOR,
            answer: basis.answer.max(basis.operation),
        },
    }
}

/// Why a request had no success.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: StoreError,
    /// The answer, if one came.
    pub refusal: Option<Refusal>,
}

/// The ways to S3, and what is known of buckets.
pub(super) struct Connection {
    wire: Arc<Wire>,
    clients: Arc<Clients>,
    region: String,
    basis: Limits,
    buckets: Arc<BucketRegions>,
    probes: Probes,
}

/// The SDK's clients, one for each region in use.
struct Clients {
    home: Client,
    elsewhere: Mutex<HashMap<String, Client>>,
}

impl Connection {
    /// `home`: the SDK's client for `region`; `wire` has its keys and its endpoint.
    pub(super) fn new(home: Client, wire: Wire, region: String, basis: Limits) -> Self {
        let clients = Clients { home, elsewhere: Mutex::default() };
        let (buckets, probes) = (Arc::new(BucketRegions::new()), Probes::new());
        let (wire, clients) = (Arc::new(wire), Arc::new(clients));
        Self { wire, clients, region, basis, buckets, probes }
    }

    /// The same ways, and what is known of buckets, with another limit for an operation.
    pub(super) fn with_operation_limit(&self, operation: Duration) -> Self {
        Self {
            wire: Arc::clone(&self.wire),
            clients: Arc::clone(&self.clients),
            region: self.region.clone(),
            basis: Limits { operation, ..self.basis },
            buckets: Arc::clone(&self.buckets),
            probes: Probes::new(),
        }
    }

    pub(super) fn probes(&self) -> &Probes {
        &self.probes
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    pub(super) fn limits(&self, work: Work) -> Limits {
        plan_limits(work, self.basis)
    }

    /// The region that a bucket is known or else supposed to be in.
    pub(super) fn region_of(&self, bucket: &str) -> String {
        self.buckets.of(bucket).unwrap_or_else(|| self.region.clone())
    }

    pub(super) fn learn_region(&self, bucket: &str, region: &str) {
        if region != self.region {
            self.buckets.learn(bucket, region);
        }
    }

    pub(super) fn forget_region(&self, bucket: &str) {
        self.buckets.forget(bucket);
    }

    /// The SDK's client for a region. All share connections, credentials and retry policy.
    fn client_in(&self, region: &str) -> Client {
        let Clients { home, elsewhere } = &*self.clients;
        if region == self.region {
            return home.clone();
        }
        let mut elsewhere = elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if elsewhere.len() >= REGIONS_MAX && !elsewhere.contains_key(region) {
            elsewhere.clear();
        }
        let client = elsewhere.entry(region.to_owned()).or_insert_with(|| {
            let region = Region::new(region.to_owned());
            Client::from_conf(home.config().to_builder().region(region).build())
        });
        client.clone()
    }

    /// Sends a request of the data path: see [`Connection::run`].
    pub(super) async fn ask<O, F>(
        &self,
        ask: &Ask<'_>,
        read: impl Fn(Response<WatchedBody>) -> F,
    ) -> StoreResult<O>
    where
        F: Future<Output = Result<O, Failed>>,
    {
        let limit = self.limits(ask.work).answer;
        let send = |region| self.wire.send(ask, region, limit, &read);
        self.run(ask.bucket, ask.work, send).await
    }

    /// Sends a request of the SDK's on a bucket: see [`Connection::run`].
    pub(super) async fn call<O, E, F>(
        &self,
        bucket: &str,
        work: Work,
        send: impl Fn(Client) -> F,
    ) -> StoreResult<O>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        self.run(bucket, work, |region| self.sent(send(self.client_in(&region)))).await
    }

    /// Sends a request of the SDK's that belongs to no bucket.
    pub(super) async fn call_account<O, E, F>(&self, send: impl Fn(Client) -> F) -> StoreResult<O>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        let send = |region: String| self.sent(send(self.client_in(&region)));
        let request = async {
            let sent = self.send_renewing(&self.region, &send).await;
            sent.map_err(|failure| failure.error)
        };
        self.within(Work::Request, request).await
    }

    /// Waits for what became of a request of the SDK's.
    async fn sent<O, E>(
        &self,
        request: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, Box<Failure>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        request.await.map_err(|error| {
            let refusal = refusal_of(&error);
            Box::new(Failure { error: read_error(&error, self.wire.endpoint()), refusal })
        })
    }

    /// Sends a request on a bucket within the time that `work` may take, and once more where S3
    /// says that the bucket is in another region or that the credentials' time is over. `send` is
    /// told the region.
    async fn run<O, F>(
        &self,
        bucket: &str,
        work: Work,
        send: impl Fn(String) -> F,
    ) -> StoreResult<O>
    where
        F: Future<Output = Result<O, Box<Failure>>>,
    {
        let region = self.region_of(bucket);
        let request = async {
            let failure = match self.send_renewing(&region, &send).await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            let elsewhere = failure.refusal.and_then(|refusal| plan_redirect(&refusal, &region));
            let Some(region) = elsewhere else {
                return Err(failure.error);
            };
            tracing::debug!(bucket, region, "bucket is in another region");
            self.buckets.learn(bucket, &region);
            self.send_renewing(&region, &send).await.map_err(|failure| failure.error)
        };
        self.within(work, request).await
    }

    /// Sends a request, and once more with other credentials where S3 may want these no more.
    async fn send_renewing<O, F>(
        &self,
        region: &str,
        send: &impl Fn(String) -> F,
    ) -> Result<O, Box<Failure>>
    where
        F: Future<Output = Result<O, Box<Failure>>>,
    {
        let keys = self.wire.keys().filter(|keys| keys.renewal() == Renewal::Possible);
        let Some(keys) = keys else {
            return send(region.to_owned()).await;
        };
        let renewals = keys.renewals();
        let sent = send(region.to_owned()).await;
        let refusal = sent.as_ref().err().and_then(|failure| failure.refusal.as_ref());
        let is_over = |refusal: &Refusal| {
            (is_expired(refusal) || may_be_expired(refusal) && keys.may_guess(renewals))
                && plan_redirect(refusal, region).is_none()
        };
        if !refusal.is_some_and(is_over) {
            return sent;
        }
        keys.renew(renewals);
        send(region.to_owned()).await
    }

    async fn within<O>(
        &self,
        work: Work,
        request: impl Future<Output = StoreResult<O>>,
    ) -> StoreResult<O> {
        let limit = self.limits(work).operation;
        let done = attempts::within(limit, request).await;
        done.unwrap_or_else(|failure| Err(without_success(limit, failure, self.wire.endpoint())))
    }
}

#[cfg(test)]
mod tests;
