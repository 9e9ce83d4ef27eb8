//! `pailfs set`: one value for an attribute of many files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cli::args::Typed;
use crate::cli::attributes::{access, changes};
use crate::cli::commands::runtime;
use crate::cli::config::attributes::{self, ValueSource};
use crate::cli::control::protocol::REQUEST_BYTES_MAX;
use crate::cli::environment::Environment;

/// Sets it where it can; fails where there is a file of which it can't.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let (config, value) = attributes::set(typed);
    let value = read(value, &environment.directory)?;
    let targets = changes::targets(config.paths, &environment.directory, config.depth);
    let (name, value) = (&config.name, &value);
    let setting =
        changes::change_all(targets, async |target| access::set(&target, name, value).await);
    Ok(runtime()?.block_on(setting))
}

fn read(value: ValueSource, directory: &Path) -> anyhow::Result<Vec<u8>> {
    match value {
        ValueSource::Text(text) => Ok(text),
        ValueSource::StandardInput => read_bounded(io::stdin().lock()).context("standard input"),
        ValueSource::File(file) => {
            let path = directory.join(&file);
            let opened = File::open(path).map_err(anyhow::Error::from);
            opened.and_then(read_bounded).with_context(|| file.display().to_string())
        }
    }
}

fn read_bounded(from: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut value = Vec::new();
    from.take(REQUEST_BYTES_MAX as u64 + 1).read_to_end(&mut value)?;
    if value.len() > REQUEST_BYTES_MAX {
        bail!("a value has at most {} MiB", REQUEST_BYTES_MAX >> 20);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_from_a_file_up_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("value"), "text\n").unwrap();
        let from = |name: &str| read(ValueSource::File(name.into()), directory.path());
        assert_eq!(from("value").unwrap(), b"text\n");
        assert!(format!("{:#}", from("none").unwrap_err()).starts_with("none: No such file"));
        let error = read_bounded(io::repeat(b'x')).unwrap_err();
        assert_eq!(error.to_string(), "a value has at most 16 MiB");
    }
}
