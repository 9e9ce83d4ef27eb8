//! Listings of objects and versions.
//!
//! Pages, prefixes and order are the store's; here are the spelling of keys, the tokens, and
//! version 1's way of continuing, which the store does not have.

use s3s::dto::{
    self, CommonPrefix, DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ObjectVersion,
    RestoreStatus,
};
use s3s::{S3Result, s3_error};

use crate::server::acl::owner_document;
use crate::server::convert::names::{Spelling, continuation, token};
use crate::server::convert::{count, etag, limit, size, timestamp};
use crate::server::errors::answer_of;
use crate::store::ObjectStore;
use crate::store::types::{
    ListObjects, ListVersions, ListedObject, ListedVersion, ObjectPage, Resource, Restore,
    VersionPage,
};

/// What S3 lists at most, and where nobody asks for less.
const KEYS_MAX: u32 = 1000;

pub(crate) async fn list_v2(
    store: &dyn ObjectStore,
    input: ListObjectsV2Input,
) -> S3Result<ListObjectsV2Output> {
    let spelling = Spelling::asked(input.encoding_type.as_ref())?;
    let keys_max = keys_max(input.max_keys)?;
    let prefix = input.prefix.unwrap_or_default();
    let options = ListObjects {
        prefix: prefix.clone(),
        delimiter: delimiter(input.delimiter.as_ref()),
        start_after: input.start_after.clone(),
        continuation: input.continuation_token.as_deref().map(continuation).transpose()?,
        keys_max: Some(keys_max),
    };
    let page = objects_page(store, &input.bucket, options).await?;
    let owner = owner(store, &input.bucket, input.fetch_owner == Some(true)).await?;
    let entry = Entry { spelling, owner };
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(prefix)),
        delimiter: spelling.spell_optional(input.delimiter),
        start_after: spelling.spell_optional(input.start_after),
        max_keys: Some(count(keys_max)),
        key_count: Some(count(page.objects.len() + page.prefixes.len())),
        is_truncated: Some(page.next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: page.next.as_deref().map(token),
        contents: Some(page.objects.into_iter().map(|object| entry.object(object)).collect()),
        common_prefixes: Some(entry.prefixes(page.prefixes)),
        encoding_type: spelling.encoding_type(),
        request_charged: None,
    })
}

pub(crate) async fn list_v1(
    store: &dyn ObjectStore,
    input: ListObjectsInput,
) -> S3Result<ListObjectsOutput> {
    let spelling = Spelling::asked(input.encoding_type.as_ref())?;
    let keys_max = keys_max(input.max_keys)?;
    let prefix = input.prefix.unwrap_or_default();
    let delimited = delimiter(input.delimiter.as_ref());
    let marker = input.marker.clone().filter(|marker| !marker.is_empty());
    let options = ListObjects {
        start_after: marker.map(|marker| start_behind(marker, &prefix, delimited.as_deref())),
        prefix: prefix.clone(),
        delimiter: delimited.clone(),
        continuation: None,
        keys_max: Some(keys_max),
    };
    let page = objects_page(store, &input.bucket, options).await?;
    let owner = owner(store, &input.bucket, true).await?;
    let next_marker = next_marker(&page).filter(|_| delimited.is_some());
    let entry = Entry { spelling, owner };
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(prefix)),
        delimiter: spelling.spell_optional(input.delimiter),
        marker: Some(spelling.spell(input.marker.unwrap_or_default())),
        next_marker: spelling.spell_optional(next_marker),
        max_keys: Some(count(keys_max)),
        is_truncated: Some(page.next.is_some()),
        contents: Some(page.objects.into_iter().map(|object| entry.object(object)).collect()),
        common_prefixes: Some(entry.prefixes(page.prefixes)),
        encoding_type: spelling.encoding_type(),
        request_charged: None,
    })
}

