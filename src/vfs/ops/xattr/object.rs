//! The attributes of an object: what its head says, its ACL, tags, restore, locks and versions.

use std::time::Duration;

use crate::store::types::{
    AclChange, CannedAcl, ListVersions, ListedVersion, ObjectHead, Resource, Tags,
};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::content_type;
use crate::vfs::ops::xattr::{At, Bearer};
use crate::vfs::types::Kind;
use crate::vfs::write::copy::kept_acl;
use crate::vfs::write::draft::{Hold, Urgency};
use crate::vfs::write::upload::Target;
use crate::vfs::xattr::facts;
use crate::vfs::xattr::table::{Header, Id};
use crate::vfs::xattr::{acl, documents, restore, tags, versions};

/// For how long an address is good where nothing is said.
const URL_SECONDS: u64 = 3600;

/// S3's own bound (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>).
const URL_SECONDS_MAX: u64 = 604_800;

impl Vfs {
    pub(super) async fn get_of_object(
        &self,
        bearer: &Bearer,
        target: &Target,
        id: Id,
        text: &str,
    ) -> VfsResult<String> {
        let resource = Resource::object(&target.bucket, &target.key);
        match id {
            Id::Bucket => Ok(target.bucket.to_string()),
            Id::Key => Ok(target.key.to_string()),
            Id::Owner | Id::Acl | Id::Grant => self.get_acl(&resource, id).await,
            Id::Tags => Ok(tags::shown(&self.store.get_tags(&resource).await?)),
            Id::Tag => {
                let mut tags = self.store.get_tags(&resource).await?;
                tags.remove(text).ok_or(VfsError::NoAttribute)
            }
            Id::Document(kind) => self.document(&resource, kind).await,
            Id::Versions => Ok(versions::shown(&self.versions(target).await?)),
            Id::Url => self.url(target, URL_SECONDS).await,
            Id::UrlFor => {
                let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.filter(|seconds| *seconds <= URL_SECONDS_MAX);
                self.url(target, seconds.ok_or(VfsError::NoAttribute)?).await
            }
            id => {
                let known = self.head_or_draft(bearer, target, id).await?;
                known.ok_or(VfsError::NoAttribute)
            }
        }
    }

    pub(super) async fn set_of_object(
        &self,
        bearer: &Bearer,
        id: Id,
        (text, value): (&str, &str),
    ) -> VfsResult<()> {
        match id {
            Id::Header(_) | Id::StorageClass | Id::Encryption => {
                return self.amend(bearer, |attributes| facts::set(id, value, attributes)).await;
            }
            _ => {}
        }
        check_value(id, value)?;
        let opening = self.handles.open(&bearer.inode);
        // Nobody begins writing it meanwhile, or changes the same thing.
        let _turn = opening.file.turn().await;
        let resource = self.in_s3(bearer).await?;
        match id {
            Id::Acl | Id::Grant => {
                let hold = self.held(bearer).await;
                self.set_acl(&resource, id, value).await?;
                self.note_acl(hold, &resource).await
            }
            Id::Tags => {
                let tags = tags::parse(value).map_err(VfsError::BadValue)?;
                self.put_tags(bearer, &resource, tags).await
            }
            Id::Tag => {
                let mut tags = self.store.get_tags(&resource).await?;
                tags.insert(text.to_owned(), value.to_owned());
                self.put_tags(bearer, &resource, tags).await
            }
            Id::Restore => {
                let asked = restore::parse(value).map_err(VfsError::BadValue)?;
                let target = bearer.at.target().ok_or(VfsError::NoAttribute)?;
                Ok(self.store.restore_object(&target.bucket, &target.key, asked).await?)
            }
            Id::Document(kind) => self.set_document(&resource, kind, value).await,
            _ => Err(VfsError::NoAttribute),
        }
    }

    pub(super) async fn remove_of_object(
        &self,
        bearer: &Bearer,
        id: Id,
        text: &str,
    ) -> VfsResult<()> {
        if let Id::Header(header) = id {
            let default = default_of(bearer, header);
            return self
                .amend(bearer, |attributes| facts::remove(header, default, attributes))
                .await;
        }
        let opening = self.handles.open(&bearer.inode);
        let _turn = opening.file.turn().await;
        let resource = match bearer.at {
            At::File(_) => self.in_s3(bearer).await?,
            At::Directory(_) | At::Bucket(_) | At::Account => bearer.at.resource()?,
        };
        match id {
            Id::Acl => {
                let hold = self.held(bearer).await;
                let change = AclChange::Canned(CannedAcl::Private);
                self.store.put_acl(&resource, change).await?;
                self.note_acl(hold, &resource).await
            }
            Id::Tags => self.put_tags(bearer, &resource, Tags::new()).await,
            Id::Tag => {
                let mut tags = self.store.get_tags(&resource).await?;
                tags.remove(text).ok_or(VfsError::NoAttribute)?;
                self.put_tags(bearer, &resource, tags).await
            }
            _ => Err(VfsError::NoAttribute),
        }
    }

