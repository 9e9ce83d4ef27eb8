//! Documents: S3's configurations of buckets and objects, as attributes show and take them.
//!
//! S3 keeps XML; people have the JSON of `aws s3api`. [`shown`] gives that JSON, [`parse`] takes
//! it, or S3's own XML, and gives what S3 takes. A policy is JSON in both. Documents that are
//! no more than a state are shown and taken as its word: those in `STATES`.

pub(crate) mod json;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod shape;
pub(crate) mod write;
pub(crate) mod xml;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::store::types::DocumentKind;
use crate::vfs::xattr::documents::shape::Member;

/// A document that stands for a state, and the state's words.
struct State {
    kind: DocumentKind,
    /// The member that has the word.
    member: &'static str,
    words: &'static [&'static str],
    /// How a document that says nothing is shown.
    absent: Option<&'static str>,
    /// Whether a document that says nothing else is shown as its word.
    is_shown: bool,
}

/// The words are taken in any case. A document that says more than its state, such as a
/// versioning with `MfaDelete`, is shown as JSON; that of an object lock always is, since what
/// matters is its rule.
const STATES: &[State] = &[
    State {
        kind: DocumentKind::Versioning,
        member: "Status",
        words: &["Enabled", "Suspended"],
        absent: Some("Off"),
        is_shown: true,
    },
    State {
        kind: DocumentKind::RequestPayment,
        member: "Payer",
        words: &["BucketOwner", "Requester"],
        absent: None,
        is_shown: true,
    },
    State {
        kind: DocumentKind::LegalHold,
        member: "Status",
        words: &["ON", "OFF"],
        absent: None,
        is_shown: true,
    },
    State {
        kind: DocumentKind::ObjectLock,
        member: "ObjectLockEnabled",
        words: &["Enabled"],
        absent: None,
        is_shown: false,
    },
];

/// What S3 gave as a document, as an attribute shows it: a state's word, a policy as it is, the
/// JSON that `aws s3api get-...` prints for everything else, without the outermost name.
///
/// Elements that are not known are shown too. Fails only if the text is no document of its kind.
pub fn shown(kind: DocumentKind, text: &str) -> Result<String, String> {
    let text = text.trim_ascii();
    let Some(members) = schema::members_of(kind) else { return Ok(text.to_owned()) };
    let value = value_of_xml(members, kind.row().root, text)?;
    let word = STATES.iter().find(|state| state.kind == kind && state.is_shown);
    let word = word.and_then(|state| word_of(state, &value));
    Ok(word.unwrap_or_else(|| json::pretty(&value)))
}

/// What a text asks for, as S3 takes it.
///
/// Takes the word of a state, JSON as `aws s3api` prints it or takes it (with or without its
/// outermost name), or S3's XML, of which only the root is checked.
pub fn parse(kind: DocumentKind, text: &str) -> Result<String, String> {
    let text = text.trim_ascii();
    let root = kind.row().root;
    let Some(members) = schema::members_of(kind) else { return policy(text) };
    if text.starts_with('<') {
        return read_xml(root, text).map(|_| text.to_owned());
    }
    let value = match STATES.iter().find(|state| state.kind == kind) {
        Some(state) if !text.starts_with('{') => value_of_word(state, text)?,
        _ => unwrapped(root, json::parse(text)?),
    };
    write::document(members, root, &value)
}

/// The value of a text that is JSON or XML, once it has these members and no other.
pub(crate) fn parse_value(members: &[Member], root: &str, text: &str) -> Result<Value, String> {
    let text = text.trim_ascii();
    let value = match text.starts_with('<') {
        true => value_of_xml(members, root, text)?,
        false => unwrapped(root, json::parse(text)?),
    };
    write::document(members, root, &value).map(|_| value)
}

fn value_of_xml(members: &[Member], root: &str, text: &str) -> Result<Value, String> {
    Ok(read::structure_of(members, &read_xml(root, text)?))
}

fn read_xml(root: &str, text: &str) -> Result<xml::Element, String> {
    let element = xml::parse(text)?;
    match element.name == root {
        true => Ok(element),
        false => Err(format!("<{}> is not what belongs here: {root} is", element.name)),
    }
}

/// The value without the member that is its only one and has the document's name, as in
/// `{"CORSConfiguration": {"CORSRules": []}}`.
fn unwrapped(root: &str, value: Value) -> Value {
    match value {
        Value::Object(mut object) if object.len() == 1 && object.contains_key(root) => {
            object.remove(root).unwrap_or_default()
        }
        value => value,
    }
}

fn word_of(state: &State, value: &Value) -> Option<String> {
    let object = value.as_object()?;
    if object.is_empty() {
        return state.absent.map(str::to_owned);
    }
    let word = object.get(state.member).filter(|_| object.len() == 1)?.as_str()?;
    state.words.contains(&word).then(|| word.to_owned())
}

fn value_of_word(state: &State, text: &str) -> Result<Value, String> {
    let words = state.words.join(" or ");
    if state.absent.is_some_and(|absent| absent.eq_ignore_ascii_case(text)) {
        return Err(format!("S3 can't go back to {text}: {words} is needed"));
    }
    let word = state.words.iter().find(|word| word.eq_ignore_ascii_case(text));
    let word = word.ok_or_else(|| format!("{words} is needed, or the document"))?;
    Ok(Value::Object(Map::from_iter([(state.member.to_owned(), Value::from(*word))])))
}

/// A policy is passed on as it is, or out of the string that `aws s3api` puts it in.
fn policy(text: &str) -> Result<String, String> {
    let given = json::parse(text)?;
    let is_wrapped = given.as_object().is_some_and(|object| object.len() == 1);
    match given.get("Policy").filter(|_| is_wrapped) {
        Some(Value::String(inner)) if json::parse(inner)?.is_object() => Ok(inner.clone()),
        Some(Value::Object(inner)) => Ok(Value::from(inner.clone()).to_string()),
        Some(_) => Err("Policy: an object is needed".to_owned()),
        None if given.is_object() => Ok(text.to_owned()),
        None => Err("an object is needed".to_owned()),
    }
}
