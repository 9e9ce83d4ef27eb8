//! Configurations that are well-formed and make no sense.

use pailfs::store::error::ErrorKind;
use pailfs::store::types::{DocumentKind, Resource};

use crate::conformance::bench::{Bench, Outcome, cases, equal, holds, refused_with};

cases![
    a_cors_rule_names_origins_and_known_methods,
    a_lifecycle_rule_moves_objects_to_a_known_class_some_time,
    a_lifecycle_rule_expires_objects_after_a_day_at_least,
    lifecycle_rules_have_a_known_status_and_ids_of_their_own,
    a_policy_has_statements,
    a_policy_has_at_most_20_kilobytes,
    a_bucket_has_at_most_50_tags,
    a_bucket_is_encrypted_with_a_known_algorithm,
    a_website_has_an_index,
    access_is_blocked_by_switches,
    ownership_is_one_of_three,
    a_notification_has_a_target,
    logs_go_to_a_bucket_that_is_there,
    only_versions_can_be_locked,
    what_is_refused_changes_nothing,
];

/// Refused with this code, put into the root element of its kind.
async fn check(bench: &Bench, kind: DocumentKind, body: &str, code: &str) -> Outcome {
    let text = match kind.row().root {
        "" => body.to_owned(),
        root => {
            format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}</{root}>")
        }
    };
    let put = bench.store.put_document(&Resource::bucket(&bench.bucket), kind, text).await;
    refused_with(body, put, ErrorKind::Invalid, code)
}

fn cors(method: &str) -> String {
    format!(
        "<CORSRule><AllowedMethod>{method}</AllowedMethod>\
         <AllowedOrigin>*</AllowedOrigin></CORSRule>"
    )
}

async fn a_cors_rule_names_origins_and_known_methods(bench: &Bench) -> Outcome {
    let kind = DocumentKind::Cors;
    check(bench, kind, &cors("PATCH"), "InvalidRequest").await?;
    let bare = "<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>";
    check(bench, kind, bare, "MalformedXML").await?;
    check(bench, kind, &cors("GET").repeat(101), "InvalidRequest").await
}

fn rule(id: &str, status: &str, action: &str) -> String {
    format!("<Rule><ID>{id}</ID><Status>{status}</Status><Filter><Prefix/></Filter>{action}</Rule>")
}

const GLACIER: &str =
    "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>";

async fn a_lifecycle_rule_moves_objects_to_a_known_class_some_time(bench: &Bench) -> Outcome {
    let kind = DocumentKind::Lifecycle;
    for bad in [
        "<Transition><Days>30</Days><StorageClass>COLD</StorageClass></Transition>",
        "<Transition><StorageClass>GLACIER</StorageClass></Transition>",
        "<Transition><Days>30</Days></Transition>",
    ] {
        check(bench, kind, &rule("a", "Enabled", bad), "MalformedXML").await?;
    }
    Ok(())
}

async fn a_lifecycle_rule_expires_objects_after_a_day_at_least(bench: &Bench) -> Outcome {
    let none = "<Expiration><Days>0</Days></Expiration>";
    check(bench, DocumentKind::Lifecycle, &rule("a", "Enabled", none), "InvalidArgument").await
}

async fn lifecycle_rules_have_a_known_status_and_ids_of_their_own(bench: &Bench) -> Outcome {
    let kind = DocumentKind::Lifecycle;
    check(bench, kind, &rule("a", "Sometimes", GLACIER), "MalformedXML").await?;
    check(bench, kind, "", "MalformedXML").await?;
    check(bench, kind, &rule("a", "Enabled", GLACIER).repeat(2), "InvalidArgument").await
}

async fn a_policy_has_statements(bench: &Bench) -> Outcome {
    let kind = DocumentKind::Policy;
    check(bench, kind, "{\"Version\":\"2012-10-17\"}", "MalformedPolicy").await
}

async fn a_policy_has_at_most_20_kilobytes(bench: &Bench) -> Outcome {
    let long = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Sid\":\"{}\",\"Effect\":\"Deny\",\
         \"Principal\":\"*\",\"Action\":\"s3:PutBucketWebsite\",\"Resource\":\"arn:aws:s3:::{}\"}}]}}",
        "a".repeat(20 * 1024),
        bench.bucket
    );
    check(bench, DocumentKind::Policy, &long, "PolicyTooLarge").await
}

async fn a_bucket_has_at_most_50_tags(bench: &Bench) -> Outcome {
    let tag = |number| format!("<Tag><Key>{number}</Key><Value/></Tag>");
    let tags: String = (0..51).map(tag).collect();
    let kind = DocumentKind::BucketTagging;
    check(bench, kind, &format!("<TagSet>{tags}</TagSet>"), "BadRequest").await?;
    check(bench, kind, &format!("<TagSet>{}</TagSet>", tag(1).repeat(2)), "InvalidTag").await
}

async fn a_bucket_is_encrypted_with_a_known_algorithm(bench: &Bench) -> Outcome {
    let body = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>rot13</SSEAlgorithm>\
                </ApplyServerSideEncryptionByDefault></Rule>";
    check(bench, DocumentKind::BucketEncryption, body, "MalformedXML").await
}

async fn a_website_has_an_index(bench: &Bench) -> Outcome {
    let kind = DocumentKind::Website;
    check(bench, kind, "", "InvalidArgument").await?;
    let below = "<IndexDocument><Suffix>a/index.html</Suffix></IndexDocument>";
    check(bench, kind, below, "InvalidArgument").await
}

async fn access_is_blocked_by_switches(bench: &Bench) -> Outcome {
    let body = "<BlockPublicAcls>perhaps</BlockPublicAcls>";
    check(bench, DocumentKind::PublicAccessBlock, body, "MalformedXML").await
}

async fn ownership_is_one_of_three(bench: &Bench) -> Outcome {
    let body = "<Rule><ObjectOwnership>Anybody</ObjectOwnership></Rule>";
    check(bench, DocumentKind::OwnershipControls, body, "MalformedXML").await
}

async fn a_notification_has_a_target(bench: &Bench) -> Outcome {
    let body = "<QueueConfiguration><Queue>somewhere</Queue><Event>s3:ObjectCreated:*</Event>\
                </QueueConfiguration>";
    check(bench, DocumentKind::Notification, body, "InvalidArgument").await
}

async fn logs_go_to_a_bucket_that_is_there(bench: &Bench) -> Outcome {
    let body = format!(
        "<LoggingEnabled><TargetBucket>{}-missing</TargetBucket><TargetPrefix/></LoggingEnabled>",
        bench.bucket
    );
    check(bench, DocumentKind::Logging, &body, "InvalidTargetBucketForLogging").await
}

async fn only_versions_can_be_locked(bench: &Bench) -> Outcome {
    let body = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    check(bench, DocumentKind::ObjectLock, body, "InvalidBucketState").await
}

async fn what_is_refused_changes_nothing(bench: &Bench) -> Outcome {
    let bucket = Resource::bucket(&bench.bucket);
    let kind = DocumentKind::Cors;
    let text = format!("<CORSConfiguration>{}</CORSConfiguration>", cors("GET"));
    bench.store.put_document(&bucket, kind, text).await?;
    let before = bench.store.get_document(&bucket, kind).await?;
    holds("the method is kept", before.contains("<AllowedMethod>GET<"))?;
    check(bench, kind, &cors("PATCH"), "InvalidRequest").await?;
    equal("the configuration", bench.store.get_document(&bucket, kind).await?, before)
}
