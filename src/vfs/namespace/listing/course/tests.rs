//! Listings taken from servers that keep S3's order and others that don't, in rounds: all that is
//! under way is answered at once.

use std::collections::BTreeSet;
use std::time::SystemTime;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::store::types::ETag;

/// A bucket, and how it lists.
struct Server {
    /// In the order of the server: objects, and common prefixes with their slash.
    keys: Vec<String>,
    page_keys: usize,
    ignores_start: bool,
}

impl Server {
    fn new(keys: impl IntoIterator<Item = String>) -> Self {
        let sorted: BTreeSet<String> = keys.into_iter().collect();
        Self { keys: sorted.into_iter().collect(), page_keys: 1000, ignores_start: false }
    }

    fn start(&self, after: Option<&str>) -> usize {
        let Some(after) = after.filter(|_| !self.ignores_start) else { return 0 };
        // As one that compares names without the slash of directories.
        let name = |key: &String| key.trim_end_matches('/').to_owned();
        let is_sorted = self.keys.is_sorted();
        let is_before = |key: &&String| {
            if is_sorted { key.as_str() <= after } else { name(key).as_str() <= after }
        };
        self.keys.iter().take_while(is_before).count()
    }

    fn page(&self, after: Option<&str>, continuation: Option<&str>) -> ObjectPage {
        let start = match continuation {
            Some(token) => token.parse().expect("a token of ours"),
            None => self.start(after),
        };
        let end = (start + self.page_keys).min(self.keys.len());
        let (prefixes, objects): (Vec<_>, Vec<_>) =
            self.keys[start..end].iter().cloned().partition(|key| key.ends_with('/'));
        let object = |key| ListedObject {
            key,
            size: 1,
            etag: ETag::new("e"),
            last_modified: SystemTime::UNIX_EPOCH,
            storage_class: None,
            restore: None,
        };
        let next = (end < self.keys.len()).then(|| end.to_string());
        ObjectPage { objects: objects.into_iter().map(object).collect(), prefixes, next }
    }
}

/// What a listing came to.
#[derive(Debug, Default)]
struct Outcome {
    keys: Vec<String>,
    rounds: usize,
    pages: usize,
    probes: usize,
    held_max: usize,
    was_ordered: bool,
}

/// Lists all; takes at most so many pages a round.
fn list(server: &Server, taken_a_round: usize) -> Outcome {
    let mut course = Course::new("", true);
    let mut outcome = Outcome::default();
    let mut under_way = Vec::new();
    loop {
        for _ in 0..taken_a_round {
            under_way.extend(course.plan_requests());
            let Some(taken) = course.take() else { break };
            let mut keys: Vec<String> = keys_of(&taken.page).map(str::to_owned).collect();
            keys.sort();
            outcome.keys.extend(keys);
            if taken.page.next.is_none() {
                outcome.was_ordered = course.is_ordered();
                return outcome;
            }
        }
        under_way.extend(course.plan_requests());
        assert!(!course.is_broken());
        let pages = |request: &&Request| matches!(request, Request::Page { .. });
        let asked = under_way.iter().filter(pages).count();
        assert!(asked <= REQUESTS_MAX, "{asked} under way");
        outcome.held_max = outcome.held_max.max(course.pages_held() + asked);
        outcome.rounds += 1;
        assert!(outcome.rounds < 10_000, "no end");
        for request in std::mem::take(&mut under_way) {
            match request {
                Request::Page { stretch, after, continuation } => {
                    outcome.pages += 1;
                    let page = server.page(after.as_deref(), continuation.as_deref());
                    course.arrived(stretch, page, Stamp::default());
                }
                Request::Probe { after } => {
                    outcome.probes += 1;
                    let first = server.keys.get(server.start(Some(&after))).map(String::as_str);
                    course.probed(&after, Some(first));
                }
            }
        }
    }
}

#[track_caller]
fn check(keys: Vec<String>, rounds_max: usize, requests_max: usize) {
    let server = Server::new(keys);
    let outcome = list(&server, usize::MAX);
    assert!(outcome.keys == server.keys, "{} of {}", outcome.keys.len(), server.keys.len());
    let Outcome { rounds, pages, probes, held_max, .. } = outcome;
    let requests = pages + probes;
    assert!(rounds <= rounds_max, "{rounds} rounds, {pages} pages, {probes} probes");
    assert!(requests <= requests_max, "{rounds} rounds, {pages} pages, {probes} probes");
    assert!(held_max <= PAGES_HELD_MAX + 1, "{held_max} pages held");
}

