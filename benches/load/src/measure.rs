//! Measures: how long it took, printed as one line of JSON for `scripts/bench`.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

/// When something began.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured here")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The same in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

/// Prints what a program found out, or why it could not.
#[must_use]
pub fn report(name: &str, outcome: Result<Value, String>) -> ExitCode {
    let (written, code) = match outcome {
        Ok(value) => (writeln!(std::io::stdout(), "{value}"), ExitCode::SUCCESS),
        Err(reason) => (writeln!(std::io::stderr(), "{name}: {reason}"), ExitCode::FAILURE),
    };
    written.map_or(ExitCode::FAILURE, |()| code)
}
