//! User attributes: how the name and value of `user.<name>` are spelt as user metadata, and back.
//!
//! S3 keeps the names of metadata as HTTP headers: in lower case and without spaces; and their
//! values as printable ASCII. What is neither is escaped, in ways that other tools undo as well:
//! names with `%` and two hexadecimal digits, text as the encoded words of RFC 2047, which is how
//! S3 itself answers with other than ASCII, and all other bytes as the data URLs of RFC 2397. What
//! others wrote is read by the same rules.
//! Everything here is pure; owner, mode and times stand beside and are `namespace::posix`'s.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{percent_decode_str, percent_encode_byte};

use crate::vfs::namespace::posix::{self, Metadata};

/// S3's bound of all names and values together
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>).
const METADATA_BYTES_MAX: usize = 2048;

/// Kept free for owner, mode and times, so that a `chmod` never fails for want of room.
const POSIX_BYTES: usize = 192;

/// The longest name that can be an attribute's (`XATTR_NAME_MAX`, less `user.`).
const NAME_BYTES_MAX: usize = 255 - "user.".len();

/// How many bytes the names and values of all attributes of an object may have, as they are spelt.
pub const BYTES_MAX: usize = METADATA_BYTES_MAX - POSIX_BYTES;

/// How a value begins whose bytes are spelt out.
const BYTES: &str = "data:;base64,";

/// There is no room for one more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

/// The names of all attributes, without `user.`.
pub fn names(metadata: &Metadata) -> impl Iterator<Item = Vec<u8>> {
    metadata.keys().filter_map(|key| name_of(key))
}

/// The value of an attribute, if there is one of that name.
#[must_use]
pub fn value(metadata: &Metadata, name: &[u8]) -> Option<Vec<u8>> {
    let key = find(metadata, name)?;
    metadata.get(&key).map(|text| decode(text))
}

/// A value for people and for JSON: as it is, or where it is no text as metadata have it.
#[must_use]
pub fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(|each| each.is_control() && each != '\n') => text.to_owned(),
        Ok(_) | Err(_) => encode(value),
    }
}

/// Gives an attribute a value; fails and changes nothing where that would be too much.
pub fn set(metadata: &mut Metadata, name: &[u8], value: &[u8]) -> Result<(), NoRoom> {
    let mut changed = metadata.clone();
    changed.insert(find(metadata, name).unwrap_or_else(|| key_of(name)), encode(value));
    let user = changed.iter().filter(|(key, _)| !posix::is_posix_key(key));
    let bytes: usize = user.map(|(key, text)| key.len() + text.len()).sum();
    if bytes > BYTES_MAX {
        return Err(NoRoom);
    }
    *metadata = changed;
    Ok(())
}

/// Removes an attribute; false where there is none of that name.
pub fn remove(metadata: &mut Metadata, name: &[u8]) -> bool {
    find(metadata, name).is_some_and(|key| metadata.remove(&key).is_some())
}

/// Under which key an attribute of this name stands.
fn find(metadata: &Metadata, name: &[u8]) -> Option<String> {
    let plain = key_of(name);
    if metadata.contains_key(&plain) && name_of(&plain).as_deref() == Some(name) {
        return Some(plain);
    }
    metadata.keys().find(|key| name_of(key).as_deref() == Some(name)).cloned()
}

/// The key of a new attribute. One that would be taken for owner, mode or times is escaped.
fn key_of(name: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut key = String::new();
    for byte in name {
        match byte {
            b'-' | b'_' | b'.' => key.push(char::from(*byte)),
            byte if is_plain(*byte) => key.push(char::from(*byte)),
            byte => key.push_str(&escaped(*byte)),
        }
    }
    if posix::is_posix_key(&key) { escaped_in_front(&key) } else { key }
}

/// The attribute that a key stands for; `None` where it is about owner, mode or times, or too
/// long for a name.
///
/// What is not escaped as we do it was not meant as an escape and is shown as it is. A name that
/// is one of the attributes of S3 or of the mount gives way to it.
fn name_of(key: &str) -> Option<Vec<u8>> {
    if posix::is_posix_key(key) {
        return None;
    }
    let decoded: Vec<u8> = percent_decode_str(key).collect();
    let name = if key_of(&decoded) == key { decoded } else { key.as_bytes().to_vec() };
    let name = if is_reserved(&name) { escaped_in_front(key).into_bytes() } else { name };
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(&0)).then_some(name)
}

