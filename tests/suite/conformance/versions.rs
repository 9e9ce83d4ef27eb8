//! Versions: nothing is lost in a bucket that keeps them.

use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{
    Conditions, CopyObject, CopySource, DeleteObject, Deleted, DocumentKind, GetObject, HeadObject,
    ListObjects, ListVersions, ListedVersion, ObjectIdentifier, Resource, WriteOptions,
};

use crate::conformance::bench::{
    Bench, Failure, Outcome, cases, equal, holds, refused, refused_with,
};

cases![
    every_put_makes_a_version,
    versions_are_listed_newest_first,
    a_delete_hides_the_object_behind_a_marker,
    deleting_the_marker_brings_the_object_back,
    deleting_a_version_removes_it_alone,
    a_version_that_is_gone_is_not_found,
    an_old_version_can_be_copied,
    a_batch_delete_makes_markers_or_removes_versions,
    an_object_of_before_is_the_version_null,
    suspended_versioning_replaces_the_version_null,
    a_put_if_absent_succeeds_behind_a_marker,
    versions_come_in_pages_and_fold,
    a_bucket_that_holds_only_a_marker_is_not_deleted,
];

async fn set_versioning(bench: &Bench, status: &str) -> StoreResult<()> {
    let text = format!(
        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Status>{status}</Status></VersioningConfiguration>"
    );
    let resource = Resource::bucket(&bench.bucket);
    bench.store.put_document(&resource, DocumentKind::Versioning, text).await
}

/// Puts an object and gives the id of its version.
async fn put(bench: &Bench, key: &str, text: &str) -> Result<String, Failure> {
    let written = bench.put(key, text).await?;
    written.version_id.ok_or_else(|| Failure::new("a put says no version"))
}

async fn get(bench: &Bench, key: &str, version: &str) -> StoreResult<Vec<u8>> {
    let version = Some(version.to_owned());
    bench.get_with(key, GetObject { version, ..GetObject::default() }).await
}

async fn delete(bench: &Bench, key: &str, version: Option<&str>) -> StoreResult<Deleted> {
    let version = version.map(str::to_owned);
    let options = DeleteObject { version, ..DeleteObject::default() };
    bench.store.delete_object(&bench.bucket, key, options).await
}

async fn list(bench: &Bench) -> StoreResult<Vec<ListedVersion>> {
    Ok(bench.store.list_versions(&bench.bucket, ListVersions::default()).await?.versions)
}

async fn every_put_makes_a_version(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let first = put(bench, "object", "first").await?;
    let second = put(bench, "object", "second").await?;
    holds("the versions differ", first != second)?;
    equal("latest", bench.get("object").await?, b"second".to_vec())?;
    equal("first", get(bench, "object", &first).await?, b"first".to_vec())?;
    equal("second", get(bench, "object", &second).await?, b"second".to_vec())?;
    equal("version of a head", bench.head("object").await?.version_id, Some(second))?;
    let options = HeadObject { version: Some(first.clone()), ..HeadObject::default() };
    let head = bench.store.head_object(&bench.bucket, "object", options).await?;
    equal("size of the first", head.size, 5)
}

async fn versions_are_listed_newest_first(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let old = put(bench, "a", "1").await?;
    let new = put(bench, "a", "22").await?;
    let other = put(bench, "b", "333").await?;
    let listed: Vec<_> = list(bench)
        .await?
        .into_iter()
        .map(|one| (one.key, one.version_id, one.is_latest, one.object.map(|object| object.size)))
        .collect();
    let row = |key: &str, id, latest, size| (key.to_owned(), id, latest, Some(size));
    let expected = vec![row("a", new, true, 2), row("a", old, false, 1), row("b", other, true, 3)];
    equal("versions", listed, expected)
}

async fn a_delete_hides_the_object_behind_a_marker(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let kept = put(bench, "object", "kept").await?;
    let deleted = delete(bench, "object", None).await?;
    holds("a marker is made", deleted.delete_marker)?;
    refused_with("get", bench.get("object").await, ErrorKind::NotFound, "NoSuchKey")?;
    refused("head", bench.head("object").await, &[ErrorKind::NotFound])?;
    equal("keys", bench.list(ListObjects::default()).await?.keys, Vec::new())?;
    equal("the version", get(bench, "object", &kept).await?, b"kept".to_vec())?;
    let listed: Vec<_> = list(bench)
        .await?
        .into_iter()
        .map(|one| (Some(one.version_id), one.is_latest, one.object.is_some()))
        .collect();
    let expected = vec![(deleted.version_id, true, false), (Some(kept), false, true)];
    equal("versions", listed, expected)
}

async fn deleting_the_marker_brings_the_object_back(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    put(bench, "object", "kept").await?;
    let marker = delete(bench, "object", None).await?.version_id;
    let removed = delete(bench, "object", marker.as_deref()).await?;
    holds("a marker is removed", removed.delete_marker)?;
    equal("bytes", bench.get("object").await?, b"kept".to_vec())
}

