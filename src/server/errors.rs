//! How a refusal is worded and numbered.
//!
//! [`StoreError`] carries S3's code; here it gets the HTTP status that S3 answers with, and a
//! message where it has none. Which refusal fits is decided where it is raised.

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

use crate::store::error::{ErrorKind, StoreError};

/// S3's own sentences, for codes that are raised without one.
const WORDING: &[(&str, &str)] = &[
    ("AccessDenied", "Access Denied"),
    (
        "BadDigest",
        "The Content-MD5 or checksum value that you specified did not match what the server received.",
    ),
    ("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."),
    ("ExpiredToken", "The provided token has expired."),
    (
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    ),
    ("InternalError", "An internal error occurred. Try again."),
    (
        "InvalidAccessKeyId",
        "The AWS access key ID that you provided does not exist in our records.",
    ),
    ("InvalidArgument", "Invalid Argument"),
    ("InvalidBucketName", "The specified bucket is not valid."),
    ("InvalidDigest", "The Content-MD5 or checksum value that you specified is not valid."),
    ("InvalidRange", "The requested range is not satisfiable"),
    ("InvalidRequest", "Invalid Request"),
    ("InvalidToken", "The provided token is malformed or otherwise not valid."),
    ("InvalidURI", "Couldn't parse the specified URI."),
    ("KeyTooLongError", "Your key is too long."),
    (
        "MalformedACLError",
        "The ACL that you provided was not well formed or did not validate against our published schema.",
    ),
    ("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'"),
    (
        "MalformedXML",
        "The XML that you provided was not well formed or did not validate against our published schema.",
    ),
    ("MaxMessageLengthExceeded", "Your request was too large."),
    ("MethodNotAllowed", "The specified method is not allowed against this resource."),
    ("MissingContentLength", "You must provide the Content-Length HTTP header."),
    ("MissingRequestBodyError", "Request body is empty."),
    ("MissingSecurityHeader", "Your request was missing a required header."),
    ("NoSuchBucket", "The specified bucket does not exist"),
    ("NoSuchKey", "The specified key does not exist."),
    (
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    ),
    (
        "NotImplemented",
        "A header or query that you provided requested functionality that is not implemented.",
    ),
    ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
    (
        "RequestTimeTooSkewed",
        "The difference between the request time and the server's time is too large.",
    ),
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    ("UnexpectedContent", "This request does not support content."),
    (
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
];

/// S3's sentence for a code; empty where it is not in the table.
pub(crate) fn wording(code: &str) -> &'static str {
    WORDING.iter().find(|(known, _)| *known == code).map_or("", |(_, sentence)| sentence)
}

/// A refusal with S3's own sentence.
pub(crate) fn refusal(code: &'static str) -> S3Error {
    S3Error::with_message(error_code(code), wording(code))
}

/// A refusal of this room that travels as the store's, through a body's stream.
pub(crate) fn store_refusal(kind: ErrorKind, code: &'static str) -> StoreError {
    StoreError::new(kind, code, wording(code))
}

/// The answer to a request that the store refused.
pub(crate) fn answer_of(error: StoreError) -> S3Error {
    let code = error_code(&error.code);
    let status = code.status_code().unwrap_or_else(|| status_of(error.kind));
    let mut answer = S3Error::new(code);
    answer.set_status_code(status);
    if error.message.is_empty() {
        answer.set_message(wording(&error.code));
    } else {
        answer.set_message(error.message);
    }
    answer
}

fn error_code(code: &str) -> S3ErrorCode {
    S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError)
}

/// The status of codes that s3s does not know.
fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Exists | ErrorKind::NotEmpty | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Forbidden | ErrorKind::Archived => StatusCode::FORBIDDEN,
        ErrorKind::Invalid | ErrorKind::Full | ErrorKind::Corrupt => StatusCode::BAD_REQUEST,
        ErrorKind::Range => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Throttled | ErrorKind::Timeout | ErrorKind::Unavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ErrorKind, code: &'static str, status: u16) {
        let answer = answer_of(StoreError::new(kind, code, "why"));
        assert_eq!(answer.code().as_str(), code);
        assert_eq!(answer.status_code().map(|status| status.as_u16()), Some(status), "{code}");
        assert_eq!(answer.message(), Some("why"));
    }

    #[test]
    fn a_code_is_answered_with_the_status_s3_gives_it() {
        check(ErrorKind::NotFound, "NoSuchKey", 404);
        check(ErrorKind::NotFound, "NoSuchBucket", 404);
        check(ErrorKind::NotFound, "NoSuchUpload", 404);
        check(ErrorKind::Exists, "BucketAlreadyOwnedByYou", 409);
        check(ErrorKind::NotEmpty, "BucketNotEmpty", 409);
        check(ErrorKind::Precondition, "PreconditionFailed", 412);
        check(ErrorKind::Precondition, "NotModified", 304);
        check(ErrorKind::Conflict, "ConditionalRequestConflict", 409);
        check(ErrorKind::Forbidden, "AccessDenied", 403);
        check(ErrorKind::Throttled, "SlowDown", 503);
        check(ErrorKind::Archived, "InvalidObjectState", 403);
        check(ErrorKind::Invalid, "InvalidArgument", 400);
        check(ErrorKind::Invalid, "EntityTooSmall", 400);
        check(ErrorKind::Range, "InvalidRange", 416);
        check(ErrorKind::Unsupported, "NotImplemented", 501);
        check(ErrorKind::Corrupt, "BadDigest", 400);
    }

    #[test]
    fn a_code_nobody_knows_has_the_status_of_its_meaning() {
        check(ErrorKind::NotFound, "NoSuchMoon", 404);
        check(ErrorKind::Corrupt, "XAmzContentSHA256Mismatch", 400);
        check(ErrorKind::Unavailable, "OutOfOrder", 503);
    }

    #[test]
    fn an_error_without_message_gets_s3s_sentence() {
        let answer = answer_of(StoreError::new(ErrorKind::NotFound, "NoSuchKey", ""));
        assert_eq!(answer.message(), Some("The specified key does not exist."));
    }
}
