//! The memory of drafts: a share of the mount's budget.
//!
//! What programs have written stays in memory for as long as their files are open, so it may not
//! take all of it: reading would come to a stop. What a draft does when there is none is its own
//! decision.

use std::sync::Arc;

use crate::vfs::budget::{Budget, Reservation};

/// Drafts hold at most one part in so many of all memory.
const SHARE: u64 = 2;

/// Memory is short when one part in so many of the drafts' is left.
const SHORT_SHARE: u64 = 4;

/// What all drafts of a mount hold together.
#[derive(Clone)]
pub struct DraftMemory {
    drafts: Arc<Budget>,
    all: Arc<Budget>,
}

/// Memory that is reserved; given back when dropped.
#[derive(Debug)]
pub struct HeldMemory {
    of_drafts: Reservation,
    of_all: Reservation,
}

impl DraftMemory {
    /// A share of `budget`.
    #[must_use]
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { drafts: Budget::new(budget.bytes_max() / SHARE), all: Arc::clone(budget) }
    }

    /// Whether there is little left for drafts.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let left = self.drafts.bytes_max().saturating_sub(self.drafts.used());
        left < self.drafts.bytes_max() / SHORT_SHARE
    }

    /// Reserves at once or not at all.
    #[must_use]
    pub fn try_reserve(&self, bytes: u64) -> Option<HeldMemory> {
        let of_drafts = self.drafts.try_reserve(bytes)?;
        Some(HeldMemory { of_drafts, of_all: self.all.try_reserve(bytes)? })
    }

    /// Reserves at once, over the bound where there is no room.
    #[must_use]
    pub fn reserve_over(&self, bytes: u64) -> HeldMemory {
        let of_drafts = self.drafts.reserve_over(bytes);
        HeldMemory { of_drafts, of_all: self.all.reserve_over(bytes) }
    }
}

impl HeldMemory {
    /// Bytes reserved.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.of_all.bytes()
    }

    /// Takes `bytes`, or all there are, into a reservation of their own.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        Self { of_drafts: self.of_drafts.split(bytes), of_all: self.of_all.split(bytes) }
    }

    /// Takes the bytes of `other` over.
    pub fn merge(&mut self, other: Self) {
        self.of_drafts.merge(other.of_drafts);
        self.of_all.merge(other.of_all);
    }

    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        self.of_drafts.shrink(bytes);
        self.of_all.shrink(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_leave_a_share_of_the_memory_to_others() {
        let budget = Budget::new(100);
        let memory = DraftMemory::new(&budget);
        let mut held = memory.try_reserve(50).unwrap();
        assert!(memory.try_reserve(1).is_none());
        assert!(budget.try_reserve(50).is_some());
        held.shrink(20);
        held.merge(memory.try_reserve(10).unwrap());
        let part = held.split(5);
        assert_eq!((held.bytes(), part.bytes(), budget.used()), (25, 5, 30));
        drop((held, part));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_others_use_is_not_there_for_drafts() {
        let budget = Budget::new(100);
        let memory = DraftMemory::new(&budget);
        let others = budget.try_reserve(80).unwrap();
        assert!(memory.try_reserve(30).is_none());
        assert!(memory.try_reserve(20).is_some(), "what failed has left nothing reserved");
        drop(others);
    }
}
