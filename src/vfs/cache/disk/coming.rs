//! Coming: versions that the keeper is about to have, which readers wait for rather than ask S3.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::vfs::cache::disk::format::Name;

/// The versions that are coming; as many as there are jobs that bring them.
#[derive(Default)]
pub struct Table {
    rows: Mutex<BTreeMap<Name, Row>>,
}

struct Row {
    /// How many jobs bring it.
    jobs: usize,
    /// Closed when the last of them was done.
    done: watch::Sender<()>,
}

/// A version is coming as long as this lives.
pub struct Coming {
    table: Arc<Table>,
    name: Name,
}

impl Table {
    /// Waits until a version has come, or is not going to.
    pub async fn wait(&self, name: &Name) {
        let coming = self.rows().get(name).map(|row| row.done.subscribe());
        if let Some(mut coming) = coming {
            // Nothing is ever sent.
            coming.changed().await.ok();
        }
    }

    /// The versions of an object that are coming.
    #[must_use]
    pub fn versions(&self, bucket: &str, key: &str) -> Vec<Name> {
        self.rows().range(Name::versions_of(bucket, key)).map(|(name, _)| *name).collect()
    }

    /// Each change under this lock is whole behind it.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Name, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coming {
    #[must_use]
    pub fn new(table: &Arc<Table>, name: Name) -> Self {
        let mut rows = table.rows();
        let row = rows.entry(name).or_insert_with(|| Row { jobs: 0, done: watch::Sender::new(()) });
        row.jobs += 1;
        drop(rows);
        Self { table: Arc::clone(table), name }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let mut rows = self.table.rows();
        if let Some(row) = rows.get_mut(&self.name) {
            row.jobs -= 1;
            if row.jobs == 0 {
                rows.remove(&self.name);
            }
        }
    }
}
