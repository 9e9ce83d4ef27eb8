//! Listings: order, prefixes, delimiters, pages.

use pailfs::store::types::{ListObjects, ObjectAttributes, WriteOptions};

use crate::conformance::bench::{Bench, Outcome, cases, equal, holds};

cases![
    an_empty_bucket_lists_nothing,
    keys_come_in_the_order_of_their_utf8_bytes,
    a_prefix_selects_keys_that_start_with_it,
    a_prefix_can_be_a_whole_key,
    a_delimiter_folds_keys_into_common_prefixes,
    a_delimiter_folds_below_a_prefix,
    a_marker_is_a_key_of_its_own_directory_and_a_prefix_above,
    a_delimiter_can_be_any_string,
    pages_of_any_size_give_every_key_once,
    common_prefixes_count_for_a_page,
    a_page_has_at_most_a_thousand_keys,
    a_listing_can_start_after_a_key,
    a_listing_can_start_after_a_key_that_is_not_there,
    a_listing_can_start_after_a_key_and_fold,
    a_listing_goes_on_when_the_last_key_of_a_page_is_gone,
    a_listing_says_the_storage_class,
];

fn below(prefix: &str) -> ListObjects {
    ListObjects { prefix: prefix.to_owned(), ..ListObjects::default() }
}

fn folded(prefix: &str, delimiter: &str) -> ListObjects {
    ListObjects { delimiter: Some(delimiter.to_owned()), ..below(prefix) }
}

/// Keys and prefixes, as one comparable value.
async fn check(
    bench: &Bench,
    options: ListObjects,
    keys: &[&str],
    prefixes: &[&str],
) -> Result<(), crate::conformance::bench::Failure> {
    let listed = bench.list(options.clone()).await?;
    let got: (Vec<&str>, Vec<&str>) = (
        listed.keys.iter().map(String::as_str).collect(),
        listed.prefixes.iter().map(String::as_str).collect(),
    );
    equal(&format!("{options:?}"), got, (keys.to_vec(), prefixes.to_vec()))
}

async fn an_empty_bucket_lists_nothing(bench: &Bench) -> Outcome {
    check(bench, ListObjects::default(), &[], &[]).await?;
    check(bench, folded("dir/", "/"), &[], &[]).await
}

async fn keys_come_in_the_order_of_their_utf8_bytes(bench: &Bench) -> Outcome {
    // In UTF-16 the last two would change places; by letters alone `Z` and `a` would.
    let ordered = [
        "!",
        "0",
        "A",
        "Z",
        "a",
        "a!",
        "a-b",
        "a/b",
        "a0",
        "aa",
        "z",
        "é",
        "\u{ff61}",
        "\u{10000}",
    ];
    let mut shuffled = ordered;
    fastrand::Rng::with_seed(4).shuffle(&mut shuffled);
    bench.put_all(&shuffled).await?;
    check(bench, ListObjects::default(), &ordered, &[]).await
}

async fn a_prefix_selects_keys_that_start_with_it(bench: &Bench) -> Outcome {
    bench.put_all(&["pho", "photo", "photos/1", "photos/2", "phz", "q"]).await?;
    check(bench, below("phot"), &["photo", "photos/1", "photos/2"], &[]).await?;
    check(bench, below("photos/"), &["photos/1", "photos/2"], &[]).await?;
    check(bench, below("nothing"), &[], &[]).await
}

async fn a_prefix_can_be_a_whole_key(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "a/b", "ab"]).await?;
    check(bench, folded("a", "/"), &["a", "ab"], &["a/"]).await
}

async fn a_delimiter_folds_keys_into_common_prefixes(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "b/1", "b/2", "b/c/3", "d/4", "e"]).await?;
    check(bench, folded("", "/"), &["a", "e"], &["b/", "d/"]).await
}

async fn a_delimiter_folds_below_a_prefix(bench: &Bench) -> Outcome {
    bench.put_all(&["a/1", "a/b/2", "a/b/c/3", "a/d/4", "b/5"]).await?;
    check(bench, folded("a/", "/"), &["a/1"], &["a/b/", "a/d/"]).await?;
    check(bench, folded("a/b/", "/"), &["a/b/2"], &["a/b/c/"]).await
}

async fn a_marker_is_a_key_of_its_own_directory_and_a_prefix_above(bench: &Bench) -> Outcome {
    bench.put_all(&["dir/", "dir/file"]).await?;
    check(bench, folded("", "/"), &[], &["dir/"]).await?;
    check(bench, folded("dir/", "/"), &["dir/", "dir/file"], &[]).await
}

