//! Sessions: keys that are given out for a time.
//!
//! Such keys come with a token, which every request has to bring along. Who gets them and until
//! when is the business of whoever adds them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::store::clock::Clock;

/// Keys that expire.
#[derive(Clone)]
pub struct Session {
    pub access_key: String,
    pub secret_key: String,
    pub token: String,
    pub expires: SystemTime,
}

/// All keys that were given out for a time, those that are over too.
pub struct Sessions {
    clock: Arc<dyn Clock>,
    /// By access key.
    given: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, given: Mutex::default() }
    }

    /// Lets in whoever has these keys, until they expire.
    pub fn add(&self, session: Session) {
        self.given().insert(session.access_key.clone(), session);
    }

    pub(crate) fn secret(&self, access_key: &str) -> Option<String> {
        self.given().get(access_key).map(|session| session.secret_key.clone())
    }

    /// Fails with S3's code where the token is not the key's, or its time is over.
    pub(crate) fn check(&self, access_key: &str, token: Option<&str>) -> Result<(), &'static str> {
        let now = self.clock.wall();
        match (self.given().get(access_key), token) {
            (None, _) | (_, None) => Err("InvalidAccessKeyId"),
            (Some(session), Some(token)) if session.token != token => Err("InvalidToken"),
            (Some(session), Some(_)) if session.expires <= now => Err("ExpiredToken"),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    fn given(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::clock::VirtualClock;

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_and_is_known_by_its_token() {
        let clock = Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH));
        let sessions = Sessions::new(Arc::clone(&clock) as Arc<dyn Clock>);
        sessions.add(Session {
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            token: "token".to_owned(),
            expires: SystemTime::UNIX_EPOCH + Duration::from_secs(10),
        });
        assert_eq!(sessions.secret("key").as_deref(), Some("secret"));
        assert_eq!(sessions.check("key", Some("token")), Ok(()));
        assert_eq!(sessions.check("key", Some("other")), Err("InvalidToken"));
        assert_eq!(sessions.check("key", None), Err("InvalidAccessKeyId"));
        assert_eq!(sessions.check("another", Some("token")), Err("InvalidAccessKeyId"));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(sessions.check("key", Some("token")), Err("ExpiredToken"));
    }
}
