//! Names, checked by example and over arbitrary keys.

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::prop_oneof;

use crate::vfs::namespace::names::{
    Beside, DirPrefix, KEY_BYTES_MAX, NAME_BYTES_MAX, NameError, Named, Shown, is_file_name,
    name_of_object, name_of_prefix, resolve,
};

/// The names from the root to an object, as listings of each directory on the way show them.
fn path_of(root: &DirPrefix, key: &str, beside: Beside) -> Vec<String> {
    let mut dir = root.clone();
    let mut path = Vec::new();
    loop {
        let below = &key[dir.as_str().len()..];
        let shown = match below.find('/') {
            Some(slash) => name_of_prefix(&dir, &key[..=dir.as_str().len() + slash]),
            None => name_of_object(&dir, key, beside),
        };
        let is_object = !below.contains('/') && matches!(shown, Shown::As(_));
        let name = match shown {
            Shown::As(name) => name.into_owned(),
            Shown::Inside(name) => name,
            Shown::Elsewhere => panic!("{key:?} is not shown in {dir:?}"),
        };
        path.push(name.clone());
        if is_object {
            return path;
        }
        dir = enter(&dir, &name).unwrap_or_else(|| panic!("{name:?} is no directory"));
    }
}

fn enter(dir: &DirPrefix, name: &str) -> Option<DirPrefix> {
    match resolve(dir, name.as_bytes()).ok()? {
        Named::Plain { dir, .. } => dir,
        Named::DirOnly { dir } => Some(dir),
        Named::FileOnly { .. } => None,
    }
}

fn key_of(root: &DirPrefix, path: &[String]) -> Option<String> {
    let (last, parents) = path.split_last()?;
    let dir = parents.iter().try_fold(root.clone(), |dir, name| enter(&dir, name))?;
    match resolve(&dir, last.as_bytes()).ok()? {
        Named::Plain { key, .. } | Named::FileOnly { key } => Some(key),
        Named::DirOnly { .. } => None,
    }
}

#[track_caller]
fn check_path(key: &str, beside: Beside, path: &[&str]) {
    let root = DirPrefix::root("");
    let got = path_of(&root, key, beside);
    assert_eq!(got, path);
    assert_eq!(key_of(&root, &got).as_deref(), Some(key));
}

#[test]
fn an_ordinary_key_is_its_own_path() {
    check_path("photos/2024/a b%20+é.jpg", Beside::Nothing, &["photos", "2024", "a b%20+é.jpg"]);
}

#[test]
fn components_that_no_path_can_spell_are_escaped() {
    check_path("a//b", Beside::Nothing, &["a", "@s3.name=", "b"]);
    check_path("/a", Beside::Nothing, &["@s3.name=", "a"]);
    check_path("./..", Beside::Nothing, &["@s3.name=.", "@s3.name=.."]);
    check_path("50%\0", Beside::Nothing, &["@s3.name=50%25%00"]);
}

#[test]
fn an_object_beside_a_directory_is_shown_as_a_file() {
    check_path("a/b", Beside::Directory, &["a", "@s3.file=b"]);
    check_path("100%", Beside::Directory, &["@s3.file=100%25"]);
}

#[test]
fn a_marker_with_bytes_is_shown_inside_its_directory() {
    check_path("dir/", Beside::Nothing, &["dir", "@s3.file="]);
    check_path("dir//", Beside::Nothing, &["dir", "@s3.name=", "@s3.file="]);
    let root = DirPrefix::root("dir/");
    assert_eq!(root.marker_key(), Some("dir/"));
    assert_eq!(path_of(&root, "dir/", Beside::Nothing), ["@s3.file="]);
}

#[test]
fn what_looks_like_an_escape_is_escaped() {
    check_path("@s3.file=x", Beside::Nothing, &["@s3.name=@s3.file=x"]);
    check_path("@s3.name=.", Beside::Nothing, &["@s3.name=@s3.name=."]);
    check_path("@s3.name=@s3.name=", Beside::Nothing, &["@s3.name=@s3.name=@s3.name="]);
}

#[test]
fn what_only_begins_like_an_escape_is_itself() {
    for key in ["@s3.", "@s3.name=x", "@s3.name=%2E", "@s3.file=%2f", "@s3.long=x", "@s3.file=%"] {
        check_path(key, Beside::Nothing, &[key]);
    }
}

