//! A socket in front of a file system in memory, asked by its client and by others.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as Blocking;

use bytes::Bytes;

use super::*;
use crate::cli::control::client::{self, NoAnswer};
use crate::cli::control::protocol::Octets;
use crate::store::ObjectStore;
use crate::store::clock::{Clock, SystemClock};
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{CreateBucket, Payload, WriteOptions};
use crate::vfs::options::Options;
use crate::vfs::types::Source;

const DEVICE: &str = "0:51";

struct World {
    directory: tempfile::TempDir,
    vfs: Arc<Vfs>,
    control: Control,
}

/// A bucket with the object `d/f`.
async fn world() -> World {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(Model::in_memory(Arc::clone(&clock), ModelOptions::default()));
    store.create_bucket("bucket", CreateBucket::default()).await.unwrap();
    let payload = Payload::from(Bytes::from_static(b"text"));
    store.put_object("bucket", "d/f", payload, WriteOptions::default()).await.unwrap();
    let source = Source::Prefix { bucket: "bucket".to_owned(), prefix: String::new() };
    let vfs = Vfs::new(store, source, Options::default(), clock);
    let directory = tempfile::tempdir().unwrap();
    let control = Control::start(directory.path(), DEVICE, Arc::clone(&vfs)).unwrap();
    World { directory, vfs, control }
}

impl World {
    fn socket(&self) -> PathBuf {
        socket_path(self.directory.path(), DEVICE)
    }

    async fn ask(&self, path: &str, act: Act) -> Result<Response, NoAnswer> {
        let request = Request { path: octets(path), act };
        client::ask(&self.socket(), rustix::process::geteuid().as_raw(), &request).await
    }

    async fn get(&self, path: &str, name: &str) -> Response {
        self.ask(path, Act::Get { name: octets(name) }).await.unwrap()
    }

    async fn set(&self, path: &str, name: &str, value: impl AsRef<[u8]>) -> Response {
        let value = Octets(value.as_ref().to_vec());
        self.ask(path, Act::Set { name: octets(name), value }).await.unwrap()
    }
}

fn octets(text: &str) -> Octets {
    Octets(text.as_bytes().to_vec())
}

#[track_caller]
fn check_refused(response: Response, expected: Errno) -> String {
    match response {
        Response::Refused { errno, message } => {
            assert_eq!(Errno::from_raw_os_error(errno), expected, "{message}");
            message
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_are_set_read_and_removed() {
    let world = world().await;
    assert_eq!(world.set("d/f", "user.color", "blue").await, Response::Done);
    assert_eq!(world.get("d/f", "user.color").await, Response::Value(octets("blue")));
    let name = octets("user.color");
    assert_eq!(world.ask("d/f", Act::Remove { name }).await.unwrap(), Response::Done);
    check_refused(world.get("d/f", "user.color").await, Errno::NODATA);
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_are_given_back() {
    let world = world().await;
    let before = world.vfs.known_inodes();
    world.set("d/f", "user.color", "blue").await;
    check_refused(world.get("d/none", "user.color").await, Errno::NOENT);
    check_refused(world.get("d/f/below", "user.color").await, Errno::NOTDIR);
    assert_eq!(world.vfs.known_inodes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_goes_straight_down() {
    let world = world().await;
    check_refused(world.get("d/../d/f", "user.color").await, Errno::INVAL);
    check_refused(world.get("./d", "user.color").await, Errno::INVAL);
}

/// Says something, and hears what comes of it.
async fn say(world: &World, words: Vec<u8>) -> String {
    let socket = world.socket();
    let talk = move || {
        let mut stream = Blocking::connect(socket).unwrap();
        stream.write_all(&words).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused() {
    let world = world().await;
    for words in ["\n", "{}\n", "GET / HTTP/1.1\r\n"] {
        let answer = say(&world, words.as_bytes().to_vec()).await;
        check_refused(protocol::response_of(answer.as_bytes()).unwrap(), Errno::INVAL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_refused_here_and_there() {
    let world = world().await;
    let answer = say(&world, vec![b'x'; REQUEST_BYTES_MAX + 1]).await;
    check_refused(protocol::response_of(answer.as_bytes()).unwrap(), Errno::TOOBIG);
    let value = Octets(vec![b'x'; REQUEST_BYTES_MAX]);
    let asked = world.ask("d/f", Act::Set { name: octets("user.color"), value }).await;
    assert!(matches!(asked, Err(NoAnswer::TooLong)), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_owner_s_alone_and_gone_at_the_end() {
    let world = world().await;
    let mode = std::fs::metadata(world.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    world.control.close();
    let asked = world.ask("d/f", Act::Get { name: octets("user.color") }).await;
    assert!(matches!(asked, Err(NoAnswer::NoSocket)), "{asked:?}");
    assert_eq!(std::fs::read_dir(world.directory.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_socket_is_replaced_and_a_later_one_is_kept() {
    let first = world().await;
    let vfs = Arc::clone(&first.vfs);
    let second = Control::start(first.directory.path(), DEVICE, vfs).unwrap();
    first.control.close();
    first.set("d/f", "user.color", "blue").await;
    drop(second);
    assert!(!first.socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_somebody_else_is_not_asked() {
    let world = world().await;
    let stranger = rustix::process::geteuid().as_raw() + 1;
    let request = Request { path: octets(""), act: Act::Get { name: octets("user.color") } };
    let asked = client::ask(&world.socket(), stranger, &request).await;
    assert!(matches!(asked, Err(NoAnswer::NoSocket)), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_is_left() {
    let world = world().await;
    let mut stalled = Blocking::connect(world.socket()).unwrap();
    stalled.write_all(b"{\"path\":").unwrap();
    // Those before it have been accepted when a later one is answered.
    check_refused(world.get("none", "user.color").await, Errno::NOENT);
    world.control.close();
    let heard = tokio::task::spawn_blocking(move || {
        let mut answer = Vec::new();
        // What it said and nobody read makes its end a broken one.
        drop(stalled.read_to_end(&mut answer));
        answer
    });
    assert!(heard.await.unwrap().is_empty());
    world.control.finish().await;
}

#[track_caller]
fn check_may_ask(asker_uid: u32, owner_uid: u32, expected: bool) {
    assert_eq!(may_ask(asker_uid, owner_uid), expected, "{asker_uid} asks {owner_uid}");
}

#[test]
fn only_the_owner_and_root_may_ask() {
    check_may_ask(1000, 1000, true);
    check_may_ask(0, 1000, true);
    check_may_ask(1001, 1000, false);
    check_may_ask(1000, 0, false);
}
