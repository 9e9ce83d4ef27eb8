//! What can be typed: commands and options, as data.
//!
//! [`OPTIONS`] has one row for each option. Help, parsing, `-o` and the manual read the rows,
//! so that an option is added in one place. What a value means is `config`'s business.

pub mod form;
pub mod manual;
pub mod mount_options;

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches};

use crate::cli::args::mount_options::KernelWords;

/// The commands of the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommandName {
    Mount,
    Umount,
    Serve,
    Demo,
    Info,
    Get,
    Set,
    Unset,
}

/// What the table of commands says of one.
#[derive(Debug)]
pub struct CommandRow {
    pub command: CommandName,
    pub name: &'static str,
    pub about: &'static str,
    /// In order; all must be given.
    pub operands: &'static [Operand],
}

/// A word that stands by itself.
#[derive(Debug)]
pub struct Operand {
    pub name: &'static str,
    pub help: &'static str,
    pub count: Count,
}

/// How many words an operand takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Count {
    One,
    /// At least one; the last operand alone.
    Many,
}

const SOURCE: Operand = Operand::one(
    "SOURCE",
    "BUCKET, BUCKET/PREFIX, s3://BUCKET[/PREFIX], or / for every bucket of the account",
);
const MOUNTPOINT: Operand = Operand::one("MOUNTPOINT", "a directory");
const NAME: Operand = Operand::one(
    "NAME",
    "an attribute: user.NAME of the file's own, or one of S3's without its user.s3., such as acl",
);
const VALUE: Operand =
    Operand::one("VALUE", "the value; @FILE is what is in a file, - what comes on standard input");
const PATH: Operand = Operand {
    name: "PATH",
    help: "a file or directory of a mount; of a symbolic link the link itself",
    count: Count::Many,
};

impl Operand {
    const fn one(name: &'static str, help: &'static str) -> Self {
        Self { name, help, count: Count::One }
    }

    /// As usage shows it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.count {
            Count::One => self.name.to_owned(),
            Count::Many => format!("{}...", self.name),
        }
    }
}

/// Every command.
pub const COMMANDS: &[CommandRow] = &[
    CommandRow {
        command: CommandName::Mount,
        name: "mount",
        about: "Mount buckets on a directory",
        operands: &[SOURCE, MOUNTPOINT],
    },
    CommandRow {
        command: CommandName::Umount,
        name: "umount",
        about: "Unmount, and wait until everything written is in S3",
        operands: &[MOUNTPOINT],
    },
    CommandRow {
        command: CommandName::Serve,
        name: "serve",
        about: "Serve the S3 API on a directory of this machine",
        operands: &[],
    },
    CommandRow {
        command: CommandName::Demo,
        name: "demo",
        about: "Try it without an account: a server, a bucket with some files, and the mount",
        operands: &[MOUNTPOINT],
    },
    CommandRow {
        command: CommandName::Info,
        name: "info",
        about: "Show all that S3 and the mount know of files and directories",
        operands: &[PATH],
    },
    CommandRow {
        command: CommandName::Get,
        name: "get",
        about: "Print an attribute, however long",
        operands: &[NAME, PATH],
    },
    CommandRow {
        command: CommandName::Set,
        name: "set",
        about: "Set an attribute, however long, of many files at once",
        operands: &[NAME, VALUE, PATH],
    },
    CommandRow {
        command: CommandName::Unset,
        name: "unset",
        about: "Remove an attribute, of many files at once",
        operands: &[NAME, PATH],
    },
];

/// Whether an option stands by itself or takes a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    None,
    /// With the name that help gives it.
    Named(&'static str),
}

/// What the table says of one option.
#[derive(Debug)]
pub struct OptionRow {
    pub long: &'static str,
    pub short: Option<char>,
    pub value: Value,
    /// Its name in `-o`, besides the long one; empty where it has none.
    pub mount_option: &'static str,
    /// In words; empty where there is none.
    pub default: &'static str,
    pub help: &'static str,
    pub commands: &'static [CommandName],
}

const MOUNT: &[CommandName] = &[CommandName::Mount];
const MOUNTS: &[CommandName] = &[CommandName::Mount, CommandName::Demo];
const LOGGING: &[CommandName] = &[CommandName::Mount, CommandName::Demo, CommandName::Serve];
const IN_FRONT: &[CommandName] = &[CommandName::Demo, CommandName::Serve];
const SERVE: &[CommandName] = &[CommandName::Serve];
const CHANGES: &[CommandName] = &[CommandName::Set, CommandName::Unset];

