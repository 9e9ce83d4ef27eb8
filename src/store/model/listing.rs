//! Listings: one page of keys, versions, uploads or parts.
//!
//! Pure functions over ordered maps. A common prefix is left by seeking behind everything that
//! starts with it, so that a page costs the same however many keys are rolled up in it.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::store::error::StoreResult;
use crate::store::model::names::STANDARD;
use crate::store::model::refusal;
use crate::store::model::state::{StoredObject, StoredPart, UploadState, Version, Versions};
use crate::store::types::{
    ListObjects, ListUploads, ListVersions, ListedObject, ListedPart, ListedUpload, ListedVersion,
    ObjectPage, Part, PartPage, UploadPage, VersionPage, VersionedObject,
};

const PAGE_MAX: usize = 1000;

/// A page of the objects that a reader sees.
pub(super) fn list_objects(
    objects: &BTreeMap<String, Versions>,
    options: &ListObjects,
    now: SystemTime,
) -> StoreResult<ObjectPage> {
    let start = match (&options.continuation, &options.start_after) {
        (Some(token), _) => read_token(token)?,
        (None, Some(key)) => Start::After(key.clone()),
        (None, None) => Start::First,
    };
    let grouping = Grouping::new(&options.prefix, options.delimiter.as_deref());
    let mut walk = Walk::new(objects, grouping, start, |versions| shown(versions).is_some());
    let mut page = ObjectPage::default();
    let mut token = None;
    for _ in 0..page_size(options.keys_max) {
        match walk.next() {
            None => return Ok(page),
            Some(Step::Prefix(prefix)) => {
                token = Some(Start::Behind(prefix.clone()));
                page.prefixes.push(prefix);
            }
            Some(Step::Key(key, versions)) => {
                token = Some(Start::After(key.to_owned()));
                page.objects.extend(
                    shown(versions)
                        .map(|(version, object)| listed_object(key, version, object, now)),
                );
            }
        }
    }
    page.next = token.filter(|_| walk.next().is_some()).map(|start| write_token(&start));
    Ok(page)
}

/// A page of all versions and delete markers.
pub(super) fn list_versions(
    objects: &BTreeMap<String, Versions>,
    options: &ListVersions,
) -> StoreResult<VersionPage> {
    let delimiter = options.delimiter.as_deref();
    let grouping = Grouping::new(&options.prefix, delimiter);
    let (start, resumed) = match (&options.key_marker, &options.version_marker) {
        (None, None) => (Start::First, None),
        (None, Some(_)) => {
            return Err(refusal::invalid_argument("A version marker needs a key marker"));
        }
        (Some(key), None) => (Start::After(key.clone()), None),
        (Some(key), Some(version)) => (Start::At(key.clone()), Some((key, version))),
    };
    let mut page = VersionPage::default();
    let mut left = page_size(options.keys_max);
    let mut last = None;
    for entry in version_entries(Walk::new(objects, grouping, start, |_| true), resumed) {
        if left == 0 {
            page.next = last;
            break;
        }
        left -= 1;
        match entry {
            VersionEntry::Prefix(prefix) => {
                last = Some((prefix.clone(), None));
                page.prefixes.push(prefix);
            }
            VersionEntry::Version(version) => {
                last = Some((version.key.clone(), Some(version.version_id.clone())));
                page.versions.push(version);
            }
        }
    }
    Ok(page)
}

enum VersionEntry {
    Prefix(String),
    Version(ListedVersion),
}

/// All that a walk passes, from behind the version that a listing is `resumed` at.
fn version_entries<'a>(
    walk: impl Iterator<Item = Step<'a, Versions>>,
    resumed: Option<(&'a String, &'a String)>,
) -> impl Iterator<Item = VersionEntry> {
    walk.flat_map(move |step| -> Box<dyn Iterator<Item = VersionEntry> + 'a> {
        match step {
            Step::Prefix(prefix) => Box::new(std::iter::once(VersionEntry::Prefix(prefix))),
            Step::Key(key, versions) => {
                let passed = resumed.filter(|(resumed, _)| *resumed == key);
                let listed = versions_behind(versions, passed.map(|(_, version)| version.as_str()));
                Box::new(listed.map(move |(version, is_latest)| {
                    VersionEntry::Version(listed_version(key, version, is_latest))
                }))
            }
        }
    })
}

