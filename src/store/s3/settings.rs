//! Settings: options and the machine's configuration as the SDK's configuration.
//!
//! What is set here holds for every request: HTTP client, retries, checksums, region, endpoint,
//! addressing. Limits of single operations are `connection`'s and `transport`'s business.

use std::path::Path;
use std::sync::Arc;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::endpoint::Params;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::connection::{Connection, Limits};
use crate::store::s3::credentials::{check_profile, keyring};
use crate::store::s3::keyring::Keyring;
use crate::store::s3::transport::Http;
use crate::store::s3::wire::Wire;
use crate::store::s3::wire::place::Places;
use crate::store::s3::{Addressing, CredentialSource, S3Options};

/// Where AWS keeps what says nothing else.
const REGION_DEFAULT: &str = "us-east-1";
/// In the user agent of every request.
const APP_NAME: &str = "pailfs";

/// Reads files and environment, and makes the clients; asks no server but the machine's own
/// metadata service, and that only for a region nobody names.
pub(super) async fn connect(options: &S3Options) -> StoreResult<Connection> {
    options.endpoint_url.as_deref().map_or(Ok(()), check_endpoint)?;
    check_profile(options).await?;
    let http = http(options)?;
    let region = find_region(options, &http).await;
    let keys = keyring(options, &http, region.clone())?.map(Arc::new);
    let machine = load_machine(options, &http, keys.clone(), region.clone()).await;
    let endpoint = endpoint_of(options, &machine);
    let path_style = plan_path_style(options.addressing, endpoint.is_some());
    let client = Client::from_conf(service_config(options, &machine, path_style).build());
    let places = places(&machine, endpoint.as_deref(), path_style);
    let limits = Limits { operation: options.operation_timeout, answer: options.read_timeout };
    let named = endpoint.unwrap_or_else(|| format!("AWS, region {region}"));
    let wire = Wire::new(http, keys, places, named, options.attempts_max);
    Ok(Connection::new(client, wire, region.to_string(), limits))
}

fn http(options: &S3Options) -> StoreResult<Http> {
    let invalid = |path: &Path, reason: &str| {
        let message = format!("certificates in {}: {reason}", path.display());
        StoreError::new(ErrorKind::Invalid, "InvalidCertificates", message)
    };
    let path = options.ca_bundle.as_deref().unwrap_or(Path::new(""));
    let bundle = options.ca_bundle.as_deref().map(std::fs::read).transpose();
    let bundle = bundle.map_err(|error| invalid(path, &error.to_string()))?;
    Http::new(options, bundle.as_deref()).map_err(|reason| invalid(path, &reason))
}

/// What the data path needs to know of addresses, as the SDK's client has it.
fn places(machine: &SdkConfig, endpoint: Option<&str>, path_style: bool) -> Places {
    let basis = Params::builder()
        .set_endpoint(endpoint.map(str::to_owned))
        .set_use_fips(machine.use_fips())
        .set_use_dual_stack(machine.use_dual_stack())
        // Requests of the data path are signed with the keys themselves, one and all.
        .disable_s3_express_session_auth(true)
        .force_path_style(path_style);
    Places::new(basis)
}

fn check_endpoint(endpoint: &str) -> StoreResult<()> {
    let address: Option<http::Uri> = endpoint.parse().ok();
    let scheme = address.as_ref().and_then(http::Uri::scheme_str);
    if matches!(scheme, Some("http" | "https")) {
        return Ok(());
    }
    let message = format!("endpoint {endpoint} must begin with http:// or https://");
    Err(StoreError::new(ErrorKind::Invalid, "InvalidEndpoint", message))
}

async fn find_region(options: &S3Options, http: &Http) -> Region {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    let mut chain = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build());
    // Only machines of AWS have the service, and only AWS cares which region they are in.
    if options.endpoint_url.is_none() && options.credentials == CredentialSource::Chain {
        chain = chain.or_else(metadata_region(http));
    }
    chain.region().await.unwrap_or_else(|| Region::new(REGION_DEFAULT))
}

/// One attempt: elsewhere than on AWS it ends in a timeout of a second.
fn metadata_region(http: &Http) -> ImdsRegionProvider {
    let config = ProviderConfig::without_region().with_http_client(http.clone());
    let client = imds::Client::builder().configure(&config).max_attempts(1).build();
    ImdsRegionProvider::builder().configure(&config).imds_client(client).build()
}

async fn load_machine(
    options: &S3Options,
    http: &Http,
    keys: Option<Arc<Keyring>>,
    region: Region,
) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(region)
        // The keyring remembers.
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts(options));
    if let Ok(name) = AppName::new(APP_NAME) {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    match keys {
        Some(keys) => loader.credentials_provider(keys as Arc<dyn ProvideCredentials>),
        None => loader.no_credentials(),
    }
    .load()
    .await
}

fn timeouts(options: &S3Options) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(options.connect_timeout).build()
}

fn service_config(options: &S3Options, machine: &SdkConfig, path_style: bool) -> Builder {
    // The SDK's own quota lets the failures of some requests forbid the retries of others: a
    // server that was gone for a minute would fail files that could have waited.
    let patient = RetryPartition::custom(APP_NAME).token_bucket(TokenBucket::unlimited()).build();
    let builder = Builder::from(machine)
        .retry_config(RetryConfig::standard().with_max_attempts(options.attempts_max))
        .retry_partition(patient)
        .timeout_config(timeouts(options))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(path_style);
    match options.credentials {
        CredentialSource::Anonymous => builder.allow_no_auth(),
        CredentialSource::Chain | CredentialSource::KeyFile(_) => builder,
    }
}

fn plan_path_style(addressing: Addressing, has_endpoint: bool) -> bool {
    match addressing {
        Addressing::Auto => has_endpoint,
        Addressing::Path => true,
        Addressing::VirtualHost => false,
    }
}

/// The endpoint of options, environment or profile, as the SDK is going to see it: what was set
/// for S3 goes before what was set for all services.
fn endpoint_of(options: &S3Options, machine: &SdkConfig) -> Option<String> {
    let for_service = || {
        let key = ServiceConfigKey::builder().service_id("S3");
        let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
        machine.service_config()?.load_config(key)
    };
    let given = options.endpoint_url.clone();
    given.or_else(for_service).or_else(|| machine.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_ones_own_is_addressed_by_path() {
        assert!(plan_path_style(Addressing::Auto, true));
        assert!(!plan_path_style(Addressing::Auto, false));
        assert!(plan_path_style(Addressing::Path, false));
        assert!(!plan_path_style(Addressing::VirtualHost, true));
    }

    #[test]
    fn an_endpoint_without_a_scheme_is_refused() {
        assert!(check_endpoint("http://127.0.0.1:9000").is_ok());
        assert!(check_endpoint("https://s3.example.com/prefix").is_ok());
        assert!(check_endpoint("s3.example.com").is_err());
        assert!(check_endpoint("ftp://s3.example.com").is_err());
    }

    #[tokio::test]
    async fn the_region_of_the_options_wins() {
        let options = S3Options {
            endpoint_url: Some("http://127.0.0.1:9".to_owned()),
            region: Some("eu-west-1".to_owned()),
            credentials: CredentialSource::Anonymous,
            ..S3Options::default()
        };
        assert_eq!(connect(&options).await.ok().unwrap().region(), "eu-west-1");
    }
}