/// The option that carries all those of mount(8).
pub const MOUNT_OPTIONS: &str = "options";

const fn row(
    long: &'static str,
    value: Value,
    mount_option: &'static str,
    default: &'static str,
    commands: &'static [CommandName],
) -> OptionRow {
    OptionRow { long, short: None, value, mount_option, default, help: "", commands }
}

impl OptionRow {
    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// Its names in `-o`, written with `_`; none where it has none.
    #[must_use]
    pub fn mount_options(&self) -> Vec<String> {
        let long = self.long.replace('-', "_");
        match self.mount_option {
            "" => Vec::new(),
            name if name == long => vec![long],
            name => vec![name.to_owned(), long],
        }
    }
}

/// Every option.
pub const OPTIONS: &[OptionRow] = &[
    row(MOUNT_OPTIONS, Value::Named("NAME[=VALUE],..."), "", "", MOUNT)
        .short('o')
        .help("Options as mount(8) and fstab(5) spell them; a comma in a value is written \\,"),
    row("endpoint-url", Value::Named("URL"), "endpoint_url", "$AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, the profile's, else AWS", MOUNT)
        .help("The S3 server"),
    row("region", Value::Named("REGION"), "region", "$AWS_REGION, the profile's, else us-east-1", MOUNT)
        .help("The region to sign requests for; buckets elsewhere are found by themselves"),
    row("profile", Value::Named("NAME"), "profile", "$AWS_PROFILE, else default", MOUNT)
        .help("The profile of ~/.aws/config and ~/.aws/credentials"),
    row("access-key-file", Value::Named("FILE"), "access_key_file", "the credentials every AWS tool finds", MOUNT)
        .help("A file with ACCESS:SECRET, readable by its owner alone"),
    row("no-sign-request", Value::None, "no_sign_request", "", MOUNT)
        .help("Send no credentials: for public buckets"),
    row("addressing", Value::Named("STYLE"), "addressing", "auto", MOUNT)
        .help("Where requests name the bucket: path, virtual (in the host name), or auto: virtual for AWS, path for other servers"),
    row("ca-bundle", Value::Named("FILE"), "ca_bundle", "$AWS_CA_BUNDLE", MOUNT)
        .help("Certificates to trust besides the machine's own (PEM)"),
    row("create-region", Value::Named("REGION"), "create_region", "the region of the requests", MOUNT)
        .help("The region of buckets that mkdir creates"),
    row("no-check", Value::None, "no_check", "", MOUNT)
        .help("Mount without asking the server whether the bucket is there"),
    row("read-only", Value::None, "ro", "", MOUNTS)
        .short('r')
        .help("Refuse every change"),
    row("allow-other", Value::None, "allow_other", "", MOUNTS)
        .help("Let other users in"),
    row("permissions", Value::Named("on|off"), "permissions", "on", MOUNTS)
        .help("Whether the kernel checks owner, group and mode; S3 checks the credentials either way"),
    row("posix-dialect", Value::Named("DIALECT"), "posix_dialect", "aws", MOUNTS)
        .help("How mode, owner and times are written to objects: aws, s3fs or rclone; all are read. none neither writes nor asks for them"),
    row("list-xattrs", Value::Named("user|s3"), "list_xattrs", "user", MOUNTS)
        .help("Which attributes are listed, and so copied by cp -a and rsync -X: user metadata alone, or with s3 all that S3 and the mount know"),
    row("storage-class", Value::Named("CLASS"), "storage_class", "S3's, STANDARD", MOUNTS)
        .help("The storage class of new files, such as STANDARD_IA; files that are there keep theirs"),
    row("restore", Value::Named("off|auto|days=N"), "restore", "off", MOUNTS)
        .help("What to ask S3 for when a program opens an archived file: nothing, a restore for a day (auto), or for as many as said, with tier=Bulk behind it where that is wanted"),
    row("uid", Value::Named("UID"), "uid", "who mounts", MOUNTS)
        .help("The owner of files that carry none"),
    row("gid", Value::Named("GID"), "gid", "the group of who mounts", MOUNTS)
        .help("The group of files that carry none"),
    row("umask", Value::Named("OCTAL"), "umask", "022", MOUNTS)
        .help("The permissions that files and directories without any of their own lack"),
    row("ttl", Value::Named("SECONDS"), "ttl", "1", MOUNTS)
        .help("How long changes made elsewhere may go unseen; 0 asks S3 at every open"),
    row("memory", Value::Named("BYTES"), "memory", "a quarter of the machine's or the cgroup's, from 64M to 1G", MOUNTS)
        .help("The most memory that file contents may take; K, M and G are understood"),
    row("part-size", Value::Named("BYTES"), "part_size", "8M", MOUNTS)
        .help("The first parts of a multipart upload, 5M to 5G; those of large files grow"),
    row("timeout", Value::Named("SECONDS"), "timeout", "60", MOUNTS)
        .help("How long an operation may wait for S3, retries included, before it fails"),
    row("state-dir", Value::Named("DIR"), "state_dir", "/var/lib/pailfs for root, else ~/.local/state/pailfs", MOUNT)
        .help("Where to keep renames under way, which the next mount finishes, bytes being written that memory has no room for, and attributes that were asked for"),
    row("cache-dir", Value::Named("DIR"), "cache_dir", "", MOUNT)
        .help("Keep what is read and what is written on this machine, so that they are not asked of S3 again, in this directory or below"),
    row("cache-size", Value::Named("BYTES"), "cache_size", "10G", MOUNT)
        .help("The most that --cache-dir may take for this mount; some of the disk stays free in any case"),
    row("foreground", Value::None, "", "", MOUNT)
        .short('f')
        .help("Stay in front, and log to standard error"),
    row("data", Value::Named("DIR"), "", "~/.local/share/pailfs/demo", &[CommandName::Demo])
        .help("Where the demo's bucket is kept"),
    row("data", Value::Named("DIR|:memory:"), "", ":memory:", SERVE)
        .help("Where buckets are kept; :memory: forgets them at the end"),
    row("listen", Value::Named("ADDRESS:PORT"), "", "127.0.0.1:9000", SERVE)
        .help("Where to answer; port 0 takes any that is free"),
    row("access-key", Value::Named("KEY"), "", "made up, and kept in DIR/keys", SERVE)
        .help("Who may ask; with --secret-key"),
    row("secret-key", Value::Named("SECRET"), "", "made up, and kept in DIR/keys", SERVE)
        .help("What requests are signed with; other users of the machine can see it, DIR/keys they can't"),
    row("region", Value::Named("REGION"), "", "us-east-1", SERVE)
        .help("The region of buckets that are created without one"),
    row("day", Value::Named("SECONDS"), "", "86400", SERVE)
        .help("How long a day lasts for lifecycle rules and restored copies, to watch them without waiting"),
    row("lazy", Value::None, "", "", &[CommandName::Umount])
        .help("Detach even while programs use the mount, and don't wait for them"),
    row("json", Value::None, "", "", &[CommandName::Info])
        .help("For programs: an array with an object for each PATH, which has path and either attributes or error"),
    row("recursive", Value::None, "", "", CHANGES)
        .short('R')
        .help("Of a directory, change the files below it instead; symbolic links are left alone"),
    row("log", Value::Named("LEVEL"), "log", "warn", LOGGING)
        .help("How much to log: error, warn, info, debug or trace"),
    row(
        "log-file",
        Value::Named("FILE"),
        "log_file",
        "/var/log/pailfs/ or ~/.local/state/pailfs/; with -f standard error",
        MOUNT,
    )
    .help("Where to log"),
    row("log-file", Value::Named("FILE"), "", "standard error", IN_FRONT).help("Where to log"),
];

