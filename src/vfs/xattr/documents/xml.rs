//! XML as a tree, as far as S3's documents use it: elements, text, and `xsi:type`.
//!
//! Names lose their namespace: S3 answers with one, and takes documents without. Of attributes
//! only the one that S3 has is kept.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// The namespace of all of S3's documents.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The namespace of the attribute `type`.
const INSTANCE_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Far more than any document of S3 has, and few enough to go through by recursion.
const DEPTH_MAX: usize = 64;

/// An element and what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// Without its prefix.
    pub(crate) name: String,
    /// The attribute `xsi:type`.
    pub(crate) instance_type: Option<String>,
    pub(crate) children: Vec<Element>,
    /// All text that is directly in it.
    pub(crate) text: String,
}

impl Element {
    /// The text, if it is more than the white space between elements.
    pub(crate) fn text_beside_elements(&self) -> Option<&str> {
        Some(self.text.trim_ascii()).filter(|text| !text.is_empty())
    }
}

/// Reads a text that is one element, perhaps behind a declaration.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = quick_xml::Reader::from_str(text);
    // The first stands for the document: its only child will be the root.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(not_xml)? {
            Event::Start(start) => open.push(element_of(&start)?),
            Event::Empty(start) => {
                let element = element_of(&start)?;
                innermost(&mut open)?.children.push(element);
            }
            Event::End(_) => {
                let closed = open.pop().ok_or_else(|| not_xml("an end without a start"))?;
                innermost(&mut open)?.children.push(closed);
            }
            Event::Text(text) => {
                let text = text.xml10_content().map_err(not_xml)?;
                innermost(&mut open)?.text.push_str(&text);
            }
            Event::CData(text) => {
                let text = text.xml10_content().map_err(not_xml)?;
                innermost(&mut open)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let letter = letter_of(&reference)?;
                innermost(&mut open)?.text.push(letter);
            }
            Event::DocType(_) => return Err(not_xml("S3 takes no document type")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
        if open.len() > DEPTH_MAX {
            return Err(not_xml("nested too deeply"));
        }
    }
    root_of(open)
}

/// Writes an element; `content` is XML already.
pub(crate) fn element(name: &str, instance_type: Option<&str>, content: &str) -> String {
    let attributes = instance_type.map_or_else(String::new, |value| {
        format!(r#" xmlns:xsi="{INSTANCE_NAMESPACE}" xsi:type="{value}""#)
    });
    format!("<{name}{attributes}>{content}</{name}>")
}

/// Writes the root of a document; `content` is XML already.
pub(crate) fn document(root: &str, content: &str) -> String {
    format!(r#"<{root} xmlns="{NAMESPACE}">{content}</{root}>"#)
}

/// Writes a text so that it is read as it is; `None` where XML can't hold it.
pub(crate) fn escaped(text: &str) -> Option<String> {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // As it is, it would be read as the newline it stands before.
            '\r' => escaped.push_str("&#13;"),
            _ if is_xml(letter) => escaped.push(letter),
            _ => return None,
        }
    }
    Some(escaped)
}

fn innermost(open: &mut [Element]) -> Result<&mut Element, String> {
    open.last_mut().ok_or_else(|| not_xml("an end without a start"))
}

fn root_of(mut open: Vec<Element>) -> Result<Element, String> {
    let document = open.pop().filter(|_| open.is_empty());
    let mut document = document.ok_or_else(|| not_xml("it ends inside an element"))?;
    if document.text_beside_elements().is_some() || document.children.len() != 1 {
        return Err(not_xml("one element is needed, and nothing beside it"));
    }
    document.children.pop().ok_or_else(|| not_xml("an element is needed"))
}

fn element_of(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = std::str::from_utf8(start.local_name().into_inner()).map_err(not_xml)?.to_owned();
    let mut instance_type = None;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(not_xml)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(not_xml)?;
        let is_prefixed = attribute.key.prefix().is_some();
        if is_prefixed && attribute.key.local_name().as_ref() == b"type" {
            instance_type = Some(value.into_owned());
        }
    }
    Ok(Element { name, instance_type, ..Element::default() })
}

fn letter_of(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(letter) = reference.resolve_char_ref().map_err(not_xml)? {
        return Ok(letter);
    }
    match &**reference {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(not_xml("an entity that XML does not have")),
    }
}

/// Whether XML 1.0 has the character (its production 2).
fn is_xml(letter: char) -> bool {
    match letter {
        '\t' | '\n' | '\r' => true,
        _ => letter >= ' ' && !matches!(letter, '\u{fffe}' | '\u{ffff}'),
    }
}

fn not_xml(what: impl std::fmt::Display) -> String {
    format!("not XML: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element as `name(text){children}`.
    fn shown(element: &Element) -> String {
        let children: Vec<String> = element.children.iter().map(shown).collect();
        format!("{}({}){{{}}}", element.name, element.text, children.join(","))
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let read = parse(text).map(|element| shown(&element));
        assert_eq!(read.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn names_lose_their_namespace() {
        let text = "<?xml version=\"1.0\"?>\n<s:a xmlns:s=\"x\"><s:b/><c></c></s:a>\n";
        check(text, Ok("a(){b(){},c(){}}"));
    }

    #[test]
    fn text_is_what_it_stands_for() {
        check(
            "<a>1 &lt;&amp;&#65;&#x42;<!-- no --><![CDATA[<c>]]>\r\n</a>",
            Ok("a(1 <&AB<c>\n){}"),
        );
    }

    #[test]
    fn the_type_of_an_instance_is_kept() {
        let text = "<a xmlns:xsi='x' xsi:type='G&amp;' type='no'/>";
        assert_eq!(parse(text).unwrap().instance_type.as_deref(), Some("G&"));
    }

    #[test]
    fn a_text_that_is_not_one_element_is_refused() {
        let one = "not XML: one element is needed, and nothing beside it";
        check("", Err(one));
        check("<a/><b/>", Err(one));
        check("<a/>b", Err(one));
        check("<a>", Err("not XML: it ends inside an element"));
        check("<!DOCTYPE a><a/>", Err("not XML: S3 takes no document type"));
        check("<a>&b;</a>", Err("not XML: an entity that XML does not have"));
        check(&"<a>".repeat(100_000), Err("not XML: nested too deeply"));
        for bad in ["<a></b>", "<a b='&c;'/>", "<a b=c/>", "<a>&</a>", "</a>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_as_it_was() {
        let text = " <a href=\"b\">'c' & d</a>\r\n\té ";
        let written = element("a", None, &escaped(text).unwrap());
        assert_eq!(parse(&written).unwrap().text, text);
        assert_eq!(escaped("\0"), None);
        assert_eq!(escaped("\u{ffff}"), None);
    }
}
