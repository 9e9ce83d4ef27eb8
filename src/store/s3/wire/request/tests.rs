//! What is sent, and that it is what was signed.

use std::time::Duration;

use super::*;
use crate::store::types::Payload;

fn place() -> Place {
    Place {
        url: "https://examplebucket.s3.amazonaws.com".to_owned(),
        region: "us-east-1".to_owned(),
        service: "s3".to_owned(),
    }
}

fn signer() -> (Credentials, SystemTime) {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "test");
    (keys, SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600))
}

fn signature(request: &Request<SdkBody>) -> &str {
    let header = request.headers()["authorization"].to_str().unwrap();
    header.rsplit_once("Signature=").unwrap().1
}

/// The examples of Amazon's own documentation of Signature Version 4.
#[test]
fn requests_are_signed_as_amazon_documents_it() {
    let mut get = Ask::question(Method::GET, "examplebucket", Some("test.txt"));
    get.headers.push(("range".to_owned(), "bytes=0-9".to_owned()));
    let request = signed(&get, &place(), Some(signer())).unwrap();
    let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    assert_eq!(signature(&request), expected);
    let mut list = Ask::question(Method::GET, "examplebucket", None);
    list.query = vec![("max-keys", "2".to_owned()), ("prefix", "J".to_owned())];
    let request = signed(&list, &place(), Some(signer())).unwrap();
    let expected = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    assert_eq!(signature(&request), expected);
    assert_eq!(request.headers()["x-amz-date"], "20130524T000000Z");
}

#[track_caller]
fn check_path(key: &str, expected: &str) {
    let ask = Ask::question(Method::HEAD, "examplebucket", Some(key));
    let request = signed(&ask, &place(), Some(signer())).unwrap();
    assert_eq!(request.uri().path(), expected);
    assert_eq!(request.uri().query(), None);
}

#[test]
fn a_key_is_in_the_path_as_it_is() {
    check_path("a/b.txt", "/a/b.txt");
    check_path("/", "//");
    check_path("//a//b/", "///a//b/");
    check_path(".", "/.");
    check_path("../a/./b", "/../a/./b");
    check_path("a+b c", "/a%2Bb%20c");
    check_path("100%", "/100%25");
    check_path("%2F", "/%252F");
    check_path("what?#", "/what%3F%23");
    check_path("  ", "/%20%20");
    check_path("\u{e4}/\u{1faa3}", "/%C3%A4/%F0%9F%AA%A3");
    check_path("\n\u{7f}", "/%0A%7F");
    check_path("~-._", "/~-._");
}

#[test]
fn a_query_is_encoded() {
    let mut list = Ask::question(Method::GET, "examplebucket", None);
    list.query = vec![("list-type", "2".to_owned()), ("prefix", "a b/+&=\u{e4}".to_owned())];
    let request = signed(&list, &place(), Some(signer())).unwrap();
    let expected = "/?list-type=2&prefix=a%20b%2F%2B%26%3D%C3%A4";
    assert_eq!(request.uri().path_and_query().unwrap(), expected);
}

#[test]
fn a_body_is_announced_and_not_signed() {
    let upload = Upload::new(Payload::from(bytes::Bytes::from_static(b"hello")));
    let ask = Ask::question(Method::PUT, "examplebucket", Some("a")).with(&upload);
    assert_eq!(ask.work, Work::Upload { bytes: 5 });
    let request = signed(&ask, &place(), Some(signer())).unwrap();
    assert_eq!(request.headers()["content-length"], "5");
    assert_eq!(request.headers()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert!(ask.is_repeatable());
}

#[test]
fn a_stream_is_sent_once() {
    let stream = Box::pin(futures_util::stream::empty());
    let upload = Upload::new(Payload::Stream { bytes: 0, stream });
    assert!(!Ask::question(Method::PUT, "b", Some("a")).with(&upload).is_repeatable());
}

#[test]
fn requests_of_nobody_are_not_signed() {
    let ask = Ask::question(Method::GET, "examplebucket", Some("a"));
    let request = signed(&ask, &place(), None).unwrap();
    assert!(!request.headers().contains_key("authorization"));
    assert!(!request.headers().contains_key("x-amz-date"));
}

#[test]
fn a_token_is_sent_and_signed() {
    let (_, time) = signer();
    let keys = Credentials::new("AKID", "secret", Some("token".to_owned()), None, "test");
    let ask = Ask::question(Method::GET, "examplebucket", Some("a"));
    let request = signed(&ask, &place(), Some((keys, time))).unwrap();
    assert_eq!(request.headers()["x-amz-security-token"], "token");
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(authorization.contains(";x-amz-security-token,"), "{authorization}");
}

#[test]
fn what_is_no_request_is_an_error() {
    let empty = Ask::question(Method::GET, "examplebucket", Some(""));
    assert!(signed(&empty, &place(), None).is_err());
    let mut torn = Ask::question(Method::GET, "examplebucket", Some("a"));
    torn.headers.push(("x-amz-meta-note".to_owned(), "two\nlines".to_owned()));
    assert!(signed(&torn, &place(), Some(signer())).is_err());
}
