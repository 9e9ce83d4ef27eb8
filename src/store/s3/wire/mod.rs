//! The wire: requests of the data path, signed and sent without the SDK's machinery.
//!
//! Reading, writing and listing objects is what a mount does all day, and the SDK takes ten times
//! the processor time that signing and HTTP take. What is shared with the SDK: connections, keys,
//! the rules for endpoints, the signer, errors. Here is one request with its retries;
//! `connection` has the operation's deadline, its region and the end of its credentials.
//!
//! - `request`: what is asked, as a signed HTTP request    `place`: the address and who signs for it
//! - `retry`: whether and when to try again    `skew`: how far clocks differ
//! - `answer`, `list`: headers and XML as our nouns

pub(super) mod answer;
pub(super) mod list;
pub(super) mod place;
pub(super) mod request;
pub(super) mod retry;
mod skew;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Limited};

use crate::store::clock::{Clock, SystemClock};
use crate::store::error::StoreError;
use crate::store::s3::connection::Failure;
use crate::store::s3::errors::{
    read_body_error, read_refusal, refused, undelivered, unreadable, without_credentials,
};
use crate::store::s3::keyring::Keyring;
use crate::store::s3::transport::{Http, WatchedBody};
use crate::store::s3::wire::place::{Place, Places};
use crate::store::s3::wire::request::{Ask, signed};
use crate::store::s3::wire::retry::{Failed, plan_retry, plan_skew};
use crate::store::s3::wire::skew::{Corrected, Skew};

/// Of an error's text; S3's have some hundred.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Of a page: a thousand keys of 1024 bytes, each of them encoded as three, and what is with them.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The way to an S3.
pub(super) struct Wire {
    http: Http,
    /// `None`: nothing is signed.
    keys: Option<Arc<Keyring>>,
    places: Places,
    /// Named in errors.
    endpoint: String,
    attempts_max: u32,
    clock: SystemClock,
    skew: Skew,
}

impl Wire {
    pub(super) fn new(
        http: Http,
        keys: Option<Arc<Keyring>>,
        places: Places,
        endpoint: String,
        attempts_max: u32,
    ) -> Self {
        let (clock, skew) = (SystemClock::new(), Skew::default());
        Self { http, keys, places, endpoint, attempts_max, clock, skew }
    }

    pub(super) fn keys(&self) -> Option<&Keyring> {
        self.keys.as_deref()
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends a request until it has an answer that `read` can read, or trying again is no use.
    /// `limit`: how long each answer may take.
    pub(super) async fn send<O, F>(
        &self,
        ask: &Ask<'_>,
        region: String,
        limit: Duration,
        read: &impl Fn(Response<WatchedBody>) -> F,
    ) -> Result<O, Box<Failure>>
    where
        F: Future<Output = Result<O, Failed>>,
    {
        let place = self.places.find(ask.bucket, &region).await;
        let place = place.map_err(|error| Box::new(Failure { error, refusal: None }))?;
        let attempts_max = if ask.is_repeatable() { self.attempts_max } else { 1 };
        let mut attempts = 0;
        loop {
            let failed = match self.attempt(ask, &place, limit, read).await {
                Ok(output) => return Ok(output),
                Err(failed) => failed,
            };
            attempts += 1;
            let Some(pause) = plan_retry(&failed, attempts, attempts_max, fastrand::f64()) else {
                return Err(Box::new(self.failure(failed)));
            };
            tracing::debug!(bucket = ask.bucket, key = ask.key, attempts, ?pause, "tried again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<O, F>(
        &self,
        ask: &Ask<'_>,
        place: &Place,
        limit: Duration,
        read: &impl Fn(Response<WatchedBody>) -> F,
    ) -> Result<O, Failed>
    where
        F: Future<Output = Result<O, Failed>>,
    {
        let signed_at = self.skew.correct(self.clock.wall());
        let request = self.signed(ask, place, signed_at.time).await.map_err(Failed::Final)?;
        let answer = self.http.send(request, limit).await.map_err(Failed::Undelivered)?;
        if answer.status().is_success() {
            return read(answer).await;
        }
        Err(self.refused(answer, signed_at).await)
    }

    async fn signed(
        &self,
        ask: &Ask<'_>,
        place: &Place,
        time: SystemTime,
    ) -> Result<Request<SdkBody>, StoreError> {
        let Some(keys) = &self.keys else {
            return signed(ask, place, None);
        };
        let credentials = keys.credentials().await;
        let credentials = credentials.map_err(|error| without_credentials(&error))?;
        signed(ask, place, Some((credentials, time)))
    }

    /// Reads an answer that is not the one asked for, to its end: the connection is used again.
    async fn refused(&self, answer: Response<WatchedBody>, signed_at: Corrected) -> Failed {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, REFUSAL_BYTES_MAX).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let refusal = read_refusal(head.status.as_u16(), &head.headers, &body);
        let skew_seconds = plan_skew(&refusal, &head.headers, signed_at.time);
        if let Some(seconds) = skew_seconds {
            tracing::warn!(seconds, "the clock of this machine is not S3's");
            self.skew.differs(signed_at, seconds);
        }
        Failed::Refused {
            refusal: Box::new(refusal),
            retry_after: retry::retry_after(&head.headers),
            is_skewed: skew_seconds.is_some(),
        }
    }

    fn failure(&self, failed: Failed) -> Failure {
        match failed {
            Failed::Refused { refusal, .. } => {
                Failure { error: refused((*refusal).clone()), refusal: Some(*refusal) }
            }
            Failed::Undelivered(error) => {
                Failure { error: undelivered(&error, &self.endpoint), refusal: None }
            }
            Failed::BrokenOff(error) | Failed::Final(error) => Failure { error, refusal: None },
        }
    }
}

/// Takes the headers of an answer, all that those have who only say that they did something.
pub(super) async fn read_headers(answer: Response<WatchedBody>) -> Result<HeaderMap, Failed> {
    Ok(answer.into_parts().0.headers)
}

/// Leaves the body to whoever asked.
pub(super) async fn read_nothing(
    answer: Response<WatchedBody>,
) -> Result<Response<WatchedBody>, Failed> {
    Ok(answer)
}

/// Reads the text of an answer, whole.
pub(super) async fn read_document(answer: Response<WatchedBody>) -> Result<Bytes, Failed> {
    let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Failed::BrokenOff(unreadable(read_body_error(&*error), None)));
    Ok(body?.to_bytes())
}
