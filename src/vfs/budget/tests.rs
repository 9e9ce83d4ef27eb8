//! The budget, with and without somebody who gives memory back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt;

use crate::vfs::budget::{Budget, Reach, Reclaim, Reservation};

/// Holds reservations that it gives back when asked, the oldest first.
#[derive(Default)]
struct Shelf {
    held: Mutex<Vec<Reservation>>,
    wanted_soon: AtomicBool,
}

impl Shelf {
    fn on(budget: &Arc<Budget>) -> Arc<Self> {
        let shelf = Arc::new(Self::default());
        let weak: Weak<Self> = Arc::downgrade(&shelf);
        budget.set_reclaimer(weak);
        shelf
    }

    fn put(&self, reservation: Reservation) {
        self.held.lock().unwrap().push(reservation);
    }
}

impl Reclaim for Shelf {
    fn reclaim(&self, bytes: u64, reach: Reach) -> u64 {
        if reach == Reach::Spare && self.wanted_soon.load(Ordering::Relaxed) {
            return 0;
        }
        let mut released = Vec::new();
        let mut count = 0;
        let mut held = self.held.lock().unwrap();
        while count < bytes && !held.is_empty() {
            let oldest = held.remove(0);
            count += oldest.bytes();
            released.push(oldest);
        }
        drop(held);
        count
    }
}

#[tokio::test]
async fn what_is_dropped_is_free_again() {
    let budget = Budget::new(10);
    let first = budget.try_reserve(6).unwrap();
    assert!(budget.try_reserve(5).is_none());
    drop(first);
    let all = budget.try_reserve(10).unwrap();
    assert_eq!((all.bytes(), budget.used()), (10, 10));
}

#[tokio::test]
async fn parts_of_a_reservation_are_given_back_one_by_one() {
    let budget = Budget::new(10);
    let mut whole = budget.try_reserve(10).unwrap();
    let part = whole.split(4);
    assert_eq!((whole.bytes(), part.bytes(), budget.used()), (6, 4, 10));
    whole.shrink(1);
    assert_eq!(budget.used(), 5);
    drop(whole);
    assert_eq!(budget.used(), 4);
    drop(part);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn who_waits_is_served_in_order() {
    let budget = Budget::new(10);
    let held = budget.try_reserve(10).unwrap();
    let mut large = Box::pin(budget.reserve(8));
    let mut small = Box::pin(budget.reserve(1));
    assert!((&mut large).now_or_never().is_none());
    assert!((&mut small).now_or_never().is_none());
    let mut held = held;
    held.shrink(5);
    assert!((&mut small).now_or_never().is_none(), "the small one overtook the large one");
    assert!(budget.try_reserve(1).is_none(), "a trial overtook those who wait");
    drop(held);
    assert_eq!(large.await.bytes(), 8);
    assert_eq!(small.await.bytes(), 1);
}

#[tokio::test]
async fn who_stops_waiting_makes_way() {
    let budget = Budget::new(10);
    let _held = budget.try_reserve(5).unwrap();
    let mut large = Box::pin(budget.reserve(8));
    let mut small = Box::pin(budget.reserve(5));
    assert!((&mut large).now_or_never().is_none());
    assert!((&mut small).now_or_never().is_none());
    drop(large);
    assert_eq!(small.now_or_never().unwrap().bytes(), 5);
}

#[tokio::test]
async fn a_grant_that_nobody_took_is_free_again() {
    let budget = Budget::new(10);
    let held = budget.try_reserve(10).unwrap();
    let mut waiting = Box::pin(budget.reserve(10));
    assert!((&mut waiting).now_or_never().is_none());
    drop(held);
    assert_eq!(budget.used(), 10);
    drop(waiting);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn more_than_there_is_becomes_all_there_is() {
    let budget = Budget::new(10);
    assert_eq!(budget.reserve(11).await.bytes(), 10);
    assert!(budget.try_reserve(11).is_none());
}

#[tokio::test]
async fn what_goes_over_is_paid_back_before_others_go_on() {
    let budget = Budget::new(10);
    let held = budget.try_reserve(8).unwrap();
    let over = budget.reserve_over(8);
    assert_eq!(budget.used(), 16);
    let mut waiting = Box::pin(budget.reserve(4));
    assert!((&mut waiting).now_or_never().is_none());
    drop(held);
    assert!((&mut waiting).now_or_never().is_none());
    drop(over);
    assert_eq!(waiting.now_or_never().unwrap().bytes(), 4);
}

#[tokio::test]
async fn what_can_be_reclaimed_is_there_for_everybody() {
    let budget = Budget::new(10);
    let shelf = Shelf::on(&budget);
    shelf.put(budget.try_reserve(5).unwrap());
    shelf.put(budget.try_reserve(5).unwrap());
    let tried = budget.try_reserve(5).unwrap();
    assert_eq!(budget.used(), 10);
    let waited = budget.reserve(5).now_or_never().unwrap();
    assert_eq!((tried.bytes() + waited.bytes(), budget.used()), (10, 10));
}

#[tokio::test]
async fn what_is_wanted_soon_is_spared_by_what_is_only_wanted_soon_itself() {
    let budget = Budget::new(10);
    let shelf = Shelf::on(&budget);
    shelf.put(budget.try_reserve(10).unwrap());
    shelf.wanted_soon.store(true, Ordering::Relaxed);
    assert!(budget.try_reserve_spare(5).is_none());
    assert!(budget.try_reserve(5).is_some());
    shelf.wanted_soon.store(false, Ordering::Relaxed);
    assert!(budget.try_reserve_spare(10).is_some());
}

#[tokio::test]
async fn what_becomes_reclaimable_later_ends_a_wait() {
    let budget = Budget::new(10);
    let shelf = Shelf::on(&budget);
    let held = budget.try_reserve(10).unwrap();
    let mut waiting = Box::pin(budget.reserve(10));
    assert!((&mut waiting).now_or_never().is_none());
    shelf.put(held);
    budget.settle();
    assert_eq!(waiting.now_or_never().unwrap().bytes(), 10);
}

#[tokio::test(start_paused = true)]
async fn many_tasks_all_get_their_turn_and_never_more_than_there_is() {
    let budget = Budget::new(100);
    let shelf = Shelf::on(&budget);
    let most = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..200u64 {
        let (budget, shelf, most) = (Arc::clone(&budget), Arc::clone(&shelf), Arc::clone(&most));
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..20 {
                let wanted = budget.reserve(random.u64(1..=60));
                let patience = Duration::from_millis(random.u64(1..50));
                let Ok(reservation) = tokio::time::timeout(patience, wanted).await else {
                    continue;
                };
                most.fetch_max(budget.used(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(random.u64(0..5))).await;
                if random.bool() {
                    shelf.put(reservation);
                    budget.settle();
                }
            }
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(3600), tasks.join_all()).await;
    assert!(all.is_ok(), "somebody waits for ever");
    assert!(most.load(Ordering::Relaxed) <= 100);
    shelf.reclaim(u64::MAX, Reach::Everything);
    assert_eq!(budget.used(), 0);
}
