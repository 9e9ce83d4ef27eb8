//! Extended attributes: whose they are, and what is done to get, set and remove them.
//!
//! Which there are stands in `xattr::table`, how values are spelt beside it. User metadata are
//! known with owner and mode and go the same ways; everything else is asked of S3 each time, and
//! what is set has taken effect there when the call returns.

mod bucket;
mod control;
mod describe;
mod object;

use std::sync::Arc;

use bytes::Bytes;

use crate::store::error::{ErrorKind, StoreError};
use crate::store::types::{DocumentKind, ObjectAttributes, Resource};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Asked, Facts};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::posix::{self, Metadata, Posix};
use crate::vfs::ops::attr::marker_of;
use crate::vfs::ops::moves::Purpose;
use crate::vfs::options::ListedAttributes;
use crate::vfs::types::{Ino, Kind, XattrMode};
use crate::vfs::write::draft::Urgency;
use crate::vfs::write::upload::Target;
use crate::vfs::xattr::documents;
use crate::vfs::xattr::table::{self, Attribute, Carrier, Id, TABLE};
use crate::vfs::xattr::user;

/// The family of all attributes that there are.
const USER: &[u8] = b"user.";

/// What has attributes, and where it is in S3.
struct Bearer {
    inode: Arc<Inode>,
    at: At,
}

impl Bearer {
    /// What S3 has under its name is somebody else's once the name is gone.
    fn check_named(&self) -> VfsResult<()> {
        if self.inode.place().removed { Err(VfsError::Stale) } else { Ok(()) }
    }
}

#[derive(Clone)]
enum At {
    File(Target),
    /// `None`: one that stands for a piece of a name and can have no marker.
    Directory(Option<Target>),
    Bucket(Arc<str>),
    Account,
}

impl At {
    fn carrier(&self) -> Carrier {
        match self {
            Self::File(_) => Carrier::File,
            Self::Directory(_) => Carrier::Directory,
            Self::Bucket(_) => Carrier::Bucket,
            Self::Account => Carrier::Account,
        }
    }

    /// The object that carries what there is.
    fn target(&self) -> Option<&Target> {
        match self {
            Self::File(target) => Some(target),
            Self::Directory(marker) => marker.as_ref(),
            Self::Bucket(_) | Self::Account => None,
        }
    }

    /// What ACLs and documents belong to.
    fn resource(&self) -> VfsResult<Resource> {
        match self {
            Self::Bucket(bucket) => Ok(Resource::bucket(bucket)),
            Self::File(_) | Self::Directory(_) | Self::Account => {
                let target = self.target().ok_or_else(|| self.carries_none("of S3"))?;
                Ok(Resource::object(&target.bucket, &target.key))
            }
        }
    }

    fn carries_none(&self, what: &str) -> VfsError {
        VfsError::Unsupported(format!("{} has no attributes {what}", self.carrier().as_str()))
    }
}

impl Vfs {
    /// The value of an attribute; `NoAttribute` where there is none of that name, `Unsupported` where
    /// there can be none.
    pub async fn getxattr(&self, ino: Ino, name: &[u8], uid: u32) -> VfsResult<Bytes> {
        let rest = name.strip_prefix(USER).ok_or_else(no_such_family)?;
        let inode = self.inodes.get(ino)?;
        let by = if user::is_reserved(rest) { self.asker(ino, uid).await? } else { By::Other };
        let _pass = self.moves.pass(Purpose::Look, &[&inode]).await;
        let bearer = bearer(inode);
        if user::is_reserved(rest) {
            bearer.check_named()?;
            let name = std::str::from_utf8(name).map_err(|_| VfsError::NoAttribute)?;
            let found = table::find(bearer.at.carrier(), name);
            let (row, text) = found.ok_or(VfsError::NoAttribute)?;
            return Ok(Bytes::from(self.get(&bearer, row, text, by).await?));
        }
        let metadata = self.user_metadata(&bearer).await?;
        user::value(&metadata, rest).map(Bytes::from).ok_or(VfsError::NoAttribute)
    }

    /// The names of attributes, each ended by a NUL.
    pub async fn listxattr(&self, ino: Ino) -> VfsResult<Bytes> {
        let inode = self.inodes.get(ino)?;
        let _pass = self.moves.pass(Purpose::Look, &[&inode]).await;
        let bearer = bearer(inode);
        let mut listed = Vec::new();
        for name in user::names(&self.user_metadata(&bearer).await?) {
            listed.extend([USER, &name, b"\0"].concat());
        }
        if self.options.listed_attributes == ListedAttributes::All {
            let described = self.described(&bearer, By::Owner).await;
            for (name, _) in described.iter().filter(|(name, _)| is_reserved(name)) {
                listed.extend([name.as_bytes(), b"\0"].concat());
            }
        }
        Ok(Bytes::from(listed))
    }

