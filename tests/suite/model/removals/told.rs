//! Who is told of names that did not go.

use pailfs::store::error::{ErrorKind, StoreError};
use rustix::io::Errno;

use crate::model::in_virtual_time;
use crate::model::removals::{PAUSE, World, borrowed, files};
use crate::model::steps::Action;

fn refused() -> StoreError {
    StoreError::new(ErrorKind::Forbidden, "AccessDenied", "refused on purpose")
}

#[test]
fn what_a_process_removed_in_vain_is_told_by_its_next_removal() {
    in_virtual_time(async {
        let mut world = World::with(&["dir/a", "dir/b", "dir/stays"]).await;
        world.hurry().await;
        world.faulty.fail_operation("delete_objects", refused());
        world.client.unlink("dir/a").await.expect("nobody knows yet");
        assert_eq!(world.client.list("dir").await.expect("a listing"), b"b\nstays");
        tokio::time::sleep(PAUSE * 3).await;
        assert_eq!(world.client.list("dir").await.expect("a listing"), b"a\nb\nstays");
        let told = world.client.run(&Action::Unlink { path: "dir/b".into() }).await;
        assert_eq!(told, Err(Errno::ACCESS));
        world.check("nothing went").await;
        world.unlink("dir/b").await;
        assert_eq!(world.keys().await, ["dir/a", "dir/stays"], "one by one again");
        world.check("one went").await;
    });
}

#[test]
fn what_was_removed_in_vain_is_told_when_its_directory_is_removed_or_synced() {
    in_virtual_time(async {
        let world = World::with(&["dir/sub/a", "dir/sub/stays", "other/a", "other/stays"]).await;
        let mut world = world;
        world.hurry().await;
        world.faulty.fail_operation("delete_objects", refused());
        world.client.unlink("dir/sub/a").await.expect("nobody knows yet");
        let told = world.client.run(&Action::Rmdir { path: "dir".into() }).await;
        assert_eq!(told, Err(Errno::ACCESS));
        let told = world.client.run(&Action::Rmdir { path: "dir".into() }).await;
        assert_eq!(told, Err(Errno::NOTEMPTY), "told once");
        world.client.unlink("other/a").await.expect("nobody knows yet");
        let told = world.client.settle().await.expect_err("it is there");
        assert_eq!(told.errno(), Errno::ACCESS);
        world.check("nothing went").await;
    });
}

#[test]
fn what_was_removed_in_vain_is_named_at_the_end() {
    in_virtual_time(async {
        let mut world = World::with(&["dir/a", "dir/b", "dir/stays"]).await;
        world.hurry().await;
        world.faulty.fail_operation("delete_objects", refused());
        world.client.unlink("dir/a").await.expect("nobody knows yet");
        world.client.unlink("dir/b").await.expect("nobody knows yet");
        let failed = world.client.vfs().drain().await.failed;
        let paths: Vec<&str> = failed.iter().map(|(path, _)| &**path).collect();
        assert_eq!(paths, ["dir/a", "dir/b"]);
        assert!(failed[0].1.contains("AccessDenied: refused on purpose"), "{failed:?}");
    });
}

#[test]
fn a_refusal_shows_at_once_to_who_begins_to_remove() {
    in_virtual_time(async {
        let paths = files(3);
        let world = World::with(&borrowed(&paths)).await;
        world.faulty.fail_operation("delete_object", refused());
        for path in &paths {
            let told = world.client.run(&Action::Unlink { path: path.clone() }).await;
            assert_eq!(told, Err(Errno::ACCESS));
        }
        assert_eq!(world.keys().await.len(), 3);
    });
}
