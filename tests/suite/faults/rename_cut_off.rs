//! The mount dies while it renames a directory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::mount::Site;
use crate::support::servers::Kind;
use crate::support::wait::{poll, until};

const FILES: usize = 3000;

/// Intents that are left below a directory for state.
fn intents(state: &Path) -> usize {
    let scopes = fs::read_dir(state.join("intents")).into_iter().flatten();
    let folders = scopes.map(|scope| scope.expect("a folder").path());
    folders.map(|folder| fs::read_dir(folder).expect("a folder").count()).sum()
}

fn below(site: &Site, prefix: &str) -> usize {
    site.bucket.keys().iter().filter(|key| key.starts_with(prefix)).count()
}

#[test]
fn a_rename_of_a_directory_that_was_cut_off_is_finished_by_the_next_mount() {
    let site = Site::new(Kind::Pailfs);
    for number in 0..FILES {
        site.bucket.put(&format!("old/{number:04}"), number.to_string());
    }
    let state = tempfile::tempdir().expect("a temporary directory");
    let arguments = ["--state-dir", state.path().to_str().expect("a path in UTF-8")];
    let mut mount = site.mount(&arguments);
    let (from, to) = (mount.path("old"), mount.path("new"));
    let renaming = std::thread::spawn(move || fs::rename(from, to));
    let begun = poll(Duration::from_secs(60), || (below(&site, "new/") >= 100).then_some(()));
    mount.kill();
    begun.expect("the rename is under way");
    renaming.join().expect("a thread").expect_err("nobody ends it");
    let (old, new) = (below(&site, "old/"), below(&site, "new/"));
    assert!(old > 0 && (100..FILES).contains(&new), "not in the middle: {old} old, {new} new");
    assert_eq!(intents(state.path()), 1);
    drop(mount);

    let next = site.mount(&arguments);
    until("the rename is finished", Duration::from_secs(60), || intents(state.path()) == 0);
    assert_eq!((below(&site, "old/"), below(&site, "new/")), (0, FILES));
    until("the mount shows it", Duration::from_secs(10), || next.names("") == ["new"]);
    for number in (0..FILES).step_by(61) {
        let read = fs::read_to_string(next.path(format!("new/{number:04}"))).expect("a file");
        assert_eq!(read, number.to_string());
    }
}
