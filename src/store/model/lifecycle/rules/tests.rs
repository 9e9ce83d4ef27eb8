//! Which documents are rules, and which S3 refuses.

use super::*;
use crate::store::types::Tags;

/// A document with one enabled rule for everything.
fn document(actions: &str) -> String {
    rules(&rule("<Status>Enabled</Status><Filter/>", actions))
}

fn rule(head: &str, actions: &str) -> String {
    format!("<Rule>{head}{actions}</Rule>")
}

fn rules(rules: &str) -> String {
    format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>")
}

#[track_caller]
fn check(text: &str, code: &str) {
    let refused = read(text).map_err(|error| error.code.into_owned());
    assert_eq!(refused, Err(code.to_owned()), "{text}");
}

#[track_caller]
fn one(text: &str) -> Rule {
    let mut rules = read(text).unwrap();
    assert_eq!(rules.len(), 1, "{text}");
    rules.remove(0)
}

const MOVE: &str = "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>";

#[test]
fn a_rule_says_what_happens_when() {
    let text = document(
        "<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>\
         <Transition><Days>90</Days><StorageClass>GLACIER</StorageClass></Transition>\
         <Expiration><Days>365</Days></Expiration>\
         <NoncurrentVersionTransition><NoncurrentDays>3</NoncurrentDays>\
         <StorageClass>GLACIER_IR</StorageClass></NoncurrentVersionTransition>\
         <NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays>\
         <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>\
         <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
         </AbortIncompleteMultipartUpload>",
    );
    let expected = Rule {
        filter: Filter::default(),
        transitions: vec![
            (When::Days(30), "STANDARD_IA".to_owned()),
            (When::Days(90), "GLACIER".to_owned()),
        ],
        expiration: Some(Expiration::At(When::Days(365))),
        noncurrent_transitions: vec![(
            Noncurrent { days: 3, newer_kept: 0 },
            "GLACIER_IR".to_owned(),
        )],
        noncurrent_expiration: Some(Noncurrent { days: 9, newer_kept: 2 }),
        abort_days: Some(7),
    };
    assert_eq!(one(&text), expected);
}

#[test]
fn a_date_is_a_day() {
    let at = |date: &str| document(&format!("<Expiration><Date>{date}</Date></Expiration>"));
    let day = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400);
    let expected = Some(Expiration::At(When::Date(day)));
    for spelling in ["1970-01-02", "1970-01-02T00:00:00Z", "1970-01-02T00:00:00.000Z"] {
        assert_eq!(one(&at(spelling)).expiration, expected, "{spelling}");
    }
    check(&at("1970-01-02T08:00:00Z"), "InvalidArgument");
    check(&at("soon"), "MalformedXML");
}

#[test]
fn a_disabled_rule_asks_for_nothing_but_must_be_right() {
    let disabled = rule("<Status>Disabled</Status><Filter/>", MOVE);
    assert_eq!(read(&rules(&disabled)).unwrap(), []);
    check(&rules(&rule("<Status>Disabled</Status><Filter/>", "")), "InvalidRequest");
    check(&rules(&rule("<Status>enabled</Status><Filter/>", MOVE)), "MalformedXML");
    check(&rules(&rule("<Filter/>", MOVE)), "MalformedXML");
}

#[test]
fn a_filter_is_one_condition_or_several_together() {
    let filter =
        |inner: &str| one(&rules(&rule(&format!("<Status>Enabled</Status>{inner}"), MOVE))).filter;
    let mut object = StoredObject::empty_for_test();
    object.size = 10;
    object.tags = Tags::from([("a".to_owned(), "b".to_owned())]);
    let everything = filter("<Filter/>");
    assert!(everything.matches("any", &object) && everything.prefix_matches("any"));
    let legacy = filter("<Prefix>logs/</Prefix>");
    assert!(legacy.matches("logs/1", &object) && !legacy.matches("log", &object));
    let tagged = filter("<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>");
    assert!(tagged.matches("any", &object) && !tagged.prefix_matches("any"));
    let larger = filter("<Filter><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></Filter>");
    assert!(!larger.matches("any", &object));
    let both = filter(
        "<Filter><And><Prefix>x</Prefix><Tag><Key>a</Key><Value>b</Value></Tag>\
         <ObjectSizeLessThan>11</ObjectSizeLessThan></And></Filter>",
    );
    assert!(both.matches("x", &object) && !both.matches("y", &object));
}

