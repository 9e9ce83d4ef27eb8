//! Asking a mount over its control socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::cli::control::protocol::{
    self, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Request, Response,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// There is none, nobody listens on it, it is not for this user, or somebody else made it.
    #[error("the mount has no control socket for this user")]
    NoSocket,
    #[error("a value may have {} MiB, as JSON", REQUEST_BYTES_MAX >> 20)]
    TooLong,
    #[error("the mount hung up before it answered")]
    HungUp,
    #[error("the mount's answer makes no sense: {0}")]
    Nonsense(#[from] serde_json::Error),
    #[error("asking the mount: {0}")]
    System(#[from] io::Error),
}

/// Asks the mount whose socket this is. It must be that of `owner_uid`: in a directory that
/// everybody can write to, somebody else may have been first.
pub async fn ask(socket: &Path, owner_uid: u32, request: &Request) -> Result<Response, NoAnswer> {
    let line = protocol::line_of(request)?;
    if line.len() > REQUEST_BYTES_MAX {
        return Err(NoAnswer::TooLong);
    }
    let mut stream = UnixStream::connect(socket).await.map_err(|_| NoAnswer::NoSocket)?;
    if stream.peer_cred()?.uid() != owner_uid {
        return Err(NoAnswer::NoSocket);
    }
    if let Err(error) = stream.write_all(&line).await {
        return Err(if is_hang_up(&error) { NoAnswer::HungUp } else { error.into() });
    }
    read_response(stream).await
}

async fn read_response(stream: UnixStream) -> Result<Response, NoAnswer> {
    let mut line = Vec::new();
    let limit = RESPONSE_BYTES_MAX as u64;
    let read = BufReader::new(stream).take(limit).read_until(b'\n', &mut line).await;
    match read {
        Err(error) if is_hang_up(&error) => Err(NoAnswer::HungUp),
        Err(error) => Err(error.into()),
        Ok(_) if line.is_empty() => Err(NoAnswer::HungUp),
        Ok(_) => Ok(protocol::response_of(&line)?),
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
