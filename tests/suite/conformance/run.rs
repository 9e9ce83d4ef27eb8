//! Runs every case on a store and judges what came out against what is known of that store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use pailfs::store::ObjectStore;

use crate::conformance::FAMILIES;
use crate::conformance::bench::{Bench, Case, Failure, Outcome};
use crate::conformance::deviations::Deviation;
use crate::support::runtime;

/// A case that takes longer has failed.
const CASE_SECONDS_MAX: u64 = 90;

/// Cases under way at once: enough to find what they do to each other.
const CASES_AT_ONCE: usize = 8;

/// What one case answered.
struct Answer {
    /// `family::case`.
    name: String,
    outcome: Outcome,
}

/// Runs all cases; panics with a report of all that was not as expected.
pub(super) fn check(store: &Arc<dyn ObjectStore>, known: &[&[Deviation]]) {
    let answers = runtime::block_on(run_all(store));
    let complaints = judge(&answers, &known.concat());
    assert!(
        complaints.is_empty(),
        "{} of {} cases not as expected:\n{}",
        complaints.len(),
        answers.len(),
        complaints.join("\n")
    );
}

async fn run_all(store: &Arc<dyn ObjectStore>) -> Vec<Answer> {
    let run = fastrand::u32(..);
    let cases =
        FAMILIES.iter().flat_map(|(family, cases)| cases.iter().map(move |case| (family, case)));
    let answers = cases.enumerate().map(|(index, (family, case))| {
        let (store, bucket) = (Arc::clone(store), format!("case-{run:08x}-{index:03}"));
        async move {
            let outcome = run_one(store, bucket, case).await;
            Answer { name: format!("{family}::{}", case.name), outcome }
        }
    });
    let tasks = answers.map(|answer| async { tokio::spawn(answer).await });
    let joined: Vec<_> = stream::iter(tasks).buffered(CASES_AT_ONCE).collect().await;
    joined.into_iter().map(|answer| answer.expect("a case doesn't panic")).collect()
}

async fn run_one(store: Arc<dyn ObjectStore>, bucket: String, case: &Case) -> Outcome {
    let bench = Bench::new(store, bucket).await?;
    let limit = Duration::from_secs(CASE_SECONDS_MAX);
    let outcome = tokio::time::timeout(limit, (case.run)(&bench)).await;
    let cleaned = bench.clean().await;
    let slow = || Failure(format!("not done after {CASE_SECONDS_MAX} s"));
    outcome.map_err(|_| slow())??;
    cleaned.map_err(|Failure(why)| Failure(format!("could not be cleaned up: {why}")))
}

/// A line for each case that failed and should not have, or that did not fail and should have.
fn judge(answers: &[Answer], known: &[Deviation]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Answer { name, outcome } in answers {
        let deviation = known.iter().find(|deviation| deviation.case == name);
        match (outcome, deviation) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(Failure(why)), None) => complaints.push(format!("{name}: {why}")),
            (Ok(()), Some(deviation)) if !deviation.is_steady => {}
            (Ok(()), Some(deviation)) => complaints
                .push(format!("{name}: passes, but is listed to fail: {}", deviation.reason)),
        }
    }
    let is_case = |name: &str| answers.iter().any(|answer| answer.name == name);
    for deviation in known.iter().filter(|deviation| !is_case(deviation.case)) {
        complaints.push(format!("{}: listed to fail, but there is no such case", deviation.case));
    }
    complaints
}

#[test]
fn a_report_names_every_surprise_and_nothing_else() {
    let failure = || Err(Failure("why".to_owned()));
    let answer = |name: &str, outcome| Answer { name: name.to_owned(), outcome };
    let answers = [
        answer("f::fine", Ok(())),
        answer("f::broken", failure()),
        answer("f::known", failure()),
        answer("f::mended", Ok(())),
        answer("f::now_and_then", Ok(())),
    ];
    let row = |case, is_steady| Deviation { case, reason: "old", is_steady };
    let known = [
        row("f::known", true),
        row("f::mended", true),
        row("f::gone", true),
        row("f::now_and_then", false),
    ];
    let expected = [
        "f::broken: why",
        "f::mended: passes, but is listed to fail: old",
        "f::gone: listed to fail, but there is no such case",
    ];
    assert_eq!(judge(&answers, &known), expected);
}

#[test]
fn no_two_cases_have_the_same_name() {
    let mut names: Vec<String> = FAMILIES
        .iter()
        .flat_map(|(family, cases)| {
            cases.iter().map(move |case| format!("{family}::{}", case.name))
        })
        .collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