    /// What the head of the object says; of a file that is being written, what its next version
    /// will have of that.
    async fn head_or_draft(
        &self,
        bearer: &Bearer,
        target: &Target,
        id: Id,
    ) -> VfsResult<Option<String>> {
        let draft = self.handles.find(bearer.inode.ino).and_then(|open| open.draft());
        let Some(draft) = draft else {
            let head = self.head(&target.bucket, &target.key).await?;
            return Ok(facts::of_head(id, &head.ok_or_else(|| gone(bearer))?));
        };
        if let Some(value) = facts::of_attributes(id, &draft.attributes().await) {
            return Ok(Some(value));
        }
        let head: Option<ObjectHead> = self.head(&target.bucket, &target.key).await?;
        Ok(head.and_then(|head| facts::of_head(id, &head)))
    }

    /// What is about to be changed belongs to an object: one that is being written is made now,
    /// and so is the marker of a directory.
    async fn in_s3(&self, bearer: &Bearer) -> VfsResult<Resource> {
        bearer.check_named()?;
        match &bearer.at {
            At::File(_) => {
                if let Some(open) = self.handles.find(bearer.inode.ino) {
                    self.commit(&open, Urgency::Always).await?;
                }
            }
            At::Directory(Some(marker)) => {
                if self.head(&marker.bucket, &marker.key).await?.is_none() {
                    self.amend_marker(&bearer.inode, marker, |_| Ok(())).await?;
                }
            }
            At::Directory(None) | At::Bucket(_) | At::Account => {}
        }
        bearer.at.resource()
    }

    async fn put_tags(&self, bearer: &Bearer, resource: &Resource, tags: Tags) -> VfsResult<()> {
        let hold = self.held(bearer).await;
        self.store.put_tags(resource, tags.clone()).await?;
        if let Some(mut hold) = hold {
            hold.keep(|kept| kept.tags = (!tags.is_empty()).then_some(tags));
        }
        Ok(())
    }

    /// Keeps a file that is being written from being committed with what it had before.
    async fn held(&self, bearer: &Bearer) -> Option<Hold> {
        let draft = self.handles.find(bearer.inode.ino)?.draft()?;
        Some(draft.hold().await)
    }

    /// A file that is being written keeps the ACL that it was given.
    async fn note_acl(&self, hold: Option<Hold>, resource: &Resource) -> VfsResult<()> {
        let Some(mut hold) = hold else { return Ok(()) };
        let acl = kept_acl(self.store.get_acl(resource).await?);
        hold.keep(|kept| kept.acl = acl);
        Ok(())
    }

    async fn versions(&self, target: &Target) -> VfsResult<Vec<ListedVersion>> {
        let mut found = Vec::new();
        let mut options =
            ListVersions { prefix: target.key.to_string(), ..ListVersions::default() };
        loop {
            let page = self.store.list_versions(&target.bucket, options.clone()).await?;
            let is_behind = |version: &ListedVersion| *version.key > *target.key;
            let is_last = page.versions.iter().any(is_behind);
            let own = page.versions.into_iter().filter(|version| *version.key == *target.key);
            found.extend(own);
            match page.next.filter(|_| !is_last) {
                Some((key, version)) => {
                    (options.key_marker, options.version_marker) = (Some(key), version);
                }
                None => return Ok(found),
            }
        }
    }

    async fn url(&self, target: &Target, seconds: u64) -> VfsResult<String> {
        let valid = Duration::from_secs(seconds);
        Ok(self.store.presign_get(&target.bucket, &target.key, valid).await?)
    }
}

/// Refuses what makes no sense before anything is made to carry it.
fn check_value(id: Id, value: &str) -> VfsResult<()> {
    let checked = match id {
        Id::Acl => acl::parse(value).map(drop),
        Id::Grant => acl::parse_grant(value).map(drop),
        Id::Tags => tags::parse(value).map(drop),
        Id::Restore => restore::parse(value).map(drop),
        Id::Document(kind) => documents::parse(kind, value).map(drop),
        _ => Ok(()),
    };
    checked.map_err(VfsError::BadValue)
}

/// The header that an object of this name is made with.
fn default_of(bearer: &Bearer, header: Header) -> Option<String> {
    if header != Header::ContentType {
        return None;
    }
    let default = match bearer.inode.kind {
        Kind::Directory => content_type::DIRECTORY_MARKER,
        _ => content_type::of_name(&bearer.inode.place().name).unwrap_or(content_type::UNKNOWN),
    };
    Some(default.to_owned())
}

fn gone(bearer: &Bearer) -> VfsError {
    match bearer.inode.kind {
        Kind::Directory => VfsError::NoAttribute,
        _ => VfsError::NotFound,
    }
}
