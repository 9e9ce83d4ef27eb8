//! What is fetched for which read.

use std::time::Duration;

use crate::vfs::read::pattern::Pattern;
use crate::vfs::read::plan::{ReadLimits, ReadPlan, Shape, plan_piece, plan_read};

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
    assert_eq!((plan.ahead, plan.ahead_until), (Shape::Pieces { bytes: MIB }, 2 * MIB));
}

#[test]
fn a_random_read_pays_for_what_it_asked() {
    let asked = 100 * MIB + 5 * KIB..100 * MIB + 9 * KIB;
    let plan = plan_read(&asked, GIB, Pattern::Random, &limits(), 1);
    assert_eq!(plan.ahead_until, asked.end);
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
    let pieces = |bytes| Shape::Pieces { bytes };
    let first = scan(128 * KIB, 128 * KIB, 1);
    assert_eq!((first.ahead, first.ahead_until), (pieces(MIB), 2 * MIB));
    let later = scan(2 * MIB, 2 * MIB, 1);
    assert_eq!((later.ahead, later.ahead_until), (pieces(MIB), 34 * MIB));
    let full = scan(256 * MIB, 256 * MIB, 1);
    assert_eq!((full.ahead, full.ahead_until), (pieces(MIB), 288 * MIB));
    let shared = scan(256 * MIB, 256 * MIB, 16);
    assert_eq!((shared.ahead, shared.ahead_until), (pieces(MIB), 258 * MIB));
}

#[test]
fn nothing_is_fetched_behind_the_end() {
    assert_eq!(scan(GIB, 256 * MIB, 1).ahead_until, GIB);
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
