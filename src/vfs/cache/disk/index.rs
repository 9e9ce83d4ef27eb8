//! The index: what is on disk, how much of it, and what has to go.
//!
//! Pure: a table of versions, about 80 bytes each, and the plans made from it. A version goes as a
//! whole, the one that was not used for longest first. One that is being added to stays: of an
//! object that fits in the bound, everything is taken; of a larger one the first half of the bound,
//! so that reading it once does not cost all others their place.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::vfs::cache::disk::format::Name;

/// Versions on disk at most: the table of them is in memory.
pub const VERSIONS_MAX: usize = 500_000;

/// When something must go, this share of everything goes at once, so that the search for it is
/// seldom.
const BATCH_SHARE: u64 = 64;

/// The last use is brought to the disk when what is there is older than this.
const USE_AGE_MAX: Duration = Duration::from_secs(600);

/// What is known of a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// What its files take of the disk.
    pub bytes: u64,
    pub used_at: SystemTime,
    /// When it was used last as far as the disk knows.
    pub saved_use: SystemTime,
}

/// All versions on disk.
#[derive(Default)]
pub struct Index {
    rows: BTreeMap<Name, Row>,
    bytes: u64,
}

impl Index {
    /// What all files take of the disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        self.rows.contains_key(name)
    }

    /// What its files take of the disk.
    #[must_use]
    pub fn bytes_of(&self, name: &Name) -> Option<u64> {
        self.rows.get(name).map(|row| row.bytes)
    }

    /// Adds a version that was found on disk, unless it is known.
    pub fn add_found(&mut self, name: Name, bytes: u64, used_at: SystemTime) {
        if !self.contains(&name) {
            self.bytes += bytes;
            self.rows.insert(name, Row { bytes, used_at, saved_use: used_at });
        }
    }

    /// A version was added to, and takes so much of the disk now.
    pub fn put(&mut self, name: Name, bytes: u64, now: SystemTime) {
        let row = self.rows.entry(name).or_insert(Row { bytes: 0, used_at: now, saved_use: now });
        self.bytes = self.bytes - row.bytes + bytes;
        row.bytes = bytes;
        row.used_at = row.used_at.max(now);
    }

    pub fn remove(&mut self, name: &Name) {
        if let Some(row) = self.rows.remove(name) {
            self.bytes -= row.bytes;
        }
    }

    /// A version is used. True if the disk is to be told.
    pub fn note_use(&mut self, name: &Name, now: SystemTime) -> bool {
        let Some(row) = self.rows.get_mut(name) else { return false };
        row.used_at = row.used_at.max(now);
        let age = row.used_at.duration_since(row.saved_use).unwrap_or_default();
        let is_due = age >= USE_AGE_MAX;
        if is_due {
            row.saved_use = row.used_at;
        }
        is_due
    }

    /// All versions of an object but that one.
    #[must_use]
    pub fn versions(&self, bucket: &str, key: &str, but: Option<&Name>) -> Vec<Name> {
        let versions = self.rows.range(Name::versions_of(bucket, key));
        versions.map(|(name, _)| *name).filter(|name| Some(name) != but).collect()
    }

    /// The uploads that have files.
    #[must_use]
    pub fn uploads(&self) -> Vec<Name> {
        self.rows.range(Name::uploads()).map(|(name, _)| *name).collect()
    }

    /// Whether so many more bytes of a version may be added, whatever must go for them.
    #[must_use]
    pub fn admits(&self, name: &Name, size: u64, bytes: u64, bytes_max: u64) -> bool {
        let there = self.rows.get(name).map_or(0, |row| row.bytes);
        let share = if size <= bytes_max { bytes_max } else { bytes_max / 2 };
        there.saturating_add(bytes) <= share
    }

    /// Which versions to remove so that `bytes` more of `keep` are within both bounds; those that
    /// were not used for longest. Fewer bytes than needed where there are no more.
    #[must_use]
    pub fn plan_eviction(&self, keep: Option<&Name>, bytes: u64, bounds: &Bounds) -> Vec<Name> {
        let over = self.bytes.saturating_add(bytes).saturating_sub(bounds.bytes_max);
        let lacking = over.max(bounds.lacking_bytes);
        let is_crowded = self.rows.len() >= bounds.versions_max;
        if lacking == 0 && !is_crowded {
            return Vec::new();
        }
        let bytes_wanted = if lacking > 0 { lacking.max(self.bytes / BATCH_SHARE) } else { 0 };
        let batch = bounds.versions_max as u64 / BATCH_SHARE;
        let count_wanted = if is_crowded { batch.max(1) } else { 0 };
        let mut oldest: Vec<_> = self.rows.iter().filter(|(name, _)| Some(*name) != keep).collect();
        oldest.sort_unstable_by_key(|(name, row)| (row.used_at, **name));
        let (mut freed, mut count) = (0, 0);
        let needed = oldest.into_iter().take_while(|(_, row)| {
            let is_needed = freed < bytes_wanted || count < count_wanted;
            freed += row.bytes;
            count += 1;
            is_needed
        });
        needed.map(|(name, _)| *name).collect()
    }
}

