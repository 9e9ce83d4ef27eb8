//! S3 over HTTP, answered from any `ObjectStore`.
