//! What every request gets, whatever it asks: an id, a body that is read to its end, and a
//! refusal that says why.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use s3s::service::S3Service;
use s3s::{Body, HttpError, S3Response};

use crate::server::errors::wording;
use crate::server::regions;
use crate::store::ObjectStore;

/// How much of a body that nobody wants is read and thrown away, at most.
const UNWANTED_BYTES_MAX: u64 = 128 << 20;

/// How long that may take.
const UNWANTED_WAIT: Duration = Duration::from_secs(10);

/// An answer with a status other than the one s3s gives its operation.
///
/// s3s looks at the status of an answer's response only on routes; it hands extensions on.
pub(crate) fn with_status<T>(mut response: S3Response<T>, status: StatusCode) -> S3Response<T> {
    response.extensions.insert(status);
    response
}

/// Who answers requests.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) service: S3Service,
    pub(crate) store: Arc<dyn ObjectStore>,
}

/// Answers one request.
pub(crate) async fn answer(
    desk: &Desk,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let id = format!("{:016X}", fastrand::u64(..));
    let request = taken(request);
    let mut response = match regions::refuse_misdirected(&*desk.store, &request).await {
        Some(refusal) => refusal,
        None => desk.service.call(request).await?,
    };
    if let Some(status) = response.extensions_mut().remove::<StatusCode>() {
        *response.status_mut() = status;
    }
    if response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
    } else if response.status().is_client_error() || response.status().is_server_error() {
        complete_refusal(&mut response, &id);
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    Ok(response)
}

fn taken(request: Request<Incoming>) -> Request<Body> {
    let waits = request.headers().contains_key(EXPECT);
    request.map(|incoming| {
        if incoming.is_end_stream() {
            Body::empty()
        } else {
            Body::http_body(ReadToEnd { incoming: Some(incoming), on_its_way: !waits })
        }
    })
}

/// Gives the body of a refusal its request id, and its sentence where s3s left it out.
fn complete_refusal(response: &mut Response<Body>, id: &str) {
    let Some(bytes) = response.body().bytes() else { return };
    let Some(text) = std::str::from_utf8(&bytes).ok().and_then(|xml| completed(xml, id)) else {
        return;
    };
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(text);
}

fn completed(xml: &str, id: &str) -> Option<String> {
    let open = xml.strip_suffix("</Error>")?;
    let (_, after) = open.split_once("<Code>")?;
    let (code, _) = after.split_once("</Code>")?;
    let message = if open.contains("<Message>") {
        String::new()
    } else {
        format!("<Message>{}</Message>", wording(code))
    };
    Some(format!("{open}{message}<RequestId>{id}</RequestId></Error>"))
}

/// A request's body that, dropped early, is still read in the background.
///
/// A client that sends before it listens would otherwise find its connection reset instead of
/// the refusal. The answer is on its way meanwhile.
struct ReadToEnd {
    incoming: Option<Incoming>,
    /// False while the client waits for a `100 Continue`: then nothing comes unless we read.
    on_its_way: bool,
}

impl HttpBody for ReadToEnd {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.on_its_way = true;
        let Some(incoming) = self.incoming.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.incoming = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if !self.on_its_way || incoming.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(tokio::time::timeout(UNWANTED_WAIT, discard(incoming))));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut bytes_left = UNWANTED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match bytes_left.checked_sub(length) {
            Some(left) => bytes_left = left,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_sentence_gets_one_and_every_refusal_its_id() {
        assert_eq!(
            completed("<Error><Code>InvalidURI</Code></Error>", "7").unwrap(),
            "<Error><Code>InvalidURI</Code><Message>Couldn't parse the specified URI.</Message>\
             <RequestId>7</RequestId></Error>"
        );
        assert_eq!(
            completed("<Error><Code>A</Code><Message>b</Message></Error>", "7").unwrap(),
            "<Error><Code>A</Code><Message>b</Message><RequestId>7</RequestId></Error>"
        );
        assert_eq!(completed("not xml", "7"), None);
    }
}
