//! Which reads are at equal distances.

use std::ops::Range;

use crate::vfs::read::pattern::strided::{STEPS_MIN, Stride};
use crate::vfs::read::pattern::{PAGE_BYTES, Pattern};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Whether a read that belongs to no scan is one of a stride.
fn read(stride: &mut Stride, start: u64, bytes: u64) -> bool {
    let asked = start..start + bytes;
    stride.goes_on(&asked) || stride.consider(&asked, true)
}

/// As [`read`], as the kernel reads: whole pages.
fn read_pages(stride: &mut Stride, start: u64, bytes: u64) -> bool {
    let pages = pages_of(start, bytes);
    read(stride, pages.start, pages.end - pages.start)
}

fn pages_of(start: u64, bytes: u64) -> Range<u64> {
    start - start % PAGE_BYTES..(start + bytes).next_multiple_of(PAGE_BYTES)
}

/// The stride found by reading so many times.
fn strode(first: u64, distance: u64, bytes: u64, reads: u64) -> Stride {
    let mut stride = Stride::default();
    for index in 0..reads {
        let is_found = read(&mut stride, first + index * distance, bytes);
        assert_eq!(is_found, index >= STEPS_MIN, "{index}");
    }
    stride
}

#[test]
fn three_equal_distances_are_a_stride() {
    let stride = strode(5 * MIB, MIB, 64 * KIB, 5);
    assert_eq!(stride.pattern(), Pattern::Strided { steps: 4, bytes: 64 * KIB });
    assert_eq!(stride.foreseen(1), Some(10 * MIB..10 * MIB + 64 * KIB));
    assert_eq!(stride.foreseen(7), Some(16 * MIB..16 * MIB + 64 * KIB));
}

#[test]
fn a_stride_may_go_down_to_the_beginning() {
    let mut stride = Stride::default();
    for index in (3..9).rev() {
        read(&mut stride, index * MIB, 64 * KIB);
    }
    assert_eq!(stride.foreseen(3), Some(0..64 * KIB));
    assert_eq!(stride.foreseen(4), None);
}

#[test]
fn one_read_elsewhere_ends_it() {
    let mut stride = strode(0, MIB, 64 * KIB, 10);
    assert!(!read(&mut stride, 77 * MIB, 64 * KIB));
    assert!(!read(&mut stride, 10 * MIB, 64 * KIB));
    assert_eq!(stride.pattern(), Pattern::Random);
    assert!(![11, 12].map(|at| read(&mut stride, at * MIB, 64 * KIB)).contains(&true));
    assert!(read(&mut stride, 13 * MIB, 64 * KIB));
}

#[test]
fn scans_beside_it_do_not_end_it() {
    let mut stride = strode(0, MIB, 64 * KIB, 10);
    assert!(!stride.goes_on(&(77 * MIB..78 * MIB)));
    assert!(!stride.consider(&(77 * MIB..78 * MIB), false));
    assert!(read(&mut stride, 10 * MIB, 64 * KIB));
}

#[test]
fn distances_to_the_byte_are_foreseen_by_their_mean() {
    for (distance, bytes) in [(300_000, 100), (1_234_567, 70_000), (50_001, 4096)] {
        let mut stride = Stride::default();
        for index in 0..100 {
            let is_found = read_pages(&mut stride, 12_345 + index * distance, bytes);
            assert_eq!(is_found, index >= STEPS_MIN, "{distance} {index}");
            // Until then they may all seem to be the same to the page.
            if index < 20 {
                continue;
            }
            for steps in 1..=index * 2 {
                let to_come = pages_of(12_345 + (index + steps) * distance, bytes);
                let foreseen = stride.foreseen(steps).unwrap();
                let covers = foreseen.start <= to_come.start && to_come.end <= foreseen.end;
                assert!(covers, "{distance} {index} {steps}: {foreseen:?} {to_come:?}");
                assert!(foreseen.end - foreseen.start <= bytes + 10 * PAGE_BYTES);
            }
        }
    }
}

#[test]
fn a_step_may_come_as_several_requests() {
    let mut stride = Stride::default();
    for index in 0..6 {
        let start = index * 32 * MIB;
        assert_eq!(read(&mut stride, start, MIB), index > STEPS_MIN - 1, "{index}");
        assert_eq!(read(&mut stride, start + MIB, MIB), index > STEPS_MIN - 1, "{index}");
    }
    assert_eq!(stride.pattern(), Pattern::Strided { steps: 5, bytes: 2 * MIB });
    assert_eq!(stride.foreseen(1), Some(192 * MIB..194 * MIB));
}

#[test]
fn who_reads_on_is_scanning() {
    let mut stride = strode(0, 32 * MIB, MIB, 5);
    for request in 1..10 {
        assert!(!read(&mut stride, 128 * MIB + request * MIB, MIB));
    }
    assert!(!stride.is_found());
}

#[test]
fn a_step_that_is_read_on_from_does_not_make_all_others_longer() {
    let mut stride = strode(0, 16 * MIB, 64 * KIB, 5);
    for request in 1..8 {
        assert!(!read(&mut stride, 64 * MIB + request * 64 * KIB, 64 * KIB));
    }
    for index in 5..20 {
        read(&mut stride, index * 16 * MIB, 64 * KIB);
    }
    assert!(stride.is_found());
    assert_eq!(stride.foreseen(1), Some(320 * MIB..320 * MIB + 64 * KIB));
}

#[test]
fn blocks_that_touch_are_no_stride() {
    for distance in [64 * KIB, 65 * KIB] {
        let mut stride = Stride::default();
        for index in (0..20).rev() {
            assert!(!read(&mut stride, index * distance, 64 * KIB));
        }
    }
    let mut again = Stride::default();
    for _ in 0..20 {
        assert!(!read(&mut again, 5 * MIB, 64 * KIB));
    }
}

#[test]
fn what_was_fetched_ahead_is_expected() {
    let mut stride = strode(0, MIB, 64 * KIB, 4);
    assert!(!stride.expects(&(3 * MIB..4 * MIB)));
    stride.ahead_steps = 1;
    assert!(read(&mut stride, 4 * MIB, 64 * KIB));
    assert!(stride.expects(&(4 * MIB - 100..4 * MIB + 1)));
    assert!(!stride.expects(&(3 * MIB..4 * MIB)));
    assert_eq!(stride.ahead_steps, 0);
    assert!(read(&mut stride, 5 * MIB, 64 * KIB));
    assert!(!stride.expects(&(5 * MIB..6 * MIB)));
}
