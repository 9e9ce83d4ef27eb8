//! What the commands for attributes are to do: which attribute, of what, and its value.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::cli::args::Typed;

/// The names that all attributes have in front.
const ALL: &[u8] = b"user.";
/// What may be left out.
const OF_S3: &[u8] = b"user.s3.";

/// What `pailfs info` is to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InfoConfig {
    pub paths: Vec<PathBuf>,
    pub audience: Audience,
}

/// Who reads what is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    People,
    Programs,
}

/// What `pailfs get` is to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GetConfig {
    /// Whole: it begins with `user.`.
    pub name: Vec<u8>,
    pub paths: Vec<PathBuf>,
}

/// What `pailfs set` and `pailfs unset` are to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChangeConfig {
    /// Whole: it begins with `user.`.
    pub name: Vec<u8>,
    pub paths: Vec<PathBuf>,
    pub depth: Depth,
}

/// What a directory stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    Itself,
    FilesBelow,
}

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ValueSource {
    Text(Vec<u8>),
    File(PathBuf),
    StandardInput,
}

/// What `pailfs info` is to do.
#[must_use]
pub fn info(typed: &Typed) -> InfoConfig {
    let audience = if typed.is_given("json") { Audience::Programs } else { Audience::People };
    InfoConfig { paths: paths(&typed.operands), audience }
}

/// What `pailfs get` is to do.
#[must_use]
pub fn get(typed: &Typed) -> GetConfig {
    let (name, rest) = first(&typed.operands);
    GetConfig { name: whole_name(name), paths: paths(rest) }
}

/// What `pailfs set` is to do.
#[must_use]
pub fn set(typed: &Typed) -> (ChangeConfig, ValueSource) {
    let (name, rest) = first(&typed.operands);
    let (value, rest) = first(rest);
    (change(typed, name, rest), value_source(value))
}

/// What `pailfs unset` is to do.
#[must_use]
pub fn unset(typed: &Typed) -> ChangeConfig {
    let (name, rest) = first(&typed.operands);
    change(typed, name, rest)
}

fn change(typed: &Typed, name: &OsStr, rest: &[OsString]) -> ChangeConfig {
    let depth = if typed.is_given("recursive") { Depth::FilesBelow } else { Depth::Itself };
    ChangeConfig { name: whole_name(name), paths: paths(rest), depth }
}

/// The parser has seen to it that there is one.
fn first(operands: &[OsString]) -> (&OsStr, &[OsString]) {
    operands.split_first().map_or((OsStr::new(""), operands), |(first, rest)| (first, rest))
}

fn paths(operands: &[OsString]) -> Vec<PathBuf> {
    operands.iter().map(PathBuf::from).collect()
}

fn whole_name(name: &OsStr) -> Vec<u8> {
    let name = name.as_bytes();
    if name.starts_with(ALL) { name.to_vec() } else { [OF_S3, name].concat() }
}

fn value_source(value: &OsStr) -> ValueSource {
    match value.as_bytes() {
        b"-" => ValueSource::StandardInput,
        [b'@', file @ ..] => ValueSource::File(PathBuf::from(OsStr::from_bytes(file))),
        text => ValueSource::Text(text.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    fn typed(line: &str) -> Typed {
        args::parse(line.split(' ').map(OsString::from).collect()).unwrap()
    }

    #[track_caller]
    fn check_name(word: &str, expected: &str) {
        let config = get(&typed(&format!("pailfs get {word} file")));
        assert_eq!(String::from_utf8(config.name).unwrap(), expected);
        assert_eq!(config.paths, [PathBuf::from("file")]);
    }

    #[test]
    fn a_name_may_leave_out_that_it_is_s3_s() {
        check_name("acl", "user.s3.acl");
        check_name("tag.user", "user.s3.tag.user");
        check_name("user.s3.acl", "user.s3.acl");
        check_name("user.color", "user.color");
        check_name("user.pailfs.state", "user.pailfs.state");
    }

    #[track_caller]
    fn check_value(word: &str, expected: &ValueSource) {
        let (config, value) = set(&typed(&format!("pailfs set -R tags {word} a b")));
        assert_eq!(value, *expected);
        assert_eq!(config.paths, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(config.depth, Depth::FilesBelow);
    }

    #[test]
    fn a_value_is_typed_or_comes_from_a_file_or_from_standard_input() {
        check_value("days=5", &ValueSource::Text(b"days=5".to_vec()));
        check_value("-", &ValueSource::StandardInput);
        check_value("@rules.json", &ValueSource::File(PathBuf::from("rules.json")));
        check_value("{}@", &ValueSource::Text(b"{}@".to_vec()));
    }

    #[test]
    fn what_is_not_said_is_meant_for_people_and_for_the_directory_itself() {
        assert_eq!(info(&typed("pailfs info a")).audience, Audience::People);
        assert_eq!(info(&typed("pailfs info a --json")).audience, Audience::Programs);
        assert_eq!(unset(&typed("pailfs unset acl a")).depth, Depth::Itself);
    }
}
