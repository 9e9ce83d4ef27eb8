//! Copy: objects made of objects by S3 itself, with all that belongs to them.
//!
//! S3 copies bytes and metadata, but gives every new object the default ACL and the default
//! storage class: what an object had is looked up first and given to its copy. The names of what
//! is copied, and who has it open, are `ops`' business.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    Acl, AclChange, CompleteMultipart, Conditions, CopyObject, CopySource, ETag, Grant, Grantee,
    HeadObject, ObjectAttributes, ObjectHead, Part, Permission, Range, Resource, Tags,
    WriteOptions,
};
use crate::store::{ObjectStore, UploadPart};
use crate::vfs::error::VfsResult;
use crate::vfs::types::ObjectRef;
use crate::vfs::write::multipart::{Begun, Multiparts};
use crate::vfs::write::plan::{PART_BYTES_MAX, plan_copy_ranges};
use crate::vfs::write::upload::Target;

/// What belongs to an object besides its bytes, and is kept when they change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    pub attributes: ObjectAttributes,
    pub tags: Option<Tags>,
    /// `None`: the default one, by which its owner may everything and nobody else anything.
    pub acl: Option<Acl>,
}

/// What S3 has under a key, with everything that belongs to it.
pub async fn look(
    store: &Arc<dyn ObjectStore>,
    target: &Target,
) -> StoreResult<(ObjectHead, Kept)> {
    let resource = Resource::object(&target.bucket, &target.key);
    let (head, acl) = tokio::join!(
        store.head_object(&target.bucket, &target.key, HeadObject::default()),
        store.get_acl(&resource),
    );
    let head = head?;
    let tags = match head.tag_count {
        None | Some(0) => None,
        Some(_) => Some(store.get_tags(&resource).await?),
    };
    let acl = kept_acl(known_acl(acl, &target.key)?);
    let attributes = head.attributes.clone();
    Ok((head, Kept { attributes, tags, acl }))
}

/// A server that has no ACLs, or does not show them, gives every object the default.
fn known_acl(acl: StoreResult<Acl>, key: &str) -> StoreResult<Acl> {
    match acl {
        Ok(acl) => Ok(acl),
        Err(error) => match error.kind {
            ErrorKind::Forbidden | ErrorKind::Unsupported | ErrorKind::NotFound => {
                tracing::debug!(key, %error, "the ACL is not known and taken for the default");
                Ok(Acl::default())
            }
            ErrorKind::Exists
            | ErrorKind::NotEmpty
            | ErrorKind::Precondition
            | ErrorKind::Conflict
            | ErrorKind::Throttled
            | ErrorKind::Timeout
            | ErrorKind::Archived
            | ErrorKind::Invalid
            | ErrorKind::Full
            | ErrorKind::Range
            | ErrorKind::Corrupt
            | ErrorKind::Unavailable => Err(error),
        },
    }
}

/// What [`Kept`] has of an ACL.
#[must_use]
pub fn kept_acl(acl: Acl) -> Option<Acl> {
    let is_owners = |grant: &Grant| match &grant.grantee {
        Grantee::CanonicalUser { id, .. } => {
            *id == acl.owner.id && grant.permission == Permission::FullControl
        }
        Grantee::Email { .. } | Grantee::Group { .. } => false,
    };
    let is_default = acl.grants.iter().all(is_owners);
    (!is_default).then_some(acl)
}

/// Gives an object its ACL, if it has one that is not the default.
pub async fn put_acl(
    store: &Arc<dyn ObjectStore>,
    target: &Target,
    acl: Option<&Acl>,
) -> StoreResult<()> {
    let Some(acl) = acl else { return Ok(()) };
    let resource = Resource::object(&target.bucket, &target.key);
    store.put_acl(&resource, AclChange::Policy(acl.clone())).await
}

/// What a copy has made.
#[derive(Clone, Debug)]
pub struct Copied {
    pub object: ObjectRef,
    /// What the object was that was copied.
    pub source: ETag,
    /// What S3 says of the copy.
    pub head: ObjectHead,
    /// Whether S3 has acknowledged this very copy; else what is there only looks like it.
    pub is_told: bool,
}

impl Copied {
    /// The object that was copied from `source`, where it is sure to have the same bytes.
    #[must_use]
    pub fn origin(&self, source: &Target) -> Option<ObjectRef> {
        self.is_told.then(|| object_at(source, self.source.clone(), self.object.size))
    }
}

/// Copies the version that is there now, with its metadata, tags, ACL, storage class and
/// encryption, as far as `change`, which is told when the source was modified, leaves them.
///
/// `conditions` are on the destination. Objects over 5 GiB are copied part by part.
pub async fn copy_object(
    multiparts: &Arc<Multiparts>,
    source: &Target,
    target: &Target,
    conditions: Conditions,
    change: impl FnOnce(&mut ObjectAttributes, SystemTime),
) -> StoreResult<Copied> {
    let store = multiparts.store();
    let (head, mut kept) = look(store, source).await?;
    change(&mut kept.attributes, head.last_modified);
    // Of all attributes this is the one that S3 does not copy with the others.
    let is_redirected = kept.attributes.website_redirect_location.is_some();
    let is_replaced = is_redirected || kept.attributes != head.attributes;
    let replaced = is_replaced.then_some(&kept.attributes);
    let copy = Copy { multiparts, source, head: &head, target, kept: &kept };
    let (etag, last_modified) = copy.run(replaced, conditions).await?;
    finish(store, target, (head, kept), (etag, last_modified)).await
}

