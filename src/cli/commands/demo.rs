//! `pailfs demo`: all of it at once, on this machine: a server, a bucket, the mount.
//!
//! The mount goes through HTTP as any other, so that what is seen is what an account would
//! show, and other tools can look at the same bucket.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;

use crate::cli::args::Typed;
use crate::cli::commands::mount::mount_until_over;
use crate::cli::commands::{runtime, serve};
use crate::cli::config::{
    self, DAY, DEMO_BUCKET, Data, DemoConfig, Keys, MountConfig, ServeConfig,
};
use crate::cli::environment::Environment;
use crate::cli::lifetime::Signals;
use crate::cli::logging;
use crate::store::ObjectStore;
use crate::store::error::{ErrorKind, StoreResult};
use crate::store::s3::{CredentialSource, S3Options};
use crate::store::types::{CreateBucket, Payload, WriteOptions};

const REGION: &str = "us-east-1";

/// What is in the bucket at first.
const FILES: &[(&str, &str)] = &[
    ("hello.txt", "Hello from S3: this file is one object of the bucket.\n"),
    ("poems/spring.txt", "The old pond:\na frog jumps in,\nthe sound of water.\n"),
    ("poems/autumn.txt", "On a bare branch\na crow has settled:\nautumn evening.\n"),
    ("numbers/2024.csv", "month,visitors\n1,120\n2,135\n3,160\n"),
    ("numbers/2025.csv", "month,visitors\n1,140\n2,151\n3,199\n"),
];

/// Runs until Ctrl-C or until the mount is unmounted.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = config::demo(typed, environment)?;
    logging::start(&config.mount.log)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(show(&config));
    runtime.shutdown_background();
    outcome
}

async fn show(config: &DemoConfig) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("signals")?;
    make_mountpoint(&config.mount.mountpoint)?;
    let serving = ServeConfig {
        data: Data::Directory(config.data.clone()),
        listen: ([127, 0, 0, 1], 0).into(),
        keys: None,
        region: REGION.to_owned(),
        day: DAY,
        log: config.mount.log.clone(),
    };
    let store = serve::open(&serving)?;
    fill(store.as_ref()).await.context("cannot make the demo's bucket")?;
    let keys = serve::kept_keys(&config.data)?;
    let server = serve::start(Arc::clone(&store), &serving, keys.clone()).await?;
    let endpoint = server.endpoint();
    let mount = mount_of(config, &endpoint);
    let outcome = mount_until_over(&mount, &mut signals, || {
        println!("{}", invitation(&mount.mountpoint, &endpoint, &keys));
        Ok(())
    });
    let outcome = outcome.await;
    server.shutdown().await;
    outcome
}

fn make_mountpoint(path: &Path) -> anyhow::Result<()> {
    match std::fs::create_dir_all(path) {
        // What is wrong with one that is there already, the mount says better.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound || !path.exists() => {
            Err(error).with_context(|| format!("cannot make the directory {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The mount of the demo's own server.
fn mount_of(config: &DemoConfig, endpoint: &str) -> MountConfig {
    let s3 = S3Options {
        endpoint_url: Some(endpoint.to_owned()),
        region: Some(REGION.to_owned()),
        credentials: CredentialSource::KeyFile(config.data.join(serve::KEY_FILE)),
        ..config.mount.s3.clone()
    };
    MountConfig { s3, ..config.mount.clone() }
}

/// Files come with the bucket, the first time: what was deleted stays deleted.
async fn fill(store: &dyn ObjectStore) -> StoreResult<()> {
    match store.create_bucket(DEMO_BUCKET, CreateBucket::default()).await {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::Exists => return Ok(()),
        Err(error) => return Err(error),
    }
    for (key, text) in FILES {
        let payload = Payload::from(Bytes::from_static(text.as_bytes()));
        store.put_object(DEMO_BUCKET, key, payload, WriteOptions::default()).await?;
    }
    Ok(())
}

fn invitation(mountpoint: &Path, endpoint: &str, keys: &Keys) -> String {
    let place = mountpoint.display();
    let Keys { access, secret } = keys;
    format!(
        "The bucket {DEMO_BUCKET:?} is mounted on {place}. In another terminal:

  ls -l {place}
  cat {place}/hello.txt
  cp /etc/hostname {place}/
  grep 1 {place}/numbers/*.csv

The same bucket through the S3 API:

  export AWS_ACCESS_KEY_ID={access} AWS_SECRET_ACCESS_KEY={secret} AWS_REGION={REGION}
  aws --endpoint-url {endpoint} s3 ls s3://{DEMO_BUCKET}

Ctrl-C unmounts and stops."
    )
}
