//! What is known of the names in one directory, and for how long it is believed.
//!
//! Everything S3 said is kept with the time at which it was asked; older word never replaces
//! newer. What this mount changed itself counts as asked when S3 acknowledged it, and a file
//! that is being written here is *pinned*: what S3 says of its name does not matter until it is
//! there. Everything here is pure; times are [`Clock::monotonic`]'s.
//!
//! [`Clock::monotonic`]: crate::store::clock::Clock::monotonic

pub mod asks;
pub mod claims;
pub mod listed;
mod ranges;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::types::ETag;
use crate::vfs::namespace::directory::asks::Asks;
use crate::vfs::namespace::directory::claims::Asking;
use crate::vfs::namespace::directory::ranges::Ranges;
use crate::vfs::namespace::posix::Posix;
use crate::vfs::types::Kind;

/// A directory with more names than this is listed anew each time it is read, so that what is
/// remembered of it stays in bounds: about 300 bytes a name.
pub const NAMES_MAX: usize = 50_000;

/// Names passed in search of the first directory: those of a page.
const NAMES_BEFORE_DIRECTORY_MAX: usize = 1000;

/// An object longer than this is no symbolic link (`PATH_MAX`, less the NUL), and one with bytes
/// no other special file.
pub const SPECIAL_BYTES_MAX: u64 = 4095;

/// What S3 says of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    pub last_modified: SystemTime,
    pub posix: Asked,
    /// It was said to be archived; a listing does not tell whether it has been restored.
    pub is_archived: bool,
}

/// What S3 says of a directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DirectoryFacts {
    /// When it was made, where that is known: a bucket, or a marker.
    pub made_at: Option<SystemTime>,
    pub posix: Asked,
}

/// What the metadata of an object say of owner, mode and times. A listing does not tell them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Asked {
    #[default]
    NotYet,
    /// Asked so long after the object was written that a later change would show in its time.
    Settled(Arc<Posix>),
    /// Asked while the object was so new that a later change may have the same time.
    Fresh(Arc<Posix>),
}

impl Asked {
    /// `None` where nobody has asked.
    #[must_use]
    pub fn posix(&self) -> Option<&Arc<Posix>> {
        match self {
            Self::NotYet => None,
            Self::Settled(posix) | Self::Fresh(posix) => Some(posix),
        }
    }

    /// Of the same thing under another name since `at`.
    #[must_use]
    pub fn renamed(&self, at: SystemTime) -> Self {
        match self.posix() {
            None => Self::NotYet,
            Some(posix) => Self::Fresh(Arc::new(Posix { ctime: Some(at), ..Posix::clone(posix) })),
        }
    }
}

impl Facts {
    /// Whether it may be something else than a plain file, for all that is known.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        self.posix == Asked::NotYet && self.size <= SPECIAL_BYTES_MAX
    }

    /// Whether what was asked of `before` is true of these as well.
    fn continues(&self, before: &Self) -> bool {
        matches!(before.posix, Asked::Settled(_))
            && self.etag == before.etag
            && whole_seconds(self.last_modified) == whole_seconds(before.last_modified)
    }
}

/// The precision of `LastModified` in an HTTP header; a listing's may be finer.
fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What stands under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known {
    Absent,
    /// An object: a file, a symbolic link or another special file.
    File(Facts),
    Directory(DirectoryFacts),
}

impl Known {
    /// A directory of which nothing more is known.
    #[must_use]
    pub fn directory() -> Self {
        Self::Directory(DirectoryFacts::default())
    }

    #[must_use]
    pub fn posix(&self) -> Option<&Arc<Posix>> {
        match self {
            Self::Absent => None,
            Self::File(facts) => facts.posix.posix(),
            Self::Directory(facts) => facts.posix.posix(),
        }
    }

    /// Whether nothing more needs to be asked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::Absent || self.posix().is_some()
    }

    /// What kind of thing it is; an object of which nobody asked more is a file.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Directory(_) => Kind::Directory,
            Self::Absent | Self::File(_) => match self.posix().and_then(|posix| posix.kind) {
                None | Some(Kind::Directory) => Kind::File,
                Some(kind) => kind,
            },
        }
    }
}

/// What is remembered of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Child {
    pub known: Known,
    /// `None`: in doubt, to be asked for.
    asked_at: Option<Duration>,
    pinned: bool,
    /// A listing told it, and would tell it again.
    is_listed: bool,
}

