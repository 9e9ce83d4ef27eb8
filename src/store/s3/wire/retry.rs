//! Retries: whether a request that failed is sent again, and when. Pure.
//!
//! What is worth another attempt, and after which pause, is as in the SDK's standard mode, so that
//! the two ways to S3 behave alike.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::error::ConnectorError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use http::HeaderMap;

use crate::store::error::{ErrorKind, StoreError};
use crate::store::s3::errors::{Refusal, meaning};

/// Before the second attempt; doubles with each.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// What clocks may differ by without a request being refused for it.
const SKEW_SECONDS_MIN: i64 = 4 * 60;

/// Why an attempt had no success.
#[derive(Debug)]
pub(in crate::store::s3) enum Failed {
    /// S3 answered, but not what was asked for.
    Refused {
        refusal: Box<Refusal>,
        /// How long S3 wants to be left alone.
        retry_after: Option<Duration>,
        /// Whether it was signed with a clock that has been corrected since.
        is_skewed: bool,
    },
    /// No answer came.
    Undelivered(ConnectorError),
    /// The answer ended before it said everything.
    BrokenOff(StoreError),
    /// The same request will never have another answer.
    Final(StoreError),
}

/// Plans how long to wait before the next attempt, if there is any use in it. `jitter`: from 0 to
/// 1, so that many who failed together don't come back together.
pub(super) fn plan_retry(
    failed: &Failed,
    attempts: u32,
    attempts_max: u32,
    jitter: f64,
) -> Option<Duration> {
    if attempts >= attempts_max || !is_passing(failed) {
        return None;
    }
    let doubled = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(attempts - 1));
    let pause = doubled.min(PAUSE_MAX).mul_f64(jitter);
    match failed {
        Failed::Refused { is_skewed: true, .. } => Some(Duration::ZERO),
        Failed::Refused { retry_after: Some(wanted), .. } => Some((*wanted).min(PAUSE_MAX)),
        _ => Some(pause),
    }
}

fn is_passing(failed: &Failed) -> bool {
    match failed {
        Failed::Refused { is_skewed: true, .. } | Failed::BrokenOff(_) => true,
        Failed::Refused { refusal, .. } => {
            let kind = meaning(&refusal.code, refusal.status);
            let by_code = matches!(kind, ErrorKind::Throttled | ErrorKind::Timeout);
            by_code || matches!(refusal.status, 500 | 502 | 503 | 504)
        }
        Failed::Undelivered(error) => {
            error.is_timeout() || error.is_io() || error.as_other().is_some()
        }
        Failed::Final(_) => false,
    }
}

/// By how many seconds to correct the clock that a refused request was signed with: its answer
/// says what time it is. A `HEAD` is refused without a reason.
pub(super) fn plan_skew(
    refusal: &Refusal,
    headers: &HeaderMap,
    signed_at: SystemTime,
) -> Option<i64> {
    let is_suspect = match refusal.code.as_str() {
        "RequestTimeTooSkewed" => true,
        "" => refusal.status == 403,
        _ => false,
    };
    let date = headers.get("date").filter(|_| is_suspect)?.to_str().ok()?;
    let date = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    let seconds = date.secs() - DateTime::from(signed_at).secs();
    (seconds.abs() >= SKEW_SECONDS_MIN).then_some(seconds)
}

/// How long S3 wants to be left alone.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wanted = headers.get("x-amz-retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Failed {
        let refusal = Refusal {
            status,
            code: code.to_owned(),
            message: String::new(),
            request_id: None,
            region: None,
        };
        Failed::Refused { refusal: Box::new(refusal), retry_after: None, is_skewed: false }
    }

    fn broken() -> Box<dyn std::error::Error + Send + Sync> {
        std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
    }

    #[track_caller]
    fn check(failed: &Failed, is_repeated: bool) {
        assert_eq!(plan_retry(failed, 1, 2, 1.0).is_some(), is_repeated, "{failed:?}");
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for (status, code) in [
            (500, "InternalError"),
            (502, ""),
            (503, "SlowDown"),
            (504, ""),
            (400, "RequestTimeout"),
            (400, "RequestLimitExceeded"),
            (429, "TooManyRequests"),
        ] {
            check(&refused(status, code), true);
        }
        check(&Failed::Undelivered(ConnectorError::io(broken())), true);
        check(&Failed::Undelivered(ConnectorError::timeout(broken())), true);
        let error = StoreError::new(ErrorKind::Corrupt, "IncompleteBody", "");
        check(&Failed::BrokenOff(error), true);
    }

    #[test]
    fn what_is_said_for_good_is_not() {
        for (status, code) in [
            (301, "PermanentRedirect"),
            (304, ""),
            (400, ""),
            (403, "AccessDenied"),
            (404, "NoSuchKey"),
            (409, "ConditionalRequestConflict"),
            (412, "PreconditionFailed"),
            (501, "NotImplemented"),
        ] {
            check(&refused(status, code), false);
        }
        check(&Failed::Undelivered(ConnectorError::user(broken())), false);
        check(&Failed::Undelivered(ConnectorError::other(broken(), None)), false);
        check(&Failed::Final(StoreError::new(ErrorKind::Invalid, "InvalidRequest", "")), false);
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_end_with_the_attempts() {
        let pause = |attempts, jitter| plan_retry(&refused(503, ""), attempts, 50, jitter);
        assert_eq!(pause(1, 1.0), Some(Duration::from_secs(1)));
        assert_eq!(pause(3, 1.0), Some(Duration::from_secs(4)));
        assert_eq!(pause(3, 0.25), Some(Duration::from_secs(1)));
        assert_eq!(pause(49, 1.0), Some(PAUSE_MAX));
        assert_eq!(pause(50, 1.0), None);
    }

    #[test]
    fn s3_may_say_how_long_to_wait() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-amz-retry-after"),
            http::HeaderValue::from_static("1500"),
        )]);
        let retry_after = retry_after(&headers);
        let Failed::Refused { refusal, .. } = refused(503, "SlowDown") else {
            unreachable!("a refusal is one");
        };
        let failed = Failed::Refused { refusal, retry_after, is_skewed: false };
        assert_eq!(plan_retry(&failed, 1, 2, 0.0), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_clock_that_goes_wrong_is_corrected_once() {
        let signed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |code: &str, date: &'static str, expected: Option<i64>| {
            let Failed::Refused { refusal, .. } = refused(403, code) else {
                unreachable!("a refusal is one");
            };
            let date = http::HeaderValue::from_static(date);
            let headers = HeaderMap::from_iter([(http::header::DATE, date)]);
            assert_eq!(plan_skew(&refusal, &headers, signed_at), expected, "{code} {headers:?}");
        };
        check("RequestTimeTooSkewed", "Sun, 06 Nov 1994 08:59:37 GMT", Some(600));
        check("RequestTimeTooSkewed", "Sun, 06 Nov 1994 08:39:37 GMT", Some(-600));
        check("", "Sun, 06 Nov 1994 08:39:37 GMT", Some(-600));
        check("RequestTimeTooSkewed", "Sun, 06 Nov 1994 08:49:37 GMT", None);
        check("AccessDenied", "Sun, 06 Nov 1994 08:59:37 GMT", None);
    }
}
