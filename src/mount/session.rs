//! One mount from its beginning to its end.
//!
//! [`mount`] attaches a directory, agrees with the kernel on how to talk, and starts the
//! threads that read its requests. A mount ends when somebody unmounts it, here or with
//! `umount`; writing what is still to be written is then the caller's business.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fuser::{Config, Session, SessionACL};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::mount::adapter::Adapter;
use crate::mount::attach::{self, AttachError, Detach};
use crate::mount::mountinfo::{self, FSTYPE};
use crate::mount::notify::Notify;
use crate::mount::run_op::Runner;
use crate::store::clock::Clock;
use crate::vfs::Vfs;
use crate::vfs::types::Ino;

/// More threads only fight for the device: what waits is handed over to the runtime.
const THREADS_MAX: usize = 4;

/// By how much the file system's own deadline may be missed before a request is answered for
/// it.
const DEADLINE_MARGIN: Duration = Duration::from_secs(5);

/// What makes the kernel read ahead in requests of 1 MiB; more gains nothing.
const READ_AHEAD_KIB: &str = "1024";

/// How a file system is mounted.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// What `mount` and `df` show as the device.
    pub source_name: String,
    /// Users other than the one who mounts may use it.
    pub allow_other: bool,
    /// The kernel checks every access against owner, group and mode.
    pub default_permissions: bool,
    pub read_only: bool,
    pub no_exec: bool,
    pub no_atime: bool,
    /// Set-user-id bits are honoured.
    pub allow_suid: bool,
    /// Device files are honoured.
    pub allow_devices: bool,
    /// What the file system was told; requests are answered for it a little later.
    pub operation_timeout: Duration,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            source_name: "pailfs".to_owned(),
            allow_other: false,
            default_permissions: true,
            read_only: false,
            no_exec: false,
            no_atime: false,
            allow_suid: false,
            allow_devices: false,
            operation_timeout: Duration::from_secs(60),
        }
    }
}

/// Why a file system could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error("{step}: {error}")]
    Session { step: &'static str, error: io::Error },
}

/// How far a mount's life has come.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Life {
    Serving,
    Ended,
    Failed(String),
}

/// A mounted file system. Dropping it unmounts.
#[derive(Debug)]
pub struct Mounted {
    mountpoint: PathBuf,
    /// `major:minor`.
    device: String,
    life: watch::Receiver<Life>,
}

/// Mounts `vfs` at `mountpoint`; requests that have to wait do so on `runtime`.
pub fn mount(
    vfs: Arc<Vfs>,
    mountpoint: &Path,
    options: &MountOptions,
    clock: Arc<dyn Clock>,
    runtime: Handle,
) -> Result<Mounted, MountError> {
    let mountpoint = mountpoint.canonicalize().map_err(at("mountpoint"))?;
    let device = attach::attach(&mountpoint, options)?;
    let files = Arc::clone(&vfs);
    let paths = Arc::new(move |ino| files.path_of(Ino(ino)));
    let runner = Runner::new(runtime, options.operation_timeout + DEADLINE_MARGIN, paths);
    let adapter = Adapter::new(vfs, runner, clock);
    serve(device, adapter, &mountpoint).inspect_err(|_| {
        if let Err(error) = attach::detach(&mountpoint, Detach::Lazy) {
            tracing::warn!("{} stays mounted: {error}", mountpoint.display());
        }
    })
}

fn at(step: &'static str) -> impl FnOnce(io::Error) -> MountError {
    move |error| MountError::Session { step, error }
}

fn serve(device: OwnedFd, adapter: Adapter, mountpoint: &Path) -> Result<Mounted, MountError> {
    let mut config = Config::default();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    config.n_threads = Some(processors.clamp(2, THREADS_MAX));
    // Who may use the mount is for the kernel to say, by `allow_other`.
    let vfs = adapter.vfs();
    let session = Session::from_fd(adapter, device, SessionACL::All, config);
    let session = session.map_err(at("handshake with the kernel"))?;
    let notify = Notify::start(session.notifier()).map_err(at("thread"))?;
    vfs.set_kernel_cache(Arc::new(notify));
    let device = device_of(mountpoint).map_err(at("/proc/self/mountinfo"))?;
    raise_read_ahead(&device);
    let (sender, life) = watch::channel(Life::Serving);
    std::thread::Builder::new()
        .name("pailfs-session".to_owned())
        .spawn(move || {
            let life = match session.run() {
                Ok(()) => Life::Ended,
                Err(error) => Life::Failed(error.to_string()),
            };
            sender.send_replace(life);
        })
        .map_err(at("thread"))?;
    Ok(Mounted { mountpoint: mountpoint.to_owned(), device, life })
}

fn device_of(mountpoint: &Path) -> io::Result<String> {
    match mountinfo::mounted_at(mountpoint)? {
        Some(entry) if entry.fstype == FSTYPE => Ok(entry.device),
        _ => Err(io::Error::other("the mount is gone already")),
    }
}

/// Best effort: only root may, and everything works without, slower.
///
/// The kernel cuts the value to 128 KiB when the session starts, so it is raised afterwards.
fn raise_read_ahead(device: &str) {
    let path = format!("/sys/class/bdi/{device}/read_ahead_kb");
    if let Err(error) = std::fs::write(&path, READ_AHEAD_KIB) {
        tracing::debug!("{path} stays as it is: {error}");
    }
}

impl Mounted {
    /// `major:minor`: names this mount among all of the machine while it lives.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Where it is mounted, without symbolic links.
    #[must_use]
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// Waits until the kernel has ended the session: it is unmounted, and the last program that
    /// had something of it open has closed it.
    pub async fn ended(&self) -> io::Result<()> {
        let mut life = self.life.clone();
        let over = life.wait_for(|life| *life != Life::Serving).await;
        match over.as_deref() {
            Ok(Life::Failed(why)) => Err(io::Error::other(why.clone())),
            Ok(Life::Serving | Life::Ended) | Err(_) => Ok(()),
        }
    }

    /// Takes the mount out of the namespace, if it is still there. Programs keep what they
    /// have open until this process ends.
    pub fn unmount(&self) -> Result<(), MountError> {
        // The device number of a mount that is gone may be that of the next one on the same
        // directory, which is not ours to take away.
        if *self.life.borrow() == Life::Ended {
            return Ok(());
        }
        let there = mountinfo::mounted_at(&self.mountpoint).map_err(at("/proc/self/mountinfo"))?;
        match there {
            Some(entry) if entry.device == self.device => {
                Ok(attach::detach(&self.mountpoint, Detach::Lazy)?)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            tracing::warn!("{} stays mounted: {error}", self.mountpoint.display());
        }
    }
}
