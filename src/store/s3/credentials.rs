//! Credentials: who signs the requests.
//!
//! The chain is the SDK's own and refreshes what expires; this file only chooses between it, a
//! key file and no signature at all. No request is sent from here.

use aws_config::ConfigLoader;
use aws_credential_types::Credentials;

use crate::store::error::StoreResult;
use crate::store::s3::key_file::read_keys;
use crate::store::s3::{CredentialSource, S3Options};

/// Named by the SDK in its own log lines.
const PROVIDER_NAME: &str = "KeyFile";

/// Tells the loader where credentials come from; its default is the chain.
pub(super) fn with_credentials(
    loader: ConfigLoader,
    options: &S3Options,
) -> StoreResult<ConfigLoader> {
    match &options.credentials {
        CredentialSource::Chain => Ok(loader),
        CredentialSource::Anonymous => Ok(loader.no_credentials()),
        CredentialSource::KeyFile(path) => {
            let keys = read_keys(path, options.profile.as_deref())?;
            let (access, secret, token) = (keys.access_key, keys.secret_key, keys.session_token);
            let credentials = Credentials::new(access, secret, token, None, PROVIDER_NAME);
            Ok(loader.credentials_provider(credentials))
        }
    }
}
