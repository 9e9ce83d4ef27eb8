//! `-o`: options as mount(8) and fstab(5) spell them.
//!
//! A name is one of [`OPTIONS`](crate::cli::args::OPTIONS), or one that mount(8) passes to every
//! file system: those of the kernel are passed on, those of mount(8) itself are ignored by
//! name, and everything else is an error.

use crate::cli::args::{Typed, UsageError, Value, options_of};

/// What the kernel is to honour; `Default` is what FUSE file systems have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KernelWords {
    pub no_exec: bool,
    pub no_atime: bool,
    pub allow_suid: bool,
    pub allow_devices: bool,
}

/// What a word that every file system is given means here.
#[derive(Clone, Copy)]
enum Generic {
    /// Said to mount(8), or of no use to a file system of this kind.
    Ignored,
    /// Withdraws an earlier `ro`.
    ReadWrite,
    /// What `--permissions on` says.
    Permissions,
    Kernel(fn(&mut KernelWords)),
}

const GENERIC: &[(&str, Generic)] = &[
    ("rw", Generic::ReadWrite),
    ("default_permissions", Generic::Permissions),
    ("exec", Generic::Kernel(|words| words.no_exec = false)),
    ("noexec", Generic::Kernel(|words| words.no_exec = true)),
    ("suid", Generic::Kernel(|words| words.allow_suid = true)),
    ("nosuid", Generic::Kernel(|words| words.allow_suid = false)),
    ("dev", Generic::Kernel(|words| words.allow_devices = true)),
    ("nodev", Generic::Kernel(|words| words.allow_devices = false)),
    ("atime", Generic::Kernel(|words| words.no_atime = false)),
    ("noatime", Generic::Kernel(|words| words.no_atime = true)),
    ("defaults", Generic::Ignored),
    ("auto", Generic::Ignored),
    ("noauto", Generic::Ignored),
    ("user", Generic::Ignored),
    ("nouser", Generic::Ignored),
    ("users", Generic::Ignored),
    ("nousers", Generic::Ignored),
    ("owner", Generic::Ignored),
    ("group", Generic::Ignored),
    ("_netdev", Generic::Ignored),
    ("nofail", Generic::Ignored),
    ("relatime", Generic::Ignored),
    ("norelatime", Generic::Ignored),
    ("strictatime", Generic::Ignored),
    ("lazytime", Generic::Ignored),
    ("nodiratime", Generic::Ignored),
    ("diratime", Generic::Ignored),
    ("async", Generic::Ignored),
    ("silent", Generic::Ignored),
    ("loud", Generic::Ignored),
    ("comment", Generic::Ignored),
];

/// Comments for systemd and others.
const COMMENT_PREFIXES: &[&str] = &["x-", "X-"];

/// Reads one `-o` into what was typed.
pub fn read(text: &str, typed: &mut Typed) -> Result<(), UsageError> {
    for word in split(text).iter().filter(|word| !word.is_empty()) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        read_word(name, value, typed)?;
    }
    Ok(())
}

fn read_word(name: &str, value: Option<&str>, typed: &mut Typed) -> Result<(), UsageError> {
    if COMMENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(());
    }
    if let Some((_, generic)) = GENERIC.iter().find(|(known, _)| *known == name) {
        apply(*generic, typed);
        return Ok(());
    }
    let spelled = name.replace('-', "_");
    let row = options_of(typed.command).find(|row| row.mount_options().contains(&spelled));
    let option = format!("-o {name}");
    let Some(row) = row else {
        return Err(UsageError::new(option, "no such option; pailfs mount --help lists them"));
    };
    match (row.value, value) {
        (Value::None, Some(_)) => return Err(UsageError::new(option, "takes no value")),
        (Value::Named(what), None) => {
            return Err(UsageError::new(option, format!("needs a value: {name}={what}")));
        }
        (_, value) => typed.values.insert(row.long, value.unwrap_or_default().to_owned()),
    };
    Ok(())
}

fn apply(generic: Generic, typed: &mut Typed) {
    match generic {
        Generic::Ignored => {}
        Generic::ReadWrite => drop(typed.values.remove("read-only")),
        Generic::Permissions => {
            typed.values.insert("permissions", "on".to_owned());
        }
        Generic::Kernel(set) => set(&mut typed.kernel_words),
    }
}

/// Splits at commas that no backslash stands before.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let last = words.len() - 1;
        match character {
            '\\' if characters.peek() == Some(&',') => words[last].extend(characters.next()),
            ',' => words.push(String::new()),
            other => words[last].push(other),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_after_a_backslash_belongs_to_the_value() {
        assert_eq!(split("a,b=c\\,d,e\\f"), ["a", "b=c,d", "e\\f"]);
        assert_eq!(split(""), [""]);
    }
}
