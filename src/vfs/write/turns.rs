//! Turns: how many uploads of bytes run at once.
//!
//! A link with long delays is filled by many uploads, a narrow one by few: more of them would only
//! each take longer, and keep memory for as long. Which it is shows by trying. While uploads wait
//! for one another, twice or half as many run now and then, and the number that brings as much in
//! the same time with the fewest is kept. [`Pace`] decides, and is pure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How many uploads run at once.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    pub first: usize,
    pub min: usize,
    pub max: usize,
}

/// A round is at least so long, and has at least as many uploads as run at once.
const ROUND_MIN: Duration = Duration::from_millis(250);

/// What was tried in vain is not tried again for so many rounds.
const ROUNDS_RESTED: u32 = 8;

/// A request takes as long as so many bytes more.
const REQUEST_BYTES: u64 = 256 << 10;

/// What twice as many must bring of what they brought before to be worth it.
const GAIN_MIN: f64 = 1.1;

/// What half as many may bring and be enough.
const LOSS_MAX: f64 = 0.95;

/// The turns of one mount's uploads.
pub struct Turns {
    permits: Semaphore,
    waiting: AtomicUsize,
    began_at: Instant,
    state: Mutex<State>,
}

struct State {
    pace: Pace,
    /// Permits there are, free or not.
    permits: usize,
}

/// Somebody's turn, which ends when this is dropped.
pub struct Turn<'a> {
    turns: &'a Turns,
    permit: Option<SemaphorePermit<'a>>,
}

impl Turns {
    #[must_use]
    pub fn new(limits: UploadLimits) -> Self {
        Self {
            permits: Semaphore::new(limits.first),
            waiting: AtomicUsize::new(0),
            began_at: Instant::now(),
            state: Mutex::new(State { pace: Pace::new(limits), permits: limits.first }),
        }
    }

    /// Waits until one more upload may run, which it may while the answer lives.
    pub async fn turn(&self) -> Turn<'_> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Turn { turns: self, permit: Some(permit) };
        }
        let _waiting = Waiting::new(&self.waiting);
        // The semaphore is never closed, so there is always a turn to come.
        Turn { turns: self, permit: self.permits.acquire().await.ok() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// So many bytes have arrived by it.
    pub fn sent(&self, bytes: u64) {
        let is_awaited = self.turns.waiting.load(Ordering::Relaxed) > 0;
        let now = self.turns.began_at.elapsed();
        let mut state = self.turns.state();
        state.pace.sent(bytes, is_awaited, now);
        let more = state.pace.limit().saturating_sub(state.permits);
        state.permits += more;
        drop(state);
        self.turns.permits.add_permits(more);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if state.permits > state.pace.limit()
            && let Some(permit) = self.permit.take()
        {
            state.permits -= 1;
            permit.forget();
        }
    }
}

/// Counts somebody who waits, also where that is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many uploads are to run at once, as far as is known by now.
#[derive(Clone, Debug)]
pub struct Pace {
    limits: UploadLimits,
    limit: usize,
    step: Step,
    round: Round,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// What the limit brings is found out, once so many rounds have passed.
    Resting { rounds: u32, next: Direction },
    /// Another limit was set, and uploads of before it are still under way.
    Changing { from: usize, rate: f64, to: Direction },
    /// What it brings is found out, to be compared with what the one before it brought.
    Trying { from: usize, rate: f64, to: Direction },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    More,
    Fewer,
}

#[derive(Clone, Copy, Debug, Default)]
struct Round {
    began_at: Duration,
    uploads: usize,
    /// Bytes that arrived, with what requests cost.
    bytes: u64,
}

impl Pace {
    #[must_use]
    pub fn new(limits: UploadLimits) -> Self {
        let step = Step::Resting { rounds: 0, next: Direction::More };
        Self { limits, limit: limits.first, step, round: Round::default() }
    }

    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes have arrived by an upload. Where nobody waits for its turn, nothing can be learnt.
    pub fn sent(&mut self, bytes: u64, is_awaited: bool, now: Duration) {
        if !is_awaited {
            self.round = Round { began_at: now, ..Round::default() };
            return;
        }
        self.round.uploads += 1;
        self.round.bytes += bytes + REQUEST_BYTES;
        let elapsed = now.saturating_sub(self.round.began_at);
        if self.round.uploads >= self.limit && elapsed >= ROUND_MIN {
            let rate = self.round.bytes as f64 / elapsed.as_secs_f64();
            self.round = Round { began_at: now, ..Round::default() };
            self.ended(rate);
        }
    }

    /// A round ended in which so many bytes arrived a second.
    fn ended(&mut self, rate: f64) {
        match self.step {
            Step::Resting { rounds: 0, next } => self.begin(rate, next),
            Step::Resting { rounds, next } => {
                self.step = Step::Resting { rounds: rounds - 1, next };
            }
            Step::Changing { from, rate, to } => self.step = Step::Trying { from, rate, to },
            Step::Trying { from, rate: before, to } => {
                if is_worth_it(to, before, rate) {
                    self.begin(rate, to);
                } else {
                    self.limit = from;
                    self.rest(to.other());
                }
            }
        }
    }

