//! What is known of the names in one directory, and for how long it is believed.
//!
//! Everything S3 said is kept with the time at which it was asked; older word never replaces
//! newer. What this mount changed itself counts as asked when S3 acknowledged it, and a file
//! that is being written here is *pinned*: what S3 says of its name does not matter until it is
//! there. Everything here is pure; times are [`Clock::monotonic`]'s.
//!
//! [`Clock::monotonic`]: crate::store::clock::Clock::monotonic

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::types::{ETag, ObjectHead};

/// A directory with more names than this is listed anew each time it is read, so that what is
/// remembered of it stays in bounds: about 200 bytes a name.
pub const NAMES_MAX: usize = 50_000;

/// What S3 says of an object, as far as a listing does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    pub last_modified: SystemTime,
}

impl From<&ObjectHead> for Facts {
    fn from(head: &ObjectHead) -> Self {
        Self { etag: head.etag.clone(), size: head.size, last_modified: head.last_modified }
    }
}

/// What stands under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known {
    Absent,
    File(Facts),
    /// With the time it was made, where that is known: a bucket's.
    Directory(Option<SystemTime>),
}

/// What is remembered of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Child {
    pub known: Known,
    /// `None`: in doubt, to be asked for.
    asked_at: Option<Duration>,
    pinned: bool,
}

/// Whether the directory's own marker object is there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Marker {
    #[default]
    Unknown,
    Present,
    Absent,
}

/// The names of one directory.
#[derive(Debug, Default)]
pub struct Names {
    by_name: BTreeMap<Arc<str>, Child>,
    /// When the listing was asked for that told all names at once.
    listed_at: Option<Duration>,
    marker: Marker,
    /// How often what S3 said was forgotten: a listing under way then no longer tells all.
    forgotten: u64,
}

/// A listing under way, from [`Names::begin_listing`].
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    asked_at: Duration,
    forgotten: u64,
}

/// For how long what was asked at `asked_at` is still believed; `None`: no longer.
///
/// An age of exactly `ttl` is too old, so that a `ttl` of zero believes nothing.
#[must_use]
pub fn freshness(asked_at: Duration, now: Duration, ttl: Duration) -> Option<Duration> {
    let age = now.saturating_sub(asked_at);
    (age < ttl).then(|| ttl - age)
}

impl Names {
    /// What is known of `name` and for how long it may be believed; `None`: ask S3.
    #[must_use]
    pub fn find(&self, name: &str, now: Duration, ttl: Duration) -> Option<(Known, Duration)> {
        match self.by_name.get(name) {
            Some(child) if child.pinned => Some((child.known.clone(), ttl)),
            Some(child) => {
                let left = freshness(child.asked_at?, now, ttl)?;
                Some((child.known.clone(), left))
            }
            None => {
                let left = freshness(self.listed_at?, now, ttl)?;
                Some((Known::Absent, left))
            }
        }
    }

    /// The last word on `name`, however old.
    #[must_use]
    pub fn last_known(&self, name: &str) -> Option<&Known> {
        self.by_name.get(name).map(|child| &child.known)
    }

    /// Takes note of what S3 said of a name.
    pub fn learn(&mut self, name: &Arc<str>, known: Known, asked_at: Duration) {
        if let Some(child) = self.by_name.get(name)
            && (child.pinned || child.asked_at > Some(asked_at))
        {
            return;
        }
        if self.by_name.len() >= NAMES_MAX && !self.by_name.contains_key(name) {
            self.forget_unpinned();
        }
        let child = Child { known, asked_at: Some(asked_at), pinned: false };
        self.by_name.insert(Arc::clone(name), child);
    }

    /// From now on `name` is what this mount says it is.
    pub fn pin(&mut self, name: &Arc<str>, known: Known, now: Duration) {
        let child = Child { known, asked_at: Some(now), pinned: true };
        self.by_name.insert(Arc::clone(name), child);
    }

