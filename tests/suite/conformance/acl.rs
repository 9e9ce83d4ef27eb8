//! ACLs: who may what.

use pailfs::store::error::ErrorKind;
use pailfs::store::types::{
    Acl, AclChange, CannedAcl, CopyObject, CopySource, DocumentKind, Grant, Grantee, Permission,
    Resource, WriteOptions,
};

use crate::conformance::bench::{
    Bench, Failure, Outcome, cases, equal, holds, refused, refused_with,
};

cases![
    a_new_object_is_its_owners_alone,
    a_canned_acl_grants_what_its_name_says,
    an_object_can_be_written_with_a_canned_acl,
    an_object_can_be_written_with_grants,
    a_copy_can_be_given_grants,
    a_bucket_without_acls_takes_none,
    grants_and_a_canned_acl_are_not_said_together,
    an_acl_comes_back_grant_for_grant,
    a_bucket_has_an_acl_too,
    a_new_object_forgets_the_old_ones_acl,
    an_unknown_group_is_invalid,
    a_missing_object_has_no_acl,
];

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

fn group(uri: &str, permission: Permission) -> Grant {
    Grant { grantee: Grantee::Group { uri: uri.to_owned() }, permission }
}

/// Groups with what they are granted.
fn groups(acl: &Acl) -> Vec<Grant> {
    let is_group = |grant: &&Grant| matches!(grant.grantee, Grantee::Group { .. });
    acl.grants.iter().filter(is_group).cloned().collect()
}

/// The owner holds `FULL_CONTROL`.
fn check_owner(acl: &Acl) -> Outcome {
    let owns = acl.grants.iter().any(|grant| {
        grant.permission == Permission::FullControl
            && matches!(&grant.grantee, Grantee::CanonicalUser { id, .. } if *id == acl.owner.id)
    });
    holds(&format!("the owner has full control in {acl:?}"), owns)
}

fn object(bench: &Bench) -> Resource {
    Resource::object(&bench.bucket, "object")
}

async fn a_new_object_is_its_owners_alone(bench: &Bench) -> Outcome {
    bench.put("object", "bytes").await?;
    let acl = bench.store.get_acl(&object(bench)).await?;
    holds("the owner has an id", !acl.owner.id.is_empty())?;
    check_owner(&acl)?;
    equal("grants", acl.grants.len(), 1)
}

async fn a_canned_acl_grants_what_its_name_says(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    bench.put("object", "bytes").await?;
    let rows = [
        (CannedAcl::PublicRead, vec![group(ALL_USERS, Permission::Read)]),
        (
            CannedAcl::PublicReadWrite,
            vec![group(ALL_USERS, Permission::Read), group(ALL_USERS, Permission::Write)],
        ),
        (CannedAcl::AuthenticatedRead, vec![group(AUTHENTICATED, Permission::Read)]),
        (CannedAcl::Private, Vec::new()),
    ];
    for (canned, expected) in rows {
        bench.store.put_acl(&object(bench), AclChange::Canned(canned)).await?;
        let acl = bench.store.get_acl(&object(bench)).await?;
        check_owner(&acl)?;
        equal(canned.as_str(), groups(&acl), expected)?;
    }
    Ok(())
}

async fn an_object_can_be_written_with_a_canned_acl(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    let options = WriteOptions { acl: Some(CannedAcl::PublicRead), ..WriteOptions::default() };
    bench.put_with("object", "bytes", options).await?;
    let acl = bench.store.get_acl(&object(bench)).await?;
    equal("grants", groups(&acl), vec![group(ALL_USERS, Permission::Read)])
}

fn granted() -> Vec<Grant> {
    vec![group(ALL_USERS, Permission::Read), group(AUTHENTICATED, Permission::ReadAcp)]
}

async fn an_object_can_be_written_with_grants(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    let options = WriteOptions { grants: granted(), ..WriteOptions::default() };
    bench.put_with("object", "bytes", options).await?;
    let acl = bench.store.get_acl(&object(bench)).await?;
    equal("grants", groups(&acl), granted())
}

