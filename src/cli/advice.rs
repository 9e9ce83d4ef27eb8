//! What went wrong with a mount, and what to do about it, for a person.
//!
//! Pure, and the only place that gives advice: what failed, the words of whoever refused, and
//! below them what usually helps.

use std::io;
use std::path::Path;

use crate::cli::mountpoint::MountpointError;
use crate::cli::source;
use crate::mount::attach::AttachError;
use crate::mount::session::MountError;
use crate::store::error::{ErrorKind, StoreError};
use crate::vfs::error::VfsError;
use crate::vfs::types::Source;

/// A mount that was tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub source: &'a Source,
    pub mountpoint: &'a Path,
    /// As it was given; `None` is AWS, or what the profile says.
    pub endpoint: Option<&'a str>,
}

/// What failed and what helps.
struct Advice {
    what: String,
    hint: Option<String>,
}

impl Attempt<'_> {
    /// The server, or what should have led to it, failed.
    #[must_use]
    pub fn store_failed(&self, error: &StoreError) -> String {
        self.say(self.about_store(error))
    }

    /// The check of the source failed.
    #[must_use]
    pub fn check_failed(&self, error: &VfsError) -> String {
        self.say(match error {
            VfsError::Store(error) => self.about_store(error),
            VfsError::NotFound => self.no_bucket("no such bucket".to_owned()),
            VfsError::NotDirectory => Advice {
                what: "this is an object, not a prefix".to_owned(),
                hint: Some("mount the prefix that it is in".to_owned()),
            },
            other => Advice { what: other.to_string(), hint: None },
        })
    }

    /// The directory will not do.
    #[must_use]
    pub fn mountpoint_failed(&self, error: &MountpointError) -> String {
        let place = self.mountpoint.display();
        let hint = match error {
            MountpointError::Missing => Some(format!("mkdir -p {place}")),
            MountpointError::Mounted(_) => Some(format!("unmount it first: pailfs umount {place}")),
            MountpointError::DeadStranger(_) => {
                Some(format!("unmount it first: umount -l {place}"))
            }
            MountpointError::Stuck(_) => Some(format!("as root: umount -l {place}")),
            MountpointError::NotDirectory | MountpointError::Other(_) => None,
        };
        self.say(Advice { what: error.to_string(), hint })
    }

    /// The kernel, or who asks it for us, refused.
    #[must_use]
    pub fn mount_failed(&self, error: &MountError) -> String {
        let hint = match error {
            MountError::Attach(AttachError::NoDevice) => Some(
                "load the kernel's FUSE: modprobe fuse; in a container, pass --device /dev/fuse",
            ),
            MountError::Attach(AttachError::NoHelper) => {
                Some("users other than root need it: install the package fuse3")
            }
            MountError::Attach(AttachError::Helper(words))
                if words.contains("user_allow_other") =>
            {
                Some("add the line user_allow_other to /etc/fuse.conf, or leave out --allow-other")
            }
            MountError::Attach(AttachError::System { error, .. })
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("in a container, mounting takes --cap-add SYS_ADMIN")
            }
            MountError::Attach(AttachError::Helper(_) | AttachError::System { .. })
            | MountError::Session { .. } => None,
        };
        self.say(Advice { what: error.to_string(), hint: hint.map(str::to_owned) })
    }

    fn about_store(&self, error: &StoreError) -> Advice {
        let with = |what: &str, hint: String| Advice {
            what: format!("{what} ({error})"),
            hint: Some(hint),
        };
        if let Some(advice) = about_settings(error) {
            return advice;
        }
        match error.kind {
            ErrorKind::NotFound => self.no_bucket(format!("no such bucket ({error})")),
            ErrorKind::Forbidden => with(
                "access denied",
                "check the credentials (--profile, --access-key-file, AWS_ACCESS_KEY_ID), and that \
                 they may list the bucket; --no-check mounts without asking"
                    .to_owned(),
            ),
            ErrorKind::Unavailable | ErrorKind::Timeout => {
                with(&format!("no answer from {}", self.server()), self.about_address())
            }
            ErrorKind::Throttled => {
                with("the server is busy", "try again, or give it longer: --timeout".to_owned())
            }
            ErrorKind::Invalid => with(
                "the server does not understand the request",
                "check --endpoint-url, --region and --addressing".to_owned(),
            ),
            ErrorKind::Exists
            | ErrorKind::NotEmpty
            | ErrorKind::Precondition
            | ErrorKind::Conflict
            | ErrorKind::Archived
            | ErrorKind::Range
            | ErrorKind::Unsupported
            | ErrorKind::Full
            | ErrorKind::Corrupt => Advice { what: error.to_string(), hint: None },
        }
    }

    /// Who is asked, as far as the command line says.
    #[must_use]
    pub fn server(&self) -> &str {
        self.endpoint.unwrap_or("S3")
    }

    fn about_address(&self) -> String {
        let place = match self.endpoint {
            Some(_) => "the address comes from --endpoint-url or AWS_ENDPOINT_URL",
            None => "another server than AWS is named by --endpoint-url or AWS_ENDPOINT_URL",
        };
        format!("check that it runs and can be reached from here; {place}")
    }

    fn no_bucket(&self, what: String) -> Advice {
        let endpoint =
            self.endpoint.map_or_else(String::new, |url| format!(" --endpoint-url {url}"));
        let hint =
            format!("check the name, or list what the credentials can see: aws s3 ls{endpoint}");
        Advice { what, hint: Some(hint) }
    }

    fn say(&self, advice: Advice) -> String {
        let source = source::name(self.source);
        let text =
            format!("cannot mount {source} on {}: {}", self.mountpoint.display(), advice.what);
        match advice.hint {
            Some(hint) => format!("{text}\n  {hint}"),
            None => text,
        }
    }
}

