//! An S3 reached over HTTP.
