//! Python's own tests of files: `python3 -m test`, its temporary files in the mount.

use std::collections::BTreeSet;
use std::fs;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::suites::expected::check;
use crate::suites::ground::Ground;
use crate::suites::report::Report;

pub(super) const FILES_SUITE: &str = "python-files";
pub(super) const TREES_SUITE: &str = "python-trees";

/// Those that make files, of two halves that take about as long.
const FIRST: &[&str] = &[
    "test_io",
    "test_os",
    "test_posix",
    "test_fileio",
    "test_file",
    "test_file_eintr",
    "test_bufio",
    "test_univnewlines",
    "test_mmap",
    "test_fcntl",
    "test_stat",
    "test_tempfile",
    "test_threadedtempfile",
    "test_fileinput",
    "test_linecache",
    "test_largefile",
    "test_dbm",
    "test_dbm_dumb",
    "test_dbm_gnu",
    "test_dbm_ndbm",
    "test_shelve",
];
const SECOND: &[&str] = &[
    "test_shutil",
    "test_pathlib",
    "test_glob",
    "test_genericpath",
    "test_posixpath",
    "test_filecmp",
    "test_tarfile",
    "test_zipfile",
    "test_zipapp",
    "test_zipimport",
    "test_gzip",
    "test_bz2",
    "test_lzma",
    "test_mailbox",
    "test_import",
    "test_pkgutil",
    "test_py_compile",
    "test_unicode_file",
    "test_unicode_file_functions",
    "test_distutils",
    "test_modulefinder",
    "test_uu",
    "test_wave",
];

/// How many of them run side by side: they wait more than they work.
const PROCESSES: &str = "4";

#[test]
fn python_tests_of_single_files_pass() {
    check_tests(FILES_SUITE, FIRST, 1500);
}

#[test]
fn python_tests_of_trees_and_archives_pass() {
    check_tests(TREES_SUITE, SECOND, 1500);
}

#[track_caller]
fn check_tests(suite: &'static str, tests: &[&str], cases_min: usize) {
    let ground = Ground::new();
    let results = ground.outside().join("results.xml");
    let mut command = ground.command("/usr/bin/python3");
    command.args(["-m", "test", "-j", PROCESSES, "--timeout", "400", "--fail-env-changed"]);
    command.arg("--junit-xml").arg(&results).arg("--tempdir").arg(ground.root());
    command.args(tests).env("TMPDIR", ground.root());
    let (_, output) = ground.run(suite, command);
    let mut report = parse_results(&fs::read_to_string(&results).unwrap_or_default());
    add_silent_failures(&mut report, &output);
    check(&ground, suite, cases_min, &report);
}

/// Reads the JUnit form of the results. A skipped case is neither passed nor failed: Python skips
/// what is not for this machine.
fn parse_results(xml: &str) -> Report {
    let mut report = Report::default();
    let mut reader = Reader::from_str(xml);
    let mut case = String::new();
    let mut told: Option<String> = None;
    loop {
        match reader.read_event().expect("results that can be read") {
            Event::Start(start) => match start.name().as_ref() {
                b"testcase" => (case, told) = (attribute(&start, "name"), None),
                b"failure" | b"error" => told = Some(attribute(&start, "message")),
                _ => {}
            },
            Event::Empty(empty) if empty.name().as_ref() == b"testcase" => report.passed(),
            Event::Text(text) => {
                if let Some(told) = &mut told {
                    told.push_str(&text.decode().expect("text"));
                }
            }
            Event::End(end) if end.name().as_ref() == b"testcase" => match told.take() {
                Some(told) => report.failed(case.trim_start_matches("test."), &told),
                None => report.passed(),
            },
            Event::Eof => return report,
            _ => {}
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> String {
    let found = start.try_get_attribute(name).expect("attributes that can be read");
    found.map(|it| String::from_utf8_lossy(&it.value).into_owned()).unwrap_or_default()
}

/// Adds the tests that failed without a case that did: they crashed, hung, or left files behind.
fn add_silent_failures(report: &mut Report, output: &str) {
    let known: BTreeSet<String> = report
        .failures
        .iter()
        .filter_map(|failure| failure.case.split('.').next().map(str::to_owned))
        .collect();
    for test in failed_tests(output) {
        if !known.contains(test) {
            // `[3/21] test_mmap crashed (Exit code -7)`, and what it said before it ended.
            let told = output.lines().skip_while(|line| !line.contains(&format!("] {test} ")));
            report.failed(test, &told.collect::<Vec<_>>().join("\n"));
        }
    }
    if !output.contains("Tests result: ") {
        report.failed("the whole run", output);
    }
}

/// The names under `2 tests failed:` and `1 test altered the execution environment:`.
fn failed_tests(output: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_listed = false;
    for line in output.lines() {
        let heads = ["failed:", "altered the execution environment:", "timed out:"];
        if heads.iter().any(|head| line.ends_with(head)) && !line.starts_with(' ') {
            is_listed = true;
        } else if is_listed && line.starts_with("    ") {
            names.extend(line.split_whitespace());
        } else {
            is_listed = false;
        }
    }
    names
}

#[test]
fn results_are_read_from_what_junit_and_python_say() {
    let xml = "<testsuites><testsuite tests=\"3\"><testcase name=\"test.test_a.A.one\" />\
        <testcase name=\"test.test_a.A.two\"><skipped /></testcase>\
        <testcase name=\"test.test_a.A.three\"><error type=\"OSError\" message=\"EIO\">at 7\
        </error></testcase></testsuite></testsuites>";
    let mut report = parse_results(xml);
    assert_eq!(report.cases, 3);
    add_silent_failures(
        &mut report,
        "0:01 [1/2] test_b crashed (Exit code -7)\nFatal error: Bus error\n\
         2 tests failed:\n    test_a test_b\n\nTests result: FAILURE\n",
    );
    let names: Vec<_> = report.failures.iter().map(|failure| failure.case.as_str()).collect();
    assert_eq!(names, ["test_a.A.three", "test_b"]);
    assert!(report.failures[1].told.contains("Bus error"), "{}", report.failures[1].told);
}
