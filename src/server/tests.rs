//! What is peculiar to the HTTP face: signatures, wording, spellings, bodies, connections.
//!
//! What S3 does with a request is checked by the conformance suite, which goes through here too.

mod client;
mod signature;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::crypto::{Checksum as _, Crc32, Md5, Sha256};

use crate::server::sessions::{Session, Sessions};
use crate::server::tests::client::{ACCESS_KEY, Answer, Connection, SECRET_KEY, Signed, Wire};
use crate::server::tests::signature::hex;
use crate::server::{ServeOptions, Server, start};
use crate::store::ObjectStore;
use crate::store::clock::{Clock as _, SystemClock};
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{Acl, CreateBucket, HeadObject, ListObjects, Resource, WriteOptions};

/// What clients encode in paths; they sign the path as they send it.
const NOT_IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A server with the bucket `bucket`, and the store behind it.
struct Bench {
    server: Server,
    sessions: Arc<Sessions>,
    store: Arc<dyn ObjectStore>,
    address: SocketAddr,
}

fn options() -> ServeOptions {
    ServeOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        region: "us-east-1".to_owned(),
        sessions: Arc::new(Sessions::new(Arc::new(SystemClock::new()))),
    }
}

impl Bench {
    async fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        let store: Arc<dyn ObjectStore> =
            Arc::new(Model::in_memory(clock, ModelOptions::default()));
        store.create_bucket("bucket", CreateBucket::default()).await.unwrap();
        let options = options();
        let sessions = Arc::clone(&options.sessions);
        let server = start(Arc::clone(&store), options).await.unwrap();
        let address = server.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
        Self { server, sessions, store, address }
    }

    async fn send(&self, wire: &Wire) -> Answer {
        Connection::open(self.address).await.send(wire).await
    }

    async fn put(&self, key: &str, content: &'static str) {
        let content = bytes::Bytes::from_static(content.as_bytes());
        let options = WriteOptions::default();
        self.store.put_object("bucket", key, content.into(), options).await.unwrap();
    }

    async fn holds(&self, key: &str) -> bool {
        self.store.head_object("bucket", key, HeadObject::default()).await.is_ok()
    }

    async fn check_refused(&self, wire: Wire, status: u16, code: &str) {
        let answer = self.send(&wire).await;
        assert_eq!((answer.status, answer.element("Code")), (status, Some(code)), "{answer:?}");
        let message = answer.element("Message").unwrap_or_default();
        assert!(!message.is_empty(), "no message: {answer:?}");
        assert_eq!(answer.element("RequestId"), answer.header("x-amz-request-id"));
    }
}

fn md5_header(content: &[u8]) -> String {
    STANDARD.encode(Md5::checksum(content))
}

/// A body in chunks with a checksum behind it, as the SDKs send it.
fn trailed(content: &[u8], checksum: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in content.chunks(64 * 1024) {
        body.extend(format!("{:x}\r\n", chunk.len()).bytes());
        body.extend(chunk);
        body.extend(b"\r\n");
    }
    body.extend(format!("0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n").bytes());
    body
}

fn put_trailed(key: &str, content: &[u8], checksum: &str) -> Wire {
    let payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned();
    Wire::new("PUT", format!("/bucket/{key}"))
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", content.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .signed(Signed::Headers { payload })
        .body(trailed(content, checksum))
}

#[test]
fn the_secret_is_not_in_the_debug_text() {
    let text = format!("{:?}", options());
    assert!(text.contains(ACCESS_KEY) && !text.contains(SECRET_KEY), "{text}");
}

#[tokio::test]
async fn a_signed_request_is_answered_and_numbered() {
    let bench = Bench::new().await;
    let answer = bench.send(&Wire::new("GET", "/")).await;
    assert_eq!((answer.status, answer.element("Name")), (200, Some("bucket")));
    assert_eq!(answer.header("x-amz-request-id").unwrap().len(), 16);
}

