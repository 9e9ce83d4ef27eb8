//! fio: blocks written with checksums in them, in every order, and read back.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::suites::expected::check;
use crate::suites::ground::Ground;
use crate::suites::report::{Report, tail};

pub(super) const SUITE: &str = "fio";

/// What all runs have in common: every block is verified, and the first bad one ends the run.
const ALWAYS: &str = "--verify=crc32c --verify_fatal=1 --do_verify=1 --verify_dump=0 \
    --randrepeat=1 --group_reporting=0 --output-format=json --thinktime=0";

struct Run {
    name: &'static str,
    /// Bytes of all files together that must be read back and verified.
    verified_mib_min: u64,
    arguments: &'static str,
}

#[rustfmt::skip]
const RUNS: &[Run] = &[
    Run { name: "sequential 4k", verified_mib_min: 16, arguments: "--rw=write --bs=4k --size=16m" },
    Run { name: "sequential 1m", verified_mib_min: 128, arguments: "--rw=write --bs=1m --size=128m" },
    Run { name: "sequential odd sizes", verified_mib_min: 30, arguments: "--rw=write --bsrange=512-300k --bs_unaligned --size=32m" },
    Run { name: "sequential direct 256k", verified_mib_min: 64, arguments: "--rw=write --bs=256k --size=64m --direct=1" },
    Run { name: "sequential, four jobs", verified_mib_min: 64, arguments: "--rw=write --bs=128k --size=16m --numjobs=4" },
    Run { name: "random 4k", verified_mib_min: 32, arguments: "--rw=randwrite --bs=4k --size=32m" },
    Run { name: "random 64k, synced", verified_mib_min: 32, arguments: "--rw=randwrite --bs=64k --size=32m --fsync=64" },
    Run { name: "random sizes, three jobs", verified_mib_min: 70, arguments: "--rw=randwrite --bssplit=512/10:4k/40:64k/40:512k/10 --size=24m --numjobs=3" },
    Run { name: "random direct 4k", verified_mib_min: 16, arguments: "--rw=randwrite --bs=4k --size=16m --direct=1" },
    Run { name: "random through a mapping", verified_mib_min: 16, arguments: "--rw=randwrite --bs=4k --size=16m --ioengine=mmap" },
    Run { name: "random, asynchronous and direct", verified_mib_min: 32, arguments: "--rw=randwrite --bs=32k --size=32m --ioengine=libaio --iodepth=16 --direct=1" },
    Run { name: "random, many files", verified_mib_min: 15, arguments: "--rw=randwrite --bs=8k --size=16m --nrfiles=200 --openfiles=20" },
    Run { name: "reads and writes mixed", verified_mib_min: 8, arguments: "--rw=randrw --rwmixread=50 --bs=16k --size=32m --fallocate=none" },
];

#[test]
fn blocks_are_read_back_as_written() {
    let ground = Ground::new();
    let mut report = Report::default();
    for (index, run) in RUNS.iter().enumerate() {
        match exercise(&ground, index, run) {
            Ok(()) => report.passed(),
            Err(told) => report.failed(run.name, &told),
        }
    }
    check(&ground, SUITE, RUNS.len(), &report);
}

fn exercise(ground: &Ground, index: usize, run: &Run) -> Result<(), String> {
    let directory = ground.root().join(format!("fio-{index}"));
    let results = ground.outside().join(format!("fio-{index}.json"));
    fs::create_dir(&directory).map_err(|error| error.to_string())?;
    let mut command: Command = ground.command("fio");
    command.arg("--name=job").arg(format!("--directory={}", directory.display()));
    command.args(ALWAYS.split_whitespace()).args(run.arguments.split_whitespace());
    command.arg(format!("--output={}", results.display()));
    let (status, output) = ground.run(SUITE, command);
    let text = fs::read_to_string(&results).unwrap_or_default();
    let told = match verified_bytes(&text) {
        Err(told) => told,
        Ok(_) if !status.success() => status.to_string(),
        Ok(bytes) if bytes < run.verified_mib_min << 20 => format!("verified {bytes} bytes only"),
        Ok(_) => {
            drop(fs::remove_dir_all(directory));
            return Ok(());
        }
    };
    Err(format!("{told}\n{}", tail(&output)))
}

/// Bytes that all jobs read back, or what went wrong in one of them.
fn verified_bytes(results: &str) -> Result<u64, String> {
    let start = results.find('{').ok_or("fio printed no results")?;
    let results: Value =
        serde_json::from_str(&results[start..]).map_err(|error| error.to_string())?;
    let jobs = results["jobs"].as_array().ok_or("fio ran no jobs")?;
    let mut bytes = 0;
    for job in jobs {
        let error = job["error"].as_i64().unwrap_or(-1);
        if error != 0 {
            return Err(format!("a job ended with errno {error}"));
        }
        bytes += job["read"]["io_bytes"].as_u64().unwrap_or(0);
    }
    Ok(bytes)
}

#[test]
fn results_of_jobs_are_added_up_or_refused() {
    let of = |error: u32| {
        let job = |error| format!(r#"{{"error": {error}, "read": {{"io_bytes": 5}}}}"#);
        format!(r#"note {{"jobs": [{}, {}]}}"#, job(0), job(error))
    };
    assert_eq!(verified_bytes(&of(0)), Ok(10));
    assert_eq!(verified_bytes(&of(84)), Err("a job ended with errno 84".to_owned()));
    assert!(verified_bytes("").is_err());
}
