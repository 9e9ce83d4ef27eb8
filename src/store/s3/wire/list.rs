//! Listings: the XML of `ListObjectsV2` as a page, read in one pass. Pure.
//!
//! What is not known is passed over. What is no XML, is another document or is cut off is an
//! error: a page that seems shorter than it is would hide files.

use std::error::Error;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::convert::time;
use crate::store::s3::errors::unreadable;
use crate::store::s3::listing::{Names, next_page};
use crate::store::types::{ETag, ListedObject, ObjectPage, Restore};

type Parsed<T> = Result<T, Box<dyn Error>>;

/// Reads a page.
pub(in crate::store::s3) fn read_page(text: &[u8]) -> StoreResult<ObjectPage> {
    let page = parse(text).map_err(|error| {
        let reason = StoreError::new(ErrorKind::Corrupt, "IncompleteBody", error.to_string());
        unreadable(reason, None)
    })?;
    let names = Names::of(page.encoding.as_deref());
    let decoded = |object: ListedObject| ListedObject { key: names.decode(object.key), ..object };
    Ok(ObjectPage {
        next: next_page(Some(page.is_truncated), page.next.filter(|token| !token.is_empty()))?,
        objects: page.objects.into_iter().map(decoded).collect(),
        prefixes: page.prefixes.into_iter().map(|prefix| names.decode(prefix)).collect(),
    })
}

/// The elements of which something is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tag {
    Page,
    IsTruncated,
    Next,
    Encoding,
    Object,
    Key,
    Size,
    Etag,
    LastModified,
    StorageClass,
    Restore,
    IsOngoing,
    Until,
    Prefixes,
    Prefix,
    Other,
}

/// What an element is, by its name and what it is in.
fn tag_of(parent: Option<Tag>, name: &[u8]) -> Tag {
    match (parent, name) {
        (None, b"ListBucketResult") => Tag::Page,
        (Some(Tag::Page), b"IsTruncated") => Tag::IsTruncated,
        (Some(Tag::Page), b"NextContinuationToken") => Tag::Next,
        (Some(Tag::Page), b"EncodingType") => Tag::Encoding,
        (Some(Tag::Page), b"Contents") => Tag::Object,
        (Some(Tag::Page), b"CommonPrefixes") => Tag::Prefixes,
        (Some(Tag::Prefixes), b"Prefix") => Tag::Prefix,
        (Some(Tag::Object), b"Key") => Tag::Key,
        (Some(Tag::Object), b"Size") => Tag::Size,
        (Some(Tag::Object), b"ETag") => Tag::Etag,
        (Some(Tag::Object), b"LastModified") => Tag::LastModified,
        (Some(Tag::Object), b"StorageClass") => Tag::StorageClass,
        (Some(Tag::Object), b"RestoreStatus") => Tag::Restore,
        (Some(Tag::Restore), b"IsRestoreInProgress") => Tag::IsOngoing,
        (Some(Tag::Restore), b"RestoreExpiryDate") => Tag::Until,
        _ => Tag::Other,
    }
}

/// A page as far as it is read, with names as the server spells them.
#[derive(Default)]
struct Page {
    objects: Vec<ListedObject>,
    prefixes: Vec<String>,
    is_truncated: bool,
    next: Option<String>,
    encoding: Option<String>,
    /// The elements that are open, outermost first.
    open: Vec<Tag>,
    /// The text since the last element began.
    text: String,
    is_complete: bool,
}

