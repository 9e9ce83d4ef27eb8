//! Signatures: SigV4 with an unsigned payload, for keys and queries that need no escapes.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// What SHA-256 works on at once, which is HMAC's block.
const BLOCK_BYTES: usize = 64;
const SERVICE: &str = "s3";
/// In place of the digest of what is sent.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// A key good for a day, and what it is of.
#[derive(Clone, Debug)]
pub struct Signer {
    access_key: String,
    region: String,
    date: String,
    key: [u8; 32],
}

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Escaped, its parameters in order of their names.
    pub query: &'a str,
    /// Lower case and in order, the host and all that begin with `x-amz-`.
    pub headers: &'a [(&'a str, &'a str)],
    /// Such as `20130524T000000Z`.
    pub instant: &'a str,
    /// The digest of what is sent, or [`UNSIGNED_PAYLOAD`].
    pub payload: &'a str,
}

impl Signer {
    /// A signer for the day of `instant`.
    #[must_use]
    pub fn new(access_key: &str, secret_key: &str, region: &str, instant: &str) -> Self {
        let date = &instant[..8];
        let first = hmac(format!("AWS4{secret_key}").as_bytes(), date.as_bytes());
        let rest = [region, SERVICE, "aws4_request"];
        let key = rest.iter().fold(first, |key, word| hmac(&key, word.as_bytes()));
        Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            date: date.to_owned(),
            key,
        }
    }

    /// The `authorization` header.
    #[must_use]
    pub fn authorization(&self, signed: &Signed<'_>) -> String {
        let names = signed.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let digest = Sha256::digest(canonical(signed, &names));
        let scope = format!("{}/{}/{SERVICE}/aws4_request", self.date, self.region);
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", signed.instant, hex(&digest));
        let signature = hex(&hmac(&self.key, text.as_bytes()));
        let access_key = &self.access_key;
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}"
        )
    }
}

fn canonical(signed: &Signed<'_>, names: &str) -> String {
    let mut text = format!("{}\n{}\n{}\n", signed.method, signed.path, signed.query);
    for (name, value) in signed.headers {
        text.extend([name, ":", value, "\n"]);
    }
    text.extend(["\n", names, "\n", signed.payload]);
    text
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK_BYTES];
    match key.len() > BLOCK_BYTES {
        true => block[..32].copy_from_slice(&Sha256::digest(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "GET Object" of the examples in Amazon's description of the signature.
    #[test]
    fn a_request_is_signed_as_in_amazons_example() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let instant = "20130524T000000Z";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", secret, "us-east-1", instant);
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", digest),
            ("x-amz-date", instant),
        ];
        let signed = Signed {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: &headers,
            instant,
            payload: digest,
        };
        let authorization = signer.authorization(&signed);
        let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert!(authorization.ends_with(signature), "{authorization}");
    }
}
