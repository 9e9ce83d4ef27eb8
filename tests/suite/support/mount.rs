//! Mounts: the program under test, in front of a server, until the test ends.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

use crate::support::bucket::Bucket;
use crate::support::child::{Child, Leftover};
use crate::support::command::{Output, shell};
use crate::support::servers::{Kind, REGION, Server, ministack};
use crate::support::{tools, wait};

/// How long a mount may take to come up, and how long to drain and end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a bucket of the test's own.
pub(crate) struct Site {
    server: SiteServer,
    pub(crate) bucket: Bucket,
}

enum SiteServer {
    Own(Server),
    Shared(&'static Server),
}

impl Site {
    /// Our server starts in milliseconds and is the test's alone; ministack is shared.
    pub(crate) fn new(kind: Kind) -> Self {
        let server = match kind {
            Kind::Ministack => SiteServer::Shared(ministack()),
            Kind::Pailfs | Kind::Seaweedfs => SiteServer::Own(Server::start(kind)),
        };
        let name = format!("mounted-{:08x}", fastrand::u32(..));
        let bucket = Bucket::create(get(&server).store(), name);
        Self { server, bucket }
    }

    pub(crate) fn server(&self) -> &Server {
        get(&self.server)
    }

    /// To be killed; panics where other tests need it too.
    pub(crate) fn server_mut(&mut self) -> &mut Server {
        match &mut self.server {
            SiteServer::Own(server) => server,
            SiteServer::Shared(_) => panic!("this server is not the test's alone"),
        }
    }

    /// Mounts the bucket.
    #[track_caller]
    pub(crate) fn mount(&self, arguments: &[&str]) -> TestMount {
        self.mount_source(&self.bucket.name, arguments)
    }

    /// Mounts a bucket, a prefix or the account and waits until it is there.
    #[track_caller]
    pub(crate) fn mount_source(&self, source: &str, arguments: &[&str]) -> TestMount {
        let server = self.server();
        match mount_at(&server.endpoint(), &server.environment(), source, arguments) {
            Ok(mount) => mount,
            Err(log) => panic!("the mount ended: {log}"),
        }
    }
}

/// Mounts what an endpoint has and waits until it is there; answers what the mount said where it
/// ended before.
#[track_caller]
pub(crate) fn mount_at(
    endpoint: &str,
    environment: &[(&'static str, String)],
    source: &str,
    arguments: &[&str],
) -> Result<TestMount, String> {
    assert!(Path::new("/dev/fuse").exists(), "no /dev/fuse: this machine can't mount");
    let mountpoint = Mountpoint::new();
    let mut command = Command::new(tools::pailfs());
    command.arg("mount").arg(source).arg(mountpoint.path()).arg("-f");
    command.args(["--endpoint-url", endpoint, "--region", REGION]);
    // The last one counts: that of a test that mounts twice on the same state.
    command.arg("--state-dir").arg(mountpoint.state());
    command.args(arguments).envs(environment.iter().cloned());
    let mut child = Child::spawn("mount", command, Leftover::Mount(mountpoint.path()));
    let ready = wait::poll(PATIENCE, || match child.ended() {
        Some(status) => Some(Err(format!("{status}: {}", child.log()))),
        None => mountpoint.is_mounted().then_some(Ok(())),
    });
    match ready {
        Some(Ok(())) => Ok(TestMount { child, mountpoint }),
        Some(Err(log)) => Err(log),
        None => panic!("nothing is mounted: {}", child.log()),
    }
}

fn get(server: &SiteServer) -> &Server {
    match server {
        SiteServer::Own(server) => server,
        SiteServer::Shared(server) => server,
    }
}

/// A mount in the foreground. Dropped, it is terminated and must end in time.
pub(crate) struct TestMount {
    child: Child,
    mountpoint: Mountpoint,
}

impl TestMount {
    pub(crate) fn root(&self) -> &Path {
        self.mountpoint.path()
    }

    pub(crate) fn path(&self, below: impl AsRef<OsStr>) -> PathBuf {
        self.root().join(Path::new(below.as_ref()))
    }

    /// Runs lines of shell in the root of the mount.
    #[track_caller]
    pub(crate) fn shell(&self, script: &str) -> Output {
        shell(self.root(), script)
    }

    /// Names in a directory, sorted.
    #[track_caller]
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(directory)).expect("a directory");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("an entry").file_name().into_string().expect("a name in UTF-8")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        self.child.log()
    }

    /// Asks it to end, as `kill` does, and waits until it has.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.child.terminate();
        self.child.wait(PATIENCE)
    }

    /// Stops the daemon where it is, so that it answers nothing until [`Self::resume`].
    pub(crate) fn pause(&self) {
        self.child.pause();
    }

    pub(crate) fn resume(&self) {
        self.child.resume();
    }

    /// Ends it at once, as a crash would: the mount stays behind.
    pub(crate) fn kill(&mut self) {
        self.child.kill();
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait(PATIENCE)
    }
}

impl Drop for TestMount {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.child.ended().is_none() {
            let status = self.terminate();
            assert!(status.success(), "the mount ended with {status}: {}", self.log());
        }
        self.child.kill();
        self.mountpoint.detach();
    }
}

/// An empty directory to mount on; nothing stays mounted there.
pub(crate) struct Mountpoint {
    path: PathBuf,
    /// Removed last, and only what is not mounted is removed.
    _directory: TempDir,
}

impl Mountpoint {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().canonicalize().expect("a path").join("mount");
        std::fs::create_dir(&path).expect("a mountpoint");
        Self { path, _directory: directory }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where what is mounted here keeps its state, unless the test says otherwise: beside it.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.with_file_name("state")
    }

    /// Whether a pailfs is mounted here, alive or not.
    pub(crate) fn is_mounted(&self) -> bool {
        let table = std::fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
        let here = self.path.to_string_lossy();
        table
            .lines()
            .any(|line| line.split(' ').nth(4) == Some(&here) && line.contains(" - fuse.pailfs "))
    }

    /// Unmounts whatever is here, however broken.
    fn detach(&self) {
        while self.is_mounted() && unmount(&self.path, UnmountFlags::DETACH).is_err() {
            let by_helper = Command::new("fusermount3").arg("-uz").arg(&self.path).status();
            if !by_helper.is_ok_and(|status| status.success()) {
                return;
            }
        }
    }
}

impl Drop for Mountpoint {
    fn drop(&mut self) {
        self.detach();
    }
}
