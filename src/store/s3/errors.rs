//! Errors: what S3's codes and HTTP's statuses mean. The only place that reads them.
//!
//! [`meaning`] is the table; the rest finds code, status and message in what the SDK hands back,
//! and says what happened where no answer came. What a meaning becomes for a program is
//! `vfs::error`'s business.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use http::{HeaderMap, Response};
use quick_xml::escape::unescape;

use crate::store::error::{ErrorKind, StoreError};
use crate::store::s3::transport::Stalled;
use crate::store::types::DOCUMENTS;

/// What to do when there are no credentials; the chain's own words name only its links.
const CREDENTIALS_ADVICE: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run \
     `aws configure` or `aws sso login`, name a profile or a key file, or ask for unsigned requests";

/// An answer of S3 that is not the one asked for; the code is empty where it has no body.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
    /// The region that the answer names as the bucket's.
    pub region: Option<String>,
}

/// What S3 means by a code, or by a status where the code says nothing (a `HEAD` has no body,
/// and servers invent codes). A code wins over the status.
#[must_use]
pub fn meaning(code: &str, status: u16) -> ErrorKind {
    meaning_of_code(code).unwrap_or_else(|| meaning_of_status(status))
}

fn meaning_of_code(code: &str) -> Option<ErrorKind> {
    if !code.is_empty() && DOCUMENTS.iter().any(|row| row.missing_code == code) {
        return Some(ErrorKind::NotFound);
    }
    Some(match code {
        "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchUpload"
        | "NoSuchVersion"
        | "NotFound"
        | "NoSuchTagSetError"
        | "NoSuchConfiguration" => ErrorKind::NotFound,
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => ErrorKind::Exists,
        "BucketNotEmpty" => ErrorKind::NotEmpty,
        "PreconditionFailed" | "NotModified" => ErrorKind::Precondition,
        "ConditionalRequestConflict" | "OperationAborted" | "RestoreAlreadyInProgress" => {
            ErrorKind::Conflict
        }
        "AccessDenied"
        | "AccountProblem"
        | "AllAccessDisabled"
        | "ExpiredToken"
        | "InvalidAccessKeyId"
        | "InvalidPayer"
        | "InvalidSecurity"
        | "InvalidToken"
        | "NotSignedUp"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "TokenRefreshRequired"
        | "UnauthorizedAccess" => ErrorKind::Forbidden,
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "TooManyRequests"
        | "TooManyRequestsException" => ErrorKind::Throttled,
        "RequestTimeout" | "RequestTimeoutException" => ErrorKind::Timeout,
        "InvalidObjectState" | "ObjectNotInActiveTierError" => ErrorKind::Archived,
        "InvalidRange" => ErrorKind::Range,
        "NotImplemented"
        | "XNotImplemented"
        | "MethodNotAllowed"
        | "UnsupportedOperation"
        | "AccessControlListNotSupported" => ErrorKind::Unsupported,
        "BadDigest"
        | "IncompleteBody"
        | "XAmzContentChecksumMismatch"
        | "XAmzContentSHA256Mismatch" => ErrorKind::Corrupt,
        "MetadataTooLarge" => ErrorKind::Full,
        "InternalError" | "ServiceUnavailable" | "Busy" | "TemporaryRedirect" => {
            ErrorKind::Unavailable
        }
        "AuthorizationHeaderMalformed"
        | "InvalidBucketState"
        | "ObjectAlreadyInActiveTierError"
        | "PermanentRedirect" => ErrorKind::Invalid,
        _ => return None,
    })
}

