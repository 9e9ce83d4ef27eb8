//! Memory: the bytes of objects that were read, and those that will be.
//!
//! Pure: a table. Extents are of any size, as they were fetched; no two of one version overlap.
//! What was read is kept in case it is wanted again, and goes first, the least recently used
//! before the others. What a scan is within or will come to goes only for those who may take it,
//! the farthest ahead first, or when it is so old that no scan will come; what a scan has left
//! behind goes before all others. Who may put what in, and when something must go,
//! [`crate::vfs::cache::Cache`] decides.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;

use crate::store::types::ETag;
use crate::vfs::budget::Reach;
use crate::vfs::cache::spans::Spans;
use crate::vfs::types::ObjectRef;

/// What the tables take for an extent beside its bytes: the name of its object, its ETag, entries.
const ENTRY_BYTES: u64 = 1 << 10;

/// The memory that an extent takes which has so many bytes: what is to be reserved for one that will be
/// put in, and what its going gives back.
#[must_use]
pub fn extent_memory(bytes: u64) -> u64 {
    bytes.saturating_add(ENTRY_BYTES)
}

/// What is cached, by version of an object and offset in it.
pub struct Memory {
    /// What is kept in case it is wanted again.
    recent: LruCache<ExtentKey, Bytes>,
    /// What scans have left behind, the latest last.
    left: LruCache<ExtentKey, Bytes>,
    /// What scans are within or will come to, in the order of its coming.
    scanned: LruCache<ExtentKey, Scanned>,
    /// What was put in since the beginning took so many bytes of memory.
    inserted_bytes: u64,
    /// What is kept for a scan is old when so many bytes came since it was last used.
    old_after_bytes: u64,
    /// Where the extents of each version are; holds no empty version.
    objects: HashMap<ObjectName, HashMap<ETag, Spans<()>>>,
}

/// Why bytes are put in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Somebody asked for them.
    Asked,
    /// A scan is within them or will come to them.
    Scan,
}

