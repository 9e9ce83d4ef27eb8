//! What went wrong, in a filesystem's words, and the one place that chooses an errno.

use rustix::io::Errno;

use crate::store::error::{ErrorKind, StoreError};

/// Shorthand for what every operation answers.
pub type VfsResult<T> = Result<T, VfsError>;

/// A failure of one operation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VfsError {
    #[error("no such file or directory")]
    NotFound,
    #[error("it exists already: {0}")]
    Exists(String),
    #[error("directory not empty")]
    NotEmpty,
    #[error("not a directory")]
    NotDirectory,
    #[error("is a directory")]
    IsDirectory,
    #[error("no such open file")]
    BadHandle,
    #[error("the mount is read-only")]
    ReadOnly,
    #[error("a file name must be UTF-8 to be an object's key")]
    NameNotUtf8,
    #[error("the key would exceed S3's 1024 bytes, or the name 255")]
    NameTooLong,
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotPermitted(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("no such attribute")]
    NoAttribute,
    #[error("{0}")]
    BadValue(String),
    #[error("what the server has can't be understood: {0}")]
    Foreign(String),
    #[error("{name} can't be {what}")]
    FixedAttribute { name: &'static str, what: &'static str },
    #[error("the value has {0} bytes and the kernel carries 65536; pailfs get has no limit")]
    ValueTooLarge(usize),
    #[error("an object has room for {bytes} bytes of user attributes, names included")]
    MetadataFull { bytes: usize },
    #[error("the object is archived ({class}): {what}")]
    Archived { class: String, what: String },
    #[error("the object was replaced while it was open")]
    Stale,
    #[error(transparent)]
    BucketGone(StoreError),
    #[error("the file would exceed the largest object S3 can hold")]
    TooLarge,
    #[error("there is nothing behind this offset")]
    BeyondEnd,
    #[error("no room to keep what is written: {0}")]
    NoSpace(String),
    #[error("{0}")]
    Staging(String),
    #[error("no answer within {0} s")]
    Deadline(u64),
    #[error("the mount is shutting down")]
    ShuttingDown,
    #[error("what is to be done could not be noted: {0}")]
    Journal(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VfsError {
    /// The errno a program sees; the only place that chooses one.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotFound => Errno::NOENT,
            Self::Exists(_) => Errno::EXIST,
            Self::NotEmpty => Errno::NOTEMPTY,
            Self::NotDirectory => Errno::NOTDIR,
            Self::IsDirectory => Errno::ISDIR,
            Self::BadHandle => Errno::BADF,
            Self::ReadOnly => Errno::ROFS,
            Self::NameNotUtf8 => Errno::ILSEQ,
            Self::NameTooLong => Errno::NAMETOOLONG,
            Self::Invalid(_) => Errno::INVAL,
            Self::NotPermitted(_) => Errno::PERM,
            Self::Unsupported(_) => Errno::OPNOTSUPP,
            Self::NoAttribute => Errno::NODATA,
            Self::BadValue(_) => Errno::INVAL,
            Self::Foreign(_) => Errno::IO,
            Self::FixedAttribute { .. } => Errno::PERM,
            Self::MetadataFull { .. } => Errno::NOSPC,
            Self::ValueTooLarge(_) => Errno::TOOBIG,
            Self::Archived { .. } => Errno::ACCESS,
            Self::Stale | Self::BucketGone(_) => Errno::STALE,
            Self::TooLarge => Errno::FBIG,
            Self::BeyondEnd => Errno::NXIO,
            Self::NoSpace(_) => Errno::NOSPC,
            Self::Staging(_) => Errno::IO,
            Self::Deadline(_) => Errno::TIMEDOUT,
            Self::ShuttingDown => Errno::SHUTDOWN,
            Self::Journal(_) => Errno::IO,
            Self::Store(error) => store_errno(error),
        }
    }

    /// Whether this is an answer to what a program asked, and no failure.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NameNotUtf8
            | Self::NameTooLong
            | Self::Invalid(_)
            | Self::NotPermitted(_)
            | Self::TooLarge => true,
            other => other.is_ordinary(),
        }
    }

    /// Whether this is an everyday answer (`ls` of a name that isn't there) and not a failure
    /// somebody should read about in the log.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        match self {
            Self::NotFound
            | Self::Exists(_)
            | Self::NotEmpty
            | Self::NotDirectory
            | Self::IsDirectory
            | Self::BeyondEnd
            | Self::NoAttribute
            | Self::ReadOnly => true,
            // A bucket that is mounted and gone is no everyday matter.
            Self::Store(error) => error.kind == ErrorKind::NotFound && !error.is_of_bucket(),
            Self::BadHandle
            | Self::NameNotUtf8
            | Self::NameTooLong
            | Self::Invalid(_)
            | Self::NotPermitted(_)
            | Self::Unsupported(_)
            | Self::BadValue(_)
            | Self::Foreign(_)
            | Self::FixedAttribute { .. }
            | Self::MetadataFull { .. }
            | Self::ValueTooLarge(_)
            | Self::Archived { .. }
            | Self::Stale
            | Self::BucketGone(_)
            | Self::TooLarge
            | Self::NoSpace(_)
            | Self::Staging(_)
            | Self::Deadline(_)
            | Self::ShuttingDown
            | Self::Journal(_) => false,
        }
    }
}

fn store_errno(error: &StoreError) -> Errno {
    match error.kind {
        ErrorKind::NotFound => Errno::NOENT,
        ErrorKind::Exists => Errno::EXIST,
        ErrorKind::NotEmpty => Errno::NOTEMPTY,
        ErrorKind::Precondition => Errno::STALE,
        ErrorKind::Forbidden | ErrorKind::Archived => Errno::ACCESS,
        ErrorKind::Timeout => Errno::TIMEDOUT,
        ErrorKind::Invalid => Errno::INVAL,
        ErrorKind::Unsupported => Errno::OPNOTSUPP,
        ErrorKind::Conflict => Errno::BUSY,
        ErrorKind::Full => Errno::NOSPC,
        ErrorKind::Throttled | ErrorKind::Range | ErrorKind::Corrupt | ErrorKind::Unavailable => {
            Errno::IO
        }
    }
}