fn hash(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn a_short_listing_is_not_split() {
    check((0..1500).map(|n| format!("{n:06}")).collect(), 2, 2);
}

#[test]
fn ten_pages_of_numbers() {
    check((0..10_000).map(|n| format!("file-{n:05}.txt")).collect(), 4, 40);
}

#[test]
fn a_hundred_pages_of_numbers() {
    check((0..100_000).map(|n| format!("file-{n:06}.txt")).collect(), 13, 170);
}

#[test]
fn a_hundred_pages_of_numbers_of_unequal_lengths() {
    check((0..100_000).map(|n| n.to_string()).collect(), 16, 200);
}

#[test]
fn a_hundred_pages_of_hashes() {
    check((0..100_000).map(|n| format!("{:016x}", hash(n))).collect(), 16, 200);
}

#[test]
fn a_hundred_pages_of_days_and_hours() {
    let name = |n: u64| {
        format!(
            "{}-{:02}-{:02}T{:02}.{:02}.log",
            2010 + n / 10_000,
            n / 840 % 12 + 1,
            n / 30 % 28 + 1,
            n % 24,
            n % 60
        )
    };
    check((0..100_000).map(name).collect(), 25, 260);
}

#[test]
fn a_hundred_pages_of_directories() {
    check((0..100_000).map(|n| format!("dir{n:05}/")).collect(), 13, 170);
}

#[test]
fn a_hundred_pages_of_names_in_another_alphabet() {
    let of = |n: u64| char::from_u32(0x4e00 + (hash(n) % 5000) as u32).expect("a character");
    check((0..100_000).map(|n| format!("{}{}{n}", of(n), of(n + 1))).collect(), 30, 260);
}

#[test]
fn some_names_of_each_of_many_kinds() {
    let kinds = ["IMG_", "a-", "img-2024-", "log/", "photo ", "z", "ü"];
    let of = |kind: &'static str| {
        (0..7000_u64).map(move |n| match kind {
            "log/" => format!("log{n}/"),
            kind => format!("{kind}{:x}", hash(n)),
        })
    };
    check(kinds.into_iter().flat_map(of).collect(), 30, 280);
}

#[test]
fn a_slow_reader_has_few_pages_held() {
    let server = Server::new((0..60_000).map(|n| format!("{n:06}")));
    let outcome = list(&server, 1);
    assert_eq!(outcome.keys, server.keys);
    assert!(outcome.held_max <= PAGES_HELD_MAX + 1, "{} pages held", outcome.held_max);
}

#[test]
fn a_server_that_ignores_where_to_start_is_listed_page_after_page() {
    let keys = (0..8000).map(|n| format!("{n:06}"));
    let server = Server { ignores_start: true, ..Server::new(keys) };
    let outcome = list(&server, usize::MAX);
    assert_eq!(outcome.keys, server.keys);
    assert!(!outcome.was_ordered);
    assert_eq!(outcome.pages, 8);
}

/// Directories sorted without their slash, as seaweedfs has them.
fn by_name(keys: Vec<String>) -> Server {
    let mut server = Server::new(keys);
    server.keys.sort_by_key(|key| key.trim_end_matches('/').to_owned());
    server
}

#[track_caller]
fn check_each_once(server: &Server) -> Outcome {
    let outcome = list(server, usize::MAX);
    let mut expected = server.keys.clone();
    expected.sort();
    let mut told = outcome.keys.clone();
    told.sort();
    assert!(told == expected, "{} of {}", told.len(), expected.len());
    outcome
}

#[test]
fn a_server_that_sorts_directories_by_name_tells_each_once() {
    let keys = (0..20_000_u64).flat_map(|n| {
        let name = format!("n{:05}", n / 2);
        [format!("{name}/"), format!("{name}-{n}"), format!("{name}.txt")]
    });
    check_each_once(&by_name(keys.collect()));
}

#[test]
fn a_server_that_lists_the_second_half_first_tells_each_once() {
    let mut server = Server::new((0..9000).map(|n| format!("{n:06}")));
    server.keys.rotate_left(4500);
    let outcome = check_each_once(&server);
    assert!(!outcome.was_ordered);
}

#[test]
fn a_page_from_a_wrong_place_sends_a_split_listing_back() {
    let server = Server::new((0..10_000).map(|n| format!("{n:05}")));
    let mut course = Course::new("", true);
    let mut told = Vec::new();
    let mut answered = 0;
    'all: loop {
        let requests = course.plan_requests();
        for request in requests {
            match request {
                Request::Probe { after } => {
                    let first = server.keys.get(server.start(Some(&after))).map(String::as_str);
                    course.probed(&after, Some(first));
                }
                Request::Page { stretch, after, continuation } => {
                    answered += 1;
                    // One answer is of another place.
                    let after = if answered == 8 { None } else { after };
                    let page = server.page(after.as_deref(), continuation.as_deref());
                    course.arrived(stretch, page, Stamp::default());
                }
            }
        }
        while let Some(taken) = course.take() {
            told.extend(keys_of(&taken.page).map(str::to_owned));
            if taken.page.next.is_none() {
                break 'all;
            }
        }
    }
    assert_eq!(told, server.keys);
    assert!(!course.is_ordered());
}

#[test]
fn what_failed_is_asked_for_again_when_it_is_to_be_told() {
    let mut course = Course::new("", true);
    let asked = course.plan_requests();
    assert_eq!(course.plan_requests(), []);
    course.failed(0);
    assert!(course.is_stuck());
    assert_eq!(course.plan_requests(), asked);
}

proptest! {
    #[test]
    fn each_name_is_told_once_and_in_order(
        keys in proptest::collection::btree_set("[ab0-9é-ë._-]{1,4}/?", 1..400),
        page_keys in 1_usize..20,
        taken_a_round in 1_usize..10,
        by_names in any::<bool>(),
    ) {
        let keys: Vec<String> = keys.into_iter().collect();
        let mut server = if by_names { by_name(keys) } else { Server::new(keys) };
        server.page_keys = page_keys;
        let outcome = list(&server, taken_a_round);
        prop_assert!(outcome.held_max <= PAGES_HELD_MAX + 1);
        if by_names {
            let mut told = outcome.keys;
            told.sort();
            server.keys.sort();
            prop_assert_eq!(told, server.keys);
        } else {
            prop_assert_eq!(outcome.keys, server.keys);
        }
    }
}
