//! Our words as headers, queries and documents.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::SdkBody;

use super::*;
use crate::store::types::{CannedAcl, ETag, Encryption, Grant, Grantee, ObjectLock, Permission};

fn source(key: &str, version: Option<&str>) -> CopySource {
    CopySource {
        bucket: "photos".to_owned(),
        key: key.to_owned(),
        version: version.map(str::to_owned),
        conditions: Conditions::default(),
    }
}

fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_source_of_a_copy_is_encoded_as_s3_decodes_it() {
    let check = |key: &str, expected: &str| assert_eq!(copy_source(&source(key, None)), expected);
    check("a/b.txt", "photos/a/b.txt");
    check("100%", "photos/100%25");
    check("a+b c", "photos/a%2Bb%20c");
    check("what?", "photos/what%3F");
    check("\u{e4}//\u{1faa3}", "photos/%C3%A4//%F0%9F%AA%A3");
    assert_eq!(copy_source(&source("a", Some("3/L4+kq"))), "photos/a?versionId=3%2FL4%2Bkq");
}

#[test]
fn conditions_are_headers_with_quoted_etags() {
    let conditions = Conditions {
        if_match: Some(EtagCondition::Is(ETag::new("abc"))),
        if_none_match: Some(EtagCondition::Any),
        if_modified_since: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)),
        if_unmodified_since: None,
    };
    let expected = [
        ("if-match", "\"abc\""),
        ("if-none-match", "*"),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    assert_eq!(pairs(&condition_headers(&conditions)), expected);
    let headers = source_headers(&CopySource { conditions, ..source("a", None) });
    assert_eq!(headers[0].0, "x-amz-copy-source-if-match");
    assert!(condition_headers(&Conditions::default()).is_empty());
}

