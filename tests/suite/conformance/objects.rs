//! Objects: what was put is what comes back.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use pailfs::store::error::ErrorKind;
use pailfs::store::types::{ListObjects, Payload, WriteOptions};

use crate::conformance::bench::{
    Bench, Failure, Outcome, cases, equal, holds, md5_hex, pattern, refused, refused_with,
};
use crate::support::http;

cases![
    an_object_comes_back_byte_for_byte,
    an_empty_object_is_an_object,
    the_etag_of_a_put_is_the_md5_of_its_bytes,
    a_body_in_many_chunks_is_one_object,
    a_streamed_body_is_one_object,
    a_head_says_what_a_get_and_a_listing_say,
    the_content_type_is_binary_unless_given,
    a_put_replaces_the_object,
    a_missing_object_is_not_found,
    a_put_into_a_missing_bucket_is_not_found,
    a_deleted_object_is_gone,
    deleting_what_is_not_there_succeeds,
    parallel_puts_leave_one_of_them_whole,
    a_presigned_address_gives_the_bytes_without_credentials,
];

async fn an_object_comes_back_byte_for_byte(bench: &Bench) -> Outcome {
    let bytes = pattern(6 << 20, 1);
    let payload = Payload::from(bytes.clone());
    bench.store.put_object(&bench.bucket, "object", payload, WriteOptions::default()).await?;
    holds("the bytes are the same", bench.get("object").await? == bytes)
}

async fn an_empty_object_is_an_object(bench: &Bench) -> Outcome {
    let payload = Payload::empty();
    bench.store.put_object(&bench.bucket, "empty", payload, WriteOptions::default()).await?;
    equal("size", bench.head("empty").await?.size, 0)?;
    equal("bytes", bench.get("empty").await?, Vec::new())?;
    equal("listed", bench.list(ListObjects::default()).await?.keys, vec!["empty".to_owned()])
}

async fn the_etag_of_a_put_is_the_md5_of_its_bytes(bench: &Bench) -> Outcome {
    let written = bench.put("object", "some bytes").await?;
    equal("etag", written.etag.as_str(), &md5_hex(b"some bytes"))
}

async fn a_body_in_many_chunks_is_one_object(bench: &Bench) -> Outcome {
    let bytes = pattern(300_000, 2);
    let sizes = [0, 1, 65_535, 65_536, 100_000];
    let mut rest = bytes.clone();
    let mut chunks: Vec<Bytes> = sizes.iter().map(|size| rest.split_to(*size)).collect();
    chunks.push(rest);
    let payload = Payload::Chunks(chunks);
    bench.store.put_object(&bench.bucket, "object", payload, WriteOptions::default()).await?;
    holds("the bytes are the same", bench.get("object").await? == bytes)
}

async fn a_streamed_body_is_one_object(bench: &Bench) -> Outcome {
    let bytes = pattern(200_000, 3);
    let chunks: Vec<_> = bytes.chunks(70_000).map(|chunk| Ok(bytes.slice_ref(chunk))).collect();
    let payload = Payload::Stream { bytes: 200_000, stream: stream::iter(chunks).boxed() };
    bench.store.put_object(&bench.bucket, "object", payload, WriteOptions::default()).await?;
    holds("the bytes are the same", bench.get("object").await? == bytes)
}

async fn a_head_says_what_a_get_and_a_listing_say(bench: &Bench) -> Outcome {
    let written = bench.put("object", "some bytes").await?;
    let head = bench.head("object").await?;
    let got = bench.store.get_object(&bench.bucket, "object", Default::default()).await?;
    let page = bench.store.list_objects(&bench.bucket, ListObjects::default()).await?;
    let listed = page.objects.first().ok_or_else(|| Failure::new("nothing is listed"))?;
    equal("size", (head.size, got.head.size, listed.size), (10, 10, 10))?;
    equal("etag of the put", &head.etag, &written.etag)?;
    equal("etags", (&got.head.etag, &listed.etag), (&head.etag, &head.etag))?;
    equal("time of the get", got.head.last_modified, head.last_modified)?;
    let apart = match head.last_modified.duration_since(listed.last_modified) {
        Ok(earlier) => earlier,
        Err(later) => later.duration(),
    };
    // HTTP dates have whole seconds, listings milliseconds.
    holds("time of the listing", apart < Duration::from_secs(1))
}

async fn the_content_type_is_binary_unless_given(bench: &Bench) -> Outcome {
    bench.put("object", "some bytes").await?;
    let content_type = bench.head("object").await?.attributes.content_type;
    equal("content type", content_type.as_deref(), Some("binary/octet-stream"))
}

async fn a_put_replaces_the_object(bench: &Bench) -> Outcome {
    bench.put("object", "first").await?;
    bench.put("object", "second, longer").await?;
    equal("bytes", bench.get("object").await?, b"second, longer".to_vec())?;
    bench.put("object", "3").await?;
    equal("bytes", bench.get("object").await?, b"3".to_vec())
}

async fn a_missing_object_is_not_found(bench: &Bench) -> Outcome {
    refused_with("get", bench.get("missing").await, ErrorKind::NotFound, "NoSuchKey")?;
    refused("head", bench.head("missing").await, &[ErrorKind::NotFound])
}

async fn a_put_into_a_missing_bucket_is_not_found(bench: &Bench) -> Outcome {
    let missing = format!("{}-missing", bench.bucket);
    let payload = Payload::from(Bytes::from_static(b"lost"));
    let put = bench.store.put_object(&missing, "object", payload, WriteOptions::default()).await;
    refused_with("put", put, ErrorKind::NotFound, "NoSuchBucket")
}

async fn a_deleted_object_is_gone(bench: &Bench) -> Outcome {
    bench.put("object", "some bytes").await?;
    bench.delete("object").await?;
    refused("get", bench.get("object").await, &[ErrorKind::NotFound])?;
    equal("listed", bench.list(ListObjects::default()).await?.keys, Vec::new())
}

async fn deleting_what_is_not_there_succeeds(bench: &Bench) -> Outcome {
    bench.delete("missing").await?;
    Ok(())
}

async fn parallel_puts_leave_one_of_them_whole(bench: &Bench) -> Outcome {
    let bodies: Vec<Bytes> = (0..8).map(|seed| pattern(100_000, seed)).collect();
    let puts = bodies.iter().map(|body| {
        let payload = Payload::from(body.clone());
        bench.store.put_object(&bench.bucket, "object", payload, WriteOptions::default())
    });
    for put in join_all(puts).await {
        put?;
    }
    let got = bench.get("object").await?;
    holds("the bytes are those of one put", bodies.iter().any(|body| *body == got))
}

async fn a_presigned_address_gives_the_bytes_without_credentials(bench: &Bench) -> Outcome {
    bench.put("dir/an object", "some bytes").await?;
    let valid = Duration::from_secs(60);
    let address = bench.store.presign_get(&bench.bucket, "dir/an object", valid).await?;
    let answer = http::get(&address).await.map_err(|error| Failure::new(&error.to_string()))?;
    equal("status and body", answer, (200, b"some bytes".to_vec()))?;
    let bare = address.split('?').next().unwrap_or_default();
    let answer = http::get(bare).await.map_err(|error| Failure::new(&error.to_string()))?;
    equal("status without the signature", answer.0, 403)
}