#[tokio::test]
async fn a_request_is_refused_that_the_key_did_not_sign() {
    let bench = Bench::new().await;
    bench.put("key", "content").await;
    let get = || Wire::new("GET", "/bucket/key");
    bench.check_refused(get().signed(Signed::Not), 403, "AccessDenied").await;
    let documents = Wire::new("GET", "/bucket?cors").signed(Signed::Not);
    bench.check_refused(documents, 403, "AccessDenied").await;
    let unknown = Wire { access_key: "AKIDOTHER", ..get() };
    bench.check_refused(unknown, 403, "InvalidAccessKeyId").await;
    let forged = Wire { secret_key: "a guess", ..get() };
    bench.check_refused(forged, 403, "SignatureDoesNotMatch").await;
}

#[tokio::test]
async fn a_presigned_address_is_good_until_it_expires() {
    let bench = Bench::new().await;
    bench.put("a key", "content").await;
    let presigned = |valid, sent_before| {
        let (valid, sent_before) = (Duration::from_secs(valid), Duration::from_secs(sent_before));
        Wire::new("GET", "/bucket/a%20key").signed(Signed::Query { valid, sent_before })
    };
    let answer = bench.send(&presigned(600, 60)).await;
    assert_eq!((answer.status, answer.text()), (200, "content"));
    bench.check_refused(presigned(60, 600), 403, "AccessDenied").await;
    let forged = Wire { secret_key: "a guess", ..presigned(600, 60) };
    bench.check_refused(forged, 403, "SignatureDoesNotMatch").await;
}

#[tokio::test]
async fn a_body_is_kept_only_if_it_is_the_one_that_was_signed() {
    let bench = Bench::new().await;
    let put = |content: &str| {
        let payload = hex(&Sha256::checksum(b"signed"));
        Wire::new("PUT", "/bucket/key").body(content).signed(Signed::Headers { payload })
    };
    bench.check_refused(put("forged"), 400, "XAmzContentSHA256Mismatch").await;
    assert!(!bench.holds("key").await);
    assert_eq!(bench.send(&put("signed")).await.status, 200);
}

#[tokio::test]
async fn a_body_is_checked_against_its_md5() {
    let bench = Bench::new().await;
    let put =
        |md5: String| Wire::new("PUT", "/bucket/key").body("content").header("content-md5", md5);
    bench.check_refused(put(md5_header(b"other")), 400, "BadDigest").await;
    bench.check_refused(put("no digest".to_owned()), 400, "InvalidDigest").await;
    assert!(!bench.holds("key").await);
    assert_eq!(bench.send(&put(md5_header(b"content"))).await.status, 200);
}

