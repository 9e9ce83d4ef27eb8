//! The attributes of a bucket: its ACL, its documents, and the uploads that nobody finished.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::store::Upload;
use crate::store::error::{ErrorKind, StoreResult};
use crate::store::types::{
    AclChange, CannedAcl, DocumentKind, ListUploads, ListedUpload, Resource, Tags,
};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::ops::xattr::absent_document;
use crate::vfs::xattr::acl;
use crate::vfs::xattr::table::Id;
use crate::vfs::xattr::tags;
use crate::vfs::xattr::uploads::{self, AbortUploads};

/// Requests about uploads that one attribute has under way.
const UPLOAD_REQUESTS_MAX: usize = 16;

impl Vfs {
    pub(super) async fn get_of_bucket(
        &self,
        bucket: &str,
        id: Id,
        text: &str,
    ) -> VfsResult<String> {
        let resource = Resource::bucket(bucket);
        match id {
            Id::Bucket => Ok(bucket.to_owned()),
            Id::Location => Ok(self.store.head_bucket(bucket).await?),
            Id::Owner | Id::Acl | Id::Grant => self.get_acl(&resource, id).await,
            Id::Tags => Ok(tags::shown(&self.bucket_tags(&resource).await?)),
            Id::Tag => {
                let mut tags = self.bucket_tags(&resource).await?;
                tags.remove(text).ok_or(VfsError::NoAttribute)
            }
            Id::Document(kind) => self.document(&resource, kind).await,
            Id::Uploads => self.uploads_shown(bucket).await,
            _ => Err(VfsError::NoAttribute),
        }
    }

    pub(super) async fn set_of_bucket(
        &self,
        bucket: &str,
        id: Id,
        (text, value): (&str, &str),
    ) -> VfsResult<()> {
        let resource = Resource::bucket(bucket);
        match id {
            Id::Tags => {
                let tags = tags::parse(value).map_err(VfsError::BadValue)?;
                self.put_bucket_tags(&resource, &tags).await
            }
            Id::Tag => {
                let tags = self.bucket_tags(&resource).await;
                let mut tags = unless_none(tags)?.unwrap_or_default();
                tags.insert(text.to_owned(), value.to_owned());
                self.put_bucket_tags(&resource, &tags).await
            }
            Id::Acl | Id::Grant => self.set_acl(&resource, id, value).await,
            Id::Document(kind) => self.set_document(&resource, kind, value).await,
            Id::Uploads => {
                let asked = uploads::parse_abort(value).map_err(VfsError::BadValue)?;
                self.abort_uploads(bucket, &asked).await
            }
            _ => Err(VfsError::NoAttribute),
        }
    }

    pub(super) async fn remove_of_bucket(&self, bucket: &str, id: Id, text: &str) -> VfsResult<()> {
        let resource = Resource::bucket(bucket);
        match id {
            Id::Acl => {
                let change = AclChange::Canned(CannedAcl::Private);
                Ok(self.store.put_acl(&resource, change).await?)
            }
            Id::Tags => {
                self.bucket_tags(&resource).await?;
                Ok(self.store.delete_document(&resource, DocumentKind::BucketTagging).await?)
            }
            Id::Tag => {
                let mut tags = self.bucket_tags(&resource).await?;
                tags.remove(text).ok_or(VfsError::NoAttribute)?;
                self.put_bucket_tags(&resource, &tags).await
            }
            // S3 can't delete these, but takes an empty one.
            Id::Document(kind @ (DocumentKind::Notification | DocumentKind::Logging)) => {
                self.set_document(&resource, kind, "{}").await
            }
            Id::Document(kind) => {
                self.document(&resource, kind).await?;
                Ok(self.store.delete_document(&resource, kind).await?)
            }
            _ => Err(VfsError::NoAttribute),
        }
    }

    async fn bucket_tags(&self, resource: &Resource) -> VfsResult<Tags> {
        let text = self.store.get_document(resource, DocumentKind::BucketTagging).await;
        let text = text.map_err(|error| absent_document(DocumentKind::BucketTagging, error))?;
        tags::parse(&text).map_err(VfsError::Foreign)
    }

