//! Real tools, run to their end or to a deadline.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::wait;

/// No command of a test takes longer.
const SECONDS_MAX: u64 = 120;

/// How a command ended.
pub(crate) struct Output {
    command: String,
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// What it printed; panics unless it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.code == Some(0), "{self}");
        self.stdout
    }

    /// What it complained of; panics if it succeeded.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert!(self.code != Some(0), "{self}");
        self.stderr
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "{command}\nended with {code:?}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

/// Runs a command to its end; panics at the deadline.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Files, not pipes: nobody has to read them while the command runs.
    let [out, err] = ["out", "err"].map(|name| directory.path().join(name));
    let create = |path: &Path| Stdio::from(std::fs::File::create(path).expect("an output file"));
    let command = command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
    command.env("LC_ALL", "C.UTF-8");
    let shown = format!("{command:?}");
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let limit = Duration::from_secs(SECONDS_MAX);
    let status = wait::poll(limit, || child.try_wait().expect("a child to wait for"));
    let status = status.unwrap_or_else(|| panic!("{shown} still runs after {SECONDS_MAX} s"));
    let read = |path: &Path| {
        String::from_utf8_lossy(&std::fs::read(path).expect("an output file")).into_owned()
    };
    Output { command: shown, code: status.code(), stdout: read(&out), stderr: read(&err) }
}

/// Runs lines of shell in a directory, stopping at the first that fails.
#[track_caller]
pub(crate) fn shell(directory: &Path, script: &str) -> Output {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(directory);
    run(command)
}

/// Runs the program under test.
#[track_caller]
pub(crate) fn pailfs<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    environment: &[(&str, String)],
) -> Output {
    let mut command = Command::new(crate::support::tools::pailfs());
    command.args(arguments);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    run(command)
}
