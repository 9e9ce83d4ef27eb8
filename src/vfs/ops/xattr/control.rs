//! What this mount alone knows of a file, and what it can be told to do about it.

use std::sync::Arc;

use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{Facts, Known};
use crate::vfs::namespace::inode::{Below, Inode, Location, Place};
use crate::vfs::ops::attr::marker_of;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::xattr::{At, Bearer};
use crate::vfs::types::{Ino, Kind, ObjectRef};
use crate::vfs::write::draft::{Progress, Urgency};
use crate::vfs::write::upload::Target;
use crate::vfs::xattr::table::Id;

impl Vfs {
    pub(super) async fn control(&self, bearer: &Bearer, id: Id) -> VfsResult<String> {
        let open = self.handles.find(bearer.inode.ino);
        match id {
            Id::State => Ok(open.map_or_else(|| "clean".to_owned(), |open| state(&open))),
            _ => self.cached(bearer, open.as_deref()).await,
        }
    }

    /// Bytes of a file that are here: those of its version in S3, and those that it lacks.
    async fn cached(&self, bearer: &Bearer, open: Option<&OpenFile>) -> VfsResult<String> {
        let At::File(Target { bucket, key }) = bearer.at.clone() else {
            return Err(VfsError::NoAttribute);
        };
        let cached = match self.facts(&bearer.inode).await?.0 {
            Known::File(Facts { etag, size, .. }) => {
                self.reader.cached_bytes(&ObjectRef { bucket, key, etag, size })
            }
            Known::Absent | Known::Directory(_) => 0,
        };
        let held = match open.and_then(OpenFile::draft) {
            Some(draft) => draft.local_bytes().await,
            None => 0,
        };
        Ok((cached + held).to_string())
    }

    /// Returns when everything written to a file, or below a directory, is in S3.
    pub(super) async fn sync(&self, bearer: &Bearer) -> VfsResult<()> {
        let mut synced = Ok(());
        for open in self.handles.all() {
            if is_within(&bearer.inode, &open.inode) {
                synced = synced.and(self.commit(&open, Urgency::Always).await);
            }
        }
        match bearer.inode.kind {
            Kind::Directory => synced.and(self.removed_within(&bearer.inode).await),
            _ => synced,
        }
    }

    /// Forgets what S3 said and what it sent, of a thing and of all that is below it. What this
    /// mount has written and S3 lacks stays.
    pub(super) fn refresh(&self, bearer: &Bearer) {
        let inode = &bearer.inode;
        let place = inode.place();
        // What was read ahead is of before.
        self.inodes.note_loss();
        if let Ok(parent) = self.inodes.get(place.parent) {
            parent.names().distrust(&place.name);
        }
        if inode.ino == Ino::ROOT && marker_of(inode).is_some() {
            inode.forget_posix();
        }
        for inode in self.inodes.all().iter().filter(|each| is_within(inode, each)) {
            inode.names().distrust_all();
            let place = inode.place();
            if let Location::File { bucket, key } = &place.location {
                self.reader.forget(bucket, key);
            }
            self.tell_kernel(inode, &place);
        }
    }

    /// A directory keeps its name: who stands in it would stand nowhere.
    fn tell_kernel(&self, inode: &Inode, place: &Place) {
        let Some(kernel) = self.kernel.get() else { return };
        kernel.forget(inode.ino);
        if inode.kind == Kind::Directory {
            let absent = inode.names().absent();
            absent.iter().for_each(|name| kernel.forget_name(inode.ino, name));
        } else {
            kernel.forget_name(place.parent, &place.name);
        }
    }
}

/// Whether the second is the first, or below it.
fn is_within(inode: &Arc<Inode>, other: &Arc<Inode>) -> bool {
    if inode.ino == other.ino {
        return true;
    }
    match inode.place().location {
        Location::Account => true,
        Location::Directory { bucket, prefix } => {
            let below = Below { bucket, prefix };
            other.place().location.is_below(&below)
        }
        Location::File { .. } => false,
    }
}

fn state(open: &OpenFile) -> String {
    if let Some(failure) = open.failure() {
        return format!("failed {failure}");
    }
    let Some(draft) = open.draft() else { return "clean".to_owned() };
    match draft.progress() {
        Progress::Clean => "clean".to_owned(),
        Progress::Dirty { bytes } => format!("dirty {bytes}"),
        Progress::Uploading { done } => format!("uploading {done}/{}", draft.bytes()),
    }
}
