//! What is mounted where, as `/proc/self/mountinfo` says it.
//!
//! The only way to learn about a mount without asking the mount itself: `stat` of a mount whose
//! daemon is busy, or is this process, may wait for ever.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The file system type of our mounts.
pub const FSTYPE: &str = "fuse.pailfs";

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MountEntry {
    /// `major:minor`; of a mount that is gone, soon somebody else's.
    pub device: String,
    /// What of the file system is seen at the mountpoint: `/`, or the directory of a bind mount.
    pub root: PathBuf,
    pub mountpoint: PathBuf,
    pub fstype: String,
    pub source: String,
    /// Who mounted it, for a FUSE file system.
    pub user_id: Option<u32>,
}

/// What is mounted at `mountpoint`: the topmost mount where there are several.
pub fn mounted_at(mountpoint: &Path) -> io::Result<Option<MountEntry>> {
    let text = std::fs::read(MOUNTINFO)?;
    Ok(entries(&text).filter(|entry| entry.mountpoint == mountpoint).last())
}

/// The mount that a path without symbolic links lies on; `device`, if it is known, says on which
/// of several.
pub fn holding(path: &Path, device: Option<&str>) -> io::Result<Option<MountEntry>> {
    Ok(plan_holding(&std::fs::read(MOUNTINFO)?, path, device))
}

/// The deepest mountpoint counts, and of several mounts there the topmost: the last.
fn plan_holding(text: &[u8], path: &Path, device: Option<&str>) -> Option<MountEntry> {
    let above = entries(text).filter(|entry| path.starts_with(&entry.mountpoint));
    let seen = above.filter(|entry| device.is_none_or(|device| entry.device == device));
    seen.max_by_key(|entry| entry.mountpoint.components().count())
}

fn entries(text: &[u8]) -> impl Iterator<Item = MountEntry> {
    text.split(|byte| *byte == b'\n').filter_map(parse)
}

/// Reads a line of proc_pid_mountinfo(5):
/// `36 35 98:0 /root /mountpoint options optional... - fstype source super-options`.
fn parse(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = text(fields.nth(2)?);
    let root = path(fields.next()?);
    let mountpoint = path(fields.next()?);
    fields.find(|field| *field == b"-")?;
    let fstype = text(fields.next()?);
    let source = text(fields.next()?);
    let user_id = text(fields.next()?)
        .split(',')
        .find_map(|option| option.strip_prefix("user_id=")?.parse().ok());
    Some(MountEntry { device, root, mountpoint, fstype, source, user_id })
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(field)))
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// Undoes the kernel's `\040` for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let escaped = if *first == b'\\' { octal(tail) } else { None };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
90 22 0:51 / /mnt/a\\040b rw,nosuid,nodev master:2 shared:7 - fuse.pailfs s3://b/p\\054q/ rw,user_id=1000,group_id=100
91 22 0:52 / /mnt/c rw - fuse.sshfs host: rw,user_id=0
92 90 0:53 /logs /mnt/a\\040b/logs rw - fuse.pailfs s3://c rw,user_id=0
93 91 0:54 / /mnt/c rw - fuse.pailfs s3://d rw,user_id=0
";

    #[test]
    fn a_line_tells_device_place_kind_source_and_owner() {
        let found: Vec<_> = entries(TEXT).collect();
        assert_eq!(found.len(), 5);
        assert_eq!(
            found[1],
            MountEntry {
                device: "0:51".to_owned(),
                root: PathBuf::from("/"),
                mountpoint: PathBuf::from("/mnt/a b"),
                fstype: FSTYPE.to_owned(),
                source: "s3://b/p,q/".to_owned(),
                user_id: Some(1000),
            }
        );
        assert_eq!(found[0].user_id, None);
    }

    #[track_caller]
    fn check_holding(path: &str, device: Option<&str>, expected: Option<&str>) {
        let found = plan_holding(TEXT, Path::new(path), device);
        assert_eq!(found.map(|entry| entry.source).as_deref(), expected, "{path}");
    }

    #[test]
    fn a_path_lies_on_the_deepest_mount_and_there_on_the_topmost() {
        check_holding("/mnt/a b/file", None, Some("s3://b/p,q/"));
        check_holding("/mnt/a b", None, Some("s3://b/p,q/"));
        check_holding("/mnt/a b/logs/file", None, Some("s3://c"));
        check_holding("/mnt/a beside", None, Some("/dev/root"));
        check_holding("/mnt/c/file", None, Some("s3://d"));
    }

    #[test]
    fn a_path_lies_on_the_mount_of_its_device() {
        check_holding("/mnt/a b/logs/file", Some("0:51"), Some("s3://b/p,q/"));
        check_holding("/mnt/c/file", Some("0:52"), Some("host:"));
        check_holding("/mnt/c/file", Some("0:99"), None);
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescape(b"a\\134b\\9"), b"a\\b\\9");
        assert_eq!(unescape(b"\\04"), b"\\04");
    }

    #[test]
    fn a_line_that_is_cut_off_is_no_mount() {
        assert_eq!(parse(b"22 1 254:0 / / rw"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn this_machine_has_a_root() {
        let root = mounted_at(Path::new("/")).unwrap().unwrap();
        assert_eq!(root.mountpoint, Path::new("/"));
    }
}
