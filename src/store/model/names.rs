//! Names: which buckets, keys, tags, metadata and storage classes S3 takes.
//!
//! Everything here is pure and follows the limits of S3's user guide. Checks are made before a
//! body is read, so that a request that can't succeed costs nothing.

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::refusal;
use crate::store::types::{Encryption, ObjectAttributes, Tags};

const BUCKET_NAME_BYTES_MIN: usize = 3;
const BUCKET_NAME_BYTES_MAX: usize = 63;
const KEY_BYTES_MAX: usize = 1024;
/// Names and values together.
const METADATA_BYTES_MAX: usize = 2048;
const TAGS_MAX: usize = 10;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

const RESERVED_PREFIXES: &[&str] = &["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: &[&str] = &["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// The class of an object that names none.
pub(super) const STANDARD: &str = "STANDARD";

const STORAGE_CLASSES: &[&str] = &[
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
];

pub(super) fn check_bucket_name(name: &str) -> StoreResult<()> {
    if is_bucket_name(name) {
        return Ok(());
    }
    let message = format!("The specified bucket is not valid: {name}");
    Err(StoreError::new(ErrorKind::Invalid, "InvalidBucketName", message))
}

fn is_bucket_name(name: &str) -> bool {
    let is_edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (BUCKET_NAME_BYTES_MIN..=BUCKET_NAME_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|byte| is_edge(byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().is_some_and(is_edge)
        && bytes.last().is_some_and(is_edge)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Checks the name of a region; the model's own is one, whatever it is.
pub(super) fn check_region(region: &str, own: &str) -> StoreResult<()> {
    if region == own || is_region(region) {
        return Ok(());
    }
    let message = format!("The specified location-constraint is not valid: {region}");
    Err(StoreError::new(ErrorKind::Invalid, "InvalidLocationConstraint", message))
}

/// Such as `eu-west-1` and `us-gov-east-1`: words, and a number at the end.
fn is_region(region: &str) -> bool {
    let mut words = region.rsplit('-');
    let is_number = |word: &str| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    words.next().is_some_and(is_number) && words.clone().count() >= 2 && words.all(is_word)
}

pub(super) fn check_key(key: &str) -> StoreResult<()> {
    match key.len() {
        0 => Err(refusal::invalid_argument("The key must not be empty")),
        1..=KEY_BYTES_MAX => Ok(()),
        _ => Err(StoreError::new(
            ErrorKind::Invalid,
            "KeyTooLongError",
            "Your key is too long: S3 takes 1024 bytes",
        )),
    }
}

/// Checks what rides along with an object: metadata, storage class, encryption.
pub(super) fn check_attributes(attributes: &ObjectAttributes) -> StoreResult<()> {
    let bytes: usize =
        attributes.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(StoreError::new(
            ErrorKind::Full,
            "MetadataTooLarge",
            format!("Your metadata headers exceed the maximum of {METADATA_BYTES_MAX} bytes"),
        ));
    }
    check_storage_class(attributes.storage_class.as_deref())?;
    check_encryption(attributes.encryption.as_ref())
}

fn check_storage_class(class: Option<&str>) -> StoreResult<()> {
    if class.is_none_or(|class| STORAGE_CLASSES.contains(&class)) {
        return Ok(());
    }
    let message = "The storage class you specified is not valid";
    Err(StoreError::new(ErrorKind::Invalid, "InvalidStorageClass", message))
}

fn check_encryption(encryption: Option<&Encryption>) -> StoreResult<()> {
    let Some(encryption) = encryption else { return Ok(()) };
    match (encryption.algorithm.as_str(), &encryption.kms_key_id) {
        ("AES256", None) | ("aws:kms" | "aws:kms:dsse", _) => Ok(()),
        ("AES256", Some(_)) => {
            Err(refusal::invalid_argument("A key id goes with aws:kms encryption only"))
        }
        _ => Err(StoreError::new(
            ErrorKind::Invalid,
            "InvalidEncryptionAlgorithmError",
            "The encryption request that you specified is not valid",
        )),
    }
}

pub(super) fn check_tags(tags: &Tags) -> StoreResult<()> {
    if tags.len() > TAGS_MAX {
        let message = format!("Object tags cannot be greater than {TAGS_MAX}");
        return Err(StoreError::new(ErrorKind::Invalid, "BadRequest", message));
    }
    tags.iter().try_for_each(|(key, value)| check_tag(key, value))
}

pub(super) fn check_tag(key: &str, value: &str) -> StoreResult<()> {
    if is_tag(key, value) {
        return Ok(());
    }
    let message = format!("The tag you provided is not valid: {key}");
    Err(StoreError::new(ErrorKind::Invalid, "InvalidTag", message))
}

fn is_tag(key: &str, value: &str) -> bool {
    (1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count())
        && value.chars().count() <= TAG_VALUE_CHARS_MAX
        && !key.starts_with("aws:")
        && key.chars().chain(value.chars()).all(is_tag_char)
}

fn is_tag_char(char: char) -> bool {
    char.is_alphanumeric() || char == ' ' || "+-=._:/@".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_those_of_the_user_guide() {
        for good in ["abc", "a-b.c", "0ab", &"a".repeat(63), "my.bucket-1"] {
            assert!(is_bucket_name(good), "{good}");
        }
        let bad = ["ab", "Abc", "a_b", "-abc", "abc-", ".abc", "a..b", "10.0.0.1", "xn--abc", ""];
        for bad in bad.into_iter().chain(["a--x-s3", &"a".repeat(64)]) {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_region_is_words_and_a_number() {
        for good in ["eu-west-1", "us-gov-east-1", "ap-southeast-5", "here"] {
            assert!(check_region(good, "here").is_ok(), "{good}");
        }
        for bad in ["", "mars", "eu-west", "EU-West-1", "eu_west_1", "-west-1", "eu--1", "1"] {
            let error = check_region(bad, "here").unwrap_err();
            assert_eq!(error.code, "InvalidLocationConstraint", "{bad}");
        }
    }

    #[test]
    fn keys_have_from_1_to_1024_bytes() {
        assert!(check_key("a").is_ok());
        assert!(check_key(&"k".repeat(1024)).is_ok());
        assert_eq!(check_key(&"k".repeat(1025)).unwrap_err().code, "KeyTooLongError");
        assert_eq!(check_key(&"ü".repeat(513)).unwrap_err().code, "KeyTooLongError");
        assert!(check_key("").is_err());
    }

    #[test]
    fn metadata_is_counted_with_its_names() {
        let with = |bytes: usize| ObjectAttributes {
            metadata: [("name".to_owned(), "v".repeat(bytes))].into(),
            ..ObjectAttributes::default()
        };
        assert!(check_attributes(&with(2044)).is_ok());
        assert_eq!(check_attributes(&with(2045)).unwrap_err().code, "MetadataTooLarge");
    }

    #[test]
    fn unknown_classes_and_ciphers_are_refused() {
        let class = |name: &str| ObjectAttributes {
            storage_class: Some(name.to_owned()),
            ..ObjectAttributes::default()
        };
        assert!(check_attributes(&class("GLACIER_IR")).is_ok());
        assert_eq!(check_attributes(&class("COLD")).unwrap_err().code, "InvalidStorageClass");
        let cipher = |algorithm: &str, key: Option<&str>| Encryption {
            algorithm: algorithm.to_owned(),
            kms_key_id: key.map(str::to_owned),
        };
        assert!(check_encryption(Some(&cipher("AES256", None))).is_ok());
        assert!(check_encryption(Some(&cipher("aws:kms", Some("key")))).is_ok());
        assert!(check_encryption(Some(&cipher("AES256", Some("key")))).is_err());
        assert!(check_encryption(Some(&cipher("rot13", None))).is_err());
    }

    #[test]
    fn tags_have_a_count_a_length_and_an_alphabet() {
        let tag = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
        assert!(check_tags(&tag(&"k".repeat(128), &"v".repeat(256))).is_ok());
        assert!(check_tags(&tag("größe", "a b+c")).is_ok());
        let many: Tags = (0..11).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(check_tags(&many).unwrap_err().code, "BadRequest");
        for (key, value) in [
            ("", "v"),
            (&*"k".repeat(129), "v"),
            ("k", &"v".repeat(257)),
            ("aws:k", ""),
            ("k", "{"),
        ] {
            assert_eq!(check_tags(&tag(key, value)).unwrap_err().code, "InvalidTag", "{key}");
        }
    }
}
