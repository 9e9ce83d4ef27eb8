//! Pages as a caller sees them, whole and one entry at a time.

use super::*;
use std::sync::Arc;

use crate::store::model::state::StoredObject;

fn object() -> Version {
    let object = Some(Arc::new(StoredObject::empty_for_test()));
    Version { sequence: 0, id: None, last_modified: SystemTime::UNIX_EPOCH, object }
}

fn marker() -> Version {
    Version { object: None, ..object() }
}

fn bucket(keys: &[&str]) -> BTreeMap<String, Versions> {
    keys.iter().map(|key| ((*key).to_owned(), Versions::from_versions(vec![object()]))).collect()
}

fn options(prefix: &str, delimiter: &str) -> ListObjects {
    ListObjects {
        prefix: prefix.to_owned(),
        delimiter: Some(delimiter.to_owned()),
        ..ListObjects::default()
    }
}

/// Keys, then prefixes.
fn names(page: &ObjectPage) -> (Vec<&str>, Vec<&str>) {
    let keys = page.objects.iter().map(|object| object.key.as_str()).collect();
    (keys, page.prefixes.iter().map(String::as_str).collect())
}

fn list(objects: &BTreeMap<String, Versions>, options: &ListObjects) -> ObjectPage {
    list_objects(objects, options, SystemTime::UNIX_EPOCH).unwrap()
}

#[track_caller]
fn check(keys: &[&str], options: &ListObjects, expected: (&[&str], &[&str])) {
    let objects = bucket(keys);
    let page = list(&objects, options);
    assert_eq!(names(&page), (expected.0.to_vec(), expected.1.to_vec()));
    assert_eq!(page.next, None);
    check_paged(&objects, options, expected);
}

