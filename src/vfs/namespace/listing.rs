//! Listing: how pages of keys become the names of a directory.
//!
//! The one difficulty: an object `a` is shown as `a`, unless there is a directory `a/` too, and
//! in S3's order other keys (`a-b`, `a.txt`) come between the two, perhaps pages of them. So an
//! object is held back until its directory has come or can't come any more.
//!
//! Everything here is pure. Asking for pages is `ops::dir`'s business.

pub mod course;
pub mod space;
pub mod walk;

use std::collections::HashSet;
use std::sync::Arc;

use crate::store::types::{ListedObject, ObjectPage};
use crate::vfs::namespace::archive::is_archived;
use crate::vfs::namespace::directory::{Asked, Facts, Known, Marker};
use crate::vfs::namespace::names::{Beside, DirPrefix, Shown, name_of_object, name_of_prefix};

/// A name, and what stands under it.
pub type Item = (Arc<str>, Known);

/// The pages of one directory on their way to being names.
#[derive(Debug)]
pub struct Assembly {
    dir: DirPrefix,
    held_back: Vec<ListedObject>,
    /// Directories of long names told so far: many keys share one.
    long_told: HashSet<String>,
    marker: Marker,
}

enum Key {
    Object(ListedObject),
    Prefix(String),
}

impl Key {
    fn text(&self) -> &str {
        match self {
            Self::Object(object) => &object.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl Assembly {
    #[must_use]
    pub fn new(dir: DirPrefix) -> Self {
        Self { dir, held_back: Vec::new(), long_told: HashSet::new(), marker: Marker::Absent }
    }

    /// The names that are certain after one page more.
    pub fn page(&mut self, page: ObjectPage) -> Vec<Item> {
        let is_last = page.next.is_none();
        let mut items = Vec::with_capacity(page.objects.len() + page.prefixes.len());
        for key in in_order(page) {
            self.release_before(key.text(), &mut items);
            match key {
                Key::Object(object) => self.object(object, &mut items),
                Key::Prefix(prefix) => self.prefix(&prefix, &mut items),
            }
        }
        if is_last {
            for object in std::mem::take(&mut self.held_back) {
                self.tell_object(&object, Beside::Nothing, &mut items);
            }
        }
        items
    }

    /// Whether names that have come are not certain yet.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Whether the directory's marker has come; final after the last page.
    #[must_use]
    pub fn marker(&self) -> Marker {
        self.marker
    }

    fn object(&mut self, object: ListedObject, items: &mut Vec<Item>) {
        if self.dir.marker_key() != Some(object.key.as_str()) {
            self.held_back.push(object);
            return;
        }
        self.marker = Marker::Present;
        if object.size > 0 {
            self.tell_object(&object, Beside::Nothing, items);
        }
    }

    fn prefix(&mut self, prefix: &str, items: &mut Vec<Item>) {
        let path = prefix.strip_suffix('/').unwrap_or(prefix);
        if let Some(at) = self.held_back.iter().position(|held| held.key == path) {
            let object = self.held_back.remove(at);
            self.tell_object(&object, Beside::Directory, items);
        }
        let shown = name_of_prefix(&self.dir, prefix);
        self.tell(shown, Known::directory(), items);
    }

    /// Tells the objects whose directory would have come before `key`.
    fn release_before(&mut self, key: &str, items: &mut Vec<Item>) {
        let may_come = |held: &ListedObject| {
            key.strip_prefix(held.key.as_str()).is_some_and(|rest| rest <= "/")
        };
        let all = std::mem::take(&mut self.held_back);
        let (held, certain): (Vec<_>, Vec<_>) = all.into_iter().partition(may_come);
        self.held_back = held;
        for object in certain {
            self.tell_object(&object, Beside::Nothing, items);
        }
    }

    fn tell_object(&mut self, object: &ListedObject, beside: Beside, items: &mut Vec<Item>) {
        let facts = Facts {
            etag: object.etag.clone(),
            size: object.size,
            last_modified: object.last_modified,
            posix: Asked::NotYet,
            is_archived: is_archived(object.storage_class.as_deref(), object.restore, None),
        };
        self.tell(name_of_object(&self.dir, &object.key, beside), Known::File(facts), items);
    }

    fn tell(&mut self, shown: Shown<'_>, known: Known, items: &mut Vec<Item>) {
        match shown {
            Shown::As(name) => items.push((Arc::from(name.as_ref()), known)),
            Shown::Inside(name) if !self.long_told.contains(&name) => {
                items.push((Arc::from(name.as_str()), Known::directory()));
                self.long_told.insert(name);
            }
            Shown::Inside(_) | Shown::Elsewhere => {}
        }
    }
}

/// Objects and prefixes of a page together in S3's order, also where a server sends each in an
/// order of its own.
fn in_order(page: ObjectPage) -> Vec<Key> {
    let objects = page.objects.into_iter().map(Key::Object);
    let mut keys: Vec<Key> = objects.chain(page.prefixes.into_iter().map(Key::Prefix)).collect();
    keys.sort_by(|left, right| left.text().cmp(right.text()));
    keys
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::store::types::ETag;

    fn object(key: &str, size: u64) -> ListedObject {
        ListedObject {
            key: key.to_owned(),
            size,
            etag: ETag::new("e"),
            last_modified: SystemTime::UNIX_EPOCH,
            storage_class: None,
            restore: None,
        }
    }

    fn page(objects: &[&str], prefixes: &[&str], next: Option<&str>) -> ObjectPage {
        ObjectPage {
            objects: objects.iter().map(|key| object(key, 1)).collect(),
            prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
            next: next.map(str::to_owned),
        }
    }

    #[track_caller]
    fn check(dir: &str, pages: Vec<ObjectPage>, expected: &[&str]) {
        let mut assembly = Assembly::new(DirPrefix::root(dir));
        let mut names: Vec<String> = pages
            .into_iter()
            .flat_map(|page| assembly.page(page))
            .map(|(name, known)| match known {
                Known::Directory(_) => format!("{name}/"),
                Known::File(_) | Known::Absent => name.to_string(),
            })
            .collect();
        names.sort();
        assert_eq!(names, expected);
    }

    #[test]
    fn objects_and_prefixes_become_files_and_directories() {
        check("d/", vec![page(&["d/a", "d/b"], &["d/c/"], None)], &["a", "b", "c/"]);
    }

    #[test]
    fn an_object_beside_its_directory_gives_way() {
        check("", vec![page(&["a", "a-b"], &["a/"], None)], &["@s3.file=a", "a-b", "a/"]);
    }

    #[test]
    fn an_object_gives_way_to_a_directory_that_comes_pages_later() {
        let pages = vec![
            page(&["a", "a!"], &[], Some("1")),
            page(&["a-", "a."], &[], Some("2")),
            page(&["b"], &["a/"], None),
        ];
        check("", pages, &["@s3.file=a", "a!", "a-", "a.", "a/", "b"]);
    }

    #[test]
    fn an_object_is_told_as_soon_as_its_directory_can_not_come_any_more() {
        let mut assembly = Assembly::new(DirPrefix::root(""));
        let told = assembly.page(page(&["a", "b"], &[], Some("1")));
        assert_eq!(told.len(), 1);
        assert_eq!(&*told[0].0, "a");
    }

    #[test]
    fn an_empty_marker_is_noted_and_not_shown() {
        let mut assembly = Assembly::new(DirPrefix::root("d/"));
        let marker = ObjectPage { objects: vec![object("d/", 0)], ..ObjectPage::default() };
        assert!(assembly.page(marker).is_empty());
        assert_eq!(assembly.marker(), Marker::Present);
    }

    #[test]
    fn a_marker_with_bytes_is_shown() {
        check("d/", vec![page(&["d/"], &[], None)], &["@s3.file="]);
    }

    #[test]
    fn many_long_keys_share_one_directory_of_their_first_piece() {
        let long = "x".repeat(300);
        let keys = [format!("{long}1"), format!("{long}2")];
        let first = format!("@s3.long={}/", "x".repeat(246));
        check("", vec![page(&[&keys[0], &keys[1]], &[], None)], &[&first]);
    }

    #[test]
    fn an_empty_component_is_a_directory() {
        check("a/", vec![page(&[], &["a//"], None)], &["@s3.name=/"]);
    }
}