/// Changes the attributes of an object, by a copy onto itself that keeps everything else.
/// Somebody else's object stays (`Precondition`). `change` is told when it was modified; where it
/// fails, nothing is done.
pub async fn rewrite_attributes(
    multiparts: &Arc<Multiparts>,
    target: &Target,
    change: impl FnOnce(&mut ObjectAttributes, SystemTime) -> VfsResult<()>,
) -> VfsResult<Copied> {
    let store = multiparts.store();
    let (head, mut kept) = look(store, target).await?;
    change(&mut kept.attributes, head.last_modified)?;
    let copy = Copy { multiparts, source: target, head: &head, target, kept: &kept };
    let same = Conditions::matching(head.etag.clone());
    let mut copied = copy.run(Some(&kept.attributes), same).await;
    if copied.as_ref().is_err_and(|error| error.kind == ErrorKind::Unsupported) {
        // A server without conditions on the destination: here it is the source, too.
        copied = copy.run(Some(&kept.attributes), Conditions::default()).await;
    }
    let mut is_told = true;
    if copied.as_ref().is_err_and(|error| error.kind == ErrorKind::Precondition)
        && let Some(made) = made_already(store, target, &head, &kept).await
    {
        (copied, is_told) = (Ok(made), false);
    }
    let finished = finish(store, target, (head, kept), copied?).await?;
    Ok(Copied { is_told, ..finished })
}

/// A copy onto itself that was refused by its condition may be our own, whose answer was lost and
/// which the client sent again: then what is there has the attributes that were to be.
async fn made_already(
    store: &Arc<dyn ObjectStore>,
    target: &Target,
    before: &ObjectHead,
    kept: &Kept,
) -> Option<(ETag, Option<SystemTime>)> {
    let options = HeadObject::default();
    let now = store.head_object(&target.bucket, &target.key, options).await.ok()?;
    let is_ours = now.size == before.size
        && now.attributes == kept.attributes
        && before.attributes != kept.attributes;
    is_ours.then_some((now.etag, Some(now.last_modified)))
}

/// Gives a copy its ACL, and says what it is.
async fn finish(
    store: &Arc<dyn ObjectStore>,
    target: &Target,
    (mut head, kept): (ObjectHead, Kept),
    (etag, last_modified): (ETag, Option<SystemTime>),
) -> StoreResult<Copied> {
    put_acl(store, target, kept.acl.as_ref()).await?;
    head.last_modified = match last_modified {
        Some(last_modified) => last_modified,
        None => {
            let options = HeadObject::default();
            store.head_object(&target.bucket, &target.key, options).await?.last_modified
        }
    };
    head.attributes = kept.attributes;
    let source = std::mem::replace(&mut head.etag, etag.clone());
    Ok(Copied { object: object_at(target, etag, head.size), source, head, is_told: true })
}

fn object_at(target: &Target, etag: ETag, size: u64) -> ObjectRef {
    ObjectRef { bucket: target.bucket.clone(), key: target.key.clone(), etag, size }
}

/// One copy of an object.
struct Copy<'a> {
    multiparts: &'a Arc<Multiparts>,
    source: &'a Target,
    head: &'a ObjectHead,
    target: &'a Target,
    kept: &'a Kept,
}

impl Copy<'_> {
    /// Copies with these attributes, or with the source's. Also says when, where S3 does.
    async fn run(
        &self,
        attributes: Option<&ObjectAttributes>,
        conditions: Conditions,
    ) -> StoreResult<(ETag, Option<SystemTime>)> {
        if self.head.size > PART_BYTES_MAX {
            return Ok((self.by_parts(conditions).await?, None));
        }
        let options = CopyObject {
            replace_attributes: attributes.cloned(),
            storage_class: self.kept.attributes.storage_class.clone(),
            encryption: self.kept.attributes.encryption.clone(),
            conditions,
            ..CopyObject::default()
        };
        let Target { bucket, key } = self.target;
        let copied = self.multiparts.store().copy_object(self.from(), bucket, key, options).await?;
        Ok((copied.etag, copied.last_modified))
    }

    fn from(&self) -> CopySource {
        CopySource {
            bucket: self.source.bucket.to_string(),
            key: self.source.key.to_string(),
            version: None,
            conditions: Conditions::matching(self.head.etag.clone()),
        }
    }

    async fn by_parts(&self, conditions: Conditions) -> StoreResult<ETag> {
        let (attributes, tags) = (self.kept.attributes.clone(), self.kept.tags.clone());
        let write = WriteOptions { attributes, tags, ..WriteOptions::default() };
        let Target { bucket, key } = self.target;
        let begun = Arc::new(self.multiparts.begin(bucket, key, write).await?);
        let copied = match self.parts(&begun).await {
            Ok(parts) => {
                let options = CompleteMultipart { checksum: None, conditions };
                self.multiparts.store().complete_multipart(begun.upload(), parts, options).await
            }
            Err(error) => Err(error),
        };
        match copied {
            Ok(_) => begun.ended().await,
            Err(_) => begun.abort().await,
        }
        Ok(copied?.etag)
    }

    async fn parts(&self, begun: &Arc<Begun>) -> StoreResult<Vec<Part>> {
        let mut tasks = JoinSet::new();
        for (number, range) in plan_copy_ranges(self.head.size, PART_BYTES_MAX, 1) {
            let (store, source) = (Arc::clone(self.multiparts.store()), self.from());
            let begun = Arc::clone(begun);
            tasks.spawn(async move {
                let part = UploadPart { upload: begun.upload(), number, checksum: None };
                let range = Range::Span { start: range.start, end: range.end };
                store.upload_part_copy(part, source, Some(range)).await
            });
        }
        let mut parts = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            parts.push(ended.map_err(|error| {
                StoreError::new(ErrorKind::Unavailable, "InternalError", error.to_string())
            })??);
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }
}

#[cfg(test)]
mod tests;
