//! Reading and changing an attribute: over the mount's control socket, else through the kernel.
//!
//! The socket answers whoever mounted, and root. Others who may enter the mount have what the
//! kernel carries: values up to 64 KiB, none of symbolic links, and no words of S3's.

use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{XattrFlags, lgetxattr, lremovexattr, lsetxattr};
use rustix::io::Errno;

use crate::cli::attributes::target::Target;
use crate::cli::control::client::{self, NoAnswer};
use crate::cli::control::protocol::{Act, Octets, Request, Response};

/// `XATTR_SIZE_MAX`.
const KERNEL_BYTES_MAX: usize = 64 << 10;

/// The value of an attribute.
pub async fn get(target: &Target, name: &[u8]) -> anyhow::Result<Vec<u8>> {
    match perform(target, Act::Get { name: octets(name) }).await? {
        Response::Value(value) => Ok(value.0),
        other => bail!("the mount's answer makes no sense: {other:?}"),
    }
}

pub async fn set(target: &Target, name: &[u8], value: &[u8]) -> anyhow::Result<()> {
    perform(target, Act::Set { name: octets(name), value: octets(value) }).await.map(drop)
}

pub async fn remove(target: &Target, name: &[u8]) -> anyhow::Result<()> {
    perform(target, Act::Remove { name: octets(name) }).await.map(drop)
}

fn octets(bytes: &[u8]) -> Octets {
    Octets(bytes.to_vec())
}

async fn perform(target: &Target, act: Act) -> anyhow::Result<Response> {
    let mount = &target.mount;
    let uid = rustix::process::geteuid().as_raw();
    let request = Request { path: Octets(target.below.clone()), act };
    if uid == 0 || uid == mount.owner_uid {
        match client::ask(&mount.socket, mount.owner_uid, &request).await {
            Ok(Response::Refused { message, .. }) => bail!(message),
            Ok(response) => return Ok(response),
            Err(NoAnswer::NoSocket) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let path = target.shown.clone();
    let answer = tokio::task::spawn_blocking(move || ask_kernel(&path, request.act)).await;
    answer.context("asking the kernel")?.map_err(|errno| explain(errno, &mount.mountpoint))
}

fn ask_kernel(path: &Path, act: Act) -> rustix::io::Result<Response> {
    match act {
        Act::Get { name } => {
            let mut value = vec![0; KERNEL_BYTES_MAX];
            let bytes = lgetxattr(path, name.0, value.as_mut_slice())?;
            value.truncate(bytes);
            Ok(Response::Value(Octets(value)))
        }
        Act::Set { name, value } => {
            lsetxattr(path, name.0, &value.0, XattrFlags::empty())?;
            Ok(Response::Done)
        }
        Act::Remove { name } => {
            lremovexattr(path, name.0)?;
            Ok(Response::Done)
        }
    }
}

/// What the kernel's refusal means to whoever typed the command.
fn explain(errno: Errno, mountpoint: &Path) -> anyhow::Error {
    let place = mountpoint.display();
    anyhow::Error::msg(match errno {
        Errno::NODATA => "no such attribute".to_owned(),
        Errno::TOOBIG | Errno::RANGE => {
            "the kernel carries no more than 64 KiB; whoever mounted it gets any value".to_owned()
        }
        Errno::NOTCONN => {
            format!("the daemon of {place} has died; pailfs umount {place} clears it away")
        }
        other => std::io::Error::from(other).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_explained(errno: Errno, expected: &str) {
        assert_eq!(explain(errno, Path::new("/mnt")).to_string(), expected);
    }

    #[test]
    fn what_the_kernel_refuses_is_explained() {
        check_explained(Errno::NODATA, "no such attribute");
        check_explained(
            Errno::TOOBIG,
            "the kernel carries no more than 64 KiB; whoever mounted it gets any value",
        );
        check_explained(
            Errno::NOTCONN,
            "the daemon of /mnt has died; pailfs umount /mnt clears it away",
        );
        check_explained(Errno::ROFS, "Read-only file system (os error 30)");
    }
}
