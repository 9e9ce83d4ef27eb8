//! `pailfs mount`: from a configuration to a mount, until it ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Error};
use tokio::runtime::Handle;

use crate::cli::advice::Attempt;
use crate::cli::args::Typed;
use crate::cli::commands::runtime;
use crate::cli::config::{self, LogTarget, MountConfig};
use crate::cli::control::server::Control;
use crate::cli::daemon;
use crate::cli::environment::Environment;
use crate::cli::lifetime::{self, Signals};
use crate::cli::logging;
use crate::cli::mountpoint;
use crate::cli::open_files;
use crate::cli::runtime_file::{self, Record, RuntimeFile};
use crate::cli::state_directory;
use crate::cli::waiting;
use crate::mount::session::{self, Mounted};
use crate::store::clock::{Clock, SystemClock};
use crate::store::s3::S3Client;
use crate::vfs::cache::disk::DiskCache;
use crate::vfs::{Vfs, check_source};

/// Mounts; returns when the mount has ended, or in the foreground of a background process, when
/// it is ready.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = config::mount(typed, environment)?;
    if typed.is_fake {
        return Ok(ExitCode::SUCCESS);
    }
    if config.stays_in_front {
        logging::start(&config.log)?;
        return serve(&config, || Ok(()));
    }
    if !daemon::is_background() {
        return daemon::start(environment.home.as_deref());
    }
    daemon::detach_from_terminal().context("cannot leave the terminal")?;
    logging::start(&config.log)?;
    serve(&config, || match log_file(&config) {
        Some(file) => daemon::report_ready(file),
        None => Ok(()),
    })
}

fn log_file(config: &MountConfig) -> Option<&Path> {
    match &config.log.to {
        LogTarget::StandardError => None,
        LogTarget::File(file) => Some(file),
    }
}

fn serve(
    config: &MountConfig,
    ready: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen().context("signals")?;
        mount_until_over(config, &mut signals, ready).await
    });
    // Requests of programs that kept files open may still wait for S3.
    runtime.shutdown_background();
    outcome
}

/// Mounts, calls `ready`, and returns once the mount has ended and what it held is in S3.
pub(super) async fn mount_until_over(
    config: &MountConfig,
    signals: &mut Signals,
    ready: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let (vfs, mounted) = tokio::select! {
        outcome = mount(config) => outcome?,
        signal = signals.any() => anyhow::bail!("{signal} before the mount was ready"),
    };
    let file = announce(config, &mounted);
    let control = file.as_ref().and_then(|_| control(&vfs, &mounted));
    ready()?;
    let recovering = Arc::clone(&vfs);
    drop(tokio::spawn(async move { recovering.recover().await }));
    tracing::info!(
        "{} is mounted on {}",
        config.kernel.source_name,
        mounted.mountpoint().display()
    );
    let ended = lifetime::wait(&mounted, signals).await;
    if let Some(control) = &control {
        control.close();
    }
    let drained = lifetime::drain(&vfs, mounted.mountpoint(), signals).await?;
    if let Some(control) = control {
        control.finish().await;
    }
    vfs.finish_disk_cache();
    let is_clean = ended.is_ok() && drained.failed.is_empty();
    if let Some(Err(error)) = file.map(|file| file.finish(drained.failed)) {
        tracing::warn!("umount will not learn how it went: {error}");
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn mount(config: &MountConfig) -> anyhow::Result<(Arc<Vfs>, Mounted)> {
    let attempt = Attempt {
        source: &config.source,
        mountpoint: &config.mountpoint,
        endpoint: config.s3.endpoint_url.as_deref(),
    };
    let mountpoint = mountpoint::prepare(&config.mountpoint)
        .map_err(|error| Error::msg(attempt.mountpoint_failed(&error)))?;
    state_directory::prepare(&config.state_directory)?;
    open_files::raise_limit();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = S3Client::connect(config.s3.clone())
        .await
        .map_err(|error| Error::msg(attempt.store_failed(&error)))?;
    if config.checks_source {
        check(config, &store, &attempt).await?;
    }
    let disk = disk_cache(config, &clock)?;
    let (source, options) = (config.source.clone(), config.vfs.clone());
    let vfs = Vfs::over_disk(Arc::new(store), disk, source, options, Arc::clone(&clock));
    let (files, kernel) = (Arc::clone(&vfs), &config.kernel);
    let mounted = session::mount(files, &mountpoint, kernel, clock, Handle::current())
        .map_err(|error| Error::msg(attempt.mount_failed(&error)))?;
    Ok((vfs, mounted))
}

fn disk_cache(
    config: &MountConfig,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Arc<DiskCache>>> {
    let Some(options) = &config.vfs.disk_cache else { return Ok(None) };
    let opened = DiskCache::open(options, config.vfs.memory_bytes_max, Arc::clone(clock));
    Ok(Some(opened.context("cannot cache on disk; --cache-dir takes another directory")?))
}

/// Asks for the source, with less patience than the mount is going to have.
async fn check(
    config: &MountConfig,
    store: &S3Client,
    attempt: &Attempt<'_>,
) -> anyhow::Result<()> {
    let limit = waiting::plan_check_timeout(config.s3.operation_timeout);
    let store = store.with_operation_timeout(limit);
    let tell = || eprintln!("pailfs: waiting for {} ...", attempt.server());
    let answer = waiting::telling(check_source(&store, &config.source), tell).await;
    answer.map_err(|error| Error::msg(attempt.check_failed(&error)))
}

/// Best effort: without the file `pailfs umount` still unmounts, but can't wait.
fn announce(config: &MountConfig, mounted: &Mounted) -> Option<RuntimeFile> {
    let record = Record {
        pid: std::process::id(),
        source: config.kernel.source_name.clone(),
        mountpoint: mounted.mountpoint().to_owned(),
        log: log_file(config).map(Path::to_owned),
        unwritten: None,
    };
    let directory = runtime_directory();
    RuntimeFile::create(&directory, mounted.device(), record)
        .inspect_err(|error| tracing::warn!("no file in {}: {error}", directory.display()))
        .ok()
}

/// Best effort: without the socket the commands have what the kernel carries.
fn control(vfs: &Arc<Vfs>, mounted: &Mounted) -> Option<Control> {
    let directory = runtime_directory();
    Control::start(&directory, mounted.device(), Arc::clone(vfs))
        .inspect_err(|error| tracing::warn!("no socket in {}: {error}", directory.display()))
        .ok()
}

fn runtime_directory() -> PathBuf {
    runtime_file::directory(rustix::process::getuid().as_raw())
}
