//! Attempts: why the last one failed, for an operation that runs out of time.
//!
//! Whoever tries again keeps the failures before to himself, so an operation that is cut short
//! would not know what it waited for. `transport` notes here how each attempt ended; both ends are
//! in one task, which is how an attempt finds its operation. What makes a failure is `errors`'
//! business.

use std::cell::RefCell;
use std::time::Duration;

use aws_sdk_s3::error::ConnectorError;
use http::Response;

use crate::store::s3::errors::failure_of;

tokio::task_local! {
    static LAST_FAILURE: RefCell<Option<String>>;
}

/// Runs an operation for at most `limit`; where that is too short, fails with the failure of its
/// last attempt that came to an end.
pub(super) async fn within<O>(
    limit: Duration,
    operation: impl Future<Output = O>,
) -> Result<O, Option<String>> {
    let timed = async {
        let done = tokio::time::timeout(limit, operation).await;
        done.map_err(|_elapsed| LAST_FAILURE.with(RefCell::take))
    };
    LAST_FAILURE.scope(RefCell::default(), timed).await
}

/// Notes how an attempt ended, for the operation that this task is in, if any.
pub(super) fn note<B>(attempt: &Result<Response<B>, ConnectorError>) {
    if let Some(failure) = failure_of(attempt) {
        LAST_FAILURE.try_with(|last| last.replace(Some(failure))).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    fn answer(status: u16) -> Result<Response<()>, ConnectorError> {
        Ok(Response::builder().status(status).body(()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_without_success_tells_its_last_failure() {
        let operation = async {
            for status in [500, 503, 200] {
                note(&answer(status));
            }
            pending::<()>().await;
        };
        let failure = within(LIMIT, operation).await.unwrap_err();
        assert_eq!(failure.as_deref(), Some("503 Service Unavailable"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_knows_nothing_of_the_failures_of_others() {
        assert_eq!(within(LIMIT, async { note(&answer(503)) }).await, Ok(()));
        assert_eq!(within(LIMIT, pending::<()>()).await, Err(None));
        note(&answer(503));
    }
}
