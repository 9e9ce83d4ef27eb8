//! Asking for what a listing does not tell: owner, mode, times and kind of its names.
//!
//! They stand in the metadata of each object, so they are asked for only where a program wants them, and
//! then for the names that come next as well; what a listing leaves uncertain, whether a short
//! object is a file or a symbolic link, is asked before the name is told. Where they are kept is
//! `namespace::directory`'s decision, how they are spelt `namespace::posix`'s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::store::types::ObjectHead;
use crate::vfs::Vfs;
use crate::vfs::cache::attributes::Remembered;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::archive::is_archived;
use crate::vfs::namespace::directory::claims::Claim;
use crate::vfs::namespace::directory::{Asked, DirectoryFacts, Facts, Known};
use crate::vfs::namespace::habit::Wanted;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::Item;
use crate::vfs::namespace::names::Named;
use crate::vfs::namespace::posix::{self, Posix};
use crate::vfs::ops::lookup::{Found, Meaning, meaning};

/// Requests for attributes that a program has under way ahead of it; as many again where it has come
/// half as far.
const ATTRIBUTE_REQUESTS_MAX: usize = 128;

/// What was modified less than this before it was asked for may change again without another
/// `LastModified`, which has whole seconds.
pub(crate) const SETTLING: Duration = Duration::from_secs(2);

/// Gives claimed names back, also where whoever asks for them gives up.
struct Claimed<'a> {
    directory: &'a Inode,
    names: Vec<Arc<str>>,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.directory.names().disclaim(&self.names);
        self.directory.attributes_arrived.notify_waiters();
    }
}

impl Vfs {
    /// Adds what a listing did not tell.
    pub(crate) async fn with_attributes(
        &self,
        directory: &Inode,
        found: Found,
    ) -> VfsResult<Found> {
        let ahead = directory.names().claim_ahead(&found.name, self.now(), self.ttl());
        self.ask_behind(directory, ahead);
        if found.known.is_whole() {
            return Ok(found);
        }
        loop {
            let arrived = directory.attributes_arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let claim = directory.names().claim(&found.name, self.now(), self.ttl());
            match claim {
                Claim::Known(known, ttl) => return Ok(Found { known, ttl, ..found }),
                Claim::Asked => arrived.await,
                Claim::Ask { ahead } => {
                    self.ask_behind(directory, ahead);
                    let name = vec![Arc::clone(&found.name)];
                    let asked = self.ask_attributes(directory, name, Wanted::Now).await;
                    let first = asked.into_iter().next();
                    let (_, known) = first.ok_or(VfsError::NotFound)?;
                    // What this mount has done to the name meanwhile is newer than the answer.
                    let now = directory.names().find(&found.name, self.now(), self.ttl());
                    let whole = now.filter(|(known, _)| known.is_whole());
                    let (known, ttl) = match whole {
                        Some(whole) => whole,
                        None => (known?, Duration::ZERO),
                    };
                    return Ok(Found { known, ttl, ..found });
                }
                Claim::Unknown => {
                    let (known, ttl) = self.ask(directory, &found.name, &found.named).await?;
                    return Ok(Found { known, ttl, ..found });
                }
            }
        }
    }

    /// Asks for the attributes of claimed names behind the program's back, which has leave to look.
    fn ask_behind(&self, directory: &Inode, names: Vec<Arc<str>>) {
        if names.is_empty() {
            return;
        }
        let (me, inode) = (self.me.clone(), self.inodes.directory(directory.ino));
        let (Some(vfs), Ok(inode)) = (me.upgrade(), inode) else {
            directory.names().disclaim(&names);
            return directory.attributes_arrived.notify_waiters();
        };
        let pass = self.moves.look_beside(&inode);
        drop(tokio::spawn(async move {
            let _pass = pass;
            vfs.ask_attributes(&inode, names, Wanted::Next).await
        }));
    }

    /// Finishes the names of a page: what was remembered elsewhere, then what is uncertain is
    /// asked.
    pub(crate) async fn settle(&self, directory: &Inode, mut items: Vec<Item>) -> Vec<Item> {
        self.recall(directory, &mut items).await;
        let uncertain = items.iter().filter(|(_, known)| match known {
            Known::File(facts) => facts.is_uncertain(),
            Known::Absent | Known::Directory(_) => false,
        });
        let uncertain: Vec<_> = uncertain.map(|(name, _)| Arc::clone(name)).collect();
        if uncertain.is_empty() {
            return items;
        }
        let asked = self.ask_attributes(directory, uncertain, Wanted::Next).await;
        let mut asked: HashMap<_, _> = asked.into_iter().collect();
        for (name, known) in &mut items {
            // Where it failed, the listing has told that it is there; who wants more meets the
            // failure.
            if let Some(Ok(now_known)) = asked.remove(name) {
                *known = now_known;
            }
        }
        items.retain(|(_, known)| *known != Known::Absent);
        items
    }

    /// What a listing told, as all there is to know where metadata don't count.
    pub(crate) fn without_asking(&self, mut items: Vec<Item>) -> Vec<Item> {
        if !self.asks() {
            items.iter_mut().for_each(|(_, known)| *known = without_metadata(known));
        }
        items
    }

