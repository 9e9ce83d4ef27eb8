//! What a suite says of its cases, in the words that [`crate::suites::expected`] compares.
//!
//! Suites that print a line a case (`name  ok`, `name  FAILED`, then what went wrong, indented)
//! are read by [`parse_lines`]; others have a reader in their own module.

/// Lines shown of each failure.
const LINES_SHOWN: usize = 12;

/// Bytes shown of each of those lines.
const LINE_BYTES_MAX: usize = 300;

/// What a run of a suite came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Cases that were run, failed ones too.
    pub(super) cases: usize,
    pub(super) failures: Vec<Failure>,
}

/// A case that did not pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Failure {
    pub(super) case: String,
    /// The first lines of what the suite said of it.
    pub(super) told: String,
}

impl Report {
    pub(super) fn passed(&mut self) {
        self.cases += 1;
    }

    pub(super) fn failed(&mut self, case: impl Into<String>, told: &str) {
        self.cases += 1;
        self.failures.push(Failure { case: case.into(), told: shorten(told) });
    }
}

/// Reads a line a case, ending in `ok`, `FAILED` or `skipped`. A skipped case has not passed.
pub(super) fn parse_lines(output: &str) -> Report {
    let mut report = Report::default();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((case, verdict)) = line.rsplit_once(char::is_whitespace) else { continue };
        if case.is_empty() || case.starts_with('\t') {
            continue;
        }
        match verdict {
            "ok" => report.passed(),
            "FAILED" | "skipped" => {
                let mut told = Vec::new();
                while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
                    told.push(more.trim());
                }
                if verdict == "skipped" {
                    told.insert(0, verdict);
                }
                report.failed(case.trim_end(), &told.join("\n"));
            }
            _ => {}
        }
    }
    report
}

/// The first lines.
pub(super) fn shorten(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| {
        let end = line.floor_char_boundary(LINE_BYTES_MAX);
        if end < line.len() { format!("{} ...", &line[..end]) } else { line.to_owned() }
    });
    let mut shown: Vec<String> = lines.take(LINES_SHOWN + 1).collect();
    if shown.len() > LINES_SHOWN {
        shown[LINES_SHOWN] = "...".to_owned();
    }
    shown.join("\n")
}

/// The last lines.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}

#[test]
fn a_line_a_case_is_read_with_what_went_wrong() {
    let report = parse_lines(
        "chmod::errno                 ok\nlink::errno::fifo    FAILED\n\tEPERM\n\tat 7\n\
         open::erofs           skipped\n\tno remounts\n\nSummary: 1 failed, 1 passed\n",
    );
    assert_eq!(report.cases, 3);
    let failures: Vec<_> =
        report.failures.iter().map(|it| (it.case.as_str(), it.told.as_str())).collect();
    let expected = [("link::errno::fifo", "EPERM\nat 7"), ("open::erofs", "skipped\nno remounts")];
    assert_eq!(failures, expected);
}

#[test]
fn what_a_failure_tells_is_cut_in_both_directions() {
    let lines: Vec<String> = (0..100).map(|line| line.to_string()).collect();
    let text = format!("{}\n{}", "é".repeat(1000), lines.join("\n"));
    let short = shorten(&text);
    assert_eq!(short.lines().count(), LINES_SHOWN + 1);
    assert!(short.lines().all(|line| line.len() <= LINE_BYTES_MAX + 4), "{short}");
    assert!(short.ends_with("..."));
    assert_eq!(tail(&text).lines().last(), Some("99"));
    assert_eq!(tail("one\n"), "one");
}
