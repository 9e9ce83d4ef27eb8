//! ACLs as text.

use proptest::prelude::Strategy;
use proptest::{prop_assert_eq, prop_oneof, proptest};

use super::*;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

fn user(id: &str, name: Option<&str>) -> Grantee {
    Grantee::CanonicalUser { id: id.to_owned(), display_name: name.map(str::to_owned) }
}

fn group(uri: &str) -> Grantee {
    Grantee::Group { uri: uri.to_owned() }
}

fn email(address: &str) -> Grantee {
    Grantee::Email { address: address.to_owned() }
}

fn acl(grants: Vec<(Grantee, Permission)>) -> Acl {
    let owner = Owner { id: "me".to_owned(), display_name: None };
    let grants = grants.into_iter().map(|(grantee, permission)| Grant { grantee, permission });
    Acl { owner, grants: grants.collect() }
}

#[track_caller]
fn check_parse(text: &str, expected: Result<AclChange, &str>) {
    assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
}

#[track_caller]
fn check_refused(text: &str, words: &[&str]) {
    let message = parse(text).unwrap_err();
    for word in words {
        assert!(message.contains(word), "{word:?} is in: {message}");
    }
}

#[track_caller]
fn check_grant(text: &str, expected: Result<(Grantee, Permission), &str>) {
    let expected = expected.map(|(grantee, permission)| Grant { grantee, permission });
    assert_eq!(parse_grant(text), expected.map_err(str::to_owned), "{text}");
}

#[test]
fn an_acl_is_shown_as_the_command_line_of_aws_prints_it() {
    let grants = vec![
        (user("them", Some("Them All")), Permission::FullControl),
        (group(ALL_USERS), Permission::Read),
    ];
    let expected = r#"{
  "Grants": [
    {
      "Grantee": {
        "DisplayName": "Them All",
        "ID": "them",
        "Type": "CanonicalUser"
      },
      "Permission": "FULL_CONTROL"
    },
    {
      "Grantee": {
        "Type": "Group",
        "URI": "http://acs.amazonaws.com/groups/global/AllUsers"
      },
      "Permission": "READ"
    }
  ],
  "Owner": {
    "ID": "me"
  }
}"#;
    assert_eq!(shown(&acl(grants)), expected);
}

#[test]
fn an_acl_is_set_by_a_name_that_s3_has() {
    check_parse("public-read\n", Ok(AclChange::Canned(CannedAcl::PublicRead)));
    check_refused("public", &["\"public\"", "private", "bucket-owner-full-control", "JSON"]);
    check_refused("", &["private"]);
}

#[test]
fn an_acl_is_set_by_the_document_of_s3() {
    let text = r#"<?xml version="1.0"?>
        <AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
          <Owner><ID>me</ID></Owner>
          <AccessControlList>
            <Grant>
              <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                xsi:type="AmazonCustomerByEmail"><EmailAddress>a@b</EmailAddress></Grantee>
              <Permission>READ_ACP</Permission>
            </Grant>
          </AccessControlList>
        </AccessControlPolicy>"#;
    let expected = acl(vec![(email("a@b"), Permission::ReadAcp)]);
    check_parse(text, Ok(AclChange::Policy(expected)));
    check_refused("<AccessControl/>", &["<AccessControl>", "AccessControlPolicy"]);
}

