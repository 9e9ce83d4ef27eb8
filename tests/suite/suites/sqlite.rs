//! SQLite: databases in the mount, in every journal mode, from one process and from several.

use std::path::Path;

use crate::suites::expected::check;
use crate::suites::ground::Ground;
use crate::suites::report::parse_lines;

pub(super) const SUITE: &str = "sqlite";

/// As many as the script has.
const CASES_MIN: usize = 17;

#[test]
fn databases_stay_whole() {
    let ground = Ground::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/suites/sqlite.py");
    let mut command = ground.command("/usr/bin/python3");
    command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
    let (_, output) = ground.run(SUITE, command);
    assert!(output.contains("Summary:"), "it did not end well: {output:.2000}");
    check(&ground, SUITE, CASES_MIN, &parse_lines(&output));
}
