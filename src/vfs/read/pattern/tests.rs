//! Which patterns are found in all reads of a handle together.

use std::ops::Range;

use proptest::prelude::{Just, Strategy};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use crate::vfs::read::pattern::{Pattern, Patterns, REORDERED_REQUESTS_MAX};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn read(patterns: &mut Patterns, start: u64, bytes: u64) -> Pattern {
    patterns.observe(&(start..start + bytes)).pattern()
}

fn is_backward(pattern: Pattern) -> bool {
    matches!(pattern, Pattern::Backward { .. })
}

fn is_strided(pattern: Pattern) -> bool {
    matches!(pattern, Pattern::Strided { .. })
}

fn is_sequential(pattern: Pattern) -> bool {
    matches!(pattern, Pattern::Sequential { .. })
}

/// What a program's read comes as where no page is cached: requests of up to a megabyte.
fn requests(read: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = read.end;
    read.step_by(1 << 20).map(move |start| start..end.min(start + MIB))
}

/// How many requests are not part of a pattern while a program reads blocks from top to bottom.
fn unforeseen(block: u64, distance: u64, blocks: u64, wanted: fn(Pattern) -> bool) -> usize {
    let mut patterns = Patterns::default();
    let starts = (0..blocks).rev().map(|index| index * distance);
    let asked = starts.flat_map(|start| requests(start..start + block));
    asked.filter(|asked| !wanted(patterns.observe(asked).pattern())).count()
}

#[test]
fn blocks_from_the_end_down_are_found_soon() {
    let blocks = [4 * KIB, 64 * KIB, 65_000, MIB].map(|block| (block, 5));
    for (block, unforeseen_max) in [blocks.as_slice(), &[(2 * MIB, 10), (4 * MIB, 20)]].concat() {
        let found = unforeseen(block, block, 100, is_backward);
        assert!(found <= unforeseen_max, "{block}: {found}");
    }
}

#[test]
fn steps_down_are_found_soon() {
    for (block, distance) in [(4 * KIB, 256 * KIB), (64 * KIB, MIB), (MIB, 16 * MIB)] {
        let found = unforeseen(block, distance, 100, is_strided);
        assert!(found <= 3, "{block}: {found}");
    }
}

#[test]
fn steps_up_are_found_soon_and_short_ones_are_read_through() {
    let mut patterns = Patterns::default();
    let strided = (0..100).map(|index| read(&mut patterns, index * MIB, 64 * KIB));
    assert_eq!(strided.filter(|&pattern| is_strided(pattern)).count(), 96);
    let mut patterns = Patterns::default();
    for index in 0..100 {
        let pattern = read(&mut patterns, index * 256 * KIB, 64 * KIB);
        assert!(is_sequential(pattern), "{index}: {pattern:?}");
    }
}

#[test]
fn a_look_back_is_no_backward_scan() {
    let mut patterns = Patterns::default();
    let mut at = 100 * MIB;
    for _ in 0..100 {
        for _ in 0..10 {
            read(&mut patterns, at, 128 * KIB);
            at += 128 * KIB;
        }
        let back = read(&mut patterns, at - MIB, 128 * KIB);
        assert!(is_sequential(back), "{back:?}");
    }
    assert_eq!(patterns.scans(), 1);
}

#[test]
fn scans_in_every_direction_go_on_side_by_side() {
    let mut patterns = Patterns::default();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..50 {
        let up = read(&mut patterns, 100 * MIB + round * 128 * KIB, 128 * KIB);
        let down = read(&mut patterns, 300 * MIB - round * 64 * KIB, 64 * KIB);
        let step = patterns.stride.is_found();
        if round > 10 {
            assert!(is_sequential(up) && is_backward(down), "{round}: {up:?} {down:?}");
        }
        assert!(!step);
        read(&mut patterns, random.u64(400..900) * MIB, 4 * KIB);
    }
    assert_eq!(patterns.scans(), 2);
}

#[test]
fn what_looked_like_scans_forward_takes_no_share_of_one_that_goes_down() {
    let mut patterns = Patterns::default();
    for index in (300..320).rev() {
        for asked in requests(index * 2 * MIB..(index + 1) * 2 * MIB) {
            patterns.observe(&asked);
        }
    }
    assert_eq!(patterns.scans(), 1);
}

#[test]
fn whoever_turns_round_is_scanning_forward() {
    let mut patterns = Patterns::default();
    for index in (500..600).rev() {
        read(&mut patterns, index * 64 * KIB, 64 * KIB);
    }
    let up = (500..800).map(|index| read(&mut patterns, index * 64 * KIB, 64 * KIB));
    assert_eq!(up.filter(|&pattern| is_sequential(pattern)).count(), 294);
}

/// The numbers below `count`, none further from its place than requests are swapped.
fn in_order(count: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..=REORDERED_REQUESTS_MAX, count).prop_map(|late| {
        let mut order: Vec<usize> = (0..late.len()).collect();
        order.sort_by_key(|&index| index as u64 + late[index]);
        order
    })
}

fn request_bytes() -> impl Strategy<Value = u64> {
    prop_oneof![Just(4 * KIB), Just(64 * KIB), Just(128 * KIB), Just(MIB)]
}

proptest! {
    #[test]
    fn a_forward_scan_in_any_order_stays_one(
        order in in_order(200),
        bytes in request_bytes(),
        first in 0_u64..1 << 40,
    ) {
        let mut patterns = Patterns::default();
        for (count, request) in order.into_iter().enumerate() {
            let pattern = read(&mut patterns, first + request as u64 * bytes, bytes);
            prop_assert!(!is_backward(pattern) && !is_strided(pattern));
            prop_assert!(count < 10 || is_sequential(pattern), "{count}");
        }
    }

    #[test]
    fn random_reads_are_taken_for_nothing_else(seed: u64, bytes in 1_u64..1 << 17) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut patterns = Patterns::default();
        let reads = 1000;
        let mistaken = (0..reads).filter(|_| {
            let pattern = read(&mut patterns, random.u64(0..1 << 30), bytes);
            is_backward(pattern) || is_strided(pattern)
        });
        prop_assert_eq!(mistaken.count(), 0);
    }

    #[test]
    fn random_pages_of_a_small_object_are_taken_for_nothing_else(seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut patterns = Patterns::default();
        let reads = 1000;
        let mistaken = (0..reads).filter(|_| {
            let pattern = read(&mut patterns, random.u64(0..8 << 8) * 4 * KIB, 4 * KIB);
            is_backward(pattern) || is_strided(pattern)
        });
        prop_assert!(mistaken.count() <= reads / 100);
    }

    #[test]
    fn what_is_remembered_is_bounded(seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut patterns = Patterns::default();
        let mut at = 1 << 30;
        for _ in 0..2000 {
            at = match random.u8(0..4) {
                0 => random.u64(0..1 << 30),
                1 => at + 64 * KIB,
                _ => at.saturating_sub(64 * KIB),
            };
            read(&mut patterns, at, 64 * KIB);
        }
        prop_assert!(patterns.scans() <= 17);
        prop_assert_eq!(patterns.held().filter(|held| held.start > held.end).count(), 0);
    }
}
