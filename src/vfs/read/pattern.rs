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

    fn begin(&mut self, asked: &Range<u64>) -> Stream {
        // Whoever opens a file and reads its beginning mostly goes on.
        let scanning = self.streams.is_empty() && asked.start == 0;
        if self.streams.len() == STREAMS_MAX {
            self.streams.remove(0);
        }
        let streak_bytes = asked.end - asked.start;
        let (passed, ahead_until) = (asked.start, asked.start);
        Stream { head: asked.end, passed, streak_bytes, scanning, ahead_until }
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

    /// Whether the read that was observed last reached a byte for the first time that had been
    /// fetched ahead.
    #[must_use]
    pub fn expects(&self, offset: u64) -> bool {
        (self.passed..self.ahead_until).contains(&offset)
    }

    /// What was fetched ahead is gone before it was read: there was no memory for that much, so
    /// the streak begins anew with the last read.
    pub fn lose_ahead(&mut self) {
        self.streak_bytes = self.streak_bytes.min(self.head - self.passed);
        self.ahead_until = self.head;
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
mod tests {
    use crate::vfs::read::pattern::{Pattern, Streams};

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    fn read(streams: &mut Streams, start: u64, bytes: u64) -> Pattern {
        streams.observe(&(start..start + bytes)).pattern()
    }

    #[track_caller]
    fn check_streak(pattern: Pattern, expected: u64) {
        assert_eq!(pattern, Pattern::Sequential { streak_bytes: expected });
    }

    fn scanned(bytes: u64) -> Streams {
        let mut streams = Streams::default();
        for start in (0..bytes).step_by(128 << 10) {
            read(&mut streams, start, 128 * KIB);
        }
        streams
    }

    #[test]
    fn reading_on_is_a_scan_from_the_second_read() {
        let mut streams = Streams::default();
        assert_eq!(read(&mut streams, 100 * MIB, 4 * KIB), Pattern::Random);
        check_streak(read(&mut streams, 100 * MIB + 4 * KIB, 4 * KIB), 8 * KIB);
    }

    #[test]
    fn the_beginning_of_a_file_begins_a_scan() {
        check_streak(read(&mut Streams::default(), 0, 4 * KIB), 4 * KIB);
    }

    #[test]
    fn swapped_requests_are_in_order() {
        let mut streams = Streams::default();
        for request in [0, 2, 1, 3, 5, 4, 6, 7] {
            let pattern = read(&mut streams, request * MIB, MIB);
            assert_ne!(pattern, Pattern::Random, "{request}");
        }
        assert_eq!(streams.scans(), 1);
    }

    #[test]
    fn reads_here_and_there_are_random() {
        let mut streams = Streams::default();
        for start in [700, 3, 900, 20, 450, 451, 3, 800, 700, 1] {
            assert_eq!(read(&mut streams, start * MIB, 4 * KIB), Pattern::Random, "{start}");
        }
    }

    #[test]
    fn reading_the_same_again_is_no_scan() {
        let mut streams = Streams::default();
        for _ in 0..3 {
            assert_eq!(read(&mut streams, 50 * MIB, 4 * KIB), Pattern::Random);
        }
    }

    #[test]
    fn random_reads_do_not_end_a_scan() {
        let mut streams = scanned(MIB);
        for start in [700, 300, 500] {
            assert_eq!(read(&mut streams, start * MIB, 4 * KIB), Pattern::Random);
        }
        check_streak(read(&mut streams, MIB, 128 * KIB), MIB + 128 * KIB);
    }

    #[test]
    fn several_places_are_scanned_at_once() {
        let mut streams = Streams::default();
        for round in 0..10 {
            for place in 0..6 {
                read(&mut streams, place * 100 * MIB + round * 128 * KIB, 128 * KIB);
            }
        }
        assert_eq!(streams.scans(), 6);
        check_streak(read(&mut streams, 10 * 128 * KIB, 128 * KIB), 11 * 128 * KIB);
    }

    #[test]
    fn a_long_scan_may_jump_and_a_short_one_may_not() {
        let jump = 15 * MIB;
        let mut long = scanned(32 * MIB);
        assert_ne!(read(&mut long, 32 * MIB + jump, 128 * KIB), Pattern::Random);
        let mut short = scanned(MIB);
        assert_eq!(read(&mut short, MIB + jump, 128 * KIB), Pattern::Random);
        let mut back = scanned(32 * MIB);
        assert_ne!(read(&mut back, 31 * MIB, 128 * KIB), Pattern::Random);
        assert_eq!(read(&mut back, 16 * MIB, 128 * KIB), Pattern::Random);
    }

    #[test]
    fn a_scan_that_mostly_jumps_ends() {
        let mut streams = scanned(32 * MIB);
        let mut head = 32 * MIB;
        let ended = (0..20).any(|_| {
            head += 8 * MIB;
            read(&mut streams, head, 4 * KIB) == Pattern::Random
        });
        assert!(ended);
    }

    #[test]
    fn a_scan_that_lost_what_it_fetched_ahead_begins_anew() {
        let mut streams = scanned(32 * MIB);
        let stream = streams.observe(&(32 * MIB..33 * MIB));
        stream.ahead_until = 64 * MIB;
        stream.lose_ahead();
        assert_eq!(stream.ahead_until, 33 * MIB);
        check_streak(stream.pattern(), MIB);
        check_streak(read(&mut streams, 33 * MIB, MIB), 2 * MIB);
    }
}
