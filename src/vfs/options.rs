//! What a mount can be told, typed and in its final units. `cli` turns words into these.

use std::path::PathBuf;
use std::time::Duration;

use crate::store::types::RestoreObject;
use crate::vfs::namespace::posix::Dialect;

/// Which attributes `listxattr` names. Tools that copy what is listed would copy all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ListedAttributes {
    /// User metadata.
    #[default]
    User,
    /// What S3 and the mount know as well.
    All,
}

/// A cache on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskCacheOptions {
    /// For one mount alone.
    pub directory: PathBuf,
    /// What it may take of the disk.
    pub bytes_max: u64,
}

/// The choices of one mount.
#[derive(Clone, Debug)]
pub struct Options {
    /// Owner of what carries no owner of its own.
    pub uid: u32,
    pub gid: u32,
    /// Permission bits of files that carry none.
    pub file_mode: u32,
    /// Permission bits of directories that carry none.
    pub directory_mode: u32,
    /// Every change fails with `EROFS`.
    pub read_only: bool,
    /// For how long what S3 said is believed; zero asks anew at every open and lookup.
    pub ttl: Duration,
    /// The bound of all memory for data, bytes.
    pub memory_bytes_max: u64,
    /// The first part of a multipart upload is this large; later ones grow where an object
    /// would need more than S3's 10,000.
    pub part_bytes: u64,
    /// How long one operation may take before it fails with `ETIMEDOUT`.
    pub operation_timeout: Duration,
    /// Region for buckets that `mkdir` makes; `None` is the client's.
    pub create_region: Option<String>,
    /// Where intents are kept that survive a crash, and files being written as far as memory
    /// lacks; `None`: nowhere, so that what went up can be neither read nor changed before its
    /// file is closed.
    pub state_directory: Option<PathBuf>,
    /// Whose intents they are: the server and who one is there. Others are left alone.
    pub state_scope: String,
    /// How mode, owner and times are written; with [`Dialect::None`] they are not asked for either.
    pub posix_dialect: Dialect,
    pub listed_attributes: ListedAttributes,
    /// Only owners change what S3 knows of their files; the kernel checks what else there is.
    pub checks_owner: bool,
    /// Of the objects of new files; `None` is S3's default.
    pub storage_class: Option<String>,
    /// What is asked for when a program opens an archived file; `None`: nothing.
    pub restore: Option<RestoreObject>,
    /// Where attributes are remembered that were asked for; `None`: nowhere.
    pub attributes_directory: Option<PathBuf>,
    /// Where bytes are kept that were read and written; `None`: in memory alone.
    pub disk_cache: Option<DiskCacheOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            uid: 0,
            gid: 0,
            file_mode: 0o644,
            directory_mode: 0o755,
            read_only: false,
            ttl: Duration::from_secs(1),
            memory_bytes_max: 256 << 20,
            part_bytes: 8 << 20,
            operation_timeout: Duration::from_secs(60),
            create_region: None,
            state_directory: None,
            state_scope: String::new(),
            posix_dialect: Dialect::default(),
            listed_attributes: ListedAttributes::default(),
            checks_owner: true,
            storage_class: None,
            restore: None,
            attributes_directory: None,
            disk_cache: None,
        }
    }
}
