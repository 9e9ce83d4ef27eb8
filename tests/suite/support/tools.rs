//! Programs that scripts/setup installs for the tests.

use std::path::{Path, PathBuf};

/// Where a program of `scripts/requirements.txt` is; panics where it is not.
pub(crate) fn tool(name: &str) -> PathBuf {
    installed("target/tools/bin", name)
}

/// Where a program of that directory of the repository is; panics where it is not.
pub(crate) fn installed(directory: &str, name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(name);
    assert!(path.exists(), "{name} is not installed: run scripts/setup");
    path
}

/// The program under test.
pub(crate) fn pailfs() -> &'static str {
    env!("CARGO_BIN_EXE_pailfs")
}
