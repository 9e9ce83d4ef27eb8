//! Spans: ranges of one object that do not overlap, each with a value.
//!
//! Pure. Finds what covers an offset and how far the free space around it reaches.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges in order, none empty, none overlapping another.
#[derive(Debug)]
pub struct Spans<T> {
    by_start: BTreeMap<u64, Span<T>>,
}

#[derive(Debug)]
struct Span<T> {
    end: u64,
    value: T,
}

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self { by_start: BTreeMap::new() }
    }
}

impl<T> Spans<T> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// The range that covers `offset`.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<(Range<u64>, &T)> {
        let (&start, span) = self.by_start.range(..=offset).next_back()?;
        (offset < span.end).then_some((start..span.end, &span.value))
    }

    /// The free space around `offset`, which no range may cover; ends at `u64::MAX` behind the
    /// last range.
    #[must_use]
    pub fn free_around(&self, offset: u64) -> Range<u64> {
        let before = self.by_start.range(..=offset).next_back();
        let behind = self.by_start.range(offset..).next();
        before.map_or(0, |(_, span)| span.end)..behind.map_or(u64::MAX, |(&start, _)| start)
    }

    /// Whether nothing covers any byte of `range`.
    #[must_use]
    pub fn is_free(&self, range: &Range<u64>) -> bool {
        let last = self.by_start.range(..range.end).next_back();
        last.is_none_or(|(_, span)| span.end <= range.start)
    }

    /// Adds a range where [`Spans::is_free`] holds.
    pub fn insert(&mut self, range: Range<u64>, value: T) {
        debug_assert!(self.is_free(&range), "ranges of one object do not overlap");
        self.by_start.insert(range.start, Span { end: range.end, value });
    }

    /// Takes out the range that starts at `start`.
    pub fn remove(&mut self, start: u64) -> Option<T> {
        self.by_start.remove(&start).map(|span| span.value)
    }

    /// All ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.by_start.iter().map(|(&start, span)| start..span.end)
    }
}

#[cfg(test)]
mod tests {
    use crate::vfs::cache::spans::Spans;

    fn spans() -> Spans<char> {
        let mut spans = Spans::default();
        spans.insert(10..20, 'a');
        spans.insert(20..25, 'b');
        spans.insert(40..50, 'c');
        spans
    }

    #[test]
    fn an_offset_is_covered_from_the_first_byte_to_the_last() {
        let spans = spans();
        assert_eq!(spans.at(9), None);
        assert_eq!(spans.at(10), Some((10..20, &'a')));
        assert_eq!(spans.at(19), Some((10..20, &'a')));
        assert_eq!(spans.at(20), Some((20..25, &'b')));
        assert_eq!(spans.at(25), None);
    }

    #[test]
    fn free_space_reaches_to_the_neighbours() {
        let spans = spans();
        assert_eq!(spans.free_around(3), 0..10);
        assert_eq!(spans.free_around(25), 25..40);
        assert_eq!(spans.free_around(50), 50..u64::MAX);
    }

    #[test]
    fn a_range_is_free_only_if_all_of_it_is() {
        let spans = spans();
        assert!(spans.is_free(&(25..40)) && spans.is_free(&(0..10)));
        assert!(!spans.is_free(&(0..11)) && !spans.is_free(&(24..26)));
        assert!(!spans.is_free(&(12..14)) && !spans.is_free(&(0..100)));
    }

    #[test]
    fn what_is_removed_is_free() {
        let mut spans = spans();
        assert_eq!(spans.remove(20), Some('b'));
        assert_eq!(spans.free_around(22), 20..40);
        assert_eq!(spans.ranges().collect::<Vec<_>>(), [10..20, 40..50]);
    }
}
