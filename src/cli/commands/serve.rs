//! `pailfs serve`: S3 on a directory of this machine, for other programs.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::cli::args::Typed;
use crate::cli::commands::runtime;
use crate::cli::config::{self, Data, Keys, ServeConfig};
use crate::cli::environment::Environment;
use crate::cli::lifetime::Signals;
use crate::cli::logging;
use crate::server::sessions::Sessions;
use crate::server::{self, ServeOptions, Server};
use crate::store::ObjectStore;
use crate::store::clock::SystemClock;
use crate::store::model::{Model, ModelOptions};

/// In the data directory, as `ACCESS:SECRET`: what `--access-key-file` reads.
pub(super) const KEY_FILE: &str = "keys";
/// Below the data directory, apart from the keys.
const BUCKETS: &str = "buckets";

const ACCESS_KEY_RANDOM_BYTES: usize = 10;
const SECRET_KEY_RANDOM_BYTES: usize = 30;

/// Serves until a signal.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = config::serve(typed, environment)?;
    logging::start(&config.log)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen().context("signals")?;
        let keys = keys(&config)?;
        let server = start(open(&config)?, &config, keys.clone()).await?;
        announce(&server, &keys);
        let signal = signals.any().await;
        tracing::info!("{signal}: the server stops");
        server.shutdown().await;
        Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_background();
    outcome
}

/// The buckets that a server answers from.
pub(super) fn open(config: &ServeConfig) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let clock = Arc::new(SystemClock::new());
    let region = config.region.clone();
    let options = ModelOptions { region, day: config.day, ..ModelOptions::default() };
    Ok(Arc::new(match &config.data {
        Data::Memory => Model::in_memory(clock, options),
        Data::Directory(directory) => Model::open(&directory.join(BUCKETS), clock, options)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("cannot keep buckets in {}", directory.display()))?,
    }))
}

pub(super) async fn start(
    store: Arc<dyn ObjectStore>,
    config: &ServeConfig,
    keys: Keys,
) -> anyhow::Result<Server> {
    let options = ServeOptions {
        listen: config.listen,
        access_key: keys.access,
        secret_key: keys.secret,
        region: config.region.clone(),
        // Nobody hands out keys for a time here.
        sessions: Arc::new(Sessions::new(Arc::new(SystemClock::new()))),
    };
    server::start(store, options)
        .await
        .with_context(|| format!("cannot listen on {}; --listen takes another", config.listen))
}

fn announce(server: &Server, keys: &Keys) {
    println!("endpoint    {}", server.endpoint());
    println!("access key  {}", keys.access);
    println!("secret key  {}", keys.secret);
}

fn keys(config: &ServeConfig) -> anyhow::Result<Keys> {
    match (&config.keys, &config.data) {
        (Some(keys), _) => Ok(keys.clone()),
        (None, Data::Memory) => make_keys().context("no random numbers"),
        (None, Data::Directory(directory)) => kept_keys(directory),
    }
}

/// The keys of a data directory, made the first time.
pub(super) fn kept_keys(directory: &Path) -> anyhow::Result<Keys> {
    let path = directory.join(KEY_FILE);
    let shown = path.display();
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.trim().split_once(':') {
            Some((access, secret)) => {
                Ok(Keys { access: access.to_owned(), secret: secret.to_owned() })
            }
            None => bail!("{shown} does not hold ACCESS:SECRET"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let keys = make_keys().context("no random numbers")?;
            keep(&keys, &path).with_context(|| format!("cannot keep keys in {shown}"))?;
            Ok(keys)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
    }
}

fn keep(keys: &Keys, path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}:{}", keys.access, keys.secret)
}

/// Keys that look like AWS's own, so that every tool takes them.
fn make_keys() -> io::Result<Keys> {
    let access: String =
        random::<ACCESS_KEY_RANDOM_BYTES>()?.iter().map(|byte| format!("{byte:02X}")).collect();
    let secret = STANDARD_NO_PAD.encode(random::<SECRET_KEY_RANDOM_BYTES>()?);
    Ok(Keys { access, secret })
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_survive_and_are_their_owner_s_alone() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let first = kept_keys(&data).unwrap();
        assert_eq!(first.access.len(), 20);
        assert_eq!(first.secret.len(), 40);
        let mode = std::fs::metadata(data.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(kept_keys(&data).unwrap(), first);
    }

    #[test]
    fn two_servers_have_different_keys() {
        assert_ne!(make_keys().unwrap(), make_keys().unwrap());
    }

    #[test]
    fn a_key_file_that_holds_something_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(KEY_FILE), "mine").unwrap();
        let error = kept_keys(directory.path()).unwrap_err();
        assert!(error.to_string().contains("ACCESS:SECRET"), "{error}");
    }
}
