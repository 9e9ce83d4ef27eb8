//! Connections: accepting them, and ending them in good order.
//!
//! One task per connection, HTTP/1.1 with keep-alive. What a request means is
//! [`request::answer`]'s business.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::server::request::{self, Desk};

/// How long requests in flight may take once the server is told to stop.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// S3 takes 2 KiB of user metadata, which may be hundreds of headers; hyper would take 100 in all.
const HEADERS_MAX: usize = 1024;

/// How long to leave `accept` alone when the process is out of descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Serves connections until `stopped` resolves, its sender dropped or not.
pub(crate) async fn serve(listener: TcpListener, desk: Desk, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _handle = connections.spawn(converse(stream, desk.clone(), graceful.watcher()));
                }
                Err(failed) => {
                    tracing::warn!(%failed, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WAIT, graceful.shutdown()).await.is_err() {
        tracing::warn!("closing connections whose requests did not finish");
    }
    connections.shutdown().await;
}

async fn converse(stream: TcpStream, desk: Desk, watcher: hyper_util::server::graceful::Watcher) {
    if let Err(failed) = stream.set_nodelay(true) {
        tracing::debug!(%failed, "cannot set TCP_NODELAY");
    }
    let answer = service_fn(move |request| {
        let desk = desk.clone();
        async move { request::answer(&desk, request).await }
    });
    let connection = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(failed) = watcher.watch(connection).await {
        tracing::debug!(%failed, "a connection ended early");
    }
}
