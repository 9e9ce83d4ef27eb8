//! Streaks: when a process removes so many names that it need not wait for each.
//!
//! The first removals of a process (of a thread: that is what the kernel names) are done one by
//! one, so that a refusal shows at once. One that goes on removing and makes no name in between
//! (`rm -r`) is in a streak. One that makes files as well may mean something by the moment at
//! which a name goes (a journal that is removed is a commit), so making, renaming and opening to
//! write end its streak. Pure; times are the mount's clock's.

use std::collections::HashMap;
use std::time::Duration;

/// So many removals of a process are acknowledged by S3 one by one before it is in a streak.
pub const ONE_BY_ONE: u32 = 16;

/// A longer pause ends a streak: that of a program which waits for S3 in between is shorter.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);

/// With more processes than this, those whose streak is over are forgotten.
const PROCESSES_MAX: usize = 1024;

/// The process of a request that the kernel could not attribute (`fuse_in_header.pid`).
const NOBODY: u32 = 0;

/// How a name is removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// S3 has done it when the program goes on.
    OneByOne,
    /// The program goes on, and S3 is asked for many at once.
    Behind,
}

/// Successive removals by process.
#[derive(Debug, Default)]
pub struct Streaks {
    by_pid: HashMap<u32, Streak>,
}

#[derive(Clone, Copy, Debug)]
struct Streak {
    removals: u32,
    last: Duration,
}

impl Streak {
    fn goes_on(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) <= PAUSE_MAX
    }
}

impl Streaks {
    /// How the next name of a process is to be removed.
    #[must_use]
    pub fn plan_pace(&self, pid: u32, now: Duration) -> Pace {
        match self.by_pid.get(&pid) {
            Some(streak) if streak.goes_on(now) && streak.removals >= ONE_BY_ONE => Pace::Behind,
            Some(_) | None => Pace::OneByOne,
        }
    }

    /// A process has removed a name.
    pub fn removed(&mut self, pid: u32, now: Duration) {
        if pid == NOBODY {
            return;
        }
        if self.by_pid.len() >= PROCESSES_MAX && !self.by_pid.contains_key(&pid) {
            self.by_pid.retain(|_, streak| streak.goes_on(now));
        }
        let before = self.by_pid.get(&pid).filter(|streak| streak.goes_on(now));
        let removals = before.map_or(0, |streak| streak.removals).saturating_add(1);
        self.by_pid.insert(pid, Streak { removals, last: now });
    }

    /// A process has done something else, or failed to remove a name.
    pub fn broken(&mut self, pid: u32) {
        self.by_pid.remove(&pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: u32 = 7;

    fn after(removals: u32) -> Streaks {
        let mut streaks = Streaks::default();
        (0..removals).for_each(|_| streaks.removed(PID, Duration::ZERO));
        streaks
    }

    #[test]
    fn the_first_removals_are_done_one_by_one() {
        assert_eq!(after(ONE_BY_ONE - 1).plan_pace(PID, Duration::ZERO), Pace::OneByOne);
        assert_eq!(after(ONE_BY_ONE).plan_pace(PID, Duration::ZERO), Pace::Behind);
    }

    #[test]
    fn a_streak_is_of_one_process() {
        let mut streaks = after(ONE_BY_ONE);
        assert_eq!(streaks.plan_pace(PID + 1, Duration::ZERO), Pace::OneByOne);
        (0..ONE_BY_ONE).for_each(|_| streaks.removed(NOBODY, Duration::ZERO));
        assert_eq!(streaks.plan_pace(NOBODY, Duration::ZERO), Pace::OneByOne);
    }

    #[test]
    fn a_pause_ends_a_streak() {
        let mut streaks = after(ONE_BY_ONE);
        assert_eq!(streaks.plan_pace(PID, PAUSE_MAX), Pace::Behind);
        let later = PAUSE_MAX + Duration::from_millis(1);
        assert_eq!(streaks.plan_pace(PID, later), Pace::OneByOne);
        streaks.removed(PID, later);
        assert_eq!(streaks.plan_pace(PID, later), Pace::OneByOne);
    }

    #[test]
    fn whatever_else_a_process_does_ends_its_streak() {
        let mut streaks = after(ONE_BY_ONE);
        streaks.broken(PID);
        assert_eq!(streaks.plan_pace(PID, Duration::ZERO), Pace::OneByOne);
    }

    #[test]
    fn streaks_that_are_over_are_forgotten() {
        let mut streaks = Streaks::default();
        (1..=PROCESSES_MAX as u32).for_each(|pid| streaks.removed(pid, Duration::ZERO));
        streaks.removed(u32::MAX, PAUSE_MAX * 2);
        assert_eq!(streaks.by_pid.len(), 1);
    }
}