#[test]
fn the_longest_name_is_plain_and_a_longer_component_is_in_pieces() {
    let longest = "x".repeat(255);
    check_path(&longest, Beside::Nothing, &[&longest]);
    let first = format!("@s3.long={}", "x".repeat(246));
    let last = format!("@s3.name={}", "x".repeat(10));
    check_path(&"x".repeat(256), Beside::Nothing, &[&first, &last]);
    check_path(&format!("{}/y", "x".repeat(256)), Beside::Nothing, &[&first, &last, "y"]);
    let beside = format!("@s3.file={}", "x".repeat(10));
    check_path(&"x".repeat(256), Beside::Directory, &[&first, &beside]);
}

#[test]
fn pieces_end_between_characters() {
    let first = format!("@s3.long={}", "é".repeat(123));
    check_path(&"é".repeat(128), Beside::Nothing, &[&first, "@s3.name=ééééé"]);
    let first = format!("@s3.long=x{}", "😀".repeat(61));
    check_path(&format!("x{}", "😀".repeat(64)), Beside::Nothing, &[&first, "@s3.name=😀😀😀"]);
}

#[test]
fn a_long_name_beside_a_directory_has_its_file_form_in_pieces() {
    let name = "x".repeat(250);
    let first = format!("@s3.long={}", "x".repeat(246));
    check_path(&name, Beside::Directory, &[&first, "@s3.file=xxxx"]);
    let dir = enter(&DirPrefix::root(""), &first).unwrap();
    assert_eq!(name_of_object(&dir, &name, Beside::Nothing), Shown::Elsewhere);
    assert_eq!(name_of_prefix(&dir, &format!("{name}/")), Shown::Elsewhere);
}

#[test]
fn a_piece_holds_only_the_other_pieces() {
    let root = DirPrefix::root("");
    let dir = enter(&root, &format!("@s3.long={}", "x".repeat(246))).unwrap();
    assert_eq!(dir.marker_key(), None);
    for name in ["plain", "@s3.name=xxx", "@s3.name=", "@s3.file=", "@s3.long=x"] {
        assert_eq!(resolve(&dir, name.as_bytes()), Err(NameError::NotAName), "{name}");
    }
}

#[test]
fn a_piece_that_could_have_been_longer_is_no_piece() {
    let root = DirPrefix::root("");
    let short = format!("@s3.long={}", "x".repeat(242));
    assert!(matches!(resolve(&root, short.as_bytes()), Ok(Named::Plain { .. })));
    let dir = enter(&root, &format!("@s3.long={}", "x".repeat(244))).unwrap();
    let fits = format!("@s3.name=éé{}", "x".repeat(30));
    assert_eq!(resolve(&dir, fits.as_bytes()), Err(NameError::NotAName));
    let follows = format!("@s3.name=😀{}", "x".repeat(30));
    assert!(matches!(resolve(&dir, follows.as_bytes()), Ok(Named::Plain { .. })));
}

#[test]
fn an_empty_component_is_a_directory_alone() {
    let dir = enter(&DirPrefix::root(""), "a").unwrap();
    let named = resolve(&dir, b"@s3.name=").unwrap();
    assert!(matches!(named, Named::DirOnly { dir } if dir.as_str() == "a//"));
}

#[test]
fn there_is_no_object_without_a_key() {
    assert_eq!(resolve(&DirPrefix::root(""), b"@s3.file="), Err(NameError::NotAName));
}

#[test]
fn names_that_can_not_be_keys_are_refused() {
    let root = DirPrefix::root("");
    assert_eq!(resolve(&root, b"\xff"), Err(NameError::NotUtf8));
    assert_eq!(resolve(&root, &[b'x'; 256]), Err(NameError::TooLong));
    for name in [".", "..", "", "a/b", "a\0"] {
        assert_eq!(resolve(&root, name.as_bytes()), Err(NameError::NotAName), "{name:?}");
    }
}

