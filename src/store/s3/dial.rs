//! Dialling: how a connection comes to be, straight or through a proxy of the environment, with
//! TLS or without.
//!
//! What is asked over a connection, and how long an answer may take, is `transport`'s business.

use std::error::Error;
use std::fmt;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::error::BoxError;
use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

type Connecting<C> = Pin<Box<dyn Future<Output = Result<C, BoxError>> + Send>>;
type TcpOrTls = MaybeHttpsStream<TokioIo<TcpStream>>;

/// The machine's certificates and those in `bundle` (PEM); says what is wrong with the bundle.
pub(super) fn trusted(bundle: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    if !found.errors.is_empty() {
        tracing::warn!(errors = ?found.errors, "certificates of this machine can't be read");
    }
    roots.add_parsable_certificates(found.certs);
    let Some(bundle) = bundle else {
        return Ok(roots);
    };
    let given = CertificateDer::pem_slice_iter(bundle).collect::<Result<Vec<_>, _>>();
    let given = given.map_err(|error| error.to_string())?;
    if given.is_empty() {
        return Err("there is none in PEM form".to_owned());
    }
    for certificate in given {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

/// No connection within so long.
#[derive(Debug)]
pub(super) struct NotConnected(Duration);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} s", self.0.as_secs_f64())
    }
}

impl Error for NotConnected {}

/// Makes connections, each within a limit.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    https: HttpsConnector<Route>,
    limit: Duration,
}

impl Dial {
    /// Fails where the TLS library can't be set up.
    pub(super) fn new(
        trusted: RootCertStore,
        proxies: Arc<Matcher>,
        limit: Duration,
    ) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?;
        let config = config.with_root_certificates(trusted).with_no_client_auth();
        let config = Arc::new(config);
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = HttpsConnector::from((tcp.clone(), Arc::clone(&config)));
        let route = Route { tcp, tls, proxies };
        Ok(Self { https: HttpsConnector::from((route, config)), limit })
    }
}

impl Service<Uri> for Dial {
    type Response = MaybeHttpsStream<Line>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let limit = self.limit;
        let connecting = tokio::time::timeout(limit, self.https.call(target));
        Box::pin(async move {
            let connected = connecting.await;
            connected.unwrap_or_else(|_elapsed| Err(NotConnected(limit).into()))
        })
    }
}

/// What TLS, if there is any, is spoken over.
#[derive(Clone, Debug)]
struct Route {
    tcp: HttpConnector,
    /// To a proxy, which may want TLS itself.
    tls: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Route {
    type Response = Line;
    type Error = BoxError;
    type Future = Connecting<Line>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        match self.proxies.intercept(&target) {
            Some(proxy) if target.scheme() == Some(&Scheme::HTTPS) => self.tunnel(target, &proxy),
            Some(proxy) => {
                let connecting = self.tls.call(proxy.uri().clone());
                Box::pin(async move { Ok(Line { inner: connecting.await?, is_forwarded: true }) })
            }
            None => {
                let connecting = self.tcp.call(target);
                Box::pin(async move {
                    Ok(Line { inner: connecting.await?.into(), is_forwarded: false })
                })
            }
        }
    }
}

impl Route {
    fn tunnel(&self, target: Uri, proxy: &Intercept) -> Connecting<Line> {
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tls.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let connecting = tunnel.call(target);
        Box::pin(async move { Ok(Line { inner: connecting.await?, is_forwarded: false }) })
    }
}

/// A connection, and whether a proxy reads the requests on it: those name their host.
pub(super) struct Line {
    inner: TcpOrTls,
    is_forwarded: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.inner.connected().proxy(self.is_forwarded)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
