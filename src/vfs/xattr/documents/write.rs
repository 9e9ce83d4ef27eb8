//! JSON to XML: a document as S3 takes it, in the order of its shape.
//!
//! What does not have the shape is refused, with the path to it: nothing is left out silently.

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::vfs::xattr::documents::shape::{Member, Shape};
use crate::vfs::xattr::documents::xml;

/// Writes a value with these members as the document with that root.
pub(crate) fn document(members: &[Member], root: &str, value: &Value) -> Result<String, String> {
    Ok(xml::document(root, &structure(members, value, "")?.content))
}

/// What a structure becomes: the element itself has one of its members.
struct Written {
    instance_type: Option<String>,
    content: String,
}

/// Writes a value in an element of that name.
fn element(name: &str, shape: &Shape, value: &Value, path: &str) -> Result<String, String> {
    match shape {
        Shape::Structure(members) => {
            let written = structure(members, value, path)?;
            Ok(xml::element(name, written.instance_type.as_deref(), &written.content))
        }
        Shape::Flat(item) => items(name, item, value, path),
        Shape::Wrapped(item_name, item) => {
            Ok(xml::element(name, None, &items(item_name, item, value, path)?))
        }
        Shape::Text
        | Shape::OneOf(_)
        | Shape::InstanceType(_)
        | Shape::Number
        | Shape::Truth
        | Shape::Time => Ok(xml::element(name, None, &scalar(shape, value, path)?)),
    }
}

fn structure(members: &[Member], value: &Value, path: &str) -> Result<Written, String> {
    let object = value.as_object().ok_or_else(|| refused(path, "an object is needed"))?;
    check_known(members, object, path)?;
    let mut written = Written { instance_type: None, content: String::new() };
    for member in members {
        let path = below(path, member.name);
        match (object.get(member.name), &member.shape) {
            (None, _) if member.required => return Err(refused(&path, "missing")),
            (None, _) => {}
            (Some(value), Shape::InstanceType(_)) => {
                written.instance_type = Some(scalar(&member.shape, value, &path)?);
            }
            (Some(Value::Array(items)), Shape::Flat(_)) if items.is_empty() && member.required => {
                return Err(refused(&path, "at least one is needed"));
            }
            (Some(value), shape) => {
                written.content += &element(member.element, shape, value, &path)?;
            }
        }
    }
    Ok(written)
}

fn check_known(members: &[Member], object: &Map<String, Value>, path: &str) -> Result<(), String> {
    let is_known = |name: &&String| members.iter().any(|member| member.name == *name);
    let Some(unknown) = object.keys().find(|name| !is_known(name)) else { return Ok(()) };
    let names: Vec<&str> = members.iter().map(|member| member.name).collect();
    let what = match names.is_empty() {
        true => "there is no such member, nor any other".to_owned(),
        false => format!("there is no such member, only {}", names.join(", ")),
    };
    Err(refused(&below(path, unknown), &what))
}

fn items(name: &str, item: &Shape, value: &Value, path: &str) -> Result<String, String> {
    let items = value.as_array().ok_or_else(|| refused(path, "a list is needed"))?;
    let items = items.iter().enumerate();
    items.map(|(index, value)| element(name, item, value, &format!("{path}[{index}]"))).collect()
}

fn scalar(shape: &Shape, value: &Value, path: &str) -> Result<String, String> {
    match shape {
        Shape::Number => match value {
            Value::Number(number) if number.is_u64() => Ok(number.to_string()),
            Value::Number(_) => Err(refused(path, "a whole number is needed, from 0 on")),
            _ => Err(refused(path, "a number is needed")),
        },
        Shape::Truth => match value {
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err(refused(path, "true or false is needed")),
        },
        Shape::Time => {
            let needed = || refused(path, "a time is needed, such as \"2026-01-31T00:00:00Z\"");
            value.as_str().and_then(utc).ok_or_else(needed)
        }
        Shape::OneOf(words) | Shape::InstanceType(words) => {
            let word = value.as_str().filter(|word| words.contains(word));
            let needed = || refused(path, &format!("{} is needed", words.join(" or ")));
            word.map(str::to_owned).ok_or_else(needed)
        }
        Shape::Text | Shape::Structure(_) | Shape::Flat(_) | Shape::Wrapped(..) => {
            let text = value.as_str().ok_or_else(|| refused(path, "a text is needed"))?;
            xml::escaped(text).ok_or_else(|| refused(path, "it has a character XML can't hold"))
        }
    }
}

/// A time in ISO 8601, or the midnight at which a day begins, as S3 takes it: in UTC.
fn utc(text: &str) -> Option<String> {
    let time = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) => time,
        Err(_) => OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).ok()?,
    };
    time.checked_to_offset(UtcOffset::UTC)?.format(&Rfc3339).ok()
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn refused(path: &str, what: &str) -> String {
    if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") }
}