/// What was typed, option by option; the last one counts where one came twice.
#[derive(Debug)]
pub struct Typed {
    pub command: CommandName,
    /// As many as the command has; more where its last one may come several times.
    pub operands: Vec<OsString>,
    values: BTreeMap<&'static str, String>,
    pub kernel_words: KernelWords,
    /// Say what would be done, and do nothing.
    pub is_fake: bool,
}

/// Why nothing was parsed.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Help, version, or a word that clap does not understand.
    #[error(transparent)]
    Clap(#[from] clap::Error),
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// A word of the command line that makes no sense, and which.
#[derive(Debug, thiserror::Error)]
#[error("{option}: {problem}")]
pub struct UsageError {
    pub option: String,
    pub problem: String,
}

impl UsageError {
    pub fn new(option: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { option: option.into(), problem: problem.into() }
    }
}

impl Typed {
    /// The value of an option by its long name.
    #[must_use]
    pub fn value(&self, long: &str) -> Option<&str> {
        self.values.get(long).map(String::as_str)
    }

    /// Whether an option without a value was given.
    #[must_use]
    pub fn is_given(&self, long: &str) -> bool {
        self.values.contains_key(long)
    }
}

/// Reads the process's arguments, its own name first.
pub fn parse(arguments: Vec<OsString>) -> Result<Typed, Stop> {
    let form = form::plan_form(arguments.clone());
    let matches = program()
        .try_get_matches_from(form.arguments)
        .map_err(|error| misspelt_command(&error, arguments).unwrap_or(error))?;
    let row = COMMANDS.iter().find(|row| matches.subcommand_name() == Some(row.name));
    let (Some(row), Some((_, matches))) = (row, matches.subcommand()) else {
        return Err(UsageError::new("pailfs", "no command was given; see --help").into());
    };
    let mut typed = Typed {
        command: row.command,
        operands: Vec::new(),
        values: BTreeMap::new(),
        kernel_words: KernelWords::default(),
        is_fake: form.is_fake,
    };
    for operand in row.operands {
        let words = matches.get_many::<OsString>(operand.name);
        typed.operands.extend(words.into_iter().flatten().cloned());
    }
    for text in matches.try_get_many::<String>(MOUNT_OPTIONS).ok().flatten().into_iter().flatten() {
        mount_options::read(text, &mut typed)?;
    }
    take_options(matches, &mut typed);
    Ok(typed)
}

/// What clap says of the command line as it was typed, where a word too many follows what looks
/// like a command: the source of a mount may have any name, so nothing shows it sooner.
fn misspelt_command(error: &clap::Error, arguments: Vec<OsString>) -> Option<clap::Error> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != clap::error::ErrorKind::UnknownArgument || word.starts_with('-') {
        return None;
    }
    let error = program().try_get_matches_from(arguments).err()?;
    error.get(ContextKind::SuggestedSubcommand).is_some().then_some(error)
}

