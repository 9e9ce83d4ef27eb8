//! Names that a program gives: they are keys, byte for byte.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};

/// Writes a file of that name, finds the key, and finds the file of a key put from outside.
#[track_caller]
fn check_names(names: &[&str]) {
    let (site, mount) = mounted();
    for name in names {
        fs::write(mount.path(name), name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(site.bucket.get(name), Some(name.as_bytes().to_vec()), "{name:?}");
        site.bucket.put(&format!("dir/{name}"), name);
    }
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(mount.names("dir"), expected);
    for name in names {
        let path = mount.path(format!("dir/{name}"));
        assert_eq!(fs::read(path).expect("a read"), name.as_bytes(), "{name:?}");
        fs::remove_file(mount.path(name)).expect("a removal");
        assert_eq!(site.bucket.head(name).map(|head| head.size), None, "{name:?}");
    }
}

#[test]
fn spaces_are_part_of_a_name() {
    check_names(&[" ", "a b", " leading", "trailing ", "two  spaces"]);
}

#[test]
fn percent_and_plus_are_no_encoding() {
    check_names(&["100%", "%41", "A", "%2F", "a+b", "a%20b", "%"]);
}

#[test]
fn unicode_is_kept_byte_for_byte() {
    check_names(&["\u{e9}", "e\u{301}", "日本語", "👩\u{200d}💻", "שלום"]);
}

#[test]
fn marks_of_shells_urls_and_xml_are_letters() {
    check_names(&[
        "a?b", "a#b", "a&b=c", "a:b", "<a>", "\"a\"", "a\\b", "a*b", "$HOME", "'", "@s3",
    ]);
}

#[test]
fn line_breaks_and_control_characters_are_letters() {
    check_names(&["a\nb", "a\tb", "a\rb", "a\u{1}b", "a\u{7f}b"]);
}

#[test]
fn dots_at_the_start_are_letters() {
    check_names(&["...", ".hidden", "..a"]);
}

#[test]
fn a_name_of_255_bytes_is_a_name() {
    let (ascii, unicode) = ("n".repeat(255), "é".repeat(127));
    check_names(&[&ascii, &unicode]);
}

#[test]
fn a_name_of_more_than_255_bytes_is_refused() {
    let (site, mount) = mounted();
    for name in ["n".repeat(256), "é".repeat(128), "n".repeat(1000)] {
        check_errno(fs::write(mount.path(&name), "x"), Errno::NAMETOOLONG);
        check_errno(fs::create_dir(mount.path(&name)), Errno::NAMETOOLONG);
        check_errno(fs::metadata(mount.path(&name)), Errno::NAMETOOLONG);
    }
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}

#[test]
fn a_path_of_more_than_1024_bytes_is_refused() {
    let (site, mount) = mounted();
    let deep = ["d".repeat(250).as_str(); 4].join("/");
    fs::create_dir_all(mount.path(&deep)).expect("1003 bytes and a slash");
    let (fits, exceeds) =
        (format!("{deep}/{}", "f".repeat(20)), format!("{deep}/{}", "f".repeat(21)));
    fs::write(mount.path(&fits), "fits").expect("1024 bytes");
    assert_eq!(site.bucket.get(&fits).as_deref(), Some(b"fits".as_slice()));
    check_errno(fs::write(mount.path(&exceeds), "x"), Errno::NAMETOOLONG);
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    let (site, mount) = mounted();
    let name = OsStr::from_bytes(b"caf\xe9");
    check_errno(fs::write(mount.path(name), "x"), Errno::ILSEQ);
    check_errno(fs::create_dir(mount.path(name)), Errno::ILSEQ);
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}
