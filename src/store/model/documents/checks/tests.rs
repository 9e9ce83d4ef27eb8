//! What S3 takes and refuses, kind by kind.

use crate::store::model::documents::check_text;
use crate::store::types::DocumentKind;

/// Puts `body` into the root element of its kind.
#[track_caller]
fn check(kind: DocumentKind, body: &str, expected: Result<(), &str>) {
    let text = match kind.row().root {
        "" => body.to_owned(),
        root => format!("<{root}>{body}</{root}>"),
    };
    let result = check_text(kind, &text).map_err(|error| error.code.into_owned());
    assert_eq!(result, expected.map_err(str::to_owned), "{text}");
}

fn cors_rule(method: &str, origin: &str) -> String {
    format!(
        "<CORSRule><AllowedMethod>{method}</AllowedMethod><AllowedOrigin>{origin}</AllowedOrigin></CORSRule>"
    )
}

#[test]
fn cors_names_methods_and_origins() {
    let kind = DocumentKind::Cors;
    check(kind, &cors_rule("GET", "https://*.example.com"), Ok(()));
    check(kind, &cors_rule("PATCH", "*"), Err("InvalidRequest"));
    check(kind, &cors_rule("GET", "*.*"), Err("InvalidRequest"));
    check(kind, "", Err("MalformedXML"));
    check(kind, "<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>", Err("MalformedXML"));
    check(kind, "<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>", Err("MalformedXML"));
    check(kind, &cors_rule("GET", "*").repeat(100), Ok(()));
    check(kind, &cors_rule("GET", "*").repeat(101), Err("InvalidRequest"));
    let aged = |age| cors_rule("GET", "*").replace("</CORSRule>", age);
    check(kind, &aged("<MaxAgeSeconds>30</MaxAgeSeconds></CORSRule>"), Ok(()));
    check(kind, &aged("<MaxAgeSeconds>long</MaxAgeSeconds></CORSRule>"), Err("MalformedXML"));
}

#[test]
fn a_policy_has_statements() {
    let kind = DocumentKind::Policy;
    let statement = |effect: &str, rest: &str| {
        format!("{{\"Statement\": [{{\"Effect\": \"{effect}\"{rest}}}]}}")
    };
    let rest = ", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"arn:aws:s3:::b\"";
    check(kind, &statement("Allow", rest), Ok(()));
    check(kind, &statement("Deny", &rest.replace("Principal", "NotPrincipal")), Ok(()));
    check(kind, &statement("Perhaps", rest), Err("MalformedPolicy"));
    check(kind, &statement("Allow", ""), Err("MalformedPolicy"));
    check(kind, "{\"Version\": \"2012-10-17\"}", Err("MalformedPolicy"));
    check(kind, "{\"Statement\": []}", Err("MalformedPolicy"));
    let long = format!("{}{}", " ".repeat(20 * 1024), statement("Allow", rest));
    check(kind, &long, Err("PolicyTooLarge"));
}

#[test]
fn a_bucket_has_up_to_fifty_tags() {
    let kind = DocumentKind::BucketTagging;
    let tag = |key: &str| format!("<Tag><Key>{key}</Key><Value>v</Value></Tag>");
    let set = |tags: &str| format!("<TagSet>{tags}</TagSet>");
    let many = |count: usize| (0..count).map(|n| tag(&n.to_string())).collect::<String>();
    check(kind, &set(&many(50)), Ok(()));
    check(kind, &set(&many(51)), Err("BadRequest"));
    check(kind, &set(&tag("a").repeat(2)), Err("InvalidTag"));
    check(kind, &set(&tag("aws:mine")), Err("InvalidTag"));
    check(kind, &set("<Tag><Key>a</Key></Tag>"), Err("MalformedXML"));
    check(kind, "", Err("MalformedXML"));
}

#[test]
fn encryption_has_one_rule_with_a_known_cipher() {
    let kind = DocumentKind::BucketEncryption;
    let rule = |inner: &str| {
        format!(
            "<Rule><ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault></Rule>"
        )
    };
    let cipher = |name: &str| rule(&format!("<SSEAlgorithm>{name}</SSEAlgorithm>"));
    check(kind, &cipher("aws:kms"), Ok(()));
    check(kind, &cipher("rot13"), Err("MalformedXML"));
    check(kind, &cipher("AES256").repeat(2), Err("MalformedXML"));
    check(kind, "", Err("MalformedXML"));
    let keyed = "<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>";
    check(kind, &rule(keyed), Err("InvalidArgument"));
}

