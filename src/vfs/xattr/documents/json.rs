//! JSON as attributes take and show it: no member twice, members in the order they came.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a JSON text; a member that is there twice is refused, since one of them would be lost.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| format!("not JSON: {error}"))
}

/// Shows a value on several lines, without a newline at the end.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// Reads any value; what [`Value`] itself does, but for members that repeat.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name} is there twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let shown = parse(text).map(|value| value.to_string());
        assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn members_keep_their_order() {
        let text = r#"{"b":1,"a":[true,null,-2,0.5,"\n"],"c":{}}"#;
        check(text, Ok(text));
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused() {
        let message = "not JSON: a is there twice at line 1 column 13";
        check(r#"{"a":1,"a":2}"#, Err(message));
    }

    #[test]
    fn what_follows_a_value_is_refused() {
        check("{} {}", Err("not JSON: trailing characters at line 1 column 4"));
        check("", Err("not JSON: EOF while parsing a value at line 1 column 0"));
    }

    #[test]
    fn a_text_that_is_nested_without_end_is_refused() {
        let message = "not JSON: recursion limit exceeded at line 1 column 128";
        check(&"[".repeat(100_000), Err(message));
    }
}
