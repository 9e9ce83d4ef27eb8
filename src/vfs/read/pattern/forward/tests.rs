//! Which reads make a forward scan.

use crate::vfs::read::pattern::Pattern;
use crate::vfs::read::pattern::forward::Streams;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn read(streams: &mut Streams, start: u64, bytes: u64) -> Pattern {
    streams.observe(&(start..start + bytes)).pattern()
}

#[track_caller]
fn check_streak(pattern: Pattern, expected: u64) {
    assert_eq!(pattern, Pattern::Sequential { streak_bytes: expected });
}

fn scanned(bytes: u64) -> Streams {
    let mut streams = Streams::default();
    for start in (0..bytes).step_by(128 << 10) {
        read(&mut streams, start, 128 * KIB);
    }
    streams
}

#[test]
fn reading_on_is_a_scan_from_the_second_read() {
    let mut streams = Streams::default();
    assert_eq!(read(&mut streams, 100 * MIB, 4 * KIB), Pattern::Random);
    check_streak(read(&mut streams, 100 * MIB + 4 * KIB, 4 * KIB), 8 * KIB);
}

#[test]
fn the_beginning_of_a_file_begins_a_scan() {
    check_streak(read(&mut Streams::default(), 0, 4 * KIB), 4 * KIB);
}

#[test]
fn swapped_requests_are_in_order() {
    let mut streams = Streams::default();
    for request in [0, 2, 1, 3, 5, 4, 6, 7] {
        let pattern = read(&mut streams, request * MIB, MIB);
        assert_ne!(pattern, Pattern::Random, "{request}");
    }
    assert_eq!(streams.scans(), 1);
}

#[test]
fn reads_here_and_there_are_random() {
    let mut streams = Streams::default();
    for start in [700, 3, 900, 20, 450, 451, 3, 800, 700, 1] {
        assert_eq!(read(&mut streams, start * MIB, 4 * KIB), Pattern::Random, "{start}");
    }
}

#[test]
fn reading_the_same_again_is_no_scan() {
    let mut streams = Streams::default();
    for _ in 0..3 {
        assert_eq!(read(&mut streams, 50 * MIB, 4 * KIB), Pattern::Random);
    }
}

#[test]
fn random_reads_do_not_end_a_scan() {
    let mut streams = scanned(MIB);
    for start in [700, 300, 500] {
        assert_eq!(read(&mut streams, start * MIB, 4 * KIB), Pattern::Random);
    }
    check_streak(read(&mut streams, MIB, 128 * KIB), MIB + 128 * KIB);
}

#[test]
fn several_places_are_scanned_at_once() {
    let mut streams = Streams::default();
    for round in 0..10 {
        for place in 0..6 {
            read(&mut streams, place * 100 * MIB + round * 128 * KIB, 128 * KIB);
        }
    }
    assert_eq!(streams.scans(), 6);
    check_streak(read(&mut streams, 10 * 128 * KIB, 128 * KIB), 11 * 128 * KIB);
}

#[test]
fn a_long_scan_may_jump_and_a_short_one_may_not() {
    let jump = 15 * MIB;
    let mut long = scanned(32 * MIB);
    assert_ne!(read(&mut long, 32 * MIB + jump, 128 * KIB), Pattern::Random);
    let mut short = scanned(MIB);
    assert_eq!(read(&mut short, MIB + jump, 128 * KIB), Pattern::Random);
    let mut back = scanned(32 * MIB);
    assert_ne!(read(&mut back, 31 * MIB, 128 * KIB), Pattern::Random);
    assert_eq!(read(&mut back, 16 * MIB, 128 * KIB), Pattern::Random);
}

#[test]
fn a_scan_that_mostly_jumps_ends() {
    let mut streams = scanned(32 * MIB);
    let mut head = 32 * MIB;
    let ended = (0..20).any(|_| {
        head += 8 * MIB;
        read(&mut streams, head, 4 * KIB) == Pattern::Random
    });
    assert!(ended);
}

#[test]
fn what_is_ahead_of_a_stream_is_expected_and_held() {
    let mut streams = scanned(MIB);
    streams.observe(&(MIB..2 * MIB)).ahead_until = 8 * MIB;
    assert_eq!(streams.held().collect::<Vec<_>>(), vec![0..8 * MIB]);
    let stream = streams.observe(&(2 * MIB..3 * MIB));
    assert!(stream.expects(2 * MIB) && stream.expects(8 * MIB - 1));
    assert!(!stream.expects(2 * MIB - 1) && !stream.expects(8 * MIB));
}

#[test]
fn a_scan_leaves_behind_what_it_will_not_look_back_for() {
    let mut streams = scanned(8 * MIB);
    let stream = streams.observe(&(8 * MIB..9 * MIB));
    assert_eq!(stream.left_behind(), 0..7 * MIB);
    stream.left_until = 7 * MIB;
    assert!(stream.left_behind().is_empty());
    let mut random = Streams::default();
    assert!(random.observe(&(50 * MIB..60 * MIB)).left_behind().is_empty());
}
