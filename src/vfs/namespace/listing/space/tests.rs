//! Names as numbers: in order, and cut where they are.

use proptest::prelude::{prop_assert, proptest};

use super::*;

fn space(prefix: &str, keys: &[String]) -> Space {
    let mut space = Space::new(prefix);
    keys.iter().for_each(|key| space.see(key));
    space
}

/// Cuts what is behind the first fifth of sorted keys in four, and says how many keys each has.
fn quarters(prefix: &str, mut keys: Vec<String>) -> Vec<usize> {
    keys.sort();
    let (seen, rest) = keys.split_at(keys.len() / 5);
    let (first, last) = (&seen[seen.len() - 1], &rest[rest.len() - 1]);
    let mut space = space(prefix, seen);
    space.see(last);
    let cuts = (1..4).map(|part| space.cut(first, last, f64::from(part) / 4.0).expect("a cut"));
    let mut bounds: Vec<String> = cuts.collect();
    bounds.push(last.clone());
    let mut after = first.clone();
    let mut counts = Vec::new();
    for bound in bounds {
        assert!(after < bound, "{after} {bound}");
        counts.push(rest.iter().filter(|key| **key > after && **key <= bound).count());
        after = bound;
    }
    counts
}

#[track_caller]
fn check_even(counts: &[usize]) {
    let all: usize = counts.iter().sum();
    let is_even = counts.iter().all(|count| (all / 8..all / 2).contains(count));
    assert!(is_even, "{counts:?}");
}

#[test]
fn numbers_are_cut_where_they_are() {
    let counts = quarters("d/", (0..10_000).map(|n| format!("d/file-{n:05}.txt")).collect());
    assert!(counts.iter().all(|count| (1950..2050).contains(count)), "{counts:?}");
}

#[test]
fn numbers_of_unequal_lengths_are_cut() {
    check_even(&quarters("", (0..10_000).map(|n| n.to_string()).collect()));
}

#[test]
fn hexadecimal_names_are_cut() {
    let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let counts = quarters("", (1..10_000).map(|n| format!("{:016x}", hash(n))).collect());
    check_even(&counts);
}

#[test]
fn directories_named_for_days_are_cut() {
    let days = (0..4000)
        .map(|n| format!("logs/{}-{:02}-{:02}/", 2015 + n / 372, n / 31 % 12 + 1, n % 31 + 1));
    let counts = quarters("logs/", days.collect());
    assert!(counts.iter().filter(|count| **count > 0).count() > 1, "{counts:?}");
}

#[test]
fn names_of_other_alphabets_are_cut() {
    let of = |n: u32| char::from_u32(0x4e00 + n * 7 % 5000).expect("a character");
    check_even(&quarters("x/", (0..5000).map(|n| format!("x/{}-{n}", of(n))).collect()));
}

#[test]
fn no_cut_goes_through_a_directory() {
    let keys = ["p/a1/", "p/a2/", "p/b/", "p/c"].map(str::to_owned);
    let space = space("p/", &keys);
    for part in 1..20 {
        if let Some(cut) = space.cut("p/a1/", "p/c", f64::from(part) / 20.0) {
            assert!(!cut["p/".len()..].contains('/'), "{cut}");
        }
    }
}

#[test]
fn what_can_not_be_told_apart_is_not_cut() {
    let space = space("", &["a".to_owned(), "b".to_owned()]);
    assert_eq!(space.cut("a", "a", 0.5), None);
    assert_eq!(space.cut("b", "a", 0.5), None);
}

/// Which of the numbers below `count` the probes behind the first `seen` would find.
fn found(count: usize, seen: usize) -> Vec<String> {
    let keys: Vec<String> = (0..count).map(|n| format!("file-{n:05}")).collect();
    let space = space("", &keys[..seen]);
    let probes = space.plan_probes(&keys[seen - 1]);
    assert!(probes.len() <= PROBES_MAX, "{probes:?}");
    let first = |probe: &String| keys.iter().find(|key| *key > probe).cloned();
    let mut found: Vec<String> = probes.iter().filter_map(first).collect();
    found.dedup();
    found
}

#[test]
fn probes_find_names_all_over() {
    let thousands = found(10_000, 2000);
    assert!(thousands.len() > 3, "{thousands:?}");
    let ten_thousands = found(100_000, 2000);
    assert!(ten_thousands.last().is_some_and(|last| &**last > "file-7"), "{ten_thousands:?}");
}

#[test]
fn probes_find_where_names_that_begin_alike_end() {
    let space = space("", &(0..2000).map(|n| format!("photo {n:04}")).collect::<Vec<_>>());
    let probes = space.plan_probes("photo 1999");
    assert!(probes.iter().any(|probe| probe.as_str() < "quite" && probe.as_str() > "photo 9999"));
}

proptest! {
    #[test]
    fn places_are_in_the_order_of_keys(mut keys in proptest::collection::vec("[a-c0-3é-ü一-七/._-]{0,6}", 2..30)) {
        let space = space("", &keys[..keys.len() / 2]);
        keys.iter_mut().for_each(|key| *key = name_of("", key).to_owned());
        keys.sort();
        for pair in keys.windows(2) {
            prop_assert!(space.place(&pair[0]) <= space.place(&pair[1]) + 1e-9, "{pair:?}");
        }
    }

    #[test]
    fn a_cut_is_between(keys in proptest::collection::vec("[a-d0-9é-ü一-七._-]{0,6}", 2..30), part in 0.01..0.99) {
        let space = space("", &keys);
        if let Some(cut) = space.cut(&keys[0], &keys[1], part) {
            prop_assert!(keys[0] < cut && cut < keys[1]);
        }
    }

    #[test]
    fn probes_are_behind_and_in_order(keys in proptest::collection::vec("[a-d0-9é-ü一-七._-]{1,6}", 1..30)) {
        let space = space("", &keys);
        let last = keys.iter().max().unwrap();
        let probes = space.plan_probes(last);
        prop_assert!(probes.iter().all(|probe| probe > last));
        prop_assert!(probes.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(probes.len() <= PROBES_MAX);
    }
}
