//! A client that signs like the SDKs and otherwise sends exactly what a test says.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::tests::signature::{Signable, Signer};
use crate::store::clock::{Clock, SystemClock};

pub(super) const ACCESS_KEY: &str = "AKIDTEST";
pub(super) const SECRET_KEY: &str = "a secret of tests";

/// What `x-amz-content-sha256` says of a body that is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How a request says who sent it.
#[derive(Clone)]
pub(super) enum Signed {
    Not,
    /// With this value of `x-amz-content-sha256`.
    Headers {
        payload: String,
    },
    Query {
        valid: Duration,
        sent_before: Duration,
    },
}

/// A request as it goes over the wire.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) method: &'static str,
    /// Path and query, already encoded.
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) signed: Signed,
    pub(super) access_key: &'static str,
    pub(super) secret_key: &'static str,
}

impl Wire {
    pub(super) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
            signed: Signed::Headers { payload: UNSIGNED.to_owned() },
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn signed(mut self, signed: Signed) -> Self {
        self.signed = signed;
        self
    }

    /// The head of the request, its last empty line included.
    pub(super) fn head(&self, address: SocketAddr) -> String {
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push(("host".to_owned(), address.to_string()));
        let target = self.sign(&mut headers);
        if headers.iter().all(|(name, _)| name != "transfer-encoding") {
            headers.push(("content-length".to_owned(), self.body.len().to_string()));
        }
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// The target to send, once the headers say who sends it.
    fn sign(&self, headers: &mut Vec<(String, String)>) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let signer = |time: SystemTime| Signer {
            access_key: self.access_key,
            secret_key: self.secret_key,
            time,
        };
        let now = SystemClock::new().wall();
        match &self.signed {
            Signed::Not => self.target.clone(),
            Signed::Headers { payload } => {
                let signer = signer(now);
                headers.push(("x-amz-date".to_owned(), signer.date()));
                headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
                let signable = Signable { method: self.method, path, query, headers, payload };
                let authorization = signer.authorization(&signable);
                headers.push(("authorization".to_owned(), authorization));
                self.target.clone()
            }
            Signed::Query { valid, sent_before } => {
                let payload = UNSIGNED;
                let signable = Signable { method: self.method, path, query, headers, payload };
                let query = signer(now - *sent_before).presigned(&signable, *valid);
                format!("{path}?{query}")
            }
        }
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What stands between `<name>` and `</name>`.
    pub(super) fn element(&self, name: &str) -> Option<&str> {
        let (_, after) = self.text().split_once(&format!("<{name}>"))?;
        after.split_once(&format!("</{name}>")).map(|(content, _)| content)
    }
}

/// One connection, for one request after the other.
pub(super) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    read: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), address, read: Vec::new() }
    }

    pub(super) async fn send(&mut self, wire: &Wire) -> Answer {
        self.write(wire.head(self.address).as_bytes()).await;
        self.write(&wire.body).await;
        self.answer(wire.method).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads up to the next empty line.
    pub(super) async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.read.split_off(at + 4);
                let head = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill().await > 0, "the connection ended within a head");
        }
    }

    pub(super) async fn answer(&mut self, method: &str) -> Answer {
        let head = self.head().await;
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        let bytes = if method == "HEAD" { 0 } else { length.unwrap_or(0_usize) };
        while self.read.len() < bytes {
            assert!(self.fill().await > 0, "the connection ended within a body");
        }
        let rest = self.read.split_off(bytes);
        answer.body = std::mem::replace(&mut self.read, rest);
        answer
    }

    async fn fill(&mut self) -> usize {
        self.stream.read_buf(&mut self.read).await.unwrap()
    }
}
