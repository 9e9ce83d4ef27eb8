//! Stretch: a part of a listing, from one key to another, and how far it has come.

use std::collections::VecDeque;

use crate::store::types::ObjectPage;
use crate::vfs::namespace::directory::listed::Stamp;
use crate::vfs::namespace::listing::course::{PAGES_BEFORE_SPLIT, Request};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Idle,
    Asked,
    Failed,
    Done,
}

/// Keys after one and up to another.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) id: u64,
    pub(super) after: Option<String>,
    /// `None`: to the end.
    pub(super) until: Option<String>,
    pub(super) continuation: Option<String>,
    pub(super) last: Option<String>,
    pub(super) keys: usize,
    pub(super) state: State,
    pub(super) pages: VecDeque<Arrived>,
    pub(super) pages_arrived: usize,
    /// Pages after which it is worth looking further ahead.
    pub(super) probe_at: usize,
}

#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) page: ObjectPage,
    pub(super) beyond: ObjectPage,
    pub(super) asked: Stamp,
    pub(super) is_before_split: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) after: String,
    pub(super) until: String,
    pub(super) keys: usize,
}

impl Stretch {
    pub(super) fn new(id: u64, after: Option<String>, until: Option<String>) -> Self {
        Self {
            id,
            after,
            until,
            continuation: None,
            last: None,
            keys: 0,
            state: State::Idle,
            pages: VecDeque::new(),
            pages_arrived: 0,
            probe_at: PAGES_BEFORE_SPLIT,
        }
    }

    pub(super) fn request(&self) -> Request {
        Request::Page {
            stretch: self.id,
            after: self.after.clone(),
            continuation: self.continuation.clone(),
        }
    }

    /// How far it has come.
    pub(super) fn position(&self) -> Option<&str> {
        self.last.as_deref().or(self.after.as_deref())
    }

    /// Whether a page that comes now may begin with this key.
    pub(super) fn may_begin(&self, first: &str) -> bool {
        self.position().is_none_or(|position| first > position)
    }

    pub(super) fn arrived(&mut self, mut page: ObjectPage, asked: Stamp, is_before_split: bool) {
        let mut beyond = ObjectPage::default();
        let mut is_done = page.next.is_none();
        if let Some(until) = &self.until {
            // Some servers sort directories without their slash.
            is_done |= keys_of(&page).any(|key| key.trim_end_matches('/') > until.as_str());
            beyond.objects = page.objects.extract_if(.., |object| object.key > *until).collect();
            beyond.prefixes = page.prefixes.extract_if(.., |prefix| *prefix > *until).collect();
        }
        self.keys += page.objects.len() + page.prefixes.len();
        self.last = ends_of(&page).map(|(_, last)| last.to_owned()).or(self.last.take());
        self.continuation = page.next.take();
        self.state = if is_done { State::Done } else { State::Idle };
        self.pages_arrived += 1;
        self.pages.push_back(Arrived { page, beyond, asked, is_before_split });
    }

    /// How many keys there are between which, as far as it has come.
    pub(super) fn measured(&self) -> Option<Measured> {
        let end = if self.state == State::Done { self.until.as_ref() } else { None };
        let until = end.or(self.last.as_ref())?.clone();
        let after = self.after.clone().unwrap_or_default();
        (self.pages_arrived > 0).then_some(Measured { after, until, keys: self.keys })
    }
}

pub(super) fn keys_of(page: &ObjectPage) -> impl Iterator<Item = &str> {
    let objects = page.objects.iter().map(|object| object.key.as_str());
    objects.chain(page.prefixes.iter().map(String::as_str))
}

/// The least and the greatest key of a page.
pub(super) fn ends_of(page: &ObjectPage) -> Option<(&str, &str)> {
    Some((keys_of(page).min()?, keys_of(page).max()?))
}
