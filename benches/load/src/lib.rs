//! Loads for `scripts/bench`: what its three programs share.

pub mod arguments;
pub mod content;
pub mod framing;
pub mod measure;
pub mod s3;
pub mod signature;