#[test]
fn a_rule_has_one_filter_of_one_kind() {
    let head = |inner: &str| rules(&rule(&format!("<Status>Enabled</Status>{inner}"), MOVE));
    for bad in [
        "",
        "<Filter/><Prefix/>",
        "<Filter><Prefix>a</Prefix><ObjectSizeLessThan>1</ObjectSizeLessThan></Filter>",
        "<Filter><And><Prefix>a</Prefix></And></Filter>",
        "<Filter><Suffix>a</Suffix></Filter>",
        "<Filter><Tag><Value>b</Value></Tag></Filter>",
        "<Filter><ObjectSizeLessThan>big</ObjectSizeLessThan></Filter>",
    ] {
        check(&head(bad), "MalformedXML");
    }
}

#[test]
fn what_makes_no_sense_is_malformed() {
    check("<LifecycleConfiguration/>", "MalformedXML");
    check("no xml", "MalformedXML");
    for bad in [
        "<Transition><StorageClass>GLACIER</StorageClass></Transition>",
        "<Transition><Days>1</Days></Transition>",
        "<Transition><Days>1</Days><StorageClass>COLD</StorageClass></Transition>",
        "<Transition><Days>1</Days><StorageClass>STANDARD</StorageClass></Transition>",
        "<Transition><Days>one</Days><StorageClass>GLACIER</StorageClass></Transition>",
        "<Expiration/>",
        "<Expiration><Days>1</Days><Date>1970-01-02</Date></Expiration>",
        "<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
        "<NoncurrentVersionExpiration/>",
        "<AbortIncompleteMultipartUpload/>",
    ] {
        check(&document(bad), "MalformedXML");
    }
}

#[test]
fn numbers_have_their_limits() {
    for bad in [
        "<Expiration><Days>0</Days></Expiration>",
        "<Transition><Days>-1</Days><StorageClass>GLACIER</StorageClass></Transition>",
        "<Transition><Days>29</Days><StorageClass>STANDARD_IA</StorageClass></Transition>",
        "<NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></NoncurrentVersionExpiration>",
        "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
         <NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentVersionExpiration>",
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>0</DaysAfterInitiation>\
         </AbortIncompleteMultipartUpload>",
    ] {
        check(&document(bad), "InvalidArgument");
    }
    let early = format!("{MOVE}<Expiration><Days>30</Days></Expiration>");
    check(&document(&early), "InvalidArgument");
    let mixed = format!("{MOVE}<Expiration><Date>1970-01-02</Date></Expiration>");
    check(&document(&mixed), "InvalidRequest");
    check(&document(&MOVE.repeat(2)), "InvalidRequest");
}

#[test]
fn tags_can_not_choose_uploads_nor_markers() {
    let tagged = |actions: &str| {
        let filter = "<Status>Enabled</Status><Filter><Tag><Key>a</Key><Value/></Tag></Filter>";
        rules(&rule(filter, actions))
    };
    for bad in [
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
         </AbortIncompleteMultipartUpload>",
        "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
    ] {
        check(&tagged(bad), "InvalidRequest");
    }
}

#[test]
fn an_id_is_of_one_rule() {
    let named = |id: &str| rule(&format!("<ID>{id}</ID><Status>Enabled</Status><Filter/>"), MOVE);
    assert_eq!(read(&rules(&(named("a") + &named("b")))).unwrap().len(), 2);
    check(&rules(&(named("a") + &named("a"))), "InvalidArgument");
    check(&rules(&named(&"i".repeat(256))), "InvalidArgument");
    check(&rules(&named("").repeat(1001)), "InvalidRequest");
}