    async fn put_bucket_tags(&self, resource: &Resource, tags: &Tags) -> VfsResult<()> {
        let kind = DocumentKind::BucketTagging;
        if tags.is_empty() {
            return Ok(self.store.delete_document(resource, kind).await?);
        }
        let text = tags::document(tags).map_err(VfsError::BadValue)?;
        Ok(self.store.put_document(resource, kind, text).await?)
    }

    pub(super) async fn get_acl(&self, resource: &Resource, id: Id) -> VfsResult<String> {
        let policy = self.store.get_acl(resource).await?;
        Ok(match id {
            Id::Owner => match policy.owner.display_name {
                Some(name) => format!("{} {name}", policy.owner.id),
                None => policy.owner.id,
            },
            Id::Grant => acl::grants_shown(&policy),
            _ => acl::shown(&policy),
        })
    }

    pub(super) async fn set_acl(&self, resource: &Resource, id: Id, value: &str) -> VfsResult<()> {
        let change = if id == Id::Grant {
            let grant = acl::parse_grant(value).map_err(VfsError::BadValue)?;
            let mut policy = self.store.get_acl(resource).await?;
            policy.grants.push(grant);
            AclChange::Policy(policy)
        } else {
            acl::parse(value).map_err(VfsError::BadValue)?
        };
        Ok(self.store.put_acl(resource, change).await?)
    }

    async fn uploads_shown(&self, bucket: &str) -> VfsResult<String> {
        let uploads = self.uploads(bucket, "").await?;
        let lines = uploads.iter().map(|upload| async move {
            let (parts, bytes) = self.parts_of(bucket, upload).await?;
            Ok::<_, VfsError>(uploads::line(upload, parts, bytes))
        });
        let lines = stream::iter(lines.collect::<Vec<_>>()).buffered(UPLOAD_REQUESTS_MAX);
        let lines: Vec<String> = lines.try_collect().await?;
        Ok(lines.join("\n"))
    }

    async fn uploads(&self, bucket: &str, prefix: &str) -> StoreResult<Vec<ListedUpload>> {
        let mut uploads = Vec::new();
        let mut options = ListUploads { prefix: prefix.to_owned(), ..ListUploads::default() };
        loop {
            let page = self.store.list_uploads(bucket, options.clone()).await?;
            uploads.extend(page.uploads);
            let Some((key, upload)) = page.next else { return Ok(uploads) };
            (options.key_marker, options.upload_marker) = (Some(key), Some(upload));
        }
    }

    /// How many parts an upload has, and how many bytes. One that has ended meanwhile has none.
    async fn parts_of(&self, bucket: &str, listed: &ListedUpload) -> StoreResult<(u64, u64)> {
        let upload = Upload { bucket, key: &listed.key, upload: &listed.upload };
        let (mut parts, mut bytes, mut after) = (0, 0, None);
        loop {
            let page = match self.store.list_parts(upload, after).await {
                Err(error) if error.kind == ErrorKind::NotFound => return Ok((0, 0)),
                page => page?,
            };
            parts += page.parts.len() as u64;
            bytes += page.parts.iter().map(|part| part.size).sum::<u64>();
            after = page.next;
            if after.is_none() {
                return Ok((parts, bytes));
            }
        }
    }

    /// Tries all of them; the first failure is told when the others are gone.
    async fn abort_uploads(&self, bucket: &str, asked: &AbortUploads) -> VfsResult<()> {
        let now = self.clock.wall();
        let is_old = |upload: &ListedUpload| {
            now.duration_since(upload.started).unwrap_or_default() >= asked.older_than
        };
        let uploads = self.uploads(bucket, &asked.prefix).await?;
        let aborts = uploads.into_iter().filter(is_old).map(|listed| {
            let (store, bucket) = (Arc::clone(&self.store), bucket.to_owned());
            async move {
                let upload = Upload { bucket: &bucket, key: &listed.key, upload: &listed.upload };
                match store.abort_multipart(upload).await {
                    Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
                    aborted => aborted,
                }
            }
        });
        let aborted: Vec<StoreResult<()>> =
            stream::iter(aborts).buffer_unordered(UPLOAD_REQUESTS_MAX).collect().await;
        Ok(aborted.into_iter().collect::<StoreResult<()>>()?)
    }
}

fn unless_none<T>(got: VfsResult<T>) -> VfsResult<Option<T>> {
    match got {
        Err(VfsError::NoAttribute) => Ok(None),
        got => got.map(Some),
    }
}
