//! The control socket of a mount: attributes past the kernel.
//!
//! The kernel carries no value over 64 KiB, none of a symbolic link, and of S3's answer only a
//! number. The socket lies beside the mount's runtime file and answers whoever mounted, and root.

pub mod client;
pub mod protocol;
pub mod server;

use std::path::{Path, PathBuf};

/// Where the mount with a device number has its socket, in the directory of its runtime file.
#[must_use]
pub fn socket_path(directory: &Path, device: &str) -> PathBuf {
    directory.join(format!("{device}.sock"))
}
