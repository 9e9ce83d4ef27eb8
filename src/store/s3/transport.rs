//! Transport: HTTP, and when to give a request up.
//!
//! One pool of connections for everything that is asked: S3's data path sends its requests here
//! itself, the SDK and whoever gives out credentials do so through [`HttpConnector`].
//!
//! A deadline would end a large upload over a slow line while all is well. Here a request is
//! given up when nothing has moved for the read timeout: not a byte of the upload, no answer, not
//! a byte of the download. Trying again is the callers' business.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{HttpClient, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ConnectorError};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::retry::ErrorKind;
use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::uri::Scheme;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, Sleep};

use crate::store::s3::S3Options;
use crate::store::s3::attempts::note;
use crate::store::s3::dial::{Dial, NotConnected, trusted};
use crate::store::s3::errors::find;

/// Headers of an answer. S3 takes 2 KB of user metadata, so an object may have some hundreds.
const HEADERS_MAX: usize = 1024;
/// How long a connection nobody needs is kept.
const IDLE_SECONDS_MAX: u64 = 90;

/// What a connection reads at once, and the most that the head of an answer may have. Many connections
/// have such a buffer each, and it is read faster out of the processor's cache.
const READ_BYTES_MAX: usize = 128 << 10;

/// A client of HTTP and HTTPS with the proxies of the environment; clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client<Dial, SdkBody>,
    proxies: Arc<Matcher>,
    read_timeout: Duration,
}

impl Http {
    /// Trusts the machine's certificates and those in `bundle` (PEM); says what is wrong with them.
    pub(super) fn new(options: &S3Options, bundle: Option<&[u8]>) -> Result<Self, String> {
        let proxies = Arc::new(Matcher::from_env());
        let dial = Dial::new(trusted(bundle)?, Arc::clone(&proxies), options.connect_timeout)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS_MAX))
            .pool_max_idle_per_host(options.connections_max)
            .http1_max_headers(HEADERS_MAX)
            .http1_max_buf_size(READ_BYTES_MAX)
            .build(dial);
        Ok(Self { client, proxies, read_timeout: options.read_timeout })
    }

    /// Sends a request once. `limit`: how long the answer may take once the body is sent.
    pub(super) async fn send(
        &self,
        mut request: Request<SdkBody>,
        limit: Duration,
    ) -> Result<Response<WatchedBody>, ConnectorError> {
        self.authorize(&mut request);
        let sent = Arc::new(AtomicU64::new(0));
        if request.body().is_streaming() {
            let counter = Arc::clone(&sent);
            request =
                request.map(|inner| SdkBody::from_body_1_x(CountedBody { inner, sent: counter }));
        }
        let answer = self.client.request(request);
        let answer = async { answer.await.map_err(connector_error) };
        let answer = unless_stalled(answer, &sent, limit).await;
        note(&answer);
        Ok(answer?.map(|body| WatchedBody::new(SdkBody::from_body_1_x(body), self.read_timeout)))
    }

    /// A proxy that reads requests wants to know whose each is; one that tunnels was told before.
    fn authorize(&self, request: &mut Request<SdkBody>) {
        if request.uri().scheme() != Some(&Scheme::HTTP) {
            return;
        }
        let proxy = self.proxies.intercept(request.uri());
        if let Some(authorization) = proxy.as_ref().and_then(|proxy| proxy.basic_auth()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // Who gives out credentials may be asked for a shorter answer.
        let read_timeout = settings.read_timeout().unwrap_or(self.read_timeout);
        SharedHttpConnector::new(Self { read_timeout, ..self.clone() })
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let limit = request.extension::<ReadTimeout>().map_or(self.read_timeout, |limit| limit.0);
        let http = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x();
            let request = request.map_err(|error| ConnectorError::user(error.into()))?;
            let answer = http.send(request, limit).await?.map(SdkBody::from_body_1_x);
            let answer = HttpResponse::try_from(answer);
            answer.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What a failure of the HTTP library means to whoever may try again.
fn connector_error(error: ClientError) -> ConnectorError {
    if find::<NotConnected>(&error).is_some() {
        return ConnectorError::timeout(error.into());
    }
    let Some(cause) = find::<hyper::Error>(&error).filter(|_| !error.is_connect()) else {
        return ConnectorError::io(error.into());
    };
    if cause.is_user() {
        ConnectorError::user(error.into())
    } else if cause.is_incomplete_message() {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else if cause.is_closed() || cause.is_canceled() || find::<io::Error>(cause).is_some() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    }
}

/// How long one request may wait for its answer; an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadTimeout(pub Duration);

/// Nothing moved for so long.
#[derive(Debug)]
pub(super) struct Stalled(Duration);

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing came for {} s", self.0.as_secs_f64())
    }
}

impl Stalled {
    pub(super) fn after(limit: Duration) -> Self {
        Self(limit)
    }
}

impl Error for Stalled {}

/// Waits for the answer while frames of the request go out at least every `limit`.
async fn unless_stalled<A>(
    answer: impl Future<Output = Result<A, ConnectorError>>,
    sent: &AtomicU64,
    limit: Duration,
) -> Result<A, ConnectorError> {
    let mut answer = pin!(answer);
    let mut sent_before = sent.load(Ordering::Relaxed);
    loop {
        if let Ok(answer) = tokio::time::timeout(limit, answer.as_mut()).await {
            return answer;
        }
        let sent_now = sent.load(Ordering::Relaxed);
        if sent_now == sent_before {
            return Err(ConnectorError::timeout(Stalled::after(limit).into()));
        }
        sent_before = sent_now;
    }
}

/// A request's body that counts the frames taken from it.
struct CountedBody {
    inner: SdkBody,
    sent: Arc<AtomicU64>,
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        self.sent.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

/// An answer's body that fails when it keeps whoever reads it waiting for longer than `limit`.
/// The time that the reader takes between its reads does not count.
pub(super) struct WatchedBody {
    inner: SdkBody,
    limit: Duration,
    waiting: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl WatchedBody {
    fn new(inner: SdkBody, limit: Duration) -> Self {
        Self { inner, limit, waiting: false, timer: None }
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(context)
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.waiting = false;
            return Poll::Ready(frame);
        }
        ready!(self.poll_timer(context));
        Poll::Ready(Some(Err(Stalled::after(self.limit).into())))
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

#[cfg(test)]
mod tests;
