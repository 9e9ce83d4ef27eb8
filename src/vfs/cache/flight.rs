//! Flights: ranges that are being fetched, so that nobody fetches them twice.
//!
//! A table of who fetches what, and a handle to wait by. A fetch that ends hands its bytes or its
//! error to all who wait; one that is given up tells them so, and each may begin its own.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use tokio::sync::watch;

use crate::vfs::cache::spans::Spans;
use crate::vfs::error::VfsResult;
use crate::vfs::types::ObjectRef;

/// The end of a fetch: all bytes of its range, or why there are none.
pub type Outcome = VfsResult<Bytes>;

/// Where a fetch says how it ended; dropped without a word, the fetch is given up.
pub type Announcer = watch::Sender<Option<Outcome>>;

/// A fetch under way, to wait for.
#[derive(Clone, Debug)]
pub struct Flight {
    range: Range<u64>,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Flight {
    /// Which bytes it will bring.
    #[must_use]
    pub fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// How it ended; `None` if it was given up.
    pub async fn landed(&self) -> Option<Outcome> {
        match self.outcome.clone().wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        }
    }
}

/// All fetches under way.
#[derive(Default)]
pub struct Flights {
    /// Holds no empty version.
    flying: HashMap<ObjectRef, Spans<Flight>>,
}

impl Flights {
    /// The fetch that will bring the byte at `offset`.
    #[must_use]
    pub fn at(&self, object: &ObjectRef, offset: u64) -> Option<&Flight> {
        self.flying.get(object)?.at(offset).map(|(_, flight)| flight)
    }

    /// The free space around `offset`, which nobody fetches.
    #[must_use]
    pub fn free_around(&self, object: &ObjectRef, offset: u64) -> Range<u64> {
        self.flying.get(object).map_or(0..u64::MAX, |spans| spans.free_around(offset))
    }

    #[must_use]
    pub fn is_free(&self, object: &ObjectRef, range: &Range<u64>) -> bool {
        self.flying.get(object).is_none_or(|spans| spans.is_free(range))
    }

    /// Begins a fetch of a range that nobody fetches.
    pub fn begin(&mut self, object: &ObjectRef, range: Range<u64>) -> (Announcer, Flight) {
        let (announcer, outcome) = watch::channel(None);
        let flight = Flight { range: range.clone(), outcome };
        let spans = self.flying.entry(object.clone()).or_default();
        spans.insert(range, flight.clone());
        (announcer, flight)
    }

    /// Ends the fetch that began at `start`.
    pub fn end(&mut self, object: &ObjectRef, start: u64) {
        let Some(spans) = self.flying.get_mut(object) else { return };
        spans.remove(start);
        if spans.is_empty() {
            self.flying.remove(object);
        }
    }
}
