//! The rules of the house that a compiler does not check, as a test.
//!
//! Each rule is a function from files to complaints. One test holds the repository to all of
//! them, another shows each rule a violation that it must find.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file of the repository.
struct Source {
    /// From the repository's root, such as `src/vfs/mod.rs`.
    path: String,
    text: String,
}

/// A rule, and a file that breaks it.
struct Rule {
    name: &'static str,
    check: fn(&Source) -> Vec<String>,
    /// Path and text of a file that the rule must complain about.
    violations: &'static [(&'static str, &'static str)],
    /// Path and text of files that look alike and are fine.
    innocent: &'static [(&'static str, &'static str)],
}

/// The six rooms and what each may name: an arrow runs only downwards.
const ROOM_ARROWS: &[(&str, &[&str])] = &[
    ("cli", &["cli", "mount", "server", "vfs", "store"]),
    ("mount", &["mount", "vfs", "store::clock", "store::error"]),
    ("vfs", &["vfs", "store"]),
    ("server", &["server", "store"]),
    ("store", &["store"]),
];

/// Inside `vfs`: which parts a part may not name.
const VFS_ARROWS: &[(&str, &[&str])] = &[
    ("read", &["ops", "write"]),
    ("cache", &["ops", "write"]),
    ("namespace", &["ops", "write", "read"]),
    ("write", &["ops"]),
    ("removal", &["ops", "write", "read", "cache"]),
    ("journal", &["ops", "write", "read", "cache", "namespace", "store"]),
    ("xattr", &["ops", "write", "read", "cache", "journal"]),
];

/// What only one room may name.
const OWNED_WORDS: &[(&str, &[&str])] = &[
    ("clap::", &["src/cli/"]),
    ("std::env", &["src/cli/"]),
    ("println!", &["src/cli/"]),
    ("eprintln!", &["src/cli/"]),
    ("fuser::", &["src/mount/"]),
    ("s3s::", &["src/server/"]),
    ("aws_config", &["src/store/s3/"]),
    ("aws_credential_types", &["src/store/s3/"]),
    ("aws_sdk_s3", &["src/store/s3/"]),
    ("aws_sigv4", &["src/store/s3/"]),
    ("aws_smithy", &["src/store/s3/"]),
    ("anyhow::", &["src/cli/"]),
];

/// What nobody writes in `src`, and why.
const BANNED_WORDS: &[(&str, &str)] = &[
    ("pub use ", "a thing has one path"),
    ("::*;", "a glob hides where a name comes from"),
    ("super::super", "a path starts at the crate's root"),
    ("thread::sleep", "a thread that sleeps answers nobody"),
    ("TODO", "do it or write it into an issue"),
    ("FIXME", "mend it or write it into an issue"),
    ("#[allow(", "`#[expect(..., reason = ...)]` says when it is no longer needed"),
];

/// What nobody writes in a test.
const BANNED_IN_TESTS: &[(&str, &str)] = &[
    ("#[ignore", "a test that does not run tests nothing"),
    ("should_panic", "any panic would do: assert what goes wrong"),
];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];

/// Lines of a file without its tests.
const LINES_MAX: usize = 500;

/// Files over the line, each with the reason. This list only shrinks.
const LONG_FILES: &[(&str, &str)] = &[
    ("src/store/types.rs", "S3's nouns: fields and their documentation, no logic"),
    ("src/mount/adapter.rs", "one trait of the library's, a method for each request"),
];

/// What would tie the repository to the place where it was written.
const PLACES: &[&str] = &["/work/", "crates.io", "pypi.org", "debian.org", "npmjs"];

