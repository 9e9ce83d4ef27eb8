//! What is said over a control socket: one line of JSON each way, then the connection is over.
//!
//! Bytes are `{"text": "..."}` where they are UTF-8, and `{"base64": "..."}` elsewhere. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest line of a request, its end counted: some times the longest document that S3 takes.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// The longest line of a response.
pub const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Request {
    /// From the mount's root, without a slash at its start; empty for the root itself.
    pub path: Octets,
    pub act: Act,
}

/// What is to be done with an attribute. Names are whole: they begin with `user.`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    Get { name: Octets },
    Set { name: Octets, value: Octets },
    Remove { name: Octets },
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Response {
    Value(Octets),
    Done,
    Refused {
        /// As the kernel would have given it.
        errno: i32,
        /// S3's own words where S3 refused.
        message: String,
    },
}

/// Bytes, mostly text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Octets(pub Vec<u8>);

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Text(String),
    Base64(String),
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match std::str::from_utf8(&self.0) {
            Ok(text) => Written::Text(text.to_owned()),
            Err(_) => Written::Base64(STANDARD.encode(&self.0)),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Base64(text) => {
                STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
            }
        }
    }
}

/// As a line, its end included.
pub fn line_of(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a line, with its end or without.
pub fn request_of(line: &[u8]) -> serde_json::Result<Request> {
    serde_json::from_slice(line)
}

/// Reads a line, with its end or without.
pub fn response_of(line: &[u8]) -> serde_json::Result<Response> {
    serde_json::from_slice(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(bytes: impl AsRef<[u8]>) -> Octets {
        Octets(bytes.as_ref().to_vec())
    }

    #[track_caller]
    fn check_request(request: &Request, expected: &str) {
        let line = line_of(request).unwrap();
        assert_eq!(String::from_utf8(line.clone()).unwrap(), format!("{expected}\n"));
        assert_eq!(request_of(&line).unwrap(), *request);
    }

    #[track_caller]
    fn check_response(response: &Response, expected: &str) {
        let line = line_of(response).unwrap();
        assert_eq!(String::from_utf8(line.clone()).unwrap(), format!("{expected}\n"));
        assert_eq!(response_of(&line).unwrap(), *response);
    }

    #[test]
    fn a_request_is_one_line() {
        let name = octets("user.s3.tags");
        check_request(
            &Request { path: octets("a/b"), act: Act::Get { name: name.clone() } },
            r#"{"path":{"text":"a/b"},"act":{"get":{"name":{"text":"user.s3.tags"}}}}"#,
        );
        let value = octets("{\n}");
        check_request(
            &Request { path: octets(""), act: Act::Set { name: name.clone(), value } },
            r#"{"path":{"text":""},"act":{"set":{"name":{"text":"user.s3.tags"},"value":{"text":"{\n}"}}}}"#,
        );
        check_request(
            &Request { path: octets("a"), act: Act::Remove { name } },
            r#"{"path":{"text":"a"},"act":{"remove":{"name":{"text":"user.s3.tags"}}}}"#,
        );
    }

    #[test]
    fn a_response_is_one_line() {
        check_response(&Response::Value(octets("ä\n")), r#"{"value":{"text":"ä\n"}}"#);
        check_response(&Response::Done, r#""done""#);
        check_response(
            &Response::Refused { errno: 22, message: "no".to_owned() },
            r#"{"refused":{"errno":22,"message":"no"}}"#,
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        check_response(&Response::Value(octets([0xff, 0, b'a'])), r#"{"value":{"base64":"/wBh"}}"#);
    }

    #[track_caller]
    fn check_no_request(line: &str) {
        assert!(request_of(line.as_bytes()).is_err(), "{line}");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for line in ["", "{}", "null", "\u{0}", r#"{"path":{"text":"a"},"act":"get"}"#] {
            check_no_request(line);
        }
        check_no_request(r#"{"path":{"text":"a"},"act":{"drop":{"name":{"text":"n"}}}}"#);
        check_no_request(r#"{"path":{"base64":"%"},"act":{"get":{"name":{"text":"n"}}}}"#);
        check_no_request(r#"{"path":{"text":"a"},"act":{"get":{"name":{"text":"n"}}}} {}"#);
    }
}
