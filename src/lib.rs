//! pailfs: S3 buckets as directories.
//!
//! Six rooms; an arrow runs only downwards (`tests/tidy.rs` keeps it so):
//! `cli` says what the user wants, `mount` what the kernel wants, `vfs` is a filesystem over
//! objects, `server` is S3 over HTTP, and both of those stand on `store`, S3's own words.

pub mod cli;
pub mod mount;
pub mod server;
pub mod store;
pub mod vfs;
