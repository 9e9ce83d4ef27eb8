//! Lifecycle: what a bucket's rules do to its objects as time passes.
//!
//! [`plan_due`] is pure: state and time in, change out. Objects are moved to colder classes and
//! expire, versions that are no longer current too, markers with nothing behind them go, and so
//! do uploads that nobody completes. Which rules a document holds, and which documents S3 refuses,
//! is [`rules`]' business.
//!
//! Where S3 acts at the next midnight (UTC) after a number of days, this acts as soon as they have
//! passed: [`Sweeps`] has a bucket looked at before it is used, at most once a minute of a day.
//! Objects of every size are moved; S3 leaves those below 128 KiB alone unless a rule names sizes.

mod rules;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::store::error::StoreResult;
use crate::store::model::lifecycle::rules::{Expiration, Noncurrent, Rule, When};
use crate::store::model::lock;
use crate::store::model::names;
use crate::store::model::objects;
use crate::store::model::state::{
    Change, ObjectName, State, StoredObject, Update, UploadName, Version, Versions,
};
use crate::store::model::writes;
use crate::store::types::{DeleteObject, DocumentKind};

/// How often a bucket is looked at, as a part of a day.
const SWEEPS_A_DAY: u32 = 24 * 60;

/// When buckets were looked at last.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<HashMap<String, SystemTime>>);

impl Sweeps {
    /// Whether it is time to look at a bucket; whoever is told so does.
    pub(super) fn begin(&self, bucket: &str, now: SystemTime, day: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.get(bucket).is_none_or(|last| now >= *last + day / SWEEPS_A_DAY);
        if is_due {
            last.insert(bucket.to_owned(), now);
        }
        is_due
    }

    /// Has a bucket looked at before it is used again.
    pub(super) fn forget(&self, bucket: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(bucket);
    }
}

/// Whether a bucket has rules at all.
pub(super) fn has_rules(state: &State, bucket: &str) -> bool {
    let bucket = state.buckets.get(bucket);
    bucket.is_some_and(|bucket| bucket.info.documents.contains_key(&DocumentKind::Lifecycle))
}

/// Fails where S3 refuses a document.
pub(super) fn check_text(text: &str) -> StoreResult<()> {
    rules::read(text).map(drop)
}

/// Plans all that a bucket's rules have come to ask for by `now`, with days of length `day`.
pub(super) fn plan_due(state: &State, bucket: &str, now: SystemTime, day: Duration) -> Change {
    let Some(found) = state.buckets.get(bucket) else { return Change::new() };
    let rules = found.info.documents.get(&DocumentKind::Lifecycle);
    let Some(rules) = rules.and_then(|text| rules::read(text).ok()) else { return Change::new() };
    let sweep = Sweep { state, bucket, rules, now, day };
    let versions = found.objects.iter().flat_map(|(key, versions)| sweep.plan_key(key, versions));
    let uploads = found.uploads.iter().filter(|((key, _), upload)| {
        sweep.rules.iter().filter(|rule| rule.filter.prefix_matches(key)).any(|rule| {
            rule.abort_days.is_some_and(|days| sweep.have_passed(upload.info.started, days))
        })
    });
    let aborts = uploads.map(|((key, upload), _)| {
        let object = ObjectName::new(bucket, key);
        Update::Upload { name: UploadName { object, upload: upload.clone() }, info: None }
    });
    versions.chain(aborts).collect()
}

/// One look at a bucket.
struct Sweep<'a> {
    state: &'a State,
    bucket: &'a str,
    rules: Vec<Rule>,
    now: SystemTime,
    day: Duration,
}

