//! Failures: names that came back, until somebody is told.
//!
//! The program that removed a name went on without the answer. Its failure is told once, at the
//! next of these: when the process removes another name, when the directory or one above it is
//! removed or synced, when the mount ends. Pure.

use std::sync::Arc;

use crate::store::error::StoreError;
use crate::vfs::namespace::inode::Inode;
use crate::vfs::removal::queue::Removal;

/// Names of one directory that a process removed and that did not go, for one reason.
#[derive(Clone)]
pub struct Failure {
    pub directory: Arc<Inode>,
    /// Of the first of them.
    pub path: String,
    pub error: StoreError,
    /// How many there are beside the first.
    pub others: usize,
    pid: u32,
    bucket: Arc<str>,
    key: Arc<str>,
}

impl Failure {
    fn takes(&self, removal: &Removal, error: &StoreError) -> bool {
        self.pid == removal.pid
            && self.directory.ino == removal.directory.ino
            && (self.error.kind, &self.error.code) == (error.kind, &error.code)
    }

    /// What somebody is told who asked for something else.
    fn told_later(self) -> StoreError {
        let message = format!("{} was not removed: {}", self.path, self.error.message);
        StoreError { message, ..self.error }
    }

    /// Whether the directory of these keys, or one above it, is the one in which keys begin like
    /// this.
    fn is_below(&self, bucket: &str, prefix: &str) -> bool {
        &*self.bucket == bucket && self.key.starts_with(prefix)
    }
}

/// What failed at once, by directory, process and reason.
#[must_use]
pub fn grouped(failed: Vec<(Removal, StoreError)>) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for (removal, error) in failed {
        match failures.iter_mut().find(|failure| failure.takes(&removal, &error)) {
            Some(failure) => failure.others += 1,
            None => {
                let Removal { bucket, key, directory, path, pid } = removal;
                failures.push(Failure { directory, path, error, others: 0, pid, bucket, key });
            }
        }
    }
    failures
}

/// Failures that nobody was told of.
#[derive(Default)]
pub struct Failures {
    untold: Vec<Failure>,
}

impl Failures {
    pub fn add(&mut self, failure: Failure) {
        self.untold.push(failure);
    }

    /// The first failure of a process, which with it has been told of all.
    pub fn take_of(&mut self, pid: u32) -> Option<StoreError> {
        self.take(|failure| failure.pid == pid)
    }

    /// The first failure below a directory, as [`Self::take_of`].
    pub fn take_below(&mut self, bucket: &str, prefix: &str) -> Option<StoreError> {
        self.take(|failure| failure.is_below(bucket, prefix))
    }

    /// All that is left.
    pub fn take_all(&mut self) -> Vec<Failure> {
        std::mem::take(&mut self.untold)
    }

    fn take(&mut self, is_told: impl Fn(&Failure) -> bool) -> Option<StoreError> {
        let taken = self.untold.extract_if(.., |failure| is_told(failure));
        taken.map(Failure::told_later).reduce(|first, _| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::ErrorKind;
    use crate::vfs::namespace::inode::{Inodes, Location};
    use crate::vfs::types::Ino;

    fn failed(directory: &Arc<Inode>, key: &str, code: &'static str) -> (Removal, StoreError) {
        let (bucket, directory) = (Arc::from("b"), Arc::clone(directory));
        let removal =
            Removal { bucket, key: Arc::from(key), directory, path: key.to_owned(), pid: 7 };
        (removal, StoreError::new(ErrorKind::Forbidden, code, "no"))
    }

    fn directory() -> Arc<Inode> {
        Inodes::new(Location::Account).get(Ino::ROOT).unwrap()
    }

    fn failures() -> Failures {
        let directory = directory();
        let failed = vec![failed(&directory, "dir/a", "One"), failed(&directory, "dir/b", "Two")];
        let mut failures = Failures::default();
        grouped(failed).into_iter().for_each(|failure| failures.add(failure));
        failures
    }

    fn code(error: Option<StoreError>) -> Option<String> {
        error.map(|error| error.code.into_owned())
    }

    #[test]
    fn names_that_fail_for_one_reason_are_one_failure() {
        let directory = directory();
        let names = ["dir/a", "dir/b", "dir/c"];
        let failures = grouped(names.map(|key| failed(&directory, key, "One")).into());
        assert_eq!(failures.len(), 1);
        assert_eq!((&*failures[0].path, failures[0].others), ("dir/a", 2));
    }

    #[test]
    fn a_process_is_told_once() {
        let mut failures = failures();
        assert_eq!(code(failures.take_of(8)), None);
        assert_eq!(code(failures.take_of(7)), Some("One".to_owned()));
        assert_eq!(code(failures.take_of(7)), None);
    }

    #[test]
    fn a_directory_and_those_above_it_tell() {
        assert_eq!(code(failures().take_below("b", "dir/")), Some("One".to_owned()));
        assert_eq!(code(failures().take_below("b", "")), Some("One".to_owned()));
        assert_eq!(code(failures().take_below("b", "other/")), None);
        assert_eq!(code(failures().take_below("other", "")), None);
    }

    #[test]
    fn what_nobody_was_told_is_left() {
        let mut failures = failures();
        assert_eq!(failures.take_all().len(), 2);
        assert!(failures.take_all().is_empty());
    }
}
