//! Course: which pages of a listing to ask for next, and in which order they are told.
//!
//! A listing begins with one page after the other, the next asked for before the last is
//! consumed. One that goes on is split: probes find names further on, what is between is cut
//! into stretches of about a page ([`Space`]), and those next in order are asked for side by
//! side. Pages are told in S3's order, so that whoever takes them sees no difference.
//!
//! A stretch ends at a key that need not be there. Where one turns out longer than a page, what
//! is left of it is cut again; density is what the pages nearby had. A server that breaks S3's
//! order can't be split: a page from a wrong place sends the listing back to where it was split,
//! to go on page after page without the keys it has told.
//!
//! Everything here is pure: requests out, answers in.

mod stretch;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use crate::store::types::{ListedObject, ObjectPage};
use crate::vfs::namespace::directory::listed::Stamp;
use crate::vfs::namespace::listing::course::stretch::{
    Arrived, Measured, State, Stretch, ends_of, keys_of,
};
use crate::vfs::namespace::listing::space::Space;

/// Pages of one listing that are asked for side by side.
pub const REQUESTS_MAX: usize = 16;

/// Pages that one listing has asked for and not told, about 250 KB each; one more where the page
/// to be told next is not among them.
pub const PAGES_HELD_MAX: usize = 32;

/// A stretch that goes on after so many pages is split.
pub const PAGES_BEFORE_SPLIT: usize = 2;

/// Keys that a stretch is cut to have: S3's page less what chance adds.
const STRETCH_KEYS: f64 = 900.0;

/// Stretches next to one another that say how densely keys lie.
const MEASURED_MAX: usize = 4;

/// Requests that may bring less than half a page, beyond as many that bring more, before cutting
/// is given up.
const POOR_REQUESTS_MAX: usize = 64;

/// Keys told by a split listing after which its server is known to keep S3's order.
const TOLD_MAX: usize = 65_536;

/// What to ask S3 for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// A page, to be answered with [`Course::arrived`] or [`Course::failed`].
    Page { stretch: u64, after: Option<String>, continuation: Option<String> },
    /// The first key behind this one, to be answered with [`Course::probed`].
    Probe { after: String },
}

/// A page to be told; `page.next` is `None` for the last.
#[derive(Clone, Debug)]
pub struct Taken {
    pub page: ObjectPage,
    /// When the oldest of its keys was asked for.
    pub asked: Stamp,
}

/// The pages of one listing.
#[derive(Debug)]
pub struct Course {
    space: Space,
    stretches: VecDeque<Stretch>,
    next_id: u64,
    probing: Option<Probing>,
    order: Order,
    /// Where stretches that were told lay, the last few.
    measured: VecDeque<Measured>,
    /// Of a split listing, those that brought less than half a page, and the others.
    poor_requests: usize,
    good_requests: usize,
    /// Keys beyond the end of their stretch, for those that the next one does not tell: a server
    /// may have another idea of what comes before what.
    carried: BTreeMap<String, Carried>,
}

/// What is known of the server's order, and how to go back to before it mattered.
#[derive(Debug)]
enum Order {
    /// Nothing was split.
    Whole {
        may_split: bool,
    },
    Split(Fallback),
    /// Long enough to know that the order is S3's.
    Trusted,
    /// Page after page from where it was split, but for keys that were told.
    Resumed {
        told: HashSet<u64>,
    },
    /// Nothing can be told any more.
    Broken,
}

#[derive(Debug)]
struct Fallback {
    after: Option<String>,
    continuation: Option<String>,
    told: HashSet<u64>,
}

#[derive(Debug)]
struct Carried {
    object: Option<ListedObject>,
    asked: Stamp,
}

#[derive(Debug)]
struct Probing {
    awaited: usize,
    found: Vec<String>,
    /// Behind this there is nothing.
    end: Option<String>,
}

impl Course {
    /// Of the names below `prefix`. With `may_split` the server is not known to break the order.
    #[must_use]
    pub fn new(prefix: &str, may_split: bool) -> Self {
        Self {
            space: Space::new(prefix),
            stretches: VecDeque::from([Stretch::new(0, None, None)]),
            next_id: 1,
            probing: None,
            order: Order::Whole { may_split },
            measured: VecDeque::new(),
            poor_requests: 0,
            good_requests: 0,
            carried: BTreeMap::new(),
        }
    }

