//! Listings of versions.
//!
//! S3 lists versions and delete markers of a key mixed, newest first; the SDK hands them back in
//! two lists, and times are too coarse to mix them again. So the order is read off the answer's
//! text, where each entry begins with its tag.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::types;

use crate::store::error::StoreResult;
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::convert::{etag, size, time};
use crate::store::s3::listing::{Names, limit, next_page, prefixes};
use crate::store::types::{ListVersions, ListedVersion, VersionPage, VersionedObject};

/// Of a version made while the bucket had no versioning.
const VERSION_NULL: &str = "null";

impl Connection {
    pub(super) async fn list_versions(
        &self,
        bucket: &str,
        options: ListVersions,
    ) -> StoreResult<VersionPage> {
        let order = EntryOrder::default();
        let answer = self
            .call(bucket, Work::Request, |client| {
                client
                    .list_object_versions()
                    .bucket(bucket)
                    .prefix(&options.prefix)
                    .set_delimiter(options.delimiter.clone())
                    .set_key_marker(options.key_marker.clone())
                    .set_version_id_marker(options.version_marker.clone())
                    .set_max_keys(options.keys_max.map(limit))
                    .encoding_type(types::EncodingType::Url)
                    .customize()
                    .interceptor(order.clone())
                    .send()
            })
            .await?;
        let names = Names::of(answer.encoding_type.as_ref().map(|encoding| encoding.as_str()));
        let next = next_page(answer.is_truncated, answer.next_key_marker)?;
        let version_marker = answer.next_version_id_marker.filter(|marker| !marker.is_empty());
        let versions = answer.versions.into_iter().flatten();
        let markers = answer.delete_markers.into_iter().flatten();
        Ok(VersionPage {
            versions: mix(
                &order.take(),
                versions.map(|version| listed_version(version, names)),
                markers.map(|marker| listed_marker(marker, names)),
            ),
            prefixes: prefixes(answer.common_prefixes, names),
            next: next.map(|key| (names.decode(key), version_marker)),
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Entry {
    Version,
    Marker,
}

/// The order of an answer's entries, noted when the SDK has read all of it.
#[derive(Clone, Debug, Default)]
struct EntryOrder {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl EntryOrder {
    fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for EntryOrder {
    fn name(&self) -> &'static str {
        "EntryOrder"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let text = context.response().body().bytes().unwrap_or_default();
        let entries = entries_in(&String::from_utf8_lossy(text));
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) = entries;
        Ok(())
    }
}

/// The entries of an answer in their order. Text can't be mistaken for a tag: it has no bare `<`.
fn entries_in(answer: &str) -> Vec<Entry> {
    let tags = answer.split('<').skip(1);
    let entry = |tag: &str| match tag.split(['>', ' ']).next() {
        Some("Version") => Some(Entry::Version),
        Some("DeleteMarker") => Some(Entry::Marker),
        _ => None,
    };
    tags.filter_map(entry).collect()
}

fn mix(
    order: &[Entry],
    mut versions: impl Iterator<Item = ListedVersion>,
    mut markers: impl Iterator<Item = ListedVersion>,
) -> Vec<ListedVersion> {
    let next = |entry: &Entry| match entry {
        Entry::Version => versions.next(),
        Entry::Marker => markers.next(),
    };
    let mut mixed: Vec<_> = order.iter().filter_map(next).collect();
    // Nothing is lost where the tags of an answer were spelt in an unknown way.
    mixed.extend(versions.chain(markers));
    mixed
}

fn listed_version(version: types::ObjectVersion, names: Names) -> ListedVersion {
    let object = VersionedObject {
        size: size(version.size),
        etag: etag(version.e_tag.as_deref()),
        storage_class: version.storage_class.map(|class| class.as_str().to_owned()),
    };
    ListedVersion {
        key: names.decode(version.key.unwrap_or_default()),
        version_id: version.version_id.unwrap_or_else(|| VERSION_NULL.to_owned()),
        is_latest: version.is_latest.unwrap_or(false),
        last_modified: time(version.last_modified),
        object: Some(object),
    }
}

fn listed_marker(marker: types::DeleteMarkerEntry, names: Names) -> ListedVersion {
    ListedVersion {
        key: names.decode(marker.key.unwrap_or_default()),
        version_id: marker.version_id.unwrap_or_else(|| VERSION_NULL.to_owned()),
        is_latest: marker.is_latest.unwrap_or(false),
        last_modified: time(marker.last_modified),
        object: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_in_the_order_of_the_answer() {
        let answer = "<?xml version=\"1.0\"?>\n<ListVersionsResult xmlns=\"x\">\
            <VersionIdMarker/><Version><Key>a&lt;DeleteMarker></Key><VersionId>1</VersionId>\
            </Version><DeleteMarker><Key>b</Key></DeleteMarker><Version><Key>b</Key></Version>\
            </ListVersionsResult>";
        assert_eq!(entries_in(answer), [Entry::Version, Entry::Marker, Entry::Version]);
    }

    #[test]
    fn versions_and_markers_are_mixed_as_they_were_listed() {
        let version = |id: &str| {
            listed_version(types::ObjectVersion::builder().version_id(id).build(), Names::Plain)
        };
        let marker = |id: &str| {
            let entry = types::DeleteMarkerEntry::builder().version_id(id).build();
            listed_marker(entry, Names::Plain)
        };
        let order = [Entry::Marker, Entry::Version, Entry::Version, Entry::Marker];
        let mixed = mix(
            &order,
            [version("2"), version("3")].into_iter(),
            [marker("1"), marker("4")].into_iter(),
        );
        let ids: Vec<_> = mixed.iter().map(|listed| listed.version_id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "3", "4"]);
    }
}
