//! One change to many files: several at once, and what is told of how it goes.
//!
//! Each change is a request to S3, and a tree may have more files than anybody waits for in
//! silence.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, interval_at};

use crate::cli::attributes::target::{self, Failure, Found, Target};
use crate::cli::config::attributes::Depth;

/// Requests under way at once.
pub const REQUESTS_MAX: usize = 16;

/// So many failures are told one by one.
const FAILURES_SHOWN_MAX: u64 = 20;
/// Between two looks at a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// To the start of the line, and empty it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// How far it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Tally {
    done: u64,
    failed: u64,
}

impl Tally {
    /// Counts an outcome; the line about a failure, as long as they are shown.
    fn note(&mut self, outcome: Result<(), Failure>) -> Option<String> {
        match outcome {
            Ok(()) => {
                self.done += 1;
                None
            }
            Err(failure) => {
                self.failed += 1;
                (self.failed <= FAILURES_SHOWN_MAX).then(|| line_of(&failure))
            }
        }
    }

    fn progress(&self) -> String {
        format!("{} done, {} failed", self.done, self.failed)
    }

    /// What is still to be said where something failed.
    fn summary(&self) -> Option<String> {
        let Self { done, failed } = *self;
        let all = done + failed;
        match failed {
            0 => None,
            1 if all == 1 => None,
            1..=FAILURES_SHOWN_MAX => Some(format!("pailfs: {failed} of {all} failed")),
            _ => Some(format!(
                "pailfs: {failed} of {all} failed; the first {FAILURES_SHOWN_MAX} are shown"
            )),
        }
    }
}

/// A failure as a line for standard error.
#[must_use]
pub fn line_of(failure: &Failure) -> String {
    format!("pailfs: {}: {:#}", failure.shown.display(), failure.why)
}

/// What is to be changed: the paths, or the files below those that are directories.
pub fn targets(paths: Vec<PathBuf>, directory: &Path, depth: Depth) -> impl Iterator<Item = Found> {
    let found = paths.into_iter().map(|path| target::find(&path, directory));
    found.flat_map(move |found| -> Box<dyn Iterator<Item = Found>> {
        match (found, depth) {
            (Ok(target), Depth::FilesBelow) => Box::new(target.files()),
            (found, _) => Box::new(std::iter::once(found)),
        }
    })
}

/// Runs `change` on each, several at once, and tells on standard error how it goes.
pub async fn change_all<F>(
    targets: impl Iterator<Item = Found>,
    change: impl Fn(Target) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let changes = stream::iter(targets).map(|found| change_one(found, &change));
    let mut changes = std::pin::pin!(changes.buffer_unordered(REQUESTS_MAX));
    let mut looks = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    let mut progress = Progress::default();
    loop {
        tokio::select! {
            outcome = changes.next() => match outcome {
                Some(outcome) => progress.note(outcome),
                None => return progress.end(),
            },
            _ = looks.tick(), if io::stderr().is_terminal() => progress.show(),
        }
    }
}

/// What is told on standard error: failures as they come, and on a terminal how far it is.
#[derive(Debug, Default)]
struct Progress {
    tally: Tally,
    /// The last line on the terminal says how far it is.
    is_shown: bool,
}

impl Progress {
    fn note(&mut self, outcome: Result<(), Failure>) {
        if let Some(line) = self.tally.note(outcome) {
            eprintln!("{}{line}", self.cleared());
        }
    }

    fn show(&mut self) {
        eprint!("{}{}", self.cleared(), self.tally.progress());
        self.is_shown = true;
    }

    /// What takes the last line away.
    fn cleared(&mut self) -> &'static str {
        if std::mem::take(&mut self.is_shown) { CLEAR_LINE } else { "" }
    }

    fn end(mut self) -> ExitCode {
        if self.is_shown {
            eprintln!("{}{}", self.cleared(), self.tally.progress());
        }
        if let Some(line) = self.tally.summary() {
            eprintln!("{line}");
        }
        if self.tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

async fn change_one<F>(found: Found, change: impl Fn(Target) -> F) -> Result<(), Failure>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let target = found?;
    let shown = target.shown.clone();
    change(target).await.map_err(|why| Failure { shown, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(name: &str) -> Failure {
        let why = anyhow::Error::msg("AccessDenied: no");
        Failure { shown: PathBuf::from(name), why }
    }

    fn tally(done: u64, failed: u64) -> (Tally, Vec<String>) {
        let mut tally = Tally::default();
        let outcomes = (0..done).map(|_| Ok(())).chain((0..failed).map(|_| Err(failure("f"))));
        let lines = outcomes.filter_map(|outcome| tally.note(outcome)).collect();
        (tally, lines)
    }

    #[track_caller]
    fn check(done: u64, failed: u64, shown: usize, summary: Option<&str>) {
        let (tally, lines) = tally(done, failed);
        assert_eq!(tally, Tally { done, failed });
        assert_eq!(lines, vec!["pailfs: f: AccessDenied: no"; shown]);
        assert_eq!(tally.summary().as_deref(), summary);
    }

    #[test]
    fn the_first_failures_are_told_and_then_their_number() {
        check(3, 0, 0, None);
        check(0, 1, 1, None);
        check(1, 1, 1, Some("pailfs: 1 of 2 failed"));
        check(100, 20, 20, Some("pailfs: 20 of 120 failed"));
        check(0, 33, 20, Some("pailfs: 33 of 33 failed; the first 20 are shown"));
    }

    #[test]
    fn progress_is_what_is_done_and_what_failed() {
        assert_eq!(tally(12, 1).0.progress(), "12 done, 1 failed");
    }

    #[test]
    fn what_cannot_be_found_is_a_failure_among_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let paths = vec![PathBuf::from("none"), PathBuf::from("/")];
        let found: Vec<_> = targets(paths, directory.path(), Depth::FilesBelow).collect();
        assert!(found.iter().all(Result::is_err), "{found:?}");
        assert_eq!(found.len(), 2);
    }
}
