//! Everything at once: all that can be read of a thing, for people and for programs.

use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};

use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::ops::xattr::{At, Bearer, By};
use crate::vfs::xattr::table::{Attribute, Id, TABLE};
use crate::vfs::xattr::user;

/// Requests that one description has under way.
const REQUESTS_MAX: usize = 16;

/// Names, each with its value or why it can't be read.
pub(super) type Described = Vec<(String, VfsResult<String>)>;

impl Vfs {
    /// All that can be read, in the order of the table and then by name.
    pub(super) async fn described(&self, bearer: &Bearer, by: By) -> Described {
        let is_there = match (&bearer.at, bearer.at.target()) {
            // Many a directory has no object of its own.
            (At::Directory(_), Some(marker)) => {
                matches!(self.head(&marker.bucket, &marker.key).await, Ok(Some(_)))
            }
            _ => true,
        };
        let is_shown = |row: &&Attribute| {
            is_shown(row, bearer) && is_there && (by == By::Owner || row.id != Id::Url)
        };
        let rows = TABLE.iter().filter(is_shown);
        let asked = rows.map(|row| async move {
            let value = match (row.id, &bearer.at) {
                (Id::State | Id::Cached, _) => self.control(bearer, row.id).await,
                (id, At::Bucket(bucket)) => self.get_of_bucket(bucket, id, "").await,
                (id, At::File(target) | At::Directory(Some(target))) => {
                    self.get_of_object(bearer, target, id, "").await
                }
                (_, At::Directory(None) | At::Account) => Err(VfsError::NoAttribute),
            };
            (row.name.to_owned(), value)
        });
        let asked = stream::iter(asked.collect::<Vec<_>>()).buffered(REQUESTS_MAX);
        let mut described: Described = asked.collect().await;
        described.retain(|(_, value)| !matches!(value, Err(error) if error.is_ordinary()));
        let metadata = self.user_metadata(bearer).await.unwrap_or_default();
        described.extend(user::names(&metadata).filter_map(|name| {
            let value = user::value(&metadata, &name)?;
            let name = format!("user.{}", String::from_utf8_lossy(&name));
            Some((name, Ok(user::shown(&value))))
        }));
        described
    }
}

/// What takes a text for `<...>` has no end, and an account has but itself.
fn is_shown(row: &Attribute, bearer: &Bearer) -> bool {
    let is_whole = matches!(row.id, Id::All | Id::Info);
    row.is_on(bearer.at.carrier()) && !row.get.is_empty() && row.family().is_none() && !is_whole
}

/// A line an attribute; the further lines of a value are indented.
pub(super) fn for_people(described: &Described) -> String {
    let line = |(name, value): &(String, VfsResult<String>)| match value {
        Ok(value) if value.contains('\n') => {
            format!("{name}:\n  {}", value.replace('\n', "\n  "))
        }
        Ok(value) => format!("{name}: {value}"),
        Err(error) => format!("{name}: can't be read: {error}"),
    };
    described.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A JSON object with a member for each, without `user.`; what is JSON itself is a part of it, and
/// what can't be read is an object with the member `error`.
pub(super) fn for_programs(described: &Described) -> String {
    let member = |(name, value): &(String, VfsResult<String>)| {
        let value = match value {
            Ok(text) => structured(text).unwrap_or_else(|| Value::String(text.clone())),
            Err(error) => Value::Object(Map::from_iter([(
                "error".to_owned(),
                Value::String(error.to_string()),
            )])),
        };
        (name.strip_prefix("user.").unwrap_or(name).to_owned(), value)
    };
    Value::Object(described.iter().map(member).collect()).to_string()
}

fn structured(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value: &Value| value.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Described {
        let denied = VfsError::Unsupported("the server has none".to_owned());
        vec![
            ("user.s3.etag".to_owned(), Ok("abc".to_owned())),
            ("user.s3.tags".to_owned(), Ok("{\n \"TagSet\": []\n}".to_owned())),
            ("user.s3.acl".to_owned(), Err(denied)),
        ]
    }

    #[test]
    fn people_read_a_line_each() {
        let expected = "user.s3.etag: abc\nuser.s3.tags:\n  {\n   \"TagSet\": []\n  }\n\
                        user.s3.acl: can't be read: the server has none";
        assert_eq!(for_people(&described()), expected);
    }

    #[test]
    fn programs_read_one_object() {
        let expected = "{\"s3.acl\":{\"error\":\"the server has none\"},\"s3.etag\":\"abc\",\
                        \"s3.tags\":{\"TagSet\":[]}}";
        let found: Value = serde_json::from_str(&for_programs(&described())).unwrap();
        assert_eq!(found, serde_json::from_str::<Value>(expected).unwrap());
    }
}
