//! Lock: which versions can't be deleted yet, and which holds and retentions are taken and given.
//!
//! Pure. What locks a version is in the documents that were put to it, a legal hold or a
//! retention. Bypassing a governance retention is not offered: both modes are refused alike, and
//! differ only in what may replace them.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::store::error::{StoreError, StoreResult};
use crate::store::model::documents;
use crate::store::model::refusal;
use crate::store::model::state::{BucketInfo, Documents};
use crate::store::model::xml::Element;
use crate::store::types::{DocumentKind, ObjectLock};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DAYS_A_YEAR: u32 = 365;
const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Governance,
    Compliance,
}

#[derive(Clone, Copy, Debug)]
struct Retention {
    mode: Mode,
    until: SystemTime,
}

/// What a bucket gives to every new version.
#[derive(Clone, Copy, Debug)]
pub(super) struct DefaultRetention {
    mode: Mode,
    days: u32,
}

impl Mode {
    fn named(name: Option<&str>) -> Option<Self> {
        match name {
            Some("GOVERNANCE") => Some(Self::Governance),
            Some("COMPLIANCE") => Some(Self::Compliance),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// What an object lock configuration gives to new versions, if it does; S3 refuses it where it
/// makes no sense.
pub(super) fn default_retention(text: &str) -> StoreResult<Option<DefaultRetention>> {
    let root = Element::parse(text).ok_or_else(refusal::malformed_document)?;
    if root.text_of("ObjectLockEnabled") != Some("Enabled") {
        return Err(refusal::malformed_document());
    }
    let Some(rule) = root.child("Rule") else { return Ok(None) };
    let default = rule.child("DefaultRetention").ok_or_else(refusal::malformed_document)?;
    let mode = Mode::named(default.text_of("Mode")).ok_or_else(refusal::malformed_document)?;
    let (number, unit_days) = match (default.text_of("Days"), default.text_of("Years")) {
        (Some(days), None) => (days, 1),
        (None, Some(years)) => (years, DAYS_A_YEAR),
        _ => return Err(refusal::malformed_document()),
    };
    match number.parse::<u32>().map_err(|_| refusal::malformed_document())? {
        0 => Err(refusal::invalid_argument(
            "Default retention period must be a positive integer value",
        )),
        number => Ok(Some(DefaultRetention { mode, days: number.saturating_mul(unit_days) })),
    }
}

/// The documents of a new version that is written with this lock.
pub(super) fn plan_documents(asked: &ObjectLock, now: SystemTime) -> StoreResult<Documents> {
    let mut documents = Documents::new();
    if let Some((mode, until)) = &asked.retention {
        let mode = Mode::named(Some(mode))
            .ok_or_else(|| refusal::invalid_argument("Unknown wormMode directive"))?;
        if *until <= now {
            return Err(date_is_past());
        }
        documents.insert(DocumentKind::Retention, retention_text(mode, *until));
    }
    if let Some(is_held) = asked.legal_hold {
        let status = if is_held { "ON" } else { "OFF" };
        let text = format!("<LegalHold {NAMESPACE}><Status>{status}</Status></LegalHold>");
        documents.insert(DocumentKind::LegalHold, text);
    }
    Ok(documents)
}

/// Fails where a version asks for a lock that its bucket can't give.
pub(super) fn check_lockable(bucket: &BucketInfo, asked: &Documents) -> StoreResult<()> {
    if bucket.object_lock || asked.is_empty() { Ok(()) } else { Err(no_lock_in_bucket()) }
}

/// Gives a new version what its bucket gives to all that bring no retention of their own.
pub(super) fn complete(
    bucket: &BucketInfo,
    documents: &mut Documents,
    written: SystemTime,
) -> StoreResult<()> {
    check_lockable(bucket, documents)?;
    let configured = bucket.documents.get(&DocumentKind::ObjectLock);
    let default = configured.map(|text| default_retention(text)).transpose()?.flatten();
    if let Some(DefaultRetention { mode, days }) = default {
        let until = || retention_text(mode, written + DAY * days);
        documents.entry(DocumentKind::Retention).or_insert_with(until);
    }
    Ok(())
}

fn retention_text(mode: Mode, until: SystemTime) -> String {
    let until = OffsetDateTime::from(until).format(&Rfc3339).unwrap_or_default();
    format!(
        "<Retention {NAMESPACE}><Mode>{}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>",
        mode.as_str()
    )
}

pub(super) fn no_lock_in_bucket() -> StoreError {
    refusal::invalid_request("Bucket is missing Object Lock Configuration")
}

fn date_is_past() -> StoreError {
    refusal::invalid_argument("The retain until date must be in the future!")
}

/// Fails with `AccessDenied` while a version with these documents must be kept.
pub(super) fn check_delete(documents: &Documents, now: SystemTime) -> StoreResult<()> {
    let hold = documents.get(&DocumentKind::LegalHold);
    let is_held = hold.is_some_and(|text| matches!(is_hold(text), Ok(true)));
    if is_held || standing_retention(documents, now).is_some() {
        return Err(access_denied());
    }
    Ok(())
}

/// Checks what is to be put to a version with these documents.
///
/// A retention is neither shortened nor taken out of compliance mode before its date.
pub(super) fn check_document(
    documents: &Documents,
    kind: DocumentKind,
    text: &str,
    now: SystemTime,
) -> StoreResult<()> {
    match kind {
        DocumentKind::LegalHold => is_hold(text).map(drop),
        DocumentKind::Retention => {
            let asked = retention_of(text)?;
            if asked.until <= now {
                return Err(date_is_past());
            }
            match standing_retention(documents, now) {
                Some(standing) if is_loosened(standing, asked) => Err(access_denied()),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn is_loosened(standing: Retention, asked: Retention) -> bool {
    asked.until < standing.until
        || (standing.mode == Mode::Compliance && asked.mode == Mode::Governance)
}

/// The retention that has not run out.
fn standing_retention(documents: &Documents, now: SystemTime) -> Option<Retention> {
    let retention = retention_of(documents.get(&DocumentKind::Retention)?).ok()?;
    (retention.until > now).then_some(retention)
}

fn is_hold(text: &str) -> StoreResult<bool> {
    match documents::text_of(text, "Status").as_deref() {
        Some("ON") => Ok(true),
        Some("OFF") => Ok(false),
        _ => Err(refusal::malformed_xml("A legal hold is ON or OFF")),
    }
}

fn retention_of(text: &str) -> StoreResult<Retention> {
    let mode = Mode::named(documents::text_of(text, "Mode").as_deref())
        .ok_or_else(|| refusal::malformed_xml("A retention has a mode"))?;
    let date = documents::text_of(text, "RetainUntilDate");
    let date = date.and_then(|date| OffsetDateTime::parse(&date, &Rfc3339).ok());
    let until = date.ok_or_else(|| refusal::malformed_xml("A retention has a date"))?;
    Ok(Retention { mode, until: until.into() })
}

fn access_denied() -> StoreError {
    refusal::access_denied("Access Denied because object protected by object lock.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::ErrorKind;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn hold(status: &str) -> String {
        format!("<LegalHold><Status>{status}</Status></LegalHold>")
    }

    /// Until a second of the first minute of time.
    fn retention(mode: &str, second: u32) -> String {
        format!(
            "<Retention><Mode>{mode}</Mode>\
             <RetainUntilDate>1970-01-01T00:00:{second:02}Z</RetainUntilDate></Retention>"
        )
    }

    fn documents(texts: &[(DocumentKind, String)]) -> Documents {
        texts.iter().cloned().collect()
    }

    #[track_caller]
    fn check_deleted(texts: &[(DocumentKind, String)], now: u64, expected: Result<(), &str>) {
        let result = check_delete(&documents(texts), at(now));
        let refused = result.map_err(|error| {
            assert_eq!(error.kind, ErrorKind::Forbidden);
            error.code.into_owned()
        });
        assert_eq!(refused, expected.map_err(str::to_owned));
    }

    /// Puts `text` at second 10 to a version with that retention.
    #[track_caller]
    fn check_put(standing: Option<String>, text: &str, expected: Result<(), &str>) {
        let kind = DocumentKind::Retention;
        let standing: Vec<_> = standing.map(|text| (kind, text)).into_iter().collect();
        let result = check_document(&documents(&standing), kind, text, at(10));
        let refused = result.map_err(|error| error.code.into_owned());
        assert_eq!(refused, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_version_without_a_lock_is_deleted() {
        check_deleted(&[], 0, Ok(()));
        check_deleted(&[(DocumentKind::LegalHold, hold("OFF"))], 0, Ok(()));
    }

    #[test]
    fn a_legal_hold_has_no_end() {
        let held = (DocumentKind::LegalHold, hold("ON"));
        check_deleted(std::slice::from_ref(&held), 10_000, Err("AccessDenied"));
        let run_out = (DocumentKind::Retention, retention("GOVERNANCE", 30));
        check_deleted(&[held, run_out], 10_000, Err("AccessDenied"));
    }

    #[test]
    fn a_retention_ends_with_its_date() {
        for mode in ["GOVERNANCE", "COMPLIANCE"] {
            let retained = [(DocumentKind::Retention, retention(mode, 30))];
            check_deleted(&retained, 29, Err("AccessDenied"));
            check_deleted(&retained, 30, Ok(()));
        }
    }

    #[test]
    fn a_retention_ends_in_the_future() {
        for mode in ["GOVERNANCE", "COMPLIANCE"] {
            check_put(None, &retention(mode, 9), Err("InvalidArgument"));
            check_put(None, &retention(mode, 10), Err("InvalidArgument"));
            check_put(None, &retention(mode, 11), Ok(()));
        }
    }

    #[test]
    fn a_retention_is_only_ever_tightened() {
        let (governance, compliance) =
            (|second| retention("GOVERNANCE", second), |second| retention("COMPLIANCE", second));
        check_put(Some(governance(30)), &governance(29), Err("AccessDenied"));
        check_put(Some(governance(30)), &governance(31), Ok(()));
        check_put(Some(governance(30)), &compliance(30), Ok(()));
        check_put(Some(compliance(30)), &governance(31), Err("AccessDenied"));
        check_put(Some(compliance(30)), &compliance(31), Ok(()));
        check_put(Some(compliance(9)), &governance(11), Ok(()));
    }

    #[test]
    fn a_lock_that_makes_no_sense_is_refused() {
        for text in ["<Retention/>", &retention("MAYBE", 30), &retention("GOVERNANCE", 77)] {
            check_put(None, text, Err("MalformedXML"));
        }
        let put = |status: &str| {
            let kind = DocumentKind::LegalHold;
            check_document(&Documents::new(), kind, &hold(status), at(0)).is_ok()
        };
        assert!(put("ON") && put("OFF") && !put("PERHAPS"));
    }
}
