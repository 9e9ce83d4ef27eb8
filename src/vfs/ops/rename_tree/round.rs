//! A round: keys that are copied together, then removed together, or undone.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{
    Conditions, DeleteObject, ETag, HeadObject, ListObjects, ListedObject, ObjectAttributes,
    ObjectIdentifier, Payload, WriteOptions,
};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::Facts;
use crate::vfs::namespace::names::DirPrefix;
use crate::vfs::ops::recover::is_copy_of;
use crate::vfs::ops::rename_tree::{REQUESTS_MAX, Run, rest_of};
use crate::vfs::types::ObjectRef;
use crate::vfs::write::copy::{Copied, copy_object};
use crate::vfs::write::upload::Target;

/// S3's limit for one batch delete.
const DELETE_KEYS_MAX: usize = 1000;

/// A key that was copied, or tried to be.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What follows the prefix.
    pub(super) rest: String,
    /// The copy; `None` where it failed, and may be there all the same.
    pub(super) object: Option<ObjectRef>,
    /// The version that was copied.
    source: Option<ETag>,
}

impl Run<'_> {
    /// Copies what a page tells, except what is being written.
    pub(super) async fn copy(&mut self, objects: Vec<ListedObject>) -> VfsResult<()> {
        let below = &self.source.below;
        let rests = objects.iter().map(|object| rest_of(&object.key, below).to_owned());
        let at_rest = rests.filter(|rest| !self.written.contains(rest)).collect();
        self.copy_keys(at_rest).await
    }

    /// Copies, several at once; after a failure nothing more is begun, and nothing is left under
    /// way.
    pub(super) async fn copy_keys(&mut self, rests: Vec<String>) -> VfsResult<()> {
        let vfs = self.vfs;
        let mut waiting = rests.into_iter();
        let mut under_way = FuturesUnordered::new();
        let mut failure = None;
        loop {
            while failure.is_none() && under_way.len() < REQUESTS_MAX {
                let Some(rest) = waiting.next() else { break };
                let (from, to) = (self.source.target(&rest), self.target.target(&rest));
                under_way.push(async move { (rest, vfs.copy_if_there(&from, &to).await) });
            }
            let Some((rest, copied)) = under_way.next().await else { break };
            match copied {
                Ok(Some(Copied { object, source, .. })) => {
                    self.copied += 1;
                    let (object, source) = (Some(object), Some(source));
                    self.round.push(Attempt { rest, object, source });
                }
                // Somebody else has removed it.
                Ok(None) => {}
                Err(error) => {
                    self.round.push(Attempt { rest, object: None, source: None });
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Removes all that was copied under its old name.
    pub(super) async fn remove_round(&mut self) -> VfsResult<()> {
        self.point_readers();
        // Some servers keep a directory whose marker went before what was in it.
        self.round.sort_unstable_by(|one, other| other.rest.cmp(&one.rest));
        let source = self.source;
        let key = |attempt: &Attempt| source.target(&attempt.rest).key;
        let keys: Vec<Arc<str>> = self.round.iter().map(key).collect();
        let removals = self.vfs.remove_keys(&source.below.bucket, &keys).await;
        let mut failure = None;
        for (attempt, removal) in std::mem::take(&mut self.round).into_iter().zip(removals) {
            match removal {
                Ok(()) => self.note_removed(attempt),
                Err(error) => {
                    failure.get_or_insert(error);
                    self.round.push(attempt);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn note_removed(&mut self, attempt: Attempt) {
        self.removed += 1;
        let old = self.source.target(&attempt.rest);
        if let (Some(object), Some(etag)) = (&attempt.object, attempt.source) {
            let (bucket, key, size) = (old.bucket.clone(), old.key.clone(), object.size);
            self.vfs.reader.keep_moved(&ObjectRef { bucket, key, etag, size }, object);
        }
        self.vfs.reader.forget(&old.bucket, &old.key);
        if let Some(object) = attempt.object.filter(|_| self.written.contains(&attempt.rest)) {
            self.moved_written.insert(attempt.rest, object);
        }
    }

    /// Who has a file open reads its copy from now on.
    fn point_readers(&self) {
        for (open, rest) in self.vfs.open_below(&self.source.below) {
            let attempt = self.round.iter().find(|attempt| attempt.rest == rest);
            let Some(Attempt { object: Some(object), source: Some(source), .. }) = attempt else {
                continue;
            };
            open.inode.renew_pages(source, &object.etag);
            self.note_object(&open, object.clone());
        }
    }

    /// Removes the copies again. True if all is as before.
    pub(super) async fn undo(&mut self) -> bool {
        let this = &*self;
        let mut waiting = this.round.iter();
        let mut under_way = FuturesUnordered::new();
        let mut is_undone = true;
        loop {
            while under_way.len() < REQUESTS_MAX {
                let Some(attempt) = waiting.next() else { break };
                under_way.push(this.undo_one(attempt));
            }
            match under_way.next().await {
                Some(one) => is_undone &= one.is_ok_and(|undone| undone),
                None => return is_undone,
            }
        }
    }

    /// A copy is removed only while its source is seen to be there.
    async fn undo_one(&self, attempt: &Attempt) -> VfsResult<bool> {
        let (old, new) = (self.source.target(&attempt.rest), self.target.target(&attempt.rest));
        let there = self.vfs.head(&old.bucket, &old.key).await?;
        if let Some(source) = &there {
            self.point_back(&attempt.rest, &old, &self.vfs.facts_of(source));
        }
        if self.replaces && attempt.rest.is_empty() {
            return Ok(there.is_some());
        }
        let Some(copy) = self.vfs.head(&new.bucket, &new.key).await? else { return Ok(true) };
        let Some(source) = there else { return Ok(false) };
        let is_ours = match &attempt.object {
            Some(object) => object.etag == copy.etag,
            None => {
                let (source, copy) = (self.vfs.facts_of(&source), self.vfs.facts_of(&copy));
                is_copy_of(&source, &copy, self.began())
            }
        };
        if is_ours {
            self.vfs.remove_version(&new, Conditions::matching(copy.etag)).await?;
        }
        Ok(true)
    }

    /// Who has a file open reads it under its old name again.
    fn point_back(&self, rest: &str, old: &Target, facts: &Facts) {
        let open = self.vfs.open_below(&self.source.below);
        for (open, _) in open.into_iter().filter(|(_, open_rest)| open_rest == rest) {
            let (committed, _) = open.committed();
            if committed.is_some_and(|object| object.key != old.key) {
                let (bucket, key) = (old.bucket.clone(), old.key.clone());
                let (etag, size) = (facts.etag.clone(), facts.size);
                self.note_object(&open, ObjectRef { bucket, key, etag, size });
            }
        }
    }
}

impl Vfs {
    /// Copies an object, also a marker where the server copies only what has bytes.
    pub(crate) async fn copy_entry(
        &self,
        from: &Target,
        to: &Target,
        conditions: Conditions,
    ) -> StoreResult<Copied> {
        let keep =
            |attributes: &mut ObjectAttributes, modified| self.keep_time(attributes, modified);
        let error = match copy_object(&self.multiparts, from, to, conditions.clone(), keep).await {
            Ok(copied) => return Ok(copied),
            Err(error) => error,
        };
        if error.kind != ErrorKind::NotFound || !from.key.ends_with('/') {
            return Err(error);
        }
        let options = HeadObject::default();
        let head = self.store.head_object(&from.bucket, &from.key, options).await?;
        if head.size > 0 {
            return Err(error);
        }
        let attributes = head.attributes.clone();
        let options = WriteOptions { attributes, conditions, ..WriteOptions::default() };
        let put = self.store.put_object(&to.bucket, &to.key, Payload::empty(), options).await?;
        let (bucket, key) = (to.bucket.clone(), to.key.clone());
        let object = ObjectRef { bucket, key, etag: put.etag, size: 0 };
        Ok(Copied { object, source: head.etag.clone(), head, is_told: true })
    }

    /// Copies an object; `None` where it is no longer there.
    async fn copy_if_there(&self, from: &Target, to: &Target) -> VfsResult<Option<Copied>> {
        let error = match self.copy_entry(from, to, Conditions::default()).await {
            Ok(copied) => return Ok(Some(copied)),
            Err(error) => error,
        };
        // What is missing may also be the bucket that it was to go to.
        if error.kind == ErrorKind::NotFound && self.head(&from.bucket, &from.key).await?.is_none()
        {
            return Ok(None);
        }
        Err(error.into())
    }

    /// Removes keys; one answer for each.
    pub(crate) async fn remove_keys(&self, bucket: &str, keys: &[Arc<str>]) -> Vec<VfsResult<()>> {
        let mut removals = Vec::with_capacity(keys.len());
        for batch in keys.chunks(DELETE_KEYS_MAX) {
            let name = |key: &Arc<str>| ObjectIdentifier { key: key.to_string(), version: None };
            let objects = batch.iter().map(name).collect();
            match self.store.delete_objects(bucket, objects).await {
                Ok(answers) => {
                    removals.extend(answers.into_iter().map(|answer| Ok(answer.map(drop)?)));
                }
                Err(error) => removals.extend(self.look_at_removed(bucket, batch, &error).await),
            }
        }
        removals
    }

    /// What became of a batch whose answer did not come.
    async fn look_at_removed(
        &self,
        bucket: &str,
        keys: &[Arc<str>],
        error: &StoreError,
    ) -> Vec<VfsResult<()>> {
        let mut removals = Vec::with_capacity(keys.len());
        for keys in keys.chunks(REQUESTS_MAX) {
            let heads = keys.iter().map(|key| self.head(bucket, key));
            for head in futures_util::future::join_all(heads).await {
                removals.push(match head {
                    Ok(None) => Ok(()),
                    Ok(Some(_)) => Err(VfsError::from(error.clone())),
                    Err(error) => Err(error),
                });
            }
        }
        removals
    }

    pub(crate) async fn remove_version(
        &self,
        at: &Target,
        conditions: Conditions,
    ) -> VfsResult<()> {
        let delete = |conditions| {
            let options = DeleteObject { conditions, ..DeleteObject::default() };
            self.store.delete_object(&at.bucket, &at.key, options)
        };
        match delete(conditions).await {
            // A server without conditions on deletes; it was looked at just now.
            Err(error) if error.kind == ErrorKind::Unsupported => {
                delete(Conditions::default()).await?;
            }
            deleted => {
                deleted?;
            }
        }
        Ok(())
    }

    /// Whether anything is in a directory beside the subdirectory that leaves.
    pub(crate) async fn has_beside(
        &self,
        bucket: &str,
        prefix: &DirPrefix,
        leaving: &DirPrefix,
    ) -> VfsResult<bool> {
        let options = ListObjects {
            prefix: prefix.as_str().to_owned(),
            delimiter: Some("/".to_owned()),
            keys_max: Some(2),
            ..ListObjects::default()
        };
        let page = self.store.list_objects(bucket, options).await?;
        let leaving = leaving.as_str();
        Ok(!page.objects.is_empty() || page.prefixes.iter().any(|prefix| prefix != leaving))
    }
}
