//! `pailfs unset`: an attribute of many files, removed.

use std::process::ExitCode;

use crate::cli::args::Typed;
use crate::cli::attributes::{access, changes};
use crate::cli::commands::runtime;
use crate::cli::config::attributes;
use crate::cli::environment::Environment;

/// Removes it where it can; fails where there is a file of which it can't.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = attributes::unset(typed);
    let targets = changes::targets(config.paths, &environment.directory, config.depth);
    let name = &config.name;
    let removing = changes::change_all(targets, async |target| access::remove(&target, name).await);
    Ok(runtime()?.block_on(removing))
}
