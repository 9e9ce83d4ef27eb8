//! Blobs as rows of the journal's database: those too small to be worth a file.
//!
//! A row is written by the transaction that commits the first record to name it, so that a small
//! body is durable together with its object and by the same write. Until then its bytes are in
//! memory; from then on they are read from the database. A row that nobody holds any more is
//! removed by the next transaction, whatever that one is about.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::refusal;

/// Bytes by id.
const BODIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bodies");
/// The ids of all bodies: walking over [`BODIES`] would read every one of them.
const BODY_IDS: TableDefinition<'_, &str, ()> = TableDefinition::new("body_ids");

/// All rows of one store.
#[derive(Debug)]
pub(in crate::store::model) struct Rows {
    database: Arc<Database>,
    /// The ids of rows that nobody holds any more.
    unwanted: Mutex<Vec<String>>,
}

impl Rows {
    pub(in crate::store::model) fn over(database: Arc<Database>) -> Arc<Self> {
        Arc::new(Self { database, unwanted: Mutex::default() })
    }

    /// The row of an id that the metadata names.
    pub(in crate::store::model) fn row(self: &Arc<Self>, id: &str) -> Row {
        Row { id: id.to_owned(), rows: Arc::clone(self), uncommitted: Mutex::default() }
    }

    /// A row that is yet to be committed.
    pub(super) fn fresh_row(self: &Arc<Self>, bytes: Bytes) -> Row {
        let id = format!("{:032x}", fastrand::u128(..));
        Row { id, rows: Arc::clone(self), uncommitted: Mutex::new(Some(bytes)) }
    }

    /// Makes the tables that are not there.
    pub(in crate::store::model) fn create_tables(
        transaction: &WriteTransaction,
    ) -> StoreResult<()> {
        transaction.open_table(BODIES).map_err(failed)?;
        transaction.open_table(BODY_IDS).map_err(failed)?;
        Ok(())
    }

    /// Writes those of the rows that never were, and removes those that nobody holds. Once the
    /// transaction is committed, [`Row::set_committed`] is due for each of them.
    pub(in crate::store::model) fn write(
        &self,
        transaction: &WriteTransaction,
        rows: &[&Row],
    ) -> StoreResult<()> {
        let mut bodies = transaction.open_table(BODIES).map_err(failed)?;
        let mut ids = transaction.open_table(BODY_IDS).map_err(failed)?;
        for row in rows {
            if let Some(bytes) = &*row.uncommitted() {
                bodies.insert(row.id.as_str(), &**bytes).map_err(failed)?;
                ids.insert(row.id.as_str(), ()).map_err(failed)?;
            }
        }
        // Where the commit fails they stay until the next sweep.
        let unwanted = std::mem::take(&mut *self.unwanted());
        for id in unwanted {
            bodies.remove(id.as_str()).map_err(failed)?;
            ids.remove(id.as_str()).map_err(failed)?;
        }
        Ok(())
    }

    /// Has every row that is not one of `wanted` removed; answers how many.
    pub(in crate::store::model) fn sweep(&self, wanted: &HashSet<String>) -> StoreResult<usize> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let ids = transaction.open_table(BODY_IDS).map_err(failed)?;
        let mut swept = 0;
        for row in ids.iter().map_err(failed)? {
            let (id, _) = row.map_err(failed)?;
            if !wanted.contains(id.value()) {
                self.unwanted().push(id.value().to_owned());
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn unwanted(&self) -> MutexGuard<'_, Vec<String>> {
        self.unwanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blob's row. Dropping the last one has it removed.
#[derive(Debug)]
pub(in crate::store::model) struct Row {
    id: String,
    rows: Arc<Rows>,
    /// The bytes, until they are in the database.
    uncommitted: Mutex<Option<Bytes>>,
}

impl Row {
    pub(in crate::store::model) fn id(&self) -> &str {
        &self.id
    }

    /// Lets go of the bytes, which the database has now.
    pub(in crate::store::model) fn set_committed(&self) {
        *self.uncommitted() = None;
    }

    /// The bytes of a range. Reads the database: not for a thread of the runtime.
    pub(super) fn read(&self, range: Range<usize>) -> StoreResult<Bytes> {
        let lost = || {
            let message = "stored bytes are not there";
            StoreError::new(ErrorKind::Corrupt, "InternalError", message)
        };
        let piece = |bytes: &[u8]| bytes.get(range).map(Bytes::copy_from_slice).ok_or_else(lost);
        if let Some(bytes) = &*self.uncommitted() {
            return piece(bytes);
        }
        let transaction = self.rows.database.begin_read().map_err(failed)?;
        let bodies = transaction.open_table(BODIES).map_err(failed)?;
        let body = bodies.get(self.id.as_str()).map_err(failed)?;
        piece(body.ok_or_else(lost)?.value())
    }

    fn uncommitted(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.uncommitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if self.uncommitted().is_none() {
            let id = std::mem::take(&mut self.id);
            self.rows.unwanted().push(id);
        }
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    refusal::internal("stored bytes can't be read or written", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(directory: &std::path::Path) -> Arc<Rows> {
        let database = Database::create(directory.join("rows.redb")).unwrap();
        let rows = Rows::over(Arc::new(database));
        commit(&rows, &[]);
        rows
    }

    fn commit(rows: &Rows, fresh: &[&Row]) {
        let transaction = rows.database.begin_write().unwrap();
        rows.write(&transaction, fresh).unwrap();
        transaction.commit().unwrap();
        fresh.iter().for_each(|row| row.set_committed());
    }

    fn code(result: StoreResult<Bytes>) -> Result<Bytes, ErrorKind> {
        result.map_err(|error| error.kind)
    }

    #[test]
    fn bytes_are_read_before_and_after_they_are_committed() {
        let directory = tempfile::tempdir().unwrap();
        let rows = rows(directory.path());
        let row = rows.fresh_row(Bytes::from_static(b"0123"));
        let check = |row: &Row| {
            assert_eq!(row.read(1..3).unwrap(), "12");
            assert_eq!(code(row.read(1..5)), Err(ErrorKind::Corrupt));
        };
        check(&row);
        commit(&rows, &[&row]);
        assert!(row.uncommitted().is_none());
        check(&row);
        check(&rows.row(&row.id));
        assert_eq!(code(rows.row("other").read(0..1)), Err(ErrorKind::Corrupt));
    }

    #[test]
    fn a_row_that_nobody_holds_goes_with_the_next_transaction() {
        let directory = tempfile::tempdir().unwrap();
        let rows = rows(directory.path());
        let (kept, gone) = (rows.fresh_row(Bytes::from_static(b"0")), rows.fresh_row(Bytes::new()));
        drop(rows.fresh_row(Bytes::from_static(b"never committed")));
        commit(&rows, &[&kept, &gone]);
        let all = |rows: &Rows| rows.sweep(&HashSet::new()).unwrap();
        let id = gone.id.clone();
        drop(gone);
        assert_eq!(code(rows.row(&id).read(0..0)), Ok(Bytes::new()));
        commit(&rows, &[]);
        assert_eq!(code(rows.row(&id).read(0..0)), Err(ErrorKind::Corrupt));
        assert_eq!(rows.sweep(&HashSet::from([kept.id.clone()])).unwrap(), 0);
        assert_eq!(all(&rows), 1);
        commit(&rows, &[]);
        assert_eq!(all(&rows), 0);
    }
}
