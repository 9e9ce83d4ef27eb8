//! Strided: reads of one handle at equal distances, such as those of one column of a table.
//!
//! Pure. Chance makes two distances equal now and then, but not three in a row: so many are
//! evidence, and one read elsewhere ends it. Short distances are a forward scan's business, which reads
//! through. The kernel reads whole pages: distances that a program keeps to the byte differ by a page
//! here, so what is to come is foreseen by their mean.

use std::ops::Range;

use crate::vfs::read::pattern::{PAGE_BYTES, Pattern, RUN_BYTES_MAX, is_within_a_page};

/// So many equal distances in a row are no chance.
const STEPS_MIN: u64 = 3;

/// The latest reads of one handle that belong to no scan.
#[derive(Debug, Default)]
pub struct Stride {
    /// Of the latest step: a long read comes as several requests.
    run: Range<u64>,
    /// Whether it had been fetched ahead.
    expected: bool,
    /// Where the steps began.
    first: u64,
    /// Equal distances in a row.
    steps: u64,
    /// Of the longest step.
    bytes: u64,
    /// Whether the distances differ by pages.
    is_uneven: bool,
    /// So many steps to come are fetched ahead.
    pub ahead_steps: u64,
}

impl Stride {
    /// Takes note of a read that was foreseen; says whether it was.
    pub fn goes_on(&mut self, asked: &Range<u64>) -> bool {
        if !self.is_found() {
            return false;
        }
        if self.is_within_step(asked) {
            self.run.end = self.run.end.max(asked.end);
            return true;
        }
        let is_next = self.is_next(asked);
        if is_next {
            self.step(asked);
        }
        is_next
    }

    /// Takes note of a read that was not foreseen; `is_random` is whether it belongs to no scan
    /// besides. Says whether the evidence is there by it.
    pub fn consider(&mut self, asked: &Range<u64>, is_random: bool) -> bool {
        if !self.run.is_empty() && asked.start == self.run.end {
            // Once steps are foreseen, one that gets longer is none.
            if self.is_found() {
                self.steps = 0;
            }
            self.run.end = asked.end;
            self.bytes = self.bytes.max(self.run.end - self.run.start);
            return false;
        }
        if !is_random {
            return false;
        }
        if self.steps > 0 && self.is_next(asked) {
            self.step(asked);
        } else {
            self.restart(asked);
        }
        self.is_found()
    }

    /// How the read that was observed last fits in.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        match self.is_found() {
            true => Pattern::Strided { steps: self.steps, bytes: self.bytes },
            false => Pattern::Random,
        }
    }

    /// Whether there is evidence.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.steps >= STEPS_MIN && self.bytes <= RUN_BYTES_MAX
    }

    /// Whether the latest step had been fetched ahead, and with it bytes of this range.
    #[must_use]
    pub fn expects(&self, range: &Range<u64>) -> bool {
        self.expected && range.start < self.run.end && self.run.start < range.end
    }

    /// What the step will read that comes so many steps behind the latest; `None` if that would be
    /// before the beginning.
    #[must_use]
    pub fn foreseen(&self, steps: u64) -> Option<Range<u64>> {
        let start = self.start_of(steps)?;
        // The mean is off by up to a page over all steps it was taken of, and so is each step.
        let slack = match self.is_uneven {
            true => PAGE_BYTES.saturating_add(PAGE_BYTES.saturating_mul(steps) / self.steps.max(1)),
            false => 0,
        };
        let end = start.saturating_add(self.bytes).saturating_add(slack);
        Some(start.saturating_sub(slack)..end)
    }

    fn start_of(&self, steps: u64) -> Option<u64> {
        let distance = u128::from(self.run.start.abs_diff(self.first)) * u128::from(steps);
        let distance = u64::try_from(distance / u128::from(self.steps.max(1))).ok()?;
        match self.run.start >= self.first {
            true => self.run.start.checked_add(distance),
            false => self.run.start.checked_sub(distance),
        }
    }

    /// No further than steps were long so far: whoever reads on is scanning.
    fn is_within_step(&self, asked: &Range<u64>) -> bool {
        let end = self.run.start.saturating_add(self.bytes);
        self.run.start <= asked.start && asked.start <= self.run.end && asked.end <= end
    }

    fn is_next(&self, asked: &Range<u64>) -> bool {
        self.start_of(1).is_some_and(|start| is_within_a_page(start, asked.start))
    }

    fn step(&mut self, asked: &Range<u64>) {
        self.is_uneven |= self.start_of(1) != Some(asked.start);
        self.expected = self.ahead_steps > 0;
        self.ahead_steps = self.ahead_steps.saturating_sub(1);
        self.steps += 1;
        self.bytes = self.bytes.max(asked.end - asked.start);
        self.run = asked.clone();
    }

    /// The distance to the read before may be the first of others; one that is not longer than
    /// what was read is none.
    fn restart(&mut self, asked: &Range<u64>) {
        let before = self.run.clone();
        let bytes = asked.end - asked.start;
        let longer = bytes.max(before.end - before.start);
        let is_apart = before.start.abs_diff(asked.start) > longer.saturating_add(PAGE_BYTES);
        *self = Self {
            run: asked.clone(),
            expected: false,
            first: before.start,
            steps: u64::from(is_apart && !before.is_empty()),
            bytes,
            is_uneven: false,
            ahead_steps: 0,
        };
    }
}

#[cfg(test)]
mod tests;
