//! Walk: when to read a tree ahead of a program that goes through it, and how one listing of all
//! keys becomes the listings of its directories.
//!
//! Everything here is pure. Asking is `ops::dir::walk`'s business.

use crate::store::types::{ListedObject, ObjectPage};
use crate::vfs::namespace::directory::listed::Stamp;

/// Directories of one parent that are listed in order before those behind them are read ahead.
pub const LISTED_MIN: u32 = 3;

/// How often that doubles.
const IN_VAIN_MAX: u32 = 16;

/// With more names than this on average, directories are not read by the keys of all.
pub const NAMES_A_DIRECTORY_MAX: usize = 250;

/// Names of one directory, or of all that were read ahead and not asked for, about 250 bytes
/// each, beyond which reading ahead is given up.
pub const NAMES_AHEAD_MAX: usize = 20_000;

/// How a program goes through the subdirectories of one directory.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    last: String,
    in_order: u32,
    measured: usize,
    names: usize,
    in_vain: u32,
}

impl Pace {
    /// A listing of this subdirectory begins. Whether those behind it are to be read with it.
    pub fn begins(&mut self, prefix: &str) -> bool {
        let is_behind = *prefix > *self.last;
        self.in_order = if is_behind { self.in_order + 1 } else { 1 };
        prefix.clone_into(&mut self.last);
        plan_walk(self.in_order >> self.in_vain, self.measured, self.names)
    }

    /// Whether reading ahead was never in vain here, so that it may be tried before any of them was
    /// listed.
    #[must_use]
    pub fn may_peek(&self) -> bool {
        self.in_vain == 0
    }

    /// What was read ahead did not have what was wanted: next time twice as many are to be listed
    /// before.
    pub fn was_in_vain(&mut self) {
        self.in_order = 0;
        self.in_vain = (self.in_vain + 1).min(IN_VAIN_MAX);
    }

    /// A listing of a subdirectory told so many names.
    pub fn told(&mut self, names: usize) {
        self.measured += 1;
        self.names += names;
    }
}

/// Whether to read ahead by the keys of all directories: so many were listed in order, and those
/// that were measured had so many names in all.
#[must_use]
pub fn plan_walk(in_order: u32, measured: usize, names: usize) -> bool {
    let are_small = measured > 0 && names <= NAMES_A_DIRECTORY_MAX * measured;
    in_order > LISTED_MIN && are_small
}

/// The whole listing of one directory.
#[derive(Clone, Debug)]
pub struct Complete {
    pub prefix: String,
    pub page: ObjectPage,
    /// Of its subdirectories those without a marker: they have no attributes to be asked for.
    pub unmarked: Vec<String>,
    /// When the oldest of its keys was asked for.
    pub asked: Stamp,
}

impl Complete {
    /// Names and marker.
    #[must_use]
    pub fn count(&self) -> usize {
        self.page.objects.len() + self.page.prefixes.len()
    }
}

/// Keys on their way to being listings of directories.
#[derive(Debug)]
pub struct Splitter {
    base: String,
    /// Each inside the one before.
    open: Vec<Complete>,
    /// Of the subdirectories of `base` those without a marker.
    unmarked: Vec<String>,
}

