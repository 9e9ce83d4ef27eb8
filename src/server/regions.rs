//! Regions: requests that were signed for another region than their bucket's.
//!
//! S3 refuses them before it looks at their signature, and says which region it should have been.
//! Here all regions are one server, so the refusal is that of a right endpoint with a wrong
//! signature (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use s3s::Body;
use s3s::path::{S3Path, parse_path_style};

use crate::server::convert::header;
use crate::store::ObjectStore;

/// The refusal of a request that should have been signed for another region; `None` where it is
/// right, is about no bucket that is there, or is not signed at all.
pub(crate) async fn refuse_misdirected(
    store: &dyn ObjectStore,
    request: &Request<Body>,
) -> Option<Response<Body>> {
    let signed = signed_region(request.headers(), request.uri())?;
    let bucket = bucket_in(request.uri()).filter(|_| !is_creation(request))?;
    let region = store.head_bucket(&bucket).await.ok()?;
    (region != signed).then(|| refusal(&signed, &region))
}

/// A bucket that is there is told so by the operation itself.
fn is_creation(request: &Request<Body>) -> bool {
    let path = request.uri().path().trim_matches('/');
    let has_subresource = request.uri().query().is_some_and(|query| !query.starts_with("x-id="));
    request.method() == Method::PUT && !path.contains('/') && !has_subresource
}

/// The region in a credential: `KEY/DATE/REGION/s3/aws4_request`.
fn signed_region(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let credential = match header(headers, AUTHORIZATION.as_str()) {
        Some(authorization) => {
            let (_, rest) = authorization.split_once("Credential=")?;
            rest.split(',').next()?.to_owned()
        }
        None => {
            let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(name, _)| *name == "X-Amz-Credential")?;
            percent_decode_str(value).decode_utf8().ok()?.into_owned()
        }
    };
    // Keys may have slashes.
    credential.rsplit('/').nth(2).map(str::to_owned)
}

fn bucket_in(uri: &Uri) -> Option<String> {
    let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
    match parse_path_style(&path).ok()? {
        S3Path::Root => None,
        S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => Some(bucket.into()),
    }
}

fn refusal(signed: &str, region: &str) -> Response<Body> {
    // Regions are words of letters, digits and dashes, or else not repeated.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let signed = if signed.bytes().all(is_plain) { signed } else { "" };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AuthorizationHeaderMalformed</Code>\
         <Message>The authorization header is malformed; the region '{signed}' is wrong; expecting \
         '{region}'</Message><Region>{region}</Region></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(region) = HeaderValue::from_str(region) {
        response.headers_mut().insert("x-amz-bucket-region", region);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_in_the_credential() {
        let mut headers = HeaderMap::new();
        let plain: Uri = "/bucket/key".parse().unwrap();
        assert_eq!(signed_region(&headers, &plain), None);
        let presigned: Uri =
            "/b/k?X-Amz-Credential=A%2FB%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&x=y"
                .parse()
                .unwrap();
        assert_eq!(signed_region(&headers, &presigned).as_deref(), Some("eu-west-1"));
        let authorization = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/s3/aws4_request, \
                             SignedHeaders=host, Signature=00";
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        assert_eq!(signed_region(&headers, &plain).as_deref(), Some("us-west-2"));
        headers.insert(AUTHORIZATION, "AWS AKID:signature".parse().unwrap());
        assert_eq!(signed_region(&headers, &plain), None);
    }

    #[test]
    fn a_bucket_is_the_first_word_of_a_path() {
        let bucket = |uri: &str| bucket_in(&uri.parse().unwrap());
        assert_eq!(bucket("/?x-id=ListBuckets"), None);
        assert_eq!(bucket("/photos?cors").as_deref(), Some("photos"));
        assert_eq!(bucket("/photos/a/b").as_deref(), Some("photos"));
    }
}