async fn a_copy_can_be_given_grants(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    bench.put("source", "bytes").await?;
    let source = CopySource {
        bucket: bench.bucket.clone(),
        key: "source".to_owned(),
        ..CopySource::default()
    };
    let options = CopyObject { grants: granted(), ..CopyObject::default() };
    bench.store.copy_object(source, &bench.bucket, "object", options).await?;
    equal("grants", groups(&bench.store.get_acl(&object(bench)).await?), granted())
}

async fn a_bucket_without_acls_takes_none(bench: &Bench) -> Outcome {
    // Whether public ones are blocked is another question.
    bench.allow_acls().await?;
    let controls = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced\
                    </ObjectOwnership></Rule></OwnershipControls>";
    let bucket = Resource::bucket(&bench.bucket);
    let kind = DocumentKind::OwnershipControls;
    bench.store.put_document(&bucket, kind, controls.to_owned()).await?;
    bench.put("object", "bytes").await?;
    let code = "AccessControlListNotSupported";
    let public = AclChange::Canned(CannedAcl::PublicRead);
    let put = bench.store.put_acl(&object(bench), public).await;
    refused_with("an ACL for an object", put, ErrorKind::Unsupported, code)?;
    let options = WriteOptions { grants: granted(), ..WriteOptions::default() };
    let put = bench.put_with("object", "bytes", options).await;
    refused_with("grants in a write", put, ErrorKind::Unsupported, code)
}

async fn grants_and_a_canned_acl_are_not_said_together(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    let acl = Some(CannedAcl::Private);
    let options = WriteOptions { acl, grants: granted(), ..WriteOptions::default() };
    refused("put", bench.put_with("object", "bytes", options).await, &[ErrorKind::Invalid])
}

async fn put_policy(bench: &Bench, grants: &[Grant]) -> Result<Acl, Failure> {
    let mut acl = bench.store.get_acl(&object(bench)).await?;
    acl.grants.extend_from_slice(grants);
    bench.store.put_acl(&object(bench), AclChange::Policy(acl.clone())).await?;
    Ok(acl)
}

async fn an_acl_comes_back_grant_for_grant(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    bench.put("object", "bytes").await?;
    let grants = [group(ALL_USERS, Permission::ReadAcp), group(AUTHENTICATED, Permission::Read)];
    let given = put_policy(bench, &grants).await?;
    let acl = bench.store.get_acl(&object(bench)).await?;
    equal("owner", acl.owner.id, given.owner.id)?;
    equal("grants", acl.grants, given.grants)
}

async fn a_bucket_has_an_acl_too(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    let bucket = Resource::bucket(&bench.bucket);
    check_owner(&bench.store.get_acl(&bucket).await?)?;
    bench.store.put_acl(&bucket, AclChange::Canned(CannedAcl::PublicRead)).await?;
    let acl = bench.store.get_acl(&bucket).await?;
    equal("grants", groups(&acl), vec![group(ALL_USERS, Permission::Read)])
}

async fn a_new_object_forgets_the_old_ones_acl(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    let options = WriteOptions { acl: Some(CannedAcl::PublicRead), ..WriteOptions::default() };
    bench.put_with("object", "bytes", options).await?;
    bench.put("object", "new").await?;
    equal("grants", groups(&bench.store.get_acl(&object(bench)).await?), Vec::new())
}

async fn an_unknown_group_is_invalid(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    bench.put("object", "bytes").await?;
    let mut acl = bench.store.get_acl(&object(bench)).await?;
    acl.grants.push(group("http://example.com/nobody", Permission::Read));
    let put = bench.store.put_acl(&object(bench), AclChange::Policy(acl)).await;
    refused("put", put, &[ErrorKind::Invalid])
}

async fn a_missing_object_has_no_acl(bench: &Bench) -> Outcome {
    bench.allow_acls().await?;
    let got = bench.store.get_acl(&object(bench)).await;
    refused("get", got, &[ErrorKind::NotFound])?;
    let put = bench.store.put_acl(&object(bench), AclChange::Canned(CannedAcl::Private)).await;
    refused("put", put, &[ErrorKind::NotFound])
}
