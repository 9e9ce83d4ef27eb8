//! Credentials: who signs the requests.
//!
//! The chain is the SDK's own and refreshes what expires; this file only chooses between it, a
//! profile by name, a key file and no signature at all. No request is sent from here.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as ProvidedCredentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use aws_types::os_shim_internal::{Env, Fs};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::key_file::read_keys;
use crate::store::s3::keyring::{Keyring, Renewal};
use crate::store::s3::transport::Http;
use crate::store::s3::{CredentialSource, S3Options};

/// Named by the SDK in its own log lines.
const PROVIDER_NAME: &str = "KeyFile";

/// Who signs requests; `None` if nobody does.
///
/// The chain asks the environment first: a profile that was named goes before it.
pub(super) fn keyring(
    options: &S3Options,
    http: &Http,
    region: Region,
) -> StoreResult<Option<Keyring>> {
    let (provider, renewal) = match (&options.credentials, &options.profile) {
        (CredentialSource::Chain, Some(name)) => {
            let profile = Anew::profile(name, http, region);
            (SharedCredentialsProvider::new(profile), Renewal::Possible)
        }
        (CredentialSource::Chain, None) => {
            (SharedCredentialsProvider::new(Anew::chain(http, region)), Renewal::Possible)
        }
        (CredentialSource::Anonymous, _) => return Ok(None),
        (CredentialSource::KeyFile(path), section) => {
            let keys = read_keys(path, section.as_deref())?;
            let (access, secret, token) = (keys.access_key, keys.secret_key, keys.session_token);
            let credentials = Credentials::new(access, secret, token, None, PROVIDER_NAME);
            (SharedCredentialsProvider::new(credentials), Renewal::Pointless)
        }
    };
    Ok(Some(Keyring::new(provider, renewal)))
}

/// Credentials from a profile, or where none is named from the chain, looked for each time anew.
///
/// The SDK's own providers read files once: a token that somebody writes into one later would
/// never be found. How long an answer is good is [`Keyring`]'s to remember.
#[derive(Debug)]
struct Anew {
    config: ProviderConfig,
    profile: Option<String>,
}

impl Anew {
    /// Roles that the profile assumes are asked for in `region`.
    fn profile(name: &str, http: &Http, region: Region) -> Self {
        Self { profile: Some(name.to_owned()), ..Self::chain(http, region) }
    }

    fn chain(http: &Http, region: Region) -> Self {
        let config = ProviderConfig::without_region()
            .with_region(Some(region))
            .with_behavior_version(Some(BehaviorVersion::latest()))
            .with_http_client(http.clone());
        Self { config, profile: None }
    }

    async fn look(&self) -> provider::Result {
        match &self.profile {
            Some(name) => {
                let provider = ProfileFileCredentialsProvider::builder().configure(&self.config);
                provider.profile_name(name).build().provide_credentials().await
            }
            None => {
                let chain = DefaultCredentialsChain::builder().configure(self.config.clone());
                chain.build().await.provide_credentials().await
            }
        }
    }
}

impl ProvideCredentials for Anew {
    fn provide_credentials<'a>(&'a self) -> ProvidedCredentials<'a>
    where
        Self: 'a,
    {
        ProvidedCredentials::new(self.look())
    }
}

/// Fails with `Invalid` where the profile that was named is in no file of AWS's. Of a key file it
/// names a section, which the file's reader looks for.
pub(super) async fn check_profile(options: &S3Options) -> StoreResult<()> {
    match (&options.profile, &options.credentials) {
        (None, _) | (_, CredentialSource::KeyFile(_)) => Ok(()),
        (Some(name), CredentialSource::Chain | CredentialSource::Anonymous) => {
            find_profile(name, &Fs::real(), &Env::real()).await
        }
    }
}

async fn find_profile(name: &str, files: &Fs, environment: &Env) -> StoreResult<()> {
    let invalid = |message| StoreError::new(ErrorKind::Invalid, "InvalidProfile", message);
    let profiles = profile::load(files, environment, &Default::default(), None).await;
    let profiles = profiles.map_err(|error| invalid(format!("profile {name}: {error}")))?;
    match profiles.get_profile(name) {
        Some(_) => Ok(()),
        None => Err(invalid(format!("there is no profile {name} in the configuration of AWS"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &[(&str, &str)] = &[("HOME", "/home/u"), ("AWS_ACCESS_KEY_ID", "AKID")];

    #[tokio::test]
    async fn a_profile_is_looked_for_in_both_files() {
        let files = Fs::from_slice(&[
            ("/home/u/.aws/config", "[profile one]\nregion = eu-west-1\n"),
            ("/home/u/.aws/credentials", "[two]\naws_access_key_id = A\n"),
        ]);
        let environment = Env::from_slice(HOME);
        for name in ["one", "two"] {
            assert!(find_profile(name, &files, &environment).await.is_ok(), "{name}");
        }
        let error = find_profile("three", &files, &environment).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("no profile three"), "{error}");
    }

    #[tokio::test]
    async fn files_that_cannot_be_understood_are_invalid() {
        let files = Fs::from_slice(&[("/home/u/.aws/config", "[profile one\n")]);
        let error = find_profile("one", &files, &Env::from_slice(HOME)).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_ref()), (ErrorKind::Invalid, "InvalidProfile"));
    }
}
