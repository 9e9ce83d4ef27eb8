//! State: where a mount keeps what must survive it, and which of it is its own.
//!
//! Pure. Mounts of one user share a directory: what is in it says by its scope to which server
//! it belongs, and remembered attributes and the disk cache, which one process at a time may use,
//! have a directory for each mount.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::cli::args::{Typed, UsageError};
use crate::cli::config::values;
use crate::cli::environment::Environment;
use crate::cli::source;
use crate::store::s3::{CredentialSource, S3Options};
use crate::vfs::options::DiskCacheOptions;
use crate::vfs::types::Source;

const CACHE_DEFAULT_BYTES: u64 = 10 << 30;
/// Two of the largest pieces that files are read in.
const CACHE_BYTES_MIN: u64 = 16 << 20;

/// Bytes of a hash that are enough for a name.
const NAME_BYTES: usize = 16;

/// The directory of all state. Absolute.
pub(super) fn directory(typed: &Typed, environment: &Environment) -> Result<PathBuf, UsageError> {
    if let Some(directory) = typed.value("state-dir") {
        return Ok(environment.directory.join(directory));
    }
    if environment.uid == 0 {
        return Ok(PathBuf::from("/var/lib/pailfs"));
    }
    let directory = directory_of_user(environment);
    directory.ok_or_else(|| UsageError::new("--state-dir", "is needed without $HOME"))
}

/// Where a user's programs keep such things, whoever the user is.
pub(super) fn directory_of_user(environment: &Environment) -> Option<PathBuf> {
    let state = environment.state_home.clone().filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(environment.home.as_ref()?.join(".local/state")))?;
    Some(state.join("pailfs"))
}

/// The server, and who one is there as far as that is known without asking or reading a file.
pub(super) fn scope(s3: &S3Options, environment: &Environment) -> String {
    let place = s3.endpoint_url.as_deref().map(|url| url.trim_end_matches('/'));
    let region = s3.region.as_deref().or(environment.region.as_deref());
    let place = place.or(region).unwrap_or("aws");
    let is_from_environment = s3.credentials == CredentialSource::Chain && s3.profile.is_none();
    match environment.access_key_id.as_deref().filter(|_| is_from_environment) {
        Some(key) => format!("{place} {key}"),
        None => place.to_owned(),
    }
}

/// The directory of one mount's attributes.
pub(super) fn attributes_directory(
    state: &Path,
    s3: &S3Options,
    source: &Source,
    mountpoint: &Path,
) -> PathBuf {
    let endpoint = s3.endpoint_url.as_deref().unwrap_or_default();
    let name = source::name(source);
    let parts = [endpoint.as_bytes(), name.as_bytes(), mountpoint.as_os_str().as_bytes()];
    state.join("attributes").join(hashed(&parts))
}

/// The cache on disk of what one user sees of one source, wherever it is mounted.
pub(super) fn disk_cache(
    typed: &Typed,
    environment: &Environment,
    scope: &str,
    source: &Source,
) -> Result<Option<DiskCacheOptions>, UsageError> {
    let bytes_max = values::bytes(typed, "cache-size")?;
    let Some(directory) = typed.value("cache-dir") else {
        return match bytes_max {
            Some(_) => Err(UsageError::new("--cache-size", "needs --cache-dir too")),
            None => Ok(None),
        };
    };
    let bytes_max = bytes_max.unwrap_or(CACHE_DEFAULT_BYTES);
    if bytes_max < CACHE_BYTES_MIN {
        return Err(UsageError::new("--cache-size", "must be 16M at least"));
    }
    let name = hashed(&[scope.as_bytes(), source::name(source).as_bytes()]);
    let directory = environment.directory.join(directory).join(name);
    Ok(Some(DiskCacheOptions { directory, bytes_max }))
}

fn hashed(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // A NUL is in none of them.
        hash.update(part);
        hash.update([0]);
    }
    let digest = hash.finalize();
    digest.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
