//! The tests that need the library or the program: one binary, so that the SDK is linked once.

mod attributes;
mod cli;
mod conformance;
mod faults;
mod formats;
mod model;
mod mounted;
mod suites;
mod support;
