//! What listings tell of the names in a directory: all of them, or all in a range of keys.
//!
//! A page may have been asked for long before it is learnt. What the mount has since done itself
//! is known better; where that was forgotten or came in doubt in the meantime, the page tells
//! nothing new. A directory of more names than are remembered is told as it is listed, the names
//! told last being remembered.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::vfs::namespace::directory::asks::{Asked, Question, WHOLE_NAMES_MAX, plan_question};
use crate::vfs::namespace::directory::ranges::{is_escape, is_told_by};
use crate::vfs::namespace::directory::{Begun, Child, Known, Marker, NAMES_MAX, Names, freshness};

/// Of a full table, at most so many names stay that no listing told.
const UNLISTED_MAX: usize = NAMES_MAX / 2;

/// When a page was asked for, and what had happened to the directory until then.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stamp {
    pub at: Duration,
    /// From [`Names::upheavals`].
    pub upheavals: u64,
}

impl Stamp {
    /// Of what was asked for at both.
    #[must_use]
    pub fn older(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), upheavals: self.upheavals.min(other.upheavals) }
    }
}

impl Names {
    /// How often something that this mount knew better than S3 was forgotten or came in doubt.
    #[must_use]
    pub fn upheavals(&self) -> u64 {
        self.upheavals
    }

    /// The stamp of what is asked for now.
    #[must_use]
    pub fn stamp(&self, now: Duration) -> Stamp {
        Stamp { at: now, upheavals: self.upheavals }
    }

    /// As [`Names::learn`], of a name that a listing told. Gives what stands under it by the
    /// last word of all.
    pub fn learn_listed(&mut self, name: &Arc<str>, known: Known, asked: Stamp) -> Known {
        if self.is_doubted_since(name, asked) {
            return known;
        }
        self.learn(name, known.clone(), asked.at);
        match self.by_name.get_mut(name) {
            Some(child) => {
                child.is_listed = !child.pinned && child.asked_at == Some(asked.at);
                child.known.clone()
            }
            None => known,
        }
    }

    /// As [`Names::learn`], of what was asked for at that stamp, unless it came in doubt since.
    pub fn learn_since(&mut self, name: &Arc<str>, known: Known, asked: Stamp) {
        if !self.is_doubted_since(name, asked) {
            self.learn(name, known, asked.at);
        }
    }

    /// Whether a name is in doubt, and may be for something that happened after `asked`.
    fn is_doubted_since(&self, name: &str, asked: Stamp) -> bool {
        let is_doubted = match self.by_name.get(name) {
            Some(child) => child.asked_at.is_none() && !child.pinned,
            None => true,
        };
        is_doubted && asked.upheavals != self.upheavals
    }

    /// Whether it knows anything that no listing told.
    #[must_use]
    pub fn has_own_words(&self) -> bool {
        self.upheavals > 0 || self.by_name.values().any(|child| !child.is_listed)
    }

    /// How many names are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Forgets what listings told, and would tell again.
    pub fn forget_listed(&mut self) {
        self.by_name.retain(|_, child| !child.is_listed);
        self.forget_listings();
    }

    /// Makes room for one name more, first of all by forgetting what listings told.
    pub(super) fn make_room(&mut self) {
        if self.by_name.len() < NAMES_MAX {
            return;
        }
        self.forget_listed();
        if self.by_name.len() > UNLISTED_MAX {
            self.forget_unpinned();
        }
    }

    /// A listing is about to be asked for.
    #[must_use]
    pub fn begin_listing(&self, now: Duration) -> Begun {
        Begun { asked_at: now, forgotten: self.forgotten, upheavals: self.upheavals }
    }

    /// All names were told by a listing, and each was learnt: whatever is remembered from before
    /// it began and wasn't told is gone.
    pub fn listed(&mut self, begun: Begun, marker: Marker) {
        let is_older = self.listed_at.is_some_and(|before| before > begun.asked_at);
        let is_unsure = self.forgotten != begun.forgotten || self.upheavals != begun.upheavals;
        if is_older || is_unsure {
            return;
        }
        // What is in doubt is neither there nor gone before S3 has been asked.
        let stays = |child: &Child| {
            child.pinned || child.asked_at.is_none_or(|asked_at| asked_at >= begun.asked_at)
        };
        self.by_name.retain(|_, child| stays(child));
        self.listed_at = Some(begun.asked_at);
        // What a page told since may be among what was dropped.
        self.ranges.clear();
        self.marker = marker;
    }

    /// The directory was made by this mount just now: its marker is there and nothing else.
    pub fn made(&mut self, now: Duration) {
        let begun = self.begin_listing(now);
        self.listed(begun, Marker::Present);
    }

    /// All names, where a listing is recent enough to have them all.
    #[must_use]
    pub fn all(&self, now: Duration, ttl: Duration) -> Option<Vec<(Arc<str>, Known)>> {
        freshness(self.listed_at?, now, ttl)?;
        let present = self.by_name.iter().filter(|(_, child)| child.known != Known::Absent);
        Some(present.map(|(name, child)| (Arc::clone(name), child.known.clone())).collect())
    }

    /// A page has told all names from `from` on whose keys, that of an object and that of a
    /// directory, come no later than `last`, or all if that is `None`: those of them that are
    /// remembered from before and are not in `told` are gone, and the others are free.
    pub fn listed_between(
        &mut self,
        from: &Arc<str>,
        last: Option<&str>,
        told: &HashSet<Arc<str>>,
        begun: Begun,
    ) {
        if begun.upheavals != self.upheavals || is_escape(from) {
            return;
        }
        let from_here = (Bound::Included(&**from), Bound::Unbounded);
        let names = self.by_name.range_mut::<str, _>(from_here);
        let names = names.take_while(|(name, _)| last.is_none_or(|last| ***name <= *last));
        for (name, child) in names {
            let is_older = child.asked_at.is_some_and(|before| before < begun.asked_at);
            let is_told = told.contains(name) || is_escape(name) || !is_told_by(name, last);
            if is_older && !is_told && !child.pinned {
                *child = absent_since(begun.asked_at);
            }
        }
        // What was forgotten meanwhile may be there.
        if begun.forgotten == self.forgotten {
            self.ranges.add(from, last, begun.asked_at);
        }
    }

    /// A program is told that nothing stands under a name, and the kernel believes it for a while.
    pub fn note_absent(&mut self, name: &Arc<str>) {
        if !self.by_name.contains_key(name)
            && let Some(asked_at) = self.free_at(name)
        {
            self.make_room();
            self.by_name.insert(Arc::clone(name), absent_since(asked_at));
        }
    }

    /// How to find out about a name that has to be asked for. To be called once for each.
    pub fn question(&mut self, name: &str, now: Duration) -> Question {
        let was_there = self.last_known(name).is_some_and(|known| *known != Known::Absent);
        let is_walked = self.asks.note(name, now);
        let was_listed = self.listed_at.is_some();
        let present = self.by_name.values().filter(|child| child.known != Known::Absent);
        let names = present.take(WHOLE_NAMES_MAX + 1).count();
        let is_expected = was_there || self.ranges.asked_at(name).is_some();
        let pages_in_vain = self.asks.pages_in_vain;
        let question = plan_question(Asked {
            is_walked,
            was_listed,
            was_there,
            is_expected,
            pages_in_vain,
            names,
        });
        if question == Question::Behind {
            self.asks.note_page(is_expected);
        }
        question
    }
}

fn absent_since(asked_at: Duration) -> Child {
    Child { known: Known::Absent, asked_at: Some(asked_at), pinned: false, is_listed: true }
}

#[cfg(test)]
mod tests;
