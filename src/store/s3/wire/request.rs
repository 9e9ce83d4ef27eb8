//! Requests: what is asked of S3, as a signed HTTP request. Pure.
//!
//! A key is sent and signed as it is: nothing takes `//`, `.` or `..` out of a path.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::SdkBody;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderName, HeaderValue, Method, Request};
use percent_encoding::utf8_percent_encode;

use crate::store::error::{StoreError, StoreResult};
use crate::store::s3::body::Upload;
use crate::store::s3::connection::Work;
use crate::store::s3::errors::not_a_request;
use crate::store::s3::requests::{Headers, PATH, QUERY};
use crate::store::s3::wire::place::Place;

const USER_AGENT: &str = concat!("pailfs/", env!("CARGO_PKG_VERSION"));

/// Names and values, neither encoded.
pub(in crate::store::s3) type Query = Vec<(&'static str, String)>;

/// What is asked of S3.
pub(in crate::store::s3) struct Ask<'a> {
    pub method: Method,
    pub bucket: &'a str,
    /// `None`: of the bucket.
    pub key: Option<&'a str>,
    pub query: Query,
    pub headers: Headers,
    pub upload: Option<&'a Upload>,
    pub work: Work,
}

impl<'a> Ask<'a> {
    /// A question of an object, or of a bucket.
    pub(in crate::store::s3) fn question(
        method: Method,
        bucket: &'a str,
        key: Option<&'a str>,
    ) -> Self {
        let (query, headers) = (Query::new(), Headers::new());
        Self { method, bucket, key, query, headers, upload: None, work: Work::Request }
    }

    /// The same with a body.
    pub(in crate::store::s3) fn with(self, upload: &'a Upload) -> Self {
        Self { work: Work::Upload { bytes: upload.bytes() }, upload: Some(upload), ..self }
    }

    /// Whether it can be sent again; a body that passes once can't.
    pub(super) fn is_repeatable(&self) -> bool {
        self.upload.is_none_or(Upload::is_repeatable)
    }
}

/// Makes the request, signed with the credentials for the time, if there are any.
pub(super) fn signed(
    ask: &Ask<'_>,
    place: &Place,
    signer: Option<(Credentials, SystemTime)>,
) -> StoreResult<Request<SdkBody>> {
    if ask.key == Some("") {
        return Err(not_a_request("an object has a key"));
    }
    let address = address_of(ask, place);
    let length = ask.upload.map(|upload| ("content-length", upload.bytes().to_string()));
    let headers = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers = headers.chain(length.as_ref().map(|(name, value)| (*name, value.as_str())));
    let body = ask.upload.map_or_else(SdkBody::empty, Upload::body);
    let mut request = Request::new(body);
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = address.parse().map_err(unsendable)?;
    for (name, value) in headers.clone() {
        let name = HeaderName::try_from(name).map_err(unsendable)?;
        let value = HeaderValue::try_from(value).map_err(unsendable)?;
        request.headers_mut().insert(name, value);
    }
    let Some((credentials, time)) = signer else {
        request.headers_mut().insert("user-agent", HeaderValue::from_static(USER_AGENT));
        return Ok(request);
    };
    let identity = Identity::from(credentials);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&place.region)
        .name(&place.service)
        .time(time)
        .settings(settings());
    let params = SigningParams::from(params.build().map_err(unsendable)?);
    let content = match ask.upload {
        Some(_) => SignableBody::UnsignedPayload,
        None => SignableBody::empty(),
    };
    let signable = SignableRequest::new(ask.method.as_str(), address, headers, content);
    let signature = sign(signable.map_err(unsendable)?, &params).map_err(unsendable)?;
    signature.into_parts().0.apply_to_request_http1x(&mut request);
    request.headers_mut().insert("user-agent", HeaderValue::from_static(USER_AGENT));
    Ok(request)
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

fn address_of(ask: &Ask<'_>, place: &Place) -> String {
    let mut address = format!("{}/", place.url);
    address.extend(utf8_percent_encode(ask.key.unwrap_or_default(), PATH));
    for (index, (name, value)) in ask.query.iter().enumerate() {
        address.push(if index == 0 { '?' } else { '&' });
        address.push_str(name);
        address.push('=');
        address.extend(utf8_percent_encode(value, QUERY));
    }
    address
}

fn unsendable(error: impl std::error::Error) -> StoreError {
    not_a_request(&error.to_string())
}

#[cfg(test)]
mod tests;
