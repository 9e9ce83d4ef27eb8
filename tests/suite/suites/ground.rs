//! The ground a suite runs on: a mount that every user may enter, and a directory beside it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::child::{Child, Leftover};
use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;
use crate::support::tools;

/// No program of a suite takes longer; a mount under test does not live much longer either.
const LIMIT: Duration = Duration::from_secs(270);

/// Where Debian's programs are: a suite is to find the same ones on every machine.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The variable that names a directory to run in instead of a mount.
const DIRECTORY: &str = "PAILFS_SUITES_DIRECTORY";

/// A mount (or the directory that stands in for it) and a directory of the local disk.
pub(super) struct Ground {
    root: PathBuf,
    outside: TempDir,
    /// `None`: the suite runs on a plain directory.
    mount: Option<Mounted>,
}

/// The mount goes before its server does.
struct Mounted {
    _mount: TestMount,
    _site: Site,
}

impl Ground {
    #[track_caller]
    pub(super) fn new() -> Self {
        let outside = tempfile::tempdir().expect("a temporary directory");
        open_to_all(outside.path());
        if let Some(directory) = directory() {
            let root = Path::new(&directory).join(format!("suite-{:08x}", fastrand::u32(..)));
            fs::create_dir(&root).expect("a directory to run in");
            open_to_all(&root);
            return Self { root, outside, mount: None };
        }
        let site = Site::new(Kind::Pailfs);
        let mount = site.mount(&["--allow-other", "--permissions", "on"]);
        let root = mount.root().to_owned();
        open_to_all(root.parent().expect("a mountpoint is in a directory"));
        Self { root, outside, mount: Some(Mounted { _mount: mount, _site: site }) }
    }

    /// What is tested.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the local disk, for what is not tested.
    pub(super) fn outside(&self) -> &Path {
        self.outside.path()
    }

    pub(super) fn is_mount(&self) -> bool {
        self.mount.is_some()
    }

    /// A program, in the root, with an environment that does not depend on who runs the tests.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().current_dir(&self.root).env("PATH", PATH).env("HOME", self.outside());
        command.env("MOUNT", &self.root).env("OUTSIDE", self.outside());
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("NO_COLOR", "1");
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// Runs it to its end, and returns all it said. Panics with the end of that at the deadline,
    /// when it and all it started are killed.
    #[track_caller]
    pub(super) fn run(&self, name: &'static str, command: Command) -> (ExitStatus, String) {
        let mut child = Child::spawn(name, command, Leftover::Directory(self.outside()));
        let status = child.wait(LIMIT);
        (status, child.log())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.mount.is_none() {
            drop(fs::remove_dir_all(&self.root));
        }
    }
}

/// A tool that `scripts/setup` builds, which it keeps apart from the Python ones.
pub(super) fn built(name: &str) -> PathBuf {
    tools::installed("target/suites/bin", name)
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses where")]
fn directory() -> Option<OsString> {
    std::env::var_os(DIRECTORY)
}

/// Suites change users on the way, and temporary directories are their maker's alone.
fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).expect("permissions to change");
}
