//! Archived objects: seen, but not read before S3 has restored them.
//!
//! Opening one fails at once and says what to do; a mount can be told to do that itself.

use crate::store::error::ErrorKind;
use crate::store::types::{ObjectHead, Restore};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::archive::is_archived;
use crate::vfs::write::upload::Target;

impl Vfs {
    /// Fails where the bytes of an object must be restored first.
    pub(crate) async fn check_readable(&self, target: &Target, head: &ObjectHead) -> VfsResult<()> {
        let class = head.attributes.storage_class.as_deref();
        if !is_archived(class, head.restore, head.archive_status.as_deref()) {
            return Ok(());
        }
        let class = class.unwrap_or("an archive").to_owned();
        let what = match (head.restore, &self.options.restore) {
            (Some(Restore::Ongoing), _) => "it is being restored".to_owned(),
            (_, None) => "to restore it: setfattr -n user.s3.restore -v days=5 PATH".to_owned(),
            (_, Some(asked)) => {
                let Target { bucket, key } = target;
                match self.store.restore_object(bucket, key, asked.clone()).await {
                    Ok(()) => "its restore was asked for just now".to_owned(),
                    Err(error) if error.kind == ErrorKind::Conflict => {
                        "it is being restored".to_owned()
                    }
                    Err(error) => format!("its restore was asked for and refused: {error}"),
                }
            }
        };
        Err(VfsError::Archived { class, what })
    }

    /// Says why, of a read that S3 refused because the object is archived.
    pub(crate) async fn explained(&self, target: &Target, error: VfsError) -> VfsError {
        match &error {
            VfsError::Store(refused) if refused.kind == ErrorKind::Archived => {}
            _ => return error,
        }
        match self.head(&target.bucket, &target.key).await {
            Ok(Some(head)) => self.check_readable(target, &head).await.err().unwrap_or(error),
            Ok(None) | Err(_) => error,
        }
    }
}