/// A listing of pages of one is the listing of one page.
#[track_caller]
fn check_paged(
    objects: &BTreeMap<String, Versions>,
    options: &ListObjects,
    expected: (&[&str], &[&str]),
) {
    let mut options = ListObjects { keys_max: Some(1), ..options.clone() };
    let (mut keys, mut prefixes) = (vec![], vec![]);
    loop {
        let page = list(objects, &options);
        assert!(page.objects.len() + page.prefixes.len() <= 1);
        keys.extend(page.objects.into_iter().map(|object| object.key));
        prefixes.extend(page.prefixes);
        options.continuation = page.next;
        if options.continuation.is_none() {
            break;
        }
    }
    assert_eq!((keys, prefixes), (owned(expected.0), owned(expected.1)));
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn keys_are_rolled_up_to_their_common_prefixes() {
    let keys = ["a", "a/", "a/b", "a/b/c", "a0", "b/c", "c"];
    check(&keys, &options("", "/"), (&["a", "a0", "c"], &["a/", "b/"]));
    check(&keys, &options("a/", "/"), (&["a/", "a/b"], &["a/b/"]));
    check(&keys, &options("a", "/"), (&["a", "a0"], &["a/"]));
    check(&keys, &options("b", ""), (&["b/c"], &[]));
    check(&keys, &options("zz", "/"), (&[], &[]));
}

#[test]
fn a_delimiter_is_any_string() {
    check(&["a--b--c", "a-b", "a--d"], &options("", "--"), (&["a-b"], &["a--"]));
    check(&["äöü", "äö"], &options("ä", "ö"), (&[], &["äö"]));
}

#[test]
fn a_start_is_before_its_successors() {
    let after = |key: &str| ListObjects { start_after: Some(key.to_owned()), ..options("", "/") };
    let keys = ["a", "a/b", "a/c", "b"];
    check(&keys, &after("a"), (&["b"], &["a/"]));
    check(&keys, &after("a/b"), (&["b"], &["a/"]));
    check(&keys, &after("a/"), (&["b"], &[]));
    check(&keys, &after("zz"), (&[], &[]));
    let below = ListObjects { prefix: "a/".to_owned(), ..after("A") };
    check(&keys, &below, (&["a/b", "a/c"], &[]));
}

#[test]
fn the_last_characters_of_all_are_left_behind() {
    let last = char::MAX.to_string();
    let keys = [&*format!("{last}a"), &*format!("{last}{last}"), &*last.repeat(256)];
    check(&keys, &options("", &last), (&[], &[&last]));
    check(&["\u{D7FF}a", "\u{E000}"], &options("", "\u{D7FF}"), (&["\u{E000}"], &["\u{D7FF}"]));
}

#[test]
fn pages_have_at_most_a_thousand_keys_and_may_have_none() {
    let keys: Vec<_> = (0..1001).map(|n| format!("{n:04}")).collect();
    let objects = bucket(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let page = list(&objects, &ListObjects { keys_max: Some(5000), ..ListObjects::default() });
    assert_eq!(page.objects.len(), 1000);
    let rest = ListObjects { continuation: page.next, ..ListObjects::default() };
    assert_eq!(names(&list(&objects, &rest)).0, ["1000"]);
    let none = list(&objects, &ListObjects { keys_max: Some(0), ..ListObjects::default() });
    assert_eq!((none.objects.len(), none.next), (0, None));
}

#[test]
fn a_strange_token_is_refused() {
    for token in ["?", "", "YQ==", "eA"] {
        let options =
            ListObjects { continuation: Some(token.to_owned()), ..ListObjects::default() };
        let result = list_objects(&bucket(&["a"]), &options, SystemTime::UNIX_EPOCH);
        assert_eq!(result.unwrap_err().code, "InvalidArgument", "{token}");
    }
}

#[test]
fn deleted_keys_are_not_seen_and_make_no_prefix() {
    let mut objects = bucket(&["a/b", "c/d", "e"]);
    objects.insert("a/b".to_owned(), Versions::from_versions(vec![object(), marker()]));
    objects.insert("e".to_owned(), Versions::from_versions(vec![marker()]));
    assert_eq!(names(&list(&objects, &options("", "/"))), (vec![], vec!["c/"]));
}

fn versions(ids: &[&str]) -> Versions {
    let version = |(sequence, id): (usize, &&str)| Version {
        sequence: sequence as u64,
        id: Some(Arc::from(*id)),
        ..object()
    };
    Versions::from_versions(ids.iter().enumerate().map(version).collect())
}

#[test]
fn versions_are_listed_newest_first_and_page_by_page() {
    let objects = BTreeMap::from([
        ("a".to_owned(), versions(&["1", "2", "3"])),
        ("b/c".to_owned(), versions(&["4"])),
        ("d".to_owned(), versions(&["5"])),
    ]);
    let mut options = ListVersions {
        delimiter: Some("/".to_owned()),
        keys_max: Some(1),
        ..ListVersions::default()
    };
    let mut seen = vec![];
    loop {
        let page = list_versions(&objects, &options).unwrap();
        seen.extend(page.prefixes);
        seen.extend(page.versions.iter().map(|version| {
            format!("{} {} {}", version.key, version.version_id, version.is_latest)
        }));
        let Some((key, version)) = page.next else { break };
        (options.key_marker, options.version_marker) = (Some(key), version);
    }
    assert_eq!(seen, ["a 3 true", "a 2 false", "a 1 false", "b/", "d 5 true"]);
    let orphan = ListVersions { version_marker: Some("1".to_owned()), ..ListVersions::default() };
    assert_eq!(list_versions(&objects, &orphan).unwrap_err().code, "InvalidArgument");
}

#[test]
fn uploads_are_listed_by_key_and_id_and_page_by_page() {
    let id = |key: &str, upload: &str| (key.to_owned(), upload.to_owned());
    let ids = [id("a", "2"), id("a", "1"), id("ab", "3"), id("b", "4")];
    let uploads: BTreeMap<_, _> =
        ids.into_iter().map(|id| (id, UploadState::empty_for_test())).collect();
    let mut options =
        ListUploads { prefix: "a".to_owned(), uploads_max: Some(1), ..ListUploads::default() };
    let mut seen = vec![];
    loop {
        let page = list_uploads(&uploads, &options);
        seen.extend(page.uploads.into_iter().map(|upload| upload.upload));
        let Some((key, upload)) = page.next else { break };
        (options.key_marker, options.upload_marker) = (Some(key), Some(upload));
    }
    assert_eq!(seen, ["1", "2", "3"]);
    let behind = ListUploads { key_marker: Some("a".to_owned()), ..ListUploads::default() };
    let seen: Vec<_> = list_uploads(&uploads, &behind).uploads;
    assert_eq!(seen.iter().map(|upload| upload.upload.as_str()).collect::<Vec<_>>(), ["3", "4"]);
}

#[test]
fn parts_come_a_thousand_at_a_time() {
    let part = Arc::new(StoredPart::empty_for_test());
    let parts: BTreeMap<_, _> = (1..=1500).map(|number| (number, Arc::clone(&part))).collect();
    let first = list_parts(&parts, None);
    assert_eq!((first.parts.len(), first.next), (1000, Some(1000)));
    let second = list_parts(&parts, first.next);
    assert_eq!((second.parts[0].part.number, second.parts.len(), second.next), (1001, 500, None));
}
