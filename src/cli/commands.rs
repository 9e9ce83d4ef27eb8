//! The commands, one file each.

pub mod demo;
pub mod get;
pub mod info;
pub mod mount;
pub mod serve;
pub mod set;
pub mod umount;
pub mod unset;

use std::io::{self, Write};

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// The runtime of a command; made after a background process is on its own.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("cannot start threads")
}

/// Prints to standard output, which may be gone.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    io::stdout().lock().write_all(bytes).context("standard output")
}
