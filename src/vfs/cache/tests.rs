//! The cache: here, coming or free, and memory given back.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use crate::store::types::ETag;
use crate::vfs::budget::Budget;
use crate::vfs::buffers::Buffers;
use crate::vfs::cache::memory::Origin;
use crate::vfs::cache::{Cache, Found, reserved_bytes};
use crate::vfs::error::VfsError;
use crate::vfs::types::ObjectRef;

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: key.into(), etag: ETag::new("1"), size: 1000 }
}

fn cache(bytes_max: u64) -> (Arc<Cache>, Arc<Budget>) {
    let budget = Budget::new(bytes_max);
    (Cache::new(Arc::clone(&budget)), budget)
}

fn filled(budget: &Arc<Budget>, bytes: u64) -> Bytes {
    let memory = budget.try_reserve(bytes).unwrap();
    let mut data = Arc::<Buffers>::default().take(usize::try_from(bytes).unwrap());
    data.push(&vec![7; usize::try_from(bytes).unwrap()]);
    reserved_bytes(data, memory)
}

#[tokio::test]
async fn a_range_is_free_then_coming_then_here() {
    let (cache, budget) = cache(100);
    let one = object("one");
    assert!(matches!(cache.find(&one, 15), Found::Free(range) if range == (0..u64::MAX)));
    let (landing, flight) = cache.claim(&one, 10..20, Origin::Asked).unwrap();
    assert!(matches!(cache.find(&one, 15), Found::Coming(flight) if *flight.range() == (10..20)));
    assert!(matches!(cache.find(&one, 5), Found::Free(range) if range == (0..10)));
    landing.land(Ok(filled(&budget, 10)));
    assert_eq!(flight.landed().await.unwrap().unwrap().len(), 10);
    assert!(matches!(cache.find(&one, 15), Found::Here { start: 10, .. }));
    assert_eq!(cache.covered_until(&one, 12), Ok(20));
    assert_eq!(cache.covered_until(&one, 20), Err(20..u64::MAX));
}

#[tokio::test]
async fn a_byte_is_fetched_by_one_alone() {
    let (cache, budget) = cache(100);
    let one = object("one");
    let (landing, _flight) = cache.claim(&one, 10..20, Origin::Asked).unwrap();
    assert!(cache.claim(&one, 19..30, Origin::Asked).is_none());
    assert!(cache.claim(&object("two"), 19..30, Origin::Asked).is_some());
    landing.land(Ok(filled(&budget, 10)));
    assert!(cache.claim(&one, 0..11, Origin::Asked).is_none());
    assert!(cache.claim(&one, 0..10, Origin::Asked).is_some());
}

#[tokio::test]
async fn an_error_is_told_to_all_who_wait_and_to_nobody_else() {
    let (cache, _) = cache(100);
    let one = object("one");
    let (landing, first) = cache.claim(&one, 0..10, Origin::Asked).unwrap();
    let Found::Coming(second) = cache.find(&one, 3) else { panic!("nobody fetches") };
    landing.land(Err(VfsError::Stale));
    assert!(matches!(first.landed().await, Some(Err(VfsError::Stale))));
    assert!(matches!(second.landed().await, Some(Err(VfsError::Stale))));
    assert!(matches!(cache.find(&one, 3), Found::Free(_)));
}

#[tokio::test]
async fn a_fetch_that_is_given_up_leaves_the_range_to_others() {
    let (cache, _) = cache(100);
    let one = object("one");
    let (landing, flight) = cache.claim(&one, 0..10, Origin::Asked).unwrap();
    drop(landing);
    assert!(flight.landed().await.is_none());
    assert!(cache.claim(&one, 0..10, Origin::Asked).is_some());
}

#[tokio::test]
async fn memory_is_given_back_when_the_last_slice_is_dropped() {
    let (cache, budget) = cache(10);
    let (landing, _) = cache.claim(&object("one"), 0..10, Origin::Asked).unwrap();
    let bytes = filled(&budget, 10);
    landing.land(Ok(bytes.clone()));
    let slice = bytes.slice(3..4);
    drop(bytes);
    assert!(budget.try_reserve(1).is_none(), "memory that is in use was given away");
    assert_eq!(cache.cached_bytes(&object("one")), 0);
    drop(slice);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn what_lands_feeds_who_waits_for_memory() {
    let (cache, budget) = cache(10);
    let (landing, _) = cache.claim(&object("one"), 0..10, Origin::Asked).unwrap();
    let bytes = filled(&budget, 10);
    let mut waiting = Box::pin(budget.reserve(5));
    assert!((&mut waiting).now_or_never().is_none());
    landing.land(Ok(bytes));
    assert!(waiting.now_or_never().is_some());
}