fn meaning_of_status(status: u16) -> ErrorKind {
    match status {
        304 | 412 => ErrorKind::Precondition,
        401 | 403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        405 | 501 => ErrorKind::Unsupported,
        408 | 504 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        416 => ErrorKind::Range,
        429 => ErrorKind::Throttled,
        307 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

/// Whether S3 refused a request because its bucket is in another region.
///
/// A `HEAD` says so by a 301 or 400 without a code.
pub(super) fn is_of_other_region(refusal: &Refusal) -> bool {
    match refusal.code.as_str() {
        "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" => true,
        "" => matches!(refusal.status, 301 | 307 | 400),
        _ => matches!(refusal.status, 301 | 307),
    }
}

/// Whether S3 refused a request because the credentials' time is over.
pub(super) fn is_expired(refusal: &Refusal) -> bool {
    matches!(
        refusal.code.as_str(),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired"
    )
}

/// Whether it may have: a `HEAD` says so by a 400 without a code, which may mean anything.
pub(super) fn may_be_expired(refusal: &Refusal) -> bool {
    refusal.code.is_empty() && refusal.status == 400
}

/// Reads what the SDK says of a failed request; `endpoint` is named where no answer came.
pub(super) fn read_error<E>(error: &SdkError<E, HttpResponse>, endpoint: &str) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match refusal_of(error) {
        Some(refusal) if is_success(refusal.status) && refusal.code.is_empty() => {
            unreadable(read_body_error(beneath(error)), refusal.request_id)
        }
        Some(refusal) => refused(refusal),
        None => unanswered(error, endpoint),
    }
}

/// The answer within an error, if one came.
pub(super) fn refusal_of<E>(error: &SdkError<E, HttpResponse>) -> Option<Refusal>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let response = error.raw_response()?;
    let header = |name| response.headers().get(name).map(str::to_owned);
    let service = error.as_service_error();
    let text = |read: fn(&E) -> Option<&str>| service.and_then(read).unwrap_or_default().to_owned();
    Some(Refusal {
        status: response.status().as_u16(),
        code: text(|error| error.code()),
        message: text(|error| error.message()),
        request_id: header("x-amz-request-id"),
        region: header("x-amz-bucket-region").or_else(|| region_in(response.body().bytes()?)),
    })
}

/// Reads an answer that is not the one asked for: its status, headers and text.
pub(super) fn read_refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let header = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    Refusal {
        status,
        code: element(body, "Code").unwrap_or_default(),
        message: element(body, "Message").unwrap_or_default(),
        request_id: header("x-amz-request-id"),
        region: header("x-amz-bucket-region").or_else(|| region_in(body)),
    }
}

/// The region in an error's text: servers with a region of their own name it only there.
fn region_in(body: &[u8]) -> Option<String> {
    element(body, "Region")
}

/// What an error's text has under a name.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    unescape(value).ok().map(Cow::into_owned)
}

pub(super) fn refused(refusal: Refusal) -> StoreError {
    let reason = reason_of(refusal.status);
    let kind = meaning(&refusal.code, refusal.status);
    let code = if refusal.code.is_empty() { reason.replace(' ', "") } else { refusal.code };
    let message = if refusal.message.is_empty() {
        format!("{} {reason}", refusal.status)
    } else {
        refusal.message
    };
    StoreError { request_id: refusal.request_id, ..StoreError::new(kind, code, message) }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// An answer of success that breaks off or that nobody can make sense of.
pub(super) fn unreadable(read: StoreError, request_id: Option<String>) -> StoreError {
    let message = format!("the answer can't be read: {}", read.message);
    StoreError { message, request_id, ..read }
}

fn reason_of(status: u16) -> &'static str {
    let known = http::StatusCode::from_u16(status).ok();
    known.and_then(|status| status.canonical_reason()).unwrap_or("Unknown Status")
}

/// Says why there is no answer.
fn unanswered<E>(error: &SdkError<E, HttpResponse>, endpoint: &str) -> StoreError
where
    E: Error + 'static,
{
    if let Some(own) = find::<StoreError>(error) {
        return own.clone();
    }
    if let Some(credentials) = find::<CredentialsError>(error) {
        return without_credentials(credentials);
    }
    if let SdkError::DispatchFailure(failure) = error
        && let Some(error) = failure.as_connector_error()
    {
        return undelivered(error, endpoint);
    }
    let story = story_of(beneath(error));
    match error {
        SdkError::TimeoutError(_) => timed_out(&story, endpoint),
        SdkError::ConstructionFailure(_) => not_a_request(&story),
        _ => connection_failed(beneath(error), endpoint),
    }
}

