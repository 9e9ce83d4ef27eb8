//! Remembered attributes: what objects said of themselves, kept on disk.
//!
//! A listing doesn't carry user metadata, and asking for it costs a request for each object. What
//! was asked once is remembered with the ETag and the date of the version that said it, and found
//! again by them, also by the next mount. Losing any of it costs requests and nothing else: so
//! writing happens behind the caller's back, is skipped when there is too much of it, and a file
//! that can't be read is thrown away. What to ask for, and when, is left to others.

mod record;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase as _, ReadableTableMetadata as _,
    StorageError, TableDefinition,
};

use crate::store::types::ETag;
use crate::vfs::namespace::posix::Posix;

/// Objects remembered at most; about 200 bytes each.
pub const ENTRIES_MAX: u64 = 1_000_000;

/// What changes within a second of being asked may change again and keep its date, which has
/// whole seconds. One more for clocks that differ a little.
const AGE_MIN: Duration = Duration::from_secs(2);

/// Calls of [`Attributes::remember`] that may wait to be written; more are skipped.
const QUEUE_BATCHES_MAX: usize = 64;
/// Batches written between two that reach the disk for certain.
const BATCHES_UNSYNCED_MAX: usize = 64;
/// After so long without a batch, those before are brought to the disk.
const IDLE: Duration = Duration::from_secs(2);

const CACHE_BYTES: usize = 8 << 20;
const FILE_NAME: &str = "attributes.redb";

type Rows = TableDefinition<'static, (&'static str, &'static str), &'static [u8]>;

/// By bucket and key. New rows are put here; when it is half of all, it becomes [`OLD`].
const YOUNG: Rows = TableDefinition::new("young");
/// Looked into second, and forgotten as a whole.
const OLD: Rows = TableDefinition::new("old");

/// Why there is nothing to remember with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    #[error("{path}: {error}")]
    NotWritable { path: PathBuf, error: io::Error },
    #[error("{path} can't be made anew: {problem}")]
    Unusable { path: PathBuf, problem: String },
}

/// What one object said of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    pub key: String,
    /// Of the version that said it.
    pub etag: ETag,
    pub last_modified: SystemTime,
    /// When it was asked, by S3's clock where that is known.
    pub asked_at: SystemTime,
    pub posix: Posix,
}

/// The attributes that a mount remembers. Dropped, it waits until what it was given is on disk.
pub struct Attributes {
    database: Arc<Database>,
    /// `None` once it is being dropped.
    queue: Option<SyncSender<Batch>>,
    writer: Option<JoinHandle<()>>,
}

struct Batch {
    bucket: String,
    entries: Vec<Remembered>,
}

impl Attributes {
    /// Opens what is remembered in a directory, which is made if it isn't there. A file that is
    /// damaged, or no such file, is replaced by an empty one.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        Self::open_bounded(directory, ENTRIES_MAX)
    }

    /// As [`Attributes::open`]; where that fails, `None`, and a line in the log.
    #[must_use]
    pub fn open_or_log(directory: &Path) -> Option<Self> {
        let opened = Self::open(directory);
        opened.inspect_err(|error| tracing::warn!("attributes are not remembered: {error}")).ok()
    }

    fn open_bounded(directory: &Path, entries_max: u64) -> Result<Self, OpenError> {
        let path = directory.join(FILE_NAME);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| OpenError::NotWritable { path: directory.to_owned(), error })?;
        let database = Arc::new(open_or_replace(&path)?);
        let (queue, batches) = sync_channel(QUEUE_BATCHES_MAX);
        let writer = Writer { database: Arc::clone(&database), entries_max, unsynced: 0 };
        let thread = std::thread::Builder::new().name("attributes".to_owned());
        let writer = thread
            .spawn(move || writer.run(&batches))
            .map_err(|error| OpenError::NotWritable { path, error })?;
        Ok(Self { database, queue: Some(queue), writer: Some(writer) })
    }

    /// What is remembered of these versions of objects, in their order. Reads the disk where
    /// the system has not cached the file.
    #[must_use]
    pub fn find(&self, bucket: &str, versions: &[(&str, &ETag, SystemTime)]) -> Vec<Option<Posix>> {
        let found = guarded(|| find_rows(&self.database, bucket, versions));
        found.unwrap_or_else(|problem| {
            tracing::debug!("remembered attributes can't be read: {problem}");
            vec![None; versions.len()]
        })
    }

    /// Remembers soon, unless there is too much to write already. What was modified less than two
    /// seconds before it was asked is not remembered: it may change again and keep its date.
    pub fn remember(&self, bucket: &str, mut entries: Vec<Remembered>) {
        entries.retain(is_settled);
        let Some(queue) = self.queue.as_ref().filter(|_| !entries.is_empty()) else { return };
        if queue.try_send(Batch { bucket: bucket.to_owned(), entries }).is_err() {
            tracing::debug!("attributes of {bucket} are not remembered: too many at once");
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        drop(self.queue.take());
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::debug!("remembered attributes were not written to the end");
        }
    }
}

