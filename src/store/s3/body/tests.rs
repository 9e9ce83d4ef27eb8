//! Bodies on their way out and in: order, length, checksums.

use futures_util::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;

use super::*;
use crate::store::error::StoreResult;

fn chunks(texts: &[&'static str]) -> Payload {
    Payload::Chunks(texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect())
}

fn stream(bytes: u64, texts: &[&'static str]) -> Payload {
    let texts = texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes())));
    Payload::Stream { bytes, stream: Box::pin(stream::iter(texts.collect::<Vec<_>>())) }
}

async fn sent(body: SdkBody) -> Result<String, BoxError> {
    let collected = body.collect().await?;
    Ok(String::from_utf8(collected.to_bytes().to_vec())?)
}

async fn received(answer: &'static [u8], bytes: u64) -> StoreResult<Vec<u8>> {
    let stream = body_stream(SdkBody::from(answer), Expected::bytes(bytes, None));
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}

#[tokio::test]
async fn chunks_are_sent_in_order_and_again() {
    let upload = Upload::new(chunks(&["he", "", "llo", " world"]));
    for _attempt in 0..2 {
        let body = upload.body();
        assert_eq!(Body::size_hint(&body).exact(), Some(11));
        assert_eq!(sent(body).await.unwrap(), "hello world");
    }
    assert_eq!(sent(Upload::new(Payload::empty()).body()).await.unwrap(), "");
}

#[tokio::test]
async fn chunks_are_cut_into_frames_without_copying() {
    let chunk = Bytes::from(vec![7; FRAME_BYTES_MAX + 1]);
    let mut body = ChunksBody::new(Arc::new([chunk.clone()]));
    let first = body.take_frame().unwrap();
    assert_eq!(first.as_ptr(), chunk.as_ptr());
    assert_eq!(first.len(), FRAME_BYTES_MAX);
    assert!(!body.is_end_stream());
    assert_eq!(body.take_frame().unwrap().len(), 1);
    assert!(body.is_end_stream());
    assert_eq!(body.take_frame(), None);
}

#[tokio::test]
async fn a_stream_is_sent_once() {
    let upload = Upload::new(stream(5, &["he", "llo"]));
    let body = upload.body();
    assert_eq!(Body::size_hint(&body).exact(), Some(5));
    assert_eq!(sent(body).await.unwrap(), "hello");
    assert!(sent(upload.body()).await.is_err());
}

#[tokio::test]
async fn a_stream_of_another_length_than_announced_fails() {
    assert!(sent(Upload::new(stream(6, &["he", "llo"])).body()).await.is_err());
    assert!(sent(Upload::new(stream(4, &["he", "llo"])).body()).await.is_err());
}

#[tokio::test]
async fn an_answer_must_have_the_announced_length() {
    assert_eq!(received(b"hello", 5).await.unwrap(), b"hello");
    assert_eq!(received(b"", 0).await.unwrap(), b"");
    assert_eq!(received(b"hell", 5).await.unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(received(b"hello!", 5).await.unwrap_err().kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_answer_ends_with_its_first_error() {
    let mut stream = body_stream(SdkBody::from(&b"hell"[..]), Expected::bytes(5, None));
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.unwrap().is_err());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_answer_must_have_the_announced_checksum() {
    let check = async |algorithm, value: &str, is_right: bool| {
        let checksum = Checksum { algorithm, value: value.to_owned() };
        let expected = Expected::bytes(9, Some(&checksum));
        let stream = body_stream(SdkBody::from(&b"123456789"[..]), expected);
        let received: StoreResult<Vec<Bytes>> = stream.try_collect().await;
        let kind = received.err().map(|error| error.kind);
        assert_eq!(kind, (!is_right).then_some(ErrorKind::Corrupt), "{value}");
    };
    check(ChecksumAlgorithm::Crc32C, "4waSgw==", true).await;
    check(ChecksumAlgorithm::Crc32C, "4waSgg==", false).await;
    check(ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg=", true).await;
    check(ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE=", true).await;
    check(ChecksumAlgorithm::Sha1, "no base64", false).await;
    // One of parts' checksums says nothing of these bytes.
    check(ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE=-2", true).await;
}

#[test]
fn a_checksum_is_made_where_none_is_given_and_the_bytes_are_here() {
    let check = |payload: &Payload, given: Option<&Checksum>, expected: Option<&str>| {
        let found = checksum_for(payload, given);
        assert_eq!(found.as_ref().map(|checksum| checksum.value.as_str()), expected);
    };
    // The check value of CRC-32/ISCSI is that of the digits one to nine.
    check(&chunks(&["1234", "56789"]), None, Some("4waSgw=="));
    check(&chunks(&[]), None, Some("AAAAAA=="));
    check(&stream(5, &["hello"]), None, None);
    let given = Checksum { algorithm: ChecksumAlgorithm::Sha256, value: "given".to_owned() };
    check(&chunks(&["hello"]), Some(&given), Some("given"));
}