/// Says why a request had no answer.
pub(super) fn undelivered(error: &ConnectorError, endpoint: &str) -> StoreError {
    if let Some(own) = find::<StoreError>(error) {
        return own.clone();
    }
    let cause = error.source().unwrap_or(error);
    if error.is_timeout() {
        timed_out(&story_of(cause), endpoint)
    } else if error.is_user() {
        not_a_request(&story_of(cause))
    } else {
        connection_failed(cause, endpoint)
    }
}

fn connection_failed(error: &(dyn Error + 'static), endpoint: &str) -> StoreError {
    let message = format!("{} ({endpoint})", words_of(error));
    StoreError::new(ErrorKind::Unavailable, "ConnectionFailed", message)
}

/// The cause of an error, below the SDK's word for its own layer.
fn beneath<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> &(dyn Error + 'static) {
    error.source().unwrap_or(error)
}

fn timed_out(story: &str, endpoint: &str) -> StoreError {
    StoreError::new(ErrorKind::Timeout, "TimedOut", format!("{story} ({endpoint})"))
}

/// Says why an operation was given up: its time, and what its attempts ended in.
pub(super) fn without_success(
    limit: Duration,
    failure: Option<String>,
    endpoint: &str,
) -> StoreError {
    let failure = failure.map(|failure| format!(", last failure: {failure}")).unwrap_or_default();
    timed_out(&format!("no success within {} s{failure}", limit.as_secs_f64()), endpoint)
}

/// Why an attempt had no success, in a few words; `None` for an answer that is no error.
pub(super) fn failure_of<B>(attempt: &Result<Response<B>, ConnectorError>) -> Option<String> {
    match attempt {
        Ok(response) => {
            let status = response.status().as_u16();
            (status >= 400).then(|| format!("{status} {}", reason_of(status)))
        }
        Err(error) => Some(words_of(error.source().unwrap_or(error))),
    }
}

/// What was asked for can't be put into a request.
pub(super) fn not_a_request(story: &str) -> StoreError {
    StoreError::new(ErrorKind::Invalid, "InvalidRequest", story)
}

pub(super) fn without_credentials(error: &CredentialsError) -> StoreError {
    let message = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            format!("no credentials found: {CREDENTIALS_ADVICE}")
        }
        other => format!("no credentials found ({}): {CREDENTIALS_ADVICE}", story_of(other)),
    };
    StoreError::new(ErrorKind::Forbidden, "NoCredentials", message)
}

/// An answer of success without what it is there to say.
pub(super) fn missing(what: &str) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "InvalidAnswer", format!("the answer has no {what}"))
}

/// Says why a body that began did not come to its end.
pub(super) fn read_body_error(error: &(dyn Error + 'static)) -> StoreError {
    if find::<Stalled>(error).is_some() {
        return StoreError::new(ErrorKind::Timeout, "TimedOut", story_of(error));
    }
    match find_io(error) {
        Some(kind) if kind != io::ErrorKind::UnexpectedEof => {
            StoreError::new(ErrorKind::Unavailable, "ConnectionFailed", story_of(error))
        }
        _ => StoreError::new(ErrorKind::Corrupt, "IncompleteBody", story_of(error)),
    }
}

/// The kind of I/O error at the bottom of an error, which says it best, else its story.
fn words_of(error: &(dyn Error + 'static)) -> String {
    find_io(error).map_or_else(|| story_of(error), |kind| kind.to_string())
}

/// An error and its causes, without those that only repeat the one before.
fn story_of(error: &(dyn Error + 'static)) -> String {
    let mut story: Vec<String> = Vec::new();
    for cause in causes(error) {
        let said = cause.to_string();
        if !story.last().is_some_and(|last| last.contains(&said)) {
            story.push(said);
        }
    }
    story.join(": ")
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error of a kind among the causes.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// The kind of the last I/O error among the causes: the one that says most.
fn find_io(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let kinds = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.map(io::Error::kind).filter(|kind| *kind != io::ErrorKind::Other).last()
}

#[cfg(test)]
mod tests;
