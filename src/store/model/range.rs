//! Ranges: which bytes of an object a `Range` header means.

use crate::store::error::StoreResult;
use crate::store::model::refusal;
use crate::store::types::Range;

/// The offsets that `range` means in an object of `size` bytes, clipped to its end.
///
/// Fails with `InvalidRange` where no byte is left, which is always so in an empty object.
pub(super) fn resolve(range: Option<Range>, size: u64) -> StoreResult<std::ops::Range<u64>> {
    let resolved = match range {
        None => return Ok(0..size),
        Some(Range::Span { start, end }) => start..end.min(size),
        Some(Range::From { start }) => start..size,
        Some(Range::Last { bytes }) => size.saturating_sub(bytes)..size,
    };
    if resolved.is_empty() { Err(refusal::invalid_range()) } else { Ok(resolved) }
}

/// The offsets that `range` means in the source of a part copy, which must lie wholly inside.
pub(super) fn resolve_source(range: Option<Range>, size: u64) -> StoreResult<std::ops::Range<u64>> {
    match range {
        Some(Range::Span { start, end }) if start >= end || end > size => {
            let message = format!("Range specified is not valid for source object of size: {size}");
            Err(refusal::invalid_argument(message))
        }
        _ => resolve(range, size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: Range, size: u64, expected: Option<(u64, u64)>) {
        let resolved = resolve(Some(range), size).ok();
        assert_eq!(resolved.map(|range| (range.start, range.end)), expected);
    }

    #[test]
    fn ranges_are_clipped_to_the_object() {
        check(Range::Span { start: 2, end: 4 }, 10, Some((2, 4)));
        check(Range::Span { start: 2, end: 99 }, 10, Some((2, 10)));
        check(Range::From { start: 9 }, 10, Some((9, 10)));
        check(Range::Last { bytes: 3 }, 10, Some((7, 10)));
        check(Range::Last { bytes: 30 }, 10, Some((0, 10)));
        assert_eq!(resolve(None, 0).ok(), Some(0..0));
    }

    #[test]
    fn a_range_without_bytes_is_invalid() {
        check(Range::Span { start: 10, end: 11 }, 10, None);
        check(Range::From { start: 10 }, 10, None);
        check(Range::Last { bytes: 0 }, 10, None);
        for range in [Range::From { start: 0 }, Range::Last { bytes: 1 }] {
            assert_eq!(resolve(Some(range), 0).unwrap_err().code, "InvalidRange");
        }
    }

    #[test]
    fn the_source_of_a_part_must_hold_the_whole_range() {
        assert_eq!(resolve_source(Some(Range::Span { start: 2, end: 10 }), 10).ok(), Some(2..10));
        let error = resolve_source(Some(Range::Span { start: 2, end: 11 }), 10).unwrap_err();
        assert_eq!(error.code, "InvalidArgument");
        assert_eq!(resolve_source(None, 10).ok(), Some(0..10));
    }
}
