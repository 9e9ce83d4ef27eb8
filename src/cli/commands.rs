//! The commands, one file each.

pub mod demo;
pub mod mount;
pub mod serve;
pub mod umount;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// The runtime of a command; made after a background process is on its own.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("cannot start threads")
}
