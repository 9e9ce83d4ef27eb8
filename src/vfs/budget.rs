//! The budget: one bound on all memory for data.
//!
//! Whoever is about to hold bytes of objects reserves them first and keeps the [`Reservation`] as
//! long as the bytes. This file decides who gets memory and in which order; what to do while
//! there is none (wait, do without, go over) each caller decides by the method it calls. Memory
//! that could be given back, such as cached blocks, counts as used and is asked back through
//! [`Reclaim`] when somebody lacks it.
//!
//! What waits is served in order. A wait ends because every change that could end it (memory
//! given back, something new to reclaim, a waiter that left) passes through here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

/// Who holds memory that it can do without.
pub trait Reclaim: Send + Sync {
    /// Lets go of `bytes` or more, or of all there is, and says how many. Called with no lock of
    /// the budget held; must not block.
    fn reclaim(&self, bytes: u64, reach: Reach) -> u64;
}

/// What may be reclaimed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Only what is kept in case it is wanted again.
    Spare,
    /// Also what was brought because it will be wanted soon.
    Everything,
}

/// The bound and what is used of it, in bytes.
pub struct Budget {
    bytes_max: u64,
    state: Mutex<State>,
}

struct State {
    used_bytes: u64,
    waiters: VecDeque<Waiter>,
    reclaimer: Option<Weak<dyn Reclaim>>,
}

struct Waiter {
    bytes: u64,
    granted: oneshot::Sender<Reservation>,
}

/// Memory that is reserved; given back when dropped.
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

/// A place in the queue; left when dropped.
struct Waiting {
    budget: Arc<Budget>,
    granted: oneshot::Receiver<Reservation>,
}

impl Budget {
    #[must_use]
    pub fn new(bytes_max: u64) -> Arc<Self> {
        let state = State { used_bytes: 0, waiters: VecDeque::new(), reclaimer: None };
        Arc::new(Self { bytes_max, state: Mutex::new(state) })
    }

    /// Whom to ask for memory that is lacking; one for each budget.
    pub fn set_reclaimer(&self, reclaimer: Weak<dyn Reclaim>) {
        self.state().reclaimer = Some(reclaimer);
    }

    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Bytes that are reserved now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used_bytes
    }

    /// Reserves at once or not at all; `None` also while others wait.
    #[must_use]
    pub fn try_reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        self.try_reserve_within(bytes, Reach::Everything)
    }

    /// As [`Budget::try_reserve`], but takes nothing away that will be wanted soon: for what is
    /// only wanted soon itself.
    #[must_use]
    pub fn try_reserve_spare(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        self.try_reserve_within(bytes, Reach::Spare)
    }

    /// Reserves when there is room and it is this caller's turn. What exceeds the whole budget is
    /// clamped to it, so that the turn comes.
    pub async fn reserve(self: &Arc<Self>, bytes: u64) -> Reservation {
        let bytes = bytes.min(self.bytes_max);
        if let Some(reservation) = self.grant_now(bytes) {
            return reservation;
        }
        let mut waiting = self.enqueue(bytes);
        self.settle();
        match (&mut waiting.granted).await {
            Ok(reservation) => reservation,
            // A waiter is dropped from the queue only where nobody waits for it.
            Err(_) => self.reserve_over(bytes),
        }
    }

    /// Reserves at once, over the bound where there is no room: for what must make progress so
    /// that others can. Whoever reserves later waits until it is paid back.
    #[must_use]
    pub fn reserve_over(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.state().used_bytes += bytes;
        self.settle();
        self.reservation(bytes)
    }

    /// Takes from the reclaimer what waiters lack. To be called by whoever has made memory that
    /// is in use reclaimable.
    pub fn settle(&self) {
        self.reclaim(0, Reach::Everything);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reservation(self: &Arc<Self>, bytes: u64) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes }
    }

    fn try_reserve_within(self: &Arc<Self>, bytes: u64, reach: Reach) -> Option<Reservation> {
        match self.grant_now(bytes) {
            Some(reservation) => Some(reservation),
            None => {
                self.reclaim(bytes, reach);
                self.grant_now(bytes)
            }
        }
    }

    fn grant_now(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let mut state = self.state();
        if !state.waiters.is_empty() || state.used_bytes.saturating_add(bytes) > self.bytes_max {
            return None;
        }
        state.used_bytes += bytes;
        drop(state);
        Some(self.reservation(bytes))
    }

    fn enqueue(self: &Arc<Self>, bytes: u64) -> Waiting {
        let (granted, receiver) = oneshot::channel();
        let mut state = self.state();
        state.waiters.push_back(Waiter { bytes, granted });
        // Room may have come between the caller's look and this.
        self.grant_waiters(&mut state);
        drop(state);
        Waiting { budget: Arc::clone(self), granted: receiver }
    }

    /// Asks the reclaimer for what all waiters and `bytes` more lack.
    fn reclaim(&self, bytes: u64, reach: Reach) {
        let (lacking, reclaimer) = {
            let state = self.state();
            let waiting: u64 = state.waiters.iter().map(|waiter| waiter.bytes).sum();
            let wanted = state.used_bytes.saturating_add(waiting).saturating_add(bytes);
            (wanted.saturating_sub(self.bytes_max), state.reclaimer.clone())
        };
        if lacking > 0
            && let Some(reclaimer) = reclaimer.and_then(|reclaimer| reclaimer.upgrade())
        {
            reclaimer.reclaim(lacking, reach);
        }
    }

    fn give_back(self: &Arc<Self>, bytes: u64) {
        let mut state = self.state();
        state.used_bytes -= bytes;
        self.grant_waiters(&mut state);
    }

    /// Serves the queue in order as far as there is room, passing over those who left.
    fn grant_waiters(self: &Arc<Self>, state: &mut State) {
        while let Some(first) = state.waiters.front() {
            let fits = state.used_bytes.saturating_add(first.bytes) <= self.bytes_max;
            if !fits && !first.granted.is_closed() {
                return;
            }
            let Some(waiter) = state.waiters.pop_front() else { return };
            if waiter.granted.is_closed() {
                continue;
            }
            state.used_bytes += waiter.bytes;
            if let Err(refused) = waiter.granted.send(self.reservation(waiter.bytes)) {
                state.used_bytes -= refused.dissolve();
            }
        }
    }
}

impl Reservation {
    /// Bytes reserved.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `bytes`, or all there are, into a reservation of their own.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.reservation(bytes)
    }

    /// Takes the bytes of `other` over.
    pub fn merge(&mut self, other: Self) {
        self.bytes += other.dissolve();
    }

    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        let rest = self.bytes.saturating_sub(bytes);
        drop(self.split(rest));
    }

    /// Ends the reservation without giving anything back.
    fn dissolve(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // What is dissolved is dropped while the budget is locked.
        if self.bytes > 0 {
            self.budget.give_back(self.bytes);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.granted.close();
        // Those behind may fit where this one did not.
        self.budget.give_back(0);
    }
}

#[cfg(test)]
mod tests;
