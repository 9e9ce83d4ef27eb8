//! Tags of objects: in the header of a write, and as a document of their own.
//!
//! Tags of buckets are a document of the store, see [`crate::server::documents`].

use percent_encoding::percent_decode_str;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag, TagSet,
};
use s3s::{S3Result, s3_error};

use crate::server::errors::{answer_of, refusal};
use crate::store::ObjectStore;
use crate::store::types::{Resource, Tags};

pub(crate) async fn get(
    store: &dyn ObjectStore,
    input: GetObjectTaggingInput,
) -> S3Result<GetObjectTaggingOutput> {
    let resource =
        Resource::Object { bucket: input.bucket, key: input.key, version: input.version_id };
    let tags = store.get_tags(&resource).await.map_err(answer_of)?;
    let tag_set =
        tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
    Ok(GetObjectTaggingOutput { tag_set, version_id: None })
}

pub(crate) async fn put(
    store: &dyn ObjectStore,
    input: PutObjectTaggingInput,
) -> S3Result<PutObjectTaggingOutput> {
    let resource =
        Resource::Object { bucket: input.bucket, key: input.key, version: input.version_id };
    let tags = tags_of_document(input.tagging.tag_set)?;
    store.put_tags(&resource, tags).await.map_err(answer_of)?;
    Ok(PutObjectTaggingOutput::default())
}

pub(crate) async fn delete(
    store: &dyn ObjectStore,
    input: DeleteObjectTaggingInput,
) -> S3Result<DeleteObjectTaggingOutput> {
    let resource =
        Resource::Object { bucket: input.bucket, key: input.key, version: input.version_id };
    store.put_tags(&resource, Tags::new()).await.map_err(answer_of)?;
    Ok(DeleteObjectTaggingOutput::default())
}

fn tags_of_document(tag_set: TagSet) -> S3Result<Tags> {
    let mut tags = Tags::new();
    for tag in tag_set {
        let (Some(key), Some(value)) = (tag.key, tag.value) else {
            return Err(refusal("MalformedXML"));
        };
        if tags.insert(key, value).is_some() {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

/// Tags as `x-amz-tagging` spells them: like the query of an address.
pub(crate) fn tags_of_header(header: &str) -> S3Result<Tags> {
    let malformed = || {
        s3_error!(
            InvalidArgument,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
             parameters without tag name duplicates."
        )
    };
    let mut tags = Tags::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = form_decoded(key).ok_or_else(malformed)?;
        let value = form_decoded(value).ok_or_else(malformed)?;
        if tags.insert(key, value).is_some() {
            return Err(malformed());
        }
    }
    Ok(tags)
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_decoded_as_a_form() {
        let tags = tags_of_header("a+b=c%2Bd&empty=&bare").unwrap();
        let expected = [("a b", "c+d"), ("bare", ""), ("empty", "")];
        assert_eq!(tags, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn a_tag_given_twice_is_refused() {
        assert_eq!(tags_of_header("a=1&a=2").unwrap_err().code().as_str(), "InvalidArgument");
        let twice = vec![Tag { key: Some("a".into()), value: Some("1".into()) }; 2];
        assert_eq!(tags_of_document(twice).unwrap_err().code().as_str(), "InvalidTag");
    }
}
