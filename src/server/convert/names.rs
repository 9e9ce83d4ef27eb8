//! Keys and tokens in listings.
//!
//! With `encoding-type=url` S3 spells keys as a form would: XML can't hold every key. Tokens of
//! the store are wrapped, so that XML can hold those too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::EncodingType;
use s3s::{S3Result, s3_error};

/// What S3 leaves as it is.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// How a listing spells keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spelling {
    Plain,
    Url,
}

impl Spelling {
    /// The spelling that a request's `encoding-type` asks for.
    pub(crate) fn asked(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => {
                Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"))
            }
        }
    }

    pub(crate) fn spell(self, name: String) -> String {
        match self {
            Self::Plain => name,
            Self::Url => utf8_percent_encode(&name, ENCODED).to_string().replace("%20", "+"),
        }
    }

    pub(crate) fn spell_optional(self, name: Option<String>) -> Option<String> {
        name.map(|name| self.spell(name))
    }

    /// As the answer repeats it.
    pub(crate) fn encoding_type(self) -> Option<EncodingType> {
        match self {
            Self::Plain => None,
            Self::Url => Some(EncodingType::from_static(EncodingType::URL)),
        }
    }
}

/// A store's continuation as clients see it.
pub(crate) fn token(continuation: &str) -> String {
    URL_SAFE_NO_PAD.encode(continuation)
}

/// The store's continuation behind a token.
pub(crate) fn continuation(token: &str) -> S3Result<String> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_url(key: &str, expected: &str) {
        assert_eq!(Spelling::Url.spell(key.to_owned()), expected);
    }

    #[test]
    fn keys_are_spelt_as_in_a_form() {
        check_url("a//b/.-_*", "a//b/.-_*");
        check_url("a b+c%d", "a+b%2Bc%25d");
        check_url("test_file(3).png", "test_file%283%29.png");
        check_url("~\u{1}\u{e9}", "%7E%01%C3%A9");
    }

    #[test]
    fn a_token_brings_the_continuation_back() {
        let store_said = "k\u{1}\u{e9}/\n";
        assert_eq!(continuation(&token(store_said)).unwrap(), store_said);
        assert_eq!(continuation("not ours").unwrap_err().code().as_str(), "InvalidArgument");
    }
}
