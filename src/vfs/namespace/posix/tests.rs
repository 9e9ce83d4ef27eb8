//! What each tool's objects say, and that what is written is read again.

use std::time::{Duration, UNIX_EPOCH};

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn metadata(rows: &[(&str, &str)]) -> Metadata {
    rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// So many nanoseconds after 1970, or before.
fn at(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
    start + Duration::from_nanos(nanoseconds.into())
}

#[track_caller]
fn check_read(rows: &[(&str, &str)], expected: &Posix) {
    let posix = Posix { user: Metadata::new(), ..read(&metadata(rows)) };
    assert_eq!(posix, *expected, "{rows:?}");
}

#[test]
fn all_other_metadata_are_kept_as_they_stand() {
    let rows = [("file-owner", "1"), ("colour", "green"), ("--symlink-target", "a"), ("x", "")];
    let expected = metadata(&[("colour", "green"), ("x", "")]);
    assert_eq!(read(&metadata(&rows)).user, expected);
}

/// What a mode says: its kind and its permission bits.
#[track_caller]
fn check_mode(name: &str, text: &str, kind: Option<Kind>, mode: Option<u32>) {
    check_read(&[(name, text)], &Posix { kind, mode, ..Posix::default() });
}

#[track_caller]
fn check_mtime(rows: &[(&str, &str)], expected: Option<SystemTime>) {
    assert_eq!(read(&metadata(rows)).mtime, expected, "{rows:?}");
}

#[test]
fn what_aws_wrote_is_read() {
    let rows = [
        ("file-permissions", "0100640"),
        ("file-owner", "1000"),
        ("file-group", "100"),
        ("file-mtime", "1700000000000000005ns"),
        ("file-atime", "1700000000123"),
        ("file-ctime", "1700000000123ms"),
        ("user-agent", "aws-fsx-lustre"),
    ];
    let expected = Posix {
        kind: Some(Kind::File),
        mode: Some(0o640),
        uid: Some(1000),
        gid: Some(100),
        mtime: Some(at(1_700_000_000, 5)),
        atime: Some(at(1_700_000_000, 123_000_000)),
        ctime: Some(at(1_700_000_000, 123_000_000)),
        device: None,
        user: Metadata::new(),
    };
    check_read(&rows, &expected);
    check_mode("file-permissions", "0644", None, Some(0o644));
    check_mode("file-permissions", "40755", Some(Kind::Directory), Some(0o755));
    check_mode("file-permissions", "0120777", Some(Kind::Symlink), Some(0o777));
}

#[test]
fn what_s3fs_wrote_is_read() {
    let rows =
        [("mode", "33188"), ("uid", "0"), ("gid", "5"), ("mtime", "1.5"), ("ctime", "2.000000007")];
    let expected = Posix {
        kind: Some(Kind::File),
        mode: Some(0o644),
        uid: Some(0),
        gid: Some(5),
        mtime: Some(at(1, 5)),
        ctime: Some(at(2, 7)),
        ..Posix::default()
    };
    check_read(&rows, &expected);
    check_mode("mode", "16877", Some(Kind::Directory), Some(0o755));
    check_mode("mode", "17407", Some(Kind::Directory), Some(0o1777));
    check_mode("mode", "41471", Some(Kind::Symlink), Some(0o777));
    check_mode("mode", "4516", Some(Kind::Fifo), Some(0o644));
    check_mode("mode", "0x81a4", Some(Kind::File), Some(0o644));
    check_mode("mode", "0100644", Some(Kind::File), Some(0o644));
}

#[test]
fn what_rclone_wrote_is_read() {
    let rows = [
        ("mode", "100664"),
        ("uid", "500"),
        ("gid", "500"),
        ("mtime", "1700000000.25"),
        ("atime", "2023-11-14T23:13:20.000000001+01:00"),
        ("btime", "2023-11-14T23:13:20+01:00"),
    ];
    let expected = Posix {
        kind: Some(Kind::File),
        mode: Some(0o664),
        uid: Some(500),
        gid: Some(500),
        mtime: Some(at(1_700_000_000, 250_000_000)),
        atime: Some(at(1_700_000_000, 1)),
        ..Posix::default()
    };
    check_read(&rows, &expected);
    check_mode("mode", "40755", Some(Kind::Directory), Some(0o755));
    check_mode("mode", "42755", Some(Kind::Directory), Some(0o2755));
    check_mode("mode", "41777", Some(Kind::Directory), Some(0o1777));
    check_mode("mode", "104755", Some(Kind::File), Some(0o4755));
    check_mode("mode", "10644", Some(Kind::Fifo), Some(0o644));
    check_mode("mode", "4755", None, Some(0o4755));
    check_mode("mode", "644", None, Some(0o644));
}

#[test]
fn what_geesefs_wrote_is_read() {
    let rows = [("--symlink-target", "a%20b/%C3%A9"), ("mtime", "7"), ("uid", "3")];
    let link = Posix {
        kind: Some(Kind::Symlink),
        uid: Some(3),
        mtime: Some(at(7, 0)),
        ..Posix::default()
    };
    check_read(&rows, &link);
    assert_eq!(symlink_target(&metadata(&rows)).as_deref(), Some("a b/é"));
    assert_eq!(symlink_target(&metadata(&[("--symlink-target", "%FF")])), None);
    assert_eq!(symlink_target(&Metadata::new()), None);
    let device = Posix {
        kind: Some(Kind::CharDevice),
        mode: Some(0o666),
        device: Some(259),
        ..Posix::default()
    };
    check_read(&[("mode", "8630"), ("rdev", "259")], &device);
}

#[test]
fn what_the_google_tools_wrote_is_read() {
    let rows = [
        ("goog-reserved-posix-mode", "644"),
        ("goog-reserved-posix-uid", "1"),
        ("goog-reserved-posix-gid", "2"),
        ("goog-reserved-file-mtime", "3"),
        ("goog-reserved-file-atime", "4"),
    ];
    let expected = Posix {
        mode: Some(0o644),
        uid: Some(1),
        gid: Some(2),
        mtime: Some(at(3, 0)),
        atime: Some(at(4, 0)),
        ..Posix::default()
    };
    check_read(&rows, &expected);
    let link = Posix { kind: Some(Kind::Symlink), ..Posix::default() };
    check_read(&[("goog-reserved-file-is-symlink", "true")], &link);
    check_read(&[("goog-reserved-file-is-symlink", "false")], &Posix::default());
}

#[test]
fn a_fraction_is_a_count_where_the_mode_is_in_decimal_and_a_fraction_elsewhere() {
    check_mtime(&[("mode", "33188"), ("mtime", "1.5")], Some(at(1, 5)));
    check_mtime(&[("mode", "100644"), ("mtime", "1.5")], Some(at(1, 500_000_000)));
    check_mtime(&[("mtime", "1.5")], Some(at(1, 500_000_000)));
    check_mtime(&[("mtime", "1.1234567899")], Some(at(1, 123_456_789)));
    check_mtime(&[("mtime", "1.")], Some(at(1, 0)));
}

#[test]
fn times_before_1970_are_read() {
    check_mtime(&[("mtime", "-1.25")], Some(at(-2, 750_000_000)));
    check_mtime(&[("mode", "33188"), ("mtime", "-2.5")], Some(at(-2, 5)));
    check_mtime(&[("file-mtime", "-1ns")], Some(at(-1, 999_999_999)));
    check_mtime(&[("file-mtime", "-1")], Some(at(-1, 999_000_000)));
    check_mtime(&[("goog-reserved-file-mtime", "-86400")], Some(at(-86_400, 0)));
}

#[test]
fn a_time_that_no_clock_shows_is_none() {
    let far = i128::MAX.to_string();
    check_mtime(&[("file-mtime", &far)], None);
    check_mtime(&[("file-mtime", &format!("{far}ns"))], None);
    check_mtime(&[("mtime", &u64::MAX.to_string())], None);
    check_mtime(&[("mtime", &format!("-{}", u64::MAX))], None);
    check_mtime(&[("mtime", &i64::MAX.to_string())], Some(at(i64::MAX, 0)));
}

#[test]
fn what_is_malformed_is_left_out() {
    for text in ["", " ", "-", ".", "1e9", "+5", "0x", "ns", "NaN", "1.2.3", "1.-5", "٣", "Today"]
    {
        check_mtime(&[("mtime", text)], None);
        check_mtime(&[("goog-reserved-file-mtime", text)], None);
    }
    for text in ["", "-", "ns", "1.5ns", "1 ns", "5s", "0x5ns"] {
        check_mtime(&[("file-mtime", text)], None);
    }
    for text in ["", "rw-r--r--", "-644", "+644", "8", "0170000", "0x", "4294967296", "100000644"] {
        check_mode("mode", text, None, None);
        check_mode("file-permissions", text, None, None);
    }
    for text in ["", "root", "-1", "1.0", "4294967295", "4294967296"] {
        check_read(&[("uid", text), ("file-group", text), ("rdev", "x")], &Posix::default());
    }
}

#[test]
fn aws_goes_before_the_plain_names_and_those_before_googles() {
    let rows = [
        ("file-permissions", "0100600"),
        ("mode", "16877"),
        ("file-owner", "malformed"),
        ("uid", "2"),
        ("goog-reserved-posix-uid", "3"),
        ("goog-reserved-posix-gid", "3"),
    ];
    let expected = Posix {
        kind: Some(Kind::File),
        mode: Some(0o600),
        uid: Some(2),
        gid: Some(3),
        ..Posix::default()
    };
    check_read(&rows, &expected);
}

fn full() -> Posix {
    Posix {
        kind: Some(Kind::CharDevice),
        mode: Some(0o660),
        uid: Some(1),
        gid: Some(2),
        mtime: Some(at(3, 4)),
        atime: Some(at(5, 600_000_000)),
        ctime: Some(at(7, 0)),
        device: Some(0x103),
        user: Metadata::new(),
    }
}

#[track_caller]
fn check_written(dialect: Dialect, expected: &[(&str, &str)]) {
    let mut rows = metadata(&[("mode", "stale"), ("colour", "red"), ("file-owner", "7")]);
    write(&full(), dialect, &mut rows);
    let mut expected = metadata(expected);
    expected.insert("colour".to_owned(), "red".to_owned());
    assert_eq!(rows, expected);
}

#[test]
fn aws_spelling() {
    check_written(
        Dialect::Aws,
        &[
            ("file-permissions", "0020660"),
            ("file-owner", "1"),
            ("file-group", "2"),
            ("file-mtime", "3000000004ns"),
            ("file-atime", "5600000000ns"),
            ("file-ctime", "7000000000ns"),
            ("file-rdev", "259"),
        ],
    );
}

#[test]
fn s3fs_spelling() {
    check_written(
        Dialect::S3fs,
        &[
            ("mode", "8624"),
            ("uid", "1"),
            ("gid", "2"),
            ("mtime", "3.000000004"),
            ("atime", "5.600000000"),
            ("ctime", "7"),
            ("rdev", "259"),
        ],
    );
}

#[test]
fn rclone_spelling() {
    check_written(
        Dialect::Rclone,
        &[
            ("mode", "0020660"),
            ("uid", "1"),
            ("gid", "2"),
            ("mtime", "3.000000004"),
            ("atime", "1970-01-01T00:00:05.6Z"),
            ("rdev", "103"),
        ],
    );
}

#[test]
fn without_a_dialect_nothing_is_touched() {
    let before = metadata(&[("mode", "stale"), ("file-owner", "7"), ("--symlink-target", "a")]);
    let mut after = before.clone();
    write(&full(), Dialect::None, &mut after);
    assert_eq!(after, before);
}

#[test]
fn a_target_in_the_metadata_stays_with_its_link() {
    let target = metadata(&[("--symlink-target", "a")]);
    let after = |kind| {
        let mut rows = target.clone();
        write(&Posix { kind, ..Posix::default() }, Dialect::Aws, &mut rows);
        symlink_target(&rows)
    };
    assert_eq!(after(Some(Kind::Symlink)).as_deref(), Some("a"));
    assert_eq!(after(None).as_deref(), Some("a"));
    assert_eq!(after(Some(Kind::File)), None);
}

#[test]
fn every_dialect_has_its_name() {
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::named(dialect.as_str()), Some(dialect));
    }
    assert_eq!(Dialect::named("AWS"), None);
    assert_eq!(Dialect::default(), Dialect::Aws);
}