struct Scanned {
    bytes: Bytes,
    /// [`Memory::inserted_bytes`] when it was last used.
    used_at: u64,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct ExtentKey {
    object: ObjectName,
    etag: ETag,
    start: u64,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct ObjectName {
    bucket: Arc<str>,
    key: Arc<str>,
}

impl ObjectName {
    fn of(object: &ObjectRef) -> Self {
        Self { bucket: Arc::clone(&object.bucket), key: Arc::clone(&object.key) }
    }
}

impl Memory {
    /// A table in which what is kept for a scan gets old when `old_after_bytes` came since its use.
    #[must_use]
    pub fn new(old_after_bytes: u64) -> Self {
        Self {
            recent: LruCache::unbounded(),
            left: LruCache::unbounded(),
            scanned: LruCache::unbounded(),
            inserted_bytes: 0,
            old_after_bytes,
            objects: HashMap::new(),
        }
    }

    /// The extent that covers `offset`, and where it starts. Counts as a use.
    pub fn get(&mut self, object: &ObjectRef, offset: u64) -> Option<(u64, Bytes)> {
        let object_name = ObjectName::of(object);
        let (range, ()) = self.objects.get(&object_name)?.get(&object.etag)?.at(offset)?;
        let etag = object.etag.clone();
        let (key, start) =
            (ExtentKey { object: object_name, etag, start: range.start }, range.start);
        if let Some(scanned) = self.scanned.peek_mut(&key) {
            scanned.used_at = self.inserted_bytes;
            return Some((start, scanned.bytes.clone()));
        }
        if let Some(bytes) = self.left.pop(&key) {
            self.recent.put(key, bytes.clone());
            return Some((start, bytes));
        }
        self.recent.get(&key).map(|bytes| (start, bytes.clone()))
    }

    /// Where the cached bytes that cover `offset` end. Does not count as a use.
    #[must_use]
    pub fn covered_until(&self, object: &ObjectRef, offset: u64) -> Option<u64> {
        self.spans(object)?.at(offset).map(|(range, ())| range.end)
    }

    /// The free space around `offset`, which nothing cached covers.
    #[must_use]
    pub fn free_around(&self, object: &ObjectRef, offset: u64) -> Range<u64> {
        self.spans(object).map_or(0..u64::MAX, |spans| spans.free_around(offset))
    }

    #[must_use]
    pub fn is_free(&self, object: &ObjectRef, range: &Range<u64>) -> bool {
        self.spans(object).is_none_or(|spans| spans.is_free(range))
    }

    /// Lets the extents that lie within `range` be the first to go; says up to where there are no
    /// others.
    pub fn demote(&mut self, object: &ObjectRef, range: Range<u64>) -> u64 {
        let mut at = range.start;
        while at < range.end {
            let Some(span) = self.spans(object).and_then(|spans| spans.at(at)) else {
                at = self.free_around(object, at).end.min(range.end);
                continue;
            };
            let (start, end) = (span.0.start, span.0.end);
            if end > range.end {
                break;
            }
            let name = ObjectName::of(object);
            self.demote_extent(&ExtentKey { object: name, etag: object.etag.clone(), start });
            at = end;
        }
        at
    }

    /// Adds an extent of bytes that were not cached; an empty one is no extent.
    pub fn insert(&mut self, object: &ObjectRef, start: u64, bytes: Bytes, origin: Origin) {
        if bytes.is_empty() {
            return;
        }
        let name = ObjectName::of(object);
        let versions = self.objects.entry(name.clone()).or_default();
        let spans = versions.entry(object.etag.clone()).or_default();
        spans.insert(start..start + bytes.len() as u64, ());
        let key = ExtentKey { object: name, etag: object.etag.clone(), start };
        self.inserted_bytes += extent_memory(bytes.len() as u64);
        match origin {
            Origin::Asked => drop(self.recent.put(key, bytes)),
            Origin::Scan => {
                let used_at = self.inserted_bytes;
                drop(self.scanned.put(key, Scanned { bytes, used_at }));
            }
        }
    }

    /// Takes out extents until they took `bytes` of memory or more. For the caller to drop where no
    /// lock is held.
    #[must_use]
    pub fn evict(&mut self, bytes: u64, reach: Reach) -> Vec<Bytes> {
        self.take_out(bytes, |memory| memory.pop_first(reach))
    }

    /// As [`Self::evict`], of what scans have left behind alone.
    #[must_use]
    pub fn evict_left(&mut self, bytes: u64) -> Vec<Bytes> {
        self.take_out(bytes, |memory| memory.left.pop_mru())
    }

    fn take_out(
        &mut self,
        bytes: u64,
        pop: impl Fn(&mut Self) -> Option<(ExtentKey, Bytes)>,
    ) -> Vec<Bytes> {
        let mut taken = Vec::new();
        let mut count = 0;
        while count < bytes
            && let Some((key, extent)) = pop(self)
        {
            self.forget_span(&key);
            count += extent_memory(extent.len() as u64);
            taken.push(extent);
        }
        taken
    }

    /// Takes out all versions of an object.
    #[must_use]
    pub fn forget(&mut self, bucket: &str, key: &str) -> Vec<Bytes> {
        let name = ObjectName { bucket: Arc::from(bucket), key: Arc::from(key) };
        self.forget_versions(&name, |_| true)
    }

    /// Takes out all versions of an object but this one.
    #[must_use]
    pub fn forget_others(&mut self, object: &ObjectRef) -> Vec<Bytes> {
        self.forget_versions(&ObjectName::of(object), |etag| *etag != object.etag)
    }

    /// How many bytes of this version are cached.
    #[must_use]
    pub fn cached_bytes(&self, object: &ObjectRef) -> u64 {
        let Some(spans) = self.spans(object) else { return 0 };
        spans.ranges().map(|range| range.end - range.start).sum()
    }

    fn spans(&self, object: &ObjectRef) -> Option<&Spans<()>> {
        self.objects.get(&ObjectName::of(object))?.get(&object.etag)
    }

    /// The extent that is to go first.
    fn pop_first(&mut self, reach: Reach) -> Option<(ExtentKey, Bytes)> {
        // The latest: whoever reads it all again begins with the earliest.
        if let Some(unwanted) = self.left.pop_mru().or_else(|| self.recent.pop_lru()) {
            return Some(unwanted);
        }
        let (_, oldest) = self.scanned.peek_lru()?;
        let (key, scanned) = if self.inserted_bytes - oldest.used_at >= self.old_after_bytes {
            self.scanned.pop_lru()?
        } else {
            match reach {
                Reach::Spare => return None,
                Reach::Everything => self.scanned.pop_mru()?,
            }
        };
        Some((key, scanned.bytes))
    }

    fn demote_extent(&mut self, key: &ExtentKey) {
        let scanned = self.scanned.pop(key).map(|scanned| scanned.bytes);
        if let Some(bytes) = scanned.or_else(|| self.recent.pop(key)) {
            self.left.put(key.clone(), bytes);
        }
    }

    fn forget_span(&mut self, key: &ExtentKey) {
        let Some(versions) = self.objects.get_mut(&key.object) else { return };
        if let Some(spans) = versions.get_mut(&key.etag) {
            spans.remove(key.start);
            if spans.is_empty() {
                versions.remove(&key.etag);
            }
        }
        if versions.is_empty() {
            self.objects.remove(&key.object);
        }
    }

    fn forget_versions(&mut self, name: &ObjectName, which: impl Fn(&ETag) -> bool) -> Vec<Bytes> {
        let Some(versions) = self.objects.get_mut(name) else { return Vec::new() };
        let mut forgotten = Vec::new();
        for (etag, spans) in versions.extract_if(|etag, _| which(etag)) {
            for range in spans.ranges() {
                let start = range.start;
                let key = ExtentKey { object: name.clone(), etag: etag.clone(), start };
                forgotten.extend(self.recent.pop(&key).or_else(|| self.left.pop(&key)));
                forgotten.extend(self.scanned.pop(&key).map(|scanned| scanned.bytes));
            }
        }
        if versions.is_empty() {
            self.objects.remove(name);
        }
        forgotten
    }
}

#[cfg(test)]
mod tests;
