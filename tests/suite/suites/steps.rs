//! Suites that are lines of shell: named steps, each in the root of the mount.
//!
//! A step sees `$MOUNT`, where it starts, `$OUTSIDE` on the local disk, and what the steps before
//! it left there. It stops at the first command that fails, and names it.

use std::path::Path;

use crate::suites::expected::check;
use crate::suites::ground::Ground;
use crate::suites::report::{Report, tail};

/// A case of such a suite.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) script: &'static str,
}

/// What every step begins with.
const PRELUDE: &str = "
set -Eeuo pipefail
trap 'echo \"line $LINENO failed: $BASH_COMMAND\" >&2' ERR
# What comes in holds the pattern. All of it is read: a closed pipe would kill its writer.
has() { test \"$(grep -c -- \"$1\")\" -gt 0; }
# The command must fail.
refused() { if \"$@\"; then echo \"did not fail: $*\"; return 1; fi; }
# Prints the tree's types, modes, owners, times, sizes, names and targets, to be compared.
listing() {
    (cd \"$1\" && find . -mindepth 1 -type d -printf '%y %m %U %G %T@ %P\\n' \\
        -o -mindepth 1 -printf '%y %m %U %G %T@ %s %P %l\\n' | sort)
}
";

/// Runs the steps in order, failed ones or not, and holds them to the list.
#[track_caller]
pub(super) fn check_steps(suite: &'static str, steps: &[Step]) {
    check_steps_with(suite, steps, &[]);
}

/// The same, with paths in the environment.
#[track_caller]
pub(super) fn check_steps_with(suite: &'static str, steps: &[Step], paths: &[(&str, &Path)]) {
    let ground = Ground::new();
    let mut report = Report::default();
    for Step { name, script } in steps {
        let mut command = ground.command("/bin/bash");
        command.envs(paths.iter().copied()).arg("-c").arg(format!("{PRELUDE}{script}"));
        let (status, output) = ground.run(suite, command);
        if status.success() {
            report.passed();
        } else {
            report.failed(*name, &tail(&output));
        }
    }
    check(&ground, suite, steps.len(), &report);
}
