//! Signature version 4 as S3 documents it, written anew: a mistake shared with the server's
//! library would go unnoticed.

use std::time::{Duration, SystemTime};

use s3s::crypto::{Checksum as _, Sha256};

const BLOCK_BYTES: usize = 64;
const REGION: &str = "us-east-1";

/// Who signs, and when.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) time: SystemTime,
}

/// What of a request is signed; path and query are encoded.
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// In lower case.
    pub(super) headers: &'a [(String, String)],
    /// The value of `x-amz-content-sha256`.
    pub(super) payload: &'a str,
}

impl Signer<'_> {
    /// `x-amz-date`.
    pub(super) fn date(&self) -> String {
        let time = time::OffsetDateTime::from(self.time);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// `Authorization`.
    pub(super) fn authorization(&self, signable: &Signable<'_>) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key,
            self.scope(),
            names(signable.headers),
            self.signature(signable)
        )
    }

    /// The query of a presigned address, its signature included.
    pub(super) fn presigned(&self, signable: &Signable<'_>, valid: Duration) -> String {
        let separator = if signable.query.is_empty() { "" } else { "&" };
        let query = format!(
            "{}{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F{}&X-Amz-Date={}\
             &X-Amz-Expires={}&X-Amz-SignedHeaders={}",
            signable.query,
            self.access_key,
            self.scope().replace('/', "%2F"),
            self.date(),
            valid.as_secs(),
            names(signable.headers).replace(';', "%3B"),
        );
        let signature = self.signature(&Signable { query: &query, ..*signable });
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn scope(&self) -> String {
        format!("{}/{REGION}/s3/aws4_request", &self.date()[..8])
    }

    fn signature(&self, signable: &Signable<'_>) -> String {
        let mut query: Vec<String> = signable
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        query.sort_unstable();
        let mut headers = signable.headers.to_vec();
        headers.sort_unstable();
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{}\n{}",
            signable.method,
            signable.path,
            query.join("&"),
            names(signable.headers),
            signable.payload
        );
        let canonical = hex(&Sha256::checksum(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{}\n{canonical}", self.date(), self.scope());
        let secret = format!("AWS4{}", self.secret_key).into_bytes();
        let scope = self.scope();
        let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
        hex(&hmac(&key, &to_sign))
    }
}

fn names(headers: &[(String, String)]) -> String {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.join(";")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut block =
        if key.len() > BLOCK_BYTES { Sha256::checksum(key).to_vec() } else { key.to_vec() };
    block.resize(BLOCK_BYTES, 0);
    let padded = |with: u8| block.iter().map(move |byte| byte ^ with);
    let inner: Vec<u8> = padded(0x36).chain(message.bytes()).collect();
    let outer: Vec<u8> = padded(0x5c).chain(Sha256::checksum(&inner)).collect();
    Sha256::checksum(&outer).to_vec()
}