pub(crate) async fn list_versions(
    store: &dyn ObjectStore,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    let spelling = Spelling::asked(input.encoding_type.as_ref())?;
    let keys_max = keys_max(input.max_keys)?;
    let version_marker = input.version_id_marker.clone().filter(|marker| !marker.is_empty());
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    if version_marker.is_some() && key_marker.is_none() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    let prefix = input.prefix.unwrap_or_default();
    let options = ListVersions {
        prefix: prefix.clone(),
        delimiter: delimiter(input.delimiter.as_ref()),
        key_marker,
        version_marker,
        keys_max: Some(keys_max),
    };
    let page = versions_page(store, &input.bucket, options).await?;
    let owner = owner(store, &input.bucket, true).await?;
    let entry = Entry { spelling, owner };
    let is_truncated = page.next.is_some();
    let (next_key, next_version) = page.next.unzip();
    let (versions, markers): (Vec<_>, Vec<_>) =
        page.versions.into_iter().partition(|version| version.object.is_some());
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(prefix)),
        delimiter: spelling.spell_optional(input.delimiter),
        key_marker: Some(spelling.spell(input.key_marker.unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        next_key_marker: spelling.spell_optional(next_key),
        next_version_id_marker: next_version.flatten(),
        max_keys: Some(count(keys_max)),
        is_truncated: Some(is_truncated),
        versions: Some(versions.into_iter().map(|version| entry.version(version)).collect()),
        delete_markers: Some(
            markers.into_iter().map(|marker| entry.delete_marker(marker)).collect(),
        ),
        common_prefixes: Some(entry.prefixes(page.prefixes)),
        encoding_type: spelling.encoding_type(),
        request_charged: None,
    })
}

fn keys_max(asked: Option<i32>) -> S3Result<u32> {
    Ok(limit("maxKeys", asked)?.unwrap_or(KEYS_MAX).min(KEYS_MAX))
}

fn delimiter(asked: Option<&String>) -> Option<String> {
    asked.filter(|delimiter| !delimiter.is_empty()).cloned()
}

/// A page of no keys is empty and the last one, as S3 has it; the bucket must be there though.
async fn objects_page(
    store: &dyn ObjectStore,
    bucket: &str,
    options: ListObjects,
) -> S3Result<ObjectPage> {
    if options.keys_max == Some(0) {
        store.head_bucket(bucket).await.map_err(answer_of)?;
        return Ok(ObjectPage::default());
    }
    store.list_objects(bucket, options).await.map_err(answer_of)
}

async fn versions_page(
    store: &dyn ObjectStore,
    bucket: &str,
    options: ListVersions,
) -> S3Result<VersionPage> {
    if options.keys_max == Some(0) {
        store.head_bucket(bucket).await.map_err(answer_of)?;
        return Ok(VersionPage::default());
    }
    store.list_versions(bucket, options).await.map_err(answer_of)
}

/// Every object of a bucket belongs to the bucket's owner here.
async fn owner(
    store: &dyn ObjectStore,
    bucket: &str,
    wanted: bool,
) -> S3Result<Option<dto::Owner>> {
    if !wanted {
        return Ok(None);
    }
    let acl = store.get_acl(&Resource::bucket(bucket)).await.map_err(answer_of)?;
    Ok(Some(owner_document(acl.owner)))
}

/// Where a version 1 listing continues: behind the marker, and behind all that a marker which
/// is a common prefix stands for.
///
/// No character comes after U+10FFFF, so the prefix with it added sorts behind its keys.
fn start_behind(mut marker: String, prefix: &str, delimiter: Option<&str>) -> String {
    let below = marker.strip_prefix(prefix);
    if let (Some(below), Some(delimiter)) = (below, delimiter)
        && below.find(delimiter).is_some_and(|at| at + delimiter.len() == below.len())
    {
        marker.push(char::MAX);
    }
    marker
}

