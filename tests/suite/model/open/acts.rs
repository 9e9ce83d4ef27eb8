//! What programs do to files that they have open: offsets near where parts meet, few names.

use pailfs::vfs::types::OpenHow;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::model::open::{PART_BYTES, SLOTS};

#[derive(Clone, Debug)]
pub(super) enum Act {
    Open {
        slot: usize,
        name: &'static str,
        how: OpenHow,
        create: bool,
    },
    Write {
        slot: usize,
        at: u64,
        fill: u8,
        bytes: u64,
    },
    Read {
        slot: usize,
        at: u64,
        bytes: u32,
    },
    Cut {
        slot: usize,
        bytes: u64,
    },
    Punch {
        slot: usize,
        at: u64,
        bytes: u64,
    },
    Copy {
        from: usize,
        at: u64,
        to: usize,
        to_at: u64,
        bytes: u64,
    },
    Sync {
        slot: usize,
    },
    Flush {
        slot: usize,
    },
    Close {
        slot: usize,
    },
    Unlink {
        name: &'static str,
    },
    Rename {
        from: &'static str,
        to: &'static str,
    },
    Chmod {
        name: &'static str,
        mode: u32,
    },
    Utimens {
        name: &'static str,
        second: u64,
    },
    /// Under a name that no file has.
    Symlink {
        target: u8,
    },
    Fifo,
    UnlinkSpecial {
        name: &'static str,
    },
    Wait,
}

pub(super) const LINK: &str = "link";
pub(super) const PIPE: &str = "pipe";

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("a"), 2 => Just("b"), 1 => Just("c")]
}

/// Near the beginning or near where parts meet.
fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..100u64,
        2 => PART_BYTES - 50..PART_BYTES + 50,
        1 => 2 * PART_BYTES - 50..2 * PART_BYTES + 50,
    ]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..100u64,
        2 => PART_BYTES - 50..PART_BYTES + 50,
    ]
}

fn how() -> impl Strategy<Value = OpenHow> {
    (0..4u8, any::<bool>()).prop_map(|(kind, truncate)| OpenHow {
        read: kind != 1,
        write: kind != 0,
        append: kind == 3,
        truncate: truncate && kind != 0,
        exclusive: false,
    })
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let slot = 0..SLOTS;
    prop_oneof![
        6 => (slot.clone(), name(), how(), any::<bool>()).prop_map(|(slot, name, how, create)| {
            Act::Open { slot, name, how, create: create && how.write }
        }),
        8 => (slot.clone(), offset(), any::<u8>(), length())
            .prop_map(|(slot, at, fill, bytes)| Act::Write { slot, at, fill, bytes }),
        6 => (slot.clone(), offset(), length())
            .prop_map(|(slot, at, bytes)| Act::Read { slot, at, bytes: bytes as u32 }),
        2 => (slot.clone(), offset()).prop_map(|(slot, bytes)| Act::Cut { slot, bytes }),
        2 => (slot.clone(), offset(), length())
            .prop_map(|(slot, at, bytes)| Act::Punch { slot, at, bytes }),
        3 => (slot.clone(), offset(), slot.clone(), offset(), length())
            .prop_map(|(from, at, to, to_at, bytes)| Act::Copy { from, at, to, to_at, bytes }),
        2 => slot.clone().prop_map(|slot| Act::Sync { slot }),
        1 => slot.clone().prop_map(|slot| Act::Flush { slot }),
        4 => slot.prop_map(|slot| Act::Close { slot }),
        2 => name().prop_map(|name| Act::Unlink { name }),
        2 => (name(), name()).prop_map(|(from, to)| Act::Rename { from, to }),
        1 => (name(), 0..0o1000u32).prop_map(|(name, mode)| Act::Chmod { name, mode }),
        1 => (name(), 0..1_000u64).prop_map(|(name, second)| Act::Utimens { name, second }),
        1 => any::<u8>().prop_map(|target| Act::Symlink { target }),
        1 => Just(Act::Fifo),
        1 => prop_oneof![Just(LINK), Just(PIPE)].prop_map(|name| Act::UnlinkSpecial { name }),
        2 => Just(Act::Wait),
    ]
}
