//! POSIX attributes: how an object's user metadata says mode, owner, times and kind of a file.
//!
//! Several programs keep these beside objects, each with names and spellings of its own: a
//! [`Dialect`]. All of them are read, whatever the mount writes; writing removes all of them, so
//! that an object never says two things. Everything here is pure. What a file is that carries
//! none of this, and when to ask for it, is left to others.
//!
//! Where an object carries several dialects, because another tool changed it after we did or
//! before, each attribute is taken from the first that has it in a form that can be read: AWS's,
//! then the plain names (`mode`, `uid`, `mtime`, ...) that s3fs, rclone and geesefs share, then
//! those of the Google tools. AWS's are first since only programs that mean a file system write
//! them, while a plain name may be anybody's.

mod mode;
mod time;

use std::collections::BTreeMap;
use std::time::SystemTime;

use percent_encoding::percent_decode_str;

use crate::vfs::types::Kind;

/// User metadata of an object: lower-case names without `x-amz-meta-`.
pub type Metadata = BTreeMap<String, String>;

/// What an object says of itself as a file; `None` where it says nothing that can be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Posix {
    pub kind: Option<Kind>,
    /// Permission bits alone (`0o7777`).
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<SystemTime>,
    pub atime: Option<SystemTime>,
    pub ctime: Option<SystemTime>,
    /// The device that a device node stands for, as `st_rdev` has it.
    pub device: Option<u64>,
    /// All other metadata, as they stand there.
    pub user: Metadata,
}

/// Whose names and spellings a mount writes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// S3 Files, FSx and DataSync: `file-permissions`, `file-owner`, ...
    #[default]
    Aws,
    /// `mode` in decimal, `uid`, `gid`, times in seconds.
    S3fs,
    /// `mode` in octal, `uid`, `gid`, times in seconds. Has no `ctime`.
    Rclone,
    /// Attributes are neither asked for nor written.
    None,
}

/// geesefs' symbolic links: the target stands here, and the body is empty.
const SYMLINK_TARGET: &str = "--symlink-target";

/// The names of all dialects, but for [`SYMLINK_TARGET`].
const NAMES: &[&str] = &[
    "file-permissions",
    "file-owner",
    "file-group",
    "file-mtime",
    "file-atime",
    "file-ctime",
    "file-rdev",
    "mode",
    "uid",
    "gid",
    "mtime",
    "atime",
    "ctime",
    "rdev",
    "goog-reserved-posix-mode",
    "goog-reserved-posix-uid",
    "goog-reserved-posix-gid",
    "goog-reserved-file-mtime",
    "goog-reserved-file-atime",
    "goog-reserved-file-is-symlink",
];

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::Aws, Self::S3fs, Self::Rclone, Self::None];

    /// The dialect of a name; `None` if there is none of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::S3fs => "s3fs",
            Self::Rclone => "rclone",
            Self::None => "none",
        }
    }
}

/// Whether metadata of this name are about owner, mode, times or kind in any dialect.
#[must_use]
pub fn is_posix_key(name: &str) -> bool {
    NAMES.contains(&name) || name == SYMLINK_TARGET
}

/// What the metadata of an object says, in whatever dialects. What can't be read is left out.
#[must_use]
pub fn read(metadata: &Metadata) -> Posix {
    let user = metadata.iter().filter(|(name, _)| !is_posix_key(name));
    let user = user.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut posix = read_aws(metadata).or(&read_plain(metadata)).or(&read_google(metadata));
    if metadata.contains_key(SYMLINK_TARGET) {
        posix.kind = Some(Kind::Symlink);
    }
    Posix { user, ..posix }
}

/// Has the metadata say `posix` in `dialect` and nothing in any other; what is `None` is left
/// out, and what is none of its business stays. [`Dialect::None`] changes nothing.
///
/// A few things can't be said. No dialect has the kind of a file or a directory without its mode,
/// or the device of what is no device node; s3fs' has no mode without a kind, and takes it for a
/// file's. The target in geesefs' header stays as long as `posix` isn't said to be anything else
/// but a link: it is nowhere else.
pub fn write(posix: &Posix, dialect: Dialect, metadata: &mut Metadata) {
    if dialect == Dialect::None {
        return;
    }
    metadata.retain(|name, _| !NAMES.contains(&name.as_str()));
    if posix.kind.is_some_and(|kind| kind != Kind::Symlink) {
        metadata.remove(SYMLINK_TARGET);
    }
    let rows = match dialect {
        Dialect::Aws => aws_rows(posix),
        Dialect::S3fs => s3fs_rows(posix),
        Dialect::Rclone => rclone_rows(posix),
        Dialect::None => return,
    };
    let said = rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    metadata.extend(said);
}

/// Where a symbolic link points to if its metadata says so, as geesefs' does. Everybody else
/// keeps the target as the object's body.
#[must_use]
pub fn symlink_target(metadata: &Metadata) -> Option<String> {
    let target = percent_decode_str(metadata.get(SYMLINK_TARGET)?).decode_utf8().ok()?;
    Some(target.into_owned())
}

