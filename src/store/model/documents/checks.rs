//! Checks: which configurations S3 refuses though they are well-formed.
//!
//! Pure; one function a kind, with the codes and, where it is known, the sentences of S3. What a
//! configuration refers to (a bucket for logs) is looked up by whoever puts it.

use std::collections::BTreeSet;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::lifecycle;
use crate::store::model::lock;
use crate::store::model::names;
use crate::store::model::refusal;
use crate::store::model::xml::Element;
use crate::store::types::DocumentKind;

const POLICY_BYTES_MAX: usize = 20 * 1024;
const CORS_RULES_MAX: usize = 100;
const CORS_METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const BUCKET_TAGS_MAX: usize = 50;
const CIPHERS: [&str; 3] = ["AES256", "aws:kms", "aws:kms:dsse"];
const OWNERSHIPS: [&str; 3] = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];
const PUBLIC_ACCESS_BLOCKS: [&str; 4] =
    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];

/// Where notifications go: the configuration, and the element of it that names the target.
const NOTIFIED: [(&str, &str); 3] = [
    ("TopicConfiguration", "Topic"),
    ("QueueConfiguration", "Queue"),
    ("CloudFunctionConfiguration", "CloudFunction"),
];

/// Checks a configuration in XML; `text` is the same as `root`.
pub(super) fn check_xml(kind: DocumentKind, root: &Element, text: &str) -> StoreResult<()> {
    match kind {
        DocumentKind::Cors => check_cors(root),
        DocumentKind::Lifecycle => lifecycle::check_text(text),
        DocumentKind::BucketTagging => check_tagging(root),
        DocumentKind::BucketEncryption => check_encryption(root),
        DocumentKind::Website => check_website(root),
        DocumentKind::PublicAccessBlock => check_public_access_block(root),
        DocumentKind::OwnershipControls => check_ownership(root),
        DocumentKind::Notification => check_notification(root),
        DocumentKind::Logging => check_logging(root),
        DocumentKind::RequestPayment => {
            is_one_of(root.text_of("Payer"), &["Requester", "BucketOwner"])
        }
        DocumentKind::ObjectLock => lock::default_retention(text).map(drop),
        // Understood by whoever acts on them.
        DocumentKind::Versioning | DocumentKind::Retention | DocumentKind::LegalHold => Ok(()),
        // Is no XML.
        DocumentKind::Policy => Ok(()),
    }
}

/// Checks a bucket's policy.
pub(super) fn check_policy(text: &str) -> StoreResult<()> {
    let malformed =
        |message: String| StoreError::new(ErrorKind::Invalid, "MalformedPolicy", message);
    if text.len() > POLICY_BYTES_MAX {
        let message = "Policy exceeds the maximum allowed document size.";
        return Err(StoreError::new(ErrorKind::Invalid, "PolicyTooLarge", message));
    }
    let policy: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)
        .map_err(|error| malformed(format!("Policies must be valid JSON: {error}")))?;
    let statements = match policy.get("Statement") {
        Some(serde_json::Value::Array(statements)) if !statements.is_empty() => {
            statements.as_slice()
        }
        Some(statement @ serde_json::Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Err(malformed("Missing required field Statement".to_owned())),
    };
    for statement in statements {
        if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
            return Err(malformed(format!("Invalid effect: {}", statement["Effect"])));
        }
        for field in ["Principal", "Action", "Resource"] {
            if statement.get(field).or_else(|| statement.get(format!("Not{field}"))).is_none() {
                return Err(malformed(format!("Missing required field {field}")));
            }
        }
    }
    Ok(())
}

fn check_cors(root: &Element) -> StoreResult<()> {
    let rules = root.all("CORSRule").count();
    if rules == 0 {
        return Err(refusal::malformed_document());
    }
    if rules > CORS_RULES_MAX {
        return Err(refusal::invalid_request(format!(
            "The number of CORS rules should not exceed allowed limit of {CORS_RULES_MAX} rules."
        )));
    }
    root.all("CORSRule").try_for_each(check_cors_rule)
}

