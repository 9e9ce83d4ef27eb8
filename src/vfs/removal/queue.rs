//! Queue: keys that are to go and which of them go next, and what a reader must not be told of.
//!
//! A key is pending from the moment at which its name is gone from the mount until S3 has
//! answered. Those of one bucket go in batches: one at once when none is under way, and what comes
//! meanwhile makes the next. Whatever S3 tells from before the end of a removal may tell the key
//! still, so each reader says when it began, and ends are remembered until all who began before
//! have ended. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use crate::store::error::StoreError;
use crate::vfs::namespace::inode::Inode;

/// Names that may be gone from the mount and not yet from S3; whoever comes then waits.
pub const PENDING_MAX: usize = 8192;

/// S3's limit for one batch
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub const BATCH_KEYS_MAX: usize = 1000;

/// Batches of a bucket under way at once.
const BATCHES_MAX: usize = 4;

/// A name that is gone from the mount, whose key is to go from S3.
#[derive(Clone)]
pub struct Removal {
    pub bucket: Arc<str>,
    pub key: Arc<str>,
    /// What the name was in.
    pub directory: Arc<Inode>,
    /// Below the mount, for messages.
    pub path: String,
    /// Who removed it.
    pub pid: u32,
}

/// How many of those that wait make a batch now; zero: none goes yet.
#[must_use]
pub fn plan_batch(waiting: usize, under_way: usize) -> usize {
    let is_full = waiting >= BATCH_KEYS_MAX;
    if under_way == 0 || (is_full && under_way < BATCHES_MAX) {
        waiting.min(BATCH_KEYS_MAX)
    } else {
        0
    }
}

/// Everything that is to go.
#[derive(Default)]
pub struct Queue {
    buckets: HashMap<Arc<str>, Bucket>,
    count: usize,
    /// Counts what happens, so that it can be said what was before what.
    moment: u64,
    /// When readers began that have not ended.
    readers: BTreeSet<u64>,
    /// When keys went that a reader may still be told, in order.
    ends: VecDeque<(u64, Arc<str>, Arc<str>)>,
}

#[derive(Default)]
struct Bucket {
    pending: BTreeMap<Arc<str>, Removal>,
    waiting: VecDeque<Arc<str>>,
    under_way: usize,
    /// When keys went that a reader may still be told.
    gone: HashMap<Arc<str>, u64>,
}

impl Bucket {
    fn below(&self, prefix: &str) -> impl Iterator<Item = &Arc<str>> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.pending.range::<str, _>(from).map(|(key, _)| key);
        keys.take_while(move |key| key.starts_with(prefix))
    }

    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.under_way == 0 && self.gone.is_empty()
    }
}

impl Queue {
    /// Takes up a key, unless it is pending already.
    pub fn add(&mut self, removal: Removal) {
        let bucket = self.buckets.entry(Arc::clone(&removal.bucket)).or_default();
        let key = Arc::clone(&removal.key);
        if bucket.pending.contains_key(&key) {
            return;
        }
        bucket.waiting.push_back(Arc::clone(&key));
        bucket.pending.insert(key, removal);
        self.count += 1;
    }

    /// Whether another name may go.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.count < PENDING_MAX
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[must_use]
    pub fn is_pending(&self, bucket: &str, key: &str) -> bool {
        self.buckets.get(bucket).is_some_and(|bucket| bucket.pending.contains_key(key))
    }

    /// How many pending keys begin like this.
    #[must_use]
    pub fn count_below(&self, bucket: &str, prefix: &str) -> usize {
        self.buckets.get(bucket).map_or(0, |bucket| bucket.below(prefix).count())
    }

    #[must_use]
    pub fn has_below(&self, bucket: &str, prefix: &str) -> bool {
        self.buckets.get(bucket).is_some_and(|bucket| bucket.below(prefix).next().is_some())
    }

    /// Keys of a bucket that are to go now, from here on under way.
    pub fn next_batch(&mut self, bucket: &str) -> Option<Vec<Arc<str>>> {
        let bucket = self.buckets.get_mut(bucket)?;
        let keys = plan_batch(bucket.waiting.len(), bucket.under_way);
        if keys == 0 {
            return None;
        }
        bucket.under_way += 1;
        Some(bucket.waiting.drain(..keys).collect())
    }

    /// A batch has ended, each of its keys with or without an error. Gives back what did not go.
    pub fn ended(
        &mut self,
        bucket: &Arc<str>,
        ends: Vec<(Arc<str>, Option<StoreError>)>,
    ) -> Vec<(Removal, StoreError)> {
        let moment = self.next_moment();
        let Some(state) = self.buckets.get_mut(bucket) else { return Vec::new() };
        state.under_way -= 1;
        let mut failed = Vec::new();
        for (key, error) in ends {
            let Some(removal) = state.pending.remove(&key) else { continue };
            self.count -= 1;
            match error {
                Some(error) => failed.push((removal, error)),
                None if self.readers.is_empty() => {}
                None => {
                    state.gone.insert(Arc::clone(&key), moment);
                    self.ends.push_back((moment, Arc::clone(bucket), key));
                }
            }
        }
        self.drop_if_idle(bucket);
        failed
    }

    /// A key is written anew: what S3 tells of it is not of what was removed.
    pub fn rewritten(&mut self, bucket: &str, key: &str) {
        if let Some(state) = self.buckets.get_mut(bucket) {
            state.gone.remove(key);
        }
        self.drop_if_idle(bucket);
    }

    /// S3 is about to be asked. The answer names the reader.
    pub fn begin_reading(&mut self) -> u64 {
        let moment = self.next_moment();
        self.readers.insert(moment);
        moment
    }

    /// Whether a reader must not be told of a key.
    #[must_use]
    pub fn hides(&self, reader: u64, bucket: &str, key: &str) -> bool {
        self.buckets.get(bucket).is_some_and(|bucket| {
            bucket.pending.contains_key(key)
                || bucket.gone.get(key).is_some_and(|gone| *gone > reader)
        })
    }

    /// A reader has taken what S3 told.
    pub fn end_reading(&mut self, reader: u64) {
        self.readers.remove(&reader);
        let first = self.readers.first().copied().unwrap_or(u64::MAX);
        while let Some((moment, bucket, key)) = self.ends.pop_front_if(|(end, ..)| *end < first) {
            if let Some(state) = self.buckets.get_mut(&bucket)
                && state.gone.get(&key) == Some(&moment)
            {
                state.gone.remove(&key);
            }
            self.drop_if_idle(&bucket);
        }
    }

    fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn drop_if_idle(&mut self, bucket: &str) {
        if self.buckets.get(bucket).is_some_and(Bucket::is_idle) {
            self.buckets.remove(bucket);
        }
    }
}

#[cfg(test)]
mod tests;
