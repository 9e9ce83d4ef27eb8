//! What the kernel says: FUSE requests in, replies out.
//!
//! [`session`] mounts and ends a mount; `adapter` decodes each request, makes one call of
//! [`crate::vfs::Vfs`] and hands the outcome to `run_op`, which decides who waits for it. No
//! file here decides what a file system is.

pub mod attach;
pub mod mountinfo;
pub mod session;

mod adapter;
mod convert;
mod notify;
mod passthrough;
mod reply;
mod run_op;