async fn a_delimiter_can_be_any_string(bench: &Bench) -> Outcome {
    bench.put_all(&["2024-01-01", "2024-01-02", "2024-02-01", "2025--1", "plain"]).await?;
    check(bench, folded("2024-", "-"), &[], &["2024-01-", "2024-02-"]).await?;
    check(
        bench,
        folded("", "--"),
        &["2024-01-01", "2024-01-02", "2024-02-01", "plain"],
        &["2025--"],
    )
    .await
}

async fn pages_of_any_size_give_every_key_once(bench: &Bench) -> Outcome {
    let keys = ["a", "b", "c/1", "c/2", "d", "e f", "g+h", "i%j"];
    bench.put_all(&keys).await?;
    for keys_max in 1..=9 {
        let options = ListObjects { keys_max: Some(keys_max), ..ListObjects::default() };
        let listed = bench.list(options).await?;
        equal(&format!("pages of {keys_max}"), listed.keys, keys.map(String::from).to_vec())?;
        let fits = listed.pages.iter().all(|entries| *entries <= keys_max as usize);
        holds("no page is larger than asked", fits)?;
    }
    Ok(())
}

async fn common_prefixes_count_for_a_page(bench: &Bench) -> Outcome {
    bench.put_all(&["a/1", "a/2", "b", "c/1", "c/2", "d/1", "e"]).await?;
    for keys_max in 1..=6 {
        let options = ListObjects { keys_max: Some(keys_max), ..folded("", "/") };
        let listed = bench.list(options).await?;
        equal(
            &format!("keys, {keys_max} a page"),
            listed.keys,
            ["b", "e"].map(String::from).to_vec(),
        )?;
        let prefixes = ["a/", "c/", "d/"].map(String::from).to_vec();
        equal(&format!("prefixes, {keys_max} a page"), listed.prefixes, prefixes)?;
        let fits = listed.pages.iter().all(|entries| *entries <= keys_max as usize);
        holds("no page is larger than asked", fits)?;
    }
    Ok(())
}

async fn a_page_has_at_most_a_thousand_keys(bench: &Bench) -> Outcome {
    let keys: Vec<String> = (0..1003).map(|number| format!("k{number:04}")).collect();
    bench.put_many(&keys).await?;
    let options = ListObjects { keys_max: Some(5000), ..ListObjects::default() };
    let listed = bench.list(options).await?;
    equal("pages", listed.pages, vec![1000, 3])?;
    holds("every key once", listed.keys == keys)
}

async fn a_listing_can_start_after_a_key(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "b", "c"]).await?;
    let after = |key: &str| ListObjects { start_after: Some(key.to_owned()), ..below("") };
    check(bench, after("a"), &["b", "c"], &[]).await?;
    check(bench, after("c"), &[], &[]).await
}

async fn a_listing_can_start_after_a_key_that_is_not_there(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "c"]).await?;
    let options = ListObjects { start_after: Some("b".to_owned()), ..below("") };
    check(bench, options, &["c"], &[]).await
}

async fn a_listing_can_start_after_a_key_and_fold(bench: &Bench) -> Outcome {
    bench.put_all(&["a/1", "b/1", "b/2", "c"]).await?;
    let options = ListObjects { start_after: Some("a/9".to_owned()), ..folded("", "/") };
    check(bench, options, &["c"], &["b/"]).await
}

async fn a_listing_goes_on_when_the_last_key_of_a_page_is_gone(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "b", "c", "d"]).await?;
    let options = ListObjects { keys_max: Some(2), ..ListObjects::default() };
    let page = bench.store.list_objects(&bench.bucket, options).await?;
    bench.delete("b").await?;
    bench.delete("c").await?;
    let options = ListObjects { continuation: page.next, ..ListObjects::default() };
    check(bench, options, &["d"], &[]).await
}

async fn a_listing_says_the_storage_class(bench: &Bench) -> Outcome {
    let attributes =
        ObjectAttributes { storage_class: Some("STANDARD_IA".to_owned()), ..Default::default() };
    bench.put_with("cold", "x", WriteOptions { attributes, ..Default::default() }).await?;
    let page = bench.store.list_objects(&bench.bucket, ListObjects::default()).await?;
    let classes: Vec<_> =
        page.objects.iter().map(|object| object.storage_class.as_deref()).collect();
    equal("storage classes", classes, vec![Some("STANDARD_IA")])
}
