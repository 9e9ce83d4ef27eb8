//! Access control lists of buckets and objects.
//!
//! Set by a canned name in a header, by headers that grant, or by a document; by one of them.

use http::HeaderMap;
use s3s::dto::{
    self, AccessControlPolicy, GetBucketAclOutput, GetObjectAclInput, GetObjectAclOutput,
    PutBucketAclInput, PutObjectAclInput, Type,
};
use s3s::{S3Result, s3_error};

use crate::server::convert::attributes::{canned_acl, grants};
use crate::server::errors::{answer_of, refusal};
use crate::store::ObjectStore;
use crate::store::types::{Acl, AclChange, Grant, Grantee, Owner, Permission, Resource};

pub(crate) async fn get_of_object(
    store: &dyn ObjectStore,
    input: GetObjectAclInput,
) -> S3Result<GetObjectAclOutput> {
    let resource =
        Resource::Object { bucket: input.bucket, key: input.key, version: input.version_id };
    let acl = store.get_acl(&resource).await.map_err(answer_of)?;
    let (owner, grants) = document_of(acl);
    Ok(GetObjectAclOutput { owner: Some(owner), grants: Some(grants), request_charged: None })
}

pub(crate) async fn get_of_bucket(
    store: &dyn ObjectStore,
    bucket: &str,
) -> S3Result<GetBucketAclOutput> {
    let acl = store.get_acl(&Resource::bucket(bucket)).await.map_err(answer_of)?;
    let (owner, grants) = document_of(acl);
    Ok(GetBucketAclOutput { owner: Some(owner), grants: Some(grants) })
}

pub(crate) async fn put_of_object(
    store: &dyn ObjectStore,
    headers: &HeaderMap,
    input: PutObjectAclInput,
) -> S3Result<()> {
    let resource =
        Resource::Object { bucket: input.bucket, key: input.key, version: input.version_id };
    let change = change(headers, input.access_control_policy)?;
    store.put_acl(&resource, change).await.map_err(answer_of)
}

pub(crate) async fn put_of_bucket(
    store: &dyn ObjectStore,
    headers: &HeaderMap,
    input: PutBucketAclInput,
) -> S3Result<()> {
    let change = change(headers, input.access_control_policy)?;
    store.put_acl(&Resource::bucket(&input.bucket), change).await.map_err(answer_of)
}

fn change(headers: &HeaderMap, policy: Option<AccessControlPolicy>) -> S3Result<AclChange> {
    let (canned, grants) = (canned_acl(headers)?, grants(headers)?);
    match (canned, grants.is_empty(), policy) {
        (Some(canned), true, None) => Ok(AclChange::Canned(canned)),
        // Whose it is goes without saying.
        (None, false, None) => Ok(AclChange::Policy(Acl { owner: Owner::default(), grants })),
        (None, true, Some(policy)) => Ok(AclChange::Policy(acl_of(policy)?)),
        (None, true, None) => Err(refusal("MissingSecurityHeader")),
        (Some(_), false, _) => Err(s3_error!(
            InvalidRequest,
            "Specifying both Canned ACLs and Header Grants is not allowed"
        )),
        (_, _, Some(_)) => Err(refusal("UnexpectedContent")),
    }
}

fn acl_of(policy: AccessControlPolicy) -> S3Result<Acl> {
    let malformed = || refusal("MalformedACLError");
    let owner = policy.owner.ok_or_else(malformed)?;
    let grants = policy.grants.unwrap_or_default().into_iter().map(grant_of);
    Ok(Acl {
        owner: Owner { id: owner.id.ok_or_else(malformed)?, display_name: owner.display_name },
        grants: grants.collect::<Option<_>>().ok_or_else(malformed)?,
    })
}

fn grant_of(grant: dto::Grant) -> Option<Grant> {
    let grantee = grant.grantee?;
    let permission = Permission::named(grant.permission?.as_str())?;
    let grantee = match grantee.type_.as_str() {
        Type::CANONICAL_USER => {
            Grantee::CanonicalUser { id: grantee.id?, display_name: grantee.display_name }
        }
        Type::AMAZON_CUSTOMER_BY_EMAIL => Grantee::Email { address: grantee.email_address? },
        Type::GROUP => Grantee::Group { uri: grantee.uri? },
        _ => return None,
    };
    Some(Grant { grantee, permission })
}

fn document_of(acl: Acl) -> (dto::Owner, dto::Grants) {
    let grants = acl.grants.into_iter().map(|grant| dto::Grant {
        grantee: Some(grantee_document(grant.grantee)),
        permission: Some(dto::Permission::from_static(grant.permission.as_str())),
    });
    (owner_document(acl.owner), grants.collect())
}

pub(crate) fn owner_document(owner: Owner) -> dto::Owner {
    dto::Owner { id: Some(owner.id), display_name: owner.display_name }
}

fn grantee_document(grantee: Grantee) -> dto::Grantee {
    let of_type = |name| dto::Grantee {
        type_: Type::from_static(name),
        display_name: None,
        email_address: None,
        id: None,
        uri: None,
    };
    match grantee {
        Grantee::CanonicalUser { id, display_name } => {
            dto::Grantee { id: Some(id), display_name, ..of_type(Type::CANONICAL_USER) }
        }
        Grantee::Email { address } => {
            dto::Grantee { email_address: Some(address), ..of_type(Type::AMAZON_CUSTOMER_BY_EMAIL) }
        }
        Grantee::Group { uri } => dto::Grantee { uri: Some(uri), ..of_type(Type::GROUP) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everybody_reads() -> Acl {
        let owner = Owner { id: "75aa".to_owned(), display_name: Some("me".to_owned()) };
        let uri = "http://acs.amazonaws.com/groups/global/AllUsers".to_owned();
        let grantees = [
            Grantee::Group { uri },
            Grantee::CanonicalUser { id: "75aa".to_owned(), display_name: None },
            Grantee::Email { address: "a@example.com".to_owned() },
        ];
        let grant = |grantee| Grant { grantee, permission: Permission::Read };
        Acl { owner, grants: grantees.map(grant).into() }
    }

    #[test]
    fn an_acl_survives_its_document() {
        let (owner, grants) = document_of(everybody_reads());
        let policy = AccessControlPolicy { owner: Some(owner), grants: Some(grants) };
        assert_eq!(acl_of(policy).unwrap(), everybody_reads());
    }

    #[test]
    fn an_unknown_permission_is_refused() {
        let (owner, mut grants) = document_of(everybody_reads());
        grants[0].permission = Some(dto::Permission::from_static("STARE"));
        let policy = AccessControlPolicy { owner: Some(owner), grants: Some(grants) };
        assert_eq!(acl_of(policy).unwrap_err().code().as_str(), "MalformedACLError");
    }

    #[test]
    fn a_change_is_a_name_or_a_document() {
        let mut headers = HeaderMap::new();
        assert_eq!(change(&headers, None).unwrap_err().code().as_str(), "MissingSecurityHeader");
        headers.insert("x-amz-acl", "private".parse().unwrap());
        assert!(matches!(change(&headers, None).unwrap(), AclChange::Canned(_)));
    }
}
