//! The log: one line for each thing that somebody should read about.
//!
//! What is worth a line is decided where it happens; here is decided how much of it is kept
//! and where it goes. Libraries get to say warnings alone: their chatter may hold what requests
//! are signed with.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::config::{LogConfig, LogTarget};

/// File names are nobody else's business.
const LOG_FILE_MODE: u32 = 0o600;

/// Starts logging for the rest of the process's life.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let registry = tracing_subscriber::registry().with(targets(config.level));
    match &config.to {
        LogTarget::StandardError => {
            let colours = io::stderr().is_terminal();
            registry.with(layer().with_writer(io::stderr).with_ansi(colours)).try_init()?;
        }
        LogTarget::File(path) => {
            let file = Mutex::new(open(path)?);
            registry.with(layer().with_writer(file).with_ansi(false)).try_init()?;
        }
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        // It warns of every request that a file system has no answer for.
        .with_target("fuser", LevelFilter::ERROR)
        .with_target("pailfs", level)
}

/// Opens a log file to add to it.
pub fn open(path: &Path) -> anyhow::Result<File> {
    let advice = || format!("cannot log to {}; --log-file takes another", path.display());
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(advice)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(LOG_FILE_MODE).open(path).with_context(advice)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_never_say_more_than_warnings() {
        let loud = targets(LevelFilter::TRACE);
        assert!(loud.would_enable("pailfs::vfs", &Level::TRACE));
        assert!(loud.would_enable("aws_config", &Level::WARN));
        assert!(!loud.would_enable("aws_smithy_runtime", &Level::INFO));
        assert!(!loud.would_enable("fuser::request", &Level::WARN));
        let quiet = targets(LevelFilter::ERROR);
        assert!(!quiet.would_enable("pailfs::mount", &Level::WARN));
        assert!(!quiet.would_enable("aws_config", &Level::WARN));
    }

    #[test]
    fn a_log_file_is_made_with_its_directory_and_added_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.log");
        for line in ["one\n", "two\n"] {
            io::Write::write_all(&mut open(&path).unwrap(), line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