    /// Goes on from a limit that brings so much.
    fn begin(&mut self, rate: f64, to: Direction) {
        let from = self.limit;
        self.limit = match to {
            Direction::More => (from * 2).min(self.limits.max),
            Direction::Fewer => (from / 2).max(self.limits.min),
        };
        if self.limit == from {
            self.rest(to.other());
        } else {
            self.step = Step::Changing { from, rate, to };
        }
    }

    fn rest(&mut self, next: Direction) {
        self.step = Step::Resting { rounds: ROUNDS_RESTED, next };
    }
}

impl Direction {
    fn other(self) -> Self {
        match self {
            Self::More => Self::Fewer,
            Self::Fewer => Self::More,
        }
    }
}

fn is_worth_it(to: Direction, before: f64, rate: f64) -> bool {
    match to {
        Direction::More => rate >= before * GAIN_MIN,
        Direction::Fewer => rate >= before * LOSS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const LIMITS: UploadLimits = UploadLimits { first: 16, min: 4, max: 64 };
    const PART_BYTES: u64 = 8 << 20;

    /// A link on which each upload waits `delay`, brings `of_each` bytes a second at most, and all
    /// together no more than `of_all`.
    struct Link {
        delay: Duration,
        of_each: f64,
        of_all: f64,
    }

    impl Link {
        fn rate(&self, uploads: usize) -> f64 {
            let seconds = self.delay.as_secs_f64() + PART_BYTES as f64 / self.of_each;
            (uploads as f64 * PART_BYTES as f64 / seconds).min(self.of_all)
        }

        /// How many uploads run after `count` more, when nothing is being tried.
        fn run(&self, pace: &mut Pace, now: &mut Duration, count: usize) -> usize {
            for index in 0.. {
                let seconds = PART_BYTES as f64 / self.rate(pace.limit());
                *now += Duration::from_secs_f64(seconds);
                pace.sent(PART_BYTES, true, *now);
                if index >= count && matches!(pace.step, Step::Resting { .. }) {
                    break;
                }
            }
            pace.limit()
        }
    }

    fn mebibytes(count: u32) -> f64 {
        f64::from(count << 20)
    }

    #[test]
    fn a_link_with_long_delays_is_filled_by_many_uploads() {
        let link = Link {
            delay: Duration::from_millis(200),
            of_each: mebibytes(20),
            of_all: mebibytes(2000),
        };
        let (mut pace, mut now) = (Pace::new(LIMITS), Duration::ZERO);
        assert_eq!(link.run(&mut pace, &mut now, 1000), 64);
    }

    #[test]
    fn a_narrow_link_is_filled_by_few() {
        let link =
            Link { delay: Duration::from_millis(20), of_each: mebibytes(80), of_all: mebibytes(5) };
        let (mut pace, mut now) = (Pace::new(LIMITS), Duration::ZERO);
        assert_eq!(link.run(&mut pace, &mut now, 1000), 4);
    }

    #[test]
    fn a_link_that_changes_is_followed() {
        let wide = Link {
            delay: Duration::from_millis(200),
            of_each: mebibytes(20),
            of_all: mebibytes(2000),
        };
        let narrow = Link { of_all: mebibytes(5), ..wide };
        let (mut pace, mut now) = (Pace::new(LIMITS), Duration::ZERO);
        assert_eq!(wide.run(&mut pace, &mut now, 1000), 64);
        assert_eq!(narrow.run(&mut pace, &mut now, 5000), 4);
        assert!(wide.run(&mut pace, &mut now, 5000) >= 32);
    }

    #[test]
    fn uploads_that_nobody_waits_behind_change_nothing() {
        let mut pace = Pace::new(LIMITS);
        for second in 0..1000 {
            pace.sent(PART_BYTES, false, Duration::from_secs(second));
        }
        assert_eq!(pace.limit(), 16);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_its_turn_to_others() {
        let turns = Turns::new(UploadLimits { first: 1, min: 1, max: 1 });
        let held = turns.turn().await;
        let mut given_up = Box::pin(turns.turn());
        assert!((&mut given_up).now_or_never().is_none());
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 1);
        drop(given_up);
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
        drop(held);
        assert!(turns.turn().now_or_never().is_some());
    }

    #[tokio::test]
    async fn turns_become_fewer_when_they_end_and_more_at_once() {
        let turns = Turns::new(LIMITS);
        let mut held = Vec::new();
        for _ in 0..16 {
            held.push(turns.turn().await);
        }
        turns.state().pace.limit = 14;
        held.truncate(13);
        assert_eq!(turns.permits.available_permits(), 1);
        turns.state().pace.limit = 18;
        held[0].sent(1);
        assert_eq!(turns.permits.available_permits(), 5);
        drop(held);
        assert_eq!(turns.permits.available_permits(), 18);
    }
}
