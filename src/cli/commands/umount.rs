//! `pailfs umount`: takes a mount away and waits for its daemon to have written everything.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cli::args::Typed;
use crate::cli::config;
use crate::cli::environment::Environment;
use crate::cli::mountpoint;
use crate::cli::runtime_file::{self, Record, Witness};
use crate::mount::attach::{self, AttachError, Detach};
use crate::mount::mountinfo::{self, FSTYPE, MountEntry};

/// Unmounts; fails where something is not in S3.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = config::umount(typed, environment);
    let shown = config.mountpoint.display();
    let path = mountpoint::resolve(&config.mountpoint).with_context(|| format!("{shown}"))?;
    let entry = find(&path)?;
    let daemon = witness(&entry);
    if daemon.as_ref().is_some_and(|daemon| !daemon.is_alive()) {
        attach::detach(&path, Detach::Lazy)?;
        eprintln!("pailfs: {shown} is unmounted; its daemon had died before{}", log_of(daemon));
        return Ok(ExitCode::SUCCESS);
    }
    let how = if config.is_lazy { Detach::Lazy } else { Detach::IfIdle };
    attach::detach(&path, how).map_err(|error| explain(error, &path))?;
    match daemon {
        Some(daemon) if !config.is_lazy => {
            report(&daemon.wait().context("how it went can't be read")?)
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn find(path: &Path) -> anyhow::Result<MountEntry> {
    match mountinfo::mounted_at(path).context("what is mounted can't be read")? {
        Some(entry) if entry.fstype == FSTYPE => Ok(entry),
        Some(entry) => bail!("{} is not a mount of pailfs but of {}", path.display(), entry.fstype),
        None => bail!("nothing is mounted on {}", path.display()),
    }
}

/// `None` where the daemon made no file, or it can't be read: then nobody can be waited for.
fn witness(entry: &MountEntry) -> Option<Witness> {
    let directory = runtime_file::directory(entry.user_id.unwrap_or(0));
    Witness::open(&directory, &entry.device).ok().flatten()
}

fn log_of(daemon: Option<Witness>) -> String {
    let record = daemon.and_then(|mut daemon| daemon.read().ok());
    let log = record.and_then(|record| record.log);
    log.map_or_else(String::new, |file| format!("; its log is {}", file.display()))
}

fn explain(error: AttachError, path: &Path) -> anyhow::Error {
    let is_busy = match &error {
        AttachError::System { error, .. } => error.kind() == std::io::ErrorKind::ResourceBusy,
        AttachError::Helper(words) => words.contains("busy"),
        AttachError::NoDevice | AttachError::NoHelper => false,
    };
    if !is_busy {
        return error.into();
    }
    let place = path.display();
    anyhow::Error::msg(format!(
        "{place} is in use\n  fuser -vm {place} shows by whom; --lazy takes it away nevertheless"
    ))
}

fn report(record: &Record) -> anyhow::Result<ExitCode> {
    let place = record.mountpoint.display();
    let log = record.log.as_ref().map(|file| format!("; its log is {}", file.display()));
    let log = log.unwrap_or_default();
    let Some(unwritten) = &record.unwritten else {
        bail!("the daemon of {place} ended before it had written everything{log}");
    };
    if unwritten.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for (path, reason) in unwritten {
        eprintln!("pailfs: {place}: {path} {reason}");
    }
    bail!("{place} is unmounted, but {} changes are not in S3{log}", unwritten.len())
}
