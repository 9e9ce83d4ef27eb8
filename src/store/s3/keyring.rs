//! The keys in use: who is asked for credentials, and when again.
//!
//! One memory for the data path and the SDK, so that nobody is asked twice. Credentials are good
//! until they say, or until S3 takes them no more. Where they come from is `credentials`' business.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as ProvidedCredentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use tokio::time::Instant;

use crate::store::clock::{Clock, SystemClock};

/// How long credentials are good that don't say.
const UNSAID_SECONDS: u64 = 15 * 60;
/// How long before their end credentials are used no more: a request takes its time.
const SPARE_SECONDS: u64 = 10;
/// How often a refusal without a reason is taken for a token whose time is over, within
/// [`GUESS_PERIOD`].
const GUESSES_MAX: u32 = 4;
const GUESS_PERIOD: Duration = Duration::from_secs(60);

/// Whether asking for credentials again can bring others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Renewal {
    Possible,
    /// They were given once and for all.
    Pointless,
}

/// Credentials, remembered while they are good.
pub(super) struct Keyring {
    provider: SharedCredentialsProvider,
    renewal: Renewal,
    clock: SystemClock,
    /// Held by whoever asks the provider; others wait for what that brings.
    asking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// How often credentials had to be asked for again.
    renewals: u64,
    /// Since when, and how often since, that was done without S3 saying that their time is over.
    guesses: Option<(Instant, u32)>,
}

struct Known {
    credentials: Credentials,
    good_until: SystemTime,
}

impl Keyring {
    pub(super) fn new(provider: SharedCredentialsProvider, renewal: Renewal) -> Self {
        Self {
            provider,
            renewal,
            clock: SystemClock::new(),
            asking: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    pub(super) fn renewal(&self) -> Renewal {
        self.renewal
    }

    /// How often credentials were renewed: what a request is to remember before it is sent.
    pub(super) fn renewals(&self) -> u64 {
        self.state().renewals
    }

    pub(super) async fn credentials(&self) -> provider::Result {
        if let Some(credentials) = self.remembered() {
            return Ok(credentials);
        }
        let _turn = self.asking.lock().await;
        if let Some(credentials) = self.remembered() {
            return Ok(credentials);
        }
        let credentials = self.provider.provide_credentials().await?;
        let unsaid = || self.clock.wall() + Duration::from_secs(UNSAID_SECONDS);
        let good_until = credentials.expiry().unwrap_or_else(unsaid);
        self.state().known = Some(Known { credentials: credentials.clone(), good_until });
        Ok(credentials)
    }

    fn remembered(&self) -> Option<Credentials> {
        let soon = self.clock.wall() + Duration::from_secs(SPARE_SECONDS);
        let state = self.state();
        let known = state.known.as_ref().filter(|known| soon < known.good_until);
        known.map(|known| known.credentials.clone())
    }

    /// Has credentials asked for anew, unless somebody else has since `renewals` was read: many
    /// requests find out at once that a token is over.
    pub(super) fn renew(&self, renewals: u64) {
        let mut state = self.state();
        if state.renewals != renewals {
            return;
        }
        state.renewals += 1;
        state.known = None;
        tracing::info!("S3 takes the credentials no more: they are asked for again");
    }

    /// Whether a refusal without a reason may once more be taken for a token that is over. Some
    /// objects answer every `HEAD` so.
    pub(super) fn may_guess(&self, renewals: u64) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        if state.renewals != renewals {
            return true;
        }
        let recent = state.guesses.filter(|(since, _)| now - *since < GUESS_PERIOD);
        let (since, count) = recent.unwrap_or((now, 0));
        state.guesses = Some((since, count + 1));
        count < GUESSES_MAX
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("renewal", &self.renewal).finish_non_exhaustive()
    }
}

impl ProvideCredentials for Keyring {
    fn provide_credentials<'a>(&'a self) -> ProvidedCredentials<'a>
    where
        Self: 'a,
    {
        ProvidedCredentials::new(self.credentials())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Gives out credentials that are numbered, and good for so long.
    #[derive(Debug)]
    struct Numbered {
        asked: Arc<AtomicU32>,
        good_for: Option<Duration>,
    }

    impl ProvideCredentials for Numbered {
        fn provide_credentials<'a>(&'a self) -> ProvidedCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.asked.fetch_add(1, Ordering::Relaxed).to_string();
            let expiry = self.good_for.map(|good_for| SystemClock::new().wall() + good_for);
            ProvidedCredentials::new(async move {
                tokio::task::yield_now().await;
                Ok(Credentials::new(number, "secret", None, expiry, "Numbered"))
            })
        }
    }

    fn keyring(good_for: Option<Duration>) -> (Keyring, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let provider = Numbered { asked: Arc::clone(&asked), good_for };
        let provider = SharedCredentialsProvider::new(provider);
        (Keyring::new(provider, Renewal::Possible), asked)
    }

    async fn key(keyring: &Keyring) -> String {
        keyring.credentials().await.unwrap().access_key_id().to_owned()
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_by_however_many() {
        for good_for in [None, Some(Duration::from_secs(3600))] {
            let (keyring, asked) = keyring(good_for);
            let keys = tokio::join!(key(&keyring), key(&keyring), key(&keyring));
            assert_eq!(keys, ("0".to_owned(), "0".to_owned(), "0".to_owned()));
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test]
    async fn credentials_that_are_nearly_over_are_asked_for_again() {
        let (keyring, _) = keyring(Some(Duration::from_secs(SPARE_SECONDS / 2)));
        assert_eq!(key(&keyring).await, "0");
        assert_eq!(key(&keyring).await, "1");
    }

    #[tokio::test]
    async fn credentials_are_renewed_once_for_all_that_were_refused() {
        let (keyring, _) = keyring(None);
        let before = keyring.renewals();
        assert_eq!(key(&keyring).await, "0");
        keyring.renew(before);
        keyring.renew(before);
        assert_eq!(key(&keyring).await, "1");
        assert_eq!(keyring.renewals(), before + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_without_a_reason_is_taken_for_an_end_now_and_then() {
        let (keyring, _) = keyring(None);
        for _guess in 0..GUESSES_MAX {
            assert!(keyring.may_guess(0));
        }
        assert!(!keyring.may_guess(0));
        tokio::time::advance(GUESS_PERIOD).await;
        assert!(keyring.may_guess(0));
    }
}
