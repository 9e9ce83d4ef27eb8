//! The record of one object: its version and what it said, in bytes.
//!
//! Pure. The first byte is the format's; what has another, or ends too soon, or is another
//! version's, is as good as not there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::store::types::ETag;
use crate::vfs::namespace::posix::{Metadata, Posix};
use crate::vfs::types::Kind;

const FORMAT: u8 = 2;

const KINDS: [Kind; 7] = [
    Kind::File,
    Kind::Directory,
    Kind::Symlink,
    Kind::Fifo,
    Kind::Socket,
    Kind::CharDevice,
    Kind::BlockDevice,
];

/// Format, date, attributes, other metadata, and to the end the ETag. Numbers are little-endian;
/// each attribute is a 0, or a 1 and its value; each name and each value of the others is a 1, its
/// length and its text, and a 0 ends them.
pub(super) fn encode(etag: &ETag, last_modified: SystemTime, posix: &Posix) -> Vec<u8> {
    let Posix { kind, mode, uid, gid, mtime, atime, ctime, device, user } = posix;
    let kind = kind.and_then(|kind| KINDS.iter().position(|each| *each == kind));
    let mut record = vec![FORMAT];
    record.extend(time_bytes(last_modified));
    put(&mut record, kind.and_then(|index| u8::try_from(index).ok()).map(|index| [index]));
    for number in [mode, uid, gid] {
        put(&mut record, number.map(u32::to_le_bytes));
    }
    for time in [mtime, atime, ctime] {
        put(&mut record, time.map(time_bytes));
    }
    put(&mut record, device.map(u64::to_le_bytes));
    for text in user.iter().flat_map(|(name, value)| [name, value]) {
        put(&mut record, Some((text.len() as u64).to_le_bytes()));
        record.extend(text.as_bytes());
    }
    record.push(0);
    record.extend(etag.as_str().as_bytes());
    record
}

/// What a record says of this version; `None` if it says nothing of it.
pub(super) fn decode(record: &[u8], etag: &ETag, last_modified: SystemTime) -> Option<Posix> {
    let mut rest = record;
    if take::<1>(&mut rest)? != [FORMAT] || take(&mut rest)? != time_bytes(last_modified) {
        return None;
    }
    let kind = match take_option::<1>(&mut rest)? {
        Some([index]) => Some(*KINDS.get(usize::from(index))?),
        None => None,
    };
    let mut number = || Some(take_option(&mut rest)?.map(u32::from_le_bytes));
    let (mode, uid, gid) = (number()?, number()?, number()?);
    let mut time = || match take_option(&mut rest)? {
        Some(bytes) => Some(Some(time_of(bytes)?)),
        None => Some(None),
    };
    let (mtime, atime, ctime) = (time()?, time()?, time()?);
    let device = take_option(&mut rest)?.map(u64::from_le_bytes);
    let mut user = Metadata::new();
    while let Some(name) = take_text(&mut rest)? {
        user.insert(name, take_text(&mut rest)??);
    }
    let posix = Posix { kind, mode, uid, gid, mtime, atime, ctime, device, user };
    (rest == etag.as_str().as_bytes()).then_some(posix)
}

fn put<const N: usize>(record: &mut Vec<u8>, value: Option<[u8; N]>) {
    record.push(u8::from(value.is_some()));
    record.extend(value.into_iter().flatten());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

/// `None` if the record ends or is none of ours; `Some(None)` where there is no value.
fn take_option<const N: usize>(rest: &mut &[u8]) -> Option<Option<[u8; N]>> {
    match take::<1>(rest)? {
        [0] => Some(None),
        [1] => Some(Some(take(rest)?)),
        _ => None,
    }
}

fn take_text(rest: &mut &[u8]) -> Option<Option<String>> {
    let Some(length) = take_option(rest)?.map(u64::from_le_bytes) else { return Some(None) };
    let (text, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(Some(String::from_utf8(text.to_vec()).ok()?))
}

/// Nanoseconds since 1970, which for any time are fewer than 2^95 either way.
fn time_bytes(time: SystemTime) -> [u8; 16] {
    let count = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    };
    count.to_le_bytes()
}

fn time_of(bytes: [u8; 16]) -> Option<SystemTime> {
    const PER_SECOND: u128 = 1_000_000_000;
    let count = i128::from_le_bytes(bytes);
    let distance = count.unsigned_abs();
    let seconds = u64::try_from(distance / PER_SECOND).ok()?;
    let rest = u32::try_from(distance % PER_SECOND).ok()?;
    let distance = Duration::new(seconds, rest);
    if count < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    use super::*;

    fn times() -> impl Strategy<Value = SystemTime> {
        (any::<bool>(), 0..1_u64 << 62, 0..1_000_000_000_u32).prop_map(|(before, whole, rest)| {
            let distance = Duration::new(whole, rest);
            if before { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
        })
    }

    fn posixes() -> impl Strategy<Value = Posix> {
        let numbers = || option::of(any::<u32>());
        let times = || option::of(times());
        let kinds = option::of(proptest::sample::select(&KINDS[..]));
        let rest = (numbers(), numbers(), numbers(), times(), times(), times());
        let user = proptest::collection::btree_map("[a-z0-9-]{1,9}", ".{0,9}", 0..3);
        (kinds, rest, option::of(any::<u64>()), user).prop_map(|(kind, rest, device, user)| {
            let (mode, uid, gid, mtime, atime, ctime) = rest;
            Posix { kind, mode, uid, gid, mtime, atime, ctime, device, user }
        })
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_for_its_version_alone(
            etag in "[0-9a-f]{32}(-[0-9]{1,5})?",
            last_modified in times(),
            posix in posixes(),
        ) {
            let etag = ETag::new(&etag);
            let record = encode(&etag, last_modified, &posix);
            prop_assert_eq!(decode(&record, &etag, last_modified), Some(posix));
            let later = last_modified + Duration::from_secs(1);
            prop_assert_eq!(decode(&record, &etag, later), None);
            prop_assert_eq!(decode(&record, &ETag::new("other"), last_modified), None);
        }

        #[test]
        fn bytes_that_are_no_record_are_none(bytes: Vec<u8>, cut in 0..60_usize) {
            let (etag, posix) = (ETag::new("etag"), Posix::default());
            prop_assert_eq!(decode(&bytes, &etag, UNIX_EPOCH), None);
            let mut record = encode(&etag, UNIX_EPOCH, &posix);
            let length = record.len();
            record.truncate(cut);
            let expected = (cut >= length).then_some(posix);
            prop_assert_eq!(decode(&record, &etag, UNIX_EPOCH), expected);
        }
    }

    #[test]
    fn another_format_is_as_good_as_nothing() {
        let etag = ETag::new("etag");
        let mut record = encode(&etag, UNIX_EPOCH, &Posix::default());
        record[0] = FORMAT + 1;
        assert_eq!(decode(&record, &etag, UNIX_EPOCH), None);
    }
}
