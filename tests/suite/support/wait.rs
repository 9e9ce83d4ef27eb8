//! Waiting for what another process does: asked again and again, never slept for.

use std::time::{Duration, Instant};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer; `None` where there was none in time.
#[expect(clippy::disallowed_methods, reason = "waits for other processes, on the machine's clock")]
pub(crate) fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks until it is so; panics where it is not so in time.
#[track_caller]
pub(crate) fn until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    let met = poll(limit, || probe().then_some(()));
    assert!(met.is_some(), "not within {} s: {what}", limit.as_secs());
}
