//! What was meant: options as they were typed, in the units and types the rooms take.
//!
//! Pure; a value that makes no sense is an error that names its option. Whether a bucket or a
//! directory is there shows when it is used.

pub mod attributes;
mod state;
mod values;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::cli::args::{Typed, UsageError};
use crate::cli::environment::Environment;
use crate::cli::source;
use crate::mount::session::MountOptions;
use crate::store::s3::{Addressing, CredentialSource, S3Options};
use crate::store::types::RestoreObject;
use crate::vfs::namespace::posix::Dialect;
use crate::vfs::options::{ListedAttributes, Options};
use crate::vfs::types::Source;
use crate::vfs::xattr::{facts, restore};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// S3's own bounds for a part that is not the last.
const PART_BYTES_MIN: u64 = 5 * MIB;
const PART_BYTES_MAX: u64 = 5 * GIB;

const MEMORY_BYTES_MIN: u64 = 64 * MIB;
/// More is only for those who ask for it.
const MEMORY_DEFAULT_BYTES_MAX: u64 = GIB;
/// The share of the machine that is taken unasked.
const MEMORY_SHARE: u64 = 4;

/// What `rwx` would be without a umask.
const FILE_MODE: u32 = 0o666;
const DIRECTORY_MODE: u32 = 0o777;

/// The bucket of `pailfs demo`.
pub const DEMO_BUCKET: &str = "demo";

/// A mount, decided.
#[derive(Clone, Debug)]
pub struct MountConfig {
    pub source: Source,
    /// Absolute.
    pub mountpoint: PathBuf,
    pub s3: S3Options,
    pub vfs: Options,
    pub kernel: MountOptions,
    pub log: LogConfig,
    /// Where what must survive is kept. Absolute.
    pub state_directory: PathBuf,
    /// The process that was called stays until the mount ends.
    pub stays_in_front: bool,
    /// Mounting asks S3 first if the source is there and may be listed.
    pub checks_source: bool,
}

/// What is logged, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogConfig {
    pub level: LevelFilter,
    pub to: LogTarget,
}

/// Where the log goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogTarget {
    StandardError,
    /// Made if it is not there, with its directory; added to if it is.
    File(PathBuf),
}

/// A day as it is.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server, decided.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    pub data: Data,
    pub listen: SocketAddr,
    /// Access key and secret; `None` takes those of the data directory.
    pub keys: Option<Keys>,
    pub region: String,
    /// How long one lasts, for lifecycle rules and restored copies.
    pub day: Duration,
    pub log: LogConfig,
}

/// Where a server keeps its buckets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Data {
    Memory,
    Directory(PathBuf),
}

/// Whom a server answers.
#[derive(Clone, Eq, PartialEq)]
pub struct Keys {
    pub access: String,
    pub secret: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.access)
    }
}

/// A demo, decided.
#[derive(Clone, Debug)]
pub struct DemoConfig {
    pub data: PathBuf,
    /// Without a server yet: it has no endpoint and no keys.
    pub mount: MountConfig,
}

/// A mount to be ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UmountConfig {
    pub mountpoint: PathBuf,
    pub is_lazy: bool,
}

type Meant<T> = Result<T, UsageError>;

/// What `pailfs mount` is to do.
pub fn mount(typed: &Typed, environment: &Environment) -> Meant<MountConfig> {
    let text = typed.operands.first().and_then(|operand| operand.to_str()).unwrap_or_default();
    let source = source::parse(text).map_err(|problem| UsageError::new("SOURCE", problem))?;
    let mountpoint = operand_path(typed, environment, 1);
    let stays_in_front = typed.is_given("foreground");
    let log = log(typed, environment, stays_in_front, &mountpoint)?;
    let s3 = s3(typed, environment)?;
    let state_directory = state::directory(typed, environment)?;
    let place = Place { source, mountpoint, s3, log, state_directory, stays_in_front };
    mount_of(typed, environment, place)
}

/// What differs between the mounts of two commands.
struct Place {
    source: Source,
    mountpoint: PathBuf,
    s3: S3Options,
    log: LogConfig,
    state_directory: PathBuf,
    stays_in_front: bool,
}

