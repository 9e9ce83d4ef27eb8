//! What rules do to a bucket as days pass.

use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::store::model::state::{Documents, UploadInfo, Versioning};
use crate::store::types::{Acl, ObjectAttributes, Tags};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BUCKET: &str = "bucket";

fn day(days: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * days
}

/// A bucket with one rule, for keys below `logs/`.
fn bucket(versioning: Versioning, actions: &str) -> State {
    let mut state = State::default();
    state.add_bucket_for_test(BUCKET, versioning);
    let mut info = (*state.buckets[BUCKET].info).clone();
    let text = format!(
        "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix>logs/</Prefix>\
         </Filter>{actions}</Rule></LifecycleConfiguration>"
    );
    info.documents.insert(DocumentKind::Lifecycle, text);
    state.apply(Update::Bucket { bucket: BUCKET.to_owned(), info: Some(Arc::new(info)) });
    state
}

fn object() -> Option<Arc<StoredObject>> {
    Some(Arc::new(StoredObject::empty_for_test()))
}

/// Adds a version that was made on a day.
fn add(state: &mut State, key: &str, made: u32, object: Option<Arc<StoredObject>>) {
    let name = ObjectName::new(BUCKET, key);
    let newest = state.buckets[BUCKET].objects.get(key).and_then(Versions::newest);
    let sequence = newest.map_or(0, |newest| newest.sequence + 1);
    let id = Some(Arc::from(format!("{key}-{made}")));
    let version = Version { sequence, id, last_modified: day(made), object };
    state.apply(Update::Version { name, sequence, version: Some(version) });
}

/// Lets the rules act on a day; answers what the bucket then holds, newest versions first.
fn after(mut state: State, days: u32) -> Vec<String> {
    for update in plan_due(&state, BUCKET, day(days), DAY) {
        state.apply(update);
    }
    let show = |(key, versions): (&String, &Versions)| {
        let shown = versions.newest_first().map(|version| match &version.object {
            None => "marker".to_owned(),
            Some(object) => {
                object.attributes.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned())
            }
        });
        format!("{key}: {}", shown.collect::<Vec<_>>().join(" "))
    };
    let objects = state.buckets[BUCKET].objects.iter().map(show);
    let uploads = state.buckets[BUCKET].uploads.keys().map(|(key, _)| format!("{key}: upload"));
    objects.chain(uploads).collect()
}

#[track_caller]
fn check(state: impl Fn() -> State, days: u32, expected: &[&str]) {
    assert_eq!(after(state(), days), expected, "after {days} days");
}

const MOVES: &str = "<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>\
     <Transition><Days>60</Days><StorageClass>GLACIER</StorageClass></Transition>";

#[test]
fn objects_become_colder_with_age_and_others_stay() {
    let state = || {
        let mut state = bucket(Versioning::Never, MOVES);
        add(&mut state, "logs/1", 0, object());
        add(&mut state, "other", 0, object());
        state
    };
    check(state, 29, &["logs/1: STANDARD", "other: STANDARD"]);
    check(state, 30, &["logs/1: STANDARD_IA", "other: STANDARD"]);
    check(state, 60, &["logs/1: GLACIER", "other: STANDARD"]);
}

#[test]
fn an_object_never_becomes_warmer() {
    let cold = || {
        let mut state = bucket(Versioning::Never, MOVES);
        let mut object = StoredObject::empty_for_test();
        object.attributes.storage_class = Some("DEEP_ARCHIVE".to_owned());
        add(&mut state, "logs/1", 0, Some(Arc::new(object)));
        state
    };
    check(cold, 100, &["logs/1: DEEP_ARCHIVE"]);
    assert!(plan_due(&cold(), BUCKET, day(100), DAY).is_empty(), "nothing is written again");
}

#[test]
fn a_date_is_the_same_for_all() {
    let state = || {
        let rule =
            "<Transition><Date>1970-01-11</Date><StorageClass>GLACIER</StorageClass></Transition>";
        let mut state = bucket(Versioning::Never, rule);
        add(&mut state, "logs/old", 0, object());
        add(&mut state, "logs/new", 9, object());
        state
    };
    check(state, 9, &["logs/new: STANDARD", "logs/old: STANDARD"]);
    check(state, 10, &["logs/new: GLACIER", "logs/old: GLACIER"]);
}

