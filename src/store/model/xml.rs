//! XML: a document as a tree of elements.
//!
//! Only what S3's configurations consist of: names without their namespace, text, children.
//! Attributes are checked to be well-formed and otherwise left out.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deeper than any configuration of S3.
const DEPTH_MAX: usize = 32;

/// One element.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Without white space at its ends.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The one element that the text is; `None` where it is not well-formed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        // The elements that are open, below one that stands for the document.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) if open.len() <= DEPTH_MAX => open.push(Self::begin(&start)?),
                Event::Start(_) => return None,
                Event::Empty(start) => open.last_mut()?.children.push(Self::begin(&start)?),
                Event::End(_) => {
                    let mut done = open.pop()?;
                    done.text = done.text.trim().to_owned();
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().ok()? {
                        Some(character) => character.to_string(),
                        None => entity(&reference.decode().ok()?)?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&character);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty())?;
        let [root] = <[Self; 1]>::try_from(document.children).ok()?;
        document.text.trim().is_empty().then_some(root)
    }

    fn begin(start: &BytesStart<'_>) -> Option<Self> {
        start.attributes().all(|attribute| attribute.is_ok()).then_some(())?;
        let name = String::from_utf8(start.local_name().as_ref().to_vec()).ok()?;
        Some(Self { name, ..Self::default() })
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

/// The five entities that XML has without a document type.
fn entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_tree_of_names_and_texts() {
        let text =
            "<?xml version=\"1.0\"?>\n<s:A xmlns:s=\"x\"> <B>a &amp; b&#33;</B><C/> </s:A>\n";
        let root = Element::parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.text.as_str()), ("A", ""));
        assert_eq!(root.text_of("B"), Some("a & b!"));
        assert!(root.child("C").is_some() && root.child("D").is_none());
        assert_eq!(root.all("B").count(), 1);
    }

    #[test]
    fn what_is_not_one_element_is_nothing() {
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        for bad in ["", "a", "<a>", "<a></b>", "<a/><b/>", "<a/>b", "<a b=c/>", "&amp;<a/>", &deep]
        {
            assert_eq!(Element::parse(bad), None, "{bad}");
        }
    }
}