fn mount_of(typed: &Typed, environment: &Environment, place: Place) -> Meant<MountConfig> {
    let Place { source, mountpoint, s3, log, state_directory, stays_in_front } = place;
    let vfs = vfs(typed, environment)?;
    let attributes_directory = (vfs.posix_dialect != Dialect::None)
        .then(|| state::attributes_directory(&state_directory, &s3, &source, &mountpoint));
    let state_scope = state::scope(&s3, environment);
    let disk_cache = state::disk_cache(typed, environment, &state_scope, &source)?;
    let vfs = Options {
        state_directory: Some(state_directory.clone()),
        state_scope,
        attributes_directory,
        disk_cache,
        ..vfs
    };
    let kernel = kernel(typed, &source, &vfs)?;
    let vfs = Options { checks_owner: kernel.default_permissions, ..vfs };
    let s3 = S3Options { operation_timeout: vfs.operation_timeout, ..s3 };
    let checks_source = !typed.is_given("no-check");
    Ok(MountConfig {
        source,
        mountpoint,
        s3,
        vfs,
        kernel,
        log,
        state_directory,
        stays_in_front,
        checks_source,
    })
}

/// What `pailfs umount` is to do.
#[must_use]
pub fn umount(typed: &Typed, environment: &Environment) -> UmountConfig {
    let mountpoint = operand_path(typed, environment, 0);
    UmountConfig { mountpoint, is_lazy: typed.is_given("lazy") }
}

/// What `pailfs serve` is to do.
pub fn serve(typed: &Typed, environment: &Environment) -> Meant<ServeConfig> {
    let data = match typed.value("data") {
        None | Some(":memory:") => Data::Memory,
        Some(directory) => Data::Directory(environment.directory.join(directory)),
    };
    let listen = typed.value("listen").unwrap_or("127.0.0.1:9000");
    let listen = listen.parse().map_err(|_| bad("listen", listen, "an address with a port"))?;
    let keys = match (typed.value("access-key"), typed.value("secret-key")) {
        (None, None) => None,
        (Some(access), Some(secret)) => {
            Some(Keys { access: access.to_owned(), secret: secret.to_owned() })
        }
        (Some(_), None) => return Err(UsageError::new("--access-key", "needs --secret-key too")),
        (None, Some(_)) => return Err(UsageError::new("--secret-key", "needs --access-key too")),
    };
    let region = typed.value("region").unwrap_or("us-east-1").to_owned();
    let day = match values::seconds(typed, "day")? {
        Some(day) if day.is_zero() => return Err(bad("day", "0", "a number above zero")),
        day => day.unwrap_or(DAY),
    };
    let log = log(typed, environment, true, Path::new("/"))?;
    Ok(ServeConfig { data, listen, keys, region, day, log })
}

/// What `pailfs demo` is to do.
pub fn demo(typed: &Typed, environment: &Environment) -> Meant<DemoConfig> {
    let data = match (typed.value("data"), data_home(environment)) {
        (Some(directory), _) => environment.directory.join(directory),
        (None, Some(home)) => home.join("pailfs/demo"),
        (None, None) => return Err(UsageError::new("--data", "is needed without $HOME")),
    };
    let place = Place {
        source: Source::Prefix { bucket: DEMO_BUCKET.to_owned(), prefix: String::new() },
        mountpoint: operand_path(typed, environment, 0),
        s3: S3Options { addressing: Addressing::Path, ..S3Options::default() },
        log: log(typed, environment, true, Path::new("/"))?,
        state_directory: data.join("state"),
        stays_in_front: true,
    };
    let mut mount = mount_of(typed, environment, place)?;
    // Its server has another port each time, and is the only one whose state is kept there.
    DEMO_BUCKET.clone_into(&mut mount.vfs.state_scope);
    Ok(DemoConfig { data, mount })
}

fn operand_path(typed: &Typed, environment: &Environment, index: usize) -> PathBuf {
    let operand = typed.operands.get(index).map_or(OsStr::new("."), |operand| operand);
    environment.directory.join(operand)
}

