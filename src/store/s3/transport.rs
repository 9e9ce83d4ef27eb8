//! Transport: HTTP connections, and when to give one up.
//!
//! The SDK's read timeout counts from the start of a request to its answer, so a large upload
//! over a slow line would run into it while all is well, and it leaves bodies alone. Here a
//! request is given up when nothing has moved for the read timeout: not a byte of the upload,
//! no answer, not a byte of the download. Trying again is the SDK's business.

use std::error::Error;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::error::{BoxError, ConnectorError};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::store::s3::attempts::note;

/// A client of HTTP and HTTPS with the proxies of the environment, for S3 and for whoever gives
/// out credentials. Trusts the machine's certificates and those in `ca_bundle` (PEM).
pub(super) fn http_client(ca_bundle: Option<Vec<u8>>, idle_max: usize) -> SharedHttpClient {
    let mut trusted = TrustStore::default();
    if let Some(bundle) = ca_bundle {
        trusted = trusted.with_pem_certificate(bundle);
    }
    let context = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .pool_max_idle_per_host(idle_max)
            .proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .build()
    })
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

/// A client whose requests are given up when they stall.
#[derive(Debug)]
pub(super) struct Watched {
    inner: SharedHttpClient,
    read_timeout: Duration,
}

impl Watched {
    pub(super) fn new(inner: SharedHttpClient, read_timeout: Duration) -> Self {
        Self { inner, read_timeout }
    }
}

impl HttpClient for Watched {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(WatchedConnector { inner, read_timeout: self.read_timeout })
    }
}

#[derive(Debug)]
struct WatchedConnector {
    inner: SharedHttpConnector,
    read_timeout: Duration,
}

impl HttpConnector for WatchedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let between_bytes = self.read_timeout;
        let limit = request.extension::<ReadTimeout>().map_or(between_bytes, |limit| limit.0);
        let sent = Arc::new(AtomicU64::new(0));
        if request.body().is_streaming() {
            let inner = request.take_body();
            let counted = CountedBody { inner, sent: Arc::clone(&sent) };
            *request.body_mut() = SdkBody::from_body_1_x(counted);
        }
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let response = note(unless_stalled(answer, &sent, limit).await)?;
            let idle = move |body| SdkBody::from_body_1_x(WatchedBody::new(body, between_bytes));
            Ok(response.map(idle))
        })
    }
}

/// Waits for the answer while frames of the request go out at least every `limit`.
async fn unless_stalled(
    answer: impl Future<Output = Result<HttpResponse, ConnectorError>>,
    sent: &AtomicU64,
    limit: Duration,
) -> Result<HttpResponse, ConnectorError> {
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
struct WatchedBody {
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
