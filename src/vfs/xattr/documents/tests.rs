//! Documents as text: what is shown of them, what is taken, what is refused, and why.

use proptest::prelude::{BoxedStrategy, Strategy, any};
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::json;

use super::*;
use crate::store::types::DOCUMENTS;
use crate::vfs::xattr::documents::schema::members_of;
use crate::vfs::xattr::documents::shape::{Member, Shape};

#[track_caller]
fn check_shown(kind: DocumentKind, text: &str, expected: &Value) {
    let value: Value = serde_json::from_str(&shown(kind, text).unwrap()).unwrap();
    assert_eq!(value, *expected, "{text}");
}

#[track_caller]
fn check_word(kind: DocumentKind, text: &str, expected: &str) {
    assert_eq!(shown(kind, text).as_deref(), Ok(expected), "{text}");
}

/// The text is taken as this document, whose root has S3's namespace.
#[track_caller]
fn check_parsed(kind: DocumentKind, text: &str, content: &str) {
    let root = kind.row().root;
    let expected =
        format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{content}</{root}>");
    assert_eq!(parse(kind, text), Ok(expected), "{text}");
}

#[track_caller]
fn check_refused(kind: DocumentKind, text: &str, expected: &str) {
    assert_eq!(parse(kind, text), Err(expected.to_owned()), "{text}");
}

#[test]
fn a_document_is_shown_as_the_command_line_of_aws_prints_it() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <CORSRule>\n\
        <AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
        <MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>\n";
    let expected = r#"{
  "CORSRules": [
    {
      "AllowedMethods": [
        "GET"
      ],
      "AllowedOrigins": [
        "*"
      ],
      "MaxAgeSeconds": 60
    }
  ]
}"#;
    assert_eq!(shown(DocumentKind::Cors, text).as_deref(), Ok(expected));
}

#[test]
fn a_lifecycle_is_shown_and_taken_with_old_prefixes_and_new_filters() {
    let rules = "<Rule><Prefix>old/</Prefix><Status>Disabled</Status>\
        <Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>\
        <Rule><Expiration><Date>2026-01-31T00:00:00Z</Date></Expiration><ID>b</ID><Filter><And>\
        <Prefix>new/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>\
        <Status>Enabled</Status></Rule>";
    let value = json!({"Rules": [
        {
            "Prefix": "old/", "Status": "Disabled",
            "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}],
        },
        {
            "Expiration": {"Date": "2026-01-31T00:00:00Z"}, "ID": "b",
            "Filter": {"And": {"Prefix": "new/", "Tags": [{"Key": "k", "Value": "v"}]}},
            "Status": "Enabled",
        },
    ]});
    let xml = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
    check_shown(DocumentKind::Lifecycle, &xml, &value);
    check_parsed(DocumentKind::Lifecycle, &value.to_string(), rules);
}

#[test]
fn the_outermost_name_may_be_there() {
    let rule = r#"{"Rules":[{"ObjectOwnership":"ObjectWriter"}]}"#;
    let content = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
    check_parsed(DocumentKind::OwnershipControls, rule, content);
    let wrapped = format!(" {{\"OwnershipControls\": {rule}}}\n");
    check_parsed(DocumentKind::OwnershipControls, &wrapped, content);
}

#[test]
fn a_document_of_s3_is_passed_on_as_it_is() {
    let text = "<?xml version='1.0'?>\n<s:Tagging xmlns:s='x'> <Any/>\n</s:Tagging>";
    let spaced = format!("\n  {text}\n\n");
    assert_eq!(parse(DocumentKind::BucketTagging, &spaced).as_deref(), Ok(text));
    let other = "<CORSConfiguration> is not what belongs here: Tagging is";
    check_refused(DocumentKind::BucketTagging, "<CORSConfiguration/>", other);
    let broken = parse(DocumentKind::BucketTagging, "<Tagging>").unwrap_err();
    assert_eq!(broken, "not XML: it ends inside an element");
}