#[test]
fn a_key_ends_at_its_1024th_byte() {
    let deep = DirPrefix::root(&format!("{}/", "x".repeat(1020)));
    let named = resolve(&deep, b"ab").unwrap();
    assert!(matches!(named, Named::Plain { dir: Some(_), .. }));
    let named = resolve(&deep, b"abc").unwrap();
    assert!(matches!(named, Named::Plain { key, dir: None } if key.len() == KEY_BYTES_MAX));
    assert_eq!(resolve(&deep, b"abcd"), Err(NameError::TooLong));
    assert_eq!(resolve(&deep, b"@s3.file=abcd"), Err(NameError::TooLong));
}

fn arbitrary_text() -> impl Strategy<Value = String> {
    let run = (
        prop_oneof![Just("x"), Just("é"), Just("€"), Just("😀"), Just("%"), Just("\0")],
        1..300usize,
    )
        .prop_map(|(text, count)| text.repeat(count));
    let word = prop_oneof![
        4 => Just("/"),
        1 => Just("."),
        1 => Just(".."),
        1 => Just("%25"),
        1 => Just("%00"),
        1 => Just("%2F"),
        2 => Just("@s3.name="),
        2 => Just("@s3.file="),
        2 => Just("@s3.long="),
        1 => Just("@s3."),
        1 => Just("a"),
    ]
    .prop_map(str::to_owned);
    let piece = prop_oneof![8 => word, 3 => run, 1 => any::<char>().prop_map(String::from)];
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| cut(&pieces.concat(), KEY_BYTES_MAX))
}

fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

fn arbitrary_beside() -> impl Strategy<Value = Beside> {
    prop_oneof![Just(Beside::Nothing), Just(Beside::Directory)]
}

proptest! {
    #[test]
    fn every_key_has_a_path_of_file_names_that_leads_back_to_it(
        key in arbitrary_text(),
        beside in arbitrary_beside(),
    ) {
        let root = DirPrefix::root("");
        let path = path_of(&root, &key, beside);
        for name in &path {
            prop_assert!(is_file_name(name) && name.len() <= NAME_BYTES_MAX, "{name:?}");
        }
        prop_assert_eq!(key_of(&root, &path), Some(key));
    }

    #[test]
    fn no_two_keys_share_a_path(one in arbitrary_text(), other in arbitrary_text()) {
        let root = DirPrefix::root("");
        for beside in [Beside::Nothing, Beside::Directory] {
            let paths = (path_of(&root, &one, Beside::Nothing), path_of(&root, &other, beside));
            prop_assert!(one == other || paths.0 != paths.1, "{paths:?}");
        }
    }

    #[test]
    fn a_name_is_shown_as_it_was_given(text in arbitrary_text()) {
        let root = DirPrefix::root("p/");
        let name = cut(&text.replace(['/', '\0'], ""), NAME_BYTES_MAX);
        match resolve(&root, name.as_bytes()) {
            Ok(Named::Plain { key, dir }) => {
                let shown = Shown::As(name.as_str().into());
                prop_assert_eq!(name_of_object(&root, &key, Beside::Nothing), shown.clone());
                let dir = dir.unwrap();
                prop_assert_eq!(name_of_prefix(&root, dir.as_str()), shown);
            }
            Ok(Named::FileOnly { key }) => {
                let shown = Shown::As(name.as_str().into());
                prop_assert_eq!(name_of_object(&root, &key, Beside::Directory), shown);
            }
            Ok(Named::DirOnly { dir }) if dir.marker_key().is_some() => {
                let shown = Shown::As(name.as_str().into());
                prop_assert_eq!(name_of_prefix(&root, dir.as_str()), shown);
            }
            Ok(Named::DirOnly { dir }) => {
                let key = format!("{}{}", dir.as_str(), "😀".repeat(10));
                let inside = Shown::Inside(name);
                prop_assert_eq!(name_of_object(&root, &key, Beside::Nothing), inside);
            }
            Err(error) => {
                prop_assert_eq!(error, NameError::NotAName);
                prop_assert!(!is_file_name(&name));
            }
        }
    }

    #[test]
    fn a_name_without_our_mark_is_the_key_byte_for_byte(name in "[^/\0]{1,60}") {
        let root = DirPrefix::root("p/");
        if is_file_name(&name) && !name.starts_with("@s3.") {
            let key = format!("p/{name}");
            let dir = Some(DirPrefix::root(&format!("p/{name}/")));
            prop_assert_eq!(resolve(&root, name.as_bytes()), Ok(Named::Plain { key, dir }));
        }
    }
}
