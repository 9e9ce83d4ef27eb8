//! The directory for what must survive a mount, made where it is missing.
//!
//! A mount that couldn't keep a file until it is written must not begin. What is kept, and where
//! below, is the file system's business.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use rustix::fs::Access;

/// File names and contents are nobody else's business.
const MODE: u32 = 0o700;

/// Makes the directory, unless it is there; fails where nothing can be written to it.
pub fn prepare(path: &Path) -> anyhow::Result<()> {
    make(path).with_context(|| {
        format!("cannot keep state in {}; --state-dir takes another", path.display())
    })
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(path)?;
    rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_for_its_owner_alone_and_kept_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("a/state");
        let mode = || std::fs::metadata(&state).unwrap().permissions().mode() & 0o7777;
        prepare(&state).unwrap();
        assert_eq!(mode(), 0o700);
        std::fs::set_permissions(&state, PermissionsExt::from_mode(0o750)).unwrap();
        prepare(&state).unwrap();
        assert_eq!(mode(), 0o750);
    }

    #[test]
    fn what_cannot_be_a_directory_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = prepare(&file.path().join("state")).unwrap_err().to_string();
        assert!(error.contains("--state-dir") && error.contains("/state"), "{error}");
        assert!(prepare(file.path()).is_err(), "a file");
    }
}
