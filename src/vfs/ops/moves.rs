//! Moves: who may work below a directory while it is renamed.
//!
//! S3 renames a directory file by file. So that the programs of this mount see it happen at once,
//! whoever changes names below the old or the new place waits until it has happened, and whoever
//! looks at them waits while the old names go. Elsewhere nobody waits.
//!
//! A [`Pass`] must not be asked for while another of the same task is held, except to look while
//! changing: a rename waits for the first and keeps the second waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::vfs::namespace::inode::{Inode, Location};

/// What somebody is about to do below a directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    Look,
    /// Make or remove names, or begin to write a file.
    Change,
}

/// How far a rename is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Every old name is still there.
    Copying,
    /// Old names are going.
    Switching,
}

/// A bucket, and a key or what keys begin with.
pub type Spot = (Arc<str>, Arc<str>);

/// Every rename of a directory, and everybody who could be in its way.
#[derive(Default)]
pub struct Moves {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    passes: HashMap<u64, (Purpose, Vec<Spot>)>,
    moving: HashMap<u64, (Stage, Vec<Spot>)>,
}

/// Leave to work, until dropped.
pub struct Pass<'a> {
    moves: &'a Moves,
    id: u64,
}

/// Leave to look, until dropped, for what goes on behind the back of somebody who has it as well.
pub struct Beside {
    moves: Arc<Moves>,
    id: u64,
}

/// A rename under way, until dropped.
pub struct Moving<'a> {
    moves: &'a Moves,
    id: u64,
}

