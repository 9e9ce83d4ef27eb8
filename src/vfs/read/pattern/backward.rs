//! Backward: the places at which a handle is read from its end to its beginning.
//!
//! Pure. A program that reads a block, then the one before it, comes here as runs: a read of up to
//! a megabyte is one request, a longer one several, upwards, the kernel's threads swapping neighbours.
//! Every run that ends where the last one began is a fall. Requests of a forward scan that were
//! swapped look the same for a moment, so it takes more falls than requests are ever swapped until
//! a descent is a scan.

use std::ops::Range;

use crate::vfs::read::pattern::{
    KEPT_BEHIND_BYTES, Pattern, REORDERED_REQUESTS_MAX, RUN_BYTES_MAX, SCANS_MAX, is_within_a_page,
    reordered_bytes,
};

/// So many falls make a scan: one more than requests in order can show.
const FALLS_MIN: u64 = REORDERED_REQUESTS_MAX + 1;

/// The scans of one handle that go down, and what may become one.
#[derive(Debug, Default)]
pub struct Descents {
    /// The one that was read last is last.
    descents: Vec<Descent>,
}

/// One place at which a handle is read down and down.
#[derive(Debug)]
pub struct Descent {
    /// Of the latest run.
    run: Range<u64>,
    /// Where the run before it began: all from here on up was read. Nowhere before the first fall.
    ceiling: u64,
    /// How long the run before it was.
    run_bytes: u64,
    /// Where it stood before the read that was observed last.
    passed: u64,
    falls: u64,
    streak_bytes: u64,
    /// All from here on was read or is fetched ahead.
    pub ahead_from: u64,
    /// All from here on was left behind, and need not be kept for this scan.
    pub left_from: u64,
}

impl Descents {
    /// Takes note of a read that belongs to a scan; says whether it did.
    pub fn go_on(&mut self, asked: &Range<u64>) -> bool {
        let taking = |descent: &Descent| descent.is_scan() && descent.takes(asked);
        let Some(index) = self.descents.iter().rposition(taking) else { return false };
        self.renew(index).go_on(asked);
        true
    }

    /// Takes note of a read that belongs to no scan that goes down; `advanced` is whether one that
    /// goes forward came further by it. Says whether that makes a scan of a descent.
    pub fn consider(&mut self, asked: &Range<u64>, advanced: bool) -> bool {
        let rising = |descent: &Descent| !descent.is_scan() && descent.rises_to(asked);
        if let Some(index) = self.descents.iter().rposition(rising) {
            self.rise(index, asked);
            return false;
        }
        if advanced {
            return false;
        }
        let falling = |descent: &Descent| !descent.is_scan() && descent.falls_to(asked);
        let Some(index) = self.descents.iter().rposition(falling) else {
            self.begin(asked);
            return false;
        };
        let descent = self.renew(index);
        descent.fall(asked);
        descent.is_scan()
    }

    /// The one that was read last; there is one after a read that belongs to one.
    pub fn latest(&mut self) -> &mut Descent {
        let last = self.descents.len() - 1;
        &mut self.descents[last]
    }

    /// How many of the descents are scans.
    #[must_use]
    pub fn scans(&self) -> u64 {
        self.descents.iter().filter(|descent| descent.is_scan()).count() as u64
    }

    /// What each scan has not left behind, down to where it was fetched ahead.
    pub fn held(&self) -> impl Iterator<Item = Range<u64>> {
        let scans = self.descents.iter().filter(|descent| descent.is_scan());
        scans.map(|descent| descent.ahead_from.min(descent.run.start)..descent.left_from)
    }

    /// A run that gets too long is no step of a descent.
    fn rise(&mut self, index: usize, asked: &Range<u64>) {
        let descent = self.renew(index);
        descent.rise(asked);
        if descent.run.end - descent.run.start > RUN_BYTES_MAX {
            self.descents.pop();
        }
    }