impl Sweep<'_> {
    fn plan_key(&self, key: &str, versions: &Versions) -> Change {
        let name = ObjectName::new(self.bucket, key);
        let mut newest_first = versions.newest_first();
        let Some(newest) = newest_first.next() else { return Change::new() };
        let mut change = match &newest.object {
            Some(object) => self.plan_current(&name, newest, object),
            None if versions.newest_first().count() == 1 => self.plan_marker(&name, newest),
            None => Change::new(),
        };
        let mut since = newest.last_modified;
        for (newer, version) in newest_first.enumerate() {
            change.extend(self.plan_noncurrent(&name, version, newer, since));
            since = version.last_modified;
        }
        change
    }

    fn plan_current(&self, name: &ObjectName, version: &Version, object: &StoredObject) -> Change {
        let rules = || self.rules.iter().filter(|rule| rule.filter.matches(&name.key, object));
        let expires = rules().any(|rule| match &rule.expiration {
            Some(Expiration::At(when)) => self.is_past(version.last_modified, when),
            Some(Expiration::Marker) | None => false,
        });
        if expires {
            let (options, id) = (DeleteObject::default(), writes::fresh_id());
            let planned = objects::plan_delete(self.state, name, &options, id, self.now);
            return planned.map(|(change, _deleted)| change).unwrap_or_default();
        }
        let due = rules().flat_map(|rule| &rule.transitions);
        let due = due.filter(|(when, _)| self.is_past(version.last_modified, when));
        plan_move(name, version, object, due.map(|(_, class)| class.as_str()))
    }

    /// A marker that hides nothing any more.
    fn plan_marker(&self, name: &ObjectName, marker: &Version) -> Change {
        let rules = self.rules.iter().filter(|rule| rule.filter.prefix_matches(&name.key));
        let goes =
            rules.filter_map(|rule| rule.expiration.as_ref()).any(|expiration| match expiration {
                Expiration::Marker => true,
                Expiration::At(when) => self.is_past(marker.last_modified, when),
            });
        if goes { vec![removal(name, marker)] } else { Change::new() }
    }

    /// A version that is not current `since` a newer one came; `newer` others are between them.
    fn plan_noncurrent(
        &self,
        name: &ObjectName,
        version: &Version,
        newer: usize,
        since: SystemTime,
    ) -> Change {
        let matches = |rule: &&Rule| match &version.object {
            Some(object) => rule.filter.matches(&name.key, object),
            None => rule.filter.prefix_matches(&name.key),
        };
        let is_due = |it: &Noncurrent| newer >= it.newer_kept && self.have_passed(since, it.days);
        let rules = || self.rules.iter().filter(matches);
        if rules().any(|rule| rule.noncurrent_expiration.as_ref().is_some_and(is_due)) {
            let object = version.object.as_ref();
            let is_kept =
                object.is_some_and(|it| lock::check_delete(&it.documents, self.now).is_err());
            return if is_kept { Change::new() } else { vec![removal(name, version)] };
        }
        let Some(object) = &version.object else { return Change::new() };
        let due = rules().flat_map(|rule| &rule.noncurrent_transitions);
        let due = due.filter(|(when, _)| is_due(when)).map(|(_, class)| class.as_str());
        plan_move(name, version, object, due)
    }

    fn is_past(&self, since: SystemTime, when: &When) -> bool {
        match when {
            When::Days(days) => self.have_passed(since, *days),
            When::Date(date) => *date <= self.now,
        }
    }

    fn have_passed(&self, since: SystemTime, days: u32) -> bool {
        since + self.day * days <= self.now
    }
}

/// Moves an object to the coldest of some classes, never to a warmer one.
fn plan_move<'a>(
    name: &ObjectName,
    version: &Version,
    object: &StoredObject,
    classes: impl Iterator<Item = &'a str>,
) -> Change {
    let Some(class) = classes.max_by_key(|class| coldness(class)) else { return Change::new() };
    let current = object.attributes.storage_class.as_deref().unwrap_or(names::STANDARD);
    if coldness(class) <= coldness(current) {
        return Change::new();
    }
    let mut object = object.clone();
    object.attributes.storage_class = Some(class.to_owned());
    let version = Version { object: Some(Arc::new(object)), ..version.clone() };
    vec![Update::Version { name: name.clone(), sequence: version.sequence, version: Some(version) }]
}

fn removal(name: &ObjectName, version: &Version) -> Update {
    Update::Version { name: name.clone(), sequence: version.sequence, version: None }
}

/// The order in which rules may move objects
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>).
fn coldness(class: &str) -> usize {
    rules::CLASSES.iter().position(|known| *known == class).map_or(0, |position| position + 1)
}

#[cfg(test)]
mod tests;
