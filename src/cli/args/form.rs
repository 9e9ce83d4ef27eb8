//! The forms in which mount(8) calls a file system, made into the one that users type.
//!
//! `mount -t fuse.pailfs` calls `pailfs SOURCE DIR -o ...` by way of `mount.fuse`, and
//! `mount -t pailfs` calls `mount.pailfs SOURCE DIR [-sfnv] [-N NAMESPACE] [-o ...] [-t TYPE]`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::cli::args::COMMANDS;

/// Under these names the program is a mount helper.
const HELPER_NAMES: &[&str] = &["mount.pailfs", "mount.fuse.pailfs"];

/// What the program answers without a command.
const WITHOUT_COMMAND: &[&str] = &["help", "-h", "--help", "-V", "--version"];

/// Arguments as clap is to read them.
#[derive(Debug, Eq, PartialEq)]
pub struct Form {
    pub arguments: Vec<OsString>,
    /// mount(8) wants to know whether it would work.
    pub is_fake: bool,
}

/// Plans how to read a command line, the program's own name first.
#[must_use]
pub fn plan_form(arguments: Vec<OsString>) -> Form {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default();
    if HELPER_NAMES.iter().any(|helper| name == *helper) {
        return plan_helper(program, arguments);
    }
    let mut rest: Vec<OsString> = arguments.collect();
    if rest.first().is_some_and(|first| !is_command(first)) {
        rest.insert(0, OsString::from("mount"));
    }
    rest.insert(0, program);
    Form { arguments: rest, is_fake: false }
}

fn is_command(word: &OsStr) -> bool {
    COMMANDS.iter().any(|row| word == row.name)
        || WITHOUT_COMMAND.iter().any(|known| word == *known)
}

fn plan_helper(program: OsString, words: impl Iterator<Item = OsString>) -> Form {
    let mut form = Form { arguments: vec![program, OsString::from("mount")], is_fake: false };
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word.to_str() {
            // A type and a name space are mount(8)'s own business.
            Some("-t" | "-N") => drop(words.next()),
            Some("-o") => {
                form.arguments.push(word);
                form.arguments.extend(words.next());
            }
            Some(flags) if is_helper_flags(flags) => form.is_fake |= flags.contains('f'),
            _ => form.arguments.push(word),
        }
    }
    form
}

/// Sloppy, fake, not in mtab, verbose.
fn is_helper_flags(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    !letters.is_empty() && letters.chars().all(|letter| "sfnv".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: &str, is_fake: bool) {
        let form = plan_form(typed.split(' ').map(OsString::from).collect());
        let found: Vec<_> = form.arguments.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(found.join(" "), expected);
        assert_eq!(form.is_fake, is_fake);
    }

    #[test]
    fn a_source_without_a_command_is_mounted() {
        check("pailfs b /mnt -o rw,dev", "pailfs mount b /mnt -o rw,dev", false);
        check("pailfs -o ro b /mnt", "pailfs mount -o ro b /mnt", false);
        check("pailfs / /mnt", "pailfs mount / /mnt", false);
    }

    #[test]
    fn a_command_stays_what_it_is() {
        for line in [
            "pailfs umount /mnt",
            "pailfs --help",
            "pailfs -V",
            "pailfs",
            "pailfs help",
            "pailfs get acl /mnt/f",
        ] {
            check(line, line, false);
        }
    }

    #[test]
    fn a_helper_s_own_flags_are_not_ours() {
        check("/sbin/mount.pailfs b /mnt -o rw", "/sbin/mount.pailfs mount b /mnt -o rw", false);
        check(
            "mount.pailfs b /mnt -sn -N /proc/1/ns -t pailfs -o ro",
            "mount.pailfs mount b /mnt -o ro",
            false,
        );
        check("mount.fuse.pailfs b /mnt -fv", "mount.fuse.pailfs mount b /mnt", true);
    }
}
