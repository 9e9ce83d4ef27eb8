//! A connection: one operation, from its deadline to the region it is repeated in.
//!
//! Which requests an operation consists of is the families' business; how long it may take
//! ([`plan_limits`]), with which client it is sent and whether it is sent once more elsewhere is
//! decided here.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{IdentityCache, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use tokio::time::Instant;

use crate::store::error::{StoreError, StoreResult};
use crate::store::s3::attempts;
use crate::store::s3::errors::{
    Refusal, is_expired, may_be_expired, read_error, refusal_of, without_success,
};
use crate::store::s3::probes::Probes;
use crate::store::s3::regions::{BucketRegions, plan_redirect};

/// Upload speed below which an operation is given up though bytes still move.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 64 * 1024;
/// S3 copies 5 GiB in a minute or two; other servers are slower.
const SERVER_SIDE_FACTOR: u32 = 5;
/// More regions than AWS has; a server that invents more gets its clients made anew.
const REGIONS_MAX: usize = 64;

/// How often a refusal without a reason is taken for a token whose time is over, within
/// [`GUESS_PERIOD`].
const GUESSES_MAX: u32 = 4;
const GUESS_PERIOD: Duration = Duration::from_secs(60);

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

/// Whether asking for credentials again can bring others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Renewal {
    Possible,
    /// They were given once and for all, or there are none.
    Pointless,
}

/// The SDK's clients, one for each region in use, and what is known of buckets.
pub(super) struct Connection {
    clients: Mutex<Clients>,
    region: String,
    /// Named in errors.
    endpoint: String,
    basis: Limits,
    renewal: Renewal,
    buckets: Arc<BucketRegions>,
    probes: Probes,
}

/// The clients as they are now: all anew once their credentials had to be asked for again.
struct Clients {
    home: Client,
    elsewhere: HashMap<String, Client>,
    /// How often credentials had to be asked for again.
    renewals: u64,
    /// Since when, and how often since, that was done without S3 saying that their time is over.
    guesses: Option<(Instant, u32)>,
}

/// A client, and how often credentials had been renewed when it was made.
struct Sender {
    client: Client,
    renewals: u64,
}

impl Connection {
    pub(super) fn new(
        home: Client,
        region: String,
        endpoint: String,
        basis: Limits,
        renewal: Renewal,
    ) -> Self {
        let clients =
            Mutex::new(Clients { home, elsewhere: HashMap::new(), renewals: 0, guesses: None });
        let (buckets, probes) = (Arc::new(BucketRegions::new()), Probes::new());
        Self { clients, region, endpoint, basis, renewal, buckets, probes }
    }

    /// The same clients, and what is known of buckets, with another limit for an operation.
    pub(super) fn with_operation_limit(&self, operation: Duration) -> Self {
        let basis = Limits { operation, ..self.basis };
        let home = self.client_in(&self.region);
        let (region, endpoint) = (self.region.clone(), self.endpoint.clone());
        let fresh = Self::new(home, region, endpoint, basis, self.renewal);
        Self { buckets: Arc::clone(&self.buckets), ..fresh }
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

    /// The client for a region. All share connections, credentials and retry policy.
    pub(super) fn client_in(&self, region: &str) -> Client {
        self.sender_in(region).client
    }

    fn sender_in(&self, region: &str) -> Sender {
        let mut clients = self.clients();
        let Clients { home, elsewhere, renewals, .. } = &mut *clients;
        if region == self.region {
            return Sender { client: home.clone(), renewals: *renewals };
        }
        if elsewhere.len() >= REGIONS_MAX && !elsewhere.contains_key(region) {
            elsewhere.clear();
        }
        let client = elsewhere.entry(region.to_owned()).or_insert_with(|| {
            let region = Region::new(region.to_owned());
            Client::from_conf(home.config().to_builder().region(region).build())
        });
        Sender { client: client.clone(), renewals: *renewals }
    }

    /// Has credentials asked for anew, unless somebody else has since `sender` was made: many
    /// requests find out at once that a token is over.
    fn renew_credentials(&self, sender: &Sender) {
        let mut clients = self.clients();
        if clients.renewals != sender.renewals {
            return;
        }
        let fresh = clients.home.config().to_builder();
        let fresh = fresh.identity_cache(IdentityCache::lazy().build());
        clients.renewals += 1;
        clients.home = Client::from_conf(fresh.build());
        clients.elsewhere = HashMap::new();
        tracing::info!("S3 takes the credentials no more: they are asked for again");
    }

    /// Whether a refusal without a reason may once more be taken for a token that is over. Some
    /// objects answer every `HEAD` so.
    fn may_guess(&self, sender: &Sender) -> bool {
        let now = Instant::now();
        let mut clients = self.clients();
        if clients.renewals != sender.renewals {
            return true;
        }
        let recent = clients.guesses.filter(|(since, _)| now - *since < GUESS_PERIOD);
        let (since, count) = recent.unwrap_or((now, 0));
        clients.guesses = Some((since, count + 1));
        count < GUESSES_MAX
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request on a bucket within the time that `work` may take, and once more where S3
    /// says that the bucket is in another region or that the credentials' time is over.
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
        let region = self.region_of(bucket);
        let request = async {
            let error = match self.send_renewing(&region, &send).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let refusal = refusal_of(&error);
            let Some(region) = refusal.and_then(|refusal| plan_redirect(&refusal, &region)) else {
                return Err(self.read(&error));
            };
            tracing::debug!(bucket, region, "bucket is in another region");
            self.buckets.learn(bucket, &region);
            self.send_renewing(&region, &send).await.map_err(|error| self.read(&error))
        };
        self.within(work, request).await
    }

    /// Sends a request that belongs to no bucket.
    pub(super) async fn call_account<O, E, F>(&self, send: impl Fn(Client) -> F) -> StoreResult<O>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        let request = async {
            let sent = self.send_renewing(&self.region, &send).await;
            sent.map_err(|error| self.read(&error))
        };
        self.within(Work::Request, request).await
    }

    /// Sends a request, and once more with other credentials where S3 may want these no more.
    async fn send_renewing<O, E, F>(
        &self,
        region: &str,
        send: &impl Fn(Client) -> F,
    ) -> Result<O, SdkError<E, HttpResponse>>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        let sender = self.sender_in(region);
        let sent = send(sender.client.clone()).await;
        let refusal = sent.as_ref().err().and_then(refusal_of);
        let is_over = |refusal: &Refusal| {
            self.renewal == Renewal::Possible
                && (is_expired(refusal) || may_be_expired(refusal) && self.may_guess(&sender))
                && plan_redirect(refusal, region).is_none()
        };
        if !refusal.as_ref().is_some_and(is_over) {
            return sent;
        }
        self.renew_credentials(&sender);
        send(self.client_in(region)).await
    }

    fn read<E>(&self, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        read_error(error, &self.endpoint)
    }

    async fn within<O>(
        &self,
        work: Work,
        request: impl Future<Output = StoreResult<O>>,
    ) -> StoreResult<O> {
        let limit = self.limits(work).operation;
        let done = attempts::within(limit, request).await;
        done.unwrap_or_else(|failure| Err(without_success(limit, failure, &self.endpoint)))
    }
}

#[cfg(test)]
mod tests;