    /// Gives an attribute a value, in S3 when this returns. What S3 knows of a thing is its owner's
    /// to change, as its mode is.
    pub async fn setxattr(
        &self,
        ino: Ino,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
        uid: u32,
    ) -> VfsResult<()> {
        let rest = name.strip_prefix(USER).ok_or_else(no_such_family)?;
        let inode = self.inodes.get(ino)?;
        if !user::is_reserved(rest) {
            self.check_writable()?;
            let _pass = self.moves.pass(Purpose::Change, &[&inode]).await;
            return self.set_user(&bearer(inode), rest, value, mode).await;
        }
        let (row, text) = named(&bearer(Arc::clone(&inode)), name)?;
        if row.set.is_empty() {
            return Err(VfsError::FixedAttribute { name: row.name, what: "set" });
        }
        let value = std::str::from_utf8(value);
        let value = value.map_err(|_| VfsError::BadValue("the value is no UTF-8".to_owned()))?;
        let value = value.strip_suffix('\n').unwrap_or(value);
        match row.id {
            Id::Sync => return self.sync(&bearer(inode)).await,
            Id::Refresh => {
                self.refresh(&bearer(inode));
                return Ok(());
            }
            _ => self.check_writable()?,
        }
        self.asker(ino, uid).await?.check(row.name)?;
        let _pass = self.moves.pass(Purpose::Change, &[&inode]).await;
        let bearer = bearer(inode);
        bearer.check_named()?;
        if mode != XattrMode::Either {
            let there = self.get(&bearer, row, text, By::Owner).await;
            check_mode(mode, !matches!(there, Err(VfsError::NoAttribute)))?;
        }
        self.set(&bearer, row, (text, value)).await
    }

    /// Removes an attribute; `NoAttribute` where there is none of that name.
    pub async fn removexattr(&self, ino: Ino, name: &[u8], uid: u32) -> VfsResult<()> {
        self.check_writable()?;
        let rest = name.strip_prefix(USER).ok_or_else(no_such_family)?;
        let inode = self.inodes.get(ino)?;
        let by = self.asker(ino, uid).await?;
        let _pass = self.moves.pass(Purpose::Change, &[&inode]).await;
        let bearer = bearer(inode);
        if !user::is_reserved(rest) {
            let change = |metadata: &mut Metadata| match user::remove(metadata, rest) {
                true => Ok(()),
                false => Err(VfsError::NoAttribute),
            };
            return self.change_user(&bearer, change).await;
        }
        bearer.check_named()?;
        let (row, text) = named(&bearer, name)?;
        if row.remove.is_empty() {
            return Err(VfsError::FixedAttribute { name: row.name, what: "removed" });
        }
        by.check(row.name)?;
        self.remove(&bearer, row, text).await
    }

    /// Whose word somebody's is, about a thing.
    async fn asker(&self, ino: Ino, uid: u32) -> VfsResult<By> {
        let is_owner = uid == 0
            || !self.options.checks_owner
            || self.getattr(ino, None).await?.attr.uid == uid;
        Ok(if is_owner { By::Owner } else { By::Other })
    }

    async fn get(&self, bearer: &Bearer, row: &Attribute, text: &str, by: By) -> VfsResult<String> {
        match row.id {
            Id::All => Ok(describe::for_people(&self.described(bearer, by).await)),
            Id::Info => Ok(describe::for_programs(&self.described(bearer, by).await)),
            // An address outlives the permissions of who asked for it.
            Id::Url | Id::UrlFor if by == By::Other => Err(by.refusal(row.name)),
            Id::State | Id::Cached => self.control(bearer, row.id).await,
            Id::Sync | Id::Refresh => Err(VfsError::NoAttribute),
            id => match &bearer.at {
                At::Bucket(bucket) => self.get_of_bucket(bucket, id, text).await,
                At::File(target) | At::Directory(Some(target)) => {
                    let got = self.get_of_object(bearer, target, id, text).await;
                    got.map_err(|error| absent_marker(bearer, error))
                }
                At::Directory(None) | At::Account => Err(VfsError::NoAttribute),
            },
        }
    }