    /// Asks for the attributes of names that were told by a listing. The answers are learnt, and
    /// in the order in which they came.
    async fn ask_attributes(
        &self,
        directory: &Inode,
        names: Vec<Arc<str>>,
        first: Wanted,
    ) -> Vec<(Arc<str>, VfsResult<Known>)> {
        let claimed = Claimed { directory, names };
        let asking =
            claimed.names.clone().into_iter().enumerate().map(|(index, name)| async move {
                let wanted = if index == 0 { first } else { Wanted::Next };
                let asked = directory.names().stamp(self.now());
                let known = self.ask_attributes_of(directory, &name, wanted).await;
                let mut names = directory.names();
                if let Ok(known) = &known {
                    names.learn_since(&name, known.clone(), asked);
                }
                names.disclaim(std::slice::from_ref(&name));
                drop(names);
                directory.attributes_arrived.notify_waiters();
                (name, known)
            });
        let asking = stream::iter(asking).buffer_unordered(ATTRIBUTE_REQUESTS_MAX);
        let asked: Vec<_> = asking.collect().await;
        self.remember(directory, &asked);
        asked
    }

    async fn ask_attributes_of(
        &self,
        directory: &Inode,
        name: &Arc<str>,
        wanted: Wanted,
    ) -> VfsResult<Known> {
        let was = directory.names().last_known(name).cloned();
        let named = meaning(directory, name.as_bytes())?;
        if matches!(was, Some(Known::Directory(_))) {
            let (bucket, prefix) = named.directory(name).ok_or(VfsError::NotFound)?;
            return self.ask_marker(&bucket, &prefix).await;
        }
        let (bucket, key) = named.file().ok_or(VfsError::NotFound)?;
        let head = self.look(directory, (&bucket, &key), was.as_ref(), wanted).await?;
        Ok(self.known_file(head))
    }

    /// What a HEAD says of an object.
    pub(crate) fn facts_of(&self, head: &ObjectHead) -> Facts {
        Facts {
            etag: head.etag.clone(),
            size: head.size,
            last_modified: head.last_modified,
            posix: self.asked(head),
            is_archived: is_archived(
                head.attributes.storage_class.as_deref(),
                head.restore,
                head.archive_status.as_deref(),
            ),
        }
    }

    /// What a HEAD of its marker says of a directory.
    pub(crate) fn directory_facts(&self, marker: &ObjectHead) -> DirectoryFacts {
        DirectoryFacts { made_at: Some(marker.last_modified), posix: self.asked(marker) }
    }

    /// A directory without a marker, or one that can't have any.
    pub(crate) fn unmarked(&self) -> DirectoryFacts {
        DirectoryFacts { made_at: None, posix: Asked::Settled(Arc::default()) }
    }

    fn asked(&self, head: &ObjectHead) -> Asked {
        if !self.asks() {
            return Asked::Settled(Arc::default());
        }
        let posix = Arc::new(posix::read(&head.attributes.metadata));
        let age = self.clock.wall().duration_since(head.last_modified).unwrap_or_default();
        if age >= SETTLING { Asked::Settled(posix) } else { Asked::Fresh(posix) }
    }

    /// Adds what is remembered on disk.
    async fn recall(&self, directory: &Inode, items: &mut [Item]) {
        let Some(attributes) = &self.attributes else { return };
        let Location::Directory { bucket, .. } = directory.place().location else { return };
        let mut wanted = Vec::new();
        for (index, (name, known)) in items.iter().enumerate() {
            if let Known::File(facts) = known
                && facts.posix == Asked::NotYet
                && let Some(key) = key_of(directory, name)
            {
                wanted.push((index, key, facts.clone()));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let attributes = Arc::clone(attributes);
        let looked_up = tokio::task::spawn_blocking(move || {
            let versions: Vec<_> = wanted
                .iter()
                .map(|(_, key, facts)| (&**key, &facts.etag, facts.last_modified))
                .collect();
            let found = attributes.find(&bucket, &versions);
            (wanted, found)
        });
        // A look-up that panicked has said so itself; the attributes are asked for then.
        let Ok((wanted, found)) = looked_up.await else { return };
        let mut names = directory.names();
        for ((index, _, facts), posix) in wanted.into_iter().zip(found) {
            let Some(posix) = posix.map(Arc::new) else { continue };
            names.recall(&items[index].0, &facts, Arc::clone(&posix));
            items[index].1 = Known::File(Facts { posix: Asked::Settled(posix), ..facts });
        }
    }

    /// Remembers on disk what was asked, as far as it can't change unnoticed.
    fn remember(&self, directory: &Inode, asked: &[(Arc<str>, VfsResult<Known>)]) {
        let Some(attributes) = &self.attributes else { return };
        let Location::Directory { bucket, .. } = directory.place().location else { return };
        let remembered = asked.iter().filter_map(|(name, known)| {
            let Ok(Known::File(facts)) = known else { return None };
            let Asked::Settled(posix) = &facts.posix else { return None };
            Some(Remembered {
                key: key_of(directory, name)?.to_string(),
                etag: facts.etag.clone(),
                last_modified: facts.last_modified,
                asked_at: self.clock.wall(),
                posix: Posix::clone(posix),
            })
        });
        attributes.remember(&bucket, remembered.collect());
    }
}

fn key_of(directory: &Inode, name: &Arc<str>) -> Option<Arc<str>> {
    match meaning(directory, name.as_bytes()).ok()? {
        Meaning::Key { named: Named::Plain { key, .. } | Named::FileOnly { key }, .. } => {
            Some(Arc::from(key.as_str()))
        }
        Meaning::Key { named: Named::DirOnly { .. }, .. } | Meaning::Bucket => None,
    }
}

fn without_metadata(known: &Known) -> Known {
    let posix = Asked::Settled(Arc::default());
    match known.clone() {
        Known::Absent => Known::Absent,
        Known::File(facts) => Known::File(Facts { posix, ..facts }),
        Known::Directory(facts) => Known::Directory(DirectoryFacts { posix, ..facts }),
    }
}