    fn begin(&mut self, asked: &Range<u64>) {
        if self.descents.len() == SCANS_MAX {
            let candidate = self.descents.iter().position(|descent| !descent.is_scan());
            self.descents.remove(candidate.unwrap_or(0));
        }
        self.descents.push(Descent {
            run: asked.clone(),
            ceiling: u64::MAX,
            run_bytes: 0,
            passed: asked.start,
            falls: 0,
            streak_bytes: asked.end - asked.start,
            ahead_from: asked.start,
            left_from: asked.end,
        });
    }

    fn renew(&mut self, index: usize) -> &mut Descent {
        self.descents[index..].rotate_left(1);
        self.latest()
    }
}

impl Descent {
    /// How the read that was observed last fits in.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        match self.is_scan() {
            true => Pattern::Backward { streak_bytes: self.streak_bytes },
            false => Pattern::Random,
        }
    }

    /// What it has read and not left behind.
    #[must_use]
    pub fn read(&self) -> Range<u64> {
        self.run.start..self.left_from
    }

    /// Whether the read that was observed last reached a byte for the first time that had been
    /// fetched ahead.
    #[must_use]
    pub fn expects(&self, offset: u64) -> bool {
        (self.ahead_from..self.passed).contains(&offset)
    }

    /// What the scan has left behind since [`Descent::left_from`] was set, in whole blocks.
    #[must_use]
    pub fn left_behind(&self, block_bytes: u64) -> Range<u64> {
        let kept_until = self.ceiling.min(self.left_from).saturating_add(KEPT_BEHIND_BYTES);
        let from = kept_until.next_multiple_of(block_bytes);
        from.min(self.left_from)..self.left_from
    }

    fn is_scan(&self) -> bool {
        self.falls >= FALLS_MIN
    }

    /// Whether a read is part of the latest run, or goes on behind it.
    fn rises_to(&self, asked: &Range<u64>) -> bool {
        let near = self.run.end.saturating_add(reordered_bytes(asked));
        (self.run.start..=near).contains(&asked.start)
    }

    /// Whether a read begins a run just below the latest one: it ends where that began, or has
    /// the length of it still to go.
    fn falls_to(&self, asked: &Range<u64>) -> bool {
        let run_bytes = self.run.end - self.run.start;
        let end_of_run = asked.start.saturating_add(run_bytes);
        asked.start < self.run.start
            && (is_within_a_page(asked.end, self.run.start)
                || is_within_a_page(end_of_run, self.run.start))
    }

    /// Whether a read belongs to the scan: within what it goes through now, or not far below.
    fn takes(&self, asked: &Range<u64>) -> bool {
        let near = reordered_bytes(asked).max(self.run_bytes);
        asked.end.saturating_add(near) >= self.run.start
            && asked.end <= self.ceiling.saturating_add(near)
    }

    fn go_on(&mut self, asked: &Range<u64>) {
        if asked.start < self.run.start {
            self.fall(asked);
        } else {
            self.passed = self.run.start;
            if self.run.contains(&asked.start) || asked.start == self.run.end {
                self.run.end = self.run.end.max(asked.end.min(self.ceiling));
            }
        }
    }

    fn fall(&mut self, asked: &Range<u64>) {
        self.passed = self.run.start;
        self.streak_bytes += self.run.start - asked.start;
        self.run_bytes = self.run.end - self.run.start;
        self.ceiling = self.run.start;
        self.run = asked.start..asked.end.min(self.ceiling);
        self.falls += 1;
        if self.falls == FALLS_MIN {
            self.ahead_from = self.run.start;
        }
    }

    /// Reading on where it began to go down is not going down.
    fn rise(&mut self, asked: &Range<u64>) {
        self.run.end = self.run.end.max(asked.end);
        if self.run.end > self.ceiling {
            self.falls = 0;
            self.ceiling = u64::MAX;
        }
        if self.falls == 0 {
            self.left_from = self.run.end;
            self.streak_bytes = self.run.end - self.run.start;
        }
    }
}

#[cfg(test)]
mod tests;
