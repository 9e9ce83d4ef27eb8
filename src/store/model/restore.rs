//! Restores: which objects are archived, and for how long a restored copy can be read.
//!
//! A restoration is two points in time; where it stands follows from the clock, so that nothing
//! has to happen when it completes or expires.

use std::time::{Duration, SystemTime};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::refusal;
use crate::store::model::state::StoredObject;
use crate::store::types::{Restore, RestoreObject};

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From asking for a restore to having it.
    pub(super) restore: Duration,
    pub(super) day: Duration,
}

/// A restore that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Restoration {
    pub(super) ready: SystemTime,
    pub(super) until: SystemTime,
}

impl Restoration {
    /// Where it stands; `None` once it has expired.
    pub(super) fn seen_at(self, now: SystemTime) -> Option<Restore> {
        if now < self.ready {
            Some(Restore::Ongoing)
        } else if now < self.until {
            Some(Restore::Until(self.until))
        } else {
            None
        }
    }
}

/// Whether the class keeps its objects where they can't be read at once.
pub(super) fn is_archive(class: Option<&str>) -> bool {
    matches!(class, Some("GLACIER" | "DEEP_ARCHIVE"))
}

/// Fails with `InvalidObjectState` while the bytes can't be read.
pub(super) fn check_readable(object: &StoredObject, now: SystemTime) -> StoreResult<()> {
    let restored = object.restoration.and_then(|restoration| restoration.seen_at(now));
    let is_readable = !is_archive(object.attributes.storage_class.as_deref())
        || matches!(restored, Some(Restore::Until(_)));
    if is_readable { Ok(()) } else { Err(refusal::archived()) }
}

/// The restoration that an archived object gets; one that is restored already stays longer.
pub(super) fn plan_restore(
    object: &StoredObject,
    asked: &RestoreObject,
    now: SystemTime,
    pace: Pace,
) -> StoreResult<Restoration> {
    if asked.days == 0 {
        return Err(refusal::invalid_argument("Days must be a positive number"));
    }
    let class = object.attributes.storage_class.as_deref();
    check_tier(class, asked.tier.as_deref())?;
    if !is_archive(class) {
        let message = "Restore is not allowed for the object's current storage class";
        return Err(StoreError::new(ErrorKind::Invalid, "InvalidObjectState", message));
    }
    let ready = match object.restoration.map(|restoration| (restoration, restoration.seen_at(now)))
    {
        Some((_, Some(Restore::Ongoing))) => {
            let message = "Object restore is already in progress";
            return Err(StoreError::new(ErrorKind::Conflict, "RestoreAlreadyInProgress", message));
        }
        Some((restoration, Some(Restore::Until(_)))) => restoration.ready,
        Some((_, None)) | None => now + pace.restore,
    };
    Ok(Restoration { ready, until: ready.max(now) + pace.day * asked.days })
}

fn check_tier(class: Option<&str>, tier: Option<&str>) -> StoreResult<()> {
    match (class, tier) {
        (Some("DEEP_ARCHIVE"), Some("Expedited")) => Err(refusal::invalid_argument(
            "Retrieval option Expedited is not available for DEEP_ARCHIVE",
        )),
        (_, None | Some("Standard" | "Bulk" | "Expedited")) => Ok(()),
        (_, Some(tier)) => Err(refusal::malformed_xml(format!("There is no tier {tier}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const PACE: Pace = Pace { restore: Duration::from_secs(2), day: DAY };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn object(class: &str, restoration: Option<Restoration>) -> StoredObject {
        let mut object = StoredObject::empty_for_test();
        object.attributes.storage_class = Some(class.to_owned());
        object.restoration = restoration;
        object
    }

    fn days(days: u32) -> RestoreObject {
        RestoreObject { days, tier: None }
    }

    #[test]
    fn a_restoration_is_ongoing_then_there_then_gone() {
        let restoration = plan_restore(&object("GLACIER", None), &days(1), at(10), PACE).unwrap();
        let until = at(12) + DAY;
        assert_eq!(restoration.seen_at(at(11)), Some(Restore::Ongoing));
        assert_eq!(restoration.seen_at(at(12)), Some(Restore::Until(until)));
        assert_eq!(restoration.seen_at(until), None);
        let object = object("GLACIER", Some(restoration));
        assert_eq!(check_readable(&object, at(11)).unwrap_err().kind, ErrorKind::Archived);
        assert!(check_readable(&object, at(12)).is_ok());
        assert!(check_readable(&object, until).is_err());
    }

    #[test]
    fn a_second_restore_waits_for_the_first_and_then_extends_it() {
        let first = Restoration { ready: at(12), until: at(12) + DAY };
        let object = object("DEEP_ARCHIVE", Some(first));
        let early = plan_restore(&object, &days(1), at(11), PACE).unwrap_err();
        assert_eq!((early.kind, &*early.code), (ErrorKind::Conflict, "RestoreAlreadyInProgress"));
        let longer = plan_restore(&object, &days(3), at(100), PACE).unwrap();
        assert_eq!(longer, Restoration { ready: at(12), until: at(100) + DAY * 3 });
    }

    #[test]
    fn only_archived_objects_are_restored() {
        for class in ["STANDARD_IA", "GLACIER_IR"] {
            let object = object(class, None);
            assert!(check_readable(&object, at(0)).is_ok());
            let error = plan_restore(&object, &days(1), at(0), PACE).unwrap_err();
            assert_eq!((error.kind, &*error.code), (ErrorKind::Invalid, "InvalidObjectState"));
        }
    }

    #[test]
    fn days_and_tier_must_make_sense() {
        let glacier = object("GLACIER", None);
        assert!(plan_restore(&glacier, &days(0), at(0), PACE).is_err());
        let tier = |tier: &str| RestoreObject { days: 1, tier: Some(tier.to_owned()) };
        assert!(plan_restore(&glacier, &tier("Expedited"), at(0), PACE).is_ok());
        assert!(plan_restore(&glacier, &tier("Teleport"), at(0), PACE).is_err());
        let deep = object("DEEP_ARCHIVE", None);
        assert!(plan_restore(&deep, &tier("Expedited"), at(0), PACE).is_err());
    }
}