#[test]
fn a_website_has_an_index_or_is_elsewhere() {
    let kind = DocumentKind::Website;
    let index = |suffix: &str| format!("<IndexDocument><Suffix>{suffix}</Suffix></IndexDocument>");
    let elsewhere =
        "<RedirectAllRequestsTo><HostName>example.com</HostName></RedirectAllRequestsTo>";
    check(kind, &index("index.html"), Ok(()));
    check(kind, elsewhere, Ok(()));
    check(kind, &index("a/index.html"), Err("InvalidArgument"));
    check(kind, &index(""), Err("InvalidArgument"));
    check(kind, "", Err("InvalidArgument"));
    check(kind, &format!("{elsewhere}{}", index("index.html")), Err("InvalidRequest"));
    check(kind, "<RedirectAllRequestsTo/>", Err("MalformedXML"));
}

#[test]
fn switches_have_two_positions() {
    let kind = DocumentKind::PublicAccessBlock;
    check(kind, "<BlockPublicAcls>true</BlockPublicAcls>", Ok(()));
    check(kind, "<BlockPublicAcls>yes</BlockPublicAcls>", Err("MalformedXML"));
    check(kind, "<BlockEverything>true</BlockEverything>", Err("MalformedXML"));
    check(kind, "", Err("InvalidRequest"));
    let ownership = |name: &str| format!("<Rule><ObjectOwnership>{name}</ObjectOwnership></Rule>");
    check(DocumentKind::OwnershipControls, &ownership("ObjectWriter"), Ok(()));
    check(DocumentKind::OwnershipControls, &ownership("Anybody"), Err("MalformedXML"));
    check(DocumentKind::OwnershipControls, "", Err("MalformedXML"));
    check(DocumentKind::RequestPayment, "<Payer>Requester</Payer>", Ok(()));
    check(DocumentKind::RequestPayment, "<Payer>Nobody</Payer>", Err("MalformedXML"));
}

#[test]
fn notifications_and_logs_go_somewhere() {
    let kind = DocumentKind::Notification;
    let queue = |arn: &str, event: &str| {
        format!("<QueueConfiguration><Queue>{arn}</Queue>{event}</QueueConfiguration>")
    };
    let event = "<Event>s3:ObjectCreated:*</Event>";
    let arn = "arn:aws:sqs:us-east-1:111122223333:q";
    check(kind, "", Ok(()));
    check(kind, "<EventBridgeConfiguration/>", Ok(()));
    check(kind, &queue(arn, event), Ok(()));
    check(kind, &queue("q", event), Err("InvalidArgument"));
    check(kind, &queue(arn, ""), Err("MalformedXML"));
    check(kind, &queue(arn, "<Event>made</Event>"), Err("MalformedXML"));
    check(kind, "<PigeonConfiguration/>", Err("MalformedXML"));
    let logging = |inner: &str| format!("<LoggingEnabled>{inner}</LoggingEnabled>");
    let target = "<TargetBucket>logs</TargetBucket><TargetPrefix/>";
    check(DocumentKind::Logging, "", Ok(()));
    check(DocumentKind::Logging, &logging(target), Ok(()));
    check(DocumentKind::Logging, &logging("<TargetPrefix/>"), Err("MalformedXML"));
}

#[test]
fn object_lock_is_enabled_and_may_have_a_default() {
    let kind = DocumentKind::ObjectLock;
    let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    let default =
        |inner: &str| format!("{enabled}<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>");
    check(kind, enabled, Ok(()));
    check(kind, &default("<Mode>GOVERNANCE</Mode><Days>3</Days>"), Ok(()));
    check(kind, &default("<Mode>COMPLIANCE</Mode><Years>1</Years>"), Ok(()));
    for bad in ["<Mode>LOOSE</Mode><Days>3</Days>", "<Days>3</Days>", "<Mode>GOVERNANCE</Mode>"] {
        check(kind, &default(bad), Err("MalformedXML"));
    }
    let both = "<Mode>GOVERNANCE</Mode><Days>3</Days><Years>1</Years>";
    check(kind, &default(both), Err("MalformedXML"));
    check(kind, &default("<Mode>GOVERNANCE</Mode><Days>0</Days>"), Err("InvalidArgument"));
    check(kind, "", Err("MalformedXML"));
}