/// What must not be exceeded.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes_max: u64,
    pub versions_max: usize,
    /// What the disk lacks of its free space.
    pub lacking_bytes: u64,
}

/// How much the disk lacks when so many bytes more are written, for a twentieth of it or 1 GiB,
/// whichever is less, to stay free.
#[must_use]
pub fn plan_lacking(free: u64, total: u64, bytes: u64) -> u64 {
    const FREE_SHARE: u64 = 20;
    const FREE_BYTES: u64 = 1 << 30;
    let kept_free = (total / FREE_SHARE).min(FREE_BYTES);
    kept_free.saturating_add(bytes).saturating_sub(free)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::types::ETag;
    use crate::vfs::types::ObjectRef;

    const BOUNDS: Bounds = Bounds { bytes_max: 1000, versions_max: 100, lacking_bytes: 0 };

    fn name(key: &str, etag: &str) -> Name {
        let (bucket, key, etag) = (Arc::from("b"), Arc::from(key), ETag::new(etag));
        Name::of(&ObjectRef { bucket, key, etag, size: 1 })
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// `a`, `b` and `c` of 300 bytes, of which `b` was used first and `a` last.
    fn three() -> Index {
        let mut index = Index::default();
        for (key, used_at) in [("a", 3), ("b", 1), ("c", 2)] {
            index.add_found(name(key, "1"), 300, at(used_at));
        }
        index
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut index = three();
        let new = name("new", "1");
        assert_eq!(index.plan_eviction(Some(&new), 100, &BOUNDS), []);
        assert_eq!(index.plan_eviction(Some(&new), 101, &BOUNDS), [name("b", "1")]);
        assert_eq!(index.plan_eviction(Some(&new), 401, &BOUNDS), [name("b", "1"), name("c", "1")]);
        assert!(!index.note_use(&name("b", "1"), at(10)));
        assert_eq!(index.plan_eviction(Some(&new), 101, &BOUNDS), [name("c", "1")]);
        assert_eq!(index.plan_eviction(Some(&name("c", "1")), 101, &BOUNDS), [name("a", "1")]);
    }

    #[test]
    fn a_disk_that_fills_up_and_too_many_versions_make_some_go() {
        let index = three();
        let new = name("new", "1");
        let full = Bounds { lacking_bytes: 301, ..BOUNDS };
        assert_eq!(index.plan_eviction(Some(&new), 1, &full).len(), 2);
        let crowded = Bounds { versions_max: 3, ..BOUNDS };
        assert_eq!(index.plan_eviction(Some(&new), 1, &crowded), [name("b", "1")]);
    }

    #[test]
    fn bytes_are_those_of_what_is_there() {
        let mut index = three();
        index.put(name("a", "1"), 500, at(4));
        index.put(name("d", "1"), 50, at(4));
        index.add_found(name("d", "1"), 9999, at(4));
        index.remove(&name("b", "1"));
        index.remove(&name("b", "1"));
        assert_eq!(index.bytes(), 500 + 300 + 50);
    }

    #[test]
    fn the_disk_is_told_of_a_use_when_what_it_knows_is_old() {
        let mut index = three();
        let late = 3 + USE_AGE_MAX.as_secs();
        assert!(!index.note_use(&name("a", "1"), at(late - 1)));
        assert!(index.note_use(&name("a", "1"), at(late)));
        assert!(!index.note_use(&name("a", "1"), at(late + 1)));
        assert!(!index.note_use(&name("none", "1"), at(late)));
    }

    #[test]
    fn an_object_fills_the_cache_and_a_larger_one_half_of_it() {
        let index = three();
        assert!(index.admits(&name("a", "1"), 1000, 700, 1000));
        assert!(!index.admits(&name("a", "1"), 1000, 701, 1000));
        assert!(index.admits(&name("a", "1"), 1001, 200, 1000));
        assert!(!index.admits(&name("a", "1"), 1001, 201, 1000));
    }

    #[test]
    fn versions_of_one_object_are_found_by_its_name() {
        let mut index = three();
        index.add_found(name("a", "2"), 1, at(1));
        assert_eq!(index.versions("b", "a", Some(&name("a", "2"))), [name("a", "1")]);
        assert_eq!(index.versions("b", "a", None).len(), 2);
        assert_eq!(index.versions("b", "other", None), []);
    }

    #[test]
    fn some_of_the_disk_stays_free() {
        const GIB: u64 = 1 << 30;
        assert_eq!(plan_lacking(2 * GIB, 1000 * GIB, GIB), 0);
        assert_eq!(plan_lacking(2 * GIB, 1000 * GIB, GIB + 5), 5);
        assert_eq!(plan_lacking(60, 1000, 10), 0);
        assert_eq!(plan_lacking(60, 1000, 20), 10);
    }
}
