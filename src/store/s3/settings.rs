//! Settings: options and the machine's configuration as the SDK's configuration.
//!
//! What is set here holds for every request: HTTP client, retries, checksums, region, endpoint,
//! addressing. Limits of single operations are `connection`'s and `transport`'s business.

use std::path::Path;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::connection::{Connection, Limits, Renewal};
use crate::store::s3::credentials::{check_profile, with_credentials};
use crate::store::s3::transport::{Watched, http_client};
use crate::store::s3::{Addressing, CredentialSource, S3Options};

/// Where AWS keeps what says nothing else.
const REGION_DEFAULT: &str = "us-east-1";
/// In the user agent of every request.
const APP_NAME: &str = "pailfs";
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";
/// The tag of a DER sequence, which every certificate is.
const DER_SEQUENCE: u8 = 0x30;

/// Reads files and environment, and makes the clients; asks no server but the machine's own
/// metadata service, and that only for a region nobody names.
pub(super) async fn connect(options: &S3Options) -> StoreResult<Connection> {
    options.endpoint_url.as_deref().map_or(Ok(()), check_endpoint)?;
    check_profile(options).await?;
    let bundle = options.ca_bundle.as_deref().map(read_bundle).transpose()?;
    let http = http_client(bundle, options.connections_max);
    let region = find_region(options, &http).await;
    let machine = load_machine(options, &http, region.clone()).await?;
    let endpoint = endpoint_of(options, &machine);
    let client =
        Client::from_conf(service_config(options, &machine, http, endpoint.is_some()).build());
    let limits = Limits { operation: options.operation_timeout, answer: options.read_timeout };
    let named = endpoint.unwrap_or_else(|| format!("AWS, region {region}"));
    let renewal = plan_renewal(&options.credentials);
    Ok(Connection::new(client, region.to_string(), named, limits, renewal))
}

fn plan_renewal(credentials: &CredentialSource) -> Renewal {
    match credentials {
        CredentialSource::Chain => Renewal::Possible,
        CredentialSource::Anonymous | CredentialSource::KeyFile(_) => Renewal::Pointless,
    }
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

fn read_bundle(path: &Path) -> StoreResult<Vec<u8>> {
    let invalid = |reason: String| {
        let message = format!("certificates in {}: {reason}", path.display());
        StoreError::new(ErrorKind::Invalid, "InvalidCertificates", message)
    };
    let text = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    check_bundle(&text).map_err(|reason| invalid(reason.to_owned()))?;
    Ok(text.into_bytes())
}

/// The HTTP client panics on what it can't read, so that is kept from it.
fn check_bundle(text: &str) -> Result<(), &'static str> {
    let mut blocks = text.split(PEM_BEGIN).skip(1).peekable();
    if blocks.peek().is_none() {
        return Err("there is none in PEM form");
    }
    let is_certificate = |block: &str| {
        let (body, _) = block.split_once(PEM_END)?;
        let body: String = body.split_whitespace().collect();
        BASE64.decode(body).ok().filter(|bytes| bytes.first() == Some(&DER_SEQUENCE))
    };
    match blocks.all(|block| is_certificate(block).is_some()) {
        true => Ok(()),
        false => Err("one of them is broken"),
    }
}

async fn find_region(options: &S3Options, http: &SharedHttpClient) -> Region {
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
fn metadata_region(http: &SharedHttpClient) -> ImdsRegionProvider {
    let config = ProviderConfig::without_region().with_http_client(http.clone());
    let client = imds::Client::builder().configure(&config).max_attempts(1).build();
    ImdsRegionProvider::builder().configure(&config).imds_client(client).build()
}

async fn load_machine(
    options: &S3Options,
    http: &SharedHttpClient,
    region: Region,
) -> StoreResult<SdkConfig> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(region.clone())
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
    Ok(with_credentials(loader, options, http, region)?.load().await)
}

fn timeouts(options: &S3Options) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(options.connect_timeout).build()
}

fn service_config(
    options: &S3Options,
    machine: &SdkConfig,
    http: SharedHttpClient,
    has_endpoint: bool,
) -> Builder {
    // The SDK's own quota lets the failures of some requests forbid the retries of others: a
    // server that was gone for a minute would fail files that could have waited.
    let patient = RetryPartition::custom(APP_NAME).token_bucket(TokenBucket::unlimited()).build();
    let builder = Builder::from(machine)
        .http_client(Watched::new(http, options.read_timeout))
        .retry_config(RetryConfig::standard().with_max_attempts(options.attempts_max))
        .retry_partition(patient)
        .timeout_config(timeouts(options))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(plan_path_style(options.addressing, has_endpoint));
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

    #[test]
    fn certificates_that_cannot_be_read_are_refused() {
        let certificate = |body: &str| format!("text\n{PEM_BEGIN}\n{body}\n{PEM_END}\n");
        assert!(check_bundle(&certificate("MIIB\nAAA=")).is_ok());
        assert!(check_bundle("").is_err());
        assert!(check_bundle(&certificate("!!!!")).is_err());
        assert!(check_bundle(&certificate("AAAA")).is_err());
        assert!(check_bundle(&format!("{PEM_BEGIN}\nMIIBAAA=")).is_err());
        assert!(check_bundle(&(certificate("MIIBAAA=") + &certificate(""))).is_err());
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