#[test]
fn what_has_not_the_shape_is_refused_with_its_path() {
    let check = |text: &str, expected: &str| check_refused(DocumentKind::Lifecycle, text, expected);
    check("{}", "Rules: missing");
    check("[]", "an object is needed");
    check("none", "not JSON: expected ident at line 1 column 2");
    check(r#"{"Rules":{}}"#, "Rules: a list is needed");
    check(r#"{"Rules":[]}"#, "Rules: at least one is needed");
    check(r#"{"Rules":[null]}"#, "Rules[0]: an object is needed");
    check(r#"{"Rules":[{}]}"#, "Rules[0].Status: missing");
    let rule = |member: &str| format!(r#"{{"Rules":[{{"Status":"Enabled",{member}}}]}}"#);
    let days = |days: &str| rule(&format!(r#""Transitions":[{{}},{{"Days":{days}}}]"#));
    let at = "Rules[0].Transitions[1].Days";
    check(&days("\"1\""), &format!("{at}: a number is needed"));
    check(&days("1.5"), &format!("{at}: a whole number is needed, from 0 on"));
    check(&days("-1"), &format!("{at}: a whole number is needed, from 0 on"));
    let day = "only Date, Days, ExpiredObjectDeleteMarker";
    check(
        &rule(r#""Expiration":{"Day":1}"#),
        &format!("Rules[0].Expiration.Day: there is no such member, {day}"),
    );
    check(
        &rule(r#""Expiration":{"Date":"soon"}"#),
        "Rules[0].Expiration.Date: a time is needed, such as \"2026-01-31T00:00:00Z\"",
    );
    check(
        &rule(r#""Expiration":{"ExpiredObjectDeleteMarker":"true"}"#),
        "Rules[0].Expiration.ExpiredObjectDeleteMarker: true or false is needed",
    );
    check(&rule(r#""ID":"\u0000""#), "Rules[0].ID: it has a character XML can't hold");
    check(r#"{"Rules":[{"Status":"enabled"}]}"#, "Rules[0].Status: Enabled or Disabled is needed");
}

#[test]
fn a_time_is_taken_in_any_zone_and_as_a_day() {
    let check = |date: &str, expected: &str| {
        let text = format!(r#"{{"Mode":"GOVERNANCE","RetainUntilDate":"{date}"}}"#);
        let content =
            format!("<Mode>GOVERNANCE</Mode><RetainUntilDate>{expected}</RetainUntilDate>");
        check_parsed(DocumentKind::Retention, &text, &content);
    };
    check("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z");
    check("2026-01-31T00:00:00+02:00", "2026-01-30T22:00:00Z");
    check("2026-01-31T00:00:00.250000+00:00", "2026-01-31T00:00:00.25Z");
    check("2026-01-31", "2026-01-31T00:00:00Z");
}

#[test]
fn a_state_is_shown_as_its_word() {
    let versioning =
        |inside: &str| format!("<VersioningConfiguration>{inside}</VersioningConfiguration>");
    let kind = DocumentKind::Versioning;
    check_word(kind, &versioning("<Status>Enabled</Status>"), "Enabled");
    check_word(kind, &versioning("<Status>Suspended</Status>"), "Suspended");
    check_word(kind, &versioning("\n"), "Off");
    let with_more = versioning("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>");
    check_shown(kind, &with_more, &json!({"Status": "Enabled", "MFADelete": "Enabled"}));
    check_shown(kind, &versioning("<Status>Dozing</Status>"), &json!({"Status": "Dozing"}));
    let payer =
        "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
    check_word(DocumentKind::RequestPayment, payer, "Requester");
    check_word(DocumentKind::LegalHold, "<LegalHold><Status>ON</Status></LegalHold>", "ON");
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
        </ObjectLockConfiguration>";
    check_shown(DocumentKind::ObjectLock, lock, &json!({"ObjectLockEnabled": "Enabled"}));
}

#[test]
fn a_state_is_set_by_its_word_in_any_case() {
    check_parsed(DocumentKind::Versioning, "suspended\n", "<Status>Suspended</Status>");
    check_parsed(DocumentKind::Versioning, r#"{"Status":"Enabled"}"#, "<Status>Enabled</Status>");
    check_parsed(DocumentKind::RequestPayment, "requester", "<Payer>Requester</Payer>");
    check_parsed(DocumentKind::LegalHold, "on", "<Status>ON</Status>");
    let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    check_parsed(DocumentKind::ObjectLock, "ENABLED", enabled);
    let words = "Enabled or Suspended is needed";
    check_refused(DocumentKind::Versioning, "off", &format!("S3 can't go back to off: {words}"));
    check_refused(DocumentKind::Versioning, "1", &format!("{words}, or the document"));
    check_refused(DocumentKind::Versioning, "", &format!("{words}, or the document"));
}

#[test]
fn what_is_off_is_shown_as_nothing_and_turned_off_by_it() {
    check_word(DocumentKind::Logging, "<BucketLoggingStatus xmlns=\"x\"/>", "{}");
    check_parsed(DocumentKind::Logging, "{}", "");
    check_word(DocumentKind::Notification, "<NotificationConfiguration/>", "{}");
    check_parsed(DocumentKind::Notification, "{}", "");
    check_parsed(DocumentKind::Notification, r#"{"TopicConfigurations":[]}"#, "");
}

#[test]
fn a_policy_is_taken_as_it_is_or_out_of_its_string() {
    let kind = DocumentKind::Policy;
    let policy = r#"{"Version":"2012-10-17", "Statement":[]}"#;
    assert_eq!(shown(kind, &format!("{policy}\n")).as_deref(), Ok(policy));
    assert_eq!(parse(kind, &format!("\n{policy}\n")).as_deref(), Ok(policy));
    let in_string = json!({ "Policy": policy }).to_string();
    assert_eq!(parse(kind, &in_string).as_deref(), Ok(policy));
    let in_object = format!("{{\"Policy\": {policy}}}");
    assert_eq!(parse(kind, &in_object), Ok(policy.replace(' ', "")));
    check_refused(kind, "[]", "an object is needed");
    check_refused(kind, r#"{"Policy":"[]"}"#, "Policy: an object is needed");
    check_refused(kind, r#"{"Policy":1}"#, "Policy: an object is needed");
    check_refused(kind, "<a/>", "not JSON: expected value at line 1 column 1");
}

#[test]
fn what_is_not_known_is_shown_too() {
    let text = "<CORSConfiguration><CORSRule><MaxAgeSeconds>soon</MaxAgeSeconds>\
        <New>1</New><New><Inner/></New></CORSRule>\
        <CORSRule><ID>a</ID><ID>b</ID></CORSRule><CORSRule>words</CORSRule>\
        <CORSRules>taken</CORSRules>beside</CORSConfiguration>";
    let expected = json!({
        "CORSRules": [
            {"MaxAgeSeconds": "soon", "New": ["1", {"Inner": ""}]},
            {"ID": ["a", "b"]},
            "words",
        ],
        "<CORSRules>": "taken",
        "#text": "beside",
    });
    check_shown(DocumentKind::Cors, text, &expected);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key></Tag><Other/></TagSet></Tagging>";
    let expected = json!({"TagSet": {"Tag": {"Key": "a"}, "Other": ""}});
    check_shown(DocumentKind::BucketTagging, tags, &expected);
}

#[test]
fn a_grantee_has_its_type_as_an_attribute() {
    let value = json!({"LoggingEnabled": {
        "TargetBucket": "b", "TargetPrefix": "",
        "TargetGrants": [{"Grantee": {"Type": "Group", "URI": "u"}, "Permission": "READ"}],
    }});
    let content = "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetGrants><Grant>\
        <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\">\
        <URI>u</URI></Grantee><Permission>READ</Permission></Grant></TargetGrants>\
        <TargetPrefix></TargetPrefix></LoggingEnabled>";
    check_parsed(DocumentKind::Logging, &value.to_string(), content);
    let xml = format!("<BucketLoggingStatus>{content}</BucketLoggingStatus>");
    check_shown(DocumentKind::Logging, &xml, &value);
}

/// Any value of a shape; empty lists only where they leave an element behind.
fn values(shape: &'static Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Text => "[\\PC\r\n\t]{0,6}".prop_map(Value::from).boxed(),
        Shape::OneOf(words) | Shape::InstanceType(words) => {
            proptest::sample::select(*words).prop_map(Value::from).boxed()
        }
        Shape::Number => any::<u64>().prop_map(Value::from).boxed(),
        Shape::Truth => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Time => (0..86_400_u32)
            .prop_map(|second| {
                let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
                format!("2026-01-31T{hour:02}:{minute:02}:{second:02}Z").into()
            })
            .boxed(),
        Shape::Structure(members) => structures(members),
        Shape::Flat(item) => {
            proptest::collection::vec(values(item), 1..3).prop_map(Value::Array).boxed()
        }
        Shape::Wrapped(_, item) => {
            proptest::collection::vec(values(item), 0..3).prop_map(Value::Array).boxed()
        }
    }
}

fn structures(members: &'static [Member]) -> BoxedStrategy<Value> {
    let members = members.iter().map(member_values).collect::<Vec<_>>();
    let there = |members: Vec<Option<(String, Value)>>| {
        Value::Object(members.into_iter().flatten().collect())
    };
    members.prop_map(there).boxed()
}

fn member_values(member: &'static Member) -> BoxedStrategy<Option<(String, Value)>> {
    let value = values(&member.shape).prop_map(|value| (member.name.to_owned(), value));
    match member.required {
        true => value.prop_map(Some).boxed(),
        false => proptest::option::of(value).boxed(),
    }
}

/// A kind and a value of its shape.
fn documents() -> impl Strategy<Value = (DocumentKind, Value)> {
    let kinds = DOCUMENTS.iter().filter_map(|row| Some((row.kind, members_of(row.kind)?)));
    let documents =
        kinds.map(|(kind, members)| structures(members).prop_map(move |value| (kind, value)));
    proptest::strategy::Union::new(documents)
}

proptest! {
    #[test]
    fn a_value_survives_the_way_through_xml((kind, value) in documents()) {
        let xml = parse(kind, &value.to_string()).unwrap();
        let members = members_of(kind).unwrap();
        prop_assert_eq!(value_of_xml(members, kind.row().root, &xml), Ok(value));
    }

    #[test]
    fn what_is_shown_of_a_document_is_the_document((kind, value) in documents()) {
        let xml = parse(kind, &value.to_string()).unwrap();
        let shown = shown(kind, &xml).unwrap();
        match shown.as_str() {
            "Off" => prop_assert!(parse(kind, &shown).is_err()),
            _ => prop_assert_eq!(parse(kind, &shown), Ok(xml)),
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(
        text in "\\PC*|[{}<>/A-Za-z\":,\\[\\] =&;#!?-]*",
        index in 0..DOCUMENTS.len(),
    ) {
        let row = &DOCUMENTS[index];
        let inside = format!("<{0}>{text}</{0}>", row.root);
        for text in [&text, &inside] {
            let _shown = shown(row.kind, text);
            let _parsed = parse(row.kind, text);
        }
    }
}
