//! Child processes that never outlive the tests, however those end.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::wait;

/// A child in a process group of its own, with a log of all it says.
///
/// Dropped in a panic, it shows the end of that log.
pub(crate) struct Child {
    name: &'static str,
    process: std::process::Child,
    /// Ends the child when this process is gone without a chance to do so.
    guard: std::process::Child,
    log: PathBuf,
}

/// What is left of a child that is ended too late to clean up.
#[derive(Clone, Copy)]
pub(crate) enum Leftover<'a> {
    /// A directory with its data.
    Directory(&'a Path),
    /// A mountpoint. A mount that hangs must not hang the tests with it: its time is limited.
    Mount(&'a Path),
}

/// What the guard does when its input ends: `$1` is the child, `$2` its log, `$3` what is left.
const GUARD_DIRECTORY: &str = "cat >/dev/null; kill -s KILL -- \"-$1\"; rm -rf \"$2\" \"$3\"";

/// The same, or when its time is over.
const GUARD_MOUNT: &str =
    "timeout 300 cat >/dev/null; kill -s KILL -- \"-$1\"; rm -f \"$2\"; umount -l \"$3\"";

/// Bytes of the log that are shown.
const LOG_BYTES_SHOWN: usize = 6000;

impl Child {
    /// Starts the command.
    pub(crate) fn spawn(name: &'static str, mut command: Command, leftover: Leftover<'_>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = format!("{name}-{}-{count}.log", std::process::id());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        let output = File::create(&log).expect("a log file");
        let error = output.try_clone().expect("a log file");
        let command = command.stdin(Stdio::null()).stdout(output).stderr(error).process_group(0);
        let process = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (script, left) = match leftover {
            Leftover::Directory(path) => (GUARD_DIRECTORY, path),
            Leftover::Mount(path) => (GUARD_MOUNT, path),
        };
        let guard = Command::new("sh")
            .args(["-c", script, "guard", &process.id().to_string()])
            .args([&log, left])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a guard");
        Self { name, process, guard, log }
    }

    /// All it has said so far.
    pub(crate) fn log(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| file.read_to_end(&mut bytes));
        read.expect("a log that can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a child that can be waited for")
    }

    /// How it ended; panics if it does not in time.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let ended = wait::poll(limit, || self.ended());
        ended.unwrap_or_else(|| panic!("{} still runs after {} s", self.name, limit.as_secs()))
    }

    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("a child to terminate");
    }

    /// Stops it where it is, until [`Self::resume`].
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a child to stop");
    }

    pub(crate) fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a child to go on");
    }

    /// Ends it and all it started, at once.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself: there is nothing to kill then.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.process.wait().expect("a child that can be waited for");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Child {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its servers said")]
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.guard), Signal::KILL);
        drop(self.guard.wait());
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.ceil_char_boundary(log.len().saturating_sub(LOG_BYTES_SHOWN));
            eprintln!("--- {} said:\n{}\n---", self.name, &log[start..]);
        }
        drop(std::fs::remove_file(&self.log));
    }
}
