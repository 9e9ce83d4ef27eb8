//! Asks: whether a program goes through a directory name by name.
//!
//! Where the names of a large directory expire together, each would be asked for by itself,
//! though one page of a listing tells a thousand.

use std::time::Duration;

/// From so many names on that were asked for one by one, a page is asked for instead.
pub const ASKS_MIN: u32 = 8;

/// Asks further apart than this have nothing to do with one another.
pub const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The names of one directory that were asked for one by one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asks {
    count: u32,
    last_at: Option<Duration>,
}

impl Asks {
    /// A name is asked for. Whether so many were before, without a pause, that more will follow.
    pub fn note(&mut self, now: Duration) -> bool {
        let follows = self.last_at.is_some_and(|last| now.saturating_sub(last) <= PAUSE_MAX);
        self.count = if follows { self.count.saturating_add(1) } else { 1 };
        self.last_at = Some(now);
        self.count > ASKS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_asks_without_a_pause_are_a_walk() {
        let mut asks = Asks::default();
        let walked = (1..=20).map(|n| asks.note(Duration::from_millis(n * 15)));
        let walked = walked.filter(|is_walked| *is_walked).count();
        assert_eq!(walked, 20 - ASKS_MIN as usize);
    }

    #[test]
    fn asks_now_and_then_are_none() {
        let mut asks = Asks::default();
        assert!((1..=100).all(|n| !asks.note(PAUSE_MAX * 2 * n)));
    }
}
