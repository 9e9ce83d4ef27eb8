//! Free ports on the loopback interface, below those that outgoing connections are given.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that nothing listens on and that no other test was given.
pub(crate) fn free() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && taken.insert(port) {
            return port;
        }
    }
}
