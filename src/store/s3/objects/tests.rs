use super::*;
use crate::store::types::{Conditions, ETag, ObjectAttributes, Tags};

fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(found, _)| found == name);
    found.map(|(_, value)| value.as_str())
}

fn source() -> CopySource {
    let conditions = Conditions::matching(ETag::new("abc"));
    CopySource {
        bucket: "photos".to_owned(),
        key: "a b".to_owned(),
        conditions,
        ..CopySource::default()
    }
}

#[test]
fn a_copy_keeps_what_is_not_replaced() {
    let headers = copy_headers(&source(), &CopyObject::default());
    assert_eq!(value(&headers, "x-amz-copy-source"), Some("photos/a%20b"));
    assert_eq!(value(&headers, "x-amz-copy-source-if-match"), Some("\"abc\""));
    assert_eq!(value(&headers, "x-amz-metadata-directive"), Some("COPY"));
    assert_eq!(value(&headers, "x-amz-tagging-directive"), Some("COPY"));
    assert_eq!(value(&headers, "x-amz-tagging"), None);
    assert_eq!(value(&headers, "x-amz-storage-class"), None);
}

#[test]
fn a_copy_replaces_attributes_and_tags() {
    let attributes =
        ObjectAttributes { content_type: Some("text/css".to_owned()), ..Default::default() };
    let options = CopyObject {
        replace_attributes: Some(attributes),
        replace_tags: Some(Tags::new()),
        storage_class: Some("GLACIER".to_owned()),
        conditions: Conditions::absent(),
        ..CopyObject::default()
    };
    let headers = copy_headers(&source(), &options);
    assert_eq!(value(&headers, "x-amz-metadata-directive"), Some("REPLACE"));
    assert_eq!(value(&headers, "content-type"), Some("text/css"));
    assert_eq!(value(&headers, "x-amz-tagging-directive"), Some("REPLACE"));
    assert_eq!(value(&headers, "x-amz-tagging"), Some(""));
    assert_eq!(value(&headers, "x-amz-storage-class"), Some("GLACIER"));
    assert_eq!(value(&headers, "if-none-match"), Some("*"));
}

#[test]
fn a_batch_tells_what_became_of_each_object() {
    let removed = types::DeletedObject::builder().key("a").version_id("1").build();
    let marked = types::DeletedObject::builder().key("b").delete_marker(true);
    let marked = marked.delete_marker_version_id("2").build();
    let failed = types::Error::builder().key("c").version_id("").code("AccessDenied").build();
    let answer = DeleteObjectsOutput::builder().deleted(removed).deleted(marked).errors(failed);
    let results = batch_results(answer.build());
    let result = |key: &str, version: Option<&str>| {
        results[&(key.to_owned(), version.map(str::to_owned))].clone()
    };
    let deleted = |delete_marker: bool, version: &str| Deleted {
        delete_marker,
        version_id: Some(version.to_owned()),
    };
    assert_eq!(result("a", Some("1")).unwrap(), deleted(false, "1"));
    assert_eq!(result("b", None).unwrap(), deleted(true, "2"));
    assert_eq!(result("c", None).unwrap_err().kind, ErrorKind::Forbidden);
}

#[test]
fn keys_that_xml_has_no_way_to_write_are_known() {
    assert!(fits_xml("plain \u{e4} <&> \t\n"));
    assert!(!fits_xml("bell\u{7}"));
    assert!(!fits_xml("\u{0}"));
    assert!(!fits_xml("\u{ffff}"));
}

#[test]
fn an_object_that_is_not_archived_cannot_be_restored() {
    let error = StoreError::new(ErrorKind::Archived, "InvalidObjectState", "");
    assert_eq!(not_restorable(error).kind, ErrorKind::Invalid);
    let error = StoreError::new(ErrorKind::Conflict, "RestoreAlreadyInProgress", "");
    assert_eq!(not_restorable(error).kind, ErrorKind::Conflict);
}
