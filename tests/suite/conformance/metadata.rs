//! What is said of an object when it is written, and said again when it is read.

use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{
    Encryption, GetObject, ObjectAttributes, Payload, WriteOptions, Written,
};

use crate::conformance::bench::{Bench, Outcome, cases, equal, refused, refused_with};

cases![
    every_header_comes_back,
    user_metadata_comes_back,
    user_metadata_takes_any_printable_value,
    user_metadata_may_be_two_hundred,
    two_kilobytes_of_user_metadata_are_the_limit,
    a_new_object_forgets_the_old_ones_metadata,
    every_storage_class_comes_back,
    an_unknown_storage_class_is_invalid,
    encryption_comes_back,
];

async fn put(bench: &Bench, attributes: ObjectAttributes) -> StoreResult<Written> {
    bench.put_with("object", "bytes", WriteOptions { attributes, ..WriteOptions::default() }).await
}

fn user(pairs: &[(&str, &str)]) -> ObjectAttributes {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ObjectAttributes { metadata: pairs.collect(), ..ObjectAttributes::default() }
}

async fn every_header_comes_back(bench: &Bench) -> Outcome {
    let given = |text: &str| Some(text.to_owned());
    let attributes = ObjectAttributes {
        content_type: given("text/plain; charset=utf-8"),
        content_encoding: given("identity"),
        content_language: given("de-AT"),
        content_disposition: given("attachment; filename=\"a b.txt\""),
        cache_control: given("max-age=60, public"),
        expires: given("Thu, 01 Dec 2033 16:00:00 GMT"),
        website_redirect_location: given("/elsewhere"),
        ..ObjectAttributes::default()
    };
    put(bench, attributes.clone()).await?;
    let head = bench.head("object").await?.attributes;
    let got = bench.store.get_object(&bench.bucket, "object", GetObject::default()).await?;
    for said in [head, got.head.attributes] {
        equal("content type", &said.content_type, &attributes.content_type)?;
        equal("content encoding", &said.content_encoding, &attributes.content_encoding)?;
        equal("content language", &said.content_language, &attributes.content_language)?;
        equal("disposition", &said.content_disposition, &attributes.content_disposition)?;
        equal("cache control", &said.cache_control, &attributes.cache_control)?;
        equal("expires", &said.expires, &attributes.expires)?;
        let redirect = &said.website_redirect_location;
        equal("redirect", redirect, &attributes.website_redirect_location)?;
    }
    Ok(())
}

async fn user_metadata_comes_back(bench: &Bench) -> Outcome {
    let attributes = user(&[("mode", "33188"), ("file-mtime", "1700000000ns"), ("x", "y")]);
    put(bench, attributes.clone()).await?;
    equal(
        "of a head",
        bench.head("object").await?.attributes.metadata,
        attributes.metadata.clone(),
    )?;
    let got = bench.store.get_object(&bench.bucket, "object", GetObject::default()).await?;
    equal("of a get", got.head.attributes.metadata, attributes.metadata)
}

async fn user_metadata_takes_any_printable_value(bench: &Bench) -> Outcome {
    let attributes = user(&[
        ("spaces", "a  b c"),
        ("marks", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        ("encoded", "=?UTF-8?B?w6Q=?="),
        ("percent", "%41%2F"),
    ]);
    put(bench, attributes.clone()).await?;
    equal("metadata", bench.head("object").await?.attributes.metadata, attributes.metadata)
}

async fn user_metadata_may_be_two_hundred(bench: &Bench) -> Outcome {
    let names: Vec<_> = (0..200).map(|index| format!("a{index}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let attributes = user(&pairs);
    put(bench, attributes.clone()).await?;
    let head = bench.head("object").await?.attributes;
    equal("of a head", &head.metadata, &attributes.metadata)?;
    let got = bench.store.get_object(&bench.bucket, "object", GetObject::default()).await?;
    equal("of a get", got.head.attributes.metadata, attributes.metadata)
}

async fn two_kilobytes_of_user_metadata_are_the_limit(bench: &Bench) -> Outcome {
    put(bench, user(&[("name", &"v".repeat(2044))])).await?;
    let over = put(bench, user(&[("name", &"v".repeat(2045))])).await;
    refused_with("one byte more", over, ErrorKind::Full, "MetadataTooLarge")
}

async fn a_new_object_forgets_the_old_ones_metadata(bench: &Bench) -> Outcome {
    let attributes =
        ObjectAttributes { content_type: Some("text/plain".to_owned()), ..user(&[("a", "1")]) };
    put(bench, attributes).await?;
    put(bench, user(&[("b", "2")])).await?;
    let said = bench.head("object").await?.attributes;
    equal("metadata", said.metadata, user(&[("b", "2")]).metadata)?;
    equal("content type", said.content_type.as_deref(), Some("binary/octet-stream"))
}

async fn every_storage_class_comes_back(bench: &Bench) -> Outcome {
    for class in [
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
        "GLACIER",
        "DEEP_ARCHIVE",
    ] {
        bench.put_class("object", class).await?;
        let said = bench.head("object").await?.attributes.storage_class;
        equal("storage class", said.as_deref(), Some(class))?;
    }
    Ok(())
}

async fn an_unknown_storage_class_is_invalid(bench: &Bench) -> Outcome {
    refused("put", bench.put_class("object", "CUPBOARD").await, &[ErrorKind::Invalid])
}

async fn encryption_comes_back(bench: &Bench) -> Outcome {
    let encryption = Some(Encryption { algorithm: "AES256".to_owned(), kms_key_id: None });
    let attributes = ObjectAttributes { encryption: encryption.clone(), ..Default::default() };
    let options = WriteOptions { attributes, ..WriteOptions::default() };
    bench.store.put_object(&bench.bucket, "object", Payload::empty(), options).await?;
    equal("encryption", bench.head("object").await?.attributes.encryption, encryption)
}
