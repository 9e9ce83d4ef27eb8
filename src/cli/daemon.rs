//! Going into the background: the process that was called waits until the mount is ready.
//!
//! The work is done by this program run once more, before any thread or runtime exists. That
//! process has its standard output on a pipe to the one that was called: one word there says
//! that the mount is ready; an end without the word says that it failed. Until then its messages
//! go to the same standard error; afterwards to the log.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::Context;

use crate::cli::environment;
use crate::cli::logging;

/// Set for the process in the background.
const MARK: &str = "PAILFS_BACKGROUND";
const READY: &[u8] = b"ready\n";

/// This very program, even if its file was replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Whether this is the process in the background.
#[must_use]
pub fn is_background() -> bool {
    environment::variable(MARK).is_some()
}

/// Runs this program again in the background; returns when its mount is ready, or failed.
///
/// It finds its credentials below `home`, which mount(8) has taken out of the environment.
pub fn start(home: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (mut answer, answers) = io::pipe().context("pipe")?;
    let mut arguments = std::env::args_os();
    let mut command = Command::new(THIS_PROGRAM);
    command.arg0(arguments.next().unwrap_or_else(|| "pailfs".into())).args(arguments);
    command.env(MARK, "1").stdin(Stdio::null()).stdout(answers);
    command.envs(home.map(|home| ("HOME", home)));
    let mut child = command.spawn().context("cannot start the background process")?;
    // The command keeps its end of the pipe, and the other end would never be reached.
    drop(command);
    let mut said = Vec::new();
    answer.read_to_end(&mut said).context("reading from the background process")?;
    if said == READY {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().context("waiting for the background process")?;
    Ok(failure(status))
}

/// The process in the background has said why on standard error, unless it was killed.
fn failure(status: ExitStatus) -> ExitCode {
    if let Some(signal) = status.signal() {
        eprintln!(
            "pailfs: signal {signal} ended the background process before the mount was ready"
        );
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.filter(|code| *code != 0).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Leaves the session of the terminal; called first in the background.
pub fn detach_from_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Tells the process that was called, and lets go of everything that was its own.
pub fn report_ready(log: &Path) -> anyhow::Result<()> {
    let log = logging::open(log)?;
    let nothing = File::options().write(true).open("/dev/null").context("/dev/null")?;
    rustix::process::chdir("/").context("chdir")?;
    let mut answer = io::stdout().lock();
    answer.write_all(READY).and_then(|()| answer.flush()).context("nobody waits for the mount")?;
    rustix::stdio::dup2_stdout(nothing.as_fd()).context("standard output")?;
    rustix::stdio::dup2_stderr(log.as_fd()).context("standard error")?;
    Ok(())
}
