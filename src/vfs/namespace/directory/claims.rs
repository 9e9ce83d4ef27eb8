//! Claims: whose attributes are to be asked for, when a program wants those of one name.
//!
//! A program that wants one after the other has those behind them asked for as well, twice as many
//! each time, and the next as soon as it has come half as far. Whoever claims a name asks for it,
//! and nobody else does meanwhile.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::vfs::namespace::directory::{Known, Names, freshness};

/// The attributes of at most so many names are asked for at once, ahead of a program that wants
/// them one by one.
const ATTRIBUTES_AHEAD_MAX: usize = 256;

/// Whose attributes are to be asked for, when somebody wants those of one name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// They are known, and may be believed for so long.
    Known(Known, Duration),
    /// Somebody is asking.
    Asked,
    /// By whoever claims, who is to have these asked for as well.
    Ask { ahead: Vec<Arc<str>> },
    /// The name itself is no longer fresh.
    Unknown,
}

/// Names whose attributes are being asked for, and how far a program that wants one after the
/// other has come.
#[derive(Debug, Default)]
pub(super) struct Asking {
    names: HashSet<Arc<str>>,
    last: Option<Arc<str>>,
    window: usize,
    /// Whoever wants this has come so far that more are to be asked for.
    middle: Option<Arc<str>>,
}

impl Names {
    /// Takes on asking for the attributes of `name`, and where a program goes through the names
    /// in order also of those that come next, twice as many each time.
    pub fn claim(&mut self, name: &Arc<str>, now: Duration, ttl: Duration) -> Claim {
        let Some((known, left)) = self.find(name, now, ttl) else { return Claim::Unknown };
        if known.is_whole() {
            return Claim::Known(known, left);
        }
        if self.asking.names.contains(name) {
            return Claim::Asked;
        }
        let continues = self.asking.last.clone().is_some_and(|last| {
            self.without_attributes(Bound::Excluded(&*last), now, ttl).next() == Some(name)
        });
        let window = if continues { self.asking.window * 2 } else { 1 };
        let mut ahead = self.claim_from(Bound::Included(&**name), window, now, ttl);
        ahead.retain(|each| each != name);
        Claim::Ask { ahead }
    }

    /// Names whose attributes are to be asked for by whoever wants this one, although its own are
    /// known or asked for.
    pub fn claim_ahead(&mut self, name: &str, now: Duration, ttl: Duration) -> Vec<Arc<str>> {
        if self.asking.middle.as_deref() != Some(name) {
            return Vec::new();
        }
        match self.asking.last.clone() {
            Some(last) => {
                self.claim_from(Bound::Excluded(&*last), self.asking.window * 2, now, ttl)
            }
            None => Vec::new(),
        }
    }

    fn claim_from(
        &mut self,
        from: Bound<&str>,
        window: usize,
        now: Duration,
        ttl: Duration,
    ) -> Vec<Arc<str>> {
        let window = window.min(ATTRIBUTES_AHEAD_MAX);
        let names: Vec<_> = self.without_attributes(from, now, ttl).take(window).cloned().collect();
        let middle = names.get(names.len() / 2).filter(|_| names.len() > 1);
        self.asking.middle = middle.cloned();
        if !names.is_empty() {
            self.asking.window = window;
            self.asking.last = names.last().cloned();
        }
        self.asking.names.extend(names.iter().cloned());
        names
    }

    /// Whoever claimed these has asked, or has given up.
    pub fn disclaim(&mut self, names: &[Arc<str>]) {
        for name in names {
            self.asking.names.remove(name);
        }
    }

    fn without_attributes(
        &self,
        from: Bound<&str>,
        now: Duration,
        ttl: Duration,
    ) -> impl Iterator<Item = &Arc<str>> {
        let range = self.by_name.range::<str, _>((from, Bound::Unbounded));
        range
            .filter(move |(name, child)| {
                let is_fresh = child.asked_at.is_some_and(|at| freshness(at, now, ttl).is_some());
                let is_there = child.known != Known::Absent;
                is_fresh && is_there && !self.asking.names.contains(*name)
            })
            .filter(|(_, child)| child.known.posix().is_none())
            .map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::store::types::ETag;
    use crate::vfs::namespace::directory::{Asked, Facts};

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

    fn claimed(names: &mut Names, first: &str) -> Vec<String> {
        match names.claim(&name(first), at(20), TTL) {
            Claim::Ask { ahead } => std::iter::once(first)
                .chain(ahead.iter().map(|name| &**name))
                .map(str::to_owned)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attributes_are_asked_ahead_of_whoever_wants_one_after_the_other() {
        let mut names = Names::default();
        for index in 0..20 {
            names.learn(&name(&format!("n{index:02}")), file(1), at(10));
        }
        assert_eq!(claimed(&mut names, "n00"), ["n00"]);
        assert_eq!(claimed(&mut names, "n01"), ["n01", "n02"]);
        assert_eq!(names.claim(&name("n02"), at(20), TTL), Claim::Asked);
        assert_eq!(claimed(&mut names, "n03"), ["n03", "n04", "n05", "n06"]);
        assert_eq!(claimed(&mut names, "n17"), ["n17"]);
    }

    #[test]
    fn whoever_has_come_half_as_far_as_was_asked_has_more_asked() {
        let mut names = Names::default();
        for index in 0..20 {
            names.learn(&name(&format!("n{index:02}")), file(1), at(10));
        }
        assert!(names.claim_ahead("n00", at(20), TTL).is_empty());
        assert_eq!(claimed(&mut names, "n00"), ["n00"]);
        assert_eq!(claimed(&mut names, "n01"), ["n01", "n02"]);
        let mut ahead = |text: &str| -> Vec<String> {
            let ahead = names.claim_ahead(text, at(20), TTL);
            ahead.iter().map(ToString::to_string).collect()
        };
        assert_eq!(ahead("n01"), [""; 0]);
        assert_eq!(ahead("n02"), ["n03", "n04", "n05", "n06"]);
        assert_eq!(ahead("n02"), [""; 0]);
        assert_eq!(ahead("n05").len(), 8);
        assert_eq!(ahead("n11").len(), 5);
        assert_eq!(ahead("n17"), [""; 0]);
    }

    #[test]
    fn whose_attributes_are_known_or_being_asked_is_not_asked_again() {
        let mut names = Names::default();
        for text in ["a", "b", "c"] {
            names.learn(&name(text), file(1), at(10));
        }
        let Known::File(facts) = file(1) else { panic!("a file") };
        names.recall("b", &facts, Arc::default());
        assert_eq!(claimed(&mut names, "a"), ["a"]);
        assert!(matches!(names.claim(&name("b"), at(20), TTL), Claim::Known(..)));
        names.disclaim(&[name("a")]);
        assert_eq!(claimed(&mut names, "a"), ["a"]);
        assert_eq!(names.claim(&name("a"), at(2000), TTL), Claim::Unknown);
    }
}
