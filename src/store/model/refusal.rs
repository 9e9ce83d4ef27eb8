//! Refusals: the errors of S3's API reference that the model answers with.
//!
//! One function per code that is used in more than one place; when to refuse is the callers'
//! business.

use std::fmt;

use crate::store::error::{ErrorKind, StoreError};

pub(super) fn no_such_bucket(bucket: &str) -> StoreError {
    let message = format!("The specified bucket does not exist: {bucket}");
    StoreError::new(ErrorKind::NotFound, "NoSuchBucket", message)
}

pub(super) fn no_such_key(key: &str) -> StoreError {
    let message = format!("The specified key does not exist: {key}");
    StoreError::new(ErrorKind::NotFound, "NoSuchKey", message)
}

pub(super) fn no_such_version(version: &str) -> StoreError {
    let message = format!("The specified version does not exist: {version}");
    StoreError::new(ErrorKind::NotFound, "NoSuchVersion", message)
}

pub(super) fn no_such_upload(upload: &str) -> StoreError {
    let message = format!("The specified multipart upload does not exist: {upload}");
    StoreError::new(ErrorKind::NotFound, "NoSuchUpload", message)
}

/// What is asked for by version is a delete marker, or can't be done to this resource.
pub(super) fn method_not_allowed() -> StoreError {
    let message = "The specified method is not allowed against this resource.";
    StoreError::new(ErrorKind::Invalid, "MethodNotAllowed", message)
}

pub(super) fn precondition_failed() -> StoreError {
    let message = "At least one of the pre-conditions you specified did not hold";
    StoreError::new(ErrorKind::Precondition, "PreconditionFailed", message)
}

pub(super) fn not_modified() -> StoreError {
    StoreError::new(ErrorKind::Precondition, "NotModified", "Not Modified")
}

pub(super) fn archived() -> StoreError {
    let message = "The operation is not valid for the object's storage class";
    StoreError::new(ErrorKind::Archived, "InvalidObjectState", message)
}

pub(super) fn invalid_range() -> StoreError {
    let message = "The requested range is not satisfiable";
    StoreError::new(ErrorKind::Range, "InvalidRange", message)
}

pub(super) fn invalid_argument(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Invalid, "InvalidArgument", message)
}

pub(super) fn invalid_request(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Invalid, "InvalidRequest", message)
}

pub(super) fn malformed_xml(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Invalid, "MalformedXML", message)
}

/// S3's one sentence for a document that is not what it should be.
pub(super) fn malformed_document() -> StoreError {
    malformed_xml(
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// A bucket or object of somebody else, or one that must be kept.
pub(super) fn access_denied(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Forbidden, "AccessDenied", message)
}

/// A bucket with object lock can't stop keeping what is replaced.
pub(super) fn versioning_is_locked() -> StoreError {
    let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
    StoreError::new(ErrorKind::Invalid, "InvalidBucketState", message)
}

pub(super) fn bad_digest(what: &str) -> StoreError {
    let message = format!("The {what} you specified did not match what we received.");
    StoreError::new(ErrorKind::Corrupt, "BadDigest", message)
}

pub(super) fn incomplete_body() -> StoreError {
    let message = "You did not provide the number of bytes you announced";
    StoreError::new(ErrorKind::Corrupt, "IncompleteBody", message)
}

pub(super) fn entity_too_large(limit: u64) -> StoreError {
    let message = format!("Your proposed upload exceeds the maximum allowed size of {limit} bytes");
    StoreError::new(ErrorKind::Invalid, "EntityTooLarge", message)
}

/// The machine below the model failed.
pub(super) fn internal(what: &str, cause: impl fmt::Display) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "InternalError", format!("{what}: {cause}"))
}