#[test]
fn an_acl_without_an_owner_or_a_grantee_is_refused() {
    check_parse(r#"{"Grants":[]}"#, Err("Owner: missing"));
    let with = |grantee: &str| {
        let grant = format!(r#"{{"Grantee":{grantee},"Permission":"READ"}}"#);
        format!(r#"{{"Grants":[{grant}],"Owner":{{"ID":"me"}}}}"#)
    };
    check_parse(&with(r#"{"Type":"Group"}"#), Err("Grants[0].Grantee: URI is missing"));
    check_parse(&with(r#"{"Type":"CanonicalUser"}"#), Err("Grants[0].Grantee: ID is missing"));
    check_refused(&with(r#"{"ID":"x"}"#), &["Grants[0].Grantee.Type: missing"]);
    check_refused(&with(r#"{"Type":"User","ID":"x"}"#), &["CanonicalUser or"]);
}

#[test]
fn grants_are_shown_one_a_line() {
    let grants = vec![
        (user("them", Some("Them All")), Permission::FullControl),
        (user("me", None), Permission::ReadAcp),
        (email("a@b"), Permission::Write),
        (group(ALL_USERS), Permission::Read),
        (group("http://elsewhere"), Permission::Read),
    ];
    let expected = "FULL_CONTROL id=them name=Them All\nREAD_ACP id=me\nWRITE email=a@b\n\
                    READ all-users\nREAD uri=http://elsewhere";
    assert_eq!(grants_shown(&acl(grants)), expected);
}

#[test]
fn a_grant_names_a_permission_and_who_gets_it() {
    let read = Permission::Read;
    check_grant("READ email=foo@example.com", Ok((email("foo@example.com"), read)));
    check_grant("full_control  id=abc\n", Ok((user("abc", None), Permission::FullControl)));
    check_grant("read id=abc name=A B", Ok((user("abc", Some("A B")), read)));
    check_grant("read uri=http://x?a=b", Ok((group("http://x?a=b"), read)));
    check_grant("read all-users", Ok((group(ALL_USERS), read)));
}

#[test]
fn a_grant_that_is_none_is_refused_with_what_there_is() {
    let permissions = "only FULL_CONTROL, READ, WRITE, READ_ACP, WRITE_ACP";
    check_grant("see id=a", Err(&format!("there is no permission \"see\", {permissions}")));
    check_grant("", Err(&format!("there is no permission \"\", {permissions}")));
    let grantees = "only id=..., email=..., uri=..., all-users, authenticated-users, log-delivery";
    check_grant("READ everybody", Err(&format!("there is no grantee \"everybody\", {grantees}")));
    check_grant("READ", Err(&format!("there is no grantee \"\", {grantees}")));
    check_grant("READ email=a b", Err("email: one word is needed"));
    check_grant("READ id=", Err("id: one word is needed"));
}

fn grantees() -> impl Strategy<Value = Grantee> {
    prop_oneof![
        ("[!-~]{1,8}", proptest::option::of("[!-Z^-~é]([ -Z^-~é]{0,6}[!-Z^-~é])?"))
            .prop_map(|(id, name)| user(&id.replace('\\', "/"), name.as_deref())),
        "[!-Z^-~é]{1,8}".prop_map(|address| email(&address)),
        "[!-Z^-~é]{1,8}".prop_map(|uri| group(&uri)),
        (0..GROUPS.len()).prop_map(|index| group(GROUPS[index].1)),
    ]
}

fn acls() -> impl Strategy<Value = Acl> {
    let permissions = (0..5_usize).prop_map(|index| Permission::ALL[index]);
    let grants =
        (grantees(), permissions).prop_map(|(grantee, permission)| Grant { grantee, permission });
    let owner = ("\\PC{0,8}", proptest::option::of("\\PC{0,8}"))
        .prop_map(|(id, display_name)| Owner { id, display_name });
    (owner, proptest::collection::vec(grants, 0..4))
        .prop_map(|(owner, grants)| Acl { owner, grants })
}

proptest! {
    #[test]
    fn what_is_shown_of_an_acl_is_the_acl(acl in acls()) {
        prop_assert_eq!(parse(&shown(&acl)), Ok(AclChange::Policy(acl)));
    }

    #[test]
    fn what_is_shown_of_a_grant_is_the_grant(acl in acls()) {
        let lines = grants_shown(&acl);
        let grants: Result<Vec<Grant>, String> = lines.lines().map(parse_grant).collect();
        prop_assert_eq!(grants, Ok(acl.grants));
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC*|[{}<>/A-Za-z\":,\\[\\] =&;-]*") {
        let _acl = parse(&text);
        let _grant = parse_grant(&text);
        let _grant = parse_grant(&format!("READ {text}"));
    }
}
