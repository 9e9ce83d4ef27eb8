//! The JSON of documents is that of `aws s3api`: checked against botocore, which is below it.
//!
//! botocore's own model gives the examples: one with every member there is, variations with
//! every word of its lists, and others that are wrong at some place.

use std::path::Path;
use std::process::Command;

use pailfs::store::types::{AclChange, DOCUMENTS, DocumentKind, DocumentRow};
use pailfs::vfs::xattr::{acl, documents, tags};
use serde_json::{Map, Value, json};

use crate::support::command::run;
use crate::support::tools::tool;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/formats.py");

fn script(arguments: &[&Path]) -> Value {
    let mut command = Command::new(tool("python"));
    command.arg(SCRIPT).args(arguments);
    serde_json::from_str(&run(command).ok()).expect("the script's answer")
}

fn examples() -> Value {
    script(&[Path::new("examples")])
}

/// What botocore makes of values, and of our XML for them.
fn judged(asked: Map<String, Value>) -> Value {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("asked");
    std::fs::write(&file, Value::Object(asked).to_string()).expect("a file");
    script(&[Path::new("judge"), &file])
}

/// Every kind but the policy, which is JSON to S3 too.
fn kinds() -> impl Iterator<Item = &'static DocumentRow> {
    DOCUMENTS.iter().filter(|row| row.kind != DocumentKind::Policy)
}

fn parsed(row: &DocumentRow, value: &Value) -> String {
    let xml = documents::parse(row.kind, &value.to_string());
    xml.unwrap_or_else(|message| panic!("{}: {message}: {value}", row.query))
}

/// What is shown of a document; the word of a state as the member it stands for.
fn shown(row: &DocumentRow, xml: &str) -> Value {
    let text = documents::shown(row.kind, xml).expect("a document");
    match (row.kind, text.starts_with('{')) {
        (DocumentKind::RequestPayment, false) => json!({ "Payer": text }),
        (_, false) => json!({ "Status": text }),
        (_, true) => serde_json::from_str(&text).expect("JSON"),
    }
}

#[test]
fn every_document_is_what_botocore_reads_and_writes() {
    let examples = examples();
    let asked = kinds().map(|row| {
        let value = &examples[row.query]["full"];
        (row.query.to_owned(), json!({ "json": value, "xml": parsed(row, value) }))
    });
    let judged = judged(asked.collect());
    for row in kinds() {
        let (value, judged) = (&examples[row.query]["full"], &judged[row.query]);
        let xml = parsed(row, value);
        assert_eq!(judged["read"], *value, "{} as botocore reads it", row.query);
        assert_eq!(shown(row, &xml), *value, "{}", row.query);
        assert_eq!(judged["our canonical"], judged["canonical"], "{}", row.query);
        let written = judged["written"].as_str().expect("a document");
        assert_eq!(shown(row, written), *value, "{} as botocore writes it", row.query);
    }
}

#[test]
fn every_word_that_botocore_knows_is_taken() {
    let examples = examples();
    for row in kinds() {
        for value in examples[row.query]["right"].as_array().expect("values") {
            assert_eq!(shown(row, &parsed(row, value)), *value, "{}", row.query);
        }
    }
}

#[test]
fn every_outermost_name_is_the_one_of_botocore() {
    let examples = examples();
    for row in kinds() {
        let example = &examples[row.query];
        let name = example["name"].as_str().expect("a name");
        let wrapped = json!({ name: example["full"] });
        assert_eq!(parsed(row, &wrapped), parsed(row, &example["full"]), "{}", row.query);
    }
}

/// The value is refused with a message that begins with the path to what is wrong.
#[track_caller]
fn check_refused(name: &str, wrong: &Value, refusal: Result<(), String>) {
    let path = wrong[0].as_str().expect("a path");
    let message = refusal.expect_err(name);
    assert!(message.starts_with(path), "{name}: {message:?} begins with {path}: {}", wrong[1]);
}

#[test]
fn what_is_not_in_the_model_is_refused_where_it_is() {
    let examples = examples();
    let wrong = |name: &str| examples[name]["wrong"].as_array().expect("values").clone();
    for row in kinds() {
        for wrong in wrong(row.query) {
            let refusal = documents::parse(row.kind, &wrong[1].to_string()).map(drop);
            check_refused(row.query, &wrong, refusal);
        }
    }
    for wrong in wrong("acl") {
        check_refused("acl", &wrong, acl::parse(&wrong[1].to_string()).map(drop));
    }
}

#[test]
fn an_acl_and_tags_are_what_botocore_reads_and_writes() {
    let text = |name: &str| match name {
        "acl" => {
            let user = json!({ "DisplayName": "a & b", "ID": "1", "Type": "CanonicalUser" });
            let email = json!({ "EmailAddress": "a@b", "Type": "AmazonCustomerByEmail" });
            let group = json!({ "Type": "Group", "URI": "http://group" });
            let grant = |grantee| json!({ "Grantee": grantee, "Permission": "READ_ACP" });
            let grants = [user, email, group].map(grant);
            json!({ "Grants": grants, "Owner": { "DisplayName": "me", "ID": "2" } })
        }
        _ => json!({ "TagSet": [{ "Key": "a <", "Value": "" }, { "Key": "b", "Value": "c" }] }),
    };
    let ask = |name: &str| (name.to_owned(), json!({ "json": text(name) }));
    let judged = judged(["acl", "object tagging"].map(ask).into_iter().collect());
    let written = |name: &str| judged[name]["written"].as_str().expect("a document").to_owned();

    let change = acl::parse(&text("acl").to_string()).expect("an ACL");
    assert_eq!(acl::parse(&written("acl")), Ok(change.clone()));
    let AclChange::Policy(policy) = change else { panic!("no policy: {change:?}") };
    let shown: Value = serde_json::from_str(&acl::shown(&policy)).expect("JSON");
    assert_eq!(judged["acl"]["read"], shown);

    let set = tags::parse(&text("object tagging").to_string()).expect("tags");
    assert_eq!(tags::parse(&written("object tagging")), Ok(set.clone()));
    let shown: Value = serde_json::from_str(&tags::shown(&set)).expect("JSON");
    assert_eq!(judged["object tagging"]["read"], shown);
}
