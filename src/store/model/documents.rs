//! Documents: which texts S3 takes as a configuration, and what it answers where there is none.
//!
//! A text is kept as it came, once [`checks`] has found that S3 would take it. Only versioning is
//! understood here, because it changes what writes do. What a hold or a retention means is
//! [`lock`](crate::store::model::lock)'s business, what rules do over time
//! [`lifecycle`](crate::store::model::lifecycle)'s.

mod checks;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::refusal;
use crate::store::model::state::{Documents, Versioning};
use crate::store::model::xml::Element;
use crate::store::types::{DocumentKind, Resource};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What a bucket created for object lock answers until it is told more.
pub(super) const OBJECT_LOCK_ENABLED: &str = "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
     <ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";

/// What a bucket with versioning answers until it is told more.
pub(super) const VERSIONING_ENABLED: &str = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
     <Status>Enabled</Status></VersioningConfiguration>";

/// Fails where documents of that kind do not belong to such a resource.
pub(super) fn check_resource(kind: DocumentKind, resource: &Resource) -> StoreResult<()> {
    let is_of_object = matches!(kind, DocumentKind::Retention | DocumentKind::LegalHold);
    if is_of_object == matches!(resource, Resource::Object { .. }) {
        return Ok(());
    }
    Err(refusal::method_not_allowed())
}

/// Checks a text that is to be kept.
pub(super) fn check_text(kind: DocumentKind, text: &str) -> StoreResult<()> {
    if kind.row().root.is_empty() {
        return checks::check_policy(text);
    }
    let root = Element::parse(text).ok_or_else(refusal::malformed_document)?;
    if root.name != kind.row().root {
        let message = format!("There is no configuration {}", root.name);
        return Err(refusal::malformed_xml(message));
    }
    checks::check_xml(kind, &root, text)
}

/// The text of that kind, or the empty one that S3 answers with.
pub(super) fn answer(documents: &Documents, kind: DocumentKind) -> StoreResult<String> {
    let row = kind.row();
    match documents.get(&kind) {
        Some(text) => Ok(text.clone()),
        None if row.missing_code.is_empty() => {
            let content = match kind {
                DocumentKind::RequestPayment => "<Payer>BucketOwner</Payer>",
                _ => "",
            };
            Ok(format!("<{0} xmlns=\"{NAMESPACE}\">{content}</{0}>", row.root))
        }
        None => {
            let message = format!("There is no {} configuration", row.query);
            Err(StoreError::new(ErrorKind::NotFound, row.missing_code, message))
        }
    }
}

/// What a versioning document asks for.
pub(super) fn versioning_of(text: &str) -> StoreResult<Versioning> {
    match text_of(text, "Status").as_deref() {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(status) => Err(refusal::malformed_xml(format!("There is no status {status}"))),
        None => Err(StoreError::new(
            ErrorKind::Invalid,
            "IllegalVersioningConfigurationException",
            "The versioning configuration specified in the request is invalid",
        )),
    }
}

/// The text of the first element of that name below the root.
pub(super) fn text_of(text: &str, name: &str) -> Option<String> {
    Element::parse(text)?.text_of(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::DOCUMENTS;

    #[track_caller]
    fn check(kind: DocumentKind, text: &str, expected: Result<(), &str>) {
        let result = check_text(kind, text).map_err(|error| error.code.into_owned());
        assert_eq!(result, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_document_is_one_element_of_the_right_name() {
        let kind = DocumentKind::Logging;
        check(kind, "<BucketLoggingStatus/>", Ok(()));
        check(
            kind,
            "<?xml version=\"1.0\"?>\n<BucketLoggingStatus xmlns=\"x\"><a b=\"c\">&amp;</a></BucketLoggingStatus>\n",
            Ok(()),
        );
        check(kind, "<s:BucketLoggingStatus xmlns:s=\"x\"></s:BucketLoggingStatus>", Ok(()));
        for bad in [
            "",
            "cors",
            "<Tagging/>",
            "<BucketLoggingStatus>",
            "<BucketLoggingStatus></Tagging>",
            "<BucketLoggingStatus><a></BucketLoggingStatus>",
            "<BucketLoggingStatus/><BucketLoggingStatus/>",
            "<BucketLoggingStatus/>and more",
            "<BucketLoggingStatus a=b/>",
            "</BucketLoggingStatus>",
        ] {
            check(kind, bad, Err("MalformedXML"));
        }
    }

    #[test]
    fn a_policy_is_a_json_object() {
        for bad in ["", "[]", "{", "<Policy/>"] {
            check(DocumentKind::Policy, bad, Err("MalformedPolicy"));
        }
    }

    #[test]
    fn what_is_missing_is_said_by_the_table() {
        for row in DOCUMENTS {
            let answered = answer(&Documents::new(), row.kind);
            match row.missing_code {
                "" => assert!(Element::parse(&answered.unwrap()).is_some()),
                code => assert_eq!(answered.unwrap_err().code, code),
            }
        }
        let payment = answer(&Documents::new(), DocumentKind::RequestPayment).unwrap();
        assert!(payment.contains("<Payer>BucketOwner</Payer>"), "{payment}");
    }

    #[test]
    fn versioning_is_understood() {
        let of = |text: &str| versioning_of(text).ok();
        assert_eq!(of(VERSIONING_ENABLED), Some(Versioning::Enabled));
        let suspended = VERSIONING_ENABLED.replace("Enabled<", "\n Suspended <");
        assert_eq!(of(&suspended), Some(Versioning::Suspended));
        assert_eq!(of("<VersioningConfiguration/>"), None);
        assert_eq!(of(&VERSIONING_ENABLED.replace("Enabled<", "On<")), None);
    }

    #[test]
    fn kinds_know_what_they_belong_to() {
        let (bucket, object) = (Resource::bucket("b"), Resource::object("b", "k"));
        assert!(check_resource(DocumentKind::Retention, &object).is_ok());
        assert!(check_resource(DocumentKind::Retention, &bucket).is_err());
        assert!(check_resource(DocumentKind::Cors, &bucket).is_ok());
        assert!(check_resource(DocumentKind::Cors, &object).is_err());
        assert!(check_text(DocumentKind::ObjectLock, OBJECT_LOCK_ENABLED).is_ok());
    }
}