const RULES: &[Rule] = &[
    Rule {
        name: "a room names only rooms below it",
        check: check_rooms,
        violations: &[
            ("src/store/a.rs", "use crate::vfs::types::Ino;"),
            ("src/vfs/a.rs", "fn f() { crate::mount::run() }"),
            ("src/server/a.rs", "use crate::vfs::Vfs;"),
            ("src/mount/a.rs", "use crate::store::types::Range;"),
            ("src/mount/a.rs", "use crate::{store::ObjectStore, vfs::Vfs};"),
            ("src/vfs/a.rs", "use pailfs::server::start;"),
        ],
        innocent: &[
            ("src/mount/a.rs", "use crate::store::error::ErrorKind;"),
            ("src/mount/a.rs", "use crate::store::clock::Clock;\nuse crate::vfs::Vfs;"),
            ("src/cli/a.rs", "use crate::server::start;"),
            ("src/store/a.rs", "/// What [`crate::vfs::Vfs`] asks.\n// crate::vfs is above"),
        ],
    },
    Rule {
        name: "inside vfs, reading knows nothing of writing and nothing below names ops",
        check: check_vfs,
        violations: &[
            ("src/vfs/read/plan.rs", "use crate::vfs::write::extents::Extents;"),
            ("src/vfs/cache/memory.rs", "use crate::vfs::ops::file;"),
            ("src/vfs/namespace/names.rs", "use crate::vfs::read::fetch;"),
            ("src/vfs/namespace.rs", "use crate::vfs::ops::file;"),
            ("src/vfs/write/plan.rs", "use crate::vfs::ops::file;"),
            ("src/vfs/removal/mod.rs", "use crate::vfs::write::upload;"),
            ("src/vfs/journal/mod.rs", "use crate::store::ObjectStore;"),
            ("src/vfs/journal/mod.rs", "use crate::vfs::namespace::names;"),
            ("src/vfs/xattr/acl.rs", "use crate::vfs::cache::attributes::Attributes;"),
        ],
        innocent: &[
            ("src/vfs/write/upload.rs", "use crate::vfs::read::fetch;"),
            ("src/vfs/ops/file.rs", "use crate::vfs::write::upload;"),
            ("src/vfs/read/plan.rs", "use crate::vfs::cache::memory;"),
        ],
    },
    Rule {
        name: "a library of the outside is named in its one room",
        check: check_owned_words,
        violations: &[
            ("src/vfs/a.rs", "use fuser::FileAttr;"),
            ("src/store/model/a.rs", "use aws_sdk_s3::Client;"),
            ("src/store/a.rs", "use s3s::S3;"),
            ("src/mount/a.rs", "let home = std::env::var(\"HOME\");"),
            ("src/vfs/a.rs", "println!(\"here\");"),
        ],
        innocent: &[
            ("src/mount/a.rs", "use fuser::FileAttr;"),
            ("src/vfs/a.rs", "// fuser::Session is above us"),
            ("src/cli/a.rs", "println!(\"mounted\");"),
        ],
    },
    Rule {
        name: "a file opens by saying what it decides",
        check: check_head,
        violations: &[
            ("src/vfs/a.rs", "use std::fmt;\n"),
            ("src/vfs/a.rs", "// not a head\n"),
            ("tests/suite/a.rs", "fn f() {}\n"),
        ],
        innocent: &[("src/vfs/a.rs", "//! A: what it decides.\n"), ("README.md", "# pailfs\n")],
    },
    Rule {
        name: "a file has at most 500 lines without its tests",
        check: check_length,
        violations: &[("src/vfs/a.rs", LONG_TEXT)],
        innocent: &[("src/vfs/a.rs", "//! Short.\n"), ("src/vfs/a/tests.rs", LONG_TEXT)],
    },
    Rule {
        name: "a name says what is inside",
        check: check_name,
        violations: &[("src/vfs/util.rs", ""), ("tests/suite/common/mod.rs", "")],
        innocent: &[("src/vfs/read/plan.rs", ""), ("src/vfs/utility_bill.rs", "")],
    },
    Rule {
        name: "what is banned in src is not there",
        check: check_banned,
        violations: &[
            ("src/vfs/a.rs", "pub use crate::vfs::b::C;"),
            ("src/vfs/a.rs", "use crate::vfs::types::*;"),
            ("src/vfs/a.rs", "std::thread::sleep(pause);"),
            ("src/vfs/a.rs", "#[allow(dead_code)]"),
            ("src/vfs/a.rs", "// TODO: later"),
        ],
        innocent: &[("src/vfs/a.rs", "mod tests {\n    use super::*;\n}")],
    },
    Rule {
        name: "every test runs and says what it expects",
        check: check_tests,
        violations: &[
            ("src/vfs/a.rs", "#[test]\n#[ignore]\nfn f() {}"),
            ("tests/suite/a.rs", "#[should_panic]"),
        ],
        innocent: &[("tests/suite/a.rs", "#[test]\nfn f() {}")],
    },
    Rule {
        name: "nothing is tied to one machine or one package host",
        check: check_places,
        violations: &[
            ("scripts/test", "cd /work/main"),
            ("README.md", "see https://crates.io/crates/fuser"),
        ],
        innocent: &[("README.md", "cargo install pailfs; ls network/"), ("Cargo.lock", "https://")],
    },
];

