//! Bytes in and out, in memory and in files alike.

use super::*;
use crate::store::error::StoreResult;
use crate::store::model::blobs::directory::BlobDirectory;
use crate::store::model::blobs::receive::{Place, Received};
use crate::store::model::journal::Journal;
use crate::store::types::{ByteStream, Payload};

fn places(directory: &std::path::Path) -> [Place; 2] {
    let rows = Journal::open(&directory.join("journal")).unwrap().rows();
    let directory = BlobDirectory::open(directory.join("blobs")).unwrap();
    directory.set_removing(true);
    [Place::Memory, Place::Directory(directory, rows)]
}

async fn receive(place: &Place, chunks: &[&[u8]]) -> Vec<Segment> {
    let chunks = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
    place.receive(Payload::Chunks(chunks), None).await.unwrap().segments
}

fn streamed(bytes: u64, chunks: &[&'static [u8]]) -> Payload {
    let chunks: Vec<StoreResult<Bytes>> =
        chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
    Payload::Stream { bytes, stream: Box::pin(stream::iter(chunks)) }
}

async fn collect(mut stream: ByteStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    bytes
}

#[tokio::test]
async fn bytes_come_back_over_the_borders_of_chunks_and_blobs() {
    let directory = tempfile::tempdir().unwrap();
    for place in places(directory.path()) {
        let mut segments = receive(&place, &[b"01", b"", b"234"]).await;
        segments.extend(receive(&place, &[b"56789"]).await);
        for start in 0..=10_u64 {
            for end in start..=10 {
                let bytes = collect(read(&segments, &(start..end))).await;
                let (start, end) = (in_memory(start), in_memory(end));
                assert_eq!(bytes, &b"0123456789"[start..end]);
            }
        }
        let middle = plan_slices(&segments, &(3..8));
        assert_eq!(collect(read(&middle, &(1..4))).await, b"456");
    }
}

#[tokio::test]
async fn large_bodies_are_received_and_read_in_pieces() {
    const MIB: usize = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let body: Vec<u8> = (0..3 * MIB + 5).map(|n| (n % 251) as u8).collect();
    for place in places(directory.path()) {
        let chunks: Vec<_> = body.chunks(300_000).map(Bytes::copy_from_slice).map(Ok).collect();
        let stream: ByteStream = Box::pin(stream::iter(chunks));
        let payload = Payload::Stream { bytes: body.len() as u64, stream };
        let received = place.receive(payload, None).await.unwrap();
        let range = 0..body.len() as u64;
        assert!(collect(read(&received.segments, &range)).await == body);
        let middle = plan_slices(&received.segments, &(7..range.end));
        let pieces = collect(read(&middle, &(MIB as u64..2 * MIB as u64 + 9))).await;
        assert!(pieces == body[MIB + 7..2 * MIB + 16]);
        let digests = digest_blocking(&received.segments, None).unwrap();
        assert_eq!(received.digests, digests);
        assert_eq!(known_md5(&received.segments), Some(digests.md5));
        assert_eq!(known_md5(&plan_slices(&received.segments, &(1..9))), None);
    }
}

#[tokio::test]
async fn a_body_must_be_as_long_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    for place in places(directory.path()) {
        for bytes in [4, 6] {
            let result = place.receive(streamed(bytes, &[b"ab", b"cde"]), None).await;
            assert_eq!(result.err().unwrap().code, "IncompleteBody");
        }
        let Received { segments, .. } = place.receive(streamed(0, &[]), None).await.unwrap();
        assert!(segments.is_empty());
    }
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_lives_as_long_as_somebody_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let [_, place] = places(directory.path());
    let files = || std::fs::read_dir(directory.path().join("blobs")).unwrap().count();
    let segments = receive(&place, &[&[7; 100_000]]).await;
    assert_eq!(files(), 1);
    let stream = read(&segments, &(0..4));
    drop(segments);
    assert_eq!(collect(stream).await, [7; 4]);
    assert_eq!(files(), 0);
}
