//! The engine: who changes the state, and when a change is seen.
//!
//! Readers look at the state under a short lock. Without a journal a change is decided and
//! applied under one lock. With a journal, changes queue for one thread, which decides a batch of
//! them, commits it in one transaction, applies it, and only then answers: what is seen is
//! durable. Two changes of one batch never concern the same thing, because the second could not
//! be decided before the first is applied; it waits for the next batch.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::store::error::{StoreError, StoreResult};
use crate::store::model::blobs::directory::BlobDirectory;
use crate::store::model::journal::Journal;
use crate::store::model::refusal;
use crate::store::model::state::{Change, Displaced, ObjectName, State, UploadName};

/// The state and the only way to change it.
pub(super) struct Engine {
    state: RwLock<State>,
    lane: Option<Lane>,
}

/// Where changes wait to be made durable.
struct Lane {
    journal: Journal,
    blobs: Arc<BlobDirectory>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Wish>,
    /// Whether a thread is at work that will come back to look at `waiting`.
    is_draining: bool,
}

/// A change that somebody waits for.
struct Wish {
    scope: Scope,
    decide: Decide,
}

/// Decides a change; one that can't be made changes nothing.
type Decide = Box<dyn FnOnce(&State) -> Decided + Send>;

/// Tells who waits how it went.
type Answer = Box<dyn FnOnce(StoreResult<()>) + Send>;

struct Decided {
    change: Change,
    answer: Answer,
}

/// What a change concerns, from the outside in: it collides with changes of the same thing, of
/// what is inside it and of what it is inside of.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Scope(Vec<String>);

impl Scope {
    pub(super) fn bucket(bucket: &str) -> Self {
        Self(vec![bucket.to_owned()])
    }

    pub(super) fn object(name: &ObjectName) -> Self {
        Self(vec![name.bucket.clone(), name.key.clone()])
    }

    pub(super) fn part(name: &UploadName, number: u32) -> Self {
        let Self(mut path) = Self::object(&name.object);
        path.extend([name.upload.clone(), number.to_string()]);
        Self(path)
    }

    fn collides_with_any_of(&self, claimed: &BTreeSet<Self>) -> bool {
        let mut outer = (1..self.0.len()).map(|depth| Self(self.0[..depth].to_vec()));
        let inner = claimed.range(self..).next();
        outer.any(|outer| claimed.contains(&outer))
            || inner.is_some_and(|inner| inner.0.starts_with(&self.0))
    }
}

impl Engine {
    /// In memory: what is changed is seen at once and gone with the process.
    pub(super) fn in_memory() -> Self {
        Self { state: RwLock::default(), lane: None }
    }

    /// Over what a journal has kept.
    pub(super) fn over(journal: Journal, blobs: Arc<BlobDirectory>, state: State) -> Self {
        blobs.set_removing(true);
        let lane = Lane { journal, blobs, queue: Mutex::default() };
        Self { state: RwLock::new(state), lane: Some(lane) }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the change that `decide` answers, which sees the state as it will be changed, and
    /// answers what it answers besides. A change goes on where the caller stops waiting.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        scope: Scope,
        decide: impl FnOnce(&State) -> StoreResult<(Change, T)> + Send + 'static,
    ) -> StoreResult<T> {
        let Some(lane) = &self.lane else { return self.change_now(decide) };
        let (sender, receiver) = oneshot::channel();
        // Nobody listens where the caller has stopped waiting.
        let decide = move |state: &State| match decide(state) {
            Ok((change, value)) => {
                let answer =
                    move |outcome: StoreResult<()>| drop(sender.send(outcome.map(|()| value)));
                Decided { change, answer: Box::new(answer) }
            }
            Err(error) => {
                let answer = move |_| drop(sender.send(Err(error)));
                Decided { change: Change::new(), answer: Box::new(answer) }
            }
        };
        if lane.push(Wish { scope, decide: Box::new(decide) }) {
            let drainer = Drainer { engine: Some(Arc::clone(self)) };
            drop(spawn_blocking(move || drainer.run()));
        }
        receiver.await.map_err(|error| refusal::internal("the store has stopped", error))?
    }

    fn change_now<T>(
        &self,
        decide: impl FnOnce(&State) -> StoreResult<(Change, T)>,
    ) -> StoreResult<T> {
        let mut displaced = Displaced::new();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (change, value) = decide(&state)?;
        for update in change {
            displaced.extend(state.apply(update));
        }
        // Freeing bytes takes its time; readers need not wait for it.
        drop(state);
        drop(displaced);
        Ok(value)
    }