    /// The same, of names behind `after`.
    #[must_use]
    pub fn starting(self, after: &str) -> Self {
        let first = Stretch::new(0, Some(after.to_owned()), None);
        Self { stretches: VecDeque::from([first]), ..self }
    }

    /// Whether nothing has contradicted S3's order.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        match &self.order {
            Order::Whole { may_split } => *may_split,
            Order::Split(_) | Order::Trusted => true,
            Order::Resumed { .. } | Order::Broken => false,
        }
    }

    /// Whether the server's order makes it impossible to tell the rest.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.order, Order::Broken)
    }

    /// Pages that have arrived and were not taken.
    #[must_use]
    pub fn pages_held(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.pages.len()).sum()
    }

    /// What to ask for now; each is asked for once.
    #[must_use]
    pub fn plan_requests(&mut self) -> Vec<Request> {
        let mut requests = self.plan_probing();
        let is_asked = |stretch: &&Stretch| stretch.state == State::Asked;
        let mut asked = self.stretches.iter().filter(is_asked).count();
        let mut held_before = 0;
        let mut index = 0;
        while index < self.stretches.len() && asked < REQUESTS_MAX {
            let is_next = held_before + self.stretches[index].pages.len() == 0;
            if self.pages_held() + asked >= PAGES_HELD_MAX && !is_next {
                break;
            }
            if self.stretches[index].state == State::Idle {
                self.cut(index);
            }
            let stretch = &mut self.stretches[index];
            held_before += stretch.pages.len() + usize::from(stretch.state != State::Done);
            if stretch.state == State::Idle || (stretch.state == State::Failed && index == 0) {
                stretch.state = State::Asked;
                asked += 1;
                requests.push(stretch.request());
            }
            index += 1;
        }
        requests
    }

    /// An answer to a request for a page.
    pub fn arrived(&mut self, stretch: u64, page: ObjectPage, asked: Stamp) {
        let Some(index) = self.index_of(stretch) else { return };
        if ends_of(&page).is_some_and(|(first, _)| !self.stretches[index].may_begin(first)) {
            self.disorder();
        }
        // What was not split is in the server's own order; all else is asked for anew.
        let Some(index) = self.index_of(stretch) else { return };
        self.space.see_all(page.objects.iter().map(|object| object.key.as_str()));
        self.space.see_all(page.prefixes.iter().map(String::as_str));
        let is_before_split = matches!(self.order, Order::Whole { .. });
        let stretch = &mut self.stretches[index];
        stretch.arrived(page, asked, is_before_split);
        let is_poor = stretch.keys < STRETCH_KEYS as usize / 2;
        let counted = if is_poor { &mut self.poor_requests } else { &mut self.good_requests };
        *counted += usize::from(!is_before_split);
    }

    /// The request for a page failed. It is made again when that page is to be told.
    pub fn failed(&mut self, stretch: u64) {
        if let Some(stretch) = self.stretches.iter_mut().find(|each| each.id == stretch) {
            stretch.state = State::Failed;
        }
    }

    /// Whether the page to be told next was asked for, and failed.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let next = self.stretches.front();
        next.is_some_and(|next| next.pages.is_empty() && next.state == State::Failed)
    }

    /// The answer to a probe: the first key behind `after`, if there is any; `None`: no answer.
    pub fn probed(&mut self, after: &str, first: Option<Option<&str>>) {
        let Some(probing) = &mut self.probing else { return };
        probing.awaited -= 1;
        match first {
            None => {}
            Some(None) => {
                let end = probing.end.take().filter(|end| end.as_str() < after);
                probing.end = Some(end.unwrap_or_else(|| after.to_owned()));
            }
            Some(Some(key)) if key > after => probing.found.push(key.to_owned()),
            Some(Some(_)) => self.disorder(),
        }
        if self.probing.as_ref().is_some_and(|probing| probing.awaited == 0) {
            self.split();
        }
    }

    /// The next page in order, if it has arrived.
    pub fn take(&mut self) -> Option<Taken> {
        loop {
            let front = self.stretches.front_mut()?;
            if let Some(arrived) = front.pages.pop_front() {
                return Some(self.told(arrived));
            }
            if front.state != State::Done || self.stretches.len() == 1 {
                return None;
            }
            self.measured.extend(self.stretches.pop_front().and_then(|done| done.measured()));
            while self.measured.len() > MEASURED_MAX {
                self.measured.pop_front();
            }
        }
    }

    fn is_wasteful(&self) -> bool {
        self.poor_requests >= POOR_REQUESTS_MAX + self.good_requests
    }

    fn index_of(&self, stretch: u64) -> Option<usize> {
        self.stretches.iter().position(|each| each.id == stretch)
    }

    fn plan_probing(&mut self) -> Vec<Request> {
        let may_split = self.is_ordered() && !self.is_wasteful();
        let Some(open) = self.stretches.back_mut() else { return Vec::new() };
        let goes_on = open.state != State::Done && open.pages_arrived >= open.probe_at;
        let Some(last) = open.last.as_ref().filter(|_| goes_on) else { return Vec::new() };
        if !may_split || self.probing.is_some() {
            return Vec::new();
        }
        let probes = self.space.plan_probes(last);
        open.probe_at = open.pages_arrived * 2;
        if probes.is_empty() {
            return Vec::new();
        }
        self.probing = Some(Probing { awaited: probes.len(), found: Vec::new(), end: None });
        probes.into_iter().map(|after| Request::Probe { after }).collect()
    }

    /// Cuts what is left of a listing at what the probes found.
    fn split(&mut self) {
        let Some(Probing { found, end, .. }) = self.probing.take() else { return };
        let Some(open) = self.stretches.back().filter(|open| open.state != State::Done) else {
            return;
        };
        let Some(last) = open.last.clone().filter(|_| self.is_ordered()) else { return };
        found.iter().for_each(|key| self.space.see(key));
        let mut bounds: Vec<String> = found.iter().map(|key| self.space.bound(key)).collect();
        bounds.extend(end);
        bounds.sort();
        bounds.dedup();
        bounds.retain(|bound| *bound > last);
        if bounds.is_empty() {
            return;
        }
        if matches!(self.order, Order::Whole { .. }) {
            let (after, continuation) = (open.after.clone(), open.continuation.clone());
            self.order = Order::Split(Fallback { after, continuation, told: HashSet::new() });
        }
        let index = self.stretches.len() - 1;
        for bound in bounds {
            self.divide(self.stretches.len() - 1, bound);
        }
        // What is under way is about to bring a page, and no more.
        self.cut(index);
    }

    /// Ends a stretch at `bound`, and makes what is behind it one of its own.
    fn divide(&mut self, index: usize, bound: String) {
        let until = self.stretches[index].until.replace(bound.clone());
        let behind = Stretch::new(self.next_id, Some(bound), until);
        self.next_id += 1;
        self.stretches.insert(index + 1, behind);
    }

    /// Leaves of a stretch what a page has room for, if there is more.
    fn cut(&mut self, index: usize) {
        let may_cut = matches!(self.order, Order::Split(_) | Order::Trusted);
        if !may_cut || self.is_wasteful() {
            return;
        }
        let stretch = &self.stretches[index];
        let (Some(from), Some(until)) = (stretch.position(), &stretch.until) else { return };
        let Some(density) = self.density(index) else { return };
        let keys = density * (self.space.place(until) - self.space.place(from));
        if keys < STRETCH_KEYS * 1.1 {
            return;
        }
        if let Some(bound) = self.space.cut(from, until, STRETCH_KEYS / keys) {
            self.divide(index, bound);
        }
    }

    /// Keys for all of the space, as densely as they lie in and before a stretch.
    fn density(&self, index: usize) -> Option<f64> {
        let own = self.stretches[index].measured();
        let mut nearby: Vec<Measured> = own.into_iter().collect();
        if nearby.is_empty() {
            let before = self.stretches.iter().take(index).rev().filter_map(Stretch::measured);
            nearby.extend(before.take(MEASURED_MAX));
        }
        if nearby.is_empty() {
            nearby.extend(self.measured.iter().cloned());
        }
        let width = |each: &Measured| self.space.place(&each.until) - self.space.place(&each.after);
        let keys: usize = nearby.iter().map(|each| each.keys.max(1)).sum();
        let width: f64 = nearby.iter().map(width).sum();
        (width > 0.0).then(|| keys as f64 / width)
    }

    /// The server does not keep S3's order.
    fn disorder(&mut self) {
        self.probing = None;
        match std::mem::replace(&mut self.order, Order::Broken) {
            Order::Whole { .. } => self.order = Order::Whole { may_split: false },
            Order::Split(Fallback { after, continuation, told }) => {
                self.order = Order::Resumed { told };
                self.resume(after, continuation);
            }
            Order::Resumed { told } => self.order = Order::Resumed { told },
            Order::Trusted | Order::Broken => {}
        }
    }

    /// Goes back to where the listing was split.
    fn resume(&mut self, after: Option<String>, continuation: Option<String>) {
        let mut whole = Stretch::new(self.next_id, after, None);
        self.next_id += 1;
        whole.continuation = continuation;
        if let Some(front) = self.stretches.front_mut() {
            whole.pages.extend(front.pages.drain(..).filter(|page| page.is_before_split));
        }
        self.stretches = VecDeque::from([whole]);
        self.carried.clear();
    }

    /// A page as it is told.
    fn told(&mut self, arrived: Arrived) -> Taken {
        let Arrived { mut page, beyond, asked: asked_page, is_before_split } = arrived;
        let front = self.stretches.front();
        let is_end =
            front.is_some_and(|front| front.state == State::Done && front.pages.is_empty());
        let is_last = is_end && self.stretches.len() == 1;
        let until = front.filter(|_| is_end).and_then(|front| front.until.clone());
        let until = until.or_else(|| ends_of(&page).map(|(_, last)| last.to_owned()));
        let asked = self.add_carried(&mut page, until.filter(|_| !is_last), asked_page, is_last);
        self.carry(beyond, asked_page);
        match &mut self.order {
            Order::Split(fallback) if !is_before_split => {
                fallback.told.extend(keys_of(&page).map(hashed));
                if fallback.told.len() > TOLD_MAX {
                    self.order = Order::Trusted;
                }
            }
            Order::Resumed { told } if !is_before_split => {
                page.objects.retain(|object| !told.contains(&hashed(&object.key)));
                page.prefixes.retain(|prefix| !told.contains(&hashed(prefix)));
            }
            Order::Whole { .. }
            | Order::Split(_)
            | Order::Trusted
            | Order::Resumed { .. }
            | Order::Broken => {}
        }
        page.next = (!is_last).then(String::new);
        Taken { page, asked }
    }

    fn carry(&mut self, beyond: ObjectPage, asked: Stamp) {
        let objects = beyond.objects.into_iter().map(|object| (object.key.clone(), Some(object)));
        let prefixes = beyond.prefixes.into_iter().map(|prefix| (prefix, None));
        for (key, object) in objects.chain(prefixes) {
            self.carried.insert(key, Carried { object, asked });
        }
    }

    /// Adds keys up to `until`, or all, that an earlier stretch has brought and this page has
    /// not.
    fn add_carried(
        &mut self,
        page: &mut ObjectPage,
        until: Option<String>,
        asked: Stamp,
        is_last: bool,
    ) -> Stamp {
        let mut oldest = asked;
        if self.carried.is_empty() {
            return oldest;
        }
        for key in keys_of(page) {
            self.carried.remove(key);
        }
        let rest = match until {
            Some(until) => self.carried.split_off(&format!("{until}\0")),
            None if is_last => BTreeMap::new(),
            None => std::mem::take(&mut self.carried),
        };
        for (key, carried) in std::mem::replace(&mut self.carried, rest) {
            oldest = oldest.older(carried.asked);
            match carried.object {
                Some(object) => page.objects.push(object),
                None => page.prefixes.push(key),
            }
        }
        oldest
    }
}

fn hashed(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
