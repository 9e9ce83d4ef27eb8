//! Limits of a request, regions, and what is sent again, against a server of canned answers.

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::store::error::ErrorKind;
use crate::store::s3::transport::Watched;
use crate::store::s3::{CredentialSource, S3Client, S3Options};
use crate::store::types::{
    AclChange, CannedAcl, CompleteMultipart, CopyObject, CopySource, CreateMultipart, DeleteObject,
    DocumentKind, GetObject, HeadObject, ListObjects, Payload, Resource, RestoreObject, Tags,
    WriteOptions,
};
use crate::store::{ObjectStore, Upload, UploadPart};

const BASIS: Limits =
    Limits { operation: Duration::from_secs(60), answer: Duration::from_secs(20) };

#[test]
fn a_question_has_the_limits_of_the_options() {
    assert_eq!(plan_limits(Work::Request, BASIS), BASIS);
}

#[test]
fn an_upload_has_the_time_that_a_slow_line_needs() {
    let limits = plan_limits(Work::Upload { bytes: 64 << 20 }, BASIS);
    assert_eq!(limits.operation, Duration::from_secs(60 + 1024));
    assert_eq!(limits.answer, BASIS.answer);
}

#[test]
fn a_server_that_copies_may_be_silent_for_longer() {
    let limits = plan_limits(Work::ServerSide, BASIS);
    assert_eq!(limits.operation, Duration::from_secs(300));
    assert_eq!(limits.answer, Duration::from_secs(60));
}

const FOUND: &str = "200 OK";
const THROTTLED: &str = "503 Slow Down";
const ELSEWHERE: &str = "301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1";
const MALFORMED: &str = "400 Bad Request\r\n\r\n<Error><Code>AuthorizationHeaderMalformed</Code>\
     <Region>garage</Region></Error>";

const MISSING: &str = "404 Not Found";
const LISTING: &str = "200 OK\r\n\r\n<ListBucketResult><IsTruncated>false</IsTruncated>\
     </ListBucketResult>";

/// Answers one request for each of `answers` (status, headers and perhaps a body), each on a
/// connection of its own, and tells what was asked.
async fn serve(answers: &'static [&'static str]) -> (S3Client, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(read_request(&mut stream).await);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (connect(endpoint).await, server)
}

async fn connect(endpoint: String) -> S3Client {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    std::fs::write(&path, "AKID:secret").unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, owner_only).unwrap();
    let options = S3Options {
        endpoint_url: Some(endpoint),
        region: Some("us-east-1".to_owned()),
        credentials: CredentialSource::KeyFile(path),
        ..S3Options::default()
    };
    S3Client::connect(options).await.unwrap()
}

/// A request's head, with its body if it says how long that is.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ");
            let length = length.and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "request broke off: {text}");
    }
}

#[track_caller]
fn check_region(request: &str, region: &str) {
    assert!(request.contains(&format!("/{region}/s3/aws4_request")), "{request}");
}

#[tokio::test]
async fn a_bucket_of_another_region_is_found_once_and_remembered() {
    let (client, server) = serve(&[ELSEWHERE, FOUND, FOUND]).await;
    assert_eq!(client.head_bucket("photos").await.unwrap(), "eu-west-1");
    assert_eq!(client.head_bucket("photos").await.unwrap(), "eu-west-1");
    let asked = server.await.unwrap();
    check_region(&asked[0], "us-east-1");
    check_region(&asked[1], "eu-west-1");
    check_region(&asked[2], "eu-west-1");
}

#[tokio::test]
async fn a_region_that_only_an_errors_text_names_is_found() {
    let (client, server) = serve(&["400 Bad Request", MALFORMED, LISTING]).await;
    assert_eq!(client.head_bucket("photos").await.unwrap(), "garage");
    check_region(&server.await.unwrap()[2], "garage");
}

