//! Which reads make a backward scan.

use crate::vfs::read::pattern::Pattern;
use crate::vfs::read::pattern::backward::{Descents, FALLS_MIN};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4 * MIB;

/// Whether a read belongs to a backward scan.
fn read(descents: &mut Descents, start: u64, bytes: u64) -> bool {
    let asked = start..start + bytes;
    descents.go_on(&asked) || descents.consider(&asked, false)
}

/// Reads down from `end` until that is a scan, and tells where it stands.
fn descended(end: u64, block: u64) -> (Descents, u64) {
    let mut descents = Descents::default();
    let mut at = end;
    for fallen in 0..=FALLS_MIN {
        at -= block;
        assert_eq!(read(&mut descents, at, block), fallen == FALLS_MIN, "{fallen}");
    }
    (descents, at)
}

#[test]
fn blocks_of_any_size_from_the_end_down_are_a_scan() {
    for block in [512, 4 * KIB, 65_000, 64 * KIB, 576 * KIB, MIB] {
        let (mut descents, at) = descended(100 * MIB, block);
        let streak_bytes = 100 * MIB - at;
        assert_eq!(descents.latest().pattern(), Pattern::Backward { streak_bytes });
        assert_eq!(descents.scans(), 1);
    }
}

#[test]
fn blocks_of_different_sizes_are_a_scan_where_they_touch() {
    let mut descents = Descents::default();
    let mut at = 100 * MIB;
    let blocks = [64, 20, 800, 4, 4, 128].map(|blocks| blocks * KIB);
    let are_scan = blocks.map(|block| {
        at -= block;
        read(&mut descents, at, block)
    });
    assert_eq!(are_scan, [false, false, false, false, false, true]);
}

#[test]
fn blocks_that_come_as_several_requests_are_a_scan() {
    for order in [[0, 1, 2], [0, 2, 1]] {
        let mut descents = Descents::default();
        let runs = (0..20).map(|run| 600 * MIB - run * 3 * MIB).collect::<Vec<_>>();
        for start in &runs {
            for request in order {
                read(&mut descents, start + request * MIB, MIB);
            }
        }
        assert_eq!(descents.scans(), 1, "{order:?}");
        assert!(read(&mut descents, runs[19] - 3 * MIB, MIB));
        assert!(read(&mut descents, runs[19] - 2 * MIB, MIB));
        assert_eq!(descents.descents.len(), 1, "{:?}", descents.descents);
    }
}

#[test]
fn swapped_requests_are_no_scan() {
    let mut descents = Descents::default();
    for group in 0..20 {
        for request in (0..REORDERED).rev() {
            assert!(!read(&mut descents, (group * REORDERED + request) * MIB, MIB));
        }
    }
}

/// One more than swapped neighbours: a request may be four early where another is four late.
const REORDERED: u64 = 5;

#[test]
fn who_reads_on_upwards_does_not_go_down() {
    let mut descents = Descents::default();
    let mut at = 100 * MIB;
    for _ in 0..20 {
        for _ in 1..FALLS_MIN {
            at -= 64 * KIB;
            assert!(!read(&mut descents, at, 64 * KIB));
        }
        assert!(!read(&mut descents, at + 64 * KIB, 128 * KIB));
    }
}

#[test]
fn a_run_of_many_requests_is_no_step_of_a_descent() {
    let mut descents = Descents::default();
    for run in 0..20 {
        for request in 0..8 {
            let start = 600 * MIB - run * 8 * MIB + request * MIB;
            let asked = start..start + MIB;
            assert!(!descents.go_on(&asked) && !descents.consider(&asked, request > 0));
        }
    }
    assert!(descents.descents.is_empty());
}

#[test]
fn random_reads_do_not_end_a_scan() {
    let (mut descents, at) = descended(100 * MIB, 64 * KIB);
    for start in 0..50 {
        assert!(!read(&mut descents, (200 + start * 7 % 50) * MIB, 4 * KIB));
    }
    assert!(read(&mut descents, at - 64 * KIB, 64 * KIB));
    assert!(read(&mut descents, at - 300 * KIB, 64 * KIB), "a block may be left out");
    assert!(!read(&mut descents, at - 2 * MIB, 64 * KIB));
}

#[test]
fn several_places_are_read_down_at_once() {
    let mut descents = Descents::default();
    for round in 1..20 {
        for place in 1..=4 {
            read(&mut descents, place * 100 * MIB - round * 64 * KIB, 64 * KIB);
        }
    }
    assert_eq!(descents.scans(), 4);
}

#[test]
fn what_is_below_a_scan_is_expected_and_held() {
    let (mut descents, at) = descended(100 * MIB, 64 * KIB);
    descents.latest().ahead_from = at - 8 * MIB;
    assert!(read(&mut descents, at - MIB / 8, 128 * KIB));
    let latest = descents.latest();
    assert!(latest.expects(at - 1) && latest.expects(at - 8 * MIB));
    assert!(!latest.expects(at) && !latest.expects(at - 8 * MIB - 1));
    assert_eq!(descents.held().next(), Some(at - 8 * MIB..100 * MIB));
    assert_eq!(descents.held().count(), 1);
}

#[test]
fn a_scan_leaves_behind_whole_blocks_above() {
    let (mut descents, mut at) = descended(100 * MIB, MIB);
    assert_eq!(descents.latest().left_behind(BLOCK), 100 * MIB..100 * MIB);
    for _ in 0..5 {
        at -= MIB;
        assert!(read(&mut descents, at, MIB));
    }
    // It stands at 89 MiB and may look back from where the run before began.
    assert_eq!(descents.latest().left_behind(BLOCK), 92 * MIB..100 * MIB);
    descents.latest().left_from = 92 * MIB;
    assert!(descents.latest().left_behind(BLOCK).is_empty());
}
