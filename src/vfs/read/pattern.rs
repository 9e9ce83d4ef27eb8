//! Patterns: whether a handle is being scanned, in which direction, or read here and there.
//!
//! Pure. A read is told to belong to a scan that goes on forward, to one that goes down, to reads at
//! equal distances, or to none. Each kind is found by a module of its own; here is decided which
//! one has a say. Those that are found go before those that may yet be: a read that a backward
//! scan or a stride foresaw is not taken for the beginning of something else.
//! What to fetch for a pattern is `plan`'s business.

pub mod backward;
pub mod forward;
pub mod strided;

use std::ops::Range;

use crate::vfs::read::pattern::backward::{Descent, Descents};
use crate::vfs::read::pattern::forward::{Stream, Streams};
use crate::vfs::read::pattern::strided::Stride;

/// So many scans of one direction are told apart in a handle; the one that rested longest makes
/// room.
const SCANS_MAX: usize = 8;

/// The kernel hands requests to several threads, which swap neighbours now and then: a read this
/// many requests away from where a scan stands is still in order.
const REORDERED_REQUESTS_MAX: u64 = 4;

/// How far back a scan may look without being another one.
const BACKWARD_BYTES_MAX: u64 = 1 << 20;

/// So much behind where it stands a scan may still be asked for.
const KEPT_BEHIND_BYTES: u64 = 2 << 20;

/// A read longer than the kernel's requests comes as a run of them, upwards. A longer run is a scan
/// of its own.
const RUN_BYTES_MAX: u64 = 4 << 20;

/// The kernel reads whole pages: what a program does to the byte is seen to a page.
const PAGE_BYTES: u64 = 4 << 10;

/// How a read fits in with those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pattern {
    Random,
    /// Part of a scan that has read so many bytes in order.
    Sequential {
        streak_bytes: u64,
    },
    /// Part of a scan that goes down and has read so many bytes.
    Backward {
        streak_bytes: u64,
    },
    /// The latest of so many reads at equal distances, of up to so many bytes each.
    Strided {
        steps: u64,
        bytes: u64,
    },
}

/// How one handle has been read.
#[derive(Debug, Default)]
pub struct Patterns {
    streams: Streams,
    descents: Descents,
    stride: Stride,
}

/// What a read belongs to.
#[derive(Debug)]
pub enum Scan<'a> {
    /// Also where it is none: a stream is a scan from its second read on.
    Forward(&'a mut Stream),
    Backward(&'a mut Descent),
    Strided(&'a mut Stride),
}

impl Patterns {
    /// Takes note of a read, and gives what it belongs to.
    pub fn observe(&mut self, asked: &Range<u64>) -> Scan<'_> {
        if self.stride.goes_on(asked) {
            return Scan::Strided(&mut self.stride);
        }
        if self.descents.go_on(asked) {
            return Scan::Backward(self.descents.latest());
        }
        let stream = self.streams.observe(asked);
        let (is_random, advanced) = (stream.pattern() == Pattern::Random, stream.has_advanced());
        if self.descents.consider(asked, advanced) {
            let descent = self.descents.latest();
            // What it began with may have looked like scans forward: they would share the window.
            descent.left_from = self.streams.end_within(&descent.read());
            return Scan::Backward(descent);
        }
        if self.stride.consider(asked, is_random) {
            return Scan::Strided(&mut self.stride);
        }
        Scan::Forward(self.streams.latest())
    }

    /// How many scans there are.
    #[must_use]
    pub fn scans(&self) -> u64 {
        self.streams.scans() + self.descents.scans() + u64::from(self.stride.is_found())
    }

    /// What the scans have not left behind, up or down to where it was fetched ahead.
    pub fn held(&self) -> impl Iterator<Item = Range<u64>> {
        self.streams.held().chain(self.descents.held())
    }
}

impl Scan<'_> {
    /// How the read that was observed last fits in.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        match self {
            Self::Forward(stream) => stream.pattern(),
            Self::Backward(descent) => descent.pattern(),
            Self::Strided(stride) => stride.pattern(),
        }
    }

    /// Whether the read that was observed last reached a byte for the first time that had been
    /// fetched ahead.
    #[must_use]
    pub fn expects(&self, range: &Range<u64>) -> bool {
        match self {
            Self::Forward(stream) => stream.expects(range.start),
            Self::Backward(descent) => descent.expects(range.start),
            Self::Strided(stride) => stride.expects(range),
        }
    }

    /// What was fetched ahead is no longer there: it is to be looked for anew, from `asked` on.
    pub fn lose_ahead(&mut self, asked: &Range<u64>) {
        match self {
            Self::Forward(stream) => stream.ahead_until = asked.end,
            Self::Backward(descent) => descent.ahead_from = asked.start,
            Self::Strided(stride) => stride.ahead_steps = 0,
        }
    }

    /// Takes note that what is within `stretch` is here or coming, up to `until`: all of it, but
    /// where there is no memory.
    pub fn have_ahead(&mut self, stretch: &Range<u64>, until: u64) {
        let is_whole = until >= stretch.end;
        match self {
            Self::Forward(stream) => stream.ahead_until = until,
            Self::Backward(descent) if is_whole => descent.ahead_from = stretch.start,
            Self::Strided(stride) if is_whole => stride.ahead_steps += 1,
            Self::Backward(_) | Self::Strided(_) => {}
        }
    }

    /// What need not be kept for this scan any more and was not told to [`Scan::leave`] yet; the
    /// pieces of a scan end at multiples of `block_bytes`. What is read at equal distances is
    /// kept as other reads here and there are.
    #[must_use]
    pub fn left_behind(&self, block_bytes: u64) -> Range<u64> {
        match self {
            Self::Forward(stream) => stream.left_behind(),
            Self::Backward(descent) => descent.left_behind(block_bytes),
            Self::Strided(_) => 0..0,
        }
    }

    /// Takes note that what is within `left` was given up, up to `until`.
    pub fn leave(&mut self, left: &Range<u64>, until: u64) {
        match self {
            Self::Forward(stream) => stream.left_until = until,
            Self::Backward(descent) => descent.left_from = left.start,
            Self::Strided(_) => {}
        }
    }
}

fn reordered_bytes(asked: &Range<u64>) -> u64 {
    (asked.end - asked.start).saturating_mul(REORDERED_REQUESTS_MAX)
}

/// Whether two offsets are one to a program that does not read whole pages.
fn is_within_a_page(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= PAGE_BYTES
}

#[cfg(test)]
mod tests;