    async fn set(
        &self,
        bearer: &Bearer,
        row: &Attribute,
        (text, value): (&str, &str),
    ) -> VfsResult<()> {
        match &bearer.at {
            At::Bucket(bucket) => {
                let opening = self.handles.open(&bearer.inode);
                let _turn = opening.file.turn().await;
                self.set_of_bucket(bucket, row.id, (text, value)).await
            }
            At::File(_) | At::Directory(Some(_)) => {
                self.set_of_object(bearer, row.id, (text, value)).await
            }
            At::Directory(None) | At::Account => Err(bearer.at.carries_none("of S3")),
        }
    }

    async fn remove(&self, bearer: &Bearer, row: &Attribute, text: &str) -> VfsResult<()> {
        match &bearer.at {
            At::Bucket(bucket) => {
                let opening = self.handles.open(&bearer.inode);
                let _turn = opening.file.turn().await;
                self.remove_of_bucket(bucket, row.id, text).await
            }
            At::File(_) | At::Directory(Some(_)) => {
                let removed = self.remove_of_object(bearer, row.id, text).await;
                removed.map_err(|error| absent_marker(bearer, error))
            }
            At::Directory(None) | At::Account => Err(VfsError::NoAttribute),
        }
    }

    /// A document, as it is shown.
    async fn document(&self, resource: &Resource, kind: DocumentKind) -> VfsResult<String> {
        let text = self.store.get_document(resource, kind).await;
        let text = text.map_err(|error| match (kind, error.kind) {
            // Where a bucket has no locks, S3 calls the question a mistake.
            (DocumentKind::Retention | DocumentKind::LegalHold, ErrorKind::Invalid) => {
                VfsError::NoAttribute
            }
            _ => absent_document(kind, error),
        })?;
        documents::shown(kind, &text).map_err(VfsError::Foreign)
    }

    async fn set_document(
        &self,
        resource: &Resource,
        kind: DocumentKind,
        value: &str,
    ) -> VfsResult<()> {
        let text = documents::parse(kind, value).map_err(VfsError::BadValue)?;
        Ok(self.store.put_document(resource, kind, text).await?)
    }

    /// What is known of a thing's metadata, owner, mode and times left out.
    async fn user_metadata(&self, bearer: &Bearer) -> VfsResult<Metadata> {
        let is_file = matches!(bearer.at, At::File(_));
        let Some(target) = bearer.at.target() else { return Ok(Metadata::new()) };
        if !self.asks() {
            return self.asked_metadata(bearer, target).await;
        }
        let known = if is_file {
            self.facts(&bearer.inode).await?.0
        } else if bearer.inode.ino == Ino::ROOT {
            self.getattr(Ino::ROOT, None).await?;
            let own = bearer.inode.own().posix;
            return Ok(own.map(|posix| posix.user.clone()).unwrap_or_default());
        } else {
            self.directory_known(&bearer.inode).await?
        };
        Ok(known.posix().map(|posix| posix.user.clone()).unwrap_or_default())
    }

    /// A mount that takes no owner and mode from metadata has not asked for any.
    async fn asked_metadata(&self, bearer: &Bearer, target: &Target) -> VfsResult<Metadata> {
        let draft = self.handles.find(bearer.inode.ino).and_then(|open| open.draft());
        let attributes = match draft {
            Some(draft) => draft.attributes().await,
            None => match self.head(&target.bucket, &target.key).await? {
                Some(head) => head.attributes,
                None => ObjectAttributes::default(),
            },
        };
        Ok(posix::read(&attributes.metadata).user)
    }

    async fn set_user(
        &self,
        bearer: &Bearer,
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
    ) -> VfsResult<()> {
        if name.is_empty() {
            return Err(VfsError::BadValue("an attribute has a name".to_owned()));
        }
        self.change_user(bearer, |metadata| {
            check_mode(mode, user::value(metadata, name).is_some())?;
            let full = |user::NoRoom| VfsError::MetadataFull { bytes: user::BYTES_MAX };
            user::set(metadata, name, value).map_err(full)
        })
        .await
    }

    async fn change_user(
        &self,
        bearer: &Bearer,
        change: impl FnOnce(&mut Metadata) -> VfsResult<()>,
    ) -> VfsResult<()> {
        self.amend(bearer, |attributes| change(&mut attributes.metadata)).await
    }