#[tokio::test]
async fn a_redirect_is_followed_no_more_than_once() {
    let (client, server) = serve(&[ELSEWHERE, ELSEWHERE]).await;
    let error = client.list_objects("photos", ListObjects::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(server.await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_upload_is_sent_again_whole_unsigned_and_with_its_checksum() {
    let (client, server) = serve(&[THROTTLED, FOUND]).await;
    let chunks = vec![Bytes::from_static(b"1234"), Bytes::from_static(b"56789")];
    let payload = Payload::Chunks(chunks);
    client.put_object("photos", "a", payload, WriteOptions::default()).await.unwrap();
    for request in server.await.unwrap() {
        assert!(request.starts_with("put /photos/a"), "{request}");
        assert!(request.ends_with("\r\n\r\n123456789"), "{request}");
        assert!(request.contains("x-amz-content-sha256: unsigned-payload"), "{request}");
        assert!(request.contains("x-amz-checksum-crc32c: 4wasgw=="), "{request}");
        assert!(!request.contains("transfer-encoding"), "{request}");
        assert!(!request.contains("content-type"), "{request}");
    }
}

#[tokio::test]
async fn tags_are_not_written_to_a_server_that_does_not_know_them() {
    let (client, server) = serve(&["200 OK\r\n\r\nthe bytes of the object"]).await;
    let tags = Tags::from([("a".to_owned(), "b".to_owned())]);
    assert!(client.put_tags(&Resource::object("photos", "a"), tags).await.is_err());
    let asked = server.await.unwrap();
    assert!(asked[0].starts_with("get /photos/a?tagging"), "{}", asked[0]);
}

#[track_caller]
fn check_missing<T>(answer: StoreResult<T>) {
    assert_eq!(answer.err().map(|error| error.kind), Some(ErrorKind::NotFound));
}

#[track_caller]
fn check_asked(asked: &[String], expected: &[&str]) {
    let lines = asked.iter().map(|request| request.split(" http/1.1").next().unwrap());
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_key_of_white_space_is_sent_as_it_is_with_objects() {
    let (client, server) = serve(&[MISSING; 6]).await;
    let source = CopySource { bucket: "photos".to_owned(), ..CopySource::default() };
    let (bucket, key) = ("photos", " ");
    check_missing(client.head_object(bucket, key, HeadObject::default()).await);
    check_missing(client.get_object(bucket, key, GetObject::default()).await);
    let put = client.put_object(bucket, key, Payload::empty(), WriteOptions::default());
    check_missing(put.await);
    check_missing(client.copy_object(source, bucket, key, CopyObject::default()).await);
    check_missing(client.delete_object(bucket, key, DeleteObject::default()).await);
    check_missing(client.restore_object(bucket, key, RestoreObject { days: 1, tier: None }).await);
    let expected = [
        "head /photos/%20",
        "get /photos/%20?x-id=getobject",
        "put /photos/%20?x-id=putobject",
        "put /photos/%20?x-id=copyobject",
        "delete /photos/%20?x-id=deleteobject",
        "post /photos/%20?restore",
    ];
    check_asked(&server.await.unwrap(), &expected);
    let address = client.presign_get(bucket, key, Duration::from_secs(60)).await.unwrap();
    assert!(address.contains("/photos/%20?"), "{address}");
}

#[tokio::test]
async fn a_key_of_white_space_is_sent_as_it_is_with_uploads() {
    let (client, server) = serve(&[MISSING; 6]).await;
    let source = CopySource { bucket: "photos".to_owned(), ..CopySource::default() };
    let upload = Upload { bucket: "photos", key: " ", upload: "u" };
    let part = UploadPart { upload, number: 1, checksum: None };
    check_missing(client.create_multipart("photos", " ", CreateMultipart::default()).await);
    check_missing(client.upload_part(part, Payload::empty()).await);
    check_missing(client.upload_part_copy(part, source, None).await);
    check_missing(client.complete_multipart(upload, vec![], CompleteMultipart::default()).await);
    check_missing(client.abort_multipart(upload).await);
    check_missing(client.list_parts(upload, None).await);
    let expected = [
        "post /photos/%20?uploads",
        "put /photos/%20?x-id=uploadpart&partnumber=1&uploadid=u",
        "put /photos/%20?x-id=uploadpartcopy&partnumber=1&uploadid=u",
        "post /photos/%20?uploadid=u",
        "delete /photos/%20?x-id=abortmultipartupload&uploadid=u",
        "get /photos/%20?x-id=listparts&uploadid=u",
    ];
    check_asked(&server.await.unwrap(), &expected);
}

#[tokio::test]
async fn a_key_of_white_space_is_sent_as_it_is_with_subresources() {
    const POLICY: &str = "200 OK\r\n\r\n<AccessControlPolicy></AccessControlPolicy>";
    const TAGGING: &str = "200 OK\r\n\r\n<Tagging><TagSet></TagSet></Tagging>";
    const RETENTION: &str = "200 OK\r\n\r\n<Retention/>";
    let (client, server) =
        serve(&[POLICY, MISSING, TAGGING, MISSING, MISSING, RETENTION, MISSING]).await;
    let object = Resource::object("photos", " ");
    let tags = Tags::from([("a".to_owned(), "b".to_owned())]);
    check_missing(client.put_acl(&object, AclChange::Canned(CannedAcl::Private)).await);
    check_missing(client.put_tags(&object, tags).await);
    check_missing(client.put_tags(&object, Tags::new()).await);
    let text = "<Retention/>".to_owned();
    check_missing(client.put_document(&object, DocumentKind::Retention, text).await);
    let expected = [
        "get /photos/%20?acl",
        "put /photos/%20?acl",
        "get /photos/%20?tagging",
        "put /photos/%20?tagging",
        "delete /photos/%20?tagging",
        "get /photos/%20?retention",
        "put /photos/%20?retention",
    ];
    check_asked(&server.await.unwrap(), &expected);
}

/// A network on which nothing listens.
#[derive(Debug)]
struct Refusing;

impl HttpConnector for Refusing {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        HttpConnectorFuture::ready(Err(ConnectorError::io(refused.into())))
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_runs_out_of_time_tells_its_last_failure() {
    let http = http_client_fn(|_settings, _components| SharedHttpConnector::new(Refusing));
    let config = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .allow_no_auth()
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://host")
        .http_client(Watched::new(http, BASIS.answer))
        .retry_config(RetryConfig::standard().with_max_attempts(60));
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let (region, endpoint) = ("us-east-1".to_owned(), "http://host".to_owned());
    let connection = Connection::new(client, region, endpoint, BASIS, Renewal::Pointless);
    let error = connection.head_object("photos", "a", HeadObject::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    let expected = "no success within 60 s, last failure: connection refused (http://host)";
    assert_eq!(error.message, expected);
}
