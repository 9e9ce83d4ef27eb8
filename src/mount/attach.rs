//! Attaching `/dev/fuse` to a directory, and taking it off again.
//!
//! Root calls `mount(2)` and `umount2(2)`; everybody else asks `fusermount3`, which is setuid
//! root and hands the opened device back over a socket. What runs on the device is
//! [`crate::mount::session`]'s business.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, UnmountFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use crate::mount::mountinfo::FSTYPE;
use crate::mount::session::MountOptions;

const DEVICE: &str = "/dev/fuse";
const HELPER: &str = "fusermount3";
/// Where the helper finds the number of the socket to send the device over.
const HELPER_SOCKET_VARIABLE: &str = "_FUSE_COMMFD";
const FILE_TYPE_BITS: u32 = 0o170_000;

/// Why a directory could not be attached or detached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("this machine has no /dev/fuse")]
    NoDevice,
    #[error("fusermount3 is not installed")]
    NoHelper,
    /// The helper's own words.
    #[error("{0}")]
    Helper(String),
    #[error("{call}: {error}")]
    System { call: &'static str, error: io::Error },
}

/// Whether a mount in use may be taken away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detach {
    /// Fails while a program has a file or directory of it open.
    IfIdle,
    /// From the namespace at once; programs keep what they have open.
    Lazy,
}

/// Mounts, and gives the device to answer the kernel's requests on.
pub fn attach(mountpoint: &Path, options: &MountOptions) -> Result<OwnedFd, AttachError> {
    if rustix::process::geteuid().is_root() {
        attach_by_system_call(mountpoint, options)
    } else {
        attach_by_helper(mountpoint, options)
    }
}

/// Unmounts.
pub fn detach(mountpoint: &Path, how: Detach) -> Result<(), AttachError> {
    if rustix::process::geteuid().is_root() {
        let flags = match how {
            Detach::IfIdle => UnmountFlags::NOFOLLOW,
            Detach::Lazy => UnmountFlags::NOFOLLOW | UnmountFlags::DETACH,
        };
        rustix::mount::unmount(mountpoint, flags).map_err(failed("umount"))
    } else {
        let mut helper = Command::new(HELPER);
        helper.arg("-u");
        if how == Detach::Lazy {
            helper.arg("-z");
        }
        run_helper(helper.arg("--").arg(mountpoint))
    }
}

fn failed<E: Into<io::Error>>(call: &'static str) -> impl FnOnce(E) -> AttachError {
    move |error| AttachError::System { call, error: error.into() }
}

fn attach_by_system_call(
    mountpoint: &Path,
    options: &MountOptions,
) -> Result<OwnedFd, AttachError> {
    let device = open_device()?;
    let mode = std::fs::metadata(mountpoint).map_err(failed("stat"))?.mode();
    let data = CString::new(plan_mount_data(device.as_raw_fd(), mode, options))
        .map_err(|error| failed("mount")(io::Error::from(error)))?;
    let flags = plan_mount_flags(options);
    rustix::mount::mount(&*options.source_name, mountpoint, FSTYPE, flags, data.as_c_str())
        .map_err(failed("mount"))?;
    Ok(device.into())
}

fn open_device() -> Result<File, AttachError> {
    OpenOptions::new().read(true).write(true).open(DEVICE).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AttachError::NoDevice,
        _ => failed("open /dev/fuse")(error),
    })
}

/// The options that the kernel's FUSE reads itself.
fn plan_mount_data(device: i32, mountpoint_mode: u32, options: &MountOptions) -> String {
    let root_mode = mountpoint_mode & FILE_TYPE_BITS;
    let user = rustix::process::getuid().as_raw();
    let group = rustix::process::getgid().as_raw();
    let mut data = format!("fd={device},rootmode={root_mode:o},user_id={user},group_id={group}");
    for word in fuse_words(options) {
        data.push(',');
        data.push_str(word);
    }
    data
}

fn fuse_words(options: &MountOptions) -> impl Iterator<Item = &'static str> {
    let words = [
        (options.allow_other, "allow_other"),
        (options.default_permissions, "default_permissions"),
    ];
    words.into_iter().filter_map(|(wanted, word)| wanted.then_some(word))
}

