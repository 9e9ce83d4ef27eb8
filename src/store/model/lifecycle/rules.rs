//! Rules: what a lifecycle document says, and which documents S3 refuses.
//!
//! Codes and sentences are those of `PutBucketLifecycleConfiguration`
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>).

use std::collections::BTreeSet;
use std::time::SystemTime;

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, Time};

use crate::store::error::StoreResult;
use crate::store::model::refusal;
use crate::store::model::state::StoredObject;
use crate::store::model::xml::Element;

/// The classes that rules move objects to, the coldest last.
pub(super) const CLASSES: [&str; 6] =
    ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

/// The classes that objects must be some days old for.
const INFREQUENT_CLASSES: [&str; 2] = ["STANDARD_IA", "ONEZONE_IA"];
const INFREQUENT_DAYS_MIN: u32 = 30;

const RULES_MAX: usize = 1000;
const ID_CHARS_MAX: usize = 255;
const NEWER_KEPT_MAX: u32 = 100;

/// What one enabled rule asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Rule {
    pub(super) filter: Filter,
    /// When, and to which class.
    pub(super) transitions: Vec<(When, String)>,
    pub(super) expiration: Option<Expiration>,
    pub(super) noncurrent_transitions: Vec<(Noncurrent, String)>,
    pub(super) noncurrent_expiration: Option<Noncurrent>,
    pub(super) abort_days: Option<u32>,
}