/// A page of the uploads in progress, by key and time.
pub(super) fn list_uploads(
    uploads: &BTreeMap<(String, String), UploadState>,
    options: &ListUploads,
) -> UploadPage {
    let start = match (&options.key_marker, &options.upload_marker) {
        (None, _) => Bound::Included((options.prefix.clone(), String::new())),
        (Some(key), Some(upload)) => Bound::Excluded((key.clone(), upload.clone())),
        (Some(key), None) => Bound::Included((format!("{key}\0"), String::new())),
    };
    let first = (options.prefix.clone(), String::new());
    let mut listed = uploads
        .range((start, Bound::Unbounded))
        .skip_while(|(id, _)| **id < first)
        .take_while(|((key, _), _)| key.starts_with(&options.prefix))
        .map(|((key, upload), state)| listed_upload(key, upload, state));
    let uploads: Vec<_> = listed.by_ref().take(page_size(options.uploads_max)).collect();
    let last = uploads.last().map(|last| (last.key.clone(), last.upload.clone()));
    let next = last.filter(|_| listed.next().is_some());
    UploadPage { uploads, next }
}

/// A page of the parts with a number above `after`.
pub(super) fn list_parts(
    parts: &BTreeMap<u32, std::sync::Arc<StoredPart>>,
    after: Option<u32>,
) -> PartPage {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut listed = parts.range((start, Bound::Unbounded)).map(|(number, part)| ListedPart {
        part: Part {
            number: *number,
            etag: crate::store::model::digest::etag_of(&part.md5),
            checksum: part.checksum.clone(),
        },
        size: part.size,
        last_modified: part.last_modified,
    });
    let parts: Vec<_> = listed.by_ref().take(PAGE_MAX).collect();
    let last = parts.last().map(|last| last.part.number);
    let next = last.filter(|_| listed.next().is_some());
    PartPage { parts, next }
}

fn page_size(asked: Option<u32>) -> usize {
    asked.map_or(PAGE_MAX, |asked| PAGE_MAX.min(usize::try_from(asked).unwrap_or(PAGE_MAX)))
}

fn shown(versions: &Versions) -> Option<(&Version, &StoredObject)> {
    let newest = versions.newest()?;
    newest.object.as_deref().map(|object| (newest, object))
}

/// The versions that follow `passed`, newest first, each with whether it is the latest.
fn versions_behind<'a>(
    versions: &'a Versions,
    passed: Option<&str>,
) -> impl Iterator<Item = (&'a Version, bool)> + use<'a> {
    let skipped = match passed {
        None => 0,
        Some(id) => versions.newest_first().take_while(|version| version.id() != id).count() + 1,
    };
    versions.newest_first().enumerate().skip(skipped).map(|(index, version)| (version, index == 0))
}

fn listed_object(
    key: &str,
    version: &Version,
    object: &StoredObject,
    now: SystemTime,
) -> ListedObject {
    ListedObject {
        key: key.to_owned(),
        size: object.size,
        etag: object.etag.clone(),
        last_modified: version.last_modified,
        storage_class: listed_class(object.attributes.storage_class.as_deref()),
        restore: object.restoration.and_then(|restoration| restoration.seen_at(now)),
    }
}

fn listed_version(key: &str, version: &Version, is_latest: bool) -> ListedVersion {
    let object = version.object.as_ref().map(|object| VersionedObject {
        size: object.size,
        etag: object.etag.clone(),
        storage_class: listed_class(object.attributes.storage_class.as_deref()),
    });
    ListedVersion {
        key: key.to_owned(),
        version_id: version.id().to_owned(),
        is_latest,
        last_modified: version.last_modified,
        object,
    }
}

fn listed_upload(key: &str, upload: &str, state: &UploadState) -> ListedUpload {
    ListedUpload {
        key: key.to_owned(),
        upload: upload.to_owned(),
        started: state.info.started,
        storage_class: listed_class(state.info.attributes.storage_class.as_deref()),
    }
}

/// Listings name the standard class, unlike heads.
fn listed_class(class: Option<&str>) -> Option<String> {
    Some(class.unwrap_or(STANDARD).to_owned())
}

/// Where a listing begins.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Start {
    First,
    /// With this key.
    At(String),
    /// With the first key above this one. Where it is itself a common prefix, behind all of it.
    After(String),
    /// Behind all keys that start so.
    Behind(String),
}

