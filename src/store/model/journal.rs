//! The journal: the state on disk, in one redb database.
//!
//! It is read once, when the store is opened, and written with every change; the small blobs that
//! live in the same database are [`rows`](crate::store::model::blobs::rows)'. A second process
//! that opens the same directory is refused by the database's lock.

use std::path::Path;
use std::sync::Arc;

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase as _, ReadableTable as _, Table,
    TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::blobs::rows::{Row, Rows};
use crate::store::model::records::{
    BlobTable, BucketRecord, PartRecord, UploadRecord, VersionRecord,
};
use crate::store::model::refusal;
use crate::store::model::state::{ObjectName, State, Update, UploadName};

/// Everything that is read again is in memory already, but for small blobs.
const CACHE_BYTES: usize = 16 << 20;
const FORMAT: u64 = 1;

/// The format of the other tables, under an empty key.
const FORMATS: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
/// By bucket.
const BUCKETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("buckets");
/// By bucket, key and sequence.
const VERSIONS: TableDefinition<'_, (&str, &str, u64), &[u8]> = TableDefinition::new("versions");
/// By bucket, key and upload.
const UPLOADS: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("uploads");
/// By bucket, key, upload and number.
const PARTS: TableDefinition<'_, (&str, &str, &str, u32), &[u8]> = TableDefinition::new("parts");

/// An open journal.
pub(super) struct Journal {
    database: Arc<Database>,
    rows: Arc<Rows>,
}

impl Journal {
    /// Opens the journal, making an empty one where there is none.
    pub(super) fn open(path: &Path) -> StoreResult<Self> {
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::new(
                ErrorKind::Conflict,
                "OperationAborted",
                format!("{} is in use by another process", path.display()),
            ),
            error => failed(error),
        })?;
        let database = Arc::new(database);
        let journal = Self { rows: Rows::over(Arc::clone(&database)), database };
        journal.check_format()?;
        Ok(journal)
    }

    /// Refuses a journal of another format; makes the tables that are not there.
    fn check_format(&self) -> StoreResult<()> {
        let transaction = self.database.begin_write().map_err(failed)?;
        {
            let mut formats = transaction.open_table(FORMATS).map_err(failed)?;
            let format = formats.get("").map_err(failed)?.map(|format| format.value());
            match format {
                None => drop(formats.insert("", FORMAT).map_err(failed)?),
                Some(FORMAT) => {}
                Some(other) => {
                    return Err(refusal::internal("the metadata has an unknown format", other));
                }
            }
            Tables::open(&transaction)?;
            Rows::create_tables(&transaction)?;
        }
        transaction.commit().map_err(failed)
    }

    /// The blobs that are kept in the same database.
    pub(super) fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows)
    }

    /// All that was ever committed; the blobs it names are entered in the table.
    pub(super) fn load(&self, blobs: &mut BlobTable) -> StoreResult<State> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let mut state = State::default();
        let buckets = transaction.open_table(BUCKETS).map_err(failed)?;
        for row in buckets.iter().map_err(failed)? {
            let (key, record) = row.map_err(failed)?;
            let info = decode::<BucketRecord>(record.value())?.into_info()?;
            let (bucket, info) = (key.value().to_owned(), Some(Arc::new(info)));
            state.apply(Update::Bucket { bucket, info });
        }
        let versions = transaction.open_table(VERSIONS).map_err(failed)?;
        for row in versions.iter().map_err(failed)? {
            let (key, record) = row.map_err(failed)?;
            let (bucket, key, sequence) = key.value();
            let version = decode::<VersionRecord>(record.value())?;
            let version = Some(version.into_version(sequence, blobs)?);
            let name = ObjectName::new(bucket, key);
            state.apply(Update::Version { name, sequence, version });
        }
        let uploads = transaction.open_table(UPLOADS).map_err(failed)?;
        for row in uploads.iter().map_err(failed)? {
            let (key, record) = row.map_err(failed)?;
            let info = decode::<UploadRecord>(record.value())?.into_info()?;
            let (name, info) = (upload_name(key.value()), Some(Arc::new(info)));
            state.apply(Update::Upload { name, info });
        }
        let parts = transaction.open_table(PARTS).map_err(failed)?;
        for row in parts.iter().map_err(failed)? {
            let (key, record) = row.map_err(failed)?;
            let (bucket, key, upload, number) = key.value();
            let part = Arc::new(decode::<PartRecord>(record.value())?.into_part(blobs)?);
            let name = upload_name((bucket, key, upload));
            state.apply(Update::Part { name, number, part });
        }
        Ok(state)
    }

    /// Makes all the updates durable, with the rows they name, or none.
    pub(super) fn commit(&self, updates: &[&Update]) -> StoreResult<()> {
        let mut transaction = self.database.begin_write().map_err(failed)?;
        transaction.set_durability(Durability::Immediate).map_err(failed)?;
        let segments = updates.iter().flat_map(|update| update.segments());
        let rows: Vec<_> = segments.filter_map(|segment| segment.blob.row()).collect();
        self.rows.write(&transaction, &rows)?;
        {
            let mut tables = Tables::open(&transaction)?;
            for update in updates {
                tables.write(update)?;
            }
        }
        transaction.commit().map_err(failed)?;
        rows.into_iter().for_each(Row::set_committed);
        Ok(())
    }
}