/// An option outweighs its twin in `-o`.
fn take_options(matches: &ArgMatches, typed: &mut Typed) {
    for row in options_of(typed.command).filter(|row| row.long != MOUNT_OPTIONS) {
        let value = match row.value {
            Value::None => matches.get_flag(row.long).then(String::new),
            Value::Named(_) => matches.get_one::<String>(row.long).cloned(),
        };
        if let Some(value) = value {
            typed.values.insert(row.long, value);
        }
    }
}

/// The rows that belong to a command.
pub fn options_of(command: CommandName) -> impl Iterator<Item = &'static OptionRow> {
    OPTIONS.iter().filter(move |row| row.commands.contains(&command))
}

/// The program as clap knows it.
#[must_use]
pub fn program() -> clap::Command {
    let program = clap::Command::new("pailfs")
        .version(env!("CARGO_PKG_VERSION"))
        .about("S3 buckets as directories")
        .after_help("pailfs SOURCE MOUNTPOINT is short for pailfs mount SOURCE MOUNTPOINT.")
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true);
    COMMANDS.iter().fold(program, |program, row| program.subcommand(subcommand(row)))
}

fn subcommand(row: &CommandRow) -> clap::Command {
    let command = clap::Command::new(row.name).about(row.about);
    let command = row.operands.iter().fold(command, |command, operand| {
        let parser = clap::value_parser!(OsString);
        let argument = Arg::new(operand.name).help(operand.help).required(true);
        let argument = match operand.count {
            Count::One => argument.num_args(1),
            Count::Many => argument.num_args(1..),
        };
        command.arg(argument.value_parser(parser))
    });
    options_of(row.command).fold(command, |command, row| command.arg(argument(row)))
}

fn argument(row: &OptionRow) -> Arg {
    let mut help = row.help.to_owned();
    if !row.default.is_empty() {
        help = format!("{help} [default: {}]", row.default);
    }
    let argument = Arg::new(row.long).long(row.long).help(help);
    let argument = row.short.into_iter().fold(argument, Arg::short);
    match row.value {
        Value::None => argument.action(ArgAction::SetTrue),
        Value::Named(name) if row.long == MOUNT_OPTIONS => {
            argument.action(ArgAction::Append).value_name(name)
        }
        Value::Named(name) => {
            argument.action(ArgAction::Set).value_name(name).overrides_with(row.long)
        }
    }
}

#[cfg(test)]
mod tests;
