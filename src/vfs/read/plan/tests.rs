//! What is fetched for which read.

use std::ops::Range;
use std::time::Duration;

use crate::vfs::read::pattern::{Pattern, Patterns};
use crate::vfs::read::plan::{
    Ahead, ReadLimits, ReadPlan, Shape, Stretch, plan_ahead, plan_piece, plan_read,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn limits() -> ReadLimits {
    ReadLimits::for_memory(64 * MIB, Duration::from_secs(60))
}

fn scan(asked_end: u64, streak_bytes: u64, scans: u64) -> ReadPlan {
    let asked = asked_end - 128 * KIB..asked_end;
    plan_read(&asked, GIB, Pattern::Sequential { streak_bytes }, &limits(), scans)
}

#[test]
fn limits_follow_the_memory() {
    let block = |memory| ReadLimits::for_memory(memory, Duration::ZERO).block_bytes;
    assert_eq!((block(MIB), block(32 * MIB), block(GIB)), (MIB, 2 * MIB, 4 * MIB));
    assert_eq!(limits().window_bytes_max, 32 * MIB);
}

#[test]
fn a_small_object_is_had_whole() {
    let plan = plan_read(&(5..6), 2 * MIB, Pattern::Random, &limits(), 1);
    assert_eq!(plan.awaited, Shape::Whole);
    assert_eq!(plan_piece(5, 2 * MIB, plan.awaited, &(0..u64::MAX)), 0..2 * MIB);
    let larger = plan_read(&(5..6), 2 * MIB + 1, Pattern::Random, &limits(), 1);
    assert_ne!(larger.awaited, Shape::Whole);
}

#[test]
fn what_a_scan_begins_with_waits_for_no_more() {
    let begun = Pattern::Sequential { streak_bytes: 32 * KIB };
    let plan = plan_read(&(0..32 * KIB), GIB, begun, &limits(), 1);
    assert_eq!(plan_piece(0, GIB, plan.awaited, &(0..u64::MAX)), 0..128 * KIB);
    assert_eq!(plan.ahead, Ahead::Up { until: 2 * MIB, bytes: MIB });
}

#[test]
fn a_random_read_pays_for_what_it_asked() {
    let asked = 100 * MIB + 5 * KIB..100 * MIB + 9 * KIB;
    let plan = plan_read(&asked, GIB, Pattern::Random, &limits(), 1);
    assert_eq!(plan.ahead, Ahead::Nothing);
    let piece = plan_piece(asked.start, GIB, plan.awaited, &(0..u64::MAX));
    assert_eq!(piece, 100 * MIB..100 * MIB + 16 * KIB);
    let between = plan_piece(asked.start, GIB, plan.awaited, &(100 * MIB + 4 * KIB..asked.end));
    assert_eq!(between, 100 * MIB + 4 * KIB..asked.end);
}

#[test]
fn a_random_read_at_the_end_stops_there() {
    let asked = GIB - 1..GIB;
    let plan = plan_read(&asked, GIB, Pattern::Random, &limits(), 1);
    let piece = plan_piece(asked.start, GIB, plan.awaited, &(0..u64::MAX));
    assert_eq!(piece, GIB - 16 * KIB..GIB);
}

#[test]
fn the_window_grows_with_the_streak_up_to_its_share() {
    let ahead = |until| Ahead::Up { until, bytes: MIB };
    assert_eq!(scan(128 * KIB, 128 * KIB, 1).ahead, ahead(2 * MIB));
    assert_eq!(scan(2 * MIB, 2 * MIB, 1).ahead, ahead(34 * MIB));
    assert_eq!(scan(256 * MIB, 256 * MIB, 1).ahead, ahead(288 * MIB));
    assert_eq!(scan(256 * MIB, 256 * MIB, 16).ahead, ahead(258 * MIB));
}

#[test]
fn nothing_is_fetched_behind_the_end() {
    assert_eq!(scan(GIB, 256 * MIB, 1).ahead, Ahead::Nothing);
    let last = scan(GIB - MIB, 256 * MIB, 1).ahead;
    assert_eq!(last, Ahead::Up { until: GIB, bytes: MIB });
    let piece = plan_piece(GIB - 1, GIB + 5, Shape::Pieces { bytes: 4 * MIB }, &(0..u64::MAX));
    assert_eq!(piece, GIB - MIB..GIB);
    let tail = plan_piece(GIB, GIB + 5, Shape::Pieces { bytes: 4 * MIB }, &(0..u64::MAX));
    assert_eq!(tail, GIB..GIB + 5);
}

#[test]
fn a_piece_ends_at_a_multiple_of_its_size_and_begins_near() {
    let shape = Shape::Pieces { bytes: 4 * MIB };
    assert_eq!(plan_piece(9 * MIB + 5, GIB, shape, &(0..u64::MAX)), 9 * MIB..12 * MIB);
    let free = 9 * MIB + 1..10 * MIB;
    assert_eq!(plan_piece(9 * MIB + 5, GIB, shape, &free), free);
}

#[test]
fn a_scan_down_has_the_window_below_it() {
    let down = |start, streak_bytes, scans| {
        let asked = start..start + 64 * KIB;
        plan_read(&asked, GIB, Pattern::Backward { streak_bytes }, &limits(), scans)
    };
    let ahead = |from| Ahead::Down { from, bytes: MIB };
    let begun = down(512 * MIB, 64 * KIB, 1);
    assert_eq!((begun.awaited, begun.ahead), (Shape::Pieces { bytes: MIB }, ahead(510 * MIB)));
    assert_eq!(down(512 * MIB + 5, 64 * KIB, 1).ahead, ahead(511 * MIB));
    assert_eq!(down(512 * MIB, 256 * MIB, 1).ahead, ahead(480 * MIB));
    assert_eq!(down(512 * MIB, 256 * MIB, 16).ahead, ahead(510 * MIB));
    assert_eq!(down(5 * KIB, 256 * MIB, 1).ahead, ahead(0));
    assert_eq!(down(0, 256 * MIB, 1).ahead, Ahead::Nothing);
}

#[test]
fn steps_ahead_grow_with_those_seen_up_to_their_bounds() {
    let count = |steps, bytes, scans| {
        let pattern = Pattern::Strided { steps, bytes };
        let plan = plan_read(&(MIB..2 * MIB), GIB, pattern, &limits(), scans);
        assert_eq!(plan.awaited, Shape::Exact { until: 2 * MIB });
        plan.ahead
    };
    assert_eq!(count(3, 4 * KIB, 1), Ahead::Steps { count: 6 });
    assert_eq!(count(10, 4 * KIB, 1), Ahead::Steps { count: 20 });
    assert_eq!(count(u64::MAX, 4 * KIB, 1), Ahead::Steps { count: 32 });
    assert_eq!(count(100, 2 * MIB, 1), Ahead::Steps { count: 16 });
    assert_eq!(count(100, 2 * MIB, 16), Ahead::Steps { count: 1 });
}

/// All that is fetched ahead of a read that is observed behind those before it, as far as there
/// is memory.
fn stretches(reads: &[Range<u64>], ahead: Ahead, size: u64) -> Vec<Stretch> {
    let mut patterns = Patterns::default();
    let (asked, before) = reads.split_last().unwrap();
    for read in before {
        patterns.observe(read);
    }
    let mut scan = patterns.observe(asked);
    let mut stretches = Vec::new();
    while let Some(stretch) = plan_ahead(ahead, &scan, asked, size) {
        scan.have_ahead(&stretch.range, stretch.range.end);
        stretches.push(stretch);
    }
    stretches
}

#[test]
fn what_is_below_is_fetched_from_above_in_pieces() {
    let start = 100 * MIB + 128 * KIB;
    let reads = (0..6).rev().map(|index| start + index * 64 * KIB..start + (index + 1) * 64 * KIB);
    let reads = reads.collect::<Vec<_>>();
    let found = stretches(&reads, Ahead::Down { from: 94 * MIB, bytes: 2 * MIB }, GIB);
    let expected = [100 * MIB..start, 98 * MIB..100 * MIB, 96 * MIB..98 * MIB, 94 * MIB..96 * MIB];
    let shape = Shape::Pieces { bytes: 2 * MIB };
    assert_eq!(found, expected.map(|range| Stretch { range, shape }));
}

#[test]
fn steps_are_fetched_one_by_one_up_to_the_end() {
    let reads = (0..6).map(|index| index * MIB + MIB..index * MIB + MIB + 20 * KIB);
    let reads = reads.collect::<Vec<_>>();
    let found = stretches(&reads, Ahead::Steps { count: 2 }, GIB);
    let expected = [7, 8].map(|step| {
        let shape = Shape::Exact { until: step * MIB + 32 * KIB };
        Stretch { range: step * MIB..step * MIB + 20 * KIB, shape }
    });
    assert_eq!(found, expected);
    let last = stretches(&reads, Ahead::Steps { count: 9 }, 8 * MIB + 5);
    let ranges = last.into_iter().map(|stretch| stretch.range).collect::<Vec<_>>();
    assert_eq!(ranges, [7 * MIB..7 * MIB + 20 * KIB, 8 * MIB..8 * MIB + 5]);
}

#[test]
fn what_there_is_no_memory_for_is_asked_for_again() {
    let mut patterns = Patterns::default();
    for index in (90..100).rev() {
        patterns.observe(&(index * MIB..(index + 1) * MIB));
    }
    let asked = 89 * MIB..90 * MIB;
    let mut scan = patterns.observe(&asked);
    let ahead = Ahead::Down { from: 80 * MIB, bytes: MIB };
    let first = plan_ahead(ahead, &scan, &asked, GIB).unwrap();
    scan.have_ahead(&first.range, first.range.start + 5);
    assert_eq!(plan_ahead(ahead, &scan, &asked, GIB), Some(first));
}