async fn deleting_a_version_removes_it_alone(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let first = put(bench, "object", "first").await?;
    let second = put(bench, "object", "second").await?;
    let removed = delete(bench, "object", Some(&second)).await?;
    equal("answer", (removed.delete_marker, removed.version_id), (false, Some(second)))?;
    equal("latest", bench.get("object").await?, b"first".to_vec())?;
    delete(bench, "object", Some(&first)).await?;
    equal("versions left", list(bench).await?, Vec::new())
}

async fn a_version_that_is_gone_is_not_found(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let gone = put(bench, "object", "first").await?;
    put(bench, "object", "second").await?;
    delete(bench, "object", Some(&gone)).await?;
    let got = get(bench, "object", &gone).await;
    refused_with("get", got, ErrorKind::NotFound, "NoSuchVersion")
}

async fn an_old_version_can_be_copied(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let old = put(bench, "object", "old").await?;
    put(bench, "object", "new").await?;
    let source = CopySource {
        bucket: bench.bucket.clone(),
        key: "object".to_owned(),
        version: Some(old),
        ..CopySource::default()
    };
    bench.store.copy_object(source, &bench.bucket, "copy", CopyObject::default()).await?;
    equal("bytes", bench.get("copy").await?, b"old".to_vec())
}

async fn a_batch_delete_makes_markers_or_removes_versions(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    put(bench, "hidden", "1").await?;
    let removed = put(bench, "removed", "2").await?;
    let batch = vec![
        ObjectIdentifier { key: "hidden".to_owned(), version: None },
        ObjectIdentifier { key: "removed".to_owned(), version: Some(removed) },
    ];
    let answers = bench.store.delete_objects(&bench.bucket, batch).await?;
    let markers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map(|deleted| deleted.delete_marker).ok())
        .collect();
    equal("delete markers", markers, vec![Some(true), Some(false)])?;
    let left: Vec<_> = list(bench).await?.into_iter().map(|one| (one.key, one.is_latest)).collect();
    let expected = vec![("hidden".to_owned(), true), ("hidden".to_owned(), false)];
    equal("versions left", left, expected)
}

async fn an_object_of_before_is_the_version_null(bench: &Bench) -> Outcome {
    bench.put("object", "before").await?;
    set_versioning(bench, "Enabled").await?;
    put(bench, "object", "after").await?;
    equal("the version null", get(bench, "object", "null").await?, b"before".to_vec())?;
    let ids: Vec<_> = list(bench).await?.into_iter().map(|one| one.version_id).collect();
    equal("the older version", ids.get(1).map(String::as_str), Some("null"))
}

async fn suspended_versioning_replaces_the_version_null(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    let kept = put(bench, "object", "kept").await?;
    set_versioning(bench, "Suspended").await?;
    bench.put("object", "first").await?;
    bench.put("object", "second").await?;
    let ids: Vec<_> = list(bench).await?.into_iter().map(|one| one.version_id).collect();
    equal("versions", ids, vec!["null".to_owned(), kept])?;
    equal("bytes", bench.get("object").await?, b"second".to_vec())
}

async fn a_put_if_absent_succeeds_behind_a_marker(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    put(bench, "object", "old").await?;
    delete(bench, "object", None).await?;
    let options = WriteOptions { conditions: Conditions::absent(), ..WriteOptions::default() };
    bench.put_with("object", "new", options).await?;
    equal("bytes", bench.get("object").await?, b"new".to_vec())
}

async fn versions_come_in_pages_and_fold(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    for key in ["a", "a", "a", "b/1", "b/2", "c"] {
        put(bench, key, "x").await?;
    }
    let mut options = ListVersions {
        delimiter: Some("/".to_owned()),
        keys_max: Some(2),
        ..ListVersions::default()
    };
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    loop {
        let page = bench.store.list_versions(&bench.bucket, options.clone()).await?;
        let entries = page.versions.len() + page.prefixes.len();
        holds("no page is larger than asked", entries <= 2)?;
        keys.extend(page.versions.into_iter().map(|one| one.key));
        prefixes.extend(page.prefixes);
        let Some((key, version)) = page.next else { break };
        (options.key_marker, options.version_marker) = (Some(key), version);
    }
    equal("keys", keys, ["a", "a", "a", "c"].map(String::from).to_vec())?;
    equal("prefixes", prefixes, vec!["b/".to_owned()])
}

async fn a_bucket_that_holds_only_a_marker_is_not_deleted(bench: &Bench) -> Outcome {
    set_versioning(bench, "Enabled").await?;
    delete(bench, "object", None).await?;
    let deleted = bench.store.delete_bucket(&bench.bucket).await;
    refused("delete", deleted, &[ErrorKind::NotEmpty])
}