fn plan_mount_flags(options: &MountOptions) -> MountFlags {
    let mut flags = MountFlags::empty();
    flags.set(MountFlags::RDONLY, options.read_only);
    flags.set(MountFlags::NOEXEC, options.no_exec);
    flags.set(MountFlags::NOATIME, options.no_atime);
    flags.set(MountFlags::NOSUID, !options.allow_suid);
    flags.set(MountFlags::NODEV, !options.allow_devices);
    flags
}

fn attach_by_helper(mountpoint: &Path, options: &MountOptions) -> Result<OwnedFd, AttachError> {
    let (ours, helpers) = UnixStream::pair().map_err(failed("socketpair"))?;
    let mut helper = Command::new(HELPER);
    helper
        .args(["-o", &plan_helper_options(options), "--"])
        .arg(mountpoint)
        // A descriptor that a child is to inherit under its own number can't be had without
        // unsafe code; as its standard input it can.
        .env(HELPER_SOCKET_VARIABLE, "0")
        .stdin(OwnedFd::from(helpers));
    run_helper(&mut helper)?;
    // The command holds the other end of the socket, and would keep it open.
    drop(helper);
    receive_device(&ours)
}

/// `fusermount3` splits its options at commas, and takes a backslash before one for an escape.
fn plan_helper_options(options: &MountOptions) -> String {
    let name = options.source_name.replace('\\', "\\\\").replace(',', "\\,");
    let mut words = vec![format!("fsname={name}"), "subtype=pailfs".to_owned()];
    words.extend(fuse_words(options).map(str::to_owned));
    let flags =
        [(options.read_only, "ro"), (options.no_exec, "noexec"), (options.no_atime, "noatime")];
    words.extend(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word.to_owned()));
    words.join(",")
}

fn run_helper(helper: &mut Command) -> Result<(), AttachError> {
    let child = helper.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AttachError::NoHelper,
        _ => failed("fusermount3")(error),
    })?;
    let output = child.wait_with_output().map_err(failed("fusermount3"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(AttachError::Helper(words))
}

fn receive_device(socket: &UnixStream) -> Result<OwnedFd, AttachError> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut data = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(socket, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC)
        .map_err(failed("recvmsg"))?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.ok_or_else(|| AttachError::Helper("fusermount3 sent no device".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> MountOptions {
        MountOptions { source_name: "s3://b/p".to_owned(), ..MountOptions::default() }
    }

    #[test]
    fn set_user_ids_and_devices_of_a_bucket_mean_nothing_unless_asked_for() {
        assert_eq!(plan_mount_flags(&options()), MountFlags::NOSUID | MountFlags::NODEV);
        let trusting = MountOptions { allow_suid: true, allow_devices: true, ..options() };
        assert_eq!(plan_mount_flags(&trusting), MountFlags::empty());
        let careful = MountOptions { read_only: true, no_exec: true, no_atime: true, ..trusting };
        assert_eq!(
            plan_mount_flags(&careful),
            MountFlags::RDONLY | MountFlags::NOEXEC | MountFlags::NOATIME
        );
    }

    #[test]
    fn the_kernel_is_told_the_type_of_the_mountpoint_and_who_mounts() {
        let shared = MountOptions { allow_other: true, default_permissions: true, ..options() };
        let data = plan_mount_data(5, 0o040_755, &shared);
        assert!(data.starts_with("fd=5,rootmode=40000,user_id="), "{data}");
        assert!(data.ends_with(",allow_other,default_permissions"), "{data}");
        let private = MountOptions { default_permissions: false, ..options() };
        assert!(!plan_mount_data(5, 0o040_755, &private).contains("allow_other"));
        assert!(!plan_mount_data(5, 0o040_755, &private).contains("default_permissions"));
    }

    #[test]
    fn a_comma_in_a_source_does_not_end_the_option() {
        let odd = MountOptions {
            source_name: "s3://b/a,b\\c/".to_owned(),
            read_only: true,
            default_permissions: false,
            ..options()
        };
        assert_eq!(plan_helper_options(&odd), "fsname=s3://b/a\\,b\\\\c/,subtype=pailfs,ro");
    }
}
