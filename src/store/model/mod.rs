//! An S3 in this process, in memory or on a directory.