/// Which objects a rule is about; all that is said must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Filter {
    prefix: String,
    tags: Vec<(String, String)>,
    larger_than: Option<u64>,
    smaller_than: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum When {
    /// After the object was written.
    Days(u32),
    Date(SystemTime),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expiration {
    At(When),
    /// Of markers that hide nothing.
    Marker,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Noncurrent {
    /// Since the version is not current.
    pub(super) days: u32,
    /// How many newer ones, the current one apart, are left alone.
    pub(super) newer_kept: usize,
}

impl Filter {
    pub(super) fn matches(&self, key: &str, object: &StoredObject) -> bool {
        key.starts_with(&self.prefix)
            && self.tags.iter().all(|(tag, value)| object.tags.get(tag) == Some(value))
            && self.larger_than.is_none_or(|bytes| object.size > bytes)
            && self.smaller_than.is_none_or(|bytes| object.size < bytes)
    }

    /// For what is no object and has neither tags nor a size.
    pub(super) fn prefix_matches(&self, key: &str) -> bool {
        key.starts_with(&self.prefix)
            && self.tags.is_empty()
            && self.larger_than.is_none()
            && self.smaller_than.is_none()
    }
}

/// Reads a document; answers the rules that are enabled.
pub(super) fn read(text: &str) -> StoreResult<Vec<Rule>> {
    let document = Element::parse(text).ok_or_else(refusal::malformed_document)?;
    let rules: Vec<_> = document.all("Rule").collect();
    if rules.is_empty() {
        return Err(refusal::malformed_document());
    }
    if rules.len() > RULES_MAX {
        return Err(refusal::invalid_request(format!(
            "The number of lifecycle rules must not exceed the allowed limit of {RULES_MAX} rules"
        )));
    }
    check_ids(&rules)?;
    let mut enabled = Vec::new();
    for element in rules {
        let rule = rule_of(element)?;
        match element.text_of("Status") {
            Some("Enabled") => enabled.push(rule),
            Some("Disabled") => {}
            _ => return Err(refusal::malformed_document()),
        }
    }
    Ok(enabled)
}

fn check_ids(rules: &[&Element]) -> StoreResult<()> {
    let mut ids = BTreeSet::new();
    for id in rules.iter().filter_map(|rule| rule.text_of("ID")).filter(|id| !id.is_empty()) {
        if id.chars().count() > ID_CHARS_MAX {
            let message = format!("ID length should not exceed allowed limit of {ID_CHARS_MAX}");
            return Err(refusal::invalid_argument(message));
        }
        if !ids.insert(id) {
            return Err(refusal::invalid_argument(
                "Rule ID must be unique. Found same ID for more than one rule",
            ));
        }
    }
    Ok(())
}

fn rule_of(element: &Element) -> StoreResult<Rule> {
    let transitions = element
        .all("Transition")
        .map(|transition| Ok((when_of(transition, "Transition")?, class_of(transition)?)));
    let noncurrent = element
        .all("NoncurrentVersionTransition")
        .map(|transition| Ok((noncurrent_of(transition, 0)?, class_of(transition)?)));
    let rule = Rule {
        filter: filter_of(element)?,
        transitions: transitions.collect::<StoreResult<_>>()?,
        expiration: element.child("Expiration").map(expiration_of).transpose()?,
        noncurrent_transitions: noncurrent.collect::<StoreResult<_>>()?,
        noncurrent_expiration: element
            .child("NoncurrentVersionExpiration")
            .map(|expiration| noncurrent_of(expiration, 1))
            .transpose()?,
        abort_days: element.child("AbortIncompleteMultipartUpload").map(abort_of).transpose()?,
    };
    check_rule(&rule)?;
    Ok(rule)
}

/// Checks what the parts of a rule must not be together.
fn check_rule(rule: &Rule) -> StoreResult<()> {
    let has_action = !rule.transitions.is_empty()
        || !rule.noncurrent_transitions.is_empty()
        || rule.expiration.is_some()
        || rule.noncurrent_expiration.is_some()
        || rule.abort_days.is_some();
    if !has_action {
        let message = "At least one action needs to be specified in a rule.";
        return Err(refusal::invalid_request(message));
    }
    if !rule.filter.tags.is_empty() && rule.abort_days.is_some() {
        let message = "AbortIncompleteMultipartUpload cannot be specified with Tags.";
        return Err(refusal::invalid_request(message));
    }
    if !rule.filter.tags.is_empty() && rule.expiration == Some(Expiration::Marker) {
        let message = "ExpiredObjectDeleteMarker cannot be specified with Tags.";
        return Err(refusal::invalid_request(message));
    }
    check_transitions(rule)?;
    check_order(rule)
}

fn check_transitions(rule: &Rule) -> StoreResult<()> {
    let mut classes = BTreeSet::new();
    for (when, class) in &rule.transitions {
        if !classes.insert(class) {
            return Err(refusal::invalid_request(
                "'StorageClass' must be different for 'Transition' actions in same 'Rule'",
            ));
        }
        let is_early = matches!(when, When::Days(days) if *days < INFREQUENT_DAYS_MIN);
        if is_early && INFREQUENT_CLASSES.contains(&class.as_str()) {
            return Err(refusal::invalid_argument(format!(
                "'Days' in Transition action must be greater than or equal to {INFREQUENT_DAYS_MIN} for storageClass '{class}'"
            )));
        }
    }
    Ok(())
}

/// An object can't expire before it is moved, nor be counted in days here and by dates there.
fn check_order(rule: &Rule) -> StoreResult<()> {
    let expiration = match &rule.expiration {
        Some(Expiration::At(when)) => Some(*when),
        Some(Expiration::Marker) | None => None,
    };
    for (when, _) in &rule.transitions {
        match (when, expiration) {
            (When::Days(moved), Some(When::Days(expires))) if expires <= *moved => {
                return Err(refusal::invalid_argument(
                    "'Days' in the Expiration action must be greater than 'Days' in the Transition action",
                ));
            }
            (When::Days(_), Some(When::Date(_))) | (When::Date(_), Some(When::Days(_))) => {
                return Err(refusal::invalid_request(
                    "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A rule has a filter or, as rules once had, a prefix of its own.
fn filter_of(rule: &Element) -> StoreResult<Filter> {
    match (rule.child("Filter"), rule.text_of("Prefix")) {
        (Some(filter), None) => match (filter.child("And"), filter.children.len()) {
            (Some(and), 1) if and.children.len() > 1 => conditions_of(and),
            (None, 0 | 1) => conditions_of(filter),
            _ => Err(refusal::malformed_document()),
        },
        (None, Some(prefix)) => Ok(Filter { prefix: prefix.to_owned(), ..Filter::default() }),
        _ => Err(refusal::malformed_document()),
    }
}

fn conditions_of(element: &Element) -> StoreResult<Filter> {
    let mut filter = Filter::default();
    for condition in &element.children {
        match condition.name.as_str() {
            "Prefix" => filter.prefix.clone_from(&condition.text),
            "Tag" => filter.tags.push(tag_of(condition)?),
            "ObjectSizeGreaterThan" => filter.larger_than = Some(number(&condition.text)?),
            "ObjectSizeLessThan" => filter.smaller_than = Some(number(&condition.text)?),
            _ => return Err(refusal::malformed_document()),
        }
    }
    Ok(filter)
}

fn tag_of(tag: &Element) -> StoreResult<(String, String)> {
    match (tag.text_of("Key"), tag.text_of("Value")) {
        (Some(key), Some(value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(refusal::malformed_document()),
    }
}

fn class_of(transition: &Element) -> StoreResult<String> {
    let class = transition.text_of("StorageClass").filter(|class| CLASSES.contains(class));
    class.map(str::to_owned).ok_or_else(refusal::malformed_document)
}

fn when_of(action: &Element, name: &str) -> StoreResult<When> {
    match (action.text_of("Days"), action.text_of("Date")) {
        (Some(days), None) => match number::<i64>(days)? {
            days if days < 0 => Err(refusal::invalid_argument(format!(
                "'Days' in {name} action must be nonnegative"
            ))),
            days => u32::try_from(days).map(When::Days).map_err(|_| refusal::malformed_document()),
        },
        (None, Some(date)) => Ok(When::Date(date_of(date)?)),
        _ => Err(refusal::malformed_document()),
    }
}

fn expiration_of(action: &Element) -> StoreResult<Expiration> {
    match action.text_of("ExpiredObjectDeleteMarker") {
        Some("true") if action.children.len() == 1 => Ok(Expiration::Marker),
        Some(_) => Err(refusal::malformed_document()),
        None => match when_of(action, "Expiration")? {
            When::Days(0) => Err(refusal::invalid_argument(
                "'Days' for Expiration action must be a positive integer",
            )),
            when => Ok(Expiration::At(when)),
        },
    }
}

fn noncurrent_of(action: &Element, days_min: u32) -> StoreResult<Noncurrent> {
    let days = action.text_of("NoncurrentDays").ok_or_else(refusal::malformed_document)?;
    let days: u32 = number(days)?;
    if days < days_min {
        return Err(refusal::invalid_argument(
            "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
        ));
    }
    let kept = action.text_of("NewerNoncurrentVersions").map(number::<u32>).transpose()?;
    if kept.is_some_and(|kept| !(1..=NEWER_KEPT_MAX).contains(&kept)) {
        return Err(refusal::invalid_argument(format!(
            "'NewerNoncurrentVersions' must be a positive integer of at most {NEWER_KEPT_MAX}"
        )));
    }
    Ok(Noncurrent { days, newer_kept: kept.unwrap_or(0) as usize })
}

fn abort_of(action: &Element) -> StoreResult<u32> {
    let days = action.text_of("DaysAfterInitiation").ok_or_else(refusal::malformed_document)?;
    match number(days)? {
        0 => Err(refusal::invalid_argument(
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
        )),
        days => Ok(days),
    }
}

/// A day, or its first moment.
fn date_of(text: &str) -> StoreResult<SystemTime> {
    let time = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) => time,
        Err(_) => {
            let day = time::macros::format_description!("[year]-[month]-[day]");
            let day = Date::parse(text, &day).map_err(|_| refusal::malformed_document())?;
            day.midnight().assume_utc()
        }
    };
    if time.to_offset(time::UtcOffset::UTC).time() != Time::MIDNIGHT {
        return Err(refusal::invalid_argument("'Date' must be at midnight GMT"));
    }
    Ok(time.into())
}

fn number<N: std::str::FromStr>(text: &str) -> StoreResult<N> {
    text.parse().map_err(|_| refusal::malformed_document())
}

#[cfg(test)]
mod tests;
