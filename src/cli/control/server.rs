//! The mount's end of its control socket: who may ask, for how long, and what is done.
//!
//! The socket gets its name when it is ready, and loses it when the mount begins to end. What is
//! under way then is still answered, in little time; a client that stalls is not waited for.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::cli::control::protocol::{self, Act, REQUEST_BYTES_MAX, Request, Response};
use crate::cli::control::socket_path;
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::types::{Ino, Lookup, XattrMode};

/// Who gets through the socket may do what the mount's owner may.
const SUPERUSER: u32 = 0;

/// Others wait until one of these is over.
const CONNECTIONS_MAX: u32 = 32;
/// A client may take so long to say what it wants, and again to hear what came of it.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// How long the end of a mount waits for answers that are being sent.
const LAST_ANSWERS_PATIENCE: Duration = Duration::from_secs(2);
/// After the system has refused a connection, as for want of file descriptors.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// For its owner alone.
const MODE: u32 = 0o600;

/// The control socket of this process's mount. Dropped, it is closed.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    /// Which file the socket is: the name may be a later mount's.
    identity: (u64, u64),
    connections: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    vfs: Arc<Vfs>,
    owner_uid: u32,
    closing: watch::Receiver<bool>,
}

impl Control {
    /// Makes the socket of a mount in the directory of its runtime file, in place of one that
    /// another mount left there. Must be called inside a runtime.
    pub fn start(directory: &Path, device: &str, vfs: Arc<Vfs>) -> io::Result<Self> {
        let path = socket_path(directory, device);
        let unready = directory.join(format!("{device}.sock.{}", std::process::id()));
        remove_if_there(&unready)?;
        let listener = UnixListener::bind(&unready)?;
        std::fs::set_permissions(&unready, Permissions::from_mode(MODE))?;
        let identity = identity_of(&unready)?;
        std::fs::rename(&unready, &path)?;
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let (closing, when_closing) = watch::channel(false);
        let owner_uid = rustix::process::geteuid().as_raw();
        let shared = Shared { vfs, owner_uid, closing: when_closing };
        drop(tokio::spawn(accept(listener, Arc::clone(&connections), shared)));
        Ok(Self { path, identity, connections, closing })
    }

    /// Lets nobody ask any more; what was asked is still answered.
    pub fn close(&self) {
        self.closing.send_replace(true);
        // A name that belongs to a later mount meanwhile stays.
        let is_ours = identity_of(&self.path).is_ok_and(|identity| identity == self.identity);
        let removed = if is_ours { std::fs::remove_file(&self.path) } else { Ok(()) };
        if let Err(error) = removed {
            tracing::warn!("{} stays behind: {error}", self.path.display());
        }
    }

    /// After [`Control::close`]: returns when everything is answered, or soon.
    pub async fn finish(self) {
        let all = self.connections.acquire_many(CONNECTIONS_MAX);
        if timeout(LAST_ANSWERS_PATIENCE, all).await.is_err() {
            tracing::info!("{}: some are left without an answer", self.path.display());
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if !*self.closing.borrow() {
            self.close();
        }
    }
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn closed(mut closing: watch::Receiver<bool>) {
    // That it was dropped means the same.
    drop(closing.wait_for(|closing| *closing).await);
}

async fn accept(listener: UnixListener, connections: Arc<Semaphore>, shared: Shared) {
    loop {
        let next = async {
            let turn = Arc::clone(&connections).acquire_owned().await;
            (turn, listener.accept().await)
        };
        let (turn, accepted) = tokio::select! {
            () = closed(shared.closing.clone()) => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let shared = shared.clone();
                drop(tokio::spawn(async move {
                    serve(stream, shared).await;
                    drop(turn);
                }));
            }
            Err(error) => {
                tracing::warn!("no connection to the control socket: {error}");
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Answers one request; what a client does wrong is its own loss.
async fn serve(mut stream: UnixStream, shared: Shared) {
    let asker = stream.peer_cred().map(|peer| peer.uid());
    if !asker.is_ok_and(|uid| may_ask(uid, shared.owner_uid)) {
        tracing::warn!("the control socket answers nobody but its owner and root");
        return;
    }
    let line = tokio::select! {
        () = closed(shared.closing) => return,
        line = timeout(CLIENT_PATIENCE, read_line(&mut stream)) => line,
    };
    let Ok(Ok(line)) = line else { return };
    let response = answer(&shared.vfs, &line).await;
    let Ok(line) = protocol::line_of(&response) else { return };
    if !matches!(timeout(CLIENT_PATIENCE, stream.write_all(&line)).await, Ok(Ok(()))) {
        tracing::debug!("a client of the control socket went without its answer");
    }
}

/// Whether a user may ask a mount of another.
fn may_ask(asker_uid: u32, owner_uid: u32) -> bool {
    asker_uid == 0 || asker_uid == owner_uid
}

/// A line and its end; no more than a byte over the limit of requests.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let limit = REQUEST_BYTES_MAX as u64 + 1;
    BufReader::new(stream).take(limit).read_until(b'\n', &mut line).await?;
    Ok(line)
}

async fn answer(vfs: &Vfs, line: &[u8]) -> Response {
    if line.len() > REQUEST_BYTES_MAX {
        let message = format!("a request has at most {} MiB", REQUEST_BYTES_MAX >> 20);
        return Response::Refused { errno: Errno::TOOBIG.raw_os_error(), message };
    }
    let request = match protocol::request_of(line) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("no request: {error}");
            return Response::Refused { errno: Errno::INVAL.raw_os_error(), message };
        }
    };
    run(vfs, request).await.unwrap_or_else(|error| Response::Refused {
        errno: error.errno().raw_os_error(),
        message: error.to_string(),
    })
}

async fn run(vfs: &Vfs, request: Request) -> VfsResult<Response> {
    let mut walk = Walk { vfs, looked_up: Vec::new() };
    let ino = walk.to(&request.path.0).await?;
    match request.act {
        Act::Get { name } => {
            let value = vfs.getxattr(ino, &name.0, SUPERUSER).await?;
            Ok(Response::Value(protocol::Octets(value.to_vec())))
        }
        Act::Set { name, value } => {
            vfs.setxattr(ino, &name.0, &value.0, XattrMode::Either, SUPERUSER).await?;
            Ok(Response::Done)
        }
        Act::Remove { name } => {
            vfs.removexattr(ino, &name.0, SUPERUSER).await?;
            Ok(Response::Done)
        }
    }
}

/// A way from the root; the lookups are taken back when it is dropped.
struct Walk<'a> {
    vfs: &'a Vfs,
    looked_up: Vec<Ino>,
}

impl Walk<'_> {
    /// Symbolic links on the way are no directories here: clients follow them.
    async fn to(&mut self, path: &[u8]) -> VfsResult<Ino> {
        let mut ino = Ino::ROOT;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            if matches!(name, b"." | b"..") {
                return Err(VfsError::Invalid("a path goes straight down".to_owned()));
            }
            match self.vfs.lookup(ino, name).await? {
                Lookup::Found(entry) => ino = entry.attr.ino,
                Lookup::Absent(_) => return Err(VfsError::NotFound),
            }
            self.looked_up.push(ino);
        }
        Ok(ino)
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        for ino in self.looked_up.drain(..).rev() {
            self.vfs.forget(ino, 1);
        }
    }
}

#[cfg(test)]
mod tests;
