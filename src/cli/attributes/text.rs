//! How attributes are printed. Pure.
//!
//! Names are written as `pailfs get` takes them. What others have put into S3 may be anything:
//! what would move a terminal's cursor is escaped.

use std::path::Path;

use serde_json::{Map, Value};

/// Between a name and its value.
const GAP: &str = "  ";
/// Before names and before the lines of a value below its path.
const INDENT: &str = "  ";
/// A structure is written on one line up to this length.
const LINE_CHARS_MAX: usize = 60;

/// All attributes of a path, for people: a heading, then a line for each name; the further lines
/// of a value stand below its first. `attributes` are named without `user.`.
#[must_use]
pub fn info(shown: &Path, attributes: &Map<String, Value>) -> String {
    let mut rows: Vec<_> = attributes.iter().map(|(name, value)| row(name, value)).collect();
    rows.sort_by(|one, other| (one.rank, &one.name).cmp(&(other.rank, &other.name)));
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{}\n", escape(&shown.to_string_lossy()));
    for row in &rows {
        let mut lines = row.value.lines();
        let first = lines.next().unwrap_or_default();
        let line = format!("{INDENT}{:width$}{GAP}{first}", row.name);
        text.push_str(line.trim_end());
        text.push('\n');
        let below = " ".repeat(INDENT.len() + width + GAP.len());
        text.extend(lines.map(|line| format!("{below}{line}\n")));
    }
    text
}

/// One attribute, printed.
struct Row {
    /// The file's own before S3's before the mount's.
    rank: u8,
    name: String,
    value: String,
}

fn row(name: &str, value: &Value) -> Row {
    let (rank, short) = match name.strip_prefix("s3.") {
        Some(short) => (1, short.to_owned()),
        None if name.starts_with("pailfs.") => (2, format!("user.{name}")),
        None => (0, format!("user.{name}")),
    };
    Row { rank, name: escape(&short), value: escape(&printed(value)) }
}

fn printed(value: &Value) -> String {
    let line = match value {
        Value::String(text) => return text.clone(),
        other => other.to_string(),
    };
    if line.chars().count() <= LINE_CHARS_MAX {
        return line;
    }
    // What could be written on one line can be written on several.
    serde_json::to_string_pretty(value).unwrap_or(line)
}

/// Whether a value is printed alone or as one of several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heading {
    None,
    Path,
}

/// One value as `pailfs get` prints it: alone as it is, text with an end of line; of several
/// paths after its path, and below it where it has more than one line.
#[must_use]
pub fn value(shown: &Path, value: &[u8], heading: Heading) -> Vec<u8> {
    let text = std::str::from_utf8(value);
    match (heading, text) {
        (Heading::None, Err(_)) => value.to_vec(),
        (Heading::None, Ok(_)) => [value, b"\n"].concat(),
        (Heading::Path, text) => {
            let text = text.map_or_else(|_| value.escape_ascii().to_string(), escape);
            format!("{}:{}\n", escape(&shown.to_string_lossy()), placed(&text)).into_bytes()
        }
    }
}

/// What stands after a path and its colon.
fn placed(text: &str) -> String {
    match text.lines().count() {
        0 => String::new(),
        1 => format!(" {text}"),
        _ => text.lines().map(|line| format!("\n{INDENT}{line}")).collect(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.extend(control.escape_default()),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_info(attributes: &Value, expected: &str) {
        let found = info(Path::new("logs/app.log"), attributes.as_object().unwrap());
        assert_eq!(found, expected, "\n{found}");
    }

    #[test]
    fn names_are_aligned_and_the_file_s_own_come_first() {
        check_info(
            &json!({
                "s3.content-type": "text/plain",
                "color": "blue",
                "s3.acl": {"Grants": [], "Owner": {"ID": "me"}},
                "pailfs.cached": 0,
                "s3.cache-control": "",
            }),
            "\
logs/app.log
  user.color          blue
  acl                 {\"Grants\":[],\"Owner\":{\"ID\":\"me\"}}
  cache-control
  content-type        text/plain
  user.pailfs.cached  0
",
        );
    }

    #[test]
    fn what_has_several_lines_stands_below_its_first() {
        check_info(
            &json!({
                "s3.versions": "one\ntwo",
                "s3.acl": {"Owner": {"DisplayName": "a long enough name", "ID": "0123456789abcdef"}},
            }),
            "\
logs/app.log
  acl       {
              \"Owner\": {
                \"DisplayName\": \"a long enough name\",
                \"ID\": \"0123456789abcdef\"
              }
            }
  versions  one
            two
",
        );
    }

    #[test]
    fn what_would_move_the_cursor_is_escaped() {
        check_info(&json!({"c": "a\u{1b}[2Jb\rc"}), "logs/app.log\n  user.c  a\\u{1b}[2Jb\\rc\n");
        check_info(&json!({}), "logs/app.log\n");
    }

    #[track_caller]
    fn check_value(bytes: &[u8], alone: &[u8], headed: &str) {
        let path = Path::new("d/f");
        assert_eq!(value(path, bytes, Heading::None), alone);
        assert_eq!(String::from_utf8(value(path, bytes, Heading::Path)).unwrap(), headed);
    }

    #[test]
    fn a_value_stands_alone_or_after_its_path() {
        check_value(b"STANDARD", b"STANDARD\n", "d/f: STANDARD\n");
        check_value(b"one\ntwo", b"one\ntwo\n", "d/f:\n  one\n  two\n");
        check_value(b"", b"\n", "d/f:\n");
    }

    #[test]
    fn a_value_that_is_no_text_stays_as_it_is() {
        check_value(b"\xffa\0", b"\xffa\0", "d/f: \\xffa\\x00\n");
    }
}
