//! fsx: random operations on one file, compared with what memory says it holds.

use std::fmt::Write;
use std::fs;

use crate::suites::expected::check;
use crate::suites::ground::{Ground, built};
use crate::suites::report::{Report, tail};

pub(super) const SUITE: &str = "fsx";

/// One run: a file up to a size, with operations up to a size.
struct Run {
    name: &'static str,
    seed: u32,
    operations: u32,
    file_bytes_max: u32,
    operation_bytes_max: u32,
    /// Weights besides the usual ones.
    weights: &'static str,
    settings: &'static str,
}

/// What a program does that wants its file safe now and then.
const PLAIN: &str = "read = 20\nwrite = 20\nmapread = 10\nmapwrite = 5\ntruncate = 10\nsendfile = 2\n\
    close_open = 0.5\nfsync = 0.3\nfdatasync = 0.3\n";

/// The same, with what newer programs do.
const EVERYTHING: &str = "read = 20\nwrite = 20\nmapread = 10\nmapwrite = 5\ntruncate = 10\n\
    sendfile = 2\nposix_fadvise = 2\ninvalidate = 1\nposix_fallocate = 4\npunch_hole = 8\n\
    copy_file_range = 8\nclose_open = 0.5\nfsync = 0.3\nfdatasync = 0.3\n";

/// For files in which an operation is often of no bytes at all: allocating none is an error.
const TINY: &str = "read = 20\nwrite = 20\nmapread = 10\nmapwrite = 5\ntruncate = 10\n\
    punch_hole = 8\ncopy_file_range = 8\nclose_open = 1\nfsync = 1\n";

/// No mappings, which keep the kernel's pages warm.
const CALLS: &str = "read = 20\nwrite = 20\nmapread = 0\nmapwrite = 0\ntruncate = 10\n\
    posix_fallocate = 4\npunch_hole = 8\ncopy_file_range = 8\nclose_open = 1\nfsync = 1\n";

/// Every mapped write is synced at once.
const SYNCED: &str = "nomsyncafterwrite = false\n";
const UNSYNCED: &str = "nomsyncafterwrite = true\n";

#[rustfmt::skip]
const SMALL: &[Run] = &[
    Run { name: "plain, 256 KiB", seed: 1, operations: 25_000, file_bytes_max: 262_144, operation_bytes_max: 65_536, weights: PLAIN, settings: UNSYNCED },
    Run { name: "everything, 256 KiB", seed: 2, operations: 25_000, file_bytes_max: 262_144, operation_bytes_max: 65_536, weights: EVERYTHING, settings: UNSYNCED },
    Run { name: "everything, synced, 256 KiB", seed: 3, operations: 10_000, file_bytes_max: 262_144, operation_bytes_max: 65_536, weights: EVERYTHING, settings: SYNCED },
    Run { name: "100 bytes", seed: 4, operations: 10_000, file_bytes_max: 100, operation_bytes_max: 100, weights: TINY, settings: UNSYNCED },
    Run { name: "calls, 1 MiB", seed: 5, operations: 20_000, file_bytes_max: 1_048_576, operation_bytes_max: 65_536, weights: CALLS, settings: UNSYNCED },
];

/// Larger than a part of an upload, so that parts are changed, copied and cut.
#[rustfmt::skip]
const LARGE: &[Run] = &[
    Run { name: "plain, 20 MiB", seed: 11, operations: 4_000, file_bytes_max: 20 << 20, operation_bytes_max: 1 << 20, weights: PLAIN, settings: UNSYNCED },
    Run { name: "everything, 20 MiB", seed: 12, operations: 4_000, file_bytes_max: 20 << 20, operation_bytes_max: 1 << 20, weights: EVERYTHING, settings: UNSYNCED },
    Run { name: "calls, 40 MiB", seed: 13, operations: 3_000, file_bytes_max: 40 << 20, operation_bytes_max: 3 << 20, weights: CALLS, settings: UNSYNCED },
    Run { name: "small calls, 20 MiB", seed: 14, operations: 5_000, file_bytes_max: 20 << 20, operation_bytes_max: 10_000, weights: CALLS, settings: UNSYNCED },
];

#[test]
fn random_operations_on_small_files() {
    check_runs(SMALL);
}

#[test]
fn random_operations_on_files_of_many_parts() {
    check_runs(LARGE);
}

#[test]
fn a_hundred_thousand_operations_are_run() {
    let operations: u32 = SMALL.iter().chain(LARGE).map(|run| run.operations).sum();
    assert!(operations >= 100_000, "{operations}");
}

#[track_caller]
fn check_runs(runs: &[Run]) {
    let ground = Ground::new();
    let mut report = Report::default();
    for run in runs {
        let (case, told) = exercise(&ground, run);
        match told {
            None => report.passed(),
            Some(told) => report.failed(case, &told),
        }
    }
    check(&ground, SUITE, runs.len(), &report);
}

/// The case, and what was wrong.
fn exercise(ground: &Ground, run: &Run) -> (String, Option<String>) {
    let Run { name, seed, operations, file_bytes_max, operation_bytes_max, weights, settings } =
        run;
    let case = format!("{name}, seed {seed}");
    let configuration = ground.outside().join(format!("fsx-{seed}.toml"));
    let mut text = format!("flen = {file_bytes_max}\n{settings}");
    write!(text, "[opsize]\nmax = {operation_bytes_max}\n[weights]\n{weights}").expect("text");
    fs::write(&configuration, text).expect("a file");
    let mut command = ground.command(built("fsx"));
    command.arg("-f").arg(configuration).arg("-P").arg(ground.outside());
    command.args(["-N", &operations.to_string(), "-S", &seed.to_string()]);
    command.arg(ground.root().join(format!("fsx-{seed}")));
    let (status, output) = ground.run(SUITE, command);
    let is_well = status.success() && output.contains("All operations completed A-OK!");
    // The end is a list of the last operations: what is wrong stands before it.
    let complaint = output.lines().filter(|line| !line.contains("Seed")).take(6);
    let told =
        complaint.chain(["..."]).chain([tail(&output).as_str()]).collect::<Vec<_>>().join("\n");
    (case, (!is_well).then_some(told))
}