fn bad(long: &str, value: &str, meant: &str) -> UsageError {
    UsageError::new(format!("--{long}"), format!("{value:?} is not {meant}"))
}

fn s3(typed: &Typed, environment: &Environment) -> Meant<S3Options> {
    let owned = |long| typed.value(long).map(str::to_owned);
    let path = |long| typed.value(long).map(|file| environment.directory.join(file));
    let addressing = match typed.value("addressing") {
        None | Some("auto") => Addressing::Auto,
        Some("path") => Addressing::Path,
        Some("virtual") => Addressing::VirtualHost,
        Some(other) => return Err(bad("addressing", other, "auto, path or virtual")),
    };
    let credentials = match (path("access-key-file"), typed.is_given("no-sign-request")) {
        (Some(_), true) => {
            return Err(UsageError::new("--no-sign-request", "contradicts --access-key-file"));
        }
        (Some(file), false) => CredentialSource::KeyFile(file),
        (None, true) => CredentialSource::Anonymous,
        (None, false) => CredentialSource::Chain,
    };
    let bundle_from_environment =
        || environment.ca_bundle.as_ref().map(|file| environment.directory.join(file));
    Ok(S3Options {
        endpoint_url: endpoint_url(typed, environment)?,
        region: owned("region"),
        profile: owned("profile"),
        credentials,
        addressing,
        ca_bundle: path("ca-bundle").or_else(bundle_from_environment),
        ..S3Options::default()
    })
}

fn endpoint_url(typed: &Typed, environment: &Environment) -> Meant<Option<String>> {
    if let Some(url) = typed.value("endpoint-url") {
        let is_url = url.starts_with("http://") || url.starts_with("https://");
        let meant = "an address that begins with http:// or https://";
        return if is_url {
            Ok(Some(url.to_owned()))
        } else {
            Err(bad("endpoint-url", url, meant))
        };
    }
    if environment.ignore_endpoint_urls {
        return Ok(None);
    }
    Ok(environment.endpoint_url_s3.clone().or_else(|| environment.endpoint_url.clone()))
}

fn vfs(typed: &Typed, environment: &Environment) -> Meant<Options> {
    let umask = values::octal(typed, "umask")?.unwrap_or(0o022);
    let defaults = Options::default();
    Ok(Options {
        uid: values::number(typed, "uid")?.unwrap_or(environment.uid),
        gid: values::number(typed, "gid")?.unwrap_or(environment.gid),
        file_mode: FILE_MODE & !umask,
        directory_mode: DIRECTORY_MODE & !umask,
        read_only: typed.is_given("read-only"),
        ttl: values::seconds(typed, "ttl")?.unwrap_or(defaults.ttl),
        memory_bytes_max: memory(typed, environment)?,
        part_bytes: part_bytes(typed)?.unwrap_or(defaults.part_bytes),
        operation_timeout: timeout(typed)?.unwrap_or(defaults.operation_timeout),
        create_region: typed.value("create-region").map(str::to_owned),
        posix_dialect: posix_dialect(typed)?,
        listed_attributes: listed_attributes(typed)?,
        storage_class: storage_class(typed)?,
        restore: restore(typed)?,
        ..defaults
    })
}

fn posix_dialect(typed: &Typed) -> Meant<Dialect> {
    let Some(name) = typed.value("posix-dialect") else { return Ok(Dialect::default()) };
    let meant = "aws, s3fs, rclone or none";
    Dialect::named(name).ok_or_else(|| bad("posix-dialect", name, meant))
}

fn listed_attributes(typed: &Typed) -> Meant<ListedAttributes> {
    match typed.value("list-xattrs") {
        None | Some("user") => Ok(ListedAttributes::User),
        Some("s3") => Ok(ListedAttributes::All),
        Some(text) => Err(bad("list-xattrs", text, "user or s3")),
    }
}

fn storage_class(typed: &Typed) -> Meant<Option<String>> {
    let class = typed.value("storage-class").map(facts::class).transpose();
    class.map_err(|error| UsageError::new("--storage-class", error.to_string()))
}

