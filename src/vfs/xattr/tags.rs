//! Tags as an attribute shows and takes them: `user.s3.tags`, of an object and of a bucket.

use serde_json::{Value, json};

use crate::store::types::Tags;
use crate::vfs::xattr::documents::schema::TAGGING;
use crate::vfs::xattr::documents::{json, parse_value, write};

/// Tags as `aws s3api get-object-tagging` prints them.
#[must_use]
pub fn shown(tags: &Tags) -> String {
    json::pretty(&value_of(tags))
}

/// Tags as the document that S3 keeps for a bucket. Fails if XML can't hold one of them.
pub fn document(tags: &Tags) -> Result<String, String> {
    write::document(TAGGING, "Tagging", &value_of(tags))
}

/// Tags as [`shown`] has them, as S3's XML, or as an object: `{"key": "value"}`. A key that is
/// there twice is refused. How many there may be, and of what, S3 says.
pub fn parse(text: &str) -> Result<Tags, String> {
    let text = text.trim_ascii();
    if !text.starts_with('<')
        && let Value::Object(object) = json::parse(text)?
        && !["TagSet", "Tagging"].iter().any(|name| object.contains_key(*name))
    {
        return object.into_iter().map(tag_of).collect();
    }
    let value = parse_value(TAGGING, "Tagging", text)?;
    let mut tags = Tags::new();
    for tag in value["TagSet"].as_array().into_iter().flatten() {
        let [key, value] = ["Key", "Value"].map(|name| tag[name].as_str().unwrap_or_default());
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("TagSet: {key:?} is there twice"));
        }
    }
    Ok(tags)
}

fn value_of(tags: &Tags) -> Value {
    let tags = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    json!({ "TagSet": tags.collect::<Vec<Value>>() })
}

/// A tag that is written as the member of an object.
fn tag_of((key, value): (String, Value)) -> Result<(String, String), String> {
    match value {
        Value::String(value) => Ok((key, value)),
        _ => Err(format!("{key}: a text is needed")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let owned = |tags: &[(&str, &str)]| -> Tags {
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(parse(text), expected.map(owned).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn tags_are_shown_as_the_command_line_of_aws_prints_them() {
        let tags = Tags::from([("a".to_owned(), "1".to_owned())]);
        let expected = "{\n  \"TagSet\": [\n    {\n      \"Key\": \"a\",\n      \
                        \"Value\": \"1\"\n    }\n  ]\n}";
        assert_eq!(shown(&tags), expected);
        assert_eq!(shown(&Tags::new()), "{\n  \"TagSet\": []\n}");
    }

    #[test]
    fn tags_are_taken_in_every_form_that_people_have() {
        let tags: &[_] = &[("a", "1"), ("b c", "")];
        check("{\"a\": \"1\", \"b c\": \"\"}\n", Ok(tags));
        let list = r#"[{"Key":"a","Value":"1"},{"Value":"","Key":"b c"}]"#;
        check(&format!(r#"{{"TagSet":{list}}}"#), Ok(tags));
        check(&format!(r#"{{"Tagging":{{"TagSet":{list}}}}}"#), Ok(tags));
        let xml = "<Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b c</Key><Value/></Tag>";
        check(&format!(" <Tagging>\n<TagSet>{xml}</TagSet>\n</Tagging>\n"), Ok(tags));
    }

    #[test]
    fn no_tags_are_tags() {
        check("{}", Ok(&[]));
        check(r#"{"TagSet":[]}"#, Ok(&[]));
        check("<Tagging><TagSet/></Tagging>", Ok(&[]));
    }

    #[test]
    fn tags_that_are_none_are_refused() {
        check("", Err("not JSON: EOF while parsing a value at line 1 column 0"));
        check("[]", Err("an object is needed"));
        check(r#"{"a":1}"#, Err("a: a text is needed"));
        check(r#"{"a":"1","a":"2"}"#, Err("not JSON: a is there twice at line 1 column 17"));
        check(r#"{"TagSet":"a"}"#, Err("TagSet: a list is needed"));
        check(r#"{"TagSet":[{"Key":"a"}]}"#, Err("TagSet[0].Value: missing"));
        let twice = r#"{"TagSet":[{"Key":"a","Value":"1"},{"Key":"a","Value":"1"}]}"#;
        check(twice, Err("TagSet: \"a\" is there twice"));
        let versioned = r#"{"VersionId":"v","TagSet":[]}"#;
        check(versioned, Err("VersionId: there is no such member, only TagSet"));
        check("<Tagging/>", Err("TagSet: missing"));
    }

    proptest! {
        #[test]
        fn what_is_shown_of_tags_is_the_tags(
            tags in proptest::collection::btree_map("\\PC{0,6}", "\\PC{0,6}", 0..4),
        ) {
            prop_assert_eq!(parse(&shown(&tags)), Ok(tags.clone()));
            prop_assert_eq!(parse(&document(&tags).unwrap()), Ok(tags.clone()));
            let plain = serde_json::to_string(&tags).unwrap();
            if !tags.contains_key("TagSet") && !tags.contains_key("Tagging") {
                prop_assert_eq!(parse(&plain), Ok(tags));
            }
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC*|[{}<>/TagSetKyVlu\":,\\[\\]&;]*") {
            let _tags = parse(&text);
        }
    }
}