impl Posix {
    /// Each attribute, or the other's where there is none. A kind goes with its mode.
    fn or(self, other: &Self) -> Self {
        let (kind, mode) = match (self.kind, self.mode) {
            (None, None) => (other.kind, other.mode),
            (kind, mode) => (kind, mode),
        };
        Self {
            kind,
            mode,
            uid: self.uid.or(other.uid),
            gid: self.gid.or(other.gid),
            mtime: self.mtime.or(other.mtime),
            atime: self.atime.or(other.atime),
            ctime: self.ctime.or(other.ctime),
            device: self.device.or(other.device),
            user: self.user,
        }
    }
}

fn read_aws(metadata: &Metadata) -> Posix {
    let text = |name| metadata.get(name).map(String::as_str);
    let mode = text("file-permissions").and_then(mode::read_octal).unwrap_or_default();
    Posix {
        kind: mode.kind,
        mode: mode.permissions,
        uid: text("file-owner").and_then(read_id),
        gid: text("file-group").and_then(read_id),
        mtime: text("file-mtime").and_then(time::read_unit),
        atime: text("file-atime").and_then(time::read_unit),
        ctime: text("file-ctime").and_then(time::read_unit),
        device: text("file-rdev").and_then(|text| text.parse().ok()),
        user: Metadata::new(),
    }
}

/// The names that several share. s3fs' and geesefs' objects are told from rclone's by their mode,
/// which is in decimal: only there is a fraction a count of nanoseconds and a device a decimal.
fn read_plain(metadata: &Metadata) -> Posix {
    let text = |name| metadata.get(name).map(String::as_str);
    let (mode, base) = text("mode").and_then(mode::read_plain).unwrap_or_default();
    let fraction = match base {
        mode::Base::Ten => time::Fraction::Nanoseconds,
        mode::Base::Eight => time::Fraction::Decimal,
    };
    let seconds = |name| text(name).and_then(|text| time::read_seconds(text, fraction));
    Posix {
        kind: mode.kind,
        mode: mode.permissions,
        uid: text("uid").and_then(read_id),
        gid: text("gid").and_then(read_id),
        mtime: seconds("mtime"),
        atime: seconds("atime"),
        ctime: seconds("ctime"),
        device: text("rdev").and_then(|text| match base {
            mode::Base::Ten => text.parse().ok(),
            mode::Base::Eight => u64::from_str_radix(text, 16).ok(),
        }),
        user: Metadata::new(),
    }
}

fn read_google(metadata: &Metadata) -> Posix {
    let text = |name| metadata.get(name).map(String::as_str);
    let mode = text("goog-reserved-posix-mode").and_then(mode::read_octal).unwrap_or_default();
    let is_symlink = text("goog-reserved-file-is-symlink") == Some("true");
    let seconds =
        |name| text(name).and_then(|text| time::read_seconds(text, time::Fraction::Decimal));
    Posix {
        kind: is_symlink.then_some(Kind::Symlink).or(mode.kind),
        mode: mode.permissions,
        uid: text("goog-reserved-posix-uid").and_then(read_id),
        gid: text("goog-reserved-posix-gid").and_then(read_id),
        mtime: seconds("goog-reserved-file-mtime"),
        atime: seconds("goog-reserved-file-atime"),
        ctime: None,
        device: None,
        user: Metadata::new(),
    }
}

/// A user's or a group's number. The largest is how `chown` says "as it is".
fn read_id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

/// Only a device node stands for a device.
fn device_of(posix: &Posix) -> Option<u64> {
    let is_node = matches!(posix.kind, Some(Kind::CharDevice | Kind::BlockDevice));
    posix.device.filter(|_| is_node)
}

/// Names of a dialect, each with what it is to say.
type Rows = Vec<(&'static str, Option<String>)>;

fn aws_rows(posix: &Posix) -> Rows {
    vec![
        ("file-permissions", mode::of(posix).map(mode::octal)),
        ("file-owner", posix.uid.map(|id| id.to_string())),
        ("file-group", posix.gid.map(|id| id.to_string())),
        ("file-mtime", posix.mtime.map(time::nanoseconds)),
        ("file-atime", posix.atime.map(time::nanoseconds)),
        ("file-ctime", posix.ctime.map(time::nanoseconds)),
        ("file-rdev", device_of(posix).map(|device| device.to_string())),
    ]
}

fn s3fs_rows(posix: &Posix) -> Rows {
    vec![
        ("mode", mode::of(posix).map(mode::decimal)),
        ("uid", posix.uid.map(|id| id.to_string())),
        ("gid", posix.gid.map(|id| id.to_string())),
        ("mtime", posix.mtime.map(time::floor_seconds)),
        ("atime", posix.atime.map(time::floor_seconds)),
        ("ctime", posix.ctime.map(time::floor_seconds)),
        ("rdev", device_of(posix).map(|device| device.to_string())),
    ]
}

fn rclone_rows(posix: &Posix) -> Rows {
    vec![
        ("mode", mode::of(posix).map(mode::octal)),
        ("uid", posix.uid.map(|id| id.to_string())),
        ("gid", posix.gid.map(|id| id.to_string())),
        ("mtime", posix.mtime.map(time::decimal_seconds)),
        ("atime", posix.atime.map(time::rfc3339)),
        ("rdev", device_of(posix).map(|device| format!("{device:x}"))),
    ]
}

#[cfg(test)]
mod tests;
