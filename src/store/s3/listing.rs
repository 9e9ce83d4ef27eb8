//! Listings of objects and of uploads under way.
//!
//! Keys are asked for and come percent-encoded, since XML can't write every key that S3 can
//! hold. A page that says there is more must say where: a listing never just ends.

use aws_sdk_s3::types;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::store::error::StoreResult;
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::convert::time;
use crate::store::s3::errors::missing;
use crate::store::s3::wire::list::read_page;
use crate::store::s3::wire::read_document;
use crate::store::s3::wire::request::{Ask, Query};
use crate::store::types::{ListObjects, ListUploads, ListedUpload, ObjectPage, UploadPage};

impl Connection {
    pub(super) async fn list_objects(
        &self,
        bucket: &str,
        options: ListObjects,
    ) -> StoreResult<ObjectPage> {
        let mut ask = Ask::question(Method::GET, bucket, None);
        ask.query = page_query(options);
        let attributes =
            ("x-amz-optional-object-attributes".to_owned(), "RestoreStatus".to_owned());
        ask.headers.push(attributes);
        let text = self.ask(&ask, read_document).await?;
        read_page(&text)
    }

    pub(super) async fn list_uploads(
        &self,
        bucket: &str,
        options: ListUploads,
    ) -> StoreResult<UploadPage> {
        let answer = self
            .call(bucket, Work::Request, |client| {
                client
                    .list_multipart_uploads()
                    .bucket(bucket)
                    .prefix(&options.prefix)
                    .set_key_marker(options.key_marker.clone())
                    .set_upload_id_marker(options.upload_marker.clone())
                    .set_max_uploads(options.uploads_max.map(limit))
                    .encoding_type(types::EncodingType::Url)
                    .send()
            })
            .await?;
        let names = Names::of(answer.encoding_type.as_ref().map(|encoding| encoding.as_str()));
        let next = next_page(answer.is_truncated, answer.next_key_marker)?;
        let upload_marker = answer.next_upload_id_marker.unwrap_or_default();
        let uploads = answer.uploads.into_iter().flatten();
        Ok(UploadPage {
            uploads: uploads.map(|upload| listed_upload(upload, names)).collect(),
            next: next.map(|key| (names.decode(key), upload_marker)),
        })
    }
}

fn page_query(options: ListObjects) -> Query {
    let mut query = vec![("list-type", "2".to_owned()), ("encoding-type", "url".to_owned())];
    query.push(("prefix", options.prefix));
    query.extend(options.delimiter.map(|delimiter| ("delimiter", delimiter)));
    query.extend(options.start_after.map(|key| ("start-after", key)));
    query.extend(options.continuation.map(|token| ("continuation-token", token)));
    query.extend(options.keys_max.map(|count| ("max-keys", count.to_string())));
    query
}

/// How an answer spells keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Names {
    /// As they are: a server that does not know the encoding.
    Plain,
    /// Percent-encoded, with `+` for a space.
    Encoded,
}

impl Names {
    pub(super) fn of(encoding: Option<&str>) -> Self {
        match encoding {
            Some("url") => Self::Encoded,
            _ => Self::Plain,
        }
    }

    pub(super) fn decode(self, name: String) -> String {
        match self {
            Self::Plain => name,
            Self::Encoded if !name.contains(['%', '+']) => name,
            Self::Encoded => {
                let spaced = name.replace('+', " ");
                percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
            }
        }
    }
}

/// Where the next page begins, if there is one.
pub(super) fn next_page(
    is_truncated: Option<bool>,
    marker: Option<String>,
) -> StoreResult<Option<String>> {
    match (is_truncated, marker) {
        (Some(true), None) => Err(missing("place where the listing goes on")),
        (Some(true), marker) => Ok(marker),
        (Some(false) | None, _) => Ok(None),
    }
}

pub(super) fn prefixes(prefixes: Option<Vec<types::CommonPrefix>>, names: Names) -> Vec<String> {
    let prefixes = prefixes.into_iter().flatten().filter_map(|prefix| prefix.prefix);
    prefixes.map(|prefix| names.decode(prefix)).collect()
}

/// A limit as the SDK wants it.
pub(super) fn limit(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn listed_upload(upload: types::MultipartUpload, names: Names) -> ListedUpload {
    ListedUpload {
        key: names.decode(upload.key.unwrap_or_default()),
        upload: upload.upload_id.unwrap_or_default(),
        started: time(upload.initiated),
        storage_class: upload.storage_class.map(|class| class.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encoded: &str, expected: &str) {
        assert_eq!(Names::Encoded.decode(encoded.to_owned()), expected);
    }

    #[test]
    fn an_encoded_name_is_the_key_it_stands_for() {
        check("plain/key.txt", "plain/key.txt");
        check("a+b", "a b");
        check("a%20b", "a b");
        check("a%2Bb", "a+b");
        check("100%25", "100%");
        check("%2525", "%25");
        check("%C3%A4%2F%F0%9F%AA%A3", "\u{e4}/\u{1faa3}");
        check("%01%0A", "\u{1}\n");
    }

    #[test]
    fn names_of_a_server_that_does_not_encode_are_left_alone() {
        let names = Names::of(None);
        assert_eq!(names.decode("a+b%20c".to_owned()), "a+b%20c");
        assert_eq!(Names::of(Some("url")), Names::Encoded);
    }

    #[test]
    fn a_listing_that_goes_on_must_say_where() {
        assert!(next_page(Some(true), None).is_err());
        assert_eq!(next_page(Some(true), Some("t".to_owned())).unwrap().as_deref(), Some("t"));
        assert_eq!(next_page(Some(false), Some("t".to_owned())).unwrap(), None);
        assert_eq!(next_page(None, None).unwrap(), None);
    }
}
