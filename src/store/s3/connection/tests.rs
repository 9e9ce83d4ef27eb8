//! Limits of a request, regions, and what is sent again, against a server of canned answers.

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::store::error::ErrorKind;
use crate::store::s3::{CredentialSource, S3Client, S3Options};
use crate::store::types::{
    AclChange, CannedAcl, CompleteMultipart, CopyObject, CopySource, CreateMultipart, DeleteObject,
    DocumentKind, GetObject, HeadObject, ListObjects, Payload, Range, Resource, RestoreObject,
    Tags, WriteOptions,
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
    (connect(&endpoint).await, server)
}

async fn connect(endpoint: &str) -> S3Client {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    std::fs::write(&path, "AKID:secret").unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, owner_only).unwrap();
    let credentials = CredentialSource::KeyFile(path);
    S3Client::connect(S3Options { credentials, ..options(endpoint) }).await.unwrap()
}

fn options(endpoint: &str) -> S3Options {
    S3Options {
        endpoint_url: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        credentials: CredentialSource::Anonymous,
        ..S3Options::default()
    }
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

#[tokio::test]
async fn an_object_may_have_hundreds_of_headers() {
    let metadata: String = (0..300).map(|i| format!("\r\nx-amz-meta-{i}: {i}")).collect();
    let head: &str = format!("200 OK{metadata}").leak();
    let (client, _server) = serve(vec![head; 2].leak()).await;
    let head = client.head_object("photos", "a", HeadObject::default()).await.unwrap();
    assert_eq!(head.attributes.metadata.len(), 300);
    // The SDK reads no metadata, but it is told of them just as well.
    client.delete_object("photos", "a", DeleteObject::default()).await.unwrap();
}

#[tokio::test]
async fn a_whole_object_must_have_the_checksum_that_s3_tells() {
    const RIGHT: &str = "200 OK\r\nx-amz-checksum-crc32c: 4waSgw==\r\n\r\n123456789";
    const WRONG: &str = "200 OK\r\nx-amz-checksum-crc32c: 4waSgw==\r\n\r\n123456780";
    const PART: &str = "206 Partial Content\r\ncontent-range: bytes 0-1/9\r\n\
         x-amz-checksum-crc32c: 4waSgw==\r\n\r\n12";
    let (client, server) = serve(&[RIGHT, WRONG, PART]).await;
    let get = async |range| {
        let options = GetObject { range, ..GetObject::default() };
        let got = client.get_object("photos", "a", options).await.unwrap();
        let bytes: StoreResult<Vec<Bytes>> = got.body.try_collect().await;
        bytes.map(|bytes| bytes.concat()).map_err(|error| error.kind)
    };
    assert_eq!(get(None).await, Ok(b"123456789".to_vec()));
    assert_eq!(get(None).await, Err(ErrorKind::Corrupt));
    assert_eq!(get(Some(Range::Span { start: 0, end: 2 })).await, Ok(b"12".to_vec()));
    let asked = server.await.unwrap();
    assert!(asked[0].contains("x-amz-checksum-mode: enabled"), "{}", asked[0]);
    assert!(!asked[2].contains("x-amz-checksum-mode"), "{}", asked[2]);
}

#[tokio::test]
async fn a_listing_that_breaks_off_is_asked_for_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let body = LISTING.split_once("\r\n\r\n").unwrap().1;
        for sent in [&body[..10], body] {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{sent}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let page = connect(&endpoint).await.list_objects("photos", ListObjects::default()).await;
    assert!(page.unwrap().objects.is_empty());
    server.await.unwrap();
}

#[tokio::test]
async fn a_stream_is_not_sent_again() {
    let (client, server) = serve(&[THROTTLED]).await;
    let once = futures_util::stream::iter([Ok(Bytes::from_static(b"hello"))]);
    let payload = Payload::Stream { bytes: 5, stream: Box::pin(once) };
    let put = client.put_object("photos", "a", payload, WriteOptions::default()).await;
    assert_eq!(put.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(server.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_wrong_is_corrected_by_s3s() {
    const SKEWED: &str = "403 Forbidden\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n\
         <Error><Code>RequestTimeTooSkewed</Code></Error>";
    let (client, server) = serve(&[SKEWED, FOUND, FOUND]).await;
    for _request in 0..2 {
        client.head_object("photos", "a", HeadObject::default()).await.unwrap();
    }
    let asked = server.await.unwrap();
    assert!(!asked[0].contains("x-amz-date: 19941106t"), "{}", asked[0]);
    assert!(asked[1].contains("x-amz-date: 19941106t08"), "{}", asked[1]);
    assert!(asked[2].contains("x-amz-date: 19941106t08"), "{}", asked[2]);
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
        "get /photos/%20",
        "put /photos/%20",
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
        "put /photos/%20?partnumber=1&uploadid=u",
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

#[tokio::test(start_paused = true)]
async fn an_operation_that_runs_out_of_time_tells_its_last_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let patient = S3Options { attempts_max: 60, ..options(&endpoint) };
    let client = S3Client::connect(patient).await.unwrap();
    let error = client.head_object("photos", "a", HeadObject::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    let reason = "no success within 60 s, last failure: connection refused";
    assert_eq!(error.message, format!("{reason} ({endpoint})"));
}
