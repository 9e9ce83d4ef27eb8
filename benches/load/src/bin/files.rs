//! `bench-files`: the same work as `bench-raw`, on the files of a mount.
//!
//! Every byte that is read is compared with what it must be, at the same cost as in `bench-raw`.
//! Prints one line of JSON.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use pailfs_bench::arguments::Arguments;
use pailfs_bench::content::Contents;
use pailfs_bench::measure::{self, Stopwatch};
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};

/// What programs such as cp and dd read and write at once when told to be quick.
const BLOCK_BYTES: usize = 1 << 20;
const PAGE_BYTES: u64 = 4 << 10;

fn main() -> ExitCode {
    let outcome = Arguments::parse(std::env::args().skip(1)).and_then(run);
    measure::report("bench-files", outcome)
}

fn run(mut arguments: Arguments) -> Result<Value, String> {
    let contents = Contents::default();
    let command: String = arguments.word("command")?;
    let path: String = arguments.word("path")?;
    match command.as_str() {
        "read" => timed(|| read(&contents, &path, arguments.word("size")?)),
        "write" => timed(|| write(&contents, &path, arguments.word("size")?)),
        "first" => timed(|| first(&contents, &path)),
        "random" => random(&contents, &path, &mut arguments),
        "make-many" => timed(|| make_many(&contents, &path, &mut arguments)),
        "read-many" => timed(|| read_many(&contents, &path, &mut arguments)),
        "streams" => timed(|| streams(&contents, &path, &mut arguments)),
        "open-many" => timed(|| open_many(&contents, &path, &mut arguments)),
        other => Err(format!("no such command: {other}")),
    }
}

fn timed(work: impl FnOnce() -> Result<Value, String>) -> Result<Value, String> {
    let watch = Stopwatch::start();
    let facts = work()?;
    Ok(json!({ "seconds": watch.seconds(), "facts": facts }))
}

/// Does `work` for each index, by so many threads.
fn each<T: Send>(
    jobs: u64,
    count: u64,
    work: impl Fn(u64) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let next = AtomicU64::new(0);
    let job = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(done);
            }
            done.push((index, work(index)?));
        }
    };
    let done: Result<Vec<_>, String> = thread::scope(|scope| {
        let jobs = (0..jobs.min(count)).map(|_| scope.spawn(job)).collect::<Vec<_>>();
        jobs.into_iter().map(|job| job.join().map_err(|_| "a panic".to_owned())?).collect()
    });
    let mut done = done?.into_iter().flatten().collect::<Vec<(u64, T)>>();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

fn say<E: std::fmt::Display>(path: &str) -> impl Fn(E) -> String {
    move |error| format!("{path}: {error}")
}

fn name_of(directory: &str, index: u64) -> String {
    format!("{directory}/{index:06}")
}

/// Reads a file to its end.
fn read(contents: &Contents, path: &str, size: u64) -> Result<Value, String> {
    let mut file = File::open(path).map_err(say(path))?;
    let mut block = vec![0; BLOCK_BYTES.min(size.max(PAGE_BYTES) as usize)];
    let mut at = 0;
    loop {
        let count = file.read(&mut block).map_err(say(path))?;
        if count == 0 {
            break;
        }
        if !contents.agrees(path, at, &block[..count]) {
            return Err(format!("{path}: wrong bytes behind {at}"));
        }
        at += count as u64;
    }
    match at == size {
        true => Ok(json!({ "bytes": at })),
        false => Err(format!("{path}: ended at {at}, not {size}")),
    }
}

fn write(contents: &Contents, path: &str, size: u64) -> Result<Value, String> {
    let mut file = File::create(path).map_err(say(path))?;
    for offset in (0..size).step_by(BLOCK_BYTES) {
        let block = contents.run(path, offset, (size - offset).min(BLOCK_BYTES as u64));
        file.write_all(block).map_err(say(path))?;
    }
    // The end of close(2) is what counts; whether all is there, the objects tell afterwards.
    drop(file);
    Ok(json!({ "bytes": size }))
}

