//! Time as a value that is passed in, so that tests can run in a time of their own.

use std::time::{Duration, SystemTime};

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: what `LastModified` and `mtime` are written from.
    fn wall(&self) -> SystemTime;
    /// Time since some fixed point; never goes back. What ages are measured with.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    pub fn new() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that follows tokio's, so that a test with paused time drives both.
#[derive(Debug)]
pub struct VirtualClock {
    epoch: SystemTime,
    started: tokio::time::Instant,
}

impl VirtualClock {
    /// Starts at `epoch`; must be called inside a runtime.
    #[must_use]
    pub fn starting_at(epoch: SystemTime) -> Self {
        Self { epoch, started: tokio::time::Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn wall(&self) -> SystemTime {
        self.epoch + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
