//! What went wrong at the store, by meaning.
//!
//! Callers act on [`ErrorKind`]; the code, message and request id are S3's own words, carried
//! along for the log and for the HTTP front. Turning S3's codes into a meaning is
//! [`crate::store::s3::errors`]'s business, turning a meaning into an errno is `vfs::error`'s.

use std::borrow::Cow;
use std::fmt;

/// What a failure means for whoever called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// The bucket, key, version, upload or document is not there.
    NotFound,
    /// What was to be created is there already, ours or somebody else's.
    Exists,
    /// A bucket that was to be deleted holds something.
    NotEmpty,
    /// A precondition (`If-Match` and the like) was not met; nothing was changed.
    Precondition,
    /// Another request of the same kind is under way; the same call may succeed later.
    Conflict,
    /// The credentials do not allow it, or S3 does not know them.
    Forbidden,
    /// S3 asks to slow down.
    Throttled,
    /// No answer within the deadline.
    Timeout,
    /// The object is archived and must be restored before its bytes can be read.
    Archived,
    /// The request makes no sense to S3; the same call will never succeed.
    Invalid,
    /// What is to be kept with an object is more than S3 keeps.
    Full,
    /// A range that starts behind the object's last byte.
    Range,
    /// The server has no such feature.
    Unsupported,
    /// The bytes that arrived are not the bytes that were sent.
    Corrupt,
    /// The server can't be reached or can't answer now.
    Unavailable,
}

impl ErrorKind {
    /// Whether the same call may succeed when it is made again.
    #[must_use]
    pub fn is_passing(self) -> bool {
        match self {
            Self::Throttled
            | Self::Timeout
            | Self::Corrupt
            | Self::Unavailable
            | Self::Conflict => true,
            Self::NotFound
            | Self::Exists
            | Self::NotEmpty
            | Self::Precondition
            | Self::Forbidden
            | Self::Archived
            | Self::Invalid
            | Self::Full
            | Self::Range
            | Self::Unsupported => false,
        }
    }
}

/// A failure of one call to the store.
#[derive(Clone, Debug)]
pub struct StoreError {
    pub kind: ErrorKind,
    /// S3's code, such as `NoSuchKey`.
    pub code: Cow<'static, str>,
    /// S3's message, or ours where no answer came.
    pub message: String,
    /// `x-amz-request-id` of the answer.
    pub request_id: Option<String>,
}

/// Shorthand for what every call to the store answers.
pub type StoreResult<T> = Result<T, StoreError>;

impl StoreError {
    /// A failure with S3's code and a message, not yet tied to a request.
    pub fn new(
        kind: ErrorKind,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, code: code.into(), message: message.into(), request_id: None }
    }

    /// Whether what is not there is the bucket itself.
    #[must_use]
    pub fn is_of_bucket(&self) -> bool {
        self.code == "NoSuchBucket"
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StoreError {}
