//! What can happen to a mount: small alphabets, so that names and sizes meet often.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use rustix::io::Errno;

/// What an action gives: content, or names by line, or nothing.
pub(super) type Outcome = Result<Vec<u8>, Errno>;

/// What a program does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Creates or replaces.
    Write {
        path: String,
        content: Vec<u8>,
    },
    Append {
        path: String,
        content: Vec<u8>,
    },
    Truncate {
        path: String,
        bytes: usize,
    },
    Read {
        path: String,
    },
    Mkdir {
        path: String,
    },
    Rmdir {
        path: String,
    },
    Unlink {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    List {
        path: String,
    },
    /// Writes into a file that is there.
    Patch {
        path: String,
        at: usize,
        content: Vec<u8>,
    },
    Chmod {
        path: String,
        mode: u32,
    },
    Symlink {
        path: String,
        target: String,
    },
    Fifo {
        path: String,
    },
    /// Copies a whole file by `copy_file_range` into one that is made for it.
    Copy {
        from: String,
        to: String,
    },
    /// Removes a file that is being read and reads on: all of `content`, or an error.
    UnlinkReading {
        path: String,
        content: Vec<u8>,
    },
    /// Renames a file over one that is being read and reads on: all of `content`, or an error.
    RenameReading {
        from: String,
        to: String,
        content: Vec<u8>,
    },
}

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Do(Action),
    /// Another program writes an object; then the mount's TTL passes.
    PutOutside(String, Vec<u8>),
    DeleteOutside(String),
    /// The program removes so many other files that it does not wait for what it removes next.
    Hurry,
    /// A while passes in which S3 may have removed something, milliseconds.
    Pause(u64),
    /// The TTL passes.
    Wait,
    Remount,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..80)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => action().prop_map(Step::Do),
        2 => (path(), content()).prop_map(|(path, content)| Step::PutOutside(path, content)),
        1 => path().prop_map(Step::DeleteOutside),
        2 => Just(Step::Hurry),
        2 => (0..50u64).prop_map(Step::Pause),
        1 => Just(Step::Wait),
        1 => Just(Step::Remount),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (path(), content()).prop_map(|(path, content)| Action::Write { path, content }),
        2 => (path(), content()).prop_map(|(path, content)| Action::Append { path, content }),
        1 => (path(), 0..20usize).prop_map(|(path, bytes)| Action::Truncate { path, bytes }),
        2 => path().prop_map(|path| Action::Read { path }),
        4 => path().prop_map(|path| Action::Mkdir { path }),
        2 => path().prop_map(|path| Action::Rmdir { path }),
        4 => path().prop_map(|path| Action::Unlink { path }),
        3 => (path(), path()).prop_map(|(from, to)| Action::Rename { from, to }),
        2 => directory().prop_map(|path| Action::List { path }),
    ]
}

/// `a-b` comes between `a` and `a/` in S3's order.
fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("a"), 1 => Just("b"), 1 => Just("a-b")]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => name().prop_map(str::to_owned),
        4 => (name(), name()).prop_map(|(one, two)| format!("{one}/{two}")),
        1 => (name(), name(), name()).prop_map(|(one, two, three)| format!("{one}/{two}/{three}")),
    ]
}

fn directory() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), path()]
}

/// Mostly a few bytes, now and then more than a part.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        100 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 5_242_870..5_242_890usize).prop_map(|(byte, bytes)| vec![byte; bytes]),
        1 => (any::<u8>(), 10_485_000..10_486_000usize).prop_map(|(byte, bytes)| vec![byte; bytes]),
    ]
}
