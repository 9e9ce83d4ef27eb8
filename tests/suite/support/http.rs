//! A GET as any program would send it, without credentials.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status and body of what `http://...` answers.
pub(crate) async fn get(address: &str) -> io::Result<(u16, Vec<u8>)> {
    let rest = address.strip_prefix("http://").ok_or_else(|| broken("no http address"))?;
    let (host, path) = rest.split_once('/').ok_or_else(|| broken("no path"))?;
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| broken("no HTTP answer"))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

fn broken(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