/// 501 lines.
const LONG_TEXT: &str = {
    const TEXT: [u8; 501] = [b'\n'; 501];
    match std::str::from_utf8(&TEXT) {
        Ok(text) => text,
        Err(_) => "",
    }
};

/// The statements in bold of `docs/semantics.md`, as names of tests.
fn statements(text: &str) -> BTreeSet<String> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.split("**").skip(1).step_by(2).map(|statement| statement.replace(' ', "_")).collect()
}

/// The names of the tests in a file.
fn test_names(text: &str) -> BTreeSet<String> {
    let after_marks = text.split("#[test]\n").skip(1);
    let names = after_marks.filter_map(|rest| rest.trim_start().strip_prefix("fn "));
    names.filter_map(|rest| rest.split('(').next()).map(str::to_owned).collect()
}

#[test]
fn every_statement_on_semantics_is_a_test_on_a_real_mount() {
    let stated = statements(&fs::read_to_string("docs/semantics.md").expect("the statements"));
    let folders = ["tests/suite/mounted/", "tests/suite/faults/"];
    let sources = repository().into_iter();
    let on_mounts = sources.filter(|source| folders.iter().any(|at| source.path.starts_with(at)));
    let tested = on_mounts.flat_map(|source| test_names(&source.text)).collect::<BTreeSet<_>>();
    let untested: Vec<_> = stated.difference(&tested).collect();
    let unstated: Vec<_> = tested.difference(&stated).collect();
    assert!(untested.is_empty(), "stated in docs/semantics.md without a test: {untested:?}");
    assert!(unstated.is_empty(), "tests that docs/semantics.md does not state: {unstated:?}");
}

#[test]
fn the_repository_keeps_every_rule() {
    let sources = repository();
    let complaints: Vec<String> = RULES
        .iter()
        .flat_map(|rule| sources.iter().map(move |source| (rule, source)))
        .flat_map(|(rule, source)| complaints_of(rule, source))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_rule_finds_its_violations_and_nothing_else() {
    for rule in RULES {
        for (path, text) in rule.violations {
            let found = (rule.check)(&source(path, text));
            assert!(!found.is_empty(), "not found by '{}': {path}: {text:.80}", rule.name);
        }
        for (path, text) in rule.innocent {
            let found = (rule.check)(&source(path, text));
            assert!(found.is_empty(), "'{}' complains of {path}: {found:?}", rule.name);
        }
    }
}

#[test]
fn the_list_of_long_files_only_shrinks() {
    let sources = repository();
    for (path, _) in LONG_FILES {
        let source = sources.iter().find(|source| source.path == *path);
        let lines = source.map_or(0, |source| lines_without_tests(&source.text));
        assert!(lines > LINES_MAX, "{path} is listed as long and has {lines} lines");
    }
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn complaints_of(rule: &Rule, source: &Source) -> Vec<String> {
    let found = (rule.check)(source);
    found.into_iter().map(|what| format!("{}: {}: {what}", rule.name, source.path)).collect()
}

/// All text files that are ours to write.
fn repository() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder that can be read") {
            let path = entry.expect("an entry that can be read").path();
            let inside = path.strip_prefix(root).expect("a path inside").to_string_lossy();
            if inside == "target" || inside == ".git" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                sources.push(source(&inside, &text));
            }
        }
    }
    sources
}

fn is_rust(source: &Source) -> bool {
    source.path.ends_with(".rs")
}

fn is_in_src(source: &Source) -> bool {
    source.path.starts_with("src/") && is_rust(source)
}

/// Lines of code with their numbers: no comments, nothing behind `//`.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

/// Paths below this crate that a file names, such as `vfs::read::plan`, with their lines.
fn crate_paths(source: &Source) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for (number, line) in code(source) {
        for root in ["crate::", "pailfs::"] {
            for (at, _) in line.match_indices(root) {
                let rest = &line[at + root.len()..];
                paths.extend(heads(rest).into_iter().map(|path| (number, path)));
            }
        }
    }
    paths
}

/// The paths at the start of what follows `crate::`: one, or those between braces.
fn heads(rest: &str) -> Vec<String> {
    let is_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let path = |text: &str| -> String { text.chars().take_while(|c| is_path(*c)).collect() };
    match rest.strip_prefix('{') {
        Some(inside) => inside.split(',').map(|one| path(one.trim())).collect(),
        None => vec![path(rest)],
    }
}