fn times() -> impl Strategy<Value = SystemTime> {
    let seconds = prop_oneof![
        0..4_000_000_000_i64,
        -4_000_000_000..0_i64,
        -(1_i64 << 62)..(1_i64 << 62),
        Just(0),
        Just(-1),
    ];
    let nanoseconds = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (seconds, nanoseconds).prop_map(|(seconds, nanoseconds)| at(seconds, nanoseconds))
}

fn posixes() -> impl Strategy<Value = Posix> {
    let kinds = prop_oneof![
        Just(Kind::File),
        Just(Kind::Directory),
        Just(Kind::Symlink),
        Just(Kind::Fifo),
        Just(Kind::Socket),
        Just(Kind::CharDevice),
        Just(Kind::BlockDevice),
    ];
    let ids = || option::of(0..u32::MAX);
    let modes = option::of(0..=0o7777_u32);
    let times = || option::of(times());
    let rest = (ids(), ids(), times(), times(), times(), option::of(any::<u64>()));
    (option::of(kinds), modes, rest).prop_map(
        |(kind, mode, (uid, gid, mtime, atime, ctime, device))| Posix {
            kind,
            mode,
            uid,
            gid,
            mtime,
            atime,
            ctime,
            device,
            user: Metadata::new(),
        },
    )
}