    /// S3's word counts again for `name`; `known` is what it acknowledged at `asked_at`, or where
    /// that is `None` what it said some time ago.
    pub fn unpin(&mut self, name: &Arc<str>, known: Known, asked_at: Option<Duration>) {
        let child = Child { known, asked_at, pinned: false };
        self.by_name.insert(Arc::clone(name), child);
    }

    /// What is remembered of `name` may be wrong: S3 is asked the next time.
    pub fn doubt(&mut self, name: &Arc<str>) {
        let absent = Child { known: Known::Absent, asked_at: None, pinned: false };
        let child = self.by_name.entry(Arc::clone(name)).or_insert(absent);
        child.asked_at = None;
    }

    /// A listing is about to be asked for.
    #[must_use]
    pub fn begin_listing(&self, now: Duration) -> Begun {
        Begun { asked_at: now, forgotten: self.forgotten }
    }

    /// All names were told by a listing, and each was learnt: whatever is remembered from before
    /// it began and wasn't told is gone.
    pub fn listed(&mut self, begun: Begun, marker: Marker) {
        let is_older = self.listed_at.is_some_and(|before| before > begun.asked_at);
        if is_older || self.forgotten != begun.forgotten {
            return;
        }
        self.by_name.retain(|_, child| child.pinned || child.asked_at >= Some(begun.asked_at));
        self.listed_at = Some(begun.asked_at);
        self.marker = marker;
    }

    /// The directory was made by this mount just now: its marker is there and nothing else.
    pub fn made(&mut self, now: Duration) {
        let begun = self.begin_listing(now);
        self.listed(begun, Marker::Present);
    }

    /// Whether the marker is known to be there.
    #[must_use]
    pub fn has_marker(&self) -> bool {
        self.marker == Marker::Present
    }

    /// The marker is there.
    pub fn marked(&mut self) {
        self.marker = Marker::Present;
    }

    /// All names, where a listing is recent enough to have them all.
    #[must_use]
    pub fn all(&self, now: Duration, ttl: Duration) -> Option<Vec<(Arc<str>, Known)>> {
        freshness(self.listed_at?, now, ttl)?;
        let present = self.by_name.iter().filter(|(_, child)| child.known != Known::Absent);
        Some(present.map(|(name, child)| (Arc::clone(name), child.known.clone())).collect())
    }

    /// Names that are here only in this mount so far.
    #[must_use]
    pub fn pinned(&self) -> Vec<(Arc<str>, Known)> {
        let pinned = self.by_name.iter().filter(|(_, child)| child.pinned);
        pinned.map(|(name, child)| (Arc::clone(name), child.known.clone())).collect()
    }

    /// Whether a recent word says that something other than `name` is in S3 below this
    /// directory.
    #[must_use]
    pub fn has_other_than(&self, name: &str, now: Duration, ttl: Duration) -> bool {
        self.by_name.iter().any(|(other, child)| {
            &**other != name
                && child.known != Known::Absent
                && !child.pinned
                && child.asked_at.is_some_and(|at| freshness(at, now, ttl).is_some())
        })
    }