fn check_cors_rule(rule: &Element) -> StoreResult<()> {
    if rule.child("AllowedMethod").is_none() || rule.child("AllowedOrigin").is_none() {
        return Err(refusal::malformed_document());
    }
    let mut methods = rule.all("AllowedMethod").map(|method| method.text.as_str());
    if let Some(method) = methods.find(|method| !CORS_METHODS.contains(method)) {
        return Err(refusal::invalid_request(format!(
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        )));
    }
    for name in ["AllowedOrigin", "AllowedHeader"] {
        let mut wild = rule.all(name).filter(|it| it.text.matches('*').count() > 1);
        if let Some(Element { text, .. }) = wild.next() {
            let message = format!("{name} \"{text}\" can not have more than one wildcard.");
            return Err(refusal::invalid_request(message));
        }
    }
    match rule.text_of("MaxAgeSeconds").map(str::parse::<u32>) {
        Some(Err(_)) => Err(refusal::malformed_document()),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn check_tagging(root: &Element) -> StoreResult<()> {
    let set = root.child("TagSet").ok_or_else(refusal::malformed_document)?;
    let mut keys = BTreeSet::new();
    for tag in &set.children {
        let (Some(key), Some(value)) = (tag.text_of("Key"), tag.text_of("Value")) else {
            return Err(refusal::malformed_document());
        };
        names::check_tag(key, value)?;
        if !keys.insert(key) {
            let message = "Cannot provide multiple Tags with the same key";
            return Err(StoreError::new(ErrorKind::Invalid, "InvalidTag", message));
        }
    }
    if keys.len() > BUCKET_TAGS_MAX {
        let message = format!("Bucket tag count cannot be greater than {BUCKET_TAGS_MAX}");
        return Err(StoreError::new(ErrorKind::Invalid, "BadRequest", message));
    }
    Ok(())
}

fn check_encryption(root: &Element) -> StoreResult<()> {
    let mut rules = root.all("Rule");
    let (Some(rule), None) = (rules.next(), rules.next()) else {
        return Err(refusal::malformed_document());
    };
    let Some(default) = rule.child("ApplyServerSideEncryptionByDefault") else {
        return is_one_of(rule.text_of("BucketKeyEnabled"), &["true", "false"]);
    };
    is_one_of(default.text_of("SSEAlgorithm"), &CIPHERS)?;
    if default.text_of("SSEAlgorithm") == Some("AES256")
        && default.child("KMSMasterKeyID").is_some()
    {
        return Err(refusal::invalid_argument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
        ));
    }
    Ok(())
}

fn check_website(root: &Element) -> StoreResult<()> {
    let suffix =
        root.child("IndexDocument").map(|index| index.text_of("Suffix").unwrap_or_default());
    match (root.child("RedirectAllRequestsTo"), suffix) {
        (Some(redirect), None) if redirect.child("HostName").is_some() => Ok(()),
        (Some(_), None) => Err(refusal::malformed_document()),
        (Some(_), Some(_)) => Err(refusal::invalid_request(
            "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
        )),
        (None, None) => Err(refusal::invalid_argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
        )),
        (None, Some(suffix)) if suffix.is_empty() || suffix.contains('/') => {
            Err(refusal::invalid_argument("The IndexDocument Suffix is not well formed"))
        }
        (None, Some(_)) => Ok(()),
    }
}

fn check_public_access_block(root: &Element) -> StoreResult<()> {
    if root.children.is_empty() {
        return Err(refusal::invalid_request("Must specify at least one configuration."));
    }
    for setting in &root.children {
        is_one_of(Some(setting.name.as_str()), &PUBLIC_ACCESS_BLOCKS)?;
        is_one_of(Some(setting.text.as_str()), &["true", "false", "TRUE", "FALSE"])?;
    }
    Ok(())
}

fn check_ownership(root: &Element) -> StoreResult<()> {
    let mut rules = root.all("Rule");
    match (rules.next(), rules.next()) {
        (Some(rule), None) => is_one_of(rule.text_of("ObjectOwnership"), &OWNERSHIPS),
        _ => Err(refusal::malformed_document()),
    }
}

fn check_notification(root: &Element) -> StoreResult<()> {
    for configuration in &root.children {
        if configuration.name == "EventBridgeConfiguration" {
            continue;
        }
        let known = NOTIFIED.iter().find(|(name, _)| *name == configuration.name);
        let (_, target) = known.ok_or_else(refusal::malformed_document)?;
        if !configuration.text_of(target).is_some_and(|arn| arn.starts_with("arn:")) {
            return Err(refusal::invalid_argument("The ARN is not well formed"));
        }
        let mut events = configuration.all("Event").peekable();
        if events.peek().is_none() || events.any(|event| !event.text.starts_with("s3:")) {
            return Err(refusal::malformed_document());
        }
    }
    Ok(())
}

fn check_logging(root: &Element) -> StoreResult<()> {
    match root.child("LoggingEnabled") {
        Some(enabled)
            if enabled.child("TargetBucket").is_none()
                || enabled.child("TargetPrefix").is_none() =>
        {
            Err(refusal::malformed_document())
        }
        Some(_) | None => Ok(()),
    }
}

fn is_one_of(text: Option<&str>, known: &[&str]) -> StoreResult<()> {
    match text {
        Some(text) if known.contains(&text) => Ok(()),
        _ => Err(refusal::malformed_document()),
    }
}

#[cfg(test)]
mod tests;