/// The last name of a page that is not the last one.
fn next_marker(page: &ObjectPage) -> Option<String> {
    page.next.as_ref()?;
    let last_key = page.objects.last().map(|object| &object.key);
    last_key.max(page.prefixes.last()).cloned()
}

/// What entries of one listing have in common.
struct Entry {
    spelling: Spelling,
    owner: Option<dto::Owner>,
}

impl Entry {
    fn object(&self, object: ListedObject) -> dto::Object {
        dto::Object {
            key: Some(self.spelling.spell(object.key)),
            size: Some(size(object.size)),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(timestamp(object.last_modified)),
            storage_class: Some(class(object.storage_class).into()),
            owner: self.owner.clone(),
            restore_status: object.restore.map(restore_status),
            ..dto::Object::default()
        }
    }

    fn version(&self, version: ListedVersion) -> ObjectVersion {
        let mut entry = ObjectVersion {
            key: Some(self.spelling.spell(version.key)),
            version_id: Some(version.version_id),
            is_latest: Some(version.is_latest),
            last_modified: Some(timestamp(version.last_modified)),
            owner: self.owner.clone(),
            ..ObjectVersion::default()
        };
        if let Some(object) = version.object {
            entry.size = Some(size(object.size));
            entry.e_tag = Some(etag(&object.etag));
            entry.storage_class = Some(class(object.storage_class).into());
        }
        entry
    }

    fn delete_marker(&self, marker: ListedVersion) -> DeleteMarkerEntry {
        DeleteMarkerEntry {
            key: Some(self.spelling.spell(marker.key)),
            version_id: Some(marker.version_id),
            is_latest: Some(marker.is_latest),
            last_modified: Some(timestamp(marker.last_modified)),
            owner: self.owner.clone(),
        }
    }

    fn prefixes(&self, prefixes: Vec<String>) -> Vec<CommonPrefix> {
        let spelt = prefixes.into_iter().map(|prefix| self.spelling.spell(prefix));
        spelt.map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect()
    }
}

/// A listing names the class of every object, also the one that headers leave out.
fn class(storage_class: Option<String>) -> String {
    storage_class.unwrap_or_else(|| "STANDARD".to_owned())
}

fn restore_status(restore: Restore) -> RestoreStatus {
    match restore {
        Restore::Ongoing => {
            RestoreStatus { is_restore_in_progress: Some(true), restore_expiry_date: None }
        }
        Restore::Until(time) => RestoreStatus {
            is_restore_in_progress: Some(false),
            restore_expiry_date: Some(timestamp(time)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_start(marker: &str, prefix: &str, delimiter: Option<&str>, expected: &str) {
        assert_eq!(start_behind(marker.to_owned(), prefix, delimiter), expected);
    }

    #[test]
    fn a_marker_that_is_a_prefix_stands_for_all_keys_below() {
        check_start("a/", "", Some("/"), "a/\u{10FFFF}");
        check_start("p/a/", "p/", Some("/"), "p/a/\u{10FFFF}");
        check_start("p/", "p/", Some("/"), "p/");
        check_start("a/b", "", Some("/"), "a/b");
        check_start("a/b/", "", Some("/"), "a/b/");
        check_start("a/", "", None, "a/");
    }

    #[test]
    fn pages_are_of_a_thousand_keys_at_most() {
        assert_eq!(keys_max(None).unwrap(), 1000);
        assert_eq!(keys_max(Some(5000)).unwrap(), 1000);
        assert_eq!(keys_max(Some(7)).unwrap(), 7);
        assert_eq!(keys_max(Some(-1)).unwrap_err().code().as_str(), "InvalidArgument");
    }

    #[test]
    fn the_next_marker_is_the_last_name_of_either_kind() {
        let mut page =
            ObjectPage { prefixes: vec!["a/".into(), "z/".into()], ..ObjectPage::default() };
        assert_eq!(next_marker(&page), None);
        page.next = Some("more".to_owned());
        assert_eq!(next_marker(&page).as_deref(), Some("z/"));
    }
}
