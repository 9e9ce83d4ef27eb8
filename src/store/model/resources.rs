//! Resources: buckets themselves, and the ACLs, tags and documents of buckets and objects.
//!
//! Pure: what is answered, and which change a call makes.

use std::sync::Arc;
use std::time::SystemTime;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::access;
use crate::store::model::acl;
use crate::store::model::documents;
use crate::store::model::lock;
use crate::store::model::names;
use crate::store::model::objects;
use crate::store::model::refusal;
use crate::store::model::state::{
    BucketInfo, Change, Documents, Found, ObjectName, State, StoredObject, Update, Versioning,
    whole_seconds,
};
use crate::store::model::xml::Element;
use crate::store::types::{Acl, Bucket, CreateBucket, DocumentKind, Owner, Resource, Tags};

/// The buckets of one account.
pub(super) fn list_buckets(state: &State, account: &Owner) -> Vec<Bucket> {
    let own = state.buckets.iter().filter(|(_, bucket)| access::is_own(&bucket.info.acl, account));
    let listed = own.map(|(name, bucket)| Bucket {
        name: name.clone(),
        created: Some(bucket.info.created),
        region: Some(bucket.info.region.clone()),
    });
    listed.collect()
}

pub(super) fn plan_create_bucket(
    state: &State,
    name: &str,
    options: CreateBucket,
    owner: &Owner,
    (region, now): (&str, SystemTime),
) -> StoreResult<Change> {
    names::check_bucket_name(name)?;
    let asked = options.region.as_deref().unwrap_or(region);
    names::check_region(asked, region)?;
    check_free(state, name, owner)?;
    let mut info = BucketInfo {
        created: whole_seconds(now),
        region: asked.to_owned(),
        acl: acl::plan_new(options.acl, options.grants, owner)?,
        object_lock: options.object_lock,
        versioning: Versioning::Never,
        documents: Documents::new(),
    };
    if options.object_lock {
        let texts = [
            (DocumentKind::ObjectLock, documents::OBJECT_LOCK_ENABLED),
            (DocumentKind::Versioning, documents::VERSIONING_ENABLED),
        ];
        info.documents.extend(texts.map(|(kind, text)| (kind, text.to_owned())));
        info.versioning = Versioning::Enabled;
    }
    Ok(change_of_bucket(name, info))
}

/// The names of buckets are everybody's.
fn check_free(state: &State, name: &str, owner: &Owner) -> StoreResult<()> {
    let (code, message) = match state.buckets.get(name) {
        None => return Ok(()),
        Some(bucket) if access::is_own(&bucket.info.acl, owner) => (
            "BucketAlreadyOwnedByYou",
            "The bucket you tried to create already exists, and you own it.",
        ),
        Some(_) => (
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a different name and try again.",
        ),
    };
    Err(StoreError::new(ErrorKind::Exists, code, message))
}

pub(super) fn plan_delete_bucket(state: &State, name: &str) -> StoreResult<Change> {
    if state.bucket(name)?.objects.is_empty() {
        return Ok(vec![Update::Bucket { bucket: name.to_owned(), info: None }]);
    }
    let message = "The bucket you tried to delete is not empty";
    Err(StoreError::new(ErrorKind::NotEmpty, "BucketNotEmpty", message))
}

pub(super) fn get_acl(state: &State, resource: &Resource) -> StoreResult<Acl> {
    match resource {
        Resource::Bucket { bucket } => Ok(state.bucket(bucket)?.info.acl.clone()),
        Resource::Object { .. } => Ok(find(state, resource)?.1.object.acl.clone()),
    }
}

pub(super) fn plan_put_acl(state: &State, resource: &Resource, acl: Acl) -> StoreResult<Change> {
    acl::check_allowed(&state.bucket(resource.bucket_name())?.info, &acl)?;
    match resource {
        Resource::Bucket { bucket } => amend_bucket(state, bucket, |info| info.acl = acl),
        Resource::Object { .. } => amend_object(state, resource, |object| object.acl = acl),
    }
}

pub(super) fn get_tags(state: &State, resource: &Resource) -> StoreResult<Tags> {
    Ok(find(state, resource)?.1.object.tags.clone())
}

pub(super) fn plan_put_tags(state: &State, resource: &Resource, tags: Tags) -> StoreResult<Change> {
    names::check_tags(&tags)?;
    amend_object(state, resource, |object| object.tags = tags)
}

