//! Odd keys: any UTF-8 up to 1024 bytes is a key, and no key is mistaken for another.

use pailfs::store::error::ErrorKind;
use pailfs::store::types::{CopyObject, CopySource, ListObjects, ObjectIdentifier, Resource, Tags};

use crate::conformance::bench::{Bench, Outcome, cases, equal, refused};

cases![
    empty_components,
    a_leading_slash,
    a_trailing_slash_with_bytes,
    a_dot_and_two_dots,
    dots_between_slashes,
    percent_signs_are_not_an_encoding,
    plus_signs_are_not_spaces,
    spaces_anywhere,
    marks_that_urls_use,
    marks_that_xml_uses,
    unicode_is_kept_byte_for_byte,
    control_characters,
    line_breaks_and_tabs,
    a_component_over_255_bytes,
    a_key_of_1024_bytes,
    a_key_of_more_than_1024_bytes_is_refused,
    an_object_beside_objects_below_its_name,
];

/// Every operation that names a key takes these for what they are.
async fn check(bench: &Bench, keys: &[&str]) -> Outcome {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let sorted: Vec<String> = sorted.into_iter().map(str::to_owned).collect();
    bench.put_all(keys).await?;
    let listed = bench.list(ListObjects::default()).await?.keys;
    equal("listed", listed, sorted.clone())?;
    let options = ListObjects { keys_max: Some(1), ..ListObjects::default() };
    equal("listed by ones", bench.list(options).await?.keys, sorted)?;
    for key in keys {
        check_one(bench, key).await?;
    }
    let all = keys.iter().map(|key| ObjectIdentifier { key: (*key).to_owned(), version: None });
    for (key, answer) in
        keys.iter().zip(bench.store.delete_objects(&bench.bucket, all.collect()).await?)
    {
        equal(&format!("{key:?} is deleted"), answer.is_ok(), true)?;
    }
    equal("left", bench.list(ListObjects::default()).await?.keys, Vec::new())
}

async fn check_one(bench: &Bench, key: &str) -> Outcome {
    let what = format!("{key:?}");
    equal(&what, bench.get(key).await?, key.as_bytes().to_vec())?;
    equal(&what, bench.head(key).await?.size, key.len() as u64)?;
    let options = ListObjects { prefix: key.to_owned(), ..ListObjects::default() };
    let below = bench.list(options).await?.keys;
    equal(&format!("{what} listed by its name"), below.first().map(String::as_str), Some(key))?;
    let resource = Resource::object(&bench.bucket, key);
    let tags = Tags::from([("k".to_owned(), "v".to_owned())]);
    bench.store.put_tags(&resource, tags.clone()).await?;
    equal(&format!("tags of {what}"), bench.store.get_tags(&resource).await?, tags)?;
    let source =
        CopySource { bucket: bench.bucket.clone(), key: key.to_owned(), ..CopySource::default() };
    let copy = "copy";
    bench.store.copy_object(source, &bench.bucket, copy, CopyObject::default()).await?;
    equal(&format!("copy of {what}"), bench.get(copy).await?, key.as_bytes().to_vec())?;
    bench.delete(copy).await?;
    Ok(())
}

async fn empty_components(bench: &Bench) -> Outcome {
    check(bench, &["a//b", "a///b", "a/b", "a//"]).await
}

async fn a_leading_slash(bench: &Bench) -> Outcome {
    check(bench, &["/", "//", "/a", "//a", "a"]).await
}

async fn a_trailing_slash_with_bytes(bench: &Bench) -> Outcome {
    check(bench, &["dir/", "dir", "dir/file"]).await
}

async fn a_dot_and_two_dots(bench: &Bench) -> Outcome {
    check(bench, &[".", "..", "...", ".hidden"]).await
}

async fn dots_between_slashes(bench: &Bench) -> Outcome {
    check(bench, &["a/./b", "a/../b", "./a", "../a", "a/.", "a/..", "a/b", "b"]).await
}

async fn percent_signs_are_not_an_encoding(bench: &Bench) -> Outcome {
    check(bench, &["%41", "A", "%2F", "a%2fb", "100%", "%", "%25", "%zz"]).await
}

async fn plus_signs_are_not_spaces(bench: &Bench) -> Outcome {
    check(bench, &["a+b", "a b", "a%20b", "a%2Bb"]).await
}

async fn spaces_anywhere(bench: &Bench) -> Outcome {
    check(bench, &[" leading", "trailing ", "in  side", " ", "a/ /b"]).await
}

async fn marks_that_urls_use(bench: &Bench) -> Outcome {
    check(
        bench,
        &["a?b", "a#b", "a&b=c", "a;b", "a:b@c", "a=b", "a,b", "a|b\\c", "[a]{b}^`~$!*'()"],
    )
    .await
}

async fn marks_that_xml_uses(bench: &Bench) -> Outcome {
    check(bench, &["<a>", "a&amp;b", "a&b", "\"a\"", "]]>", "<!--"]).await
}

async fn unicode_is_kept_byte_for_byte(bench: &Bench) -> Outcome {
    // Two spellings of é, three bytes, four bytes, right to left, a joined emoji.
    check(bench, &["\u{e9}", "e\u{301}", "日本語", "\u{1f600}", "שלום", "👩\u{200d}💻", "\u{ff61}"])
        .await
}

async fn control_characters(bench: &Bench) -> Outcome {
    check(bench, &["a\u{1}b", "a\u{8}b", "a\u{1b}b", "a\u{1f}b", "a\u{7f}b", "a\u{85}b"]).await
}

async fn line_breaks_and_tabs(bench: &Bench) -> Outcome {
    check(bench, &["a\nb", "a\rb", "a\r\nb", "a\tb", "\n"]).await
}

async fn a_component_over_255_bytes(bench: &Bench) -> Outcome {
    let long = "x".repeat(300);
    check(bench, &[&long, &format!("a/{long}/b")]).await
}

async fn a_key_of_1024_bytes(bench: &Bench) -> Outcome {
    let deep = ["x".repeat(204).as_str(); 5].join("/");
    let unicode = "é".repeat(512);
    equal("bytes", (deep.len(), unicode.len()), (1024, 1024))?;
    check(bench, &[&deep, &unicode]).await
}

async fn a_key_of_more_than_1024_bytes_is_refused(bench: &Bench) -> Outcome {
    for key in ["x".repeat(1025), "é".repeat(513)] {
        refused("put", bench.put(&key, "").await, &[ErrorKind::Invalid])?;
    }
    Ok(())
}

async fn an_object_beside_objects_below_its_name(bench: &Bench) -> Outcome {
    check(bench, &["a", "a/", "a/b", "a/b/c"]).await
}
