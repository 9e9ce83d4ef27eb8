//! Ranges of names of which a page of the listing told all: what is remembered nowhere within one
//! was free when that was asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Ranges that are remembered of a directory. A page is one, so these are those of 16,000 names at most.
const RANGES_MAX: usize = 16;

/// The ranges of one directory, the latest last.
#[derive(Debug, Default)]
pub(super) struct Ranges(VecDeque<Told>);

#[derive(Debug)]
struct Told {
    from: Arc<str>,
    /// The last key of the page; `None`: nothing is behind it.
    last: Option<Box<str>>,
    asked_at: Duration,
}

impl Ranges {
    /// Takes note of a page that was asked for `from` a name on, in place of what is within it.
    pub(super) fn add(&mut self, from: &Arc<str>, last: Option<&str>, asked_at: Duration) {
        let told = Told { from: Arc::clone(from), last: last.map(Box::from), asked_at };
        self.0.retain(|before| !told.has_all_of(before));
        if self.0.len() >= RANGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(told);
    }

    /// When it was asked for last whether this name is free.
    pub(super) fn asked_at(&self, name: &str) -> Option<Duration> {
        self.0.iter().filter(|told| told.has(name)).map(|told| told.asked_at).max()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Told {
    fn has(&self, name: &str) -> bool {
        *self.from <= *name && is_told_by(name, self.last.as_deref()) && !is_escape(name)
    }

    fn has_all_of(&self, other: &Self) -> bool {
        let ends_later = match (&self.last, &other.last) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(last), Some(before)) => last >= before,
        };
        self.from <= other.from && ends_later
    }
}

/// Whether the keys of a name, that of an object and that of a directory, come no later than this;
/// `None`: than any.
pub(super) fn is_told_by(name: &str, last: Option<&str>) -> bool {
    last.is_none_or(|last| name.bytes().chain([b'/']).le(last.bytes()))
}

/// Whether a name may stand for a key that is elsewhere in S3's order.
pub(super) fn is_escape(name: &str) -> bool {
    name.starts_with("@s3.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn ranges(told: &[(&str, Option<&str>, u64)]) -> Ranges {
        let mut ranges = Ranges::default();
        for (from, last, asked_at) in told {
            ranges.add(&Arc::from(*from), *last, at(*asked_at));
        }
        ranges
    }

    #[test]
    fn a_page_tells_names_from_where_it_begins_to_its_last_key() {
        let ranges = ranges(&[("b", Some("d/"), 10)]);
        let told = |name| ranges.asked_at(name).is_some();
        assert!(told("b") && told("c") && told("d"));
        assert!(!told("a") && !told("d0") && !told("e"));
    }

    #[test]
    fn a_name_whose_directory_would_come_later_is_not_told() {
        let ranges = ranges(&[("b", Some("d"), 10)]);
        assert_eq!(ranges.asked_at("d"), None);
        assert_eq!(ranges.asked_at("c"), Some(at(10)));
    }

    #[test]
    fn the_last_page_tells_all_that_is_behind_but_what_is_elsewhere() {
        let ranges = ranges(&[("?", None, 10)]);
        assert_eq!(ranges.asked_at("z"), Some(at(10)));
        assert_eq!(ranges.asked_at("@s3.file=z"), None);
    }

    #[test]
    fn the_latest_page_counts() {
        let ranges = ranges(&[("a", Some("f"), 20), ("b", Some("z"), 30), ("c", Some("h"), 10)]);
        assert_eq!(ranges.asked_at("a"), Some(at(20)));
        assert_eq!(ranges.asked_at("d"), Some(at(30)));
    }

    #[test]
    fn pages_are_bounded_and_take_the_place_of_what_is_within_them() {
        let mut ranges = Ranges::default();
        for index in 0..1000 {
            ranges.add(&Arc::from("a"), Some("b"), at(index));
        }
        assert_eq!(ranges.0.len(), 1);
        for index in 0..1000 {
            let from: Arc<str> = format!("{index:04}").into();
            ranges.add(&from, Some(&format!("{index:04}~")), at(index));
        }
        assert_eq!(ranges.0.len(), RANGES_MAX);
        assert_eq!(ranges.asked_at("0999"), Some(at(999)));
        ranges.add(&Arc::from("0"), None, at(0));
        assert_eq!(ranges.0.len(), 1);
    }
}