pub(super) fn get_document(
    state: &State,
    resource: &Resource,
    kind: DocumentKind,
) -> StoreResult<String> {
    documents::check_resource(kind, resource)?;
    match resource {
        Resource::Bucket { bucket } => {
            documents::answer(&state.bucket(bucket)?.info.documents, kind)
        }
        Resource::Object { .. } => {
            documents::answer(&find(state, resource)?.1.object.documents, kind)
        }
    }
}

pub(super) fn plan_put_document(
    state: &State,
    resource: &Resource,
    kind: DocumentKind,
    text: String,
    now: SystemTime,
) -> StoreResult<Change> {
    documents::check_resource(kind, resource)?;
    let bucket = state.bucket(resource.bucket_name())?;
    documents::check_text(kind, &text)?;
    match resource {
        Resource::Bucket { bucket: name } if kind == DocumentKind::Versioning => {
            let versioning = documents::versioning_of(&text)?;
            if bucket.info.object_lock && versioning != Versioning::Enabled {
                return Err(refusal::versioning_is_locked());
            }
            amend_bucket(state, name, |info| {
                info.versioning = versioning;
                info.documents.insert(kind, text);
            })
        }
        Resource::Bucket { bucket: name } => {
            check_against(state, &bucket.info, kind, &text)?;
            amend_bucket(state, name, |info| {
                info.object_lock |= kind == DocumentKind::ObjectLock;
                info.documents.insert(kind, text);
            })
        }
        Resource::Object { .. } if !bucket.info.object_lock => Err(lock::no_lock_in_bucket()),
        Resource::Object { .. } => {
            let (name, found) = find(state, resource)?;
            lock::check_document(&found.object.documents, kind, &text, now)?;
            Ok(objects::plan_amend(&name, &found, |object| {
                object.documents.insert(kind, text);
            }))
        }
    }
}

/// Checks a configuration of a bucket against what else there is.
fn check_against(
    state: &State,
    bucket: &BucketInfo,
    kind: DocumentKind,
    text: &str,
) -> StoreResult<()> {
    match kind {
        DocumentKind::ObjectLock if bucket.versioning != Versioning::Enabled => {
            let message =
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            Err(StoreError::new(ErrorKind::Invalid, "InvalidBucketState", message))
        }
        DocumentKind::Logging => {
            let enabled =
                Element::parse(text).and_then(|root| root.child("LoggingEnabled").cloned());
            let target = enabled.as_ref().and_then(|enabled| enabled.text_of("TargetBucket"));
            if target.is_none_or(|target| state.buckets.contains_key(target)) {
                return Ok(());
            }
            let message = "The target bucket for logging does not exist";
            Err(StoreError::new(ErrorKind::Invalid, "InvalidTargetBucketForLogging", message))
        }
        _ => Ok(()),
    }
}

pub(super) fn plan_delete_document(
    state: &State,
    resource: &Resource,
    kind: DocumentKind,
) -> StoreResult<Change> {
    documents::check_resource(kind, resource)?;
    match resource {
        Resource::Bucket { bucket } if kind.row().deletable => {
            amend_bucket(state, bucket, |info| {
                info.documents.remove(&kind);
            })
        }
        Resource::Bucket { .. } | Resource::Object { .. } => Err(refusal::method_not_allowed()),
    }
}

/// The object that a resource names; a bucket is none.
pub(super) fn find(state: &State, resource: &Resource) -> StoreResult<(ObjectName, Found)> {
    let bucket = state.bucket(resource.bucket_name())?;
    match resource {
        Resource::Bucket { .. } => Err(refusal::method_not_allowed()),
        Resource::Object { bucket: name, key, version } => {
            Ok((ObjectName::new(name, key), bucket.find(key, version.as_deref())?))
        }
    }
}

fn amend_object(
    state: &State,
    resource: &Resource,
    amend: impl FnOnce(&mut StoredObject),
) -> StoreResult<Change> {
    let (name, found) = find(state, resource)?;
    Ok(objects::plan_amend(&name, &found, amend))
}

fn amend_bucket(
    state: &State,
    bucket: &str,
    amend: impl FnOnce(&mut BucketInfo),
) -> StoreResult<Change> {
    let mut info = BucketInfo::clone(&state.bucket(bucket)?.info);
    amend(&mut info);
    Ok(change_of_bucket(bucket, info))
}

fn change_of_bucket(bucket: &str, info: BucketInfo) -> Change {
    vec![Update::Bucket { bucket: bucket.to_owned(), info: Some(Arc::new(info)) }]
}
