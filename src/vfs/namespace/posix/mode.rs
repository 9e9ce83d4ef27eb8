//! Modes as text: file type and permission bits, in octal or decimal.
//!
//! Pure. Which of them stands under which name is the dialect's business.

use crate::vfs::namespace::posix::Posix;
use crate::vfs::types::Kind;

/// `S_IFMT`: where the file type is.
const TYPE_BITS: u32 = 0o170_000;
const PERMISSION_BITS: u32 = 0o7777;
/// Set-uid, set-gid and sticky.
const SPECIAL_BITS: u32 = 0o7000;

/// `S_IFREG` and its like.
const TYPES: [(Kind, u32); 7] = [
    (Kind::Fifo, 0o010_000),
    (Kind::CharDevice, 0o020_000),
    (Kind::Directory, 0o040_000),
    (Kind::BlockDevice, 0o060_000),
    (Kind::File, 0o100_000),
    (Kind::Symlink, 0o120_000),
    (Kind::Socket, 0o140_000),
];

/// What a mode says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Mode {
    /// `None` if its type bits are all zero.
    pub(super) kind: Option<Kind>,
    /// `None` if there is no mode at all.
    pub(super) permissions: Option<u32>,
}

/// What a number without a prefix is written in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Base {
    #[default]
    Eight,
    Ten,
}

/// A mode in octal, with or without a type and leading zeros.
pub(super) fn read_octal(text: &str) -> Option<Mode> {
    mode(parse(text, 8)?)
}

/// A mode under the name that s3fs and geesefs write in decimal and rclone in octal.
///
/// A leading `0` is octal, `0x` hexadecimal, as `strtol` has it; s3fs writes neither, but reads
/// both. Anything else is decimal if that makes a mode, else octal: `100664` and `40755` make none
/// in decimal. `42755` would make a link that is set-uid, which means nothing, and is a directory
/// in octal; so beyond files and directories, modes with such bits are taken for octal.
pub(super) fn read_plain(text: &str) -> Option<(Mode, Base)> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return Some((mode(parse(digits, 16)?)?, Base::Ten));
    }
    if text.starts_with('0') {
        return Some((read_octal(text)?, Base::Eight));
    }
    let decimal = parse(text, 10).filter(|mode| is_sound(*mode)).and_then(mode);
    match decimal {
        Some(mode) => Some((mode, Base::Ten)),
        None => Some((read_octal(text)?, Base::Eight)),
    }
}

/// The bits to write; `None` where there is nothing to say, or a kind alone that everything is
/// that says nothing.
pub(super) fn of(posix: &Posix) -> Option<u32> {
    let kind = posix.kind;
    let permissions = match (posix.mode, kind) {
        (Some(mode), _) => mode & PERMISSION_BITS,
        (None, None | Some(Kind::File | Kind::Directory)) => return None,
        (None, Some(Kind::Symlink)) => 0o777,
        (None, Some(Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice)) => 0o600,
    };
    Some(type_bits(kind) | permissions)
}

/// Seven digits: `0100644`, or `0000644` without a type. rclone writes fewer, but reads these, and
/// the leading zero tells s3fs and geesefs too that it is octal.
pub(super) fn octal(mode: u32) -> String {
    format!("{mode:07o}")
}

/// s3fs' spelling, which needs a type, and no bits that [`read_plain`] takes for another's.
pub(super) fn decimal(mode: u32) -> String {
    let mode = if mode & TYPE_BITS == 0 { mode | type_bits(Some(Kind::File)) } else { mode };
    let mode = if is_sound(mode) { mode } else { mode & !SPECIAL_BITS };
    mode.to_string()
}

fn type_bits(kind: Option<Kind>) -> u32 {
    TYPES.iter().find(|(each, _)| Some(*each) == kind).map_or(0, |(_, bits)| *bits)
}

/// `None` if the type bits are no type's, or other bits are set.
fn mode(bits: u32) -> Option<Mode> {
    let type_bits = bits & !PERMISSION_BITS;
    let kind = TYPES.iter().find(|(_, each)| *each == type_bits).map(|(kind, _)| *kind);
    if kind.is_none() && type_bits != 0 {
        return None;
    }
    Some(Mode { kind, permissions: Some(bits & PERMISSION_BITS) })
}

/// Has a type, and special bits only where they mean something.
fn is_sound(bits: u32) -> bool {
    match mode(bits).and_then(|mode| mode.kind) {
        None => false,
        Some(Kind::File | Kind::Directory) => true,
        Some(Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice) => {
            bits & SPECIAL_BITS == 0
        }
    }
}

/// Digits alone: no sign.
fn parse(text: &str, radix: u32) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u32::from_str_radix(text, radix).ok().filter(|_| is_number)
}
