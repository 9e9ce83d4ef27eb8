//! What the kernel is told to forget.
//!
//! Telling it may wait for a lock that the kernel holds while it waits for an answer of ours, so
//! it is done on a thread of its own, and nobody waits for that.

use std::ffi::OsStr;
use std::sync::mpsc::{Sender, channel};

use fuser::{INodeNo, Notifier};

use crate::vfs::KernelCache;
use crate::vfs::types::Ino;

/// Tells the kernel, in the order in which it is asked to.
pub(super) struct Notify {
    forgotten: Sender<Forgotten>,
}

enum Forgotten {
    Inode(Ino),
    Name(Ino, String),
}

impl Notify {
    /// The thread ends with this.
    pub(super) fn start(notifier: Notifier) -> std::io::Result<Self> {
        let (forgotten, told) = channel::<Forgotten>();
        std::thread::Builder::new().name("pailfs-notify".to_owned()).spawn(move || {
            for forgotten in told {
                let told = match &forgotten {
                    Forgotten::Inode(ino) => notifier.inval_inode(INodeNo(ino.0), 0, 0),
                    Forgotten::Name(directory, name) => {
                        notifier.inval_entry(INodeNo(directory.0), OsStr::new(name))
                    }
                };
                // What the kernel does not know has nothing to be forgotten.
                if let Err(error) = told {
                    tracing::debug!(%error, "the kernel keeps what it remembers");
                }
            }
        })?;
        Ok(Self { forgotten })
    }
}

impl KernelCache for Notify {
    fn forget(&self, ino: Ino) {
        // The thread ends after the last sender.
        drop(self.forgotten.send(Forgotten::Inode(ino)));
    }

    fn forget_name(&self, directory: Ino, name: &str) {
        drop(self.forgotten.send(Forgotten::Name(directory, name.to_owned())));
    }
}
