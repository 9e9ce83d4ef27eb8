//! XML to JSON: a document as `aws s3api` prints it.
//!
//! Nothing that S3 said is lost: an element that the shape does not have, or that is not what
//! the shape says, is shown as it is, an element with elements as an object, what repeats as a
//! list, everything else as text.

use serde_json::{Map, Value};

use crate::vfs::xattr::documents::shape::{Member, Shape};
use crate::vfs::xattr::documents::xml::Element;

/// What an element with these members says.
pub(crate) fn structure_of(members: &[Member], element: &Element) -> Value {
    if element.children.is_empty()
        && let Some(text) = element.text_beside_elements()
    {
        return text.into();
    }
    let values = members.iter().filter_map(|member| {
        member_of(member, element).map(|value| (member.name.to_owned(), value))
    });
    let mut object = values.collect::<Map<String, Value>>();
    let is_element = |member: &&Member| !matches!(member.shape, Shape::InstanceType(_));
    let known: Vec<&str> = members.iter().filter(is_element).map(|member| member.element).collect();
    insert_unknown(&mut object, element, &known);
    Value::Object(object)
}

/// What an element of that shape says.
fn value_of(shape: &Shape, element: &Element) -> Value {
    let text = element.text.as_str();
    match shape {
        Shape::Structure(members) => structure_of(members, element),
        Shape::Wrapped(name, item) => list_of(name, item, element),
        Shape::Flat(item) => Value::Array(vec![value_of(item, element)]),
        _ if !element.children.is_empty() => as_it_is(element),
        Shape::Text | Shape::OneOf(_) | Shape::InstanceType(_) | Shape::Time => text.into(),
        Shape::Number => text.trim_ascii().parse::<u64>().map_or(text.into(), Value::from),
        Shape::Truth => text.trim_ascii().parse::<bool>().map_or(text.into(), Value::from),
    }
}

fn list_of(name: &str, item: &Shape, element: &Element) -> Value {
    let is_list = element.children.iter().all(|child| child.name == name)
        && element.text_beside_elements().is_none();
    match is_list {
        true => element.children.iter().map(|child| value_of(item, child)).collect(),
        false => as_it_is(element),
    }
}

fn member_of(member: &Member, element: &Element) -> Option<Value> {
    let named = element.children.iter().filter(|child| child.name == member.element);
    match &member.shape {
        Shape::InstanceType(_) => element.instance_type.as_deref().map(Value::from),
        Shape::Flat(item) => {
            let items: Vec<Value> = named.map(|child| value_of(item, child)).collect();
            Some(Value::Array(items)).filter(|items| *items != Value::Array(Vec::new()))
        }
        shape => one_or_list(named.map(|child| value_of(shape, child)).collect()),
    }
}

/// An element of no known shape.
fn as_it_is(element: &Element) -> Value {
    if element.children.is_empty() {
        return element.text.as_str().into();
    }
    let mut object = Map::new();
    insert_unknown(&mut object, element, &[]);
    Value::Object(object)
}

/// Adds the elements that are not known, those of one name together, and text that stands
/// beside elements. A name that stands for something else already is marked as an element's.
fn insert_unknown(object: &mut Map<String, Value>, element: &Element, known: &[&str]) {
    let mut unknown: Vec<(&str, Vec<Value>)> = Vec::new();
    for child in element.children.iter().filter(|child| !known.contains(&child.name.as_str())) {
        match unknown.iter_mut().find(|(name, _)| *name == child.name) {
            Some((_, values)) => values.push(as_it_is(child)),
            None => unknown.push((&child.name, vec![as_it_is(child)])),
        }
    }
    for (name, values) in unknown {
        let is_taken = object.contains_key(name);
        let name = if is_taken { format!("<{name}>") } else { name.to_owned() };
        object.extend(one_or_list(values).map(|value| (name, value)));
    }
    if let Some(text) = element.text_beside_elements() {
        object.insert("#text".to_owned(), text.into());
    }
}

fn one_or_list(mut values: Vec<Value>) -> Option<Value> {
    match values.len() {
        0 => None,
        1 => values.pop(),
        _ => Some(Value::Array(values)),
    }
}