    /// Changes what rides along with an object's bytes: with the next commit of a file that is
    /// being written, else by a copy onto itself, or in the marker of a directory. Nothing is
    /// done where `change` fails.
    async fn amend(
        &self,
        bearer: &Bearer,
        change: impl FnOnce(&mut ObjectAttributes) -> VfsResult<()>,
    ) -> VfsResult<()> {
        let inode = &bearer.inode;
        let opening = self.handles.open(inode);
        let open = &opening.file;
        let _turn = open.turn().await;
        match &bearer.at {
            At::Directory(Some(marker)) => {
                bearer.check_named()?;
                return self.amend_marker(inode, marker, change).await;
            }
            At::File(_) => {}
            At::Directory(None) | At::Bucket(_) | At::Account => {
                return Err(bearer.at.carries_none("that are kept with bytes"));
            }
        }
        let Some(draft) = open.draft() else {
            bearer.check_named()?;
            return self.amend_at_rest(open, change).await;
        };
        let before = draft.attributes().await;
        let mut attributes = before.clone();
        change(&mut attributes)?;
        draft.set_attributes(|kept| *kept = attributes.clone()).await;
        // Only S3 knows whether it takes a class or a key: better that this fails than `close`.
        if without_metadata(&attributes) != without_metadata(&before)
            && let Err(error) = self.commit(open, Urgency::Always).await
        {
            draft.set_attributes(|kept| *kept = before).await;
            return Err(error);
        }
        if let Some(facts) = open.last_facts() {
            let user = posix::read(&attributes.metadata).user;
            let before = facts.posix.posix().map(|posix| Posix::clone(posix));
            let posix = Arc::new(Posix { user, ..before.unwrap_or_default() });
            self.note(open, Facts { posix: Asked::Fresh(posix), ..facts });
        }
        Ok(())
    }
}

/// Whose word it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum By {
    /// The thing's owner's, or the superuser's.
    Owner,
    Other,
}

impl By {
    fn check(self, name: &'static str) -> VfsResult<()> {
        if self == Self::Owner { Ok(()) } else { Err(self.refusal(name)) }
    }

    fn refusal(self, name: &'static str) -> VfsError {
        VfsError::NotPermitted(format!("{name} is its owner's, as the mode is"))
    }
}

fn is_reserved(name: &str) -> bool {
    name.strip_prefix("user.").is_some_and(|rest| user::is_reserved(rest.as_bytes()))
}

/// Where a thing is now; it may be elsewhere once somebody who moves it has had the pass.
fn bearer(inode: Arc<Inode>) -> Bearer {
    let at = match inode.place().location {
        Location::Account => At::Account,
        Location::Directory { bucket, prefix } if prefix.as_str().is_empty() => At::Bucket(bucket),
        Location::Directory { .. } => At::Directory(marker_of(&inode)),
        Location::File { bucket, key } => At::File(Target { bucket, key }),
    };
    Bearer { inode, at }
}

/// The row of a name that is to be changed.
fn named<'a>(bearer: &Bearer, name: &'a [u8]) -> VfsResult<(&'static Attribute, &'a str)> {
    let unknown = || {
        let name = String::from_utf8_lossy(name);
        VfsError::BadValue(format!("there is no attribute {name}; see docs/xattrs.md"))
    };
    let name = std::str::from_utf8(name).map_err(|_| unknown())?;
    let carrier = bearer.at.carrier();
    if let Some(found) = table::find(carrier, name) {
        return Ok(found);
    }
    if TABLE.iter().any(|row| row.name == name) {
        let message = format!("{} has no {name}", carrier.as_str());
        return Err(VfsError::Unsupported(message));
    }
    Err(unknown())
}

fn check_mode(mode: XattrMode, is_there: bool) -> VfsResult<()> {
    match (mode, is_there) {
        (XattrMode::Create, true) => Err(VfsError::Exists("the attribute is there".to_owned())),
        (XattrMode::Replace, false) => Err(VfsError::NoAttribute),
        (XattrMode::Either | XattrMode::Create | XattrMode::Replace, _) => Ok(()),
    }
}

fn no_such_family() -> VfsError {
    let message = "S3 keeps attributes of the family user alone";
    VfsError::Unsupported(message.to_owned())
}

fn without_metadata(attributes: &ObjectAttributes) -> ObjectAttributes {
    ObjectAttributes { metadata: Metadata::new(), ..attributes.clone() }
}

/// A directory without a marker is there and has no attributes.
fn absent_marker(bearer: &Bearer, error: VfsError) -> VfsError {
    match error {
        VfsError::Store(error)
            if error.kind == ErrorKind::NotFound && bearer.inode.kind == Kind::Directory =>
        {
            VfsError::NoAttribute
        }
        error => error,
    }
}

fn absent_document(kind: DocumentKind, error: StoreError) -> VfsError {
    if error.kind == ErrorKind::NotFound && error.code == kind.row().missing_code {
        VfsError::NoAttribute
    } else {
        error.into()
    }
}
