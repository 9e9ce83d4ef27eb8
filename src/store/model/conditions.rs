//! Conditions: whether a request's preconditions hold.
//!
//! Pure functions over the conditions and what is there now. Whoever changes something asks
//! them in the same breath as it changes it.

use std::time::SystemTime;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::refusal;
use crate::store::types::{Conditions, ETag, EtagCondition};

/// Checks the conditions of a GET or HEAD, in the order of RFC 9110: an ETag given beats a date.
pub(super) fn check_read(
    conditions: &Conditions,
    etag: &ETag,
    last_modified: SystemTime,
) -> StoreResult<()> {
    let is_later = |than: Option<SystemTime>| than.is_some_and(|than| last_modified > than);
    let failed = match &conditions.if_match {
        Some(wanted) => !matches(wanted, etag),
        None => is_later(conditions.if_unmodified_since),
    };
    if failed {
        return Err(refusal::precondition_failed());
    }
    let unchanged = match &conditions.if_none_match {
        Some(known) => matches(known, etag),
        None => conditions.if_modified_since.is_some() && !is_later(conditions.if_modified_since),
    };
    if unchanged { Err(refusal::not_modified()) } else { Ok(()) }
}

/// Checks the conditions on the source of a copy: like a read's, but there is no 304.
pub(super) fn check_source(
    conditions: &Conditions,
    etag: &ETag,
    last_modified: SystemTime,
) -> StoreResult<()> {
    check_read(conditions, etag, last_modified).map_err(|_| refusal::precondition_failed())
}

/// Checks the conditions of a write against the object it would replace.
pub(super) fn check_write(
    conditions: &Conditions,
    current: Option<&ETag>,
    key: &str,
) -> StoreResult<()> {
    match (&conditions.if_none_match, current) {
        (None, _) | (Some(EtagCondition::Any), None) => {}
        (Some(EtagCondition::Any), Some(_)) => return Err(refusal::precondition_failed()),
        (Some(EtagCondition::Is(_)), _) => {
            return Err(StoreError::new(
                ErrorKind::Unsupported,
                "NotImplemented",
                "If-None-Match of a write takes nothing but *",
            ));
        }
    }
    match (&conditions.if_match, current) {
        (Some(_), None) => Err(refusal::no_such_key(key)),
        (Some(wanted), Some(etag)) if !matches(wanted, etag) => Err(refusal::precondition_failed()),
        (None | Some(_), _) => Ok(()),
    }
}

/// Checks the conditions of a delete against the current object; an absent one matches nothing.
pub(super) fn check_delete(conditions: &Conditions, current: Option<&ETag>) -> StoreResult<()> {
    match &conditions.if_match {
        Some(wanted) if !current.is_some_and(|etag| matches(wanted, etag)) => {
            Err(refusal::precondition_failed())
        }
        _ => Ok(()),
    }
}

fn matches(condition: &EtagCondition, etag: &ETag) -> bool {
    match condition {
        EtagCondition::Any => true,
        EtagCondition::Is(wanted) => wanted == etag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn is(etag: &str) -> Option<EtagCondition> {
        Some(EtagCondition::Is(ETag::new(etag)))
    }

    /// The code that a read of the object `a`, modified at second 10, gets; empty for success.
    #[track_caller]
    fn check(conditions: &Conditions, expected: &str) {
        let code = check_read(conditions, &ETag::new("a"), at(10)).err().map(|error| error.code);
        assert_eq!(code.as_deref().unwrap_or(""), expected);
    }

    #[test]
    fn a_read_meets_its_etag_conditions() {
        check(&Conditions { if_match: is("a"), ..Conditions::default() }, "");
        check(&Conditions { if_match: Some(EtagCondition::Any), ..Conditions::default() }, "");
        check(&Conditions { if_match: is("b"), ..Conditions::default() }, "PreconditionFailed");
        check(&Conditions { if_none_match: is("a"), ..Conditions::default() }, "NotModified");
        check(&Conditions { if_none_match: is("b"), ..Conditions::default() }, "");
    }

    #[test]
    fn a_read_meets_its_date_conditions() {
        let modified =
            |second| Conditions { if_modified_since: Some(at(second)), ..Conditions::default() };
        let unmodified =
            |second| Conditions { if_unmodified_since: Some(at(second)), ..Conditions::default() };
        check(&modified(9), "");
        check(&modified(10), "NotModified");
        check(&unmodified(10), "");
        check(&unmodified(9), "PreconditionFailed");
    }

    #[test]
    fn an_etag_beats_a_date() {
        let both = Conditions {
            if_match: is("a"),
            if_unmodified_since: Some(at(9)),
            ..Conditions::default()
        };
        check(&both, "");
        let both = Conditions {
            if_none_match: is("b"),
            if_modified_since: Some(at(11)),
            ..Conditions::default()
        };
        check(&both, "");
    }

    #[test]
    fn a_write_may_ask_for_absence_or_for_an_etag() {
        let a = ETag::new("a");
        let code = |conditions: &Conditions, current: Option<&ETag>| {
            check_write(conditions, current, "k").err().map(|error| error.code.into_owned())
        };
        let absent = Conditions::absent();
        assert_eq!(code(&absent, None), None);
        assert_eq!(code(&absent, Some(&a)).as_deref(), Some("PreconditionFailed"));
        let same = Conditions::matching(ETag::new("a"));
        assert_eq!(code(&same, Some(&a)), None);
        assert_eq!(code(&same, Some(&ETag::new("b"))).as_deref(), Some("PreconditionFailed"));
        assert_eq!(code(&same, None).as_deref(), Some("NoSuchKey"));
        let strange = Conditions { if_none_match: is("a"), ..Conditions::default() };
        assert_eq!(code(&strange, None).as_deref(), Some("NotImplemented"));
    }

    #[test]
    fn a_delete_may_ask_for_an_etag() {
        let a = ETag::new("a");
        let same = Conditions::matching(ETag::new("a"));
        assert!(check_delete(&same, Some(&a)).is_ok());
        assert!(check_delete(&same, Some(&ETag::new("b"))).is_err());
        assert!(check_delete(&same, None).is_err());
        assert!(check_delete(&Conditions::default(), None).is_ok());
    }

    #[test]
    fn the_source_of_a_copy_fails_where_a_read_would_be_unchanged() {
        let unchanged = Conditions { if_none_match: is("a"), ..Conditions::default() };
        let error = check_source(&unchanged, &ETag::new("a"), at(10)).unwrap_err();
        assert_eq!(error.code, "PreconditionFailed");
    }
}
