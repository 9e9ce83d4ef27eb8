//! The read path over a store that counts and fails, in virtual time.

mod fake;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::Instant;

use crate::store::error::ErrorKind;
use crate::vfs::budget::Budget;
use crate::vfs::error::VfsError;
use crate::vfs::read::plan::ReadLimits;
use crate::vfs::read::tests::fake::{Course, FakeStore, bytes_of};
use crate::vfs::read::{ReadHandle, Reader};
use crate::vfs::types::ObjectRef;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const LATENCY: Duration = Duration::from_millis(30);
const TIMEOUT: Duration = Duration::from_secs(60);

struct Mount {
    store: Arc<FakeStore>,
    budget: Arc<Budget>,
    reader: Arc<Reader>,
}

fn mount(size: u64, memory: u64) -> Mount {
    let store = Arc::new(FakeStore::new(size, LATENCY));
    let budget = Budget::new(memory);
    let limits = ReadLimits::for_memory(memory, TIMEOUT);
    let reader = Reader::new(Arc::<FakeStore>::clone(&store), Arc::clone(&budget), limits);
    Mount { store, budget, reader }
}

impl Mount {
    fn open(&self) -> ReadHandle {
        self.reader.open(self.store.object())
    }

    fn open_key(&self, key: &str) -> ReadHandle {
        self.reader.open(ObjectRef { key: key.into(), ..self.store.object() })
    }

    /// Lets all fetches under way end.
    async fn settle(&self) {
        tokio::time::sleep(LATENCY * 10).await;
    }
}

#[track_caller]
fn assert_bytes(got: &Bytes, range: Range<u64>) {
    assert!(*got == bytes_of(range.clone()), "other bytes than those of {range:?}");
}

fn assert_fetched_once(gets: &[Range<u64>]) {
    let mut ordered = gets.to_vec();
    ordered.sort_by_key(|range| range.start);
    for pair in ordered.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?} overlap");
    }
}

/// Reads all of `range` in blocks from its end to its beginning.
async fn scan_down(handle: &ReadHandle, range: Range<u64>, block: u64) {
    let mut at = range.end;
    while at > range.start {
        let start = at.saturating_sub(block).max(range.start);
        // As the kernel asks: no more than a megabyte at once.
        for from in (start..at).step_by(1 << 20) {
            let until = at.min(from + MIB);
            let bytes = handle.read(from, (until - from) as u32).await.unwrap();
            assert_bytes(&bytes, from..until);
        }
        at = start;
    }
}

fn fetched_bytes(gets: &[Range<u64>]) -> u64 {
    gets.iter().map(|range| range.end - range.start).sum()
}

/// Reads all of `range` in requests as large as the kernel's.
async fn scan(handle: &ReadHandle, range: Range<u64>, request: u32) {
    for start in range.clone().step_by(request as usize) {
        let end = range.end.min(start + u64::from(request));
        let bytes = handle.read(start, request).await.unwrap();
        assert_bytes(&bytes, start..end);
    }
}

#[tokio::test(start_paused = true)]
async fn a_scan_brings_each_byte_once_by_few_requests() {
    let mount = mount(256 * MIB, 256 * MIB);
    scan(&mount.open(), 0..256 * MIB, 1 << 20).await;
    let gets = mount.store.gets();
    assert_fetched_once(&gets);
    assert_eq!(gets.iter().map(|range| range.end - range.start).sum::<u64>(), 256 * MIB);
    assert!(gets.len() <= 120, "{} requests: {gets:?}", gets.len());
}

