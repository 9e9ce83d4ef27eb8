//! `pailfs get`: the value of an attribute, however long.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures_util::stream::{self, StreamExt};

use crate::cli::args::Typed;
use crate::cli::attributes::access;
use crate::cli::attributes::changes::{REQUESTS_MAX, line_of};
use crate::cli::attributes::target::{self, Failure};
use crate::cli::attributes::text::{self, Heading};
use crate::cli::commands::{print, runtime};
use crate::cli::config::attributes::{self, GetConfig};
use crate::cli::environment::Environment;

/// Prints what it can; fails where there is a path of which it can't.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(show(attributes::get(typed), &environment.directory))
}

async fn show(config: GetConfig, directory: &Path) -> anyhow::Result<ExitCode> {
    let GetConfig { name, paths } = config;
    let heading = if paths.len() > 1 { Heading::Path } else { Heading::None };
    let values = stream::iter(paths).map(|path| ask(path, directory, &name));
    let mut values = std::pin::pin!(values.buffered(REQUESTS_MAX));
    let mut has_failed = false;
    while let Some(value) = values.next().await {
        match value {
            Ok((path, value)) => print(&text::value(&path, &value, heading))?,
            Err(failure) => {
                eprintln!("{}", line_of(&failure));
                has_failed = true;
            }
        }
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ask(path: PathBuf, directory: &Path, name: &[u8]) -> Result<(PathBuf, Vec<u8>), Failure> {
    let target = target::find(&path, directory)?;
    match access::get(&target, name).await {
        Ok(value) => Ok((path, value)),
        Err(why) => Err(Failure { shown: path, why }),
    }
}
