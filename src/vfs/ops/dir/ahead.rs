//! Asking ahead of a program that goes through the names of a directory one by one: a page of its
//! listing in place of a request for each.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::types::{ListObjects, ObjectPage};
use crate::vfs::Vfs;
use crate::vfs::namespace::directory::Known;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::Assembly;
use crate::vfs::ops::lookup::Meaning;

impl Vfs {
    /// Learns a name that is to be asked for anew and what comes behind it, also which of the
    /// names remembered there are gone: one request for a thousand names where a program wants
    /// one after the other. What fails here is met by whoever asks for the name alone.
    pub(crate) async fn list_ahead(&self, directory: &Inode, named: &Meaning) {
        let Location::Directory { prefix, .. } = directory.place().location else { return };
        let Some((bucket, key)) = named.file().filter(|_| !self.ttl().is_zero()) else { return };
        let asked = directory.names().stamp(self.now());
        let options = ListObjects {
            prefix: prefix.as_str().to_owned(),
            delimiter: Some("/".to_owned()),
            start_after: just_before(&key).map(str::to_owned),
            ..ListObjects::default()
        };
        let Ok(page) = self.store.list_objects(&bucket, options).await else { return };
        let last = last_of(&page, prefix.as_str()).filter(|_| page.next.is_some());
        let from = key.strip_prefix(prefix.as_str()).map(Arc::from);
        let items = self.without_asking(Assembly::new(prefix).page(page));
        let told = items.iter().map(|(name, _)| Arc::clone(name)).collect();
        let mut names = directory.names();
        for (name, known) in items {
            // Attributes that are known stay so.
            if names.find(&name, asked.at, self.ttl()).is_none() {
                names.learn_listed(&name, known, asked);
            }
        }
        if let Some(from) = from.filter(|_| self.lists_in_order.load(Ordering::Relaxed)) {
            names.listed_between(&from, last.as_deref(), &told, asked);
        }
    }

    /// Whether so many names of a directory that were there before were asked for one by one
    /// lately that [`Vfs::list_ahead`] is the better question. To be called once for each name
    /// that is to be asked for, before it is.
    pub(crate) fn is_walked(&self, directory: &Inode, name: &str) -> bool {
        let mut names = directory.names();
        let was_there = names.last_known(name).is_some_and(|known| *known != Known::Absent);
        was_there && names.note_ask(self.now())
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
