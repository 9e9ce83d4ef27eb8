//! Other people's test suites and everyday programs, run on a real mount.
//!
//! A suite says which of its cases failed; `expected.txt` says which may, each with its reason.
//! [`expected::check`] wants the two to be the same: a case that fails unlisted is a defect, and a
//! listed one that passes is taken off the list. What a suite holds is its own module's business.
//!
//! With `PAILFS_SUITES_DIRECTORY=DIR` the suites run in that directory instead and nothing may
//! fail: this tells what the mount does wrong from what the machine can't do.

mod builds;
mod copies;
mod editors;
mod expected;
mod fio;
mod fsx;
mod git;
mod ground;
mod pjdfstest;
mod python;
mod report;
mod sqlite;
mod steps;

/// Those that `expected.txt` may name.
const SUITES: &[&str] = &[
    builds::SUITE,
    copies::RSYNC_SUITE,
    copies::ARCHIVES_SUITE,
    copies::EVERYDAY_SUITE,
    editors::SUITE,
    fio::SUITE,
    fsx::SUITE,
    git::SUITE,
    pjdfstest::SUITE,
    python::FILES_SUITE,
    python::TREES_SUITE,
    sqlite::SUITE,
];
