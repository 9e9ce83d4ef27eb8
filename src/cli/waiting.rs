//! Waiting for a server while somebody looks on.
//!
//! How long the check of a mount may take, and when its user is told that it does.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;

/// A mount that somebody waits for fails sooner than a file that is being read.
const CHECK_TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// Longer than any server near takes.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// Plans how long the check at the start may take, where operations may take `operation`.
#[must_use]
pub fn plan_check_timeout(operation: Duration) -> Duration {
    operation.min(CHECK_TIMEOUT_MAX)
}

/// Waits for `work`, and calls `tell` once if that takes long.
pub async fn telling<O>(work: impl Future<Output = O>, tell: impl FnOnce()) -> O {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = sleep(SILENCE_MAX) => tell(),
    }
    work.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_timeout(operation_seconds: u64, expected_seconds: u64) {
        let planned = plan_check_timeout(Duration::from_secs(operation_seconds));
        assert_eq!(planned, Duration::from_secs(expected_seconds));
    }

    #[test]
    fn the_check_never_takes_longer_than_an_operation_may() {
        check_timeout(60, 10);
        check_timeout(3, 3);
    }

    async fn told_of(work: Duration) -> u32 {
        let mut told = 0;
        telling(sleep(work), || told += 1).await;
        told
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_waits_long_is_told_and_only_once() {
        assert_eq!(told_of(Duration::from_secs(1)).await, 0);
        assert_eq!(told_of(Duration::from_secs(30)).await, 1);
    }
}
