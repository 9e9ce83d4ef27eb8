//! Probes: which subresources a server has shown to know.
//!
//! A subresource is a query, and a server that does not know it ignores it: what was to set the
//! tags of an object replaces its bytes, and what was to delete a configuration deletes its
//! bucket. So nothing is written to a subresource before the server has answered a question for
//! it as S3 would.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::store::error::{ErrorKind, StoreResult};

/// What has been shown, by names that the callers choose.
pub(super) struct Probes {
    shown: Mutex<HashSet<&'static str>>,
}

impl Probes {
    pub(super) fn new() -> Self {
        Self { shown: Mutex::new(HashSet::new()) }
    }

    /// Passes an answer on, and remembers a subresource that was answered for.
    ///
    /// That there is nothing, in the words of `missing_code`, is an answer too.
    pub(super) fn note<T>(
        &self,
        subresource: &'static str,
        missing_code: &str,
        answer: StoreResult<T>,
    ) -> StoreResult<T> {
        if is_shown_by(&answer, missing_code) {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.insert(subresource);
        }
        answer
    }

    /// Fails unless the subresource has been shown, now or before; `ask` asks for what is there.
    pub(super) async fn require<T>(
        &self,
        subresource: &'static str,
        missing_code: &str,
        ask: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<()> {
        if self.is_shown(subresource) {
            return Ok(());
        }
        match ask.await {
            Err(error) if !is_shown_by(&Err::<T, _>(error.clone()), missing_code) => Err(error),
            Err(_) | Ok(_) => Ok(()),
        }
    }

    fn is_shown(&self, subresource: &'static str) -> bool {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).contains(subresource)
    }
}

/// Whether an answer can only come from a server that knows the subresource.
fn is_shown_by<T>(answer: &StoreResult<T>, missing_code: &str) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => {
            let is_named = !missing_code.is_empty() && error.code == missing_code;
            is_named && error.kind == ErrorKind::NotFound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::StoreError;

    fn not_found(code: &'static str) -> StoreResult<()> {
        Err(StoreError::new(ErrorKind::NotFound, code, ""))
    }

    #[test]
    fn a_subresource_is_shown_by_an_answer_and_by_its_own_absence() {
        let probes = Probes::new();
        assert!(probes.note("cors", "NoSuchCORSConfiguration", not_found("NoSuchKey")).is_err());
        assert!(!probes.is_shown("cors"));
        let absent = not_found("NoSuchCORSConfiguration");
        assert!(probes.note("cors", "NoSuchCORSConfiguration", absent).is_err());
        assert!(probes.is_shown("cors"));
        assert!(!probes.is_shown("acl"));
        assert!(probes.note("acl", "", Ok(())).is_ok());
        assert!(probes.is_shown("acl"));
    }

    #[tokio::test]
    async fn what_has_not_been_shown_is_asked_for() {
        let probes = Probes::new();
        let refused =
            probes.require("cors", "NoSuchCORSConfiguration", async { not_found("NoSuchBucket") });
        assert_eq!(refused.await.unwrap_err().code, "NoSuchBucket");
        let absent = probes.require("cors", "NoSuchCORSConfiguration", async {
            not_found("NoSuchCORSConfiguration")
        });
        assert!(absent.await.is_ok());
        assert!(probes.note("cors", "", Ok(())).is_ok());
        let known = probes.require("cors", "", async { not_found("NoSuchBucket") });
        assert!(known.await.is_ok());
    }

    #[test]
    fn a_subresource_without_a_code_for_its_absence_is_not_shown_by_errors() {
        let unnamed = Err::<(), _>(StoreError::new(ErrorKind::NotFound, "", ""));
        assert!(!is_shown_by(&unnamed, ""));
    }
}