#[tokio::test(start_paused = true)]
async fn a_scan_soon_waits_for_nothing() {
    let mount = mount(256 * MIB, 256 * MIB);
    let handle = mount.open();
    let started = Instant::now();
    scan(&handle, 0..256 * MIB, 1 << 20).await;
    // Without latency hidden, 32 blocks alone would take 32 latencies.
    assert!(started.elapsed() <= LATENCY * 8, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_scan_larger_than_memory_stays_within_it_and_fetches_nothing_twice() {
    let mount = mount(256 * MIB, 16 * MIB);
    let handle = mount.open();
    let started = Instant::now();
    for start in (0..256 * MIB).step_by(1 << 20) {
        let bytes = handle.read(start, 1 << 20).await.unwrap();
        assert_eq!(bytes.len() as u64, MIB);
        assert!(mount.budget.used() <= 16 * MIB);
    }
    let gets = mount.store.gets();
    assert_fetched_once(&gets);
    assert!(started.elapsed() <= LATENCY * 70, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_scan_uses_the_memory_again_that_it_has_left_behind() {
    let mount = mount(256 * MIB, 64 * MIB);
    let handle = mount.open();
    scan(&handle, 0..128 * MIB, 1 << 20).await;
    mount.settle().await;
    // Half of it, and what is read at the moment.
    assert!(mount.budget.used() <= 38 * MIB, "{} bytes", mount.budget.used());
}

#[tokio::test(start_paused = true)]
async fn scans_of_many_handles_do_not_evict_each_other() {
    let mount = mount(32 * MIB, 64 * MIB);
    let handles = ["one", "two", "three", "four"].map(|key| mount.open_key(key));
    for start in (0..32 * MIB).step_by(1 << 20) {
        for handle in &handles {
            let bytes = handle.read(start, 1 << 20).await.unwrap();
            assert_eq!(bytes.len() as u64, MIB);
            assert!(mount.budget.used() <= 64 * MIB);
        }
    }
    let fetched: u64 = mount.store.gets().iter().map(|range| range.end - range.start).sum();
    assert_eq!(fetched, 4 * 32 * MIB);
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_ahead_for_a_closed_handle_is_in_nobody_s_way() {
    let mount = mount(128 * MIB, 64 * MIB);
    let handle = mount.open();
    scan(&handle, 0..24 * MIB, 1 << 20).await;
    mount.settle().await;
    assert!(mount.budget.try_reserve_spare(64 * MIB).is_none(), "nothing was fetched ahead");
    drop(handle);
    assert!(mount.budget.try_reserve_spare(64 * MIB).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_scan_with_little_memory_left_fetches_nothing_twice() {
    let mount = mount(256 * MIB, 64 * MIB);
    let _held = mount.budget.try_reserve(50 * MIB).unwrap();
    let handle = mount.open();
    for start in (0..256 * MIB).step_by(128 << 10) {
        handle.read(start, 128 << 10).await.unwrap();
        tokio::time::sleep(LATENCY / 30).await;
    }
    let fetched: u64 = mount.store.gets().iter().map(|range| range.end - range.start).sum();
    assert_eq!(fetched, 256 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_lost_what_was_fetched_ahead_soon_waits_for_nothing_again() {
    let mount = mount(256 * MIB, 64 * MIB);
    let handle = mount.open();
    scan(&handle, 0..64 * MIB, 1 << 20).await;
    mount.settle().await;
    drop(mount.budget.try_reserve(64 * MIB).unwrap());
    assert_eq!(mount.reader.cached_bytes(handle.object()), 0);
    let started = Instant::now();
    scan(&handle, 64 * MIB..128 * MIB, 1 << 20).await;
    assert!(started.elapsed() <= LATENCY * 4, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_scan_does_not_evict_what_is_read_here_and_there() {
    let mount = mount(512 * MIB, 64 * MIB);
    let often = mount.open();
    for number in 0..20 {
        often.read(511 * MIB - number * 9 * MIB, 4096).await.unwrap();
    }
    scan(&mount.open(), 0..256 * MIB, 1 << 20).await;
    let asked = mount.store.gets().len();
    for number in 0..20 {
        often.read(511 * MIB - number * 9 * MIB, 4096).await.unwrap();
    }
    assert_eq!(mount.store.gets().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_scan_down_brings_each_byte_once_by_few_requests() {
    let size = 64 * MIB + 12_345;
    for block in [8 * KIB, 64 * KIB, 65_000, 128 * KIB, MIB, 3 * MIB] {
        let mount = mount(size, 256 * MIB);
        scan_down(&mount.open(), 0..size, block).await;
        let gets = mount.store.gets();
        assert_fetched_once(&gets);
        assert_eq!(fetched_bytes(&gets), size, "{block}");
        assert!(gets.len() <= 80, "{block}: {} requests: {gets:?}", gets.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_scan_down_soon_waits_for_nothing() {
    for block in [64 * KIB, MIB, 2 * MIB] {
        let mount = mount(256 * MIB, 256 * MIB);
        let started = Instant::now();
        scan_down(&mount.open(), 0..256 * MIB, block).await;
        assert!(started.elapsed() <= LATENCY * 16, "{block}: {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_scan_down_larger_than_memory_stays_within_it_and_fetches_nothing_twice() {
    let mount = mount(256 * MIB, 16 * MIB);
    let often = mount.open_key("often");
    for number in 0..4 {
        often.read(255 * MIB - number * number * 9 * MIB, 4096).await.unwrap();
    }
    let asked = mount.store.gets().len();
    let handle = mount.open();
    for end in (1..=256).rev() {
        scan_down(&handle, (end - 1) * MIB..end * MIB, 256 * KIB).await;
        assert!(mount.budget.used() <= 16 * MIB);
    }
    let gets = mount.store.gets()[asked..].to_vec();
    assert_fetched_once(&gets);
    // What the scan has left behind was the first to go.
    for number in 0..4 {
        often.read(255 * MIB - number * number * 9 * MIB, 4096).await.unwrap();
    }
    assert_eq!(mount.store.gets().len(), asked + gets.len());
}

#[tokio::test(start_paused = true)]
async fn a_scan_down_that_lost_what_was_fetched_ahead_soon_waits_for_nothing_again() {
    let mount = mount(256 * MIB, 64 * MIB);
    let handle = mount.open();
    scan_down(&handle, 192 * MIB..256 * MIB, 256 * KIB).await;
    mount.settle().await;
    drop(mount.budget.try_reserve(64 * MIB).unwrap());
    assert_eq!(mount.reader.cached_bytes(handle.object()), 0);
    let started = Instant::now();
    scan_down(&handle, 128 * MIB..192 * MIB, 256 * KIB).await;
    assert!(started.elapsed() <= LATENCY * 6, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn steps_are_fetched_ahead_and_nothing_between_them() {
    let mount = mount(512 * MIB, 256 * MIB);
    let handle = mount.open();
    let started = Instant::now();
    let read = 256;
    for step in 0..read {
        let start = 7 * MIB + step * MIB;
        let bytes = handle.read(start, 64 << 10).await.unwrap();
        assert_bytes(&bytes, start..start + 64 * KIB);
    }
    assert!(started.elapsed() <= LATENCY * 20, "{:?}", started.elapsed());
    assert!(mount.store.under_way_most() >= 20, "{}", mount.store.under_way_most());
    let gets = mount.store.gets();
    assert_fetched_once(&gets);
    assert!(gets.iter().all(|range| range.end - range.start == 64 * KIB), "{gets:?}");
    assert!(gets.len() as u64 <= read + 32, "{}", gets.len());
}

#[tokio::test(start_paused = true)]
async fn steps_that_are_even_to_the_byte_only_are_fetched_ahead_too() {
    for down in [false, true] {
        let mount = mount(512 * MIB, 256 * MIB);
        let handle = mount.open();
        let started = Instant::now();
        for step in 0..256 {
            let step = if down { 400 - step } else { step + 2 };
            let start = step * 1_234_567 / 4096 * 4096;
            handle.read(start, 8192).await.unwrap();
        }
        assert!(started.elapsed() <= LATENCY * 30, "{down}: {:?}", started.elapsed());
        let bytes = fetched_bytes(&mount.store.gets());
        assert!(bytes <= 300 * 48 * KIB, "{down}: {bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn steps_past_the_end_are_not_asked_for() {
    let mount = mount(40 * MIB + 5, 256 * MIB);
    let handle = mount.open();
    for step in 0..=40 {
        handle.read(step * MIB, 64 << 10).await.unwrap();
    }
    mount.settle().await;
    let gets = mount.store.gets();
    assert_fetched_once(&gets);
    assert_eq!(gets.iter().map(|range| range.end).max(), Some(40 * MIB + 5));
}

#[tokio::test(start_paused = true)]
async fn requests_in_any_order_find_their_bytes() {
    let mount = mount(64 * MIB, 64 * MIB);
    let handle = Arc::new(mount.open());
    let mut reads = tokio::task::JoinSet::new();
    let mut order: Vec<u64> = (0..512).collect();
    for pair in order.chunks_mut(3) {
        pair.reverse();
    }
    for request in order {
        let handle = Arc::clone(&handle);
        reads.spawn(async move {
            let start = request * 128 * KIB;
            let bytes = handle.read(start, 128 << 10).await.unwrap();
            assert_bytes(&bytes, start..start + 128 * KIB);
        });
    }
    reads.join_all().await;
    assert_fetched_once(&mount.store.gets());
}

#[tokio::test(start_paused = true)]
async fn random_reads_make_one_small_request_each() {
    let mount = mount(1024 * MIB, 256 * MIB);
    let handle = mount.open();
    let starts = [700, 3, 901, 250, 450, 88, 820, 512].map(|start| start * MIB + 20 * KIB);
    for start in starts {
        let bytes = handle.read(start, 4 << 10).await.unwrap();
        assert_bytes(&bytes, start..start + 4 * KIB);
    }
    mount.settle().await;
    let expected = starts.map(|start| start - 4 * KIB..start + 12 * KIB);
    assert_eq!(mount.store.gets(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_small_object_is_had_whole_by_one_request() {
    let mount = mount(MIB + 5, 64 * MIB);
    let handle = mount.open();
    assert_bytes(&handle.read(MIB / 2, 10).await.unwrap(), MIB / 2..MIB / 2 + 10);
    scan(&handle, 0..MIB + 5, 128 << 10).await;
    let whole = 0..MIB + 5;
    assert_eq!(mount.store.gets(), std::slice::from_ref(&whole));
}

#[tokio::test(start_paused = true)]
async fn reading_ends_at_the_end() {
    let mount = mount(100, 64 * MIB);
    let handle = mount.open();
    assert_bytes(&handle.read(90, 4096).await.unwrap(), 90..100);
    for offset in [100, 101, u64::MAX] {
        assert!(handle.read(offset, 4096).await.unwrap().is_empty());
    }
    assert!(handle.read(5, 0).await.unwrap().is_empty());
    assert_eq!(mount.store.gets().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_cached_is_there_at_the_first_poll() {
    let mount = mount(64 * MIB, 64 * MIB);
    let handle = mount.open();
    handle.read(0, 4096).await.unwrap();
    let again = handle.read(1000, 4096).now_or_never();
    assert_bytes(&again.unwrap().unwrap(), 1000..5096);
    assert!(mount.reader.cached_bytes(handle.object()) >= MIB);
}

#[tokio::test(start_paused = true)]
async fn a_read_polled_once_outside_of_a_task_goes_on_in_one() {
    let mount = mount(64 * MIB, 64 * MIB);
    let handle = Arc::new(mount.open());
    let reading = Arc::clone(&handle);
    let mut read = Box::pin(async move { reading.read(MIB, 4096).await });
    assert!((&mut read).now_or_never().is_none());
    let bytes = tokio::spawn(read).await.unwrap().unwrap();
    assert_bytes(&bytes, MIB..MIB + 4096);
}

#[tokio::test(start_paused = true)]
async fn two_handles_share_what_they_fetch() {
    // What both have left behind is not used again before both are there.
    let mount = mount(32 * MIB, 96 * MIB);
    let (one, other) = (mount.open(), mount.open());
    tokio::join!(scan(&one, 0..32 * MIB, 1 << 20), scan(&other, 0..32 * MIB, 1 << 20));
    let gets = mount.store.gets();
    assert_fetched_once(&gets);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_object_is_stale_for_who_had_it_open_and_new_for_who_opens_it() {
    let mount = mount(64 * MIB, 64 * MIB);
    let old = mount.open();
    scan(&old, 0..MIB, 128 << 10).await;
    mount.settle().await;
    mount.store.replace("2");
    let cached = old.read(0, 4096).await.unwrap();
    assert_bytes(&cached, 0..4096);
    assert!(matches!(old.read(60 * MIB, 4096).await, Err(VfsError::Stale)));
    let asked = mount.store.gets().len();
    assert!(matches!(old.read(50 * MIB, 4096).await, Err(VfsError::Stale)));
    assert_eq!(mount.store.gets().len(), asked, "a version known to be gone was asked for");
    let new = mount.open();
    assert_eq!(mount.reader.cached_bytes(old.object()), 0);
    assert_bytes(&new.read(60 * MIB, 4096).await.unwrap(), 60 * MIB..60 * MIB + 4096);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_object_is_noticed_without_the_server_s_help() {
    let mount = mount(64 * MIB, 64 * MIB);
    let handle = mount.open();
    mount.store.replace("2");
    mount.store.plan([], Course::Unconditional);
    assert!(matches!(handle.read(0, 4096).await, Err(VfsError::Stale)));
}

#[tokio::test(start_paused = true)]
async fn failures_that_pass_are_retried_from_where_the_body_broke_off() {
    let mount = mount(3 * MIB, 64 * MIB);
    let courses = [
        Course::Fails(ErrorKind::Throttled),
        Course::BreaksAfter(MIB),
        Course::StallsAfter(5),
        Course::Fails(ErrorKind::Unavailable),
    ];
    mount.store.plan(courses, Course::Well);
    assert_bytes(&mount.open().read(0, 3 << 20).await.unwrap(), 0..3 * MIB);
    let starts: Vec<u64> = mount.store.gets().iter().map(|range| range.start).collect();
    assert_eq!(starts, [0, 0, MIB, MIB + 5, MIB + 5]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_failing_is_given_up_in_time() {
    for course in [Course::Fails(ErrorKind::Unavailable), Course::StallsAfter(0)] {
        let mount = mount(3 * MIB, 64 * MIB);
        mount.store.plan([], course);
        let started = Instant::now();
        let failed = mount.open().read(0, 4096).await;
        assert!(matches!(failed, Err(VfsError::Store(_))), "{failed:?}");
        assert!(started.elapsed() <= TIMEOUT);
        assert!(mount.store.gets().len() > 3);
        mount.store.plan([], Course::Well);
        assert_bytes(&mount.open().read(0, 4096).await.unwrap(), 0..4096);
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_fails_at_once() {
    for kind in [ErrorKind::Archived, ErrorKind::Forbidden] {
        let mount = mount(2 * MIB, 64 * MIB);
        mount.store.plan([], Course::Fails(kind));
        let failed = mount.open().read(0, 4096).await;
        assert!(matches!(failed, Err(VfsError::Store(error)) if error.kind == kind));
        assert_eq!(mount.store.gets().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_dropped_stops_fetching_ahead() {
    let mount = mount(1024 * MIB, 1024 * MIB);
    let handle = mount.open();
    scan(&handle, 0..64 * MIB, 1 << 20).await;
    let read = handle.read(64 * MIB, 1 << 20);
    assert!(read.now_or_never().is_some(), "nothing was fetched ahead");
    let object = handle.object().clone();
    assert!(mount.budget.used() > mount.reader.cached_bytes(&object), "nothing is under way");
    drop(handle);
    // Aborted tasks are gone once the runtime has run them.
    tokio::task::yield_now().await;
    let cached = mount.reader.cached_bytes(&object);
    mount.settle().await;
    assert_eq!(mount.reader.cached_bytes(&object), cached);
    let tables = mount.budget.used() - cached;
    assert!(tables < cached / 1000, "{tables} bytes are held beside what is cached");
}

#[tokio::test(start_paused = true)]
async fn who_joined_a_fetch_that_was_given_up_fetches_itself() {
    let mount = mount(64 * MIB, 64 * MIB);
    let (one, other) = (mount.open(), mount.open());
    let mut first = Box::pin(one.read(0, 4096));
    let mut joined = Box::pin(other.read(MIB + 5, 4096));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut joined).now_or_never().is_none());
    tokio::time::sleep(LATENCY / 2).await;
    assert_eq!(mount.store.gets(), [0..128 * KIB, 128 * KIB..MIB, MIB..2 * MIB]);
    drop(first);
    drop(one);
    assert_bytes(&joined.await.unwrap(), MIB + 5..MIB + 5 + 4096);
    assert_eq!(mount.store.gets().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn reads_make_progress_where_all_memory_is_held() {
    let mount = mount(64 * MIB, 16 * MIB);
    let held = mount.budget.try_reserve(16 * MIB).unwrap();
    let handle = mount.open();
    let bytes = tokio::time::timeout(TIMEOUT, handle.read(0, 1 << 20)).await.unwrap().unwrap();
    assert_bytes(&bytes, 0..MIB);
    assert!(mount.budget.used() < 18 * MIB);
    drop((held, bytes));
    scan(&handle, 0..8 * MIB, 1 << 20).await;
    assert!(mount.budget.used() <= 16 * MIB);
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_bounded() {
    let mount = mount(1024 * MIB, 256 * MIB);
    let handle = Arc::new(mount.open());
    let mut reads = tokio::task::JoinSet::new();
    for number in 0..200 {
        let handle = Arc::clone(&handle);
        let start = number * 77 % 200 * 5 * MIB;
        reads.spawn(async move { handle.read(start, 4096).await.unwrap() });
    }
    reads.join_all().await;
    assert_eq!(mount.store.under_way_most(), 32);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_fetched_again() {
    let mount = mount(MIB, 64 * MIB);
    let handle = mount.open();
    handle.read(0, 10).await.unwrap();
    mount.reader.forget("b", "k");
    assert_eq!(mount.reader.cached_bytes(handle.object()), 0);
    handle.read(0, 10).await.unwrap();
    assert_eq!(mount.store.gets().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_small_objects_take_no_more_than_their_memory() {
    const OBJECTS: usize = 3000;
    let mount = mount(1, MIB);
    let object = |index: usize| ObjectRef { key: index.to_string().into(), ..mount.store.object() };
    for index in 0..OBJECTS {
        let head = mount.reader.look("b", &object(index).key, 1).await.unwrap();
        assert!(head.is_some(), "no memory for the object {index}");
    }
    let kept = (0..OBJECTS).filter(|index| mount.reader.cached_bytes(&object(*index)) > 0).count();
    assert!((500..=1024).contains(&kept), "{kept} objects in 1 MiB");
    assert!(mount.budget.used() <= MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_of_little_memory_all_get_their_bytes() {
    let store = Arc::new(FakeStore::new(24 * MIB, Duration::from_micros(300)));
    let budget = Budget::new(6 * MIB);
    let limits = ReadLimits::for_memory(6 * MIB, TIMEOUT);
    let reader = Reader::new(Arc::<FakeStore>::clone(&store), Arc::clone(&budget), limits);
    let mut readers = tokio::task::JoinSet::new();
    for seed in 0..12 {
        let (reader, object) = (Arc::clone(&reader), store.object());
        readers.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..4 {
                let handle = reader.open(object.clone());
                let mut at = random.u64(0..20 * MIB);
                for _ in 0..30 {
                    let bytes = random.u32(1..300_000);
                    let got = handle.read(at, bytes).await.unwrap();
                    assert_bytes(&got, at..(at + u64::from(bytes)).min(24 * MIB));
                    at =
                        if seed % 2 == 0 { at + u64::from(bytes) } else { random.u64(0..20 * MIB) };
                }
            }
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(300), readers.join_all()).await;
    assert!(all.is_ok(), "somebody waits for ever");
}
