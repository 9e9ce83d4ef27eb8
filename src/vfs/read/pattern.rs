//! Patterns: whether a handle is being scanned or read here and there.
//!
//! Pure. A handle may be scanned at several places at once, and read at random in between: each
//! scan is a stream of its own, and a read that belongs to none neither ends nor feeds one.
//! What to fetch for a pattern is `plan`'s business.

use std::ops::Range;

/// So many scans of one handle are told apart; the one that rested longest makes room.
const STREAMS_MAX: usize = 8;

/// The kernel hands requests to several threads, which swap neighbours now and then: a read this
/// many requests away from where a stream stands is still in order.
const REORDERED_REQUESTS_MAX: u64 = 4;

/// How far back a scan may look without being another one.
const BACKWARD_BYTES_MAX: u64 = 1 << 20;

/// How far forward a scan may jump; one that has not come that far yet may jump less.
const FORWARD_BYTES_MAX: u64 = 16 << 20;

/// So much behind its head a scan may still be asked for.
const KEPT_BEHIND_BYTES: u64 = 2 << 20;

/// How a read fits in with those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pattern {
    Random,
    /// Part of a scan that has read so many bytes in order.
    Sequential {
        streak_bytes: u64,
    },
}

/// The scans of one handle.
#[derive(Debug, Default)]
pub struct Streams {
    /// The one that was read last is last.
    streams: Vec<Stream>,
}

/// One place at which a handle is read on and on.
#[derive(Debug)]
pub struct Stream {
    /// Behind the last byte that was read.
    head: u64,
    /// Where it stood before the read that was observed last.
    passed: u64,
    streak_bytes: u64,
    scanning: bool,
    /// All before this was read or is fetched ahead.
    pub ahead_until: u64,
    /// All before this was left behind, and need not be kept for this scan.
    pub left_until: u64,
}

impl Streams {
    /// Takes note of a read, and gives the stream it belongs to.
    pub fn observe(&mut self, asked: &Range<u64>) -> &mut Stream {
        let nearest = (0..self.streams.len())
            .filter(|&index| self.streams[index].takes(asked))
            .min_by_key(|&index| self.streams[index].head.abs_diff(asked.start));
        let stream = match nearest {
            Some(index) => {
                let mut stream = self.streams.remove(index);
                stream.advance(asked);
                stream
            }
            None => self.begin(asked),
        };
        let last = self.streams.len();
        self.streams.push(stream);
        &mut self.streams[last]
    }

    /// How many of the streams are scans.
    #[must_use]
    pub fn scans(&self) -> u64 {
        self.streams.iter().filter(|stream| stream.scanning).count() as u64
    }

    /// What each scan has not left behind, up to where it was fetched ahead.
    pub fn held(&self) -> impl Iterator<Item = Range<u64>> {
        let scans = self.streams.iter().filter(|stream| stream.scanning);
        scans.map(|stream| stream.left_until..stream.ahead_until.max(stream.head))
    }

    fn begin(&mut self, asked: &Range<u64>) -> Stream {
        // Whoever opens a file and reads its beginning mostly goes on.
        let scanning = self.streams.is_empty() && asked.start == 0;
        if self.streams.len() == STREAMS_MAX {
            self.streams.remove(0);
        }
        let streak_bytes = asked.end - asked.start;
        let start = asked.start;
        Stream {
            head: asked.end,
            passed: start,
            streak_bytes,
            scanning,
            ahead_until: start,
            left_until: start,
        }
    }
}

impl Stream {
    /// How the read that was observed last fits in.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        match self.scanning {
            true => Pattern::Sequential { streak_bytes: self.streak_bytes },
            false => Pattern::Random,
        }
    }

    /// What the scan has left behind since [`Stream::left_until`] was set; empty for a stream
    /// that is no scan.
    #[must_use]
    pub fn left_behind(&self) -> Range<u64> {
        let until = self.head.saturating_sub(KEPT_BEHIND_BYTES);
        match self.scanning {
            true => self.left_until..until.max(self.left_until),
            false => self.left_until..self.left_until,
        }
    }

    /// Whether the read that was observed last reached a byte for the first time that had been
    /// fetched ahead.
    #[must_use]
    pub fn expects(&self, offset: u64) -> bool {
        (self.passed..self.ahead_until).contains(&offset)
    }

    fn takes(&self, asked: &Range<u64>) -> bool {
        let reordered = reordered_bytes(asked);
        let forward = self.streak_bytes.min(FORWARD_BYTES_MAX).max(reordered);
        let backward = self.streak_bytes.min(BACKWARD_BYTES_MAX).max(reordered);
        let nearby = self.head.saturating_sub(backward)..=self.head.saturating_add(forward);
        nearby.contains(&asked.start)
    }

    /// What a scan skips counts against it, so that one that mostly jumps ends.
    fn advance(&mut self, asked: &Range<u64>) {
        let skipped_bytes = asked.start.saturating_sub(self.head);
        let kept_bytes =
            self.streak_bytes.saturating_sub(skipped_bytes.saturating_sub(reordered_bytes(asked)));
        let new_bytes = asked.end.saturating_sub(asked.start.max(self.head));
        self.scanning = kept_bytes > 0 && (self.scanning || new_bytes > 0);
        self.streak_bytes = kept_bytes + new_bytes;
        self.passed = self.head;
        self.head = self.head.max(asked.end);
    }
}

fn reordered_bytes(asked: &Range<u64>) -> u64 {
    (asked.end - asked.start).saturating_mul(REORDERED_REQUESTS_MAX)
}

#[cfg(test)]
mod tests;
