//! What goes when, and who is told of it.

use super::*;
use crate::store::error::ErrorKind;
use crate::vfs::namespace::inode::{Inodes, Location};
use crate::vfs::types::Ino;

fn removal(bucket: &str, key: &str) -> Removal {
    let directory = Inodes::new(Location::Account).get(Ino::ROOT).unwrap();
    let (bucket, key, path) = (Arc::from(bucket), Arc::from(key), key.to_owned());
    Removal { bucket, key, directory, path, pid: 1 }
}

fn with(keys: &[&str]) -> Queue {
    let mut queue = Queue::default();
    keys.iter().for_each(|key| queue.add(removal("b", key)));
    queue
}

fn batch(queue: &mut Queue) -> Vec<String> {
    let keys = queue.next_batch("b").unwrap_or_default();
    keys.iter().map(ToString::to_string).collect()
}

/// The batch of these keys ends, all of them gone.
fn end(queue: &mut Queue, keys: &[&str]) {
    let ends = keys.iter().map(|key| (Arc::from(*key), None)).collect();
    assert!(queue.ended(&Arc::from("b"), ends).is_empty());
}

#[test]
fn a_batch_goes_at_once_and_what_comes_meanwhile_makes_the_next() {
    let mut queue = with(&["a"]);
    assert_eq!(batch(&mut queue), ["a"]);
    queue.add(removal("b", "c"));
    queue.add(removal("b", "d"));
    assert_eq!(batch(&mut queue), Vec::<String>::new());
    end(&mut queue, &["a"]);
    assert_eq!(batch(&mut queue), ["c", "d"]);
}

#[test]
fn full_batches_go_side_by_side() {
    assert_eq!(plan_batch(1, 0), 1);
    assert_eq!(plan_batch(999, 1), 0);
    assert_eq!(plan_batch(1000, 1), 1000);
    assert_eq!(plan_batch(5000, 3), 1000);
    assert_eq!(plan_batch(5000, 4), 0);
    assert_eq!(plan_batch(0, 0), 0);
}

#[test]
fn buckets_do_not_wait_for_each_other() {
    let mut queue = with(&["a"]);
    assert_eq!(batch(&mut queue), ["a"]);
    queue.add(removal("other", "a"));
    assert!(queue.next_batch("other").is_some());
}

#[test]
fn a_key_is_pending_until_its_batch_has_ended() {
    let mut queue = with(&["dir/a", "dir/b", "dirt"]);
    assert_eq!(queue.count_below("b", "dir/"), 2);
    assert!(queue.is_pending("b", "dir/a") && !queue.is_pending("other", "dir/a"));
    batch(&mut queue);
    assert!(queue.is_pending("b", "dir/a"));
    end(&mut queue, &["dir/a", "dir/b", "dirt"]);
    assert!(!queue.has_below("b", "dir/"));
    assert!(queue.is_empty() && queue.buckets.is_empty());
}

#[test]
fn what_did_not_go_is_given_back() {
    let mut queue = with(&["a", "c"]);
    batch(&mut queue);
    let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "no");
    let ends = vec![(Arc::from("a"), None), (Arc::from("c"), Some(refused))];
    let failed = queue.ended(&Arc::from("b"), ends);
    assert_eq!(failed.iter().map(|(removal, _)| &*removal.key).collect::<Vec<_>>(), ["c"]);
    assert!(queue.is_empty());
}

#[test]
fn only_so_many_names_are_pending() {
    let mut queue = Queue::default();
    for index in 0..PENDING_MAX {
        assert!(queue.has_room());
        queue.add(removal("b", &index.to_string()));
        queue.add(removal("b", &index.to_string()));
    }
    assert!(!queue.has_room());
}

#[test]
fn who_asked_before_a_key_went_is_not_told_of_it() {
    let mut queue = with(&["a"]);
    let before = queue.begin_reading();
    assert!(queue.hides(before, "b", "a"));
    batch(&mut queue);
    end(&mut queue, &["a"]);
    assert!(queue.hides(before, "b", "a"));
    let after = queue.begin_reading();
    assert!(!queue.hides(after, "b", "a"));
    queue.end_reading(before);
    assert!(!queue.hides(before, "b", "a"));
    assert!(queue.buckets.is_empty() && queue.ends.is_empty());
}

#[test]
fn a_key_that_went_and_was_written_anew_is_told() {
    let mut queue = with(&["a"]);
    let reader = queue.begin_reading();
    batch(&mut queue);
    end(&mut queue, &["a"]);
    queue.rewritten("b", "a");
    assert!(!queue.hides(reader, "b", "a"));
    queue.end_reading(reader);
    assert!(queue.buckets.is_empty() && queue.ends.is_empty());
}

#[test]
fn a_key_that_did_not_go_is_told() {
    let mut queue = with(&["a"]);
    let reader = queue.begin_reading();
    batch(&mut queue);
    let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "no");
    queue.ended(&Arc::from("b"), vec![(Arc::from("a"), Some(refused))]);
    assert!(!queue.hides(reader, "b", "a"));
}
