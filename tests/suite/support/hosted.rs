//! Our server in this process, for what `pailfs serve` has no option for: other accounts, keys that
//! are given out for a time, and a time that the test sets.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use pailfs::server::sessions::{Session, Sessions};
use pailfs::server::{self, ServeOptions, Server};
use pailfs::store::ObjectStore;
use pailfs::store::clock::{Clock, SystemClock};
use pailfs::store::faulty::Faulty;
use pailfs::store::model::{Model, ModelOptions};
use pailfs::store::types::Owner;

use crate::support::mount::{TestMount, mount_at};
use crate::support::runtime::block_on;
use crate::support::servers::{Keys, REGION, environment};

/// A server that ends with the test.
pub(crate) struct Hosted {
    model: Model,
    /// What the server asks of the model.
    asked: Arc<Faulty>,
    clock: Arc<SetClock>,
    sessions: Arc<Sessions>,
    server: Option<Server>,
}

/// The machine's clock, put forward.
struct SetClock {
    machine: SystemClock,
    ahead: Mutex<Duration>,
}

impl Clock for SetClock {
    fn wall(&self) -> SystemTime {
        self.machine.wall() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

impl Hosted {
    pub(crate) fn start() -> Self {
        let clock =
            Arc::new(SetClock { machine: SystemClock::new(), ahead: Mutex::new(Duration::ZERO) });
        let model = Model::in_memory(Arc::clone(&clock) as Arc<dyn Clock>, ModelOptions::default());
        let sessions = Arc::new(Sessions::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let keys = Keys::default();
        let options = ServeOptions {
            listen: "127.0.0.1:0".parse().expect("an address"),
            access_key: keys.access,
            secret_key: keys.secret,
            region: REGION.to_owned(),
            sessions: Arc::clone(&sessions),
        };
        let store = Arc::new(model.for_account(ModelOptions::default().owner));
        let asked = Arc::new(Faulty::new(store));
        let store = Arc::clone(&asked) as Arc<dyn ObjectStore>;
        let server = block_on(server::start(store, options)).expect("a server");
        Self { model, asked, clock, sessions, server: Some(server) }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.server.as_ref().expect("a server that runs").endpoint()
    }

    /// The store behind the server, as its own account sees it.
    pub(crate) fn store(&self) -> &dyn ObjectStore {
        &self.model
    }

    /// How many bytes of objects the server has sent.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.asked.bytes_moved().fetched
    }

    /// How many bytes of objects the server has been sent.
    pub(crate) fn bytes_uploaded(&self) -> u64 {
        self.asked.bytes_moved().sent
    }

    /// How many requests for bytes of an object the server got.
    pub(crate) fn gets(&self, key: &str) -> usize {
        let calls = self.asked.calls().into_iter();
        calls.filter(|(operation, asked)| *operation == "get_object" && asked == key).count()
    }

    /// The same store, as somebody else sees it.
    pub(crate) fn stranger(&self) -> Model {
        let owner = Owner { id: "5".repeat(64), display_name: Some("stranger".to_owned()) };
        self.model.for_account(owner)
    }

    /// Gives out keys that the server takes for so long.
    pub(crate) fn give(&self, access_key: &str, valid: Duration) {
        self.sessions.add(Session {
            access_key: access_key.to_owned(),
            secret_key: "secret".to_owned(),
            token: format!("token of {access_key}"),
            expires: self.clock.wall() + valid,
        });
    }

    /// Puts the server's time forward.
    pub(crate) fn pass(&self, time: Duration) {
        *self.clock.ahead.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    #[track_caller]
    pub(crate) fn mount(&self, source: &str, arguments: &[&str]) -> TestMount {
        mount_at(&self.endpoint(), &environment(), source, arguments).expect("a mount")
    }

    /// Mounts with a profile of this configuration file, and no keys besides.
    #[track_caller]
    pub(crate) fn mount_profile(&self, config: &Path, source: &str) -> TestMount {
        let mut environment = environment();
        environment.retain(|(name, _)| !name.contains("KEY") && *name != "AWS_CONFIG_FILE");
        environment.push(("AWS_CONFIG_FILE", config.display().to_string()));
        let arguments = ["--profile", "test", "--log", "info"];
        mount_at(&self.endpoint(), &environment, source, &arguments).expect("a mount")
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            block_on(server.shutdown());
        }
    }
}