    /// Forgets what S3 said.
    pub fn forget_unpinned(&mut self) {
        self.by_name.retain(|_, child| child.pinned);
        self.listed_at = None;
        self.marker = Marker::Unknown;
        self.forgotten += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn file(size: u64) -> Known {
        let last_modified = SystemTime::UNIX_EPOCH;
        Known::File(Facts { etag: ETag::new("e"), size, last_modified })
    }

    fn name(text: &str) -> Arc<str> {
        Arc::from(text)
    }

    #[test]
    fn what_was_asked_is_believed_for_the_ttl_and_no_longer() {
        assert_eq!(freshness(at(500), at(900), TTL), Some(at(600)));
        assert_eq!(freshness(at(500), at(1500), TTL), None);
        assert_eq!(freshness(at(500), at(500), Duration::ZERO), None);
    }

    #[test]
    fn older_word_never_replaces_newer() {
        let mut names = Names::default();
        names.learn(&name("a"), Known::Absent, at(20));
        names.learn(&name("a"), file(1), at(10));
        assert_eq!(names.find("a", at(30), TTL), Some((Known::Absent, at(990))));
    }

    #[test]
    fn a_listing_that_began_before_our_own_change_does_not_undo_it() {
        let mut names = Names::default();
        names.learn(&name("removed"), Known::Absent, at(20));
        names.learn(&name("made"), file(1), at(20));
        names.learn(&name("removed"), file(9), at(10));
        let begun = names.begin_listing(at(10));
        names.listed(begun, Marker::Absent);
        assert_eq!(names.all(at(30), TTL), Some(vec![(name("made"), file(1))]));
    }

    #[test]
    fn a_name_that_a_listing_does_not_tell_is_absent() {
        let mut names = Names::default();
        names.learn(&name("gone"), file(1), at(5));
        names.learn(&name("here"), file(2), at(10));
        let begun = names.begin_listing(at(10));
        names.listed(begun, Marker::Present);
        assert_eq!(names.find("gone", at(20), TTL), Some((Known::Absent, at(990))));
        assert_eq!(names.find("here", at(20), TTL), Some((file(2), at(990))));
    }

    #[test]
    fn without_a_listing_an_unknown_name_must_be_asked_for() {
        assert_eq!(Names::default().find("a", at(0), TTL), None);
    }

    #[test]
    fn a_pinned_name_does_not_heed_what_s3_says() {
        let mut names = Names::default();
        names.pin(&name("new"), file(0), at(5));
        names.learn(&name("new"), Known::Absent, at(50));
        let begun = names.begin_listing(at(50));
        names.listed(begun, Marker::Absent);
        assert_eq!(names.find("new", at(5000), TTL), Some((file(0), TTL)));
        names.unpin(&name("new"), file(3), Some(at(6000)));
        assert_eq!(names.find("new", at(6000), TTL), Some((file(3), TTL)));
    }

    #[test]
    fn what_is_in_doubt_is_asked_for_whatever_a_listing_said() {
        let mut names = Names::default();
        let begun = names.begin_listing(at(10));
        names.learn(&name("a"), file(1), at(10));
        names.listed(begun, Marker::Absent);
        names.doubt(&name("a"));
        names.doubt(&name("b"));
        assert_eq!(names.find("a", at(10), TTL), None);
        assert_eq!(names.find("b", at(10), TTL), None);
        names.learn(&name("b"), file(2), at(10));
        assert_eq!(names.find("b", at(10), TTL), Some((file(2), TTL)));
    }

    #[test]
    fn only_what_is_in_s3_keeps_a_directory_there() {
        let mut names = Names::default();
        names.learn(&name("a"), file(1), at(10));
        names.pin(&name("b"), file(0), at(10));
        assert!(!names.has_other_than("a", at(20), TTL));
        names.learn(&name("c"), file(1), at(10));
        assert!(names.has_other_than("a", at(20), TTL));
        assert!(!names.has_other_than("a", at(2000), TTL));
    }

    #[test]
    fn a_listing_during_which_names_were_forgotten_does_not_tell_all() {
        let mut names = Names::default();
        let begun = names.begin_listing(at(10));
        names.learn(&name("a"), file(1), at(10));
        names.forget_unpinned();
        names.listed(begun, Marker::Absent);
        assert_eq!(names.find("a", at(20), TTL), None);
    }

    #[test]
    fn what_is_remembered_of_a_directory_is_bounded() {
        let mut names = Names::default();
        names.pin(&name("pinned"), file(0), at(1));
        for index in 0..NAMES_MAX as u64 + 10 {
            names.learn(&name(&format!("n{index}")), file(index), at(10));
        }
        assert!(names.by_name.len() <= NAMES_MAX);
        assert!(names.by_name.contains_key("pinned"));
    }
}
