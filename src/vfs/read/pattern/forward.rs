//! Forward: the places at which a handle is read on and on.
//!
//! Pure. A handle may be scanned at several places at once, and read at random in between: each
//! scan is a stream of its own, and a read that belongs to none neither ends nor feeds one.
//! Scans that go down are `backward`'s business.

use std::ops::Range;

use crate::vfs::read::pattern::{
    BACKWARD_BYTES_MAX, KEPT_BEHIND_BYTES, Pattern, SCANS_MAX, reordered_bytes,
};

/// How far forward a scan may jump; one that has not come that far yet may jump less.
const FORWARD_BYTES_MAX: u64 = 16 << 20;

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
        self.streams.push(stream);
        self.latest()
    }

    /// The one that was read last; there is one after the first read.
    pub fn latest(&mut self) -> &mut Stream {
        let last = self.streams.len() - 1;
        &mut self.streams[last]
    }

    /// Ends the scans that stand within `range`; says up to where that, and what they had fetched
    /// ahead, reaches.
    pub fn end_within(&mut self, range: &Range<u64>) -> u64 {
        let mut until = range.end;
        self.streams.retain(|stream| {
            let is_within = range.start < stream.head && stream.head <= range.end;
            if is_within {
                until = until.max(stream.ahead_until);
            }
            !is_within
        });
        until
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
        if self.streams.len() == SCANS_MAX {
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

    /// Whether the scan has come further by the read that was observed last.
    #[must_use]
    pub fn has_advanced(&self) -> bool {
        self.scanning && self.head > self.passed
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

#[cfg(test)]
mod tests;