/// A date that is ahead of the clock says nothing of how long ago it was.
fn is_settled(entry: &Remembered) -> bool {
    let age = entry.asked_at.duration_since(entry.last_modified);
    age.is_ok_and(|age| age >= AGE_MIN)
}

fn open_or_replace(path: &Path) -> Result<Database, OpenError> {
    let damage = match open_database(path) {
        Ok(database) => return Ok(database),
        Err(Failure::Refused(error)) => return Err(error),
        Err(Failure::Damaged(damage)) => damage,
    };
    tracing::warn!("remembered attributes are begun anew: {} is damaged: {damage}", path.display());
    let not_writable = |error| OpenError::NotWritable { path: path.to_owned(), error };
    std::fs::remove_file(path).map_err(not_writable)?;
    open_database(path).map_err(|failure| match failure {
        Failure::Refused(error) => error,
        Failure::Damaged(problem) => OpenError::Unusable { path: path.to_owned(), problem },
    })
}

/// Why a database does not open.
enum Failure {
    /// It is another's, or can't be written: leave it alone.
    Refused(OpenError),
    Damaged(String),
}

fn open_database(path: &Path) -> Result<Database, Failure> {
    let refused = |error| Failure::Refused(OpenError::NotWritable { path: path.to_owned(), error });
    // What the file system refuses is found before the database, whose errors tell less.
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(refused)?;
    let opened = guarded(|| {
        let database = match Database::builder().set_cache_size(CACHE_BYTES).create(path) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => {
                return Ok(Err(Failure::Refused(OpenError::InUse(path.to_owned()))));
            }
            Err(DatabaseError::Storage(StorageError::Io(error))) if is_refusal(&error) => {
                return Ok(Err(refused(error)));
            }
            Err(error) => return Err(error.into()),
        };
        let transaction = database.begin_write()?;
        transaction.open_table(YOUNG)?;
        transaction.open_table(OLD)?;
        transaction.commit()?;
        Ok(Ok(database))
    });
    opened.map_err(Failure::Damaged)?
}

/// Whether the machine refuses, rather than the file's content.
fn is_refusal(error: &io::Error) -> bool {
    let kind = error.kind();
    let refusals = [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
    ];
    refusals.contains(&kind)
}

/// Runs something that may fail, or panic over a file that is damaged.
fn guarded<T>(run: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("its content is inconsistent".to_owned()),
    }
}

fn find_rows(
    database: &Database,
    bucket: &str,
    versions: &[(&str, &ETag, SystemTime)],
) -> Result<Vec<Option<Posix>>, redb::Error> {
    let transaction = database.begin_read()?;
    let tables = [transaction.open_table(YOUNG)?, transaction.open_table(OLD)?];
    let mut found = Vec::with_capacity(versions.len());
    for (key, etag, last_modified) in versions {
        let mut posix = None;
        for table in &tables {
            if let Some(row) = table.get((bucket, *key))? {
                posix = record::decode(row.value(), etag, *last_modified);
                break;
            }
        }
        found.push(posix);
    }
    Ok(found)
}

/// Writes what is to be remembered, on a thread of its own.
struct Writer {
    database: Arc<Database>,
    entries_max: u64,
    /// Batches since the last that reached the disk for certain.
    unsynced: usize,
}

impl Writer {
    fn run(mut self, batches: &Receiver<Batch>) {
        loop {
            let written = match batches.recv_timeout(IDLE) {
                Ok(batch) => guarded(|| self.write(&batch)),
                Err(RecvTimeoutError::Timeout) => guarded(|| self.sync()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(problem) = written {
                tracing::warn!("attributes are remembered no longer: {problem}");
                return;
            }
        }
        if let Err(problem) = guarded(|| self.sync()) {
            tracing::warn!("remembered attributes are lost: {problem}");
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::None)?;
        let mut table = transaction.open_table(YOUNG)?;
        for entry in &batch.entries {
            let record = record::encode(&entry.etag, entry.last_modified, &entry.posix);
            table.insert((batch.bucket.as_str(), entry.key.as_str()), record.as_slice())?;
        }
        let is_full = table.len()? >= self.entries_max / 2;
        drop(table);
        if is_full {
            transaction.delete_table(OLD)?;
            transaction.rename_table(YOUNG, OLD)?;
            transaction.open_table(YOUNG)?;
        }
        transaction.commit()?;
        self.unsynced += 1;
        // Pages that were freed can't be used again before a commit that reaches the disk.
        if self.unsynced >= BATCHES_UNSYNCED_MAX { self.sync() } else { Ok(()) }
    }

    /// Brings what was written to the disk.
    fn sync(&mut self) -> Result<(), redb::Error> {
        if self.unsynced == 0 {
            return Ok(());
        }
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // A mount that is killed is not to cost the next one a walk over the whole file.
        transaction.set_quick_repair(true);
        transaction.commit()?;
        self.unsynced = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
