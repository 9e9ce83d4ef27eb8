//! Intents on a real disk, and processes that find them.

use super::*;

fn intent(prefix: &str, began_ms: u64) -> Intent {
    let spot = |prefix: &str| Spot { bucket: "b".to_owned(), prefix: prefix.to_owned() };
    Intent::RenameDirectory { from: spot(prefix), to: spot("to/"), began_ms, failed_ms: None }
}

fn left(journal: &Journal) -> Vec<Intent> {
    let left = journal.take_left().unwrap();
    assert_eq!(left.unreadable, []);
    left.intents.into_iter().map(|(intent, _)| intent).collect()
}

fn files(journal: &Journal) -> usize {
    fs::read_dir(&journal.directory).unwrap().count()
}

#[test]
fn an_intent_is_found_once_its_process_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::new(directory.path(), "here");
    assert_eq!(left(&journal), []);
    let record = journal.record(&intent("a/", 5)).unwrap();
    assert_eq!(left(&journal), [], "somebody works on it");
    drop(record);
    assert_eq!(left(&journal), [intent("a/", 5)]);
    let mut taken = journal.take_left().unwrap().intents;
    assert_eq!(left(&journal), [], "it is taken");
    let (_, record) = taken.remove(0);
    record.finish().unwrap();
    assert_eq!(files(&journal), 0);
}

#[test]
fn what_began_first_is_finished_first() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::new(directory.path(), "here");
    for (prefix, began_ms) in [("b/", 7), ("a/", 9), ("c/", 8)] {
        journal.record(&intent(prefix, began_ms)).unwrap();
    }
    let (bucket, key, upload) = ("b".to_owned(), "key".to_owned(), "id".to_owned());
    let upload = Intent::AbortUpload { bucket, key, upload, began_ms: 6 };
    journal.record(&upload).unwrap();
    assert_eq!(left(&journal), [upload, intent("b/", 7), intent("c/", 8), intent("a/", 9)]);
}

#[test]
fn scopes_do_not_meet() {
    let directory = tempfile::tempdir().unwrap();
    Journal::new(directory.path(), "here").record(&intent("a/", 5)).unwrap();
    assert_eq!(left(&Journal::new(directory.path(), "there")), []);
    assert_eq!(left(&Journal::new(directory.path(), "here")).len(), 1);
}

#[test]
fn what_is_given_up_is_left_as_it_was_last_written() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::new(directory.path(), "here");
    let record = journal.record(&intent("a/", 5)).unwrap();
    let mut failed = intent("a/", 5);
    if let Intent::RenameDirectory { failed_ms, .. } = &mut failed {
        *failed_ms = Some(6);
    }
    record.leave(&failed).unwrap();
    assert_eq!(left(&journal), [failed]);
    assert_eq!(files(&journal), 1);
}

#[test]
fn what_can_not_be_read_is_named_and_left() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::new(directory.path(), "here");
    drop(journal.record(&intent("a/", 5)).unwrap());
    let torn = journal.directory.join("torn.intent");
    fs::write(&torn, "{\"intent\":\"rename-dir").unwrap();
    let later = journal.directory.join("later.intent");
    fs::write(&later, "{\"intent\":\"of-a-later-version\"}").unwrap();
    let left = journal.take_left().unwrap();
    let mut named: Vec<_> = left.unreadable.into_iter().map(|(path, _)| path).collect();
    named.sort();
    assert_eq!(named, [later, torn]);
    assert_eq!(left.intents.len(), 1);
    assert_eq!(files(&journal), 3);
}

#[test]
fn a_file_that_did_not_become_an_intent_is_cleared_away() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::new(directory.path(), "here");
    drop(journal.record(&intent("a/", 5)).unwrap());
    fs::write(journal.directory.join("half.unfinished"), "{").unwrap();
    assert_eq!(left(&journal).len(), 1);
    assert_eq!(files(&journal), 1);
}
