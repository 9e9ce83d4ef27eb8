//! The stores that the cases are run on.

use std::sync::Arc;

use pailfs::server::sessions::Sessions;
use pailfs::server::{self, ServeOptions};
use pailfs::store::ObjectStore;
use pailfs::store::clock::SystemClock;
use pailfs::store::model::{Model, ModelOptions};

use crate::conformance::deviations::{MINISTACK, NO_ADDRESS, SEAWEEDFS};
use crate::conformance::run::check;
use crate::support::runtime;
use crate::support::servers::{self, Keys, Kind, Server};

fn model_in_memory() -> Arc<dyn ObjectStore> {
    Arc::new(Model::in_memory(Arc::new(SystemClock::new()), ModelOptions::default()))
}

#[test]
fn the_model_in_memory_does_what_s3_does() {
    check(&model_in_memory(), &[NO_ADDRESS]);
}

#[test]
fn the_model_on_a_directory_does_what_s3_does() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let clock = Arc::new(SystemClock::new());
    let model = Model::open(directory.path(), clock, ModelOptions::default());
    check(&(Arc::new(model.expect("a new model")) as Arc<dyn ObjectStore>), &[NO_ADDRESS]);
}

#[test]
fn the_client_through_our_server_does_what_s3_does() {
    let keys = Keys::default();
    let options = ServeOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        access_key: keys.access.clone(),
        secret_key: keys.secret.clone(),
        region: servers::REGION.to_owned(),
        sessions: Arc::new(Sessions::new(Arc::new(SystemClock::new()))),
    };
    let server = runtime::block_on(server::start(model_in_memory(), options)).expect("a server");
    let store = servers::connect(&server.endpoint(), &keys);
    check(&store, &[]);
    runtime::block_on(server.shutdown());
}

#[test]
fn the_client_with_ministack_does_what_s3_does() {
    check(&servers::ministack().store(), &[MINISTACK]);
}

#[test]
fn the_client_with_seaweedfs_does_what_s3_does() {
    check(&Server::start(Kind::Seaweedfs).store(), &[SEAWEEDFS]);
}
