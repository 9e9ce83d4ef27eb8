//! Every single fault while a program removes a tree.

use std::collections::BTreeSet;

use pailfs::store::error::{ErrorKind, StoreError};
use pailfs::store::faulty::When;
use rustix::io::Errno;

use crate::model::client::Client;
use crate::model::removals::{World, mount};
use crate::model::steps::Action;
use crate::model::{TTL, in_virtual_time};

/// A removal makes fewer calls than this.
const CALLS_MAX: usize = 200;

fn paths() -> Vec<String> {
    let inside = (0..30).map(|number| format!("dir/sub/{number:02}"));
    inside.chain((0..10).map(|number| format!("dir/{number:02}"))).collect()
}

/// What `rm -r` does: it goes on after a failure. Gives the names that it believes gone, and
/// whether it was told of a failure.
async fn remove_tree(client: &Client) -> (BTreeSet<String>, bool) {
    let mut gone = BTreeSet::new();
    let mut was_told = false;
    let unlinks = paths().into_iter().map(|path| Action::Unlink { path });
    let mut acts: Vec<Action> = unlinks.collect();
    acts.insert(30, Action::Rmdir { path: "dir/sub".into() });
    acts.push(Action::Rmdir { path: "dir".into() });
    for act in acts {
        let told = client.run(&act).await;
        was_told |= told.is_err();
        if let (Ok(_), Action::Unlink { path } | Action::Rmdir { path }) = (told, act) {
            gone.insert(path);
        }
    }
    (gone, was_told)
}

/// Fails the call of that number; false if fewer are made.
async fn check_one(number: usize, when: When) -> bool {
    let paths = paths();
    let mut world = World::with(&paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.hold(&["dir", "sub"]).await;
    let first = world.faulty.calls().len();
    let lost = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
    world.faulty.fail_call(first + number, lost, when);
    let (gone, was_told) = remove_tree(&world.client).await;
    let settled = world.client.settle().await;
    let calls = world.faulty.calls();
    let context = format!("{:?} failing {when:?}", calls.get(first + number));
    world.faulty.heal();

    tokio::time::advance(TTL).await;
    let now = mount(&world.store, &world.clock, TTL).all().await;
    let came_back: Vec<_> = gone.iter().filter(|path| now.contains_key(*path)).collect();
    let is_known = was_told || settled.is_err();
    assert!(came_back.is_empty() || is_known, "{context}: {came_back:?} and nobody was told");
    let has_failed = calls.len() > first + number;
    assert!(has_failed || (now.is_empty() && !is_known), "{context}: {:?}", now.keys());
    assert_eq!(world.client.all().await, now, "{context}: as the mount sees it");

    remove_tree(&world.client).await;
    let told = world.client.run(&Action::List { path: "dir".into() }).await;
    assert_eq!(told, Err(Errno::NOENT), "{context}: removed by trying again");
    world.release();
    world.client.check_nothing_left();
    has_failed
}

#[test]
fn a_tree_is_removed_or_the_program_is_told() {
    for when in [When::Before, When::After] {
        for number in 0..CALLS_MAX {
            let mut fired = false;
            in_virtual_time(async { fired = check_one(number, when).await });
            if !fired {
                assert!(number > 20, "few calls");
                break;
            }
            assert!(number + 1 < CALLS_MAX, "too many calls");
        }
    }
}
