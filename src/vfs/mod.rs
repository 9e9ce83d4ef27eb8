//! What a filesystem over objects is. Knows neither FUSE nor HTTP.
//!
//! [`Vfs`] is the whole of it: one method for each thing a program can ask of a file or a
//! directory, to be found in [`ops`]. Every method is `async` and ready at once where the answer
//! is known, so that a caller may poll it once and only then decide to wait.

pub mod budget;
pub mod buffers;
pub mod cache;
pub mod error;
pub mod journal;
pub mod namespace;
pub mod ops;
pub mod options;
pub mod read;
pub mod removal;
pub mod types;
pub mod write;
pub mod xattr;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::store::ObjectStore;
use crate::store::clock::Clock;
use crate::store::error::ErrorKind;
use crate::store::types::{HeadObject, ListObjects};
use crate::vfs::budget::Budget;
use crate::vfs::buffers::Buffers;
use crate::vfs::cache::attributes::Attributes;
use crate::vfs::cache::disk::DiskCache;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::journal::Journal;
use crate::vfs::namespace::inode::{Inodes, Location};
use crate::vfs::namespace::names::DirPrefix;
use crate::vfs::namespace::remembered::{NAMES_IN_ALL_MAX, Remembered};
use crate::vfs::ops::dir::walk::Walks;
use crate::vfs::ops::handles::Handles;
use crate::vfs::ops::moves::Moves;
use crate::vfs::options::Options;
use crate::vfs::read::Reader;
use crate::vfs::read::plan::ReadLimits;
use crate::vfs::removal::Removals;
use crate::vfs::removal::view::View;
use crate::vfs::types::{Ino, Source};
use crate::vfs::write::draft::{Drafting, DraftingOptions};
use crate::vfs::write::multipart::Multiparts;
use crate::vfs::write::turns::UploadLimits;

/// How many uploads of bytes a mount has under way at once.
const UPLOADS: UploadLimits = UploadLimits { first: 16, min: 4, max: 64 };

/// One mounted source.
pub struct Vfs {
    /// For what goes on behind a program's back.
    me: Weak<Self>,
    store: Arc<dyn ObjectStore>,
    options: Options,
    clock: Arc<dyn Clock>,
    mounted_at: SystemTime,
    inodes: Inodes,
    handles: Handles,
    reader: Arc<Reader>,
    drafting: Drafting,
    attributes: Option<Arc<Attributes>>,
    budget: Arc<Budget>,
    buffers: Arc<Buffers>,
    moves: Arc<Moves>,
    removals: Arc<Removals>,
    journal: Option<Journal>,
    multiparts: Arc<Multiparts>,
    ending: AtomicBool,
    kernel: OnceLock<Arc<dyn KernelCache>>,
    /// No listing has contradicted S3's order so far.
    lists_in_order: AtomicBool,
    walks: Walks,
    remembered: Remembered,
}

/// What the kernel remembers of a mount by itself.
pub trait KernelCache: Send + Sync + 'static {
    /// Has it forget attributes and pages of an inode, soon after this returns.
    fn forget(&self, ino: Ino);
    /// Has it forget what stands under a name, or that nothing does.
    fn forget_name(&self, directory: Ino, name: &str);
}

/// What was still to be written when a mount ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Drained {
    /// Files whose bytes reached S3 while draining.
    pub written: u64,
    /// Paths that could not be written or removed, each with what became of it.
    pub failed: Vec<(String, String)>,
}