const EXPIRES: &str = "<Expiration><Days>5</Days></Expiration>";

#[test]
fn an_expired_object_is_gone_or_hidden_by_a_marker() {
    let state = |versioning| {
        move || {
            let mut state = bucket(versioning, EXPIRES);
            add(&mut state, "logs/1", 0, object());
            state
        }
    };
    check(state(Versioning::Never), 4, &["logs/1: STANDARD"]);
    check(state(Versioning::Never), 5, &[]);
    check(state(Versioning::Enabled), 5, &["logs/1: marker STANDARD"]);
}

#[test]
fn a_marker_that_hides_nothing_goes() {
    let state = |rule: &'static str| {
        move || {
            let mut state = bucket(Versioning::Enabled, rule);
            add(&mut state, "logs/alone", 1, None);
            add(&mut state, "logs/hides", 0, object());
            add(&mut state, "logs/hides", 1, None);
            state
        }
    };
    let rule =
        "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
    check(state(rule), 1, &["logs/hides: marker STANDARD"]);
    check(state(EXPIRES), 5, &["logs/alone: marker", "logs/hides: marker STANDARD"]);
    check(state(EXPIRES), 6, &["logs/hides: marker STANDARD"]);
}

#[test]
fn versions_age_from_when_they_were_replaced() {
    let state = |rule: &'static str| {
        move || {
            let mut state = bucket(Versioning::Enabled, rule);
            for made in [0, 10, 20] {
                add(&mut state, "logs/1", made, object());
            }
            state
        }
    };
    let expiration = "<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays>\
         </NoncurrentVersionExpiration>";
    check(state(expiration), 14, &["logs/1: STANDARD STANDARD STANDARD"]);
    check(state(expiration), 15, &["logs/1: STANDARD STANDARD"]);
    check(state(expiration), 25, &["logs/1: STANDARD"]);
    let kept = "<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays>\
         <NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>";
    check(state(kept), 99, &["logs/1: STANDARD STANDARD"]);
    let moved = "<NoncurrentVersionTransition><NoncurrentDays>5</NoncurrentDays>\
         <StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>";
    check(state(moved), 15, &["logs/1: STANDARD STANDARD GLACIER"]);
    check(state(moved), 25, &["logs/1: STANDARD GLACIER GLACIER"]);
}

#[test]
fn what_is_locked_does_not_expire() {
    let state = || {
        let rule = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
             </NoncurrentVersionExpiration>";
        let mut state = bucket(Versioning::Enabled, rule);
        let mut held = StoredObject::empty_for_test();
        let hold = "<LegalHold><Status>ON</Status></LegalHold>";
        held.documents.insert(DocumentKind::LegalHold, hold.to_owned());
        add(&mut state, "logs/1", 0, Some(Arc::new(held)));
        add(&mut state, "logs/1", 0, object());
        state
    };
    check(state, 9, &["logs/1: STANDARD STANDARD"]);
}

#[test]
fn uploads_that_nobody_completes_are_aborted() {
    let state = || {
        let rule = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
             </AbortIncompleteMultipartUpload>";
        let mut state = bucket(Versioning::Never, rule);
        for (key, started) in [("logs/new", 3), ("logs/old", 0), ("other", 0)] {
            let info = UploadInfo {
                started: day(started),
                attributes: ObjectAttributes::default(),
                tags: Tags::new(),
                acl: Acl::default(),
                documents: Documents::new(),
                checksum: None,
            };
            let name = UploadName { object: ObjectName::new(BUCKET, key), upload: "1".to_owned() };
            state.apply(Update::Upload { name, info: Some(Arc::new(info)) });
        }
        state
    };
    check(state, 6, &["logs/new: upload", "logs/old: upload", "other: upload"]);
    check(state, 7, &["logs/new: upload", "other: upload"]);
}

#[test]
fn a_bucket_is_looked_at_once_a_minute_of_a_day() {
    let sweeps = Sweeps::default();
    let begins = |seconds: u64| sweeps.begin(BUCKET, day(1) + Duration::from_secs(seconds), DAY);
    assert!(begins(0) && !begins(59) && begins(60) && !begins(61));
    sweeps.forget(BUCKET);
    assert!(begins(61));
}