impl Splitter {
    /// Of directories below `base`, which is itself none of them.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), open: Vec::new(), unmarked: Vec::new() }
    }

    /// Of the subdirectories of the base those that came up since this was asked last, complete or
    /// not, and have no marker.
    pub fn take_unmarked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unmarked)
    }

    /// The directories that are complete after one page more, in S3's order of what is in them.
    /// `None` where the page is not in order, or a directory has too many names.
    pub fn page(&mut self, page: ObjectPage, asked: Stamp) -> Option<Vec<Complete>> {
        let is_last = page.next.is_none();
        if !page.objects.is_sorted_by(|left, right| left.key < right.key) {
            return None;
        }
        for open in &mut self.open {
            open.asked = open.asked.older(asked);
        }
        let mut complete = Vec::new();
        for object in page.objects {
            self.close_before(&object.key, &mut complete);
            self.add(object, asked);
        }
        if is_last {
            complete.extend(self.open.drain(..).rev());
        }
        let is_small = self.open.iter().all(|open| open.count() <= NAMES_AHEAD_MAX);
        is_small.then_some(complete)
    }

    fn close_before(&mut self, key: &str, complete: &mut Vec<Complete>) {
        while let Some(open) = self.open.pop_if(|open| !key.starts_with(&open.prefix)) {
            complete.push(open);
        }
    }

    fn add(&mut self, object: ListedObject, asked: Stamp) {
        let inside = self.open.last().map_or(self.base.len(), |open| open.prefix.len());
        let slashes = object.key.match_indices('/').map(|(at, _)| at);
        for at in slashes.filter(|at| *at >= inside) {
            let prefix = object.key[..=at].to_owned();
            // In S3's order a marker comes before all that is below it.
            let is_marked = object.key == prefix;
            let unmarked = match self.open.last_mut() {
                Some(parent) => {
                    parent.page.prefixes.push(prefix.clone());
                    &mut parent.unmarked
                }
                None => &mut self.unmarked,
            };
            if !is_marked {
                unmarked.push(prefix.clone());
            }
            let (page, unmarked) = (ObjectPage::default(), Vec::new());
            self.open.push(Complete { prefix, page, unmarked, asked });
        }
        if let Some(open) = self.open.last_mut() {
            open.page.objects.push(object);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::store::types::ETag;

    fn page(keys: &[&str], is_last: bool) -> ObjectPage {
        let object = |key: &&str| ListedObject {
            key: (*key).to_owned(),
            size: 1,
            etag: ETag::new("e"),
            last_modified: SystemTime::UNIX_EPOCH,
            storage_class: None,
            restore: None,
        };
        let objects = keys.iter().map(object).collect();
        let next = (!is_last).then(String::new);
        ObjectPage { objects, prefixes: Vec::new(), next }
    }

    fn spell(complete: &[Complete]) -> Vec<String> {
        let spell = |each: &Complete| {
            let objects = each.page.objects.iter().map(|object| object.key.clone());
            let names: Vec<_> = objects.chain(each.page.prefixes.iter().cloned()).collect();
            format!("{}: {}", each.prefix, names.join(" "))
        };
        complete.iter().map(spell).collect()
    }

    #[test]
    fn keys_become_the_listings_of_their_directories() {
        let mut splitter = Splitter::new("p/");
        let first = splitter
            .page(page(&["p/a/1", "p/a/2", "p/b-", "p/b/", "p/b/c/1"], false), Stamp::default());
        assert_eq!(spell(&first.unwrap()), ["p/a/: p/a/1 p/a/2"]);
        let second = splitter.page(page(&["p/b/c/2", "p/b/d", "p/e//f"], true), Stamp::default());
        let expected =
            ["p/b/c/: p/b/c/1 p/b/c/2", "p/b/: p/b/ p/b/d p/b/c/", "p/e//: p/e//f", "p/e/: p/e//"];
        assert_eq!(spell(&second.unwrap()), expected);
    }

    #[test]
    fn directories_without_a_marker_are_told_as_soon_as_they_come_up() {
        let mut splitter = Splitter::new("p/");
        let keys = ["p/a/", "p/a/1", "p/b/1", "p/b/c/", "p/b/d/e/1", "p/f/g"];
        let complete = splitter.page(page(&keys, false), Stamp::default()).unwrap();
        assert_eq!(splitter.take_unmarked(), ["p/b/", "p/f/"]);
        assert_eq!(splitter.take_unmarked(), [""; 0]);
        let of = |prefix: &str| complete.iter().find(|each| each.prefix == prefix).unwrap();
        assert_eq!(of("p/b/").unmarked, ["p/b/d/"]);
        assert_eq!(of("p/b/d/").unmarked, ["p/b/d/e/"]);
        assert_eq!(of("p/a/").unmarked, [""; 0]);
    }

    #[test]
    fn a_directory_is_as_old_as_its_oldest_page() {
        let asked = |secs| Stamp { at: Duration::from_secs(secs), upheavals: 0 };
        let mut splitter = Splitter::new("");
        splitter.page(page(&["a/1"], false), asked(9)).unwrap();
        splitter.page(page(&["a/2"], false), asked(5)).unwrap();
        let complete = splitter.page(page(&["a/3", "b/1"], true), asked(7)).unwrap();
        assert_eq!(complete[0].asked, asked(5));
        assert_eq!(complete[1].asked, asked(7));
    }

    #[test]
    fn keys_out_of_order_become_nothing() {
        assert!(Splitter::new("").page(page(&["b/1", "a/1"], true), Stamp::default()).is_none());
    }

    #[test]
    fn small_directories_listed_in_order_are_read_ahead() {
        let mut pace = Pace::default();
        let mut is_walk = |prefix: &str| {
            let is_walk = pace.begins(prefix);
            pace.told(100);
            is_walk
        };
        let walked: Vec<_> = ["a/", "b/", "c/", "d/", "e/", "b/", "c/"].map(&mut is_walk).into();
        assert_eq!(walked, [false, false, false, true, true, false, false]);
    }

    #[test]
    fn after_reading_ahead_in_vain_more_is_to_be_seen_first() {
        let mut pace = Pace::default();
        pace.told(100);
        pace.was_in_vain();
        let walked = ('a'..='i').position(|name| pace.begins(&format!("{name}/")));
        assert_eq!(walked, Some(2 * LISTED_MIN as usize + 1));
    }

    #[test]
    fn nothing_is_tried_beforehand_where_it_was_in_vain() {
        let mut pace = Pace::default();
        assert!(pace.may_peek());
        pace.was_in_vain();
        assert!(!pace.may_peek());
    }

    #[test]
    fn large_directories_are_not_read_by_all_their_keys() {
        assert!(plan_walk(LISTED_MIN + 1, 3, 3 * NAMES_A_DIRECTORY_MAX));
        assert!(!plan_walk(LISTED_MIN + 1, 3, 3 * NAMES_A_DIRECTORY_MAX + 1));
        assert!(!plan_walk(LISTED_MIN + 1, 0, 0));
    }
}