#[tokio::test]
async fn a_trailing_checksum_is_checked_for_small_bodies_and_large() {
    let bench = Bench::new().await;
    for content in [vec![7; 1000], vec![7; 3 << 20]] {
        let good = STANDARD.encode(Crc32::checksum(&content));
        bench.check_refused(put_trailed("key", &content, "AAAAAA=="), 400, "BadDigest").await;
        assert!(!bench.holds("key").await);
        let answer = bench.send(&put_trailed("key", &content, &good)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let get = Wire::new("GET", "/bucket/key").header("x-amz-checksum-mode", "ENABLED");
        let got = bench.send(&get).await;
        assert!(got.body == content, "the body changed on its way");
        assert_eq!(got.header("x-amz-checksum-crc32"), Some(good.as_str()));
        assert_eq!(got.header("content-encoding"), None);
        bench.send(&Wire::new("DELETE", "/bucket/key")).await;
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused() {
    let bench = Bench::new().await;
    let put = Wire::new("PUT", "/bucket/key")
        .header("transfer-encoding", "chunked")
        .body("3\r\nabc\r\n0\r\n\r\n");
    bench.check_refused(put, 411, "MissingContentLength").await;
}

#[tokio::test]
async fn any_key_can_be_written_listed_and_read() {
    let bench = Bench::new().await;
    let keys = [
        "a//b",
        "/",
        "//",
        ".",
        "..",
        "a/../b",
        "a/.",
        "%41",
        "a+b",
        " a b ",
        "a%2Fb",
        "dir/",
        "\u{e9}\u{1f41f}",
        "q?x=y&z#f",
        "tab\tand\nline",
    ];
    for key in keys {
        let path = format!("/bucket/{}", utf8_percent_encode(key, NOT_IN_PATHS));
        let put = bench.send(&Wire::new("PUT", path.as_str()).body(key)).await;
        assert_eq!(put.status, 200, "{key:?}: {put:?}");
        assert!(bench.holds(key).await, "{key:?}");
        let got = bench.send(&Wire::new("GET", path)).await;
        assert_eq!((got.status, got.text()), (200, key));
    }
    let listed = bench.send(&Wire::new("GET", "/bucket?list-type=2&encoding-type=url")).await;
    let listed: Vec<_> = listed.text().split("<Key>").skip(1).map(key_of_form).collect();
    let mut expected = keys;
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

/// The key before `</Key>`, decoded as clients do.
fn key_of_form(text: &str) -> String {
    let (key, _) = text.split_once("</Key>").unwrap();
    let key = key.replace('+', " ");
    percent_encoding::percent_decode_str(&key).decode_utf8().unwrap().into_owned()
}

#[tokio::test]
async fn refusals_have_the_status_and_words_of_s3() {
    let bench = Bench::new().await;
    bench.put("key", "content").await;
    let get = |target: &str| Wire::new("GET", target);
    bench.check_refused(get("/bucket/none"), 404, "NoSuchKey").await;
    bench.check_refused(get("/nowhere/key"), 404, "NoSuchBucket").await;
    bench.check_refused(get("/No_Bucket"), 400, "InvalidBucketName").await;
    bench.check_refused(get("/bucket?cors"), 404, "NoSuchCORSConfiguration").await;
    bench.check_refused(get("/bucket?list-type=2&max-keys=-1"), 400, "InvalidArgument").await;
    bench.check_refused(get("/bucket/key").header("range", "bytes=99-"), 416, "InvalidRange").await;
    let matching = get("/bucket/key").header("if-match", "\"other\"");
    bench.check_refused(matching, 412, "PreconditionFailed").await;
    bench.check_refused(Wire::new("DELETE", "/bucket"), 409, "BucketNotEmpty").await;
    let again = Wire::new("PUT", "/bucket/key").header("if-none-match", "*").body("new");
    bench.check_refused(again, 412, "PreconditionFailed").await;
    let malformed = Wire::new("POST", "/bucket?delete").body("<Delete>");
    bench.check_refused(malformed, 400, "MalformedXML").await;
    let granted = Wire::new("PUT", "/bucket/key").header("x-amz-grant-read", "id=1");
    bench.check_refused(granted, 400, "InvalidArgument").await;
    let odd = Wire::new("PUT", "/bucket/key").header("x-amz-grant-read", "everybody");
    bench.check_refused(odd, 400, "InvalidArgument").await;
    let both = Wire::new("PUT", "/bucket/key?acl").header("x-amz-acl", "private");
    let both = both.header("x-amz-grant-read", format!("uri={ALL_USERS}"));
    bench.check_refused(both, 400, "InvalidRequest").await;
    let half = Wire::new("PUT", "/bucket/key").header("x-amz-object-lock-mode", "GOVERNANCE");
    bench.check_refused(half, 400, "InvalidArgument").await;
    let unlocked = Wire::new("PUT", "/bucket/key").header("x-amz-object-lock-legal-hold", "ON");
    bench.check_refused(unlocked, 400, "InvalidRequest").await;
    let canned = Wire::new("PUT", "/bucket/key").header("x-amz-acl", "everything");
    bench.check_refused(canned, 400, "InvalidArgument").await;
    let nowhere = Wire::new("PUT", "/elsewhere").body(
        "<CreateBucketConfiguration><LocationConstraint>nowhere</LocationConstraint>\
         </CreateBucketConfiguration>",
    );
    bench.check_refused(nowhere, 400, "InvalidLocationConstraint").await;
}

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

#[tokio::test]
async fn headers_grant_what_they_say_to_whom_they_say() {
    let bench = Bench::new().await;
    let written = Wire::new("PUT", "/bucket/key")
        .header("x-amz-grant-read", format!("uri=\"{ALL_USERS}\", emailAddress=other@example.com"))
        .header("x-amz-grant-full-control", "emailAddress=\"owner@example.com\"");
    assert_eq!(bench.send(&written).await.status, 200);
    let object = Resource::object("bucket", "key");
    let granted = |acl: Acl| -> Vec<_> {
        acl.grants.into_iter().map(|grant| grant.permission.as_str()).collect()
    };
    let acl = bench.store.get_acl(&object).await.unwrap();
    assert_eq!(granted(acl), ["FULL_CONTROL", "READ", "READ"]);
    let changed = Wire::new("PUT", "/bucket/key?acl")
        .header("x-amz-grant-write-acp", format!("uri={ALL_USERS}"));
    assert_eq!(bench.send(&changed).await.status, 200);
    let acl = bench.store.get_acl(&object).await.unwrap();
    assert_eq!(granted(acl), ["WRITE_ACP"]);
    let made = Wire::new("PUT", "/shared").header("x-amz-grant-write", format!("uri={ALL_USERS}"));
    assert_eq!(bench.send(&made).await.status, 200);
    let acl = bench.store.get_acl(&Resource::bucket("shared")).await.unwrap();
    assert_eq!(granted(acl), ["WRITE"]);
}

#[tokio::test]
async fn a_request_for_another_region_is_told_which() {
    let bench = Bench::new().await;
    let options = CreateBucket { region: Some("eu-west-1".to_owned()), ..CreateBucket::default() };
    bench.store.create_bucket("faraway", options).await.unwrap();
    for wire in [Wire::new("GET", "/faraway?list-type=2"), Wire::new("PUT", "/faraway/key")] {
        let answer = bench.send(&wire).await;
        let code = answer.element("Code");
        assert_eq!((answer.status, code), (400, Some("AuthorizationHeaderMalformed")));
        assert_eq!(answer.element("Region"), Some("eu-west-1"));
        assert_eq!(answer.header("x-amz-bucket-region"), Some("eu-west-1"));
        assert_eq!(answer.element("RequestId"), answer.header("x-amz-request-id"));
    }
    let head = bench.send(&Wire::new("HEAD", "/faraway")).await;
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (400, Some("eu-west-1")));
    let again = Wire::new("PUT", "/faraway");
    bench.check_refused(again, 409, "BucketAlreadyOwnedByYou").await;
    assert!(
        bench
            .store
            .list_objects("faraway", ListObjects::default())
            .await
            .unwrap()
            .objects
            .is_empty()
    );
}

#[tokio::test]
async fn keys_for_a_time_need_their_token() {
    let bench = Bench::new().await;
    let session = |name: &str, expires: SystemTime| Session {
        access_key: name.to_owned(),
        secret_key: "temporary".to_owned(),
        token: format!("token of {name}"),
        expires,
    };
    let now = SystemClock::new().wall();
    bench.sessions.add(session("lasting", now + Duration::from_secs(3600)));
    bench.sessions.add(session("over", now - Duration::from_secs(1)));
    let asked = |access_key: &'static str, token: &str| {
        let wire = Wire::new("GET", "/bucket?cors").header("x-amz-security-token", token);
        Wire { access_key, secret_key: "temporary", ..wire }
    };
    let answer = bench.send(&asked("lasting", "token of lasting")).await;
    assert_eq!(answer.element("Code"), Some("NoSuchCORSConfiguration"));
    bench.check_refused(asked("lasting", "another"), 400, "InvalidToken").await;
    bench.check_refused(asked("over", "token of over"), 400, "ExpiredToken").await;
    let bare =
        Wire { access_key: "lasting", secret_key: "temporary", ..Wire::new("GET", "/bucket") };
    bench.check_refused(bare, 403, "InvalidAccessKeyId").await;
    let unasked = Wire::new("GET", "/bucket").header("x-amz-security-token", "token");
    bench.check_refused(unasked, 400, "InvalidToken").await;
}

#[tokio::test]
async fn an_unknown_subresource_changes_nothing() {
    let bench = Bench::new().await;
    bench.put("key", "content").await;
    let rename = Wire::new("PUT", "/bucket/key?renameObject");
    bench.check_refused(rename, 501, "NotImplemented").await;
    let kept = bench.send(&Wire::new("GET", "/bucket/key")).await;
    assert_eq!(kept.text(), "content");
}

#[tokio::test]
async fn an_object_that_is_the_same_still_is_answered_without_body() {
    let bench = Bench::new().await;
    bench.put("key", "content").await;
    let mut connection = Connection::open(bench.address).await;
    let got = connection.send(&Wire::new("GET", "/bucket/key")).await;
    let etag = got.header("etag").unwrap();
    let again = Wire::new("GET", "/bucket/key").header("if-none-match", etag);
    let same = connection.send(&again).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = connection.send(&Wire::new("HEAD", "/bucket/key")).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("7")));
}