/// Whether `user.<name>` is an attribute of S3 or of the mount.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    ["s3", "pailfs"].iter().any(|family| {
        let rest = name.strip_prefix(family.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    })
}

fn escaped(byte: u8) -> String {
    percent_encode_byte(byte).to_ascii_lowercase()
}

fn escaped_in_front(key: &str) -> String {
    let mut bytes = key.bytes();
    let first = bytes.next().map(escaped).unwrap_or_default();
    format!("{first}{}", bytes.map(char::from).collect::<String>())
}

/// A value as a header can carry it.
fn encode(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if is_text(text) && text.is_ascii() => text.to_owned(),
        Ok(text) if is_text(text) => format!("=?UTF-8?B?{}?=", STANDARD.encode(text)),
        Ok(_) | Err(_) => format!("{BYTES}{}", STANDARD.encode(value)),
    }
}

/// Whether this survives servers that take encoded words for what they say: no control characters,
/// nothing around it that HTTP takes away, and not to be taken for one that is encoded.
fn is_text(text: &str) -> bool {
    let is_printable = !text.chars().any(char::is_control);
    let is_encoded = text.contains("=?") || text.starts_with(BYTES);
    is_printable && !text.is_empty() && text.trim() == text && !is_encoded
}

/// What a header's value says: encoded words in sequence are one text, anything else is itself.
fn decode(text: &str) -> Vec<u8> {
    if let Some(bytes) = text.strip_prefix(BYTES).and_then(|text| STANDARD.decode(text).ok()) {
        return bytes;
    }
    let words: Option<Vec<Vec<u8>>> = text.split_ascii_whitespace().map(decode_word).collect();
    match words {
        Some(words) if !words.is_empty() => words.concat(),
        Some(_) | None => text.as_bytes().to_vec(),
    }
}

/// `=?charset?encoding?text?=` (RFC 2047, section 2).
fn decode_word(word: &str) -> Option<Vec<u8>> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = match encoding {
        "b" | "B" => STANDARD.decode(text).ok()?,
        "q" | "Q" => decode_quoted(text)?,
        _ => return None,
    };
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => Some(bytes),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect::<String>().into_bytes()),
        _ => None,
    }
}

