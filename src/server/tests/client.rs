//! A client that signs like the SDKs and otherwise sends exactly what a test says.

use std::net::SocketAddr;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::store::clock::{Clock, SystemClock};

pub(super) const ACCESS_KEY: &str = "AKIDTEST";
pub(super) const SECRET_KEY: &str = "a secret of tests";

/// How a request says who sent it.
#[derive(Clone)]
pub(super) enum Signed {
    Not,
    Headers { body: SignableBody<'static> },
    Query { valid: Duration, sent_before: Duration },
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
            signed: Signed::Headers { body: SignableBody::UnsignedPayload },
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
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(format!("http://{address}{}", self.target))
            .header("host", address.to_string());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(()).unwrap();
        self.sign(&mut request);
        let says_length = ["transfer-encoding", "content-length"]
            .iter()
            .any(|name| request.headers().contains_key(*name));
        if !says_length {
            request.headers_mut().insert("content-length", self.body.len().into());
        }
        let target = request.uri().path_and_query().unwrap();
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in request.headers() {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        head + "\r\n"
    }

    fn sign(&self, request: &mut http::Request<()>) {
        let now = SystemClock::new().wall();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let (body, time) = match &self.signed {
            Signed::Not => return,
            Signed::Headers { body } => {
                let body = body.clone();
                request.headers_mut().insert("x-amz-content-sha256", content_sha256(&body));
                (body, now)
            }
            Signed::Query { valid, sent_before } => {
                settings.signature_location = SignatureLocation::QueryParams;
                settings.expires_in = Some(*valid);
                (SignableBody::UnsignedPayload, now - *sent_before)
            }
        };
        let instructions = {
            let identity = Credentials::new(self.access_key, self.secret_key, None, None, "tests");
            let identity = identity.into();
            let params = SigningParams::builder()
                .identity(&identity)
                .region("us-east-1")
                .name("s3")
                .time(time)
                .settings(settings)
                .build()
                .unwrap();
            let headers = request.headers().iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            let uri = request.uri().to_string();
            let signable = SignableRequest::new(self.method, uri, headers, body).unwrap();
            sign(signable, &params.into()).unwrap().into_parts().0
        };
        instructions.apply_to_request_http1x(request);
    }
}

fn content_sha256(body: &SignableBody<'_>) -> http::HeaderValue {
    let text = match body {
        SignableBody::UnsignedPayload => "UNSIGNED-PAYLOAD",
        SignableBody::Precomputed(hex) => hex.as_str(),
        SignableBody::StreamingUnsignedPayloadTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        other => panic!("tests do not sign {other:?}"),
    };
    text.parse().unwrap()
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