fn is_below(path: &str, module: &str) -> bool {
    let rest = path.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn check_rooms(source: &Source) -> Vec<String> {
    let room = |path: &str| source.path.starts_with(&format!("src/{path}/"));
    let Some((_, allowed)) = ROOM_ARROWS.iter().find(|(from, _)| room(from)) else {
        return Vec::new();
    };
    let rooms: BTreeSet<&str> = ROOM_ARROWS.iter().map(|(from, _)| *from).collect();
    crate_paths(source)
        .into_iter()
        .filter(|(_, path)| rooms.iter().any(|room| is_below(path, room)))
        .filter(|(_, path)| !allowed.iter().any(|module| is_below(path, module)))
        .map(|(number, path)| format!("line {number} names {path}"))
        .collect()
}

fn check_vfs(source: &Source) -> Vec<String> {
    let Some(inside) = source.path.strip_prefix("src/vfs/") else { return Vec::new() };
    let part = inside.trim_end_matches(".rs").split('/').next().unwrap_or_default();
    let Some((_, banned)) = VFS_ARROWS.iter().find(|(from, _)| *from == part) else {
        return Vec::new();
    };
    crate_paths(source)
        .into_iter()
        .filter(|(_, path)| {
            let is_of = |to: &&str| is_below(path, &format!("vfs::{to}")) || is_below(path, to);
            banned.iter().any(is_of)
        })
        .map(|(number, path)| format!("line {number} names {path}"))
        .collect()
}

fn check_owned_words(source: &Source) -> Vec<String> {
    if !is_in_src(source) {
        return Vec::new();
    }
    let foreign = OWNED_WORDS
        .iter()
        .filter(|(_, rooms)| !rooms.iter().any(|room| source.path.starts_with(room)));
    let words: Vec<&str> = foreign.map(|(word, _)| *word).collect();
    lines_with(source, &words)
}

/// Lines of code that hold one of the words.
fn lines_with(source: &Source, words: &[&str]) -> Vec<String> {
    let found = code(source).flat_map(|(number, line)| {
        let held = words.iter().filter(move |word| holds_word(line, word));
        held.map(move |word| format!("line {number} has `{word}`"))
    });
    found.collect()
}

/// Whether the word is in the line and does not only end a longer one (`eprintln!`).
fn holds_word(line: &str, word: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    let starts_word = word.starts_with(is_letter);
    line.match_indices(word)
        .any(|(at, _)| !(starts_word && line[..at].chars().next_back().is_some_and(is_letter)))
}

fn check_head(source: &Source) -> Vec<String> {
    if !is_rust(source) || source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec!["does not start with `//! `".to_owned()]
}

/// Lines up to a last `#[cfg(test)] mod tests { ... }`.
fn lines_without_tests(text: &str) -> usize {
    let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().count()
}

fn check_length(source: &Source) -> Vec<String> {
    let is_tests = source.path.ends_with("/tests.rs") || !is_rust(source);
    let is_listed = LONG_FILES.iter().any(|(path, _)| *path == source.path);
    let lines = lines_without_tests(&source.text);
    if is_tests || is_listed || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![format!("has {lines} lines")]
}

fn check_name(source: &Source) -> Vec<String> {
    let names = source.path.trim_end_matches(".rs").split('/');
    let empty = names.filter(|name| is_rust(source) && EMPTY_NAMES.contains(name));
    empty.map(|name| format!("`{name}` says nothing")).collect()
}

fn check_banned(source: &Source) -> Vec<String> {
    if !is_in_src(source) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    // Comments too: that is where most of these words live. `use super::*` is how tests begin.
    for (index, line) in
        source.text.lines().enumerate().filter(|(_, line)| !line.contains("super::*"))
    {
        for (word, reason) in BANNED_WORDS.iter().filter(|(word, _)| line.contains(word)) {
            complaints.push(format!("line {} has `{word}`: {reason}", index + 1));
        }
    }
    complaints
}

fn check_tests(source: &Source) -> Vec<String> {
    // This file names what it bans.
    if !is_rust(source) || source.path == "tests/tidy.rs" {
        return Vec::new();
    }
    let words: Vec<&str> = BANNED_IN_TESTS.iter().map(|(word, _)| *word).collect();
    lines_with(source, &words)
}

fn check_places(source: &Source) -> Vec<String> {
    if source.path == "tests/tidy.rs" || source.path == "Cargo.lock" {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for place in PLACES.iter().filter(|place| line.contains(*place)) {
            complaints.push(format!("line {} names {place}", index + 1));
        }
    }
    complaints
}
