//! S3 as a raw client asks: one connection, one request after the other, nothing in between.
//!
//! Bodies go from the socket into one small buffer and from there to whoever asked; nothing is
//! retried. What is done with it, and over how many connections, is `bin/raw`'s business.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::content::Contents;
use crate::framing::{self, Body};
use crate::signature::{Signed, Signer, UNSIGNED_PAYLOAD};

/// Small enough to stay in the cache of a core.
const BUFFER_BYTES: usize = 256 << 10;

/// Where the bucket is and who asks.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address and port.
    pub address: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

/// One request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The object, or empty for the bucket.
    pub key: &'a str,
    pub query: &'a str,
    /// First and last byte.
    pub range: Option<(u64, u64)>,
    pub body: Option<Upload<'a>>,
}

/// What goes up.
#[derive(Clone, Copy, Debug)]
pub enum Upload<'a> {
    Text(&'a str),
    /// A range of the object's content, with its CRC32C.
    Content {
        offset: u64,
        length: u64,
    },
}

/// A connection with what was asked over it.
pub struct Connection<'a> {
    endpoint: &'a Endpoint,
    contents: &'a Contents,
    signer: Signer,
    instant: String,
    stream: TcpStream,
    buffer: Vec<u8>,
    pub requests: u64,
}

impl<'a> Connection<'a> {
    /// Connects.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn open(endpoint: &'a Endpoint, contents: &'a Contents) -> Result<Self, String> {
        let stream = TcpStream::connect(&endpoint.address).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let now = OffsetDateTime::now_utc().format(format).map_err(|error| error.to_string())?;
        let Endpoint { access_key, secret_key, region, .. } = endpoint;
        Ok(Self {
            endpoint,
            contents,
            signer: Signer::new(access_key, secret_key, region, &now),
            instant: now,
            stream,
            buffer: vec![0; BUFFER_BYTES],
            requests: 0,
        })
    }

    /// Asks, hands the body to `take` piece by piece, and gives the head of an answer that is one.
    ///
    /// # Errors
    /// The connection broke, or S3 refused.
    pub fn ask(
        &mut self,
        request: &Request<'_>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<String, String> {
        self.requests += 1;
        self.send(request).map_err(|error| format!("{request:?}: {error}"))?;
        let (head, body_at, filled) = self.receive_head()?;
        let body = framing::answer_body(request.method, &head);
        if !matches!(framing::status(&head), Some(200..=299)) {
            let mut refusal = head;
            self.receive_body(body, body_at..filled, &mut |piece| {
                refusal.push_str(&String::from_utf8_lossy(piece));
                Ok(())
            })?;
            return Err(format!("{request:?}: {refusal}"));
        }
        self.receive_body(body, body_at..filled, take)?;
        Ok(head)
    }

    /// Asks for a text.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub fn text(&mut self, request: &Request<'_>) -> Result<String, String> {
        let mut text = Vec::new();
        self.ask(request, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        String::from_utf8(text).map_err(|error| error.to_string())
    }

    /// Asks for nothing but success; gives the answer's head.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub fn head(&mut self, request: &Request<'_>) -> Result<String, String> {
        self.ask(request, &mut |_| Ok(()))
    }

    /// Reads a range of an object and compares it with what it must be.
    ///
    /// # Errors
    /// As [`Connection::ask`], or other bytes came.
    pub fn check(&mut self, key: &str, first: u64, last: u64) -> Result<(), String> {
        let contents = self.contents;
        let mut at = first;
        let request =
            Request { method: "GET", key, range: Some((first, last)), ..Request::default() };
        self.ask(&request, &mut |piece| {
            let agrees = contents.agrees(key, at, piece);
            at += piece.len() as u64;
            if agrees { Ok(()) } else { Err(format!("{key} has wrong bytes before {at}")) }
        })?;
        match at == last + 1 {
            true => Ok(()),
            false => Err(format!("{key} ended at {at}")),
        }
    }

    fn send(&mut self, request: &Request<'_>) -> std::io::Result<()> {
        let mut head = self.request_head(request).into_bytes();
        match request.body {
            None => self.stream.write_all(&head),
            Some(Upload::Text(text)) => {
                head.extend_from_slice(text.as_bytes());
                self.stream.write_all(&head)
            }
            // One packet for a small object; a part follows its head.
            Some(Upload::Content { offset, length }) if length < BUFFER_BYTES as u64 => {
                head.extend(self.contents.runs(request.key, offset, length).flatten());
                self.stream.write_all(&head)
            }
            Some(Upload::Content { offset, length }) => {
                self.stream.write_all(&head)?;
                let mut runs = self.contents.runs(request.key, offset, length);
                runs.try_for_each(|run| self.stream.write_all(run))
            }
        }
    }

    fn request_head(&self, request: &Request<'_>) -> String {
        let Endpoint { address, bucket, .. } = self.endpoint;
        let path = match request.key {
            "" => format!("/{bucket}"),
            key => format!("/{bucket}/{key}"),
        };
        let (length, checksum) = match request.body {
            None => (0, None),
            Some(Upload::Text(text)) => (text.len() as u64, None),
            Some(Upload::Content { offset, length }) => {
                let crc = self.contents.crc32c(request.key, offset, length);
                (length, Some(STANDARD.encode(crc.to_be_bytes())))
            }
        };
        let mut headers = vec![("host", address.as_str())];
        headers.extend(checksum.as_deref().map(|checksum| ("x-amz-checksum-crc32c", checksum)));
        headers.push(("x-amz-content-sha256", UNSIGNED_PAYLOAD));
        headers.push(("x-amz-date", &self.instant));
        let Request { method, query, .. } = *request;
        let (instant, payload) = (self.instant.as_str(), UNSIGNED_PAYLOAD);
        let signed = Signed { method, path: &path, query, headers: &headers, instant, payload };
        let authorization = self.signer.authorization(&signed);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut head = format!("{method} {path}{mark}{query} HTTP/1.1\r\n");
        for (name, value) in &headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if let Some((first, last)) = request.range {
            head.push_str(&format!("range: bytes={first}-{last}\r\n"));
        }
        if !matches!(method, "GET" | "HEAD") {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        head.extend(["authorization: ", &authorization, "\r\n\r\n"]);
        head
    }

    /// The head, where the body begins in the buffer, and where what was read ends.
    fn receive_head(&mut self) -> Result<(String, usize, usize), String> {
        let mut filled = 0;
        loop {
            let count = self.read_at(filled)?;
            filled += count;
            if let Some(length) = framing::head_length(&self.buffer[..filled]) {
                let head = String::from_utf8_lossy(&self.buffer[..length]).into_owned();
                return Ok((head, length, filled));
            }
            if count == 0 || filled == self.buffer.len() {
                return Err("the connection ended within a head".to_owned());
            }
        }
    }

    fn receive_body(
        &mut self,
        body: Body,
        received: std::ops::Range<usize>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        match body {
            Body::Bytes(length) => {
                let mut count = received.len() as u64;
                if count > 0 {
                    take(&self.buffer[received])?;
                }
                while count < length {
                    let more = self.read_at(0)?;
                    if more == 0 {
                        return Err(format!(
                            "the connection ended after {count} of {length} bytes"
                        ));
                    }
                    take(&self.buffer[..more])?;
                    count += more as u64;
                }
                Ok(())
            }
            Body::Chunked => self.receive_chunks(received, take),
            Body::UntilEnd => Err("an answer without a length".to_owned()),
        }
    }

    /// Only short answers come in chunks: they are collected.
    fn receive_chunks(
        &mut self,
        received: std::ops::Range<usize>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut rest = self.buffer[received].to_vec();
        loop {
            let line_end = rest.windows(2).position(|window| window == b"\r\n");
            let Some(line_end) = line_end else {
                self.read_more(&mut rest)?;
                continue;
            };
            let length = framing::chunk_length(&rest[..line_end]).ok_or("not a chunk")? as usize;
            let start = line_end + 2;
            while rest.len() < start + length + 2 {
                self.read_more(&mut rest)?;
            }
            if length == 0 {
                return Ok(());
            }
            take(&rest[start..start + length])?;
            rest.drain(..start + length + 2);
        }
    }

    fn read_more(&mut self, rest: &mut Vec<u8>) -> Result<(), String> {
        let count = self.read_at(0)?;
        rest.extend_from_slice(&self.buffer[..count]);
        if count > 0 { Ok(()) } else { Err("the connection ended within a chunk".to_owned()) }
    }

    fn read_at(&mut self, start: usize) -> Result<usize, String> {
        self.stream.read(&mut self.buffer[start..]).map_err(|error| error.to_string())
    }
}
