//! An S3 reached over HTTP: reading, writing and listing by requests of our own, all else through
//! the official SDK.
//!
//! [`S3Client::connect`] turns [`S3Options`] into a `Connection`; `store` hands
//! every call of [`crate::store::ObjectStore`] to the family it belongs to. Each family builds
//! requests and reads answers, and nothing else:
//!
//! - `settings`, `credentials`, `key_file`: what is decided once, before any request
//! - `connection`, `attempts`, `regions`, `keyring`: one operation, from its deadline to the region
//!   it is repeated in
//! - `wire`: the data path's requests, signed, sent and repeated; `transport`, `dial`: HTTP for them,
//!   for the SDK and for credentials
//! - `probes`: what a server must have shown before something is written
//! - `requests`, `body`, `convert`: our words as HTTP's and S3's, and back
//! - `buckets`, `objects`, `multipart`, `listing`, `versions`, `acl`, `documents`: the calls
//! - `errors`: the only place that reads S3's codes
//!
//! Retrying a single request is done here; giving up on a server, limiting how many requests
//! are under way, and reading on after a body broke off are the callers' business.

mod acl;
mod attempts;
mod body;
mod buckets;
mod connection;
mod convert;
mod credentials;
mod dial;
mod documents;
pub mod errors;
mod key_file;
mod keyring;
mod listing;
mod multipart;
mod objects;
mod probes;
mod regions;
mod requests;
mod settings;
mod store;
mod transport;
mod versions;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::store::error::StoreResult;
use crate::store::s3::connection::Connection;

/// Where the credentials come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CredentialSource {
    /// Environment, profiles, SSO, `credential_process`, web identity, ECS, IMDSv2: the order and
    /// the settings of every AWS tool.
    #[default]
    Chain,
    /// Requests are not signed.
    Anonymous,
    /// A file that only its owner can read; `ACCESS:SECRET` or `key = value` lines.
    KeyFile(PathBuf),
}

/// Where a request names its bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Addressing {
    /// In the path for an endpoint that was given, in the host name for AWS.
    #[default]
    Auto,
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    VirtualHost,
}

/// How to reach an S3.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// `None`: what the profile says, else AWS.
    pub endpoint_url: Option<String>,
    /// `None`: what the environment, the profile or the machine says, else `us-east-1`.
    pub region: Option<String>,
    /// A profile of the AWS configuration files; its credentials go before the environment's.
    pub profile: Option<String>,
    pub credentials: CredentialSource,
    pub addressing: Addressing,
    /// PEM certificates to trust besides the machine's own.
    pub ca_bundle: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// How long nothing at all may arrive or leave, before the first byte and between bytes.
    pub read_timeout: Duration,
    /// For one operation with all its retries; uploads and server-side copies get more.
    pub operation_timeout: Duration,
    /// Attempts for one operation, the first included.
    pub attempts_max: u32,
    /// Idle connections kept open to one host.
    pub connections_max: usize,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            region: None,
            profile: None,
            credentials: CredentialSource::Chain,
            addressing: Addressing::Auto,
            ca_bundle: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(20),
            operation_timeout: Duration::from_secs(60),
            attempts_max: 8,
            connections_max: 256,
        }
    }
}

/// A client of one S3; clones share connections, credentials and what was learnt of regions.
#[derive(Clone)]
pub struct S3Client {
    connection: Arc<Connection>,
}

impl S3Client {
    /// Reads configuration and key files; no request is sent, and credentials of the chain are
    /// looked for when the first request needs them.
    ///
    /// Fails with `Invalid` where an option makes no sense or a profile isn't there, with `Forbidden` where a key file
    /// can't be used.
    pub async fn connect(options: S3Options) -> StoreResult<Self> {
        let connection = settings::connect(&options).await?;
        Ok(Self { connection: Arc::new(connection) })
    }

    /// The same client with another limit for one operation: it shares connections, credentials
    /// and what is learnt of regions.
    #[must_use]
    pub fn with_operation_timeout(&self, limit: Duration) -> Self {
        Self { connection: Arc::new(self.connection.with_operation_limit(limit)) }
    }

    /// The region that requests are signed for unless their bucket is known to be elsewhere.
    #[must_use]
    pub fn region(&self) -> &str {
        self.connection.region()
    }
}

impl fmt::Debug for S3Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Client").field("region", &self.region()).finish_non_exhaustive()
    }
}
