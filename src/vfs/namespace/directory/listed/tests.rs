//! Pages learnt late, tables that are full, and ranges that tell what is gone.

use std::mem::size_of;
use std::time::SystemTime;

use super::*;
use crate::store::types::ETag;
use crate::vfs::namespace::directory::{Asked, Facts};

const TTL: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn file(size: u64) -> Known {
    let last_modified = SystemTime::UNIX_EPOCH;
    let (etag, posix) = (ETag::new("e"), Asked::NotYet);
    Known::File(Facts { etag, size, last_modified, posix, is_archived: false })
}

fn name(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[test]
fn a_page_that_is_learnt_late_does_not_undo_what_happened_since() {
    let mut names = Names::default();
    let asked = names.stamp(at(10));
    names.unpin(&name("removed"), Known::Absent, Some(at(20)));
    assert_eq!(names.learn_listed(&name("removed"), file(1), asked), Known::Absent);
    names.doubt(&name("doubted"));
    assert_eq!(names.learn_listed(&name("doubted"), file(1), asked), file(1));
    assert_eq!(names.find("doubted", at(30), TTL), None);
    let asked = names.stamp(at(30));
    names.learn_listed(&name("doubted"), file(1), asked);
    assert_eq!(names.find("doubted", at(30), TTL), Some((file(1), TTL)));
}

#[test]
fn an_answer_from_before_a_name_came_in_doubt_is_not_learnt() {
    let mut names = Names::default();
    names.learn(&name("a"), file(1), at(5));
    let asked = names.stamp(at(10));
    names.distrust("a");
    names.learn_since(&name("a"), file(2), asked);
    assert_eq!(names.find("a", at(20), TTL), None);
    let asked = names.stamp(at(20));
    names.learn_since(&name("a"), file(2), asked);
    assert_eq!(names.find("a", at(20), TTL), Some((file(2), TTL)));
}

#[test]
fn what_is_in_doubt_is_not_gone_because_a_listing_ended() {
    let mut names = Names::default();
    names.pin(&name("open"), file(1), at(5));
    let begun = names.begin_listing(at(10));
    names.unpin(&name("open"), file(1), None);
    names.listed(begun, Marker::Absent);
    assert_eq!(names.find("open", at(20), TTL), None, "S3 is to be asked");
    assert_eq!(names.find("other", at(20), TTL), Some((Known::Absent, TTL - at(10))));
}

#[test]
fn a_listing_in_which_a_name_came_in_doubt_does_not_tell_which_are_free() {
    let mut names = Names::default();
    let begun = names.begin_listing(at(10));
    names.doubt(&name("doubted"));
    names.listed(begun, Marker::Absent);
    assert_eq!(names.find("other", at(20), TTL), None);
}

#[test]
fn a_page_from_before_all_was_forgotten_is_told_and_not_remembered() {
    let mut names = Names::default();
    let asked = names.stamp(at(10));
    names.forget_unpinned();
    assert_eq!(names.learn_listed(&name("a"), file(1), asked), file(1));
    assert_eq!(names.find("a", at(10), TTL), None);
}

#[test]
fn a_listing_of_a_million_names_leaves_own_words_and_few_others() {
    let mut names = Names::default();
    names.pin(&name("open"), file(0), at(5));
    let (begun, asked) = (names.begin_listing(at(10)), names.stamp(at(10)));
    names.unpin(&name("removed"), Known::Absent, Some(at(20)));
    for index in 0..1_000_000_u64 {
        names.learn_listed(&name(&format!("n{index:07}")), file(index), asked);
        assert!(names.by_name.len() <= NAMES_MAX);
    }
    names.listed(begun, Marker::Absent);
    assert_eq!(names.find("open", at(30), TTL), Some((file(0), TTL)));
    assert_eq!(names.find("removed", at(30), TTL), Some((Known::Absent, at(990))));
    assert_eq!(names.find("n0999999", at(30), TTL), Some((file(999_999), at(980))));
    assert_eq!(names.find("n0000000", at(30), TTL), None, "it was forgotten, not removed");
    assert_eq!(names.all(at(30), TTL), None);
}

#[test]
fn a_name_takes_no_more_memory_than_is_said() {
    // The entry, its name of 32 bytes and its ETag of 34, each with the two counts of an `Arc`;
    // nodes of the table are half full at worst.
    let entry = size_of::<(Arc<str>, Child)>() * 2 + 32 + 34 + 32;
    assert!(entry <= 400, "{entry} bytes");
}

/// What is remembered of the names after a page from `from` on.
fn after_page(told: &[&str], from: &str, last: Option<&str>) -> Vec<String> {
    let mut names = Names::default();
    for text in ["a", "b", "b-c", "c", "d", "@s3.file=b"] {
        names.learn(&name(text), file(1), at(10));
    }
    let begun = names.begin_listing(at(20));
    let told: HashSet<_> = told.iter().map(|text| name(text)).collect();
    names.listed_between(&name(from), last, &told, begun);
    names.absent().iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_page_does_not_tell_within_its_range_is_gone() {
    assert_eq!(after_page(&["c"], "b", Some("c/")), ["b", "b-c"]);
    assert_eq!(after_page(&["c"], "b", None), ["b", "b-c", "d"]);
    assert_eq!(after_page(&["b", "b-c", "c", "d"], "b", None), Vec::<String>::new());
}

#[test]
fn a_name_whose_directory_would_come_after_the_page_is_not_gone() {
    assert_eq!(after_page(&["b-c"], "b", Some("b-c")), Vec::<String>::new());
}

#[test]
fn a_name_that_a_page_did_not_tell_within_its_range_is_free() {
    let mut names = Names::default();
    names.learn(&name("c"), file(1), at(20));
    let told = HashSet::from([name("c")]);
    let begun = names.begin_listing(at(20));
    names.listed_between(&name("bb"), Some("d"), &told, begun);
    let free = Some((Known::Absent, TTL - at(10)));
    assert_eq!(names.find("bb", at(30), TTL), free);
    assert_eq!(names.find("cc", at(30), TTL), free);
    assert_eq!(names.find("c", at(30), TTL), Some((file(1), TTL - at(10))));
    for other in ["b", "d", "e", "@s3.file=c"] {
        assert_eq!(names.find(other, at(30), TTL), None, "{other}");
    }
    assert_eq!(names.find("cc", at(1020), TTL), None);
    names.learn(&name("cc"), file(2), at(1020));
    assert_eq!(names.find("cc", at(1030), TTL), Some((file(2), TTL - at(10))));
    names.doubt(&name("cd"));
    assert_eq!(names.find("cd", at(30), TTL), None);
}

#[test]
fn a_page_of_which_some_is_forgotten_tells_no_name_to_be_free() {
    let page = |names: &mut Names| {
        let (begun, asked) = (names.begin_listing(at(20)), names.stamp(at(20)));
        names.learn_listed(&name("b"), file(1), asked);
        (HashSet::from([name("b")]), begun)
    };
    let forget: [fn(&mut Names); 4] =
        [Names::forget_listed, Names::forget_unpinned, Names::distrust_all, |names| {
            names.listed(names.begin_listing(at(5)), Marker::Absent);
        }];
    for forget in forget {
        let mut names = Names::default();
        let (told, begun) = page(&mut names);
        names.listed_between(&name("a"), None, &told, begun);
        assert_eq!(names.find("free", at(30), TTL), Some((Known::Absent, TTL - at(10))));
        forget(&mut names);
        assert_ne!(names.find("b", at(30), TTL).map(|(known, _)| known), Some(Known::Absent));
        let left = names.find("free", at(30), TTL).map(|(_, left)| left);
        assert!(left.is_none_or(|left| left == TTL - at(25)), "{left:?}");
    }
    let mut names = Names::default();
    let (told, begun) = page(&mut names);
    names.forget_listed();
    names.listed_between(&name("a"), None, &told, begun);
    assert_eq!(names.find("b", at(30), TTL), None);
}

#[test]
fn names_that_were_absent_are_so_anew() {
    let mut names = Names::default();
    for text in ["a", "b"] {
        names.learn(&name(text), Known::Absent, at(10));
    }
    let begun = names.begin_listing(at(500));
    names.listed_between(&name("a"), None, &HashSet::new(), begun);
    for text in ["a", "b"] {
        assert_eq!(names.find(text, at(1100), TTL), Some((Known::Absent, at(400))));
    }
}

#[test]
fn a_page_that_is_learnt_late_does_not_bring_back_what_was_gone_since() {
    let since: [fn(&mut Names); 2] = [
        |names| {
            let begun = names.begin_listing(at(30));
            names.listed(begun, Marker::Absent);
        },
        |names| {
            let begun = names.begin_listing(at(30));
            names.listed_between(&name("a"), None, &HashSet::new(), begun);
        },
    ];
    for since in since {
        let mut names = Names::default();
        let late = names.stamp(at(10));
        since(&mut names);
        names.learn_listed(&name("removed"), file(1), late);
        assert_eq!(names.find("removed", at(40), TTL), Some((Known::Absent, TTL - at(10))));
        names.learn_listed(&name("removed"), file(1), names.stamp(at(50)));
        assert_eq!(names.find("removed", at(50), TTL), Some((file(1), TTL)));
    }
}

#[test]
fn names_that_the_kernel_believes_to_be_free_are_known() {
    let mut names = Names::default();
    names.note_absent(&name("unknown"));
    let begun = names.begin_listing(at(10));
    names.listed(begun, Marker::Absent);
    names.note_absent(&name("free"));
    assert_eq!(names.absent(), [name("free")]);
    assert_eq!(names.find("free", at(20), TTL), Some((Known::Absent, TTL - at(10))));
    assert!(!names.has_own_words());
}

#[test]
fn a_page_from_before_an_upheaval_says_nothing_of_what_is_gone() {
    let mut names = Names::default();
    names.learn(&name("a"), file(1), at(10));
    let begun = names.begin_listing(at(20));
    names.doubt(&name("b"));
    names.listed_between(&name("a"), None, &HashSet::new(), begun);
    assert_eq!(names.last_known("a"), Some(&file(1)));
}
