//! S3 over HTTP, answered from any `ObjectStore`.
//!
//! This room decides how HTTP becomes calls of [`ObjectStore`] and back: who may ask, which
//! headers mean what, how answers and refusals are worded. Parsing requests, verifying
//! signatures and writing XML is done by the crate s3s, which nothing outside this room names.
//! What S3 does with a call (versions, conditions, ETags) is the store's business.
//!
//! Requests are path style (`/bucket/key`), signed with the one key of [`ServeOptions`] or with one of
//! [`sessions`]; those without a signature are refused, also for objects whose ACL lets everybody
//! read. One server answers for all regions; a request must be signed for that of its bucket.

mod acl;
mod auth;
mod body;
mod buckets;
mod connections;
mod convert;
mod documents;
mod errors;
mod listings;
mod multipart;
mod objects;
mod regions;
mod request;
mod service;
pub mod sessions;
mod tags;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::request::Desk;
use crate::server::sessions::Sessions;
use crate::store::ObjectStore;

/// Where to listen, and for whom.
#[derive(Clone)]
pub struct ServeOptions {
    /// Port 0 takes any free one; [`Server::endpoint`] says which.
    pub listen: SocketAddr,
    pub access_key: String,
    pub secret_key: String,
    /// Where buckets are created whose request names no region.
    pub region: String,
    /// Keys besides the one above.
    pub sessions: Arc<Sessions>,
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("listen", &self.listen)
            .field("access_key", &self.access_key)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A running server; dropped, it ends as by [`Server::shutdown`], but nobody waits for it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

/// Serves `store`; the port is bound and connections are accepted when this returns.
pub async fn start(store: Arc<dyn ObjectStore>, options: ServeOptions) -> std::io::Result<Server> {
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let desk = Desk { service: service::build(Arc::clone(&store), options), store };
    let accepting = tokio::spawn(connections::serve(listener, desk, stopped));
    Ok(Server { address, stop, accepting })
}

impl Server {
    /// The address for clients on this machine, such as `http://127.0.0.1:9000`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", reachable(self.address))
    }

    /// Stops accepting, lets requests in flight finish for a few seconds, then closes.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(failed) = self.accepting.await {
            tracing::error!(%failed, "the server's accept loop ended early");
        }
    }
}

/// A server that listens on every address is reached on the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(loopback, address.port())
}