/// Continuation tokens are opaque to callers: a letter for the variant, then the text.
fn write_token(start: &Start) -> String {
    BASE64.encode(match start {
        Start::First => "f".to_owned(),
        Start::At(key) => format!("t{key}"),
        Start::After(key) => format!("a{key}"),
        Start::Behind(prefix) => format!("b{prefix}"),
    })
}

fn read_token(token: &str) -> StoreResult<Start> {
    let invalid = || refusal::invalid_argument("The continuation token provided is incorrect");
    let bytes = BASE64.decode(token).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    match text.split_at_checked(1) {
        Some(("a", key)) => Ok(Start::After(key.to_owned())),
        Some(("b", prefix)) => Ok(Start::Behind(prefix.to_owned())),
        _ => Err(invalid()),
    }
}

/// Which keys are listed, and which of them as one.
#[derive(Clone, Copy)]
struct Grouping<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
}

impl<'a> Grouping<'a> {
    /// An empty delimiter is none.
    fn new(prefix: &'a str, delimiter: Option<&'a str>) -> Self {
        Self { prefix, delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()) }
    }

    /// What a key with the prefix is rolled up to, if anything.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }

    fn is_common_prefix(&self, text: &str) -> bool {
        text.starts_with(self.prefix) && self.common_prefix(text) == Some(text)
    }
}

enum Step<'a, V> {
    Key(&'a str, &'a V),
    Prefix(String),
}

/// Goes through the keys of a map that `is_shown`, rolling up those with a common prefix.
struct Walk<'a, V, F> {
    map: &'a BTreeMap<String, V>,
    grouping: Grouping<'a>,
    keys: btree_map::Range<'a, String, V>,
    is_shown: F,
}

impl<'a, V, F: Fn(&V) -> bool> Walk<'a, V, F> {
    fn new(
        map: &'a BTreeMap<String, V>,
        grouping: Grouping<'a>,
        start: Start,
        is_shown: F,
    ) -> Self {
        let start = match start {
            Start::First => Bound::Unbounded,
            Start::At(key) => Bound::Included(key),
            Start::After(key) if grouping.is_common_prefix(&key) => bound_behind(&key),
            Start::After(key) => Bound::Excluded(key),
            Start::Behind(prefix) => bound_behind(&prefix),
        };
        // Keys below the prefix can't have it.
        let start = match start {
            Bound::Included(key) | Bound::Excluded(key) if *key < *grouping.prefix => {
                Bound::Included(grouping.prefix.to_owned())
            }
            Bound::Unbounded => Bound::Included(grouping.prefix.to_owned()),
            bound => bound,
        };
        Self { map, grouping, keys: map.range((start, Bound::Unbounded)), is_shown }
    }
}

impl<'a, V, F: Fn(&V) -> bool> Iterator for Walk<'a, V, F> {
    type Item = Step<'a, V>;

    fn next(&mut self) -> Option<Step<'a, V>> {
        let is_shown = &self.is_shown;
        let prefix = self.grouping.prefix;
        let (key, value) = self
            .keys
            .by_ref()
            .take_while(|(key, _)| key.starts_with(prefix))
            .find(|(_, value)| is_shown(value))?;
        let Some(common) = self.grouping.common_prefix(key) else {
            return Some(Step::Key(key, value));
        };
        self.keys = self.map.range((bound_behind(common), Bound::Unbounded));
        Some(Step::Prefix(common.to_owned()))
    }
}

/// The lower bound of the keys behind all that start with `prefix`.
fn bound_behind(prefix: &str) -> Bound<String> {
    let mut kept = prefix.to_owned();
    while let Some(last) = kept.pop() {
        if let Some(next) = next_char(last) {
            kept.push(next);
            return Bound::Included(kept);
        }
    }
    // Every character is the last of all: only longer repetitions of it could follow, and those
    // start with the prefix.
    Bound::Excluded(format!("{prefix}{}", char::MAX.to_string().repeat(KEY_CHARS_MAX)))
}

/// The longest that a key of the largest characters can be, of four bytes each.
const KEY_CHARS_MAX: usize = 256;

/// The following character in the order of UTF-8, which is the order of code points.
fn next_char(char: char) -> Option<char> {
    match char {
        char::MAX => None,
        '\u{D7FF}' => Some('\u{E000}'),
        _ => char::from_u32(u32::from(char) + 1),
    }
}

#[cfg(test)]
mod tests;