fn restore(typed: &Typed) -> Meant<Option<RestoreObject>> {
    match typed.value("restore") {
        None | Some("off") => Ok(None),
        Some("auto") => Ok(Some(RestoreObject { days: 1, tier: None })),
        Some(text) => {
            restore::parse(text).map(Some).map_err(|why| UsageError::new("--restore", why))
        }
    }
}

fn memory(typed: &Typed, environment: &Environment) -> Meant<u64> {
    match values::bytes(typed, "memory")? {
        Some(bytes) if bytes < MEMORY_BYTES_MIN => {
            Err(UsageError::new("--memory", "must be 64M at least"))
        }
        Some(bytes) => Ok(bytes),
        None => Ok(plan_memory(environment.memory_bytes, environment.cgroup_bytes_max)),
    }
}

/// Plans how much memory a mount takes that was not told.
fn plan_memory(machine_bytes: u64, cgroup_bytes_max: Option<u64>) -> u64 {
    let available = machine_bytes.min(cgroup_bytes_max.unwrap_or(u64::MAX));
    (available / MEMORY_SHARE).clamp(MEMORY_BYTES_MIN, MEMORY_DEFAULT_BYTES_MAX)
}

fn part_bytes(typed: &Typed) -> Meant<Option<u64>> {
    match values::bytes(typed, "part-size")? {
        Some(bytes) if !(PART_BYTES_MIN..=PART_BYTES_MAX).contains(&bytes) => {
            Err(UsageError::new("--part-size", "S3 takes parts from 5M to 5G"))
        }
        bytes => Ok(bytes),
    }
}

fn timeout(typed: &Typed) -> Meant<Option<Duration>> {
    match values::seconds(typed, "timeout")? {
        Some(timeout) if timeout < Duration::from_secs(1) => {
            Err(UsageError::new("--timeout", "must be 1 at least"))
        }
        timeout => Ok(timeout),
    }
}

fn kernel(typed: &Typed, source: &Source, vfs: &Options) -> Meant<MountOptions> {
    let default_permissions = match typed.value("permissions") {
        None | Some("on") => true,
        Some("off") => false,
        Some(other) => return Err(bad("permissions", other, "on or off")),
    };
    let words = typed.kernel_words;
    Ok(MountOptions {
        source_name: source::name(source),
        allow_other: typed.is_given("allow-other"),
        default_permissions,
        read_only: vfs.read_only,
        no_exec: words.no_exec,
        no_atime: words.no_atime,
        allow_suid: words.allow_suid,
        allow_devices: words.allow_devices,
        operation_timeout: vfs.operation_timeout,
    })
}

fn log(
    typed: &Typed,
    environment: &Environment,
    in_front: bool,
    mountpoint: &Path,
) -> Meant<LogConfig> {
    let level = match typed.value("log") {
        None | Some("warn") => LevelFilter::WARN,
        Some("error") => LevelFilter::ERROR,
        Some("info") => LevelFilter::INFO,
        Some("debug") => LevelFilter::DEBUG,
        Some("trace") => LevelFilter::TRACE,
        Some(other) => return Err(bad("log", other, "error, warn, info, debug or trace")),
    };
    let to = match typed.value("log-file") {
        Some(file) => LogTarget::File(environment.directory.join(file)),
        None if in_front => LogTarget::StandardError,
        None => LogTarget::File(log_directory(environment)?.join(log_name(mountpoint))),
    };
    Ok(LogConfig { level, to })
}

fn log_directory(environment: &Environment) -> Meant<PathBuf> {
    if environment.uid == 0 {
        return Ok(PathBuf::from("/var/log/pailfs"));
    }
    let directory = state::directory_of_user(environment);
    directory.ok_or_else(|| UsageError::new("--log-file", "is needed without $HOME"))
}

/// `/mnt/data` logs to `mnt-data.log`.
fn log_name(mountpoint: &Path) -> String {
    let text = mountpoint.to_string_lossy();
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty()).collect();
    format!("{}.log", parts.join("-"))
}

fn data_home(environment: &Environment) -> Option<PathBuf> {
    let data = environment.data_home.clone().filter(|path| path.is_absolute());
    data.or_else(|| Some(environment.home.as_ref()?.join(".local/share")))
}

#[cfg(test)]
mod tests;