impl Vfs {
    /// Asks nothing of S3; [`check_source`] does. Must be called inside a runtime, on which
    /// reading ahead and uploading then run.
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        source: Source,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Self::over_disk(store, None, source, options, clock)
    }

    /// As [`Self::new`], with a cache on disk.
    #[must_use]
    pub fn over_disk(
        store: Arc<dyn ObjectStore>,
        disk: Option<Arc<DiskCache>>,
        source: Source,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let removals = Removals::new(Arc::clone(&store));
        let store: Arc<dyn ObjectStore> = Arc::new(View::new(store, &removals));
        let budget = Budget::new(options.memory_bytes_max);
        let limits = ReadLimits::for_memory(options.memory_bytes_max, options.operation_timeout);
        let root = match source {
            Source::Account => Location::Account,
            Source::Prefix { bucket, prefix } => {
                Location::Directory { bucket: Arc::from(bucket), prefix: DirPrefix::root(&prefix) }
            }
        };
        let reader = Reader::over_disk(Arc::clone(&store), disk, Arc::clone(&budget), limits);
        let buffers = Arc::clone(reader.buffers());
        let drafting = DraftingOptions {
            uploads: UPLOADS,
            part_bytes: options.part_bytes,
            staging_directory: options.state_directory.clone(),
        };
        let state = options.state_directory.as_ref();
        let journal = state.map(|directory| Journal::new(directory, &options.state_scope));
        let multiparts = Multiparts::new(Arc::clone(&store), journal.clone(), Arc::clone(&clock));
        let drafting = Drafting::new(&multiparts, &budget, &reader, drafting);
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            reader,
            drafting,
            budget,
            buffers,
            mounted_at: clock.wall(),
            attributes: options
                .attributes_directory
                .as_deref()
                .and_then(Attributes::open_or_log)
                .map(Arc::new),
            inodes: Inodes::new(root),
            handles: Handles::default(),
            moves: Arc::default(),
            removals,
            journal,
            multiparts,
            ending: AtomicBool::new(false),
            kernel: OnceLock::new(),
            lists_in_order: AtomicBool::new(true),
            walks: Walks::default(),
            remembered: Remembered::new(NAMES_IN_ALL_MAX),
            store,
            options,
            clock,
        })
    }

    /// Whom to tell what the kernel is to forget; the first to be named stays.
    pub fn set_kernel_cache(&self, kernel: Arc<dyn KernelCache>) {
        drop(self.kernel.set(kernel));
    }

    /// Files and directories that are open; none are when every program has closed its own.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.handles.count()
    }

    /// Inodes that the kernel knows, the root among them.
    #[must_use]
    pub fn known_inodes(&self) -> usize {
        self.inodes.count()
    }

    /// A copy of bytes that a program writes.
    #[must_use]
    pub fn copy_of(&self, data: &[u8]) -> Bytes {
        self.buffers.copy(data)
    }

    /// Bytes of the memory for data that are in use.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.budget.used()
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn ttl(&self) -> Duration {
        self.options.ttl
    }

    /// Refuses a change where there may be none.
    fn check_writable(&self) -> VfsResult<()> {
        if self.options.read_only {
            return Err(VfsError::ReadOnly);
        }
        if self.ending.load(Ordering::Acquire) {
            return Err(VfsError::ShuttingDown);
        }
        Ok(())
    }
}

/// Fails where the source isn't there, isn't ours to list, or is an object. A prefix below which
/// there is nothing yet is a directory to be filled.
pub async fn check_source(store: &dyn ObjectStore, source: &Source) -> VfsResult<()> {
    match source {
        Source::Account => {
            store.list_buckets().await?;
        }
        Source::Prefix { bucket, prefix } => {
            let options =
                ListObjects { prefix: prefix.clone(), keys_max: Some(1), ..ListObjects::default() };
            let page = store.list_objects(bucket, options).await?;
            let key = prefix.trim_end_matches('/');
            if page.objects.is_empty() && !key.is_empty() {
                check_no_object(store, bucket, key).await?;
            }
        }
    }
    Ok(())
}

async fn check_no_object(store: &dyn ObjectStore, bucket: &str, key: &str) -> VfsResult<()> {
    match store.head_object(bucket, key, HeadObject::default()).await {
        Ok(_) => Err(VfsError::NotDirectory),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