#[test]
fn all_that_rides_along_with_an_object_is_a_header() {
    let text = |text: &str| Some(text.to_owned());
    let attributes = ObjectAttributes {
        content_type: text("text/plain"),
        expires: text("whenever"),
        metadata: BTreeMap::from([("mode".to_owned(), "33188".to_owned())]),
        storage_class: text("GLACIER"),
        encryption: Some(Encryption { algorithm: "aws:kms".to_owned(), kms_key_id: text("key") }),
        ..ObjectAttributes::default()
    };
    let tags = BTreeMap::from([("a b".to_owned(), "c&d=e".to_owned())]);
    let options = WriteOptions {
        attributes,
        tags: Some(tags),
        acl: Some(CannedAcl::PublicRead),
        conditions: Conditions::absent(),
        ..WriteOptions::default()
    };
    let expected = [
        ("content-type", "text/plain"),
        ("expires", "whenever"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
        ("x-amz-meta-mode", "33188"),
        ("x-amz-tagging", "a%20b=c%26d%3De"),
        ("x-amz-acl", "public-read"),
        ("if-none-match", "*"),
    ];
    assert_eq!(pairs(&write_headers(&options)), expected);
}

#[test]
fn grants_are_headers_by_permission() {
    let grant = |permission, grantee| Grant { grantee, permission };
    let user = Grantee::CanonicalUser { id: "1a".to_owned(), display_name: None };
    let all = Grantee::Group { uri: "http://all".to_owned() };
    let other = Grantee::Email { address: "o@example.com".to_owned() };
    let grants = [
        grant(Permission::Read, user.clone()),
        grant(Permission::WriteAcp, all),
        grant(Permission::FullControl, user),
        grant(Permission::Read, other),
    ];
    let expected = [
        ("x-amz-grant-full-control", "id=\"1a\""),
        ("x-amz-grant-read", "id=\"1a\", emailAddress=\"o@example.com\""),
        ("x-amz-grant-write-acp", "uri=\"http://all\""),
    ];
    assert_eq!(pairs(&grant_headers(&grants)), expected);
    assert!(grant_headers(&[]).is_empty());
}

#[test]
fn a_lock_is_up_to_three_headers() {
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    let lock =
        ObjectLock { retention: Some(("GOVERNANCE".to_owned(), until)), legal_hold: Some(false) };
    let expected = [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", "1970-01-02T00:00:00Z"),
        ("x-amz-object-lock-legal-hold", "OFF"),
    ];
    assert_eq!(pairs(&lock_headers(&lock)), expected);
    assert!(lock_headers(&ObjectLock::default()).is_empty());
}

#[test]
fn a_range_names_its_last_byte() {
    assert_eq!(range_header(Range::Span { start: 3, end: 10 }), "bytes=3-9");
    assert_eq!(range_header(Range::From { start: 3 }), "bytes=3-");
    assert_eq!(range_header(Range::Last { bytes: 3 }), "bytes=-3");
}

fn request(address: &str, body: &'static str) -> HttpRequest {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_uri(address.to_owned()).unwrap();
    request
}

#[test]
fn a_query_takes_the_place_of_the_operations_own() {
    let extra = Extra::default().query(subresource_query("retention", Some("a+b")));
    let applied = extra.apply(request("http://host/photos/a%20b?x-id=GetObject", "")).unwrap();
    assert_eq!(applied.uri(), "http://host/photos/a%20b?retention&versionId=a%2Bb");
    let extra = Extra::default().query(subresource_query("cors", None));
    let applied = extra.apply(request("http://host/photos?policy", "")).unwrap();
    assert_eq!(applied.uri(), "http://host/photos?cors");
}

#[test]
fn a_key_of_white_space_takes_the_place_of_its_stand_in() {
    let check = |key: &str, address: &str, expected: &str| {
        let extra = Extra::default().object(key);
        let sent = address.replace("KEY", &extra.sdk_key().unwrap());
        assert_eq!(extra.apply(request(&sent, "")).unwrap().uri(), expected);
    };
    check(" ", "http://host/photos/KEY", "http://host/photos/%20");
    check("\n", "http://photos.host/KEY?acl", "http://photos.host/%0A?acl");
    check("\t ", "http://host/a/photos/KEY?x-id=X", "http://host/a/photos/%09%20?x-id=X");
    check("\u{3000}", "http://host/photos/KEY", "http://host/photos/%E3%80%80");
    let versioned = Extra::default().object(" ").query(subresource_query("retention", Some("1")));
    let applied = versioned.apply(request("http://host/photos/-?x-id=GetObject", "")).unwrap();
    assert_eq!(applied.uri(), "http://host/photos/%20?retention&versionId=1");
}

#[test]
fn other_keys_are_left_to_the_sdk() {
    for key in ["a", "-", " a", "a/ ", "/", ""] {
        let extra = Extra::default().object(key);
        assert_eq!(extra.sdk_key().as_deref(), Some(key));
        let applied = extra.apply(request("http://host/photos/-?x-id=GetObject", "")).unwrap();
        assert_eq!(applied.uri(), "http://host/photos/-?x-id=GetObject");
    }
    assert_eq!(Extra::default().sdk_key(), None);
}

#[test]
fn a_content_type_is_sent_where_one_is_given() {
    let check = |of_sdk: &'static str, given: Option<&str>, expected: Option<&str>| {
        let content_type = given.map(str::to_owned);
        let attributes = ObjectAttributes { content_type, ..ObjectAttributes::default() };
        let mut request = request("http://host/photos/a", "bytes");
        request.headers_mut().insert("content-type", of_sdk);
        let applied = Extra::with_headers(attribute_headers(&attributes)).apply(request).unwrap();
        assert_eq!(applied.headers().get("content-type"), expected);
    };
    check("application/octet-stream", None, None);
    check("application/octet-stream", Some("text/css"), Some("text/css"));
    let guess = Some("application/octet-stream");
    check("application/octet-stream", guess, guess);
    check("application/xml", None, Some("application/xml"));
}

#[test]
fn a_digest_is_of_the_body() {
    let applied = Extra::default().digest().apply(request("http://host/", "hello")).unwrap();
    assert_eq!(applied.headers().get("content-md5"), Some("XUFAKrxLKna5cZ2REBfFkg=="));
}

#[test]
fn a_value_that_is_no_header_is_an_error() {
    let headers = vec![("x-amz-meta-note".to_owned(), "two\nlines".to_owned())];
    assert!(Extra::with_headers(headers).apply(request("http://host/", "")).is_err());
}
