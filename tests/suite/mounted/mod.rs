//! Real mounts, used with the tools that people use.

mod attributes;
mod buckets;
mod connecting;
mod directories;
mod disk_cache;
mod escapes;
mod files;
mod large;
mod names;
mod ranges;
mod reading;
mod removals;
mod rename;
mod session;
mod special;
mod views;

use std::io;

use rustix::io::Errno;

use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;

/// Our server, a bucket, and a mount of it. Let the mount go first.
#[track_caller]
fn mounted() -> (Site, TestMount) {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    (site, mount)
}

/// The call must fail with this errno.
#[track_caller]
fn check_errno<T>(result: io::Result<T>, expected: Errno) {
    let error = result.err().expect("the call fails");
    assert_eq!(Errno::from_io_error(&error), Some(expected), "{error}");
}