    /// Decides, commits and applies what can be done together; answers who is to be told what.
    fn run_batch(&self, lane: &Lane, batch: Vec<Wish>) -> (Vec<Answer>, StoreResult<()>) {
        let decided: Vec<_> =
            self.read(|state| batch.into_iter().map(|wish| (wish.decide)(state)).collect());
        let (changes, answers): (Vec<_>, Vec<_>) =
            decided.into_iter().map(|decided| (decided.change, decided.answer)).unzip();
        let outcome = lane.commit(&changes);
        let mut displaced = Displaced::new();
        if outcome.is_ok() {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for update in changes.into_iter().flatten() {
                displaced.extend(state.apply(update));
            }
        }
        (answers, outcome)
    }
}

impl Drop for Engine {
    /// What the journal names must stay when the state goes.
    fn drop(&mut self) {
        if let Some(lane) = &self.lane {
            lane.blobs.set_removing(false);
        }
    }
}

impl Lane {
    /// Answers whether the caller must start a thread.
    fn push(&self, wish: Wish) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(wish);
        !std::mem::replace(&mut queue.is_draining, true)
    }

    /// What can be done together now.
    fn next_batch(&self) -> Vec<Wish> {
        let mut queue = self.queue();
        let waiting = std::mem::take(&mut queue.waiting);
        let (batch, later) = plan_batch(waiting, |wish| &wish.scope);
        queue.waiting = later.into();
        batch
    }

    /// Answers whether the thread that drains can go, because nothing waits any more.
    fn rest(&self) -> bool {
        let mut queue = self.queue();
        queue.is_draining = !queue.waiting.is_empty();
        !queue.is_draining
    }

    fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        let updates: Vec<_> = changes.iter().flatten().collect();
        if updates.is_empty() {
            return Ok(());
        }
        let synced = self.blobs.sync().map_err(|error| refusal::internal("sync failed", error));
        synced.and_then(|()| self.journal.commit(&updates)).inspect_err(|error| {
            // Whether it reached the disk is not known: the files it may name must stay.
            self.blobs.set_removing(false);
            tracing::error!(%error, "changes can't be made durable");
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Splits what waits into what can be done together, in order, and the rest.
fn plan_batch<T>(waiting: VecDeque<T>, scope: impl Fn(&T) -> &Scope) -> (Vec<T>, Vec<T>) {
    let mut claimed = BTreeSet::new();
    waiting.into_iter().partition(|wish| {
        let scope = scope(wish);
        // What waits claims its scope too: nobody overtakes it.
        let collides = scope.collides_with_any_of(&claimed);
        claimed.insert(scope.clone());
        !collides
    })
}

/// The thread that drains a lane.
struct Drainer {
    /// `None` once nothing waits.
    engine: Option<Arc<Engine>>,
}

impl Drainer {
    fn run(mut self) {
        while let Some((engine, lane)) = self.at_work() {
            let (answers, outcome) = engine.run_batch(lane, lane.next_batch());
            if lane.rest() {
                // Before the last answer: whoever gets it may drop the store and open it again.
                self.engine = None;
            }
            for answer in answers {
                answer(outcome.clone());
            }
        }
    }

    fn at_work(&self) -> Option<(&Engine, &Lane)> {
        let engine = self.engine.as_deref()?;
        engine.lane.as_ref().map(|lane| (engine, lane))
    }
}

impl Drop for Drainer {
    /// Where the thread never ran or panicked, those who wait are told by their channels, and the
    /// next change starts another thread.
    fn drop(&mut self) {
        if let Some((_, lane)) = self.at_work() {
            let mut queue = lane.queue();
            queue.is_draining = false;
            queue.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(waiting: &[&[&str]], expected_batch: &[usize]) {
        let wishes: VecDeque<_> = waiting
            .iter()
            .map(|path| Scope(path.iter().map(|step| (*step).to_owned()).collect()))
            .enumerate()
            .collect();
        let (batch, later) = plan_batch(wishes, |(_, scope)| scope);
        let batch: Vec<_> = batch.into_iter().map(|(index, _)| index).collect();
        assert_eq!(batch, expected_batch);
        assert_eq!(batch.len() + later.len(), waiting.len());
    }

    #[test]
    fn what_concerns_different_things_is_done_together() {
        check(&[&["b", "k"], &["b", "l"], &["c"], &["c2", "k"]], &[0, 1, 2, 3]);
        check(&[&["b", "k", "u", "1"], &["b", "k", "u", "2"], &["b", "ka"]], &[0, 1, 2]);
    }

    #[test]
    fn what_concerns_the_same_thing_waits() {
        check(&[&["b", "k"], &["b", "k"], &["b", "l"]], &[0, 2]);
        check(&[&["b", "k"], &["b"], &["b", "l"]], &[0]);
        check(&[&["b"], &["b", "l"]], &[0]);
        check(&[&["b", "k", "u", "1"], &["b", "k"], &["b", "k", "u", "2"]], &[0]);
    }
}
