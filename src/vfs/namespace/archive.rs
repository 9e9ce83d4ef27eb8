//! Which objects S3 keeps where their bytes can't be read at once.
//!
//! Pure (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html>).

use crate::store::types::Restore;

/// The classes whose objects must be restored before they are read.
const ARCHIVES: &[&str] = &["GLACIER", "DEEP_ARCHIVE"];

/// Whether the bytes of an object can't be read; `status` is that of a tier that archives by
/// itself.
#[must_use]
pub fn is_archived(class: Option<&str>, restore: Option<Restore>, status: Option<&str>) -> bool {
    let is_away = status.is_some() || class.is_some_and(|class| ARCHIVES.contains(&class));
    is_away && !matches!(restore, Some(Restore::Until(_)))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn an_archived_object_can_be_read_once_it_is_restored() {
        let until = Some(Restore::Until(SystemTime::UNIX_EPOCH));
        for class in ["GLACIER", "DEEP_ARCHIVE"] {
            assert!(is_archived(Some(class), None, None));
            assert!(is_archived(Some(class), Some(Restore::Ongoing), None));
            assert!(!is_archived(Some(class), until, None));
        }
    }

    #[test]
    fn other_classes_are_read_unless_their_tier_says_otherwise() {
        for class in [None, Some("STANDARD"), Some("GLACIER_IR"), Some("INTELLIGENT_TIERING")] {
            assert!(!is_archived(class, None, None));
        }
        assert!(is_archived(Some("INTELLIGENT_TIERING"), None, Some("ARCHIVE_ACCESS")));
    }
}
