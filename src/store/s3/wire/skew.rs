//! Skew: by how much S3's clock is before the machine's, as far as refusals have told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// What the clock is corrected by.
#[derive(Debug, Default)]
pub(super) struct Skew {
    seconds: AtomicI64,
}

/// The time, as S3 sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corrected {
    pub(super) time: SystemTime,
    /// What had to be added for that.
    seconds: i64,
}

impl Skew {
    pub(super) fn correct(&self, now: SystemTime) -> Corrected {
        let seconds = self.seconds.load(Ordering::Relaxed);
        let by = Duration::from_secs(seconds.unsigned_abs());
        Corrected { time: if seconds < 0 { now - by } else { now + by }, seconds }
    }

    /// S3 is so many seconds before a time that was corrected. Counts once for all requests that were
    /// signed with the same correction.
    pub(super) fn differs(&self, from: Corrected, seconds: i64) {
        let now = from.seconds.saturating_add(seconds);
        let order = Ordering::Relaxed;
        self.seconds.compare_exchange(from.seconds, now, order, order).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_refused_together_correct_the_clock_once() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let skew = Skew::default();
        let (one, other) = (skew.correct(now), skew.correct(now));
        skew.differs(one, 3600);
        skew.differs(other, 3601);
        let corrected = skew.correct(now);
        assert_eq!(corrected.time, now + Duration::from_secs(3600));
        skew.differs(corrected, -4000);
        assert_eq!(skew.correct(now).time, now - Duration::from_secs(400));
    }
}