/// The `Q` encoding of RFC 2047, section 4.2.
fn decode_quoted(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        decoded.push(match byte {
            b'_' => b' ',
            b'=' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[track_caller]
    fn check_key(name: &str, key: &str) {
        assert_eq!(key_of(name.as_bytes()), key);
        assert_eq!(name_of(key).as_deref(), Some(name.as_bytes()));
    }

    #[track_caller]
    fn check_shown(key: &str, name: Option<&str>) {
        assert_eq!(name_of(key).as_deref(), name.map(str::as_bytes));
        let metadata = Metadata::from([(key.to_owned(), "value".to_owned())]);
        let found = name.and_then(|name| value(&metadata, name.as_bytes()));
        assert_eq!(found.is_some(), name.is_some(), "{key}");
    }

    #[track_caller]
    fn check_value(value: &[u8], text: &str) {
        assert_eq!(encode(value), text);
        assert_eq!(decode(text), value);
    }

    #[track_caller]
    fn check_read(text: &str, value: &str) {
        assert_eq!(String::from_utf8(decode(text)).unwrap(), value);
    }

    #[test]
    fn a_name_is_its_key_where_a_header_can_be_called_so() {
        check_key("colour", "colour");
        check_key("a.b-c_d9", "a.b-c_d9");
    }

    #[test]
    fn what_a_header_can_not_be_called_is_escaped() {
        check_key("Colour", "%43olour");
        check_key("two words", "two%20words");
        check_key("100%", "100%25");
        check_key("grün", "gr%c3%bcn");
    }

    #[test]
    fn owner_mode_and_times_are_no_user_attributes() {
        check_shown("file-owner", None);
        check_shown("mtime", None);
        check_shown("--symlink-target", None);
        check_key("mtime", "%6dtime");
    }

    #[test]
    fn a_key_of_somebody_else_is_shown_as_it_is_unless_it_is_an_escape_of_ours() {
        check_shown("100%", Some("100%"));
        check_shown("%61b", Some("%61b"));
        check_shown("a!b", Some("a!b"));
        check_shown("%41b", Some("Ab"));
    }

    #[test]
    fn a_key_that_is_called_as_an_attribute_of_ours_gives_way() {
        check_shown("s3.etag", Some("%733.etag"));
        check_shown("s3", Some("%733"));
        check_shown("pailfs.state", Some("%70ailfs.state"));
        check_shown("s3fs", Some("s3fs"));
    }

    #[test]
    fn printable_values_are_themselves() {
        check_value(b"green", "green");
        check_value(b"a b = c?", "a b = c?");
    }

    #[test]
    fn other_text_is_encoded_words_and_the_rest_data_urls() {
        check_value("grün".as_bytes(), "=?UTF-8?B?Z3LDvG4=?=");
        check_value(b"\xff\x00", "data:;base64,/wA=");
        check_value(b"", "data:;base64,");
        check_value(b" led", "data:;base64,IGxlZA==");
        check_value(b"two\nlines", "data:;base64,dHdvCmxpbmVz");
        check_value(b"data:;base64,/wA=", "data:;base64,ZGF0YTo7YmFzZTY0LC93QT0=");
        check_value(b"=?UTF-8?B?eA==?=", "data:;base64,PT9VVEYtOD9CP2VBPT0/PQ==");
    }

    #[test]
    fn words_that_others_encoded_are_read() {
        check_read("=?UTF-8?Q?gr=C3=BCn_und_rot?=", "grün und rot");
        check_read("=?utf-8?b?Z3LD?= =?utf-8?b?vG4=?=", "grün");
        check_read("=?ISO-8859-1?Q?gr=FCn?=", "grün");
        check_read("=?koi8-r?B?eA==?=", "=?koi8-r?B?eA==?=");
        check_read("not =?UTF-8?B?eA==?=", "not =?UTF-8?B?eA==?=");
        check_read("=?UTF-8?Q?=?=", "=?UTF-8?Q?=?=");
    }

    #[test]
    fn what_is_set_is_found_and_removed_under_whatever_key_it_had() {
        let mut metadata = Metadata::from([("a!b".to_owned(), "old".to_owned())]);
        set(&mut metadata, b"a!b", b"new").unwrap();
        assert_eq!(metadata, Metadata::from([("a!b".to_owned(), "new".to_owned())]));
        assert!(remove(&mut metadata, b"a!b"));
        assert!(!remove(&mut metadata, b"a!b"));
    }

    #[test]
    fn the_room_is_what_owner_mode_and_times_leave() {
        let mut metadata = Metadata::from([("file-owner".to_owned(), "0".repeat(99))]);
        let value = vec![b'x'; BYTES_MAX - 1];
        assert_eq!(set(&mut metadata, b"a", &value), Ok(()));
        let before = metadata.clone();
        assert_eq!(set(&mut metadata, b"b", b"x"), Err(NoRoom));
        assert_eq!(metadata, before);
        assert_eq!(set(&mut metadata, b"a", b"x"), Ok(()));
    }

    proptest! {
        #[test]
        fn every_name_and_value_comes_back(
            name in vec(1..=255_u8, 1..40),
            content in vec(any::<u8>(), 0..80),
        ) {
            let mut metadata = Metadata::new();
            if !is_reserved(&name) {
                set(&mut metadata, &name, &content).unwrap();
                prop_assert_eq!(value(&metadata, &name), Some(content));
                prop_assert_eq!(names(&metadata).collect::<Vec<_>>(), vec![name]);
                let is_header = |(key, text): (&String, &String)| {
                    key.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
                        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
                };
                prop_assert!(metadata.iter().all(is_header));
            }
        }

        #[test]
        fn every_key_and_text_can_be_read(key in "[!-~&&[^A-Z]]{1,60}", text in "[ -~]{0,60}") {
            let metadata = Metadata::from([(key.clone(), text)]);
            for name in names(&metadata) {
                prop_assert!(value(&metadata, &name).is_some(), "{}", key);
            }
        }
    }
}
