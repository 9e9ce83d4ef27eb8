//! Batch deletes.

use pailfs::store::types::{ListObjects, ObjectIdentifier};

use crate::conformance::bench::{Bench, Outcome, cases, equal, holds};

cases![
    a_batch_delete_answers_for_every_object,
    a_batch_delete_leaves_the_others_alone,
    a_batch_delete_takes_keys_of_any_character,
    a_batch_delete_takes_a_thousand,
];

fn identifiers<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<ObjectIdentifier> {
    let one = |key: &str| ObjectIdentifier { key: key.to_owned(), version: None };
    keys.into_iter().map(one).collect()
}

async fn a_batch_delete_answers_for_every_object(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "c"]).await?;
    let keys = identifiers(["c", "missing", "a"]);
    let deleted = bench.store.delete_objects(&bench.bucket, keys).await?;
    equal("answers", deleted.len(), 3)?;
    holds("all succeed, also for what was not there", deleted.iter().all(Result::is_ok))?;
    equal("keys left", bench.list(ListObjects::default()).await?.keys, Vec::new())
}

async fn a_batch_delete_leaves_the_others_alone(bench: &Bench) -> Outcome {
    bench.put_all(&["a", "a/b", "ab", "b"]).await?;
    bench.store.delete_objects(&bench.bucket, identifiers(["a", "b"])).await?;
    let keys = bench.list(ListObjects::default()).await?.keys;
    equal("keys left", keys, ["a/b", "ab"].map(String::from).to_vec())
}

async fn a_batch_delete_takes_keys_of_any_character(bench: &Bench) -> Outcome {
    let keys = ["<&>\"'", "a b", "a+b", "a%41", "dir/", "é", "line\nbreak", "\u{1f600}", "a\rb"];
    bench.put_all(&keys).await?;
    let deleted = bench.store.delete_objects(&bench.bucket, identifiers(keys)).await?;
    for (key, deleted) in keys.iter().zip(deleted) {
        holds(&format!("{key:?} is deleted"), deleted.is_ok())?;
    }
    equal("keys left", bench.list(ListObjects::default()).await?.keys, Vec::new())
}

async fn a_batch_delete_takes_a_thousand(bench: &Bench) -> Outcome {
    let keys: Vec<String> = (0..1000).map(|number| format!("k{number:04}")).collect();
    bench.put_many(&keys).await?;
    let batch = identifiers(keys.iter().map(String::as_str));
    let deleted = bench.store.delete_objects(&bench.bucket, batch).await?;
    equal("answers", deleted.iter().filter(|answer| answer.is_ok()).count(), 1000)?;
    equal("keys left", bench.list(ListObjects::default()).await?.keys, Vec::new())
}