impl Child {
    fn distrust(&mut self) {
        self.asked_at = None;
        match &mut self.known {
            Known::Absent => {}
            Known::File(facts) => facts.posix = Asked::NotYet,
            Known::Directory(facts) => facts.posix = Asked::NotYet,
        }
    }
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
    /// Where pages told all names.
    ranges: Ranges,
    marker: Marker,
    /// How often what S3 said was forgotten: a listing under way then no longer tells all.
    forgotten: u64,
    /// How often something that this mount knew better than S3 was forgotten or came in doubt.
    upheavals: u64,
    asking: Asking,
    asks: Asks,
    /// A program has read all of it, and has looked up no subdirectory since.
    is_read: bool,
}

/// A listing under way, from [`Names::begin_listing`].
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    asked_at: Duration,
    forgotten: u64,
    upheavals: u64,
}

/// For how long what was asked at `asked_at` is still believed; `None`: no longer.
///
/// An age of exactly `ttl` is too old, so that a `ttl` of zero believes nothing.
#[must_use]
pub fn freshness(asked_at: Duration, now: Duration, ttl: Duration) -> Option<Duration> {
    let age = now.saturating_sub(asked_at);
    (age < ttl).then(|| ttl - age)
}

/// `now` with what was asked before, where that is still true. A directory's attributes are
/// believed for as long as its name is asked for anew.
fn still_asked(now: Known, before: &Known) -> Known {
    match (now, before) {
        (Known::File(facts), Known::File(before))
            if facts.posix == Asked::NotYet && facts.continues(before) =>
        {
            Known::File(Facts { posix: before.posix.clone(), ..facts })
        }
        (now, _) => now,
    }
}

