//! Asking ahead of a program that goes through the names of a directory one by one: a page of its
//! listing in place of a request for each.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::error::StoreResult;
use crate::store::types::{ListObjects, ObjectPage};
use crate::vfs::Vfs;
use crate::vfs::namespace::directory::asks::Question;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::Assembly;
use crate::vfs::namespace::names::DirPrefix;
use crate::vfs::ops::lookup::Meaning;

impl Vfs {
    /// Learns a name that is to be asked for by listing, where that answers more than asking for it
    /// alone. What fails here is met by whoever asks for the name alone.
    pub(crate) async fn ask_ahead(&self, directory: &Inode, name: &Arc<str>, named: &Meaning) {
        let Location::Directory { prefix, .. } = directory.place().location else { return };
        let Some((bucket, key)) = named.file().filter(|_| !self.ttl().is_zero()) else { return };
        let question = match self.is_being_emptied(directory) {
            true => Question::Behind,
            false => directory.names().question(name, self.now()),
        };
        if question == Question::Name {
            return;
        }
        let wanted_at = self.now();
        let mut failed_at = directory.listing_ahead.lock().await;
        // What has failed while this waited would only keep it waiting longer.
        let has_failed = failed_at.is_some_and(|failed_at| failed_at >= wanted_at);
        if !has_failed && self.remembered(directory, name, named).is_none() {
            let listed = match question {
                Question::All => self.list_all(directory, &bucket, prefix).await,
                Question::Name | Question::Behind => {
                    self.list_behind(directory, &bucket, prefix, &key).await
                }
            };
            if let Err(error) = listed {
                tracing::debug!(bucket = &*bucket, key = &*key, %error, "not listed ahead");
                *failed_at = Some(self.now());
            }
        }
    }

    /// Learns all names of a directory, where they fit in a page.
    async fn list_all(
        &self,
        directory: &Inode,
        bucket: &str,
        prefix: DirPrefix,
    ) -> StoreResult<()> {
        let (begun, asked) = {
            let names = directory.names();
            (names.begin_listing(self.now()), names.stamp(self.now()))
        };
        let page = self.store.list_objects(bucket, page_of(&prefix, None)).await?;
        let is_all = page.next.is_none();
        let mut assembly = Assembly::new(prefix);
        let items = self.without_asking(assembly.page(page));
        let mut names = directory.names();
        for (name, known) in items {
            names.learn_listed(&name, known, asked);
        }
        if is_all {
            names.listed(begun, assembly.marker());
        }
        drop(names);
        self.note_remembered(directory);
        Ok(())
    }

    /// Learns what is under a key and behind it, also which of the names remembered there are gone:
    /// one request for a thousand names where a program wants one after the other.
    async fn list_behind(
        &self,
        directory: &Inode,
        bucket: &str,
        prefix: DirPrefix,
        key: &str,
    ) -> StoreResult<()> {
        let (begun, asked) = {
            let names = directory.names();
            (names.begin_listing(self.now()), names.stamp(self.now()))
        };
        let page = self.store.list_objects(bucket, page_of(&prefix, just_before(key))).await?;
        let (last, is_end) = (last_of(&page, prefix.as_str()), page.next.is_none());
        let from = key.strip_prefix(prefix.as_str()).map(Arc::from);
        let items = self.without_asking(Assembly::new(prefix).page(page));
        let told = items.iter().map(|(name, _)| Arc::clone(name)).collect();
        let mut names = directory.names();
        for (name, known) in items {
            // Attributes that are known stay so.
            if !names.has_word_on(&name, asked.at, self.ttl()) {
                names.learn_listed(&name, known, asked);
            }
        }
        // A page may have nothing to tell and not be the last.
        let is_told = (is_end || last.is_some()) && self.lists_in_order.load(Ordering::Relaxed);
        if let Some(from) = from.filter(|_| is_told) {
            names.listed_between(&from, last.as_deref().filter(|_| !is_end), &told, begun);
        }
        Ok(())
    }
}

fn page_of(prefix: &DirPrefix, start_after: Option<&str>) -> ListObjects {
    ListObjects {
        prefix: prefix.as_str().to_owned(),
        delimiter: Some("/".to_owned()),
        start_after: start_after.map(str::to_owned),
        ..ListObjects::default()
    }
}

/// The last key of a page, as a name in the directory.
fn last_of(page: &ObjectPage, prefix: &str) -> Option<String> {
    let objects = page.objects.iter().map(|object| object.key.as_str());
    let last = objects.chain(page.prefixes.iter().map(String::as_str)).max()?;
    last.strip_prefix(prefix).map(str::to_owned)
}

/// A key that comes shortly before this in S3's order; `None`: the start.
fn just_before(key: &str) -> Option<&str> {
    let (last, _) = key.char_indices().next_back()?;
    Some(&key[..last]).filter(|before| !before.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_before_the_name_that_is_asked_for() {
        assert_eq!(just_before("d/name"), Some("d/nam"));
        assert_eq!(just_before("é"), None);
    }
}
