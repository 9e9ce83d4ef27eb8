//! Memory: the bytes of objects that were read, the least recently used let go first.
//!
//! Pure: a table. Extents are of any size, as they were fetched; no two of one version overlap.
//! Who may put what in, and when something must go, [`crate::vfs::cache::Cache`] decides.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;

use crate::store::types::ETag;
use crate::vfs::cache::spans::Spans;
use crate::vfs::types::ObjectRef;

/// What is cached, by version of an object and offset in it.
pub struct Memory {
    recent: LruCache<ExtentKey, Bytes>,
    /// Where the extents of each version are; holds no empty version.
    objects: HashMap<ObjectName, HashMap<ETag, Spans<()>>>,
}

#[derive(Eq, Hash, PartialEq)]
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

impl Default for Memory {
    fn default() -> Self {
        Self { recent: LruCache::unbounded(), objects: HashMap::new() }
    }
}

impl Memory {
    /// The extent that covers `offset`, and where it starts. Counts as a use.
    pub fn get(&mut self, object: &ObjectRef, offset: u64) -> Option<(u64, Bytes)> {
        let object_name = ObjectName::of(object);
        let (range, ()) = self.objects.get(&object_name)?.get(&object.etag)?.at(offset)?;
        let etag = object.etag.clone();
        let key = ExtentKey { object: object_name, etag, start: range.start };
        self.recent.get(&key).map(|bytes| (range.start, bytes.clone()))
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

    /// Adds an extent of bytes that were not cached; an empty one is no extent.
    pub fn insert(&mut self, object: &ObjectRef, start: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let name = ObjectName::of(object);
        let versions = self.objects.entry(name.clone()).or_default();
        let spans = versions.entry(object.etag.clone()).or_default();
        spans.insert(start..start + bytes.len() as u64, ());
        self.recent.put(ExtentKey { object: name, etag: object.etag.clone(), start }, bytes);
    }

    /// Takes out the extents that were not used for the longest time, until they are `bytes` or
    /// more. For the caller to drop where no lock is held.
    #[must_use]
    pub fn evict(&mut self, bytes: u64) -> Vec<Bytes> {
        let mut evicted = Vec::new();
        let mut count = 0;
        while count < bytes
            && let Some((key, extent)) = self.recent.pop_lru()
        {
            self.forget_span(&key);
            count += extent.len() as u64;
            evicted.push(extent);
        }
        evicted
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
                forgotten.extend(self.recent.pop(&key));
            }
        }
        if versions.is_empty() {
            self.objects.remove(name);
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::store::types::ETag;
    use crate::vfs::cache::memory::Memory;
    use crate::vfs::types::ObjectRef;

    fn object(key: &str, etag: &str) -> ObjectRef {
        ObjectRef { bucket: "b".into(), key: key.into(), etag: ETag::new(etag), size: 1000 }
    }

    fn extent(bytes: usize) -> Bytes {
        Bytes::from(vec![7; bytes])
    }

    #[test]
    fn an_extent_is_found_by_any_of_its_bytes() {
        let mut memory = Memory::default();
        let one = object("one", "1");
        memory.insert(&one, 100, extent(50));
        assert_eq!(memory.get(&one, 149), Some((100, extent(50))));
        assert_eq!(memory.get(&one, 150), None);
        assert_eq!(memory.get(&object("one", "2"), 120), None);
        assert_eq!(memory.covered_until(&one, 100), Some(150));
        assert_eq!(memory.free_around(&one, 40), 0..100);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut memory = Memory::default();
        let one = object("one", "1");
        memory.insert(&one, 0, extent(10));
        memory.insert(&one, 10, extent(10));
        memory.insert(&one, 20, extent(10));
        assert!(memory.get(&one, 5).is_some());
        assert_eq!(memory.evict(11).len(), 2);
        assert!(memory.get(&one, 5).is_some());
        assert_eq!(memory.cached_bytes(&one), 10);
        assert!(memory.is_free(&one, &(10..30)));
    }

    #[test]
    fn nothing_is_left_of_what_is_forgotten() {
        let mut memory = Memory::default();
        memory.insert(&object("one", "old"), 0, extent(10));
        memory.insert(&object("one", "new"), 0, extent(10));
        memory.insert(&object("two", "x"), 0, extent(10));
        assert_eq!(memory.forget_others(&object("one", "new")).len(), 1);
        assert_eq!(memory.cached_bytes(&object("one", "old")), 0);
        assert_eq!(memory.cached_bytes(&object("one", "new")), 10);
        assert_eq!(memory.forget("b", "one").len(), 1);
        assert_eq!(memory.evict(u64::MAX).len(), 1);
        assert!(memory.objects.is_empty() && memory.recent.is_empty());
    }
}