#[tokio::test]
async fn a_range_is_answered_with_its_place() {
    let bench = Bench::new().await;
    bench.put("key", "content").await;
    let ranged = Wire::new("GET", "/bucket/key").header("range", "bytes=2-4");
    let answer = bench.send(&ranged).await;
    assert_eq!((answer.status, answer.text()), (206, "nte"));
    assert_eq!(answer.header("content-range"), Some("bytes 2-4/7"));
    let head = bench.send(&Wire { method: "HEAD", ..ranged }).await;
    assert_eq!((head.status, head.header("content-length")), (206, Some("3")));
}

#[tokio::test]
async fn a_refused_upload_is_read_so_that_its_refusal_arrives() {
    let bench = Bench::new().await;
    let mut connection = Connection::open(bench.address).await;
    let put = Wire::new("PUT", "/nowhere/key").body(vec![0; 24 << 20]);
    assert_eq!(connection.send(&put).await.status, 404);
    assert_eq!(connection.send(&Wire::new("GET", "/")).await.status, 200);
}

#[tokio::test]
async fn a_listing_of_version_one_goes_on_behind_a_common_prefix() {
    let bench = Bench::new().await;
    for key in ["a/1", "a/2", "b", "c/1"] {
        bench.put(key, "content").await;
    }
    let mut names = Vec::new();
    let mut marker = String::new();
    loop {
        let target = format!("/bucket?delimiter=%2F&max-keys=1&marker={marker}");
        let page = bench.send(&Wire::new("GET", target)).await;
        let prefixes = page.element("CommonPrefixes").map(|prefix| prefix.replace("Prefix>", ""));
        names.push(prefixes.or_else(|| page.element("Key").map(str::to_owned)).unwrap());
        let Some(next) = page.element("NextMarker") else { break };
        marker = next.replace('/', "%2F");
    }
    assert_eq!(names, ["<a/</", "b", "<c/</"]);
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_server_ends() {
    let bench = Bench::new().await;
    let mut connection = Connection::open(bench.address).await;
    let put = Wire::new("PUT", "/bucket/key").header("expect", "100-continue").body("content");
    connection.write(put.head(bench.address).as_bytes()).await;
    assert!(connection.head().await.starts_with("HTTP/1.1 100 "));
    let sent = async {
        connection.write(&put.body).await;
        connection.answer("PUT").await.status
    };
    let ((), status) = tokio::join!(bench.server.shutdown(), sent);
    assert_eq!(status, 200);
    let content = bench.store.head_object("bucket", "key", HeadObject::default()).await.unwrap();
    assert_eq!(content.size, 7);
}
