//! Removal of many names: programs go on while S3 is asked for up to a thousand keys at once.
//!
//! Three difficulties, each with a place of its own. When a program may go on: [`streaks`]. What
//! goes when, and that nobody is told of a key whose removal is under way: [`queue`]. Who is told
//! of a failure: [`failures`]. The mount sees S3 through [`view`], where such keys are gone already
//! and where nothing is written under one of them before its removal has ended. [`Removals`] is
//! what holds these together and makes the requests.

pub mod failures;
pub mod queue;
pub mod streaks;
pub mod view;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::Notify;

use crate::store::ObjectStore;
use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{DeleteObject, ListedObject, ObjectIdentifier};
use crate::vfs::removal::failures::{Failure, Failures, grouped};
use crate::vfs::removal::queue::{Queue, Removal};
use crate::vfs::removal::streaks::{Pace, Streaks};

/// Requests at once where a server has no batches.
const SINGLE_REQUESTS_MAX: usize = 32;

/// The removals of one mount.
pub struct Removals {
    store: Arc<dyn ObjectStore>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    streaks: Streaks,
    queue: Queue,
    failures: Failures,
    /// Nothing more is taken: the mount ends.
    is_closed: bool,
}

/// Somebody who asks S3 and takes the answer, until dropped.
pub struct Reading<'a> {
    removals: &'a Removals,
    reader: u64,
}

impl Removals {
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self { store, state: Mutex::default(), changed: Notify::new() })
    }

    /// How the next name of a process is to be removed.
    pub fn pace(&self, pid: u32, now: Duration) -> Pace {
        self.state().streaks.plan_pace(pid, now)
    }

    /// A process has removed a name.
    pub fn note_removed(&self, pid: u32, now: Duration) {
        self.state().streaks.removed(pid, now);
    }

    /// A process has done something else, or failed to remove a name.
    pub fn break_streak(&self, pid: u32) {
        self.state().streaks.broken(pid);
    }

    /// Waits until another name may go before S3 has removed it.
    pub async fn room(&self) {
        self.when(|state| state.queue.has_room()).await;
    }

    /// Removes a key; the mount sees it gone from now on. False, and nothing is done, once it is
    /// closed. Must be called inside a runtime.
    #[must_use]
    pub fn add(self: &Arc<Self>, removal: Removal) -> bool {
        let bucket = Arc::clone(&removal.bucket);
        let mut state = self.state();
        if state.is_closed {
            return false;
        }
        state.queue.add(removal);
        self.send(&mut state, &bucket);
        true
    }

    /// From now on nothing is taken.
    pub fn close(&self) {
        self.state().is_closed = true;
    }

    /// Waits until no removal of this key is under way; it is written anew then.
    pub async fn settled_to_write(&self, bucket: &str, key: &str) {
        self.when(|state| !state.queue.is_pending(bucket, key)).await;
        self.state().queue.rewritten(bucket, key);
    }

    /// Waits until no removal of a key that begins like this is under way.
    pub async fn settled_below(&self, bucket: &str, prefix: &str) {
        self.when(|state| !state.queue.has_below(bucket, prefix)).await;
    }

    /// Waits until no removal is under way.
    pub async fn settled(&self) {
        self.when(|state| state.queue.is_empty()).await;
    }

    /// What a process was not told yet of names that it removed and that did not go.
    pub fn take_failure_of(&self, pid: u32) -> Option<StoreError> {
        self.state().failures.take_of(pid)
    }

    /// As [`Self::take_failure_of`], of all below a directory.
    pub fn take_failure_below(&self, bucket: &str, prefix: &str) -> Option<StoreError> {
        self.state().failures.take_below(bucket, prefix)
    }

    /// All that nobody was told of.
    pub fn take_failures(&self) -> Vec<Failure> {
        self.state().failures.take_all()
    }

    /// S3 is about to be asked what is there.
    pub fn begin_reading(&self) -> Reading<'_> {
        Reading { removals: self, reader: self.state().queue.begin_reading() }
    }

    /// Begins all batches that may go now.
    fn send(self: &Arc<Self>, state: &mut State, bucket: &Arc<str>) {
        while let Some(keys) = state.queue.next_batch(bucket) {
            let (removals, bucket) = (Arc::clone(self), Arc::clone(bucket));
            drop(tokio::spawn(async move { removals.run(bucket, keys).await }));
        }
    }

    async fn run(self: Arc<Self>, bucket: Arc<str>, keys: Vec<Arc<str>>) {
        let deleting = AssertUnwindSafe(self.delete(&bucket, &keys)).catch_unwind();
        // Nobody would ever end waiting for keys of which nothing is heard.
        let answers = deleting.await.unwrap_or_default().into_iter();
        let answers = answers.chain(std::iter::repeat_with(|| Err(unanswered())));
        let ends = keys.into_iter().zip(answers.map(error_of)).collect();
        let failures = {
            let mut state = self.state();
            let failures = grouped(state.queue.ended(&bucket, ends));
            failures.iter().for_each(|failure| state.failures.add(failure.clone()));
            self.send(&mut state, &bucket);
            failures
        };
        for Failure { directory, path, error, others, .. } in failures {
            // What listings told of the directory was told without these names.
            directory.names().forget_unpinned();
            tracing::warn!(path, others, "removed, and is there again: {error}");
        }
        self.changed.notify_waiters();
    }

    async fn delete(&self, bucket: &str, keys: &[Arc<str>]) -> Vec<StoreResult<()>> {
        let name = |key: &Arc<str>| ObjectIdentifier { key: key.to_string(), version: None };
        let objects = keys.iter().map(name).collect();
        match self.store.delete_objects(bucket, objects).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map(drop)).collect(),
            Err(error) if error.kind == ErrorKind::Unsupported => {
                self.delete_each(bucket, keys).await
            }
            Err(error) => vec![Err(error); keys.len()],
        }
    }

    async fn delete_each(&self, bucket: &str, keys: &[Arc<str>]) -> Vec<StoreResult<()>> {
        let delete = |key: &Arc<str>| {
            let (store, bucket, key) = (Arc::clone(&self.store), bucket.to_owned(), key.clone());
            async move { store.delete_object(&bucket, &key, DeleteObject::default()).await.map(drop) }
        };
        let deletes: Vec<_> = keys.iter().map(delete).collect();
        stream::iter(deletes).buffered(SINGLE_REQUESTS_MAX).collect().await
    }

    async fn when(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_so(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is called while it is held panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading<'_> {
    #[must_use]
    pub fn hides(&self, bucket: &str, key: &str) -> bool {
        self.removals.state().queue.hides(self.reader, bucket, key)
    }

    /// Leaves out what is gone.
    pub fn retain_seen(&self, bucket: &str, objects: &mut Vec<ListedObject>) {
        let state = self.removals.state();
        objects.retain(|object| !state.queue.hides(self.reader, bucket, &object.key));
    }

    /// How many keys that begin like this are gone and may still be told.
    #[must_use]
    pub fn count_below(&self, bucket: &str, prefix: &str) -> usize {
        self.removals.state().queue.count_below(bucket, prefix)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.removals.state().queue.end_reading(self.reader);
    }
}

/// Why a key did not go. What is not there is gone.
fn error_of(answer: StoreResult<()>) -> Option<StoreError> {
    answer.err().filter(|error| error.kind != ErrorKind::NotFound)
}

fn unanswered() -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "", "nothing is known of its removal")
}
