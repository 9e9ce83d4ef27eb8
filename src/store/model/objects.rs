//! Objects: which versions a write or a delete makes and removes.
//!
//! Pure functions over the state as it is; conditions are checked in the same call, so whoever
//! applies the answered change without letting go of the state changes it atomically.

use std::sync::Arc;
use std::time::SystemTime;

use crate::store::error::StoreResult;
use crate::store::model::acl;
use crate::store::model::conditions;
use crate::store::model::lock;
use crate::store::model::state::{
    BucketState, Change, Found, ObjectName, State, StoredObject, Update, Version, Versioning,
    Versions, whole_seconds,
};
use crate::store::types::{Conditions, DeleteObject, Deleted};

/// An object that is to be written.
pub(super) struct NewObject {
    pub(super) name: ObjectName,
    pub(super) object: StoredObject,
    pub(super) last_modified: SystemTime,
    pub(super) conditions: Conditions,
    /// The id of the version, where the bucket gives it one.
    pub(super) fresh_id: Arc<str>,
}

/// Plans a write; answers the version id that the caller is told.
pub(super) fn plan_put(state: &State, mut new: NewObject) -> StoreResult<(Change, Option<String>)> {
    let bucket = state.bucket(&new.name.bucket)?;
    acl::check_allowed(&bucket.info, &new.object.acl)?;
    lock::complete(&bucket.info, &mut new.object.documents, new.last_modified)?;
    conditions::check_write(&new.conditions, bucket.current_etag(&new.name.key), &new.name.key)?;
    let id = (bucket.info.versioning == Versioning::Enabled).then_some(new.fresh_id);
    let version = Version {
        sequence: 0,
        id,
        last_modified: new.last_modified,
        object: Some(Arc::new(new.object)),
    };
    let version_id = bucket.info.versioning.answered_id(&version);
    Ok((plan_version(bucket, &new.name, version), version_id))
}

/// Plans a delete of the current object or of one version.
pub(super) fn plan_delete(
    state: &State,
    name: &ObjectName,
    options: &DeleteObject,
    fresh_id: Arc<str>,
    now: SystemTime,
) -> StoreResult<(Change, Deleted)> {
    let bucket = state.bucket(&name.bucket)?;
    conditions::check_delete(&options.conditions, bucket.current_etag(&name.key))?;
    let remove = |version: &Version| {
        vec![Update::Version { name: name.clone(), sequence: version.sequence, version: None }]
    };
    let versions = bucket.objects.get(&name.key);
    if let Some(id) = &options.version {
        let version = versions.and_then(|versions| versions.with_id(id));
        if let Some(object) = version.and_then(|version| version.object.as_ref()) {
            lock::check_delete(&object.documents, now)?;
        }
        let deleted = Deleted {
            delete_marker: version.is_some_and(|version| version.object.is_none()),
            version_id: Some(id.clone()),
        };
        return Ok((version.map(remove).unwrap_or_default(), deleted));
    }
    if bucket.info.versioning == Versioning::Never {
        let newest = versions.and_then(Versions::newest);
        return Ok((newest.map(remove).unwrap_or_default(), Deleted::default()));
    }
    let id = (bucket.info.versioning == Versioning::Enabled).then_some(fresh_id);
    let marker = Version { sequence: 0, id, last_modified: whole_seconds(now), object: None };
    let version_id = Some(marker.id().to_owned());
    Ok((plan_version(bucket, name, marker), Deleted { delete_marker: true, version_id }))
}

/// Plans a change to an object that keeps its version, bytes and time.
pub(super) fn plan_amend(
    name: &ObjectName,
    found: &Found,
    amend: impl FnOnce(&mut StoredObject),
) -> Change {
    let mut object = StoredObject::clone(&found.object);
    amend(&mut object);
    let version = Version { object: Some(Arc::new(object)), ..found.version.clone() };
    vec![Update::Version { name: name.clone(), sequence: version.sequence, version: Some(version) }]
}

/// Makes `version` the newest of its key; a null version replaces the one there is.
fn plan_version(bucket: &BucketState, name: &ObjectName, mut version: Version) -> Change {
    let versions = bucket.objects.get(&name.key);
    let newest = versions.and_then(Versions::newest);
    let replaced = match version.id {
        None => versions.and_then(|versions| versions.newest_first().find(|it| it.id.is_none())),
        Some(_) => None,
    };
    let mut change = Change::new();
    version.sequence = match (newest, replaced) {
        (None, _) => 0,
        (Some(newest), Some(replaced)) if newest.sequence == replaced.sequence => newest.sequence,
        (Some(newest), replaced) => {
            change.extend(replaced.map(|replaced| Update::Version {
                name: name.clone(),
                sequence: replaced.sequence,
                version: None,
            }));
            newest.sequence + 1
        }
    };
    change.push(Update::Version {
        name: name.clone(),
        sequence: version.sequence,
        version: Some(version),
    });
    change
}

#[cfg(test)]
mod tests;
