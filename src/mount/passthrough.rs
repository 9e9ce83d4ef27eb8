//! Passthrough: which opens the kernel serves from a file of this machine, without asking us.
//!
//! While an inode is open, the kernel takes only opens of one kind, and of one file: the first
//! decides for all until the last is closed. A file that changes meanwhile gets another inode, since
//! what is open can neither be taken back nor show the new bytes.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{BackingId, FileHandle, FopenFlags, ReplyOpen};
use rustix::io::Errno;

use crate::mount::convert;
use crate::mount::reply::Reply;
use crate::vfs::Vfs;
use crate::vfs::error::VfsResult;
use crate::vfs::ops::backing::Backing;
use crate::vfs::types::{Ino, OpenHow, Opened, Privilege};

/// The opens of one mount.
#[derive(Default)]
pub(super) struct Passthrough {
    /// The kernel can, as far as it says.
    is_agreed: AtomicBool,
    /// It has refused a file: it takes root, and a file system that is no stack of others.
    is_refused: AtomicBool,
    live: Mutex<HashMap<Ino, Live>>,
}

/// An inode that is open.
struct Live {
    mode: Mode,
    opens: u32,
}

enum Mode {
    /// Reads come to us.
    Asking,
    /// Reads go to this file, which is that version.
    Past { version: Arc<str>, file: Arc<File>, id: Option<Arc<BackingId>> },
}

/// What becomes of an open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Admission {
    /// It is counted until it is closed.
    Admitted,
    /// The inode is open past us as another version.
    Outlived,
}

impl Passthrough {
    /// The kernel can.
    pub(super) fn agree(&self) {
        self.is_agreed.store(true, Ordering::Release);
    }

    /// Opens a file that the kernel may then read past us. `None` where the name has to be looked
    /// up again: it is another inode by then.
    pub(super) async fn open(
        &self,
        vfs: &Vfs,
        ino: Ino,
        how: OpenHow,
        privilege: Privilege,
    ) -> VfsResult<Option<Opened>> {
        let opened = vfs.open(ino, how, privilege).await?;
        if !self.is_agreed.load(Ordering::Acquire) {
            return Ok(Some(opened));
        }
        let backing = vfs.backing(opened.fh).await;
        let admission = backing.map(|backing| self.admit(ino, backing));
        match admission {
            Ok(Admission::Admitted) => Ok(Some(opened)),
            Ok(Admission::Outlived) => {
                vfs.retire(ino);
                vfs.release(opened.fh).await?;
                Ok(None)
            }
            Err(error) => {
                vfs.release(opened.fh).await?;
                Err(error)
            }
        }
    }

    /// An open is closed.
    pub(super) fn close(&self, ino: Ino) {
        let mut live = self.live();
        let Some(inode) = live.get_mut(&ino) else { return };
        inode.opens -= 1;
        if inode.opens == 0 {
            live.remove(&ino);
        }
    }

    fn admit(&self, ino: Ino, backing: Backing) -> Admission {
        let mut live = self.live();
        let is_refused = self.is_refused.load(Ordering::Acquire);
        let inode = live.entry(ino).or_insert_with(|| {
            let mode = match backing.file.filter(|_| !is_refused) {
                Some(file) => Mode::Past { version: Arc::clone(&backing.version), file, id: None },
                None => Mode::Asking,
            };
            Live { mode, opens: 0 }
        });
        if let Mode::Past { version, .. } = &inode.mode
            && *version != backing.version
        {
            return Admission::Outlived;
        }
        inode.opens += 1;
        Admission::Admitted
    }