/// What is left of a file in a dialect, by the words of [`write`]'s documentation.
fn held(mut posix: Posix, dialect: Dialect) -> Posix {
    match (posix.kind, posix.mode) {
        (Some(Kind::File | Kind::Directory), None) => posix.kind = None,
        (Some(Kind::Symlink), None) => posix.mode = Some(0o777),
        (Some(_), None) => posix.mode = Some(0o600),
        (None, Some(_)) if dialect == Dialect::S3fs => posix.kind = Some(Kind::File),
        _ => {}
    }
    if !matches!(posix.kind, Some(Kind::CharDevice | Kind::BlockDevice)) {
        posix.device = None;
    }
    let keeps_special_bits = matches!(posix.kind, None | Some(Kind::File | Kind::Directory));
    if dialect == Dialect::S3fs {
        if !keeps_special_bits {
            posix.mode = posix.mode.map(|mode| mode & 0o777);
        }
        for time in [&mut posix.mtime, &mut posix.atime, &mut posix.ctime].into_iter().flatten() {
            if let Err(before) = time.duration_since(UNIX_EPOCH) {
                let seconds = before.duration().as_nanos().div_ceil(1_000_000_000);
                *time = UNIX_EPOCH - Duration::from_secs(u64::try_from(seconds).unwrap());
            }
        }
    }
    if dialect == Dialect::Rclone {
        posix.ctime = None;
    }
    posix
}