fn first(contents: &Contents, path: &str) -> Result<Value, String> {
    let mut byte = [0];
    let mut file = File::open(path).map_err(say(path))?;
    file.read_exact(&mut byte).map_err(say(path))?;
    match contents.agrees(path, 0, &byte) {
        true => Ok(Value::Null),
        false => Err(format!("{path}: a wrong first byte")),
    }
}

/// Reads pages here and there, then the same again and again, which the kernel has by then.
fn random(contents: &Contents, path: &str, arguments: &mut Arguments) -> Result<Value, String> {
    let (size, count): (u64, u64) = (arguments.word("size")?, arguments.word("count")?);
    let jobs: u64 = arguments.option("jobs", 1)?;
    let mut random = fastrand::Rng::with_seed(arguments.option("seed", 1)?);
    let pages = (0..count).map(|_| random.u64(..size / PAGE_BYTES)).collect::<Vec<_>>();
    let pass = || {
        let watch = Stopwatch::start();
        let share = count.div_ceil(jobs) as usize;
        each(jobs, jobs, |job| {
            let file = File::open(path).map_err(say(path))?;
            fadvise(&file, 0, None, Advice::Random).map_err(say(path))?;
            let mut page = vec![0; PAGE_BYTES as usize];
            for at in pages.iter().skip(job as usize * share).take(share) {
                file.read_exact_at(&mut page, at * PAGE_BYTES).map_err(say(path))?;
                if !contents.agrees(path, at * PAGE_BYTES, &page) {
                    return Err(format!("{path}: a wrong page {at}"));
                }
            }
            Ok(())
        })?;
        Ok::<f64, String>(watch.seconds())
    };
    let cold = pass()?;
    // One pass alone may be over too soon to be measured.
    let warm_for: f64 = arguments.option("warm-for", 0.0)?;
    let (watch, mut passes) = (Stopwatch::start(), Vec::new());
    while watch.seconds() < warm_for {
        passes.push(pass()?);
    }
    let warm_seconds = passes.iter().sum::<f64>() / passes.len().max(1) as f64;
    Ok(json!({ "seconds": cold, "facts": { "count": count, "warm_seconds": warm_seconds } }))
}

fn make_many(contents: &Contents, path: &str, arguments: &mut Arguments) -> Result<Value, String> {
    let (count, size): (u64, u64) = (arguments.word("count")?, arguments.word("size")?);
    fs::create_dir_all(Path::new(path)).map_err(say(path))?;
    each(1, count, |index| {
        let name = name_of(path, index);
        let bytes = contents.runs(&name, 0, size).collect::<Vec<_>>().concat();
        fs::write(&name, bytes).map_err(say(&name))
    })?;
    Ok(json!({ "count": count }))
}

fn read_many(contents: &Contents, path: &str, arguments: &mut Arguments) -> Result<Value, String> {
    let (count, size): (u64, u64) = (arguments.word("count")?, arguments.word("size")?);
    let jobs = arguments.option("jobs", 16)?;
    each(jobs, count, |index| read(contents, &name_of(path, index), size))?;
    Ok(json!({ "count": count }))
}

/// As many files at once, each read to its end.
fn streams(contents: &Contents, path: &str, arguments: &mut Arguments) -> Result<Value, String> {
    let (count, size): (u64, u64) = (arguments.word("count")?, arguments.word("size")?);
    let watch = Stopwatch::start();
    let seconds = each(count, count, |index| {
        read(contents, &name_of(path, index), size)?;
        Ok(watch.seconds())
    })?;
    Ok(json!({ "bytes": count * size, "stream_seconds": seconds }))
}

/// Opens many files, reads the first page of each, and only then closes them.
fn open_many(contents: &Contents, path: &str, arguments: &mut Arguments) -> Result<Value, String> {
    let count: u64 = arguments.word("count")?;
    let open = each(arguments.option("jobs", 16)?, count, |index| {
        let name = name_of(path, index);
        let file = File::open(&name).map_err(say(&name))?;
        let mut page = vec![0; PAGE_BYTES as usize];
        file.read_exact_at(&mut page, 0).map_err(say(&name))?;
        match contents.agrees(&name, 0, &page) {
            true => Ok(file),
            false => Err(format!("{name}: wrong bytes")),
        }
    })?;
    Ok(json!({ "count": open.len() }))
}