/// Whether both are of the same thing with the same bytes.
fn is_same(now: &Known, before: &Known) -> bool {
    match (now, before) {
        (Known::File(now), Known::File(before)) => now.etag == before.etag,
        (Known::Directory(_), Known::Directory(_)) => true,
        (Known::Absent | Known::File(_) | Known::Directory(_), _) => false,
    }
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
                let left = freshness(self.free_at(name)?, now, ttl)?;
                Some((Known::Absent, left))
            }
        }
    }

    /// When S3 told last that nothing stands under a name of which nothing is remembered.
    fn free_at(&self, name: &str) -> Option<Duration> {
        self.listed_at.max(self.ranges.asked_at(name))
    }

    /// Whether something is remembered of `name` itself that may still be believed.
    #[must_use]
    pub fn has_word_on(&self, name: &str, now: Duration, ttl: Duration) -> bool {
        self.by_name.contains_key(name) && self.find(name, now, ttl).is_some()
    }

    /// The last word on `name`, however old.
    #[must_use]
    pub fn last_known(&self, name: &str) -> Option<&Known> {
        self.by_name.get(name).map(|child| &child.known)
    }

    /// Takes note of what S3 said of a name.
    pub fn learn(&mut self, name: &Arc<str>, known: Known, asked_at: Duration) {
        let is_known_better = match self.by_name.get(name) {
            Some(child) => child.pinned || child.asked_at > Some(asked_at),
            None => self.free_at(name) > Some(asked_at),
        };
        if is_known_better {
            return;
        }
        if !self.by_name.contains_key(name) {
            self.make_room();
        }
        let before = self.by_name.get(name);
        let is_listed =
            before.is_some_and(|child| child.is_listed && is_same(&known, &child.known));
        let known = match before {
            Some(child) => still_asked(known, &child.known),
            None => known,
        };
        let child = Child { known, asked_at: Some(asked_at), pinned: false, is_listed };
        self.by_name.insert(Arc::clone(name), child);
    }

    /// From now on `name` is what this mount says it is.
    pub fn pin(&mut self, name: &Arc<str>, known: Known, now: Duration) {
        let child = Child { known, asked_at: Some(now), pinned: true, is_listed: false };
        self.by_name.insert(Arc::clone(name), child);
    }

    /// S3's word counts again for `name`; `known` is what it acknowledged at `asked_at`, or where
    /// that is `None` what it said some time ago.
    pub fn unpin(&mut self, name: &Arc<str>, known: Known, asked_at: Option<Duration>) {
        let child = Child { known, asked_at, pinned: false, is_listed: false };
        self.by_name.insert(Arc::clone(name), child);
    }

    /// What is remembered of `name` may be wrong: S3 is asked the next time.
    pub fn doubt(&mut self, name: &Arc<str>) {
        let absent =
            Child { known: Known::Absent, asked_at: None, pinned: false, is_listed: false };
        let child = self.by_name.entry(Arc::clone(name)).or_insert(absent);
        child.asked_at = None;
        self.upheavals += 1;
    }

    /// As [`Self::doubt`], and what was asked of its attributes counts no more. A pinned name is
    /// this mount's own and stays.
    pub fn distrust(&mut self, name: &str) {
        if let Some(child) = self.by_name.get_mut(name).filter(|child| !child.pinned) {
            child.distrust();
            self.upheavals += 1;
        }
    }

    /// As [`Self::distrust`], of all names, and of there being no others.
    pub fn distrust_all(&mut self) {
        self.upheavals += 1;
        self.forget_listings();
        self.by_name.values_mut().filter(|child| !child.pinned).for_each(Child::distrust);
    }

    /// Names of which it is known that nothing stands under them.
    #[must_use]
    pub fn absent(&self) -> Vec<Arc<str>> {
        let absent = self.by_name.iter().filter(|(_, child)| child.known == Known::Absent);
        absent.map(|(name, _)| Arc::clone(name)).collect()
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
        // Whoever removes many begins at the start.
        self.by_name.iter().rev().any(|(other, child)| {
            &**other != name
                && child.known != Known::Absent
                && !child.pinned
                && child.asked_at.is_some_and(|at| freshness(at, now, ttl).is_some())
        })
    }

    /// A program has read all of the directory.
    pub fn was_read(&mut self) {
        self.is_read = true;
    }

    /// A subdirectory is looked up. Whether it is the first that is since the directory was read, and
    /// the first that it has: no other comes before it, nor more than a page of names.
    pub fn begins_walk(&mut self, name: &str) -> bool {
        let before = self.by_name.range::<str, _>((Bound::Unbounded, Bound::Excluded(name)));
        let mut before = before.take(NAMES_BEFORE_DIRECTORY_MAX + 1).enumerate();
        std::mem::take(&mut self.is_read)
            && before.all(|(count, (_, child))| {
                count < NAMES_BEFORE_DIRECTORY_MAX && child.known.kind() != Kind::Directory
            })
    }

    /// What was remembered elsewhere of the attributes of just this object.
    pub fn recall(&mut self, name: &str, facts: &Facts, posix: Arc<Posix>) {
        if let Some(child) = self.by_name.get_mut(name)
            && let Known::File(known) = &mut child.known
            && known == facts
        {
            known.posix = Asked::Settled(posix);
        }
    }

    /// Forgets what S3 said.
    pub fn forget_unpinned(&mut self) {
        self.by_name.retain(|_, child| child.pinned);
        self.forget_listings();
        self.upheavals += 1;
    }

    /// What is not remembered may be there: no listing has told that it is not.
    fn forget_listings(&mut self) {
        self.listed_at = None;
        self.ranges.clear();
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
        let (etag, posix) = (ETag::new("e"), Asked::NotYet);
        Known::File(Facts { etag, size, last_modified, posix, is_archived: false })
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

    fn asked(posix: Posix) -> Asked {
        Asked::Settled(Arc::new(posix))
    }

    #[test]
    fn a_walk_begins_with_the_first_subdirectory_of_what_was_read() {
        let mut names = Names::default();
        for (text, known) in [("a", file(1)), ("b", Known::directory()), ("c", Known::directory())]
        {
            names.learn(&name(text), known, at(10));
        }
        assert!(!names.begins_walk("b"), "nobody has read it");
        names.was_read();
        assert!(names.begins_walk("b"));
        assert!(!names.begins_walk("b"), "it was looked up before");
        names.was_read();
        assert!(!names.begins_walk("c"), "it is the second");
        assert!(!names.begins_walk("b"), "another was looked up before");
    }

    #[test]
    fn attributes_are_kept_as_long_as_a_listing_tells_the_same_object() {
        let mut names = Names::default();
        let mode = Posix { mode: Some(0o600), ..Posix::default() };
        let with = |etag: &str, posix: Asked| {
            let last_modified = SystemTime::UNIX_EPOCH;
            let etag = ETag::new(etag);
            Known::File(Facts { etag, size: 1, last_modified, posix, is_archived: false })
        };
        names.learn(&name("a"), with("e", asked(mode.clone())), at(10));
        names.learn(&name("a"), with("e", Asked::NotYet), at(20));
        assert_eq!(names.last_known("a"), Some(&with("e", asked(mode.clone()))));
        names.learn(&name("a"), with("other", Asked::NotYet), at(30));
        assert_eq!(names.last_known("a"), Some(&with("other", Asked::NotYet)));
        let fresh = Asked::Fresh(Arc::new(mode));
        names.learn(&name("a"), with("other", fresh), at(40));
        names.learn(&name("a"), with("other", Asked::NotYet), at(50));
        assert_eq!(names.last_known("a"), Some(&with("other", Asked::NotYet)));
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