fn parse(text: &[u8]) -> Parsed<Page> {
    let mut reader = Reader::from_str(str::from_utf8(text)?);
    let mut page = Page::default();
    loop {
        match reader.read_event()? {
            Event::Start(start) => page.begin(&start)?,
            Event::Empty(start) => {
                page.begin(&start)?;
                page.end()?;
            }
            Event::End(_) => page.end()?,
            Event::Text(text) => page.text.push_str(&text.xml10_content()?),
            Event::CData(text) => page.text.push_str(&text.xml10_content()?),
            Event::GeneralRef(reference) => page.refer(&reference)?,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    if page.is_complete { Ok(page) } else { Err("the listing is cut off".into()) }
}

impl Page {
    fn begin(&mut self, start: &BytesStart<'_>) -> Parsed<()> {
        let tag = tag_of(self.open.last().copied(), start.local_name().as_ref());
        if self.open.is_empty() && tag != Tag::Page {
            return Err("this is no listing".into());
        }
        if tag == Tag::Object {
            self.objects.push(ListedObject {
                key: String::new(),
                size: 0,
                etag: ETag::new(""),
                last_modified: time(None),
                storage_class: None,
                restore: None,
            });
        }
        self.open.push(tag);
        self.text.clear();
        Ok(())
    }

    /// Takes what the innermost element says.
    fn end(&mut self) -> Parsed<()> {
        let tag = self.open.pop().ok_or("an end without a start")?;
        self.is_complete = self.open.is_empty();
        match tag {
            Tag::IsTruncated => self.is_truncated = self.text.trim().parse()?,
            Tag::Next => self.next = Some(self.text.clone()),
            Tag::Encoding => self.encoding = Some(self.text.clone()),
            Tag::Prefix => self.prefixes.push(self.text.clone()),
            Tag::Page | Tag::Object | Tag::Restore | Tag::Prefixes | Tag::Other => {}
            _ => self.end_of_object(tag)?,
        }
        Ok(())
    }

    fn end_of_object(&mut self, tag: Tag) -> Parsed<()> {
        let (text, Some(object)) = (&self.text, self.objects.last_mut()) else {
            return Ok(());
        };
        match tag {
            Tag::Key => object.key.clone_from(text),
            Tag::Size => object.size = text.trim().parse()?,
            Tag::Etag => object.etag = ETag::new(text),
            Tag::LastModified => object.last_modified = time(Some(date(text)?)),
            Tag::StorageClass => object.storage_class = Some(text.clone()),
            Tag::IsOngoing if text.trim() == "true" => object.restore = Some(Restore::Ongoing),
            Tag::Until if object.restore.is_none() => {
                object.restore = Some(Restore::Until(time(Some(date(text)?))));
            }
            _ => {}
        }
        Ok(())
    }

    fn refer(&mut self, reference: &BytesRef<'_>) -> Parsed<()> {
        if let Some(letter) = reference.resolve_char_ref()? {
            self.text.push(letter);
            return Ok(());
        }
        let name = reference.decode()?;
        self.text.push_str(resolve_predefined_entity(&name).ok_or("an unknown entity")?);
        Ok(())
    }
}

fn date(text: &str) -> Parsed<DateTime> {
    Ok(DateTime::from_str(text.trim(), DateTimeFormat::DateTimeWithOffset)?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn page(content: &str) -> StoreResult<ObjectPage> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  {content}\n\
             </ListBucketResult>\n"
        );
        read_page(text.as_bytes())
    }

    #[test]
    fn a_page_is_its_objects_and_prefixes() {
        let page = page(
            "<Name>photos</Name><Prefix>a/</Prefix><EncodingType>url</EncodingType>\
             <IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1==</NextContinuationToken>\
             <Contents><Key>a/b+c%2Bd</Key><LastModified>1994-11-06T08:49:37.000Z</LastModified>\
             <ETag>&quot;abc&quot;</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>\
             <Size>5368709120</Size><StorageClass>GLACIER</StorageClass>\
             <Owner><ID>1</ID><Size>7</Size></Owner>\
             <RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>\
             <RestoreExpiryDate>1970-01-02T00:00:00.000Z</RestoreExpiryDate></RestoreStatus>\
             </Contents>\n  <Contents><Key>a/e</Key><Size>0</Size><ETag>\"d\"</ETag>\
             <RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>\
             </Contents><CommonPrefixes><Prefix>a/%C3%A4/</Prefix></CommonPrefixes>\
             <CommonPrefixes><Prefix>a/z/</Prefix></CommonPrefixes>",
        );
        let page = page.unwrap();
        assert_eq!(page.next.as_deref(), Some("t&1=="));
        assert_eq!(page.prefixes, ["a/\u{e4}/", "a/z/"]);
        let [first, second] = &page.objects[..] else {
            unreachable!("there are two: {:?}", page.objects);
        };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let expected = ListedObject {
            key: "a/b c+d".to_owned(),
            size: 5_368_709_120,
            etag: ETag::new("abc"),
            last_modified: at(784_111_777),
            storage_class: Some("GLACIER".to_owned()),
            restore: Some(Restore::Until(at(86_400))),
        };
        assert_eq!(first, &expected);
        assert_eq!((second.key.as_str(), second.restore), ("a/e", Some(Restore::Ongoing)));
        assert_eq!(second.last_modified, SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn names_of_a_server_that_does_not_encode_are_as_they_stand() {
        let page = page("<Contents><Key> a+b%20&lt;&#x41;<![CDATA[&]]></Key></Contents>").unwrap();
        assert_eq!(page.objects[0].key, " a+b%20<A&");
    }

    #[test]
    fn a_page_may_be_empty() {
        let page = page("<IsTruncated>false</IsTruncated><Prefix/><Contents/>").unwrap();
        assert_eq!((page.objects.len(), page.prefixes.len(), page.next), (1, 0, None));
        assert!(read_page(b"<ListBucketResult/>").unwrap().objects.is_empty());
    }

    #[test]
    fn a_page_that_goes_on_must_say_where() {
        assert!(page("<IsTruncated>true</IsTruncated>").is_err());
    }

    #[test]
    fn what_is_no_whole_listing_is_an_error() {
        for text in [
            "",
            "bytes",
            "<html></html>",
            "<Error><Code>InternalError</Code></Error>",
            "<ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key>",
            "<ListBucketResult><Contents></ListBucketResult>",
            "<ListBucketResult></ListBucketResult></ListBucketResult>",
            "<ListBucketResult><Name>&unknown;</Name></ListBucketResult>",
            "<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><LastModified>never</LastModified></Contents>\
             </ListBucketResult>",
        ] {
            let error = read_page(text.as_bytes()).unwrap_err();
            assert!(error.message.starts_with("the answer can't be read: "), "{text}: {error}");
        }
        assert!(read_page(b"<ListBucketResult>\xff</ListBucketResult>").is_err());
    }
}
