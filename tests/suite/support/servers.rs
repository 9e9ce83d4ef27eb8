//! S3 servers as child processes on loopback ports: ours, and two that we did not write.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use pailfs::store::ObjectStore;
use pailfs::store::error::StoreResult;
use pailfs::store::s3::{CredentialSource, S3Client, S3Options};
use pailfs::store::types::{CreateBucket, DeleteObject, Payload, WriteOptions};
use tempfile::TempDir;

use crate::support::child::{Child, Leftover};
use crate::support::{ports, runtime, tools, wait};

/// The region of every server here.
pub(crate) const REGION: &str = "us-east-1";

/// How long a server may take to answer its first request.
const START: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `pailfs serve` on a directory.
    Pailfs,
    Ministack,
    Seaweedfs,
}

/// Credentials.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) access: String,
    pub(crate) secret: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self { access: "test".to_owned(), secret: "test".to_owned() }
    }
}

/// A server that answers.
pub(crate) struct Server {
    kind: Kind,
    port: u16,
    child: Option<Child>,
    directory: TempDir,
    /// Sockets that it makes elsewhere and leaves there.
    sockets: Vec<PathBuf>,
}

/// ministack takes seconds to start: all tests share one, each in its own buckets.
pub(crate) fn ministack() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Kind::Ministack));
    &SERVER
}

impl Server {
    /// Starts it and waits until it takes an object.
    pub(crate) fn start(kind: Kind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server =
            Self { kind, port: ports::free(), child: None, directory, sockets: Vec::new() };
        server.resume();
        server
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child = None;
    }

    /// Starts it again on the same port with the same data.
    pub(crate) fn resume(&mut self) {
        let directory = self.directory.path();
        let command = match self.kind {
            Kind::Pailfs => pailfs(self.port, directory),
            Kind::Ministack => ministack_command(self.port, directory),
            Kind::Seaweedfs => seaweedfs(self.port, directory, &mut self.sockets),
        };
        let name = match self.kind {
            Kind::Pailfs => "server",
            Kind::Ministack => "ministack",
            Kind::Seaweedfs => "seaweedfs",
        };
        let mut child = Child::spawn(name, command, Leftover::Directory(directory));
        let store = self.store();
        let ready = wait::poll(START, || {
            let ended = child.ended();
            assert!(ended.is_none(), "{name} ended with {ended:?}: {}", child.log());
            runtime::block_on(takes_an_object(store.as_ref())).ok()
        });
        assert!(ready.is_some(), "{name} takes no object: {}", child.log());
        self.child = Some(child);
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client of its own, as another machine would have.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        connect(&self.endpoint(), &Keys::default())
    }

    /// What a program needs in its environment to be let in.
    #[expect(clippy::unused_self, reason = "that all servers take the same keys is theirs to know")]
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        environment()
    }
}

/// What a program needs in its environment to be let in by a server with the usual keys.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    let keys = Keys::default();
    vec![
        ("AWS_ACCESS_KEY_ID", keys.access),
        ("AWS_SECRET_ACCESS_KEY", keys.secret),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child = None;
        for socket in &self.sockets {
            drop(std::fs::remove_file(socket));
        }
    }
}

/// A client that gives up soon enough for a test to go on.
pub(crate) fn connect(endpoint: &str, keys: &Keys) -> Arc<dyn ObjectStore> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("keys");
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(&path).expect("a key file");
    writeln!(file, "{}:{}", keys.access, keys.secret).expect("a key file");
    let options = S3Options {
        endpoint_url: Some(endpoint.to_owned()),
        region: Some(REGION.to_owned()),
        credentials: CredentialSource::KeyFile(path),
        attempts_max: 3,
        ..S3Options::default()
    };
    Arc::new(runtime::block_on(S3Client::connect(options)).expect("a client"))
}

/// Servers of several processes answer before they can store anything.
async fn takes_an_object(store: &dyn ObjectStore) -> StoreResult<()> {
    let bucket = format!("ready-{:08x}", fastrand::u32(..));
    store.create_bucket(&bucket, CreateBucket::default()).await?;
    let payload = Payload::from(Bytes::from_static(b"ready"));
    store.put_object(&bucket, "ready", payload, WriteOptions::default()).await?;
    store.delete_object(&bucket, "ready", DeleteObject::default()).await?;
    store.delete_bucket(&bucket).await
}

fn pailfs(port: u16, directory: &Path) -> Command {
    let keys = Keys::default();
    let mut command = Command::new(tools::pailfs());
    command.arg("serve").arg("--data").arg(directory);
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--access-key", &keys.access, "--secret-key", &keys.secret]);
    command
}

fn ministack_command(port: u16, directory: &Path) -> Command {
    let mut command = Command::new(tools::tool("ministack"));
    command.current_dir(directory);
    command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
    command.env("SERVICES", "s3,iam,sts").env("AUTH", "true").env("TMPDIR", directory);
    command
}

fn seaweedfs(port: u16, directory: &Path, sockets: &mut Vec<PathBuf>) -> Command {
    let keys = Keys::default();
    let identities = serde_json::json!({ "identities": [{
        "name": "test",
        "credentials": [{ "accessKey": keys.access, "secretKey": keys.secret }],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    let config = directory.join("s3.json");
    std::fs::write(&config, identities.to_string()).expect("the identities");
    let mut command = Command::new(tools::tool("weed"));
    command.arg("server").arg(format!("-dir={}", directory.display()));
    command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
    command.arg(format!("-s3.port={port}")).arg(format!("-s3.config={}", config.display()));
    // Two ports each, or it takes those of a fixed distance, free or not.
    for part in ["master", "volume", "filer"] {
        command.arg(format!("-{part}.port={}", ports::free()));
    }
    for part in ["master", "volume", "filer", "s3"] {
        let port = ports::free();
        command.arg(format!("-{part}.port.grpc={port}"));
        sockets.push(PathBuf::from(format!("/tmp/seaweedfs-{part}-grpc-{port}.sock")));
    }
    for part in ["filer", "s3"] {
        command.arg(format!("-{part}.localSocket={}", directory.join(part).display()));
    }
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]);
    // Every bucket takes volumes of its own, seven unless told: few and small ones do here.
    command.args(["-volume.max=0", "-master.volumeSizeLimitMB=64"]);
    command.env("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1").env("TMPDIR", directory);
    command
}
