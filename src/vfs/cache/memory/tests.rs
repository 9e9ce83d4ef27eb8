//! What is kept, what goes first, and what is forgotten.

use bytes::Bytes;

use crate::store::types::ETag;
use crate::vfs::budget::Reach;
use crate::vfs::cache::memory::{ENTRY_BYTES, Memory, Origin, extent_memory};
use crate::vfs::types::ObjectRef;

/// Ten of the extents here.
const OLD_AFTER: u64 = 10 * (10 + ENTRY_BYTES);

fn object(key: &str, etag: &str) -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: key.into(), etag: ETag::new(etag), size: 1000 }
}

fn extent(bytes: usize) -> Bytes {
    Bytes::from(vec![7; bytes])
}

#[test]
fn an_extent_is_found_by_any_of_its_bytes() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    memory.insert(&one, 100, extent(50), Origin::Asked);
    assert_eq!(memory.get(&one, 149), Some((100, extent(50))));
    assert_eq!(memory.get(&one, 150), None);
    assert_eq!(memory.get(&object("one", "2"), 120), None);
    assert_eq!(memory.covered_until(&one, 100), Some(150));
    assert_eq!(memory.free_around(&one, 40), 0..100);
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    memory.insert(&one, 0, extent(10), Origin::Asked);
    memory.insert(&one, 10, extent(10), Origin::Asked);
    memory.insert(&one, 20, extent(10), Origin::Asked);
    assert!(memory.get(&one, 5).is_some());
    assert_eq!(memory.evict(extent_memory(10) + 1, Reach::Spare).len(), 2);
    assert!(memory.get(&one, 5).is_some());
    assert_eq!(memory.cached_bytes(&one), 10);
    assert!(memory.is_free(&one, &(10..30)));
}

#[test]
fn what_the_tables_take_is_given_back_as_well() {
    let mut memory = Memory::new(OLD_AFTER);
    for index in 0..100 {
        memory.insert(&object(&index.to_string(), "1"), 0, extent(1), Origin::Asked);
    }
    let evicted = memory.evict(10 << 10, Reach::Spare).len();
    assert!((5..=20).contains(&evicted), "{evicted} extents of a byte for 10 KiB");
}

#[test]
fn what_is_demoted_goes_before_all_others() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    for start in [0, 10, 30, 40] {
        memory.insert(&one, start, extent(10), Origin::Asked);
    }
    assert_eq!(memory.demote(&one, 10..45), 40);
    assert_eq!(memory.evict(2 * extent_memory(10), Reach::Spare).len(), 2);
    assert!(memory.get(&one, 0).is_some() && memory.get(&one, 40).is_some());
    assert_eq!(memory.demote(&one, 50..60), 60);
}

#[test]
fn what_was_left_behind_last_goes_first_and_what_is_used_again_stays() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    for start in [0, 10, 20, 30] {
        memory.insert(&one, start, extent(10), Origin::Scan);
    }
    assert_eq!(memory.evict_left(10).len(), 0);
    assert_eq!(memory.demote(&one, 0..30), 30);
    assert!(memory.get(&one, 20).is_some());
    assert_eq!(memory.evict_left(1).len(), 1);
    assert_eq!(memory.covered_until(&one, 10), None);
    assert_eq!(memory.evict_left(100).len(), 1);
    assert_eq!(memory.covered_until(&one, 0), None);
    assert_eq!(memory.cached_bytes(&one), 20);
    assert_eq!(memory.demote(&one, 20..40), 40);
    assert_eq!(memory.forget("b", "one").len(), 2);
}

#[test]
fn what_is_kept_for_a_scan_is_spared_until_it_is_left_behind() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    for start in [0, 10, 20] {
        memory.insert(&one, start, extent(10), Origin::Scan);
    }
    assert!(memory.get(&one, 0).is_some());
    assert!(memory.evict(10, Reach::Spare).is_empty());
    assert_eq!(memory.demote(&one, 0..10), 10);
    assert_eq!(memory.evict(30, Reach::Spare).len(), 1);
    assert_eq!(memory.evict(10, Reach::Everything).len(), 1);
    assert!(memory.get(&one, 10).is_some(), "not the farthest ahead went first");
    assert!(memory.is_free(&one, &(20..30)) && memory.is_free(&one, &(0..10)));
}

#[test]
fn what_no_scan_comes_to_gets_old() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    for start in 0..11 {
        memory.insert(&one, start * 10, extent(10), Origin::Scan);
    }
    assert_eq!(memory.evict(1000, Reach::Spare).len(), 1);
    assert!(memory.is_free(&one, &(0..10)));
}

#[test]
fn what_a_scan_left_behind_goes_before_what_is_read_often() {
    let mut memory = Memory::new(OLD_AFTER);
    let one = object("one", "1");
    memory.insert(&one, 0, extent(10), Origin::Asked);
    memory.insert(&one, 10, extent(10), Origin::Scan);
    memory.demote(&one, 10..20);
    assert_eq!(memory.evict(10, Reach::Spare).len(), 1);
    assert!(memory.is_free(&one, &(10..20)));
}

#[test]
fn nothing_is_left_of_what_is_forgotten() {
    let mut memory = Memory::new(OLD_AFTER);
    memory.insert(&object("one", "old"), 0, extent(10), Origin::Asked);
    memory.insert(&object("one", "new"), 0, extent(10), Origin::Asked);
    memory.insert(&object("one", "old"), 10, extent(10), Origin::Scan);
    memory.insert(&object("two", "x"), 0, extent(10), Origin::Asked);
    assert_eq!(memory.forget_others(&object("one", "new")).len(), 2);
    assert_eq!(memory.cached_bytes(&object("one", "old")), 0);
    assert_eq!(memory.cached_bytes(&object("one", "new")), 10);
    assert_eq!(memory.forget("b", "one").len(), 1);
    assert_eq!(memory.evict(u64::MAX, Reach::Spare).len(), 1);
    assert!(memory.objects.is_empty() && memory.recent.is_empty() && memory.scanned.is_empty());
}
