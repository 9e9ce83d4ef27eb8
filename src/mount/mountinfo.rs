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

fn entries(text: &[u8]) -> impl Iterator<Item = MountEntry> {
    text.split(|byte| *byte == b'\n').filter_map(parse)
}

/// Reads a line of proc_pid_mountinfo(5):
/// `36 35 98:0 /root /mountpoint options optional... - fstype source super-options`.
fn parse(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = text(fields.nth(2)?);
    let mountpoint = PathBuf::from(OsString::from_vec(unescape(fields.nth(1)?)));
    fields.find(|field| *field == b"-")?;
    let fstype = text(fields.next()?);
    let source = text(fields.next()?);
    let user_id = text(fields.next()?)
        .split(',')
        .find_map(|option| option.strip_prefix("user_id=")?.parse().ok());
    Some(MountEntry { device, mountpoint, fstype, source, user_id })
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
";

    #[test]
    fn a_line_tells_device_place_kind_source_and_owner() {
        let found: Vec<_> = entries(TEXT).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[1],
            MountEntry {
                device: "0:51".to_owned(),
                mountpoint: PathBuf::from("/mnt/a b"),
                fstype: FSTYPE.to_owned(),
                source: "s3://b/p,q/".to_owned(),
                user_id: Some(1000),
            }
        );
        assert_eq!(found[0].user_id, None);
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
