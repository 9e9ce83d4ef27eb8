//! The end of a mount: what ends it, and what is done before the process goes.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval_at};

use crate::mount::session::Mounted;
use crate::vfs::{Drained, Vfs};

/// How often a drain says that it is not over yet.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The signals that end a process in order.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on the signals do nothing but what is written here.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first, and names it.
    pub async fn any(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Waits until a signal or the kernel ends the mount; afterwards no program finds it any more.
/// Fails where the session broke off by itself.
pub async fn wait(mounted: &Mounted, signals: &mut Signals) -> io::Result<()> {
    let place = mounted.mountpoint().display();
    let ended = tokio::select! {
        signal = signals.any() => {
            tracing::info!("{signal}: unmounting {place}");
            Ok(())
        }
        ended = mounted.ended() => ended.inspect(|()| tracing::info!("{place} was unmounted")),
    };
    if let Err(error) = mounted.unmount() {
        tracing::warn!("{place} stays mounted: {error}");
    }
    ended.inspect_err(|error| tracing::error!("{place}: the session broke off: {error}"))
}

/// Writes what is still to be written, and logs what could not be; a SIGINT gives it up.
pub async fn drain(vfs: &Vfs, mountpoint: &Path, signals: &mut Signals) -> anyhow::Result<Drained> {
    let place = mountpoint.display();
    let begin = Instant::now();
    let mut progress = interval_at(begin + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    let mut draining = std::pin::pin!(vfs.drain());
    let drained = loop {
        tokio::select! {
            drained = &mut draining => break drained,
            _ = signals.interrupt.recv() => {
                bail!("{place}: interrupted; what was not yet written to S3 is lost");
            }
            _ = progress.tick() => {
                let seconds = begin.elapsed().as_secs();
                tracing::warn!("{place}: still writing to S3, for {seconds} s");
            }
        }
    };
    for (path, reason) in &drained.failed {
        tracing::error!("{place}: {path} {reason}");
    }
    tracing::info!("{place}: {} files written at the end", drained.written);
    Ok(drained)
}