    /// The kernel's number for the file that an admitted open reads, if it reads one.
    fn id(&self, ino: Ino, reply: &ReplyOpen) -> Option<Arc<BackingId>> {
        let mut live = self.live();
        let inode = live.get_mut(&ino)?;
        let Mode::Past { file, id, .. } = &mut inode.mode else { return None };
        if let Some(id) = id {
            return Some(Arc::clone(id));
        }
        match reply.open_backing(file) {
            Ok(fresh) => {
                tracing::debug!(ino = ino.0, "reads go past this process");
                Some(Arc::clone(id.insert(Arc::new(fresh))))
            }
            Err(error) => {
                // Nobody has it open past us yet.
                inode.mode = Mode::Asking;
                if !self.is_refused.swap(true, Ordering::AcqRel) {
                    tracing::info!("files on disk are read through this process: {error}");
                }
                None
            }
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Ino, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers an open the way its inode is open.
pub(super) struct OpenReply {
    pub(super) reply: ReplyOpen,
    pub(super) ino: Ino,
    pub(super) passthrough: Arc<Passthrough>,
}

impl Reply<Option<Opened>> for OpenReply {
    fn succeed(self, opened: Option<Opened>) {
        // The kernel looks the name up again and opens what it finds then.
        let Some(opened) = opened else { return self.refuse(Errno::STALE) };
        match self.passthrough.id(self.ino, &self.reply) {
            Some(id) => {
                let (fh, flags) = (FileHandle(opened.fh.0), FopenFlags::FOPEN_NOFLUSH);
                self.reply.opened_passthrough(fh, flags, &id);
            }
            None => Reply::<Opened>::succeed(self.reply, opened),
        }
    }

    fn refuse(self, errno: Errno) {
        self.reply.error(convert::fuse_errno(errno));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INO: Ino = Ino(7);

    fn backing(version: &str, has_file: bool) -> Backing {
        let file = has_file.then(|| Arc::new(tempfile::tempfile().unwrap()));
        Backing { version: Arc::from(version), file }
    }

    /// Whether reads go past us; `None` where nothing is open.
    fn is_past(passthrough: &Passthrough) -> Option<bool> {
        let live = passthrough.live();
        live.get(&INO).map(|inode| matches!(inode.mode, Mode::Past { .. }))
    }

    #[test]
    fn the_first_open_decides_for_all_until_the_last_is_closed() {
        for first in [true, false] {
            let passthrough = Passthrough::default();
            assert_eq!(passthrough.admit(INO, backing("1", first)), Admission::Admitted);
            assert_eq!(passthrough.admit(INO, backing("1", !first)), Admission::Admitted);
            assert_eq!(is_past(&passthrough), Some(first));
            passthrough.close(INO);
            assert_eq!(is_past(&passthrough), Some(first));
            passthrough.close(INO);
            assert_eq!(is_past(&passthrough), None);
            assert_eq!(passthrough.admit(INO, backing("1", !first)), Admission::Admitted);
            assert_eq!(is_past(&passthrough), Some(!first));
        }
    }

    #[test]
    fn what_is_open_past_us_is_never_opened_as_another_version() {
        let passthrough = Passthrough::default();
        assert_eq!(passthrough.admit(INO, backing("1", true)), Admission::Admitted);
        for has_file in [true, false] {
            assert_eq!(passthrough.admit(INO, backing("2", has_file)), Admission::Outlived);
        }
        assert_eq!(passthrough.admit(Ino(8), backing("2", true)), Admission::Admitted);
        passthrough.close(INO);
        assert_eq!(passthrough.admit(INO, backing("2", true)), Admission::Admitted);
    }

    #[test]
    fn what_is_asked_of_us_may_be_another_version() {
        let passthrough = Passthrough::default();
        assert_eq!(passthrough.admit(INO, backing("1", false)), Admission::Admitted);
        assert_eq!(passthrough.admit(INO, backing("2", true)), Admission::Admitted);
        assert_eq!(is_past(&passthrough), Some(false));
    }

    #[test]
    fn once_refused_nothing_goes_past_us() {
        let passthrough = Passthrough::default();
        passthrough.is_refused.store(true, Ordering::Release);
        assert_eq!(passthrough.admit(INO, backing("1", true)), Admission::Admitted);
        assert_eq!(is_past(&passthrough), Some(false));
    }
}