impl Moves {
    /// Waits until no rename stands against it.
    pub async fn pass(&self, purpose: Purpose, at: &[&Inode]) -> Pass<'_> {
        self.when(|state| {
            // Asked for anew each time: a rename may have moved them.
            let spots: Vec<Spot> = at.iter().filter_map(|inode| spot(inode)).collect();
            if state.bars(purpose, &spots) {
                return None;
            }
            let id = state.next();
            state.passes.insert(id, (purpose, spots));
            Some(Pass { moves: self, id })
        })
        .await
    }

    /// Leave to look where the caller has it already: a rename that waits for one waits for both.
    pub fn look_beside(self: &Arc<Self>, at: &Inode) -> Beside {
        let mut state = self.state();
        let id = state.next();
        state.passes.insert(id, (Purpose::Look, spot(at).into_iter().collect()));
        Beside { moves: Arc::clone(self), id }
    }

    fn end(&self, id: u64) {
        self.state().passes.remove(&id);
        self.changed.notify_waiters();
    }

    /// Begins the rename of what is below these: from now on nobody else changes a name there.
    pub async fn begin(&self, spots: Vec<Spot>) -> Moving<'_> {
        let moving = self
            .when(|state| {
                let is_free = |(_, others): &(Stage, Vec<Spot>)| !overlap(others, &spots);
                state.moving.values().all(is_free).then(|| {
                    let id = state.next();
                    state.moving.insert(id, (Stage::Copying, spots.clone()));
                    Moving { moves: self, id }
                })
            })
            .await;
        moving.wait_for(Purpose::Change).await;
        moving
    }

    /// Waits until no directory is being renamed.
    pub async fn settled(&self) {
        self.when(|state| state.moving.is_empty().then_some(())).await;
    }

    /// Waits until `attempt` has something.
    async fn when<T>(&self, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(got) = attempt(&mut self.state()) {
                return got;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one insert or one remove, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moving<'_> {
    /// From now on nobody looks at a name there either.
    pub async fn switch(&self) {
        if let Some((stage, _)) = self.moves.state().moving.get_mut(&self.id) {
            *stage = Stage::Switching;
        }
        self.wait_for(Purpose::Look).await;
    }

    async fn wait_for(&self, awaited: Purpose) {
        let is_over = |state: &mut State| {
            let (_, spots) = state.moving.get(&self.id)?;
            let in_the_way = state
                .passes
                .values()
                .any(|(purpose, others)| *purpose == awaited && any_below(others, spots));
            (!in_the_way).then_some(())
        };
        self.moves.when(is_over).await;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.moves.end(self.id);
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.moves.end(self.id);
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.moves.state().moving.remove(&self.id);
        self.moves.changed.notify_waiters();
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn bars(&self, purpose: Purpose, spots: &[Spot]) -> bool {
        self.moving.values().any(|(stage, moving)| {
            let is_against = match (purpose, stage) {
                (Purpose::Change, _) | (Purpose::Look, Stage::Switching) => true,
                (Purpose::Look, Stage::Copying) => false,
            };
            is_against && any_below(spots, moving)
        })
    }
}

/// Where an inode is; `None` for the root of all buckets, which nothing moves.
fn spot(inode: &Inode) -> Option<Spot> {
    match inode.place().location {
        Location::Account => None,
        Location::Directory { bucket, prefix } => Some((bucket, Arc::from(prefix.as_str()))),
        Location::File { bucket, key } => Some((bucket, key)),
    }
}

fn any_below(spots: &[Spot], moving: &[Spot]) -> bool {
    spots.iter().any(|spot| moving.iter().any(|moving| is_below(spot, moving)))
}

fn overlap(one: &[Spot], other: &[Spot]) -> bool {
    any_below(one, other) || any_below(other, one)
}

fn is_below((bucket, key): &Spot, (of, prefix): &Spot) -> bool {
    bucket == of && key.starts_with(&**prefix)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;
    use crate::vfs::namespace::inode::Inodes;
    use crate::vfs::types::{Ino, Kind};

    fn file(key: &str) -> Arc<Inode> {
        let location = Location::File { bucket: Arc::from("b"), key: Arc::from(key) };
        Inodes::new(Location::Account).enter(Ino::ROOT, &Arc::from("name"), Kind::File, location)
    }

    fn below(prefix: &str) -> Vec<Spot> {
        vec![(Arc::from("b"), Arc::from(prefix))]
    }

    #[tokio::test]
    async fn names_below_a_directory_do_not_change_while_it_moves() {
        let moves = Moves::default();
        let moving = moves.begin(below("dir/")).await;
        let inside = file("dir/file");
        assert!(moves.pass(Purpose::Look, &[&inside]).now_or_never().is_some());
        assert!(moves.pass(Purpose::Change, &[&file("dirt")]).now_or_never().is_some());
        let at = [&*inside];
        let mut change = pin!(moves.pass(Purpose::Change, &at));
        assert!((&mut change).now_or_never().is_none());
        moving.switch().await;
        assert!(moves.pass(Purpose::Look, &[&inside]).now_or_never().is_none());
        drop(moving);
        assert!(change.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_move_waits_for_changes_and_its_switch_for_looks() {
        let moves = Moves::default();
        let inside = file("dir/file");
        let change = moves.pass(Purpose::Change, &[&inside]).await;
        let mut begin = pin!(moves.begin(below("dir/")));
        assert!((&mut begin).now_or_never().is_none());
        // Who changes may look, or neither would ever end.
        let look = moves.pass(Purpose::Look, &[&inside]).await;
        drop(change);
        let moving = begin.await;
        assert!(moving.switch().now_or_never().is_none());
        drop(look);
        assert!(moving.switch().now_or_never().is_some());
    }

    #[tokio::test]
    async fn whoever_has_leave_to_look_gives_it_to_what_goes_on_beside() {
        let moves = Arc::new(Moves::default());
        let inside = file("dir/file");
        let look = moves.pass(Purpose::Look, &[&inside]).await;
        let moving = moves.begin(below("dir/")).await;
        assert!(moving.switch().now_or_never().is_none());
        let beside = moves.look_beside(&inside);
        drop(look);
        assert!(moving.switch().now_or_never().is_none());
        drop(beside);
        assert!(moving.switch().now_or_never().is_some());
    }

    #[tokio::test]
    async fn moves_of_one_tree_follow_one_another() {
        let moves = Moves::default();
        let inner = moves.begin(below("a/b/")).await;
        assert!(moves.begin(below("a/")).now_or_never().is_none());
        assert!(moves.begin(below("a/b/c/")).now_or_never().is_none());
        assert!(moves.begin(below("a/c/")).now_or_never().is_some());
        assert!(moves.settled().now_or_never().is_none());
        drop(inner);
        assert!(moves.begin(below("a/")).now_or_never().is_some());
        assert!(moves.settled().now_or_never().is_some());
    }
}