/// The tables of one transaction.
struct Tables<'t> {
    buckets: Table<'t, &'static str, &'static [u8]>,
    versions: Table<'t, (&'static str, &'static str, u64), &'static [u8]>,
    uploads: Table<'t, (&'static str, &'static str, &'static str), &'static [u8]>,
    parts: Table<'t, (&'static str, &'static str, &'static str, u32), &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> StoreResult<Self> {
        Ok(Self {
            buckets: transaction.open_table(BUCKETS).map_err(failed)?,
            versions: transaction.open_table(VERSIONS).map_err(failed)?,
            uploads: transaction.open_table(UPLOADS).map_err(failed)?,
            parts: transaction.open_table(PARTS).map_err(failed)?,
        })
    }

    fn write(&mut self, update: &Update) -> StoreResult<()> {
        match update {
            Update::Bucket { bucket, info: Some(info) } => {
                let record = encode(&BucketRecord::from(&**info))?;
                self.buckets.insert(bucket.as_str(), record.as_slice()).map_err(failed)?;
            }
            Update::Bucket { bucket, info: None } => self.remove_bucket(bucket)?,
            Update::Version { name: ObjectName { bucket, key }, sequence, version } => {
                let row = (bucket.as_str(), key.as_str(), *sequence);
                match version {
                    Some(version) => {
                        let record = encode(&VersionRecord::from(version))?;
                        self.versions.insert(row, record.as_slice()).map_err(failed)?;
                    }
                    None => drop(self.versions.remove(row).map_err(failed)?),
                }
            }
            Update::Upload { name, info: Some(info) } => {
                let record = encode(&UploadRecord::from(&**info))?;
                self.uploads.insert(row_of(name), record.as_slice()).map_err(failed)?;
            }
            Update::Upload { name, info: None } => self.remove_upload(name)?,
            Update::Part { name, number, part } => {
                let (bucket, key, upload) = row_of(name);
                let record = encode(&PartRecord::from(&**part))?;
                let row = (bucket, key, upload, *number);
                self.parts.insert(row, record.as_slice()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes a bucket, which has no versions left, and its uploads.
    fn remove_bucket(&mut self, bucket: &str) -> StoreResult<()> {
        drop(self.buckets.remove(bucket).map_err(failed)?);
        // No other bucket's name is between these two.
        let next = format!("{bucket}\0");
        let uploads = (bucket, "", "")..(next.as_str(), "", "");
        self.uploads.retain_in(uploads, |_, _| false).map_err(failed)?;
        let parts = (bucket, "", "", 0)..(next.as_str(), "", "", 0);
        self.parts.retain_in(parts, |_, _| false).map_err(failed)
    }

    fn remove_upload(&mut self, name: &UploadName) -> StoreResult<()> {
        let (bucket, key, upload) = row_of(name);
        drop(self.uploads.remove((bucket, key, upload)).map_err(failed)?);
        let parts = (bucket, key, upload, 0)..=(bucket, key, upload, u32::MAX);
        self.parts.retain_in(parts, |_, _| false).map_err(failed)
    }
}

fn row_of(name: &UploadName) -> (&str, &str, &str) {
    (&name.object.bucket, &name.object.key, &name.upload)
}

fn upload_name((bucket, key, upload): (&str, &str, &str)) -> UploadName {
    UploadName { object: ObjectName::new(bucket, key), upload: upload.to_owned() }
}

fn encode(record: &impl Serialize) -> StoreResult<Vec<u8>> {
    serde_json::to_vec(record).map_err(failed)
}

fn decode<T: DeserializeOwned>(record: &[u8]) -> StoreResult<T> {
    serde_json::from_slice(record).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    refusal::internal("the metadata can't be read or written", error)
}