/// What is wrong on this side; the server was not even asked.
fn about_settings(error: &StoreError) -> Option<Advice> {
    let hint = match error.code.as_ref() {
        "InvalidKeyFile" => Some(
            "--access-key-file takes a line ACCESS:SECRET, or the form of ~/.aws/credentials, in a \
             file that only its owner can read",
        ),
        "NoCredentials" => Some(
            "the options are --profile, --access-key-file, and --no-sign-request for public buckets",
        ),
        "InvalidProfile" => Some("list those there are: aws configure list-profiles"),
        "InvalidEndpoint" | "InvalidCertificates" => None,
        _ => return None,
    };
    Some(Advice { what: error.message.clone(), hint: hint.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::Prefix { bucket: "nosuch".to_owned(), prefix: String::new() }
    }

    fn store_error(kind: ErrorKind, code: &'static str, message: &str) -> StoreError {
        StoreError::new(kind, code, message)
    }

    #[track_caller]
    fn check(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_missing_bucket_is_told_with_what_lists_those_there_are() {
        let source = source();
        let attempt = Attempt {
            source: &source,
            mountpoint: Path::new("/mnt"),
            endpoint: Some("http://h:1"),
        };
        let message = "The specified bucket does not exist";
        let error = store_error(ErrorKind::NotFound, "NoSuchBucket", message);
        assert_eq!(
            attempt.check_failed(&VfsError::Store(error)),
            "cannot mount s3://nosuch on /mnt: no such bucket \
             (NoSuchBucket: The specified bucket does not exist)\n  \
             check the name, or list what the credentials can see: \
             aws s3 ls --endpoint-url http://h:1"
        );
    }

    #[test]
    fn refusals_of_the_server_carry_its_words_and_a_way_on() {
        let source = source();
        let attempt = Attempt { source: &source, mountpoint: Path::new("/mnt"), endpoint: None };
        let said = |kind, code| attempt.store_failed(&store_error(kind, code, "its words"));
        check(
            &said(ErrorKind::Forbidden, "InvalidAccessKeyId"),
            &["access denied", "InvalidAccessKeyId: its words", "--profile", "--no-check"],
        );
        check(
            &said(ErrorKind::Unavailable, "ConnectionFailed"),
            &["no answer from S3", "its words", "--endpoint-url"],
        );
        check(&said(ErrorKind::Timeout, "Timeout"), &["no answer"]);
        check(&said(ErrorKind::Throttled, "SlowDown"), &["SlowDown", "--timeout"]);
        check(&said(ErrorKind::Invalid, "PermanentRedirect"), &["its words", "--region"]);
        check(&said(ErrorKind::Corrupt, "BadDigest"), &["BadDigest: its words"]);
    }

    #[test]
    fn what_is_wrong_on_this_side_is_not_blamed_on_the_server() {
        let source = source();
        let attempt = Attempt { source: &source, mountpoint: Path::new("/mnt"), endpoint: None };
        for (kind, code, helps) in [
            (ErrorKind::Forbidden, "InvalidKeyFile", "ACCESS:SECRET"),
            (ErrorKind::Forbidden, "NoCredentials", "--no-sign-request"),
            (ErrorKind::Invalid, "InvalidProfile", "list-profiles"),
            (ErrorKind::Invalid, "InvalidEndpoint", "its words"),
            (ErrorKind::Invalid, "InvalidCertificates", "its words"),
        ] {
            let said = attempt.store_failed(&store_error(kind, code, "its words"));
            check(&said, &["cannot mount s3://nosuch on /mnt: its words", helps]);
            for stray in ["access denied", "--no-check", "the server", "--addressing"] {
                assert!(!said.contains(stray), "{stray} is in: {said}");
            }
        }
    }

    #[test]
    fn a_directory_that_will_not_do_is_told_with_what_makes_it_do() {
        let source = source();
        let attempt = Attempt { source: &source, mountpoint: Path::new("/mnt/a"), endpoint: None };
        check(&attempt.mountpoint_failed(&MountpointError::Missing), &["mkdir -p /mnt/a"]);
        check(
            &attempt.mountpoint_failed(&MountpointError::Mounted("s3://b".to_owned())),
            &["s3://b is mounted there already", "pailfs umount /mnt/a"],
        );
        check(
            &attempt.mountpoint_failed(&MountpointError::DeadStranger("fuse.x".to_owned())),
            &["fuse.x", "umount -l /mnt/a"],
        );
        check(&attempt.mountpoint_failed(&MountpointError::NotDirectory), &["not a directory"]);
    }

    #[test]
    fn a_kernel_that_refuses_is_told_with_what_makes_it_agree() {
        let source = source();
        let attempt = Attempt { source: &source, mountpoint: Path::new("/mnt"), endpoint: None };
        let said = |error: AttachError| attempt.mount_failed(&MountError::Attach(error));
        check(&said(AttachError::NoDevice), &["/dev/fuse", "modprobe fuse"]);
        check(&said(AttachError::NoHelper), &["fusermount3", "fuse3"]);
        let words = "option allow_other only allowed if 'user_allow_other' is set";
        check(&said(AttachError::Helper(words.to_owned())), &[words, "/etc/fuse.conf"]);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        check(&said(AttachError::System { call: "mount", error: denied }), &["SYS_ADMIN"]);
    }
}
