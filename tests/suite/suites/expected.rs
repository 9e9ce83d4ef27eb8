//! The failures that S3 makes unavoidable: `expected.txt`, compared with what failed.
//!
//! The list is exact in both directions, so it can only shrink.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::suites::SUITES;
use crate::suites::ground::Ground;
use crate::suites::report::{Failure, Report};

const LIST: &str = include_str!("expected.txt");

/// Failures that are shown with all we kept of what the suite said; of more, only the start.
const TOLD_MAX: usize = 25;
const LINES_OF_MORE: usize = 2;

/// A line of the list.
#[derive(Debug, Eq, PartialEq)]
struct Line {
    suite: String,
    case: String,
    reason: String,
}

/// Holds a suite's report to the list; `cases_min` keeps a suite from running nothing.
#[track_caller]
pub(super) fn check(ground: &Ground, suite: &str, cases_min: usize, report: &Report) {
    let lines = if ground.is_mount() { parse(LIST) } else { Vec::new() };
    let listed = lines.into_iter().filter(|line| line.suite == suite);
    let complaints = plan_complaints(listed.collect(), &report.failures);
    assert!(complaints.is_empty(), "{suite}, {} cases:\n{complaints}", report.cases);
    assert!(report.cases >= cases_min, "{suite} ran {} cases of {cases_min}", report.cases);
}

/// What there is to complain of, ready to be read; empty where all is as listed.
fn plan_complaints(listed: Vec<Line>, failures: &[Failure]) -> String {
    let mut unmet: BTreeMap<String, String> =
        listed.into_iter().map(|line| (line.case, line.reason)).collect();
    let failed: BTreeSet<&str> = failures.iter().map(|failure| failure.case.as_str()).collect();
    let is_new = |failure: &&Failure| !unmet.contains_key(&failure.case);
    let new: Vec<&Failure> = failures.iter().filter(is_new).collect();
    unmet.retain(|case, _| !failed.contains(case.as_str()));
    let mut text = String::new();
    for (index, Failure { case, told }) in new.iter().enumerate() {
        let lines = if index < TOLD_MAX { usize::MAX } else { LINES_OF_MORE };
        let told: String = told.lines().take(lines).map(|line| format!("\n    {line}")).collect();
        writeln!(text, "failed: {case}{told}").expect("text in memory");
    }
    for (case, reason) in unmet {
        writeln!(text, "passed, so take it off expected.txt: {case} ({reason})")
            .expect("text in memory");
    }
    if new.len() > 1 {
        writeln!(text, "{} failures that are not in expected.txt", new.len())
            .expect("text in memory");
    }
    text
}

/// Reads the list: `suite | case | reason`, and comments.
fn parse(list: &str) -> Vec<Line> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let [suite, case, reason] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("not `suite | case | reason`: {line}");
        };
        let [suite, case, reason] = [suite, case, reason].map(|word| word.trim().to_owned());
        Line { suite, case, reason }
    };
    lines.map(parse).collect()
}

#[test]
fn the_list_of_failures_names_suites_once_and_gives_reasons() {
    let lines = parse(LIST);
    let mut seen = BTreeSet::new();
    for Line { suite, case, reason } in &lines {
        assert!(SUITES.contains(&suite.as_str()), "there is no suite {suite}");
        assert!(!case.is_empty() && !reason.is_empty(), "{suite} | {case} | {reason}");
        assert!(seen.insert((suite, case)), "{suite} | {case} is there twice");
    }
}

#[test]
fn a_new_failure_and_a_listed_one_that_passes_are_complaints() {
    let listed = || parse("# comment\n\nfsx | one   | hard links\nfsx | two | hard links\n");
    let failure = |case: &str| Failure { case: case.to_owned(), told: "EIO\nhere".to_owned() };
    let as_listed = [failure("one"), failure("two")];
    assert_eq!(plan_complaints(listed(), &as_listed), "");
    assert_eq!(
        plan_complaints(listed(), &[failure("two"), failure("three")]),
        "failed: three\n    EIO\n    here\n\
         passed, so take it off expected.txt: one (hard links)\n",
    );
}
