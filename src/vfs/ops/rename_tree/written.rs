//! Files that are being written below a directory that is renamed: they are sent, copied with the
//! rest, and written on under their new names.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use crate::vfs::error::VfsResult;
use crate::vfs::namespace::directory::Known;
use crate::vfs::ops::handles::OpenFile;
use crate::vfs::ops::rename_tree::Run;
use crate::vfs::write::draft::{Committed, Hold, Urgency};

/// Drafts that nobody writes to or commits meanwhile.
#[derive(Default)]
pub(super) struct Held<'a> {
    holds: Vec<(&'a str, Hold)>,
    /// Nobody begins or ends writing either.
    turns: Vec<MutexGuard<'a, ()>>,
}

impl Run<'_> {
    /// Holds every file that is still being written, and sends what S3 does not have of it.
    pub(super) async fn hold<'o>(
        &mut self,
        open: &'o [(Arc<OpenFile>, String)],
    ) -> VfsResult<Held<'o>> {
        let mut held = Held::default();
        // All turns before the first draft: whoever has a turn may need another's draft.
        for (open, _) in open {
            held.turns.push(open.turn().await);
        }
        for (open, rest) in open {
            let Some(draft) = open.draft() else { continue };
            let mut hold = draft.hold().await;
            let committed = hold.commit(Urgency::Always, self.vfs.stamp(open).1).await?;
            if let Some(Committed { object, .. }) = committed {
                let facts = self.note_object(open, object);
                self.vfs.pin(&open.inode, &Known::File(facts));
            }
            self.written.insert(rest.clone());
            held.holds.push((rest, hold));
        }
        Ok(held)
    }

    /// Copies what was being written when the rename began, whoever still writes it.
    pub(super) async fn copy_written(&mut self) -> VfsResult<()> {
        let mut rests: Vec<String> = self.written.iter().cloned().collect();
        rests.sort_unstable();
        self.copy_keys(rests).await
    }
}

impl Held<'_> {
    /// What was removed under its old name goes on under the new one.
    pub(super) fn follow(&mut self, run: &Run<'_>) {
        for (rest, hold) in &mut self.holds {
            if let Some(object) = run.moved_written.get(*rest) {
                hold.moved(run.target.target(rest), object.clone());
            }
        }
    }
}
