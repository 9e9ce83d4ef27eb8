//! What is known of each store that does not do all that S3 does: exactly the cases it fails.
//!
//! A case listed here that passes fails the suite as one does that fails and is not listed.

/// A case that a store is known to fail.
pub(super) struct Deviation {
    /// `family::case`.
    pub(super) case: &'static str,
    /// What the store does instead.
    pub(super) reason: &'static str,
}

const fn row(case: &'static str, reason: &'static str) -> Deviation {
    Deviation { case, reason }
}

/// The model in this process.
pub(super) const MODEL: &[Deviation] = &[row(
    "objects::a_presigned_address_gives_the_bytes_without_credentials",
    "has no address before the HTTP front gives it one",
)];

/// ministack 1.5.33.
pub(super) const MINISTACK: &[Deviation] = &[];

/// seaweedfs 4.48.
pub(super) const SEAWEEDFS: &[Deviation] = &[];