fn arbitrary_metadata() -> impl Strategy<Value = Metadata> {
    let names = proptest::sample::select(NAMES).prop_map(str::to_owned);
    let names = prop_oneof![9 => names, 1 => Just(SYMLINK_TARGET.to_owned())];
    let values = prop_oneof![
        any::<String>(),
        "[-+]?[0-9]{0,25}[.]?[0-9]{0,12}(ns|ms)?",
        "[-+]?0?x?[0-9a-f]{0,9}",
        "[-+]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.]?[0-9]{0,12}Z",
    ];
    btree_map(names, values, 0..12)
}

proptest! {
    #[test]
    fn whatever_stands_there_is_read_or_left_out(rows in arbitrary_metadata()) {
        let posix = read(&rows);
        prop_assert!(posix.mode.is_none_or(|mode| mode <= 0o7777));
        let target = symlink_target(&rows);
        prop_assert!(target.is_none() || posix.kind == Some(Kind::Symlink));
    }

    #[test]
    fn what_is_written_is_read_again(
        posix in posixes(),
        dialect in proptest::sample::select(&[Dialect::Aws, Dialect::S3fs, Dialect::Rclone][..]),
        mut rows in arbitrary_metadata(),
    ) {
        rows.remove(SYMLINK_TARGET);
        write(&posix, dialect, &mut rows);
        prop_assert_eq!(read(&rows), held(posix, dialect));
    }

    #[test]
    fn what_is_written_stands_under_names_that_are_hidden(posix in posixes()) {
        for dialect in Dialect::ALL {
            let mut rows = Metadata::new();
            write(&posix, dialect, &mut rows);
            prop_assert!(rows.keys().all(|name| NAMES.contains(&name.as_str())));
        }
    }
}
