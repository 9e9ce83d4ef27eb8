//! What S3 says, and what it means.

use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::store::ObjectStore;
use crate::store::s3::{CredentialSource, S3Client, S3Options};
use crate::store::types::HeadObject;

#[track_caller]
fn check(code: &str, status: u16, expected: ErrorKind) {
    assert_eq!(meaning(code, status), expected, "{code} {status}");
}

#[test]
fn a_code_says_more_than_its_status() {
    check("InvalidObjectState", 403, ErrorKind::Archived);
    check("RequestTimeout", 400, ErrorKind::Timeout);
    check("BadDigest", 400, ErrorKind::Corrupt);
    check("AccessControlListNotSupported", 400, ErrorKind::Unsupported);
    check("BucketNotEmpty", 409, ErrorKind::NotEmpty);
    check("BucketAlreadyOwnedByYou", 409, ErrorKind::Exists);
    check("BucketAlreadyExists", 409, ErrorKind::Exists);
    check("ConditionalRequestConflict", 409, ErrorKind::Conflict);
    check("OperationAborted", 409, ErrorKind::Conflict);
    check("ExpiredToken", 400, ErrorKind::Forbidden);
    check("SlowDown", 503, ErrorKind::Throttled);
    check("InternalError", 200, ErrorKind::Unavailable);
    check("PreconditionFailed", 412, ErrorKind::Precondition);
    check("InvalidRange", 416, ErrorKind::Range);
    check("NotImplemented", 501, ErrorKind::Unsupported);
    check("MethodNotAllowed", 405, ErrorKind::Unsupported);
}

#[test]
fn what_is_not_there_is_not_found_by_any_of_its_names() {
    for code in ["NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NoSuchVersion"] {
        check(code, 404, ErrorKind::NotFound);
    }
    for row in DOCUMENTS.iter().filter(|row| !row.missing_code.is_empty()) {
        check(row.missing_code, 0, ErrorKind::NotFound);
    }
}

#[test]
fn an_unknown_code_means_what_its_status_means() {
    for code in ["", "XVendorInvention"] {
        check(code, 304, ErrorKind::Precondition);
        check(code, 400, ErrorKind::Invalid);
        check(code, 403, ErrorKind::Forbidden);
        check(code, 404, ErrorKind::NotFound);
        check(code, 409, ErrorKind::Conflict);
        check(code, 412, ErrorKind::Precondition);
        check(code, 416, ErrorKind::Range);
        check(code, 429, ErrorKind::Throttled);
        check(code, 500, ErrorKind::Unavailable);
        check(code, 501, ErrorKind::Unsupported);
        check(code, 503, ErrorKind::Unavailable);
        check(code, 504, ErrorKind::Timeout);
    }
}

#[test]
fn an_answer_without_a_body_is_told_by_its_status() {
    let refusal = Refusal {
        status: 304,
        code: String::new(),
        message: String::new(),
        request_id: Some("r1".to_owned()),
        region: None,
    };
    let error = refused(refusal);
    assert_eq!(error.kind, ErrorKind::Precondition);
    assert_eq!(error.code, "NotModified");
    assert_eq!(error.message, "304 Not Modified");
    assert_eq!(error.request_id.as_deref(), Some("r1"));
}

#[test]
fn an_answer_that_makes_no_sense_is_corrupt() {
    let status = aws_smithy_runtime_api::http::StatusCode::try_from(200_u16).unwrap();
    let response = HttpResponse::new(status, aws_sdk_s3::primitives::SdkBody::from("no xml"));
    let cause = aws_sdk_s3::error::ErrorMetadata::builder().build();
    let error = read_error(&SdkError::service_error(cause, response), "http://127.0.0.1:9");
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.message.starts_with("the answer can't be read"), "{error}");
}

#[test]
fn missing_credentials_come_with_advice() {
    let not_loaded = without_credentials(&CredentialsError::not_loaded("no provider"));
    let broken = without_credentials(&CredentialsError::provider_error("the token is stale"));
    for error in [&not_loaded, &broken] {
        assert_eq!(error.kind, ErrorKind::Forbidden);
        assert!(error.message.contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
    assert!(broken.message.contains("the token is stale"), "{broken}");
}

#[test]
fn a_region_is_found_in_the_text_of_an_error() {
    let text = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>";
    assert_eq!(region_in(text).as_deref(), Some("garage"));
    assert_eq!(region_in(b"<Error><Code>AccessDenied</Code></Error>"), None);
    assert_eq!(region_in(b"\xff"), None);
}

#[test]
fn a_broken_body_is_told_apart_by_its_cause() {
    let broken = |kind| read_body_error(&io::Error::new(kind, "cause")).kind;
    assert_eq!(broken(io::ErrorKind::UnexpectedEof), ErrorKind::Corrupt);
    assert_eq!(broken(io::ErrorKind::ConnectionReset), ErrorKind::Unavailable);
    let stalled = Stalled::after(Duration::from_secs(3));
    assert_eq!(read_body_error(&stalled).kind, ErrorKind::Timeout);
}

#[test]
fn a_refusal_is_read_from_headers_and_text() {
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-amz-request-id"),
        http::HeaderValue::from_static("r1"),
    )]);
    let text = b"<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>no &quot;a&quot;\
        </Message><Region>garage</Region></Error>";
    let refusal = read_refusal(404, &headers, text);
    assert_eq!((refusal.status, refusal.code.as_str()), (404, "NoSuchKey"));
    assert_eq!(refusal.message, "no \"a\"");
    assert_eq!(refusal.request_id.as_deref(), Some("r1"));
    assert_eq!(refusal.region.as_deref(), Some("garage"));
    let silent = read_refusal(403, &HeaderMap::new(), b"");
    assert_eq!((silent.code.as_str(), silent.message.as_str()), ("", ""));
}

/// What both ways to S3 say.
async fn ask(endpoint: &str) -> [StoreError; 2] {
    let options = S3Options {
        endpoint_url: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        credentials: CredentialSource::Anonymous,
        attempts_max: 1,
        ..S3Options::default()
    };
    let client = S3Client::connect(options).await.unwrap();
    let of_sdk = client.head_bucket("photos").await.unwrap_err();
    let of_wire = client.head_object("photos", "a", HeadObject::default()).await.unwrap_err();
    [of_sdk, of_wire]
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for error in ask(&endpoint).await {
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert_eq!(error.message, format!("connection refused ({endpoint})"));
    }
}

#[tokio::test]
async fn a_host_that_has_no_address_is_named() {
    for error in ask("http://nowhere.invalid").await {
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("http://nowhere.invalid"), "{error}");
    }
}
