//! ACLs: what canned ones expand to, and which grants S3 takes.
//!
//! The account has one user, the owner; a second one is known so that a grant to somebody else
//! can be made by e-mail address.

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::model::refusal;
use crate::store::model::state::BucketInfo;
use crate::store::types::{
    Acl, AclChange, CannedAcl, DocumentKind, Grant, Grantee, Owner, Permission,
};

/// The e-mail address of the owner, whoever that is by [`Owner::id`].
const OWNER_EMAIL: &str = "owner@example.com";

/// The other user: e-mail address, canonical id and display name.
const OTHER_USER: (&str, &str, &str) = (
    "other@example.com",
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
    "other",
);

/// The user that `aws-exec-read` grants to.
const EC2_USER: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// In ownership controls.
const ACLS_OFF: &str = ">BucketOwnerEnforced<";

const GRANTS_MAX: usize = 100;
const CANONICAL_ID_CHARS: usize = 64;

/// The ACL that a canned one stands for. Bucket and objects have the same owner here, so what
/// is granted to the bucket's owner is granted already.
fn expand(canned: CannedAcl, owner: &Owner) -> Acl {
    let group = |uri: &str| Grantee::Group { uri: uri.to_owned() };
    let others = match canned {
        CannedAcl::Private | CannedAcl::BucketOwnerRead | CannedAcl::BucketOwnerFullControl => {
            vec![]
        }
        CannedAcl::PublicRead => vec![(group(ALL_USERS), Permission::Read)],
        CannedAcl::PublicReadWrite => {
            vec![(group(ALL_USERS), Permission::Read), (group(ALL_USERS), Permission::Write)]
        }
        CannedAcl::AuthenticatedRead => vec![(group(AUTHENTICATED_USERS), Permission::Read)],
        CannedAcl::AwsExecRead => {
            let ec2 = Grantee::CanonicalUser { id: EC2_USER.to_owned(), display_name: None };
            vec![(ec2, Permission::Read)]
        }
    };
    let own = (user(owner), Permission::FullControl);
    let grants = std::iter::once(own)
        .chain(others)
        .map(|(grantee, permission)| Grant { grantee, permission })
        .collect();
    Acl { owner: owner.clone(), grants }
}

/// Fails where somebody else is granted something in a bucket whose owner has ACLs switched off.
pub(super) fn check_allowed(bucket: &BucketInfo, acl: &Acl) -> StoreResult<()> {
    let controls = bucket.documents.get(&DocumentKind::OwnershipControls);
    let is_off = controls.is_some_and(|text| text.contains(ACLS_OFF));
    let is_owners_own = |grant: &Grant| *grantee_id(&grant.grantee) == *acl.owner.id;
    if !is_off || acl.grants.iter().all(is_owners_own) {
        return Ok(());
    }
    let message = "The bucket does not allow ACLs";
    Err(StoreError::new(ErrorKind::Unsupported, "AccessControlListNotSupported", message))
}

fn grantee_id(grantee: &Grantee) -> &str {
    match grantee {
        Grantee::CanonicalUser { id, .. } => id,
        Grantee::Email { address } => address,
        Grantee::Group { uri } => uri,
    }
}

/// Whether every account is in that group.
pub(super) fn is_group_of_accounts(uri: &str) -> bool {
    uri == ALL_USERS || uri == AUTHENTICATED_USERS
}

/// The ACL of something new: a canned one, or exactly some grants.
pub(super) fn plan_new(
    canned: Option<CannedAcl>,
    grants: Vec<Grant>,
    owner: &Owner,
) -> StoreResult<Acl> {
    match (canned, grants.is_empty()) {
        (canned, true) => Ok(expand(canned.unwrap_or(CannedAcl::Private), owner)),
        (None, false) => plan_acl(AclChange::Policy(Acl { owner: owner.clone(), grants }), owner),
        (Some(_), false) => Err(refusal::invalid_request(
            "Specifying both Canned ACLs and Header Grants is not allowed",
        )),
    }
}

/// The ACL that a change asks for, with every grantee checked and resolved.
pub(super) fn plan_acl(change: AclChange, owner: &Owner) -> StoreResult<Acl> {
    let policy = match change {
        AclChange::Canned(canned) => return Ok(expand(canned, owner)),
        AclChange::Policy(policy) => policy,
    };
    if !policy.owner.id.is_empty() && policy.owner.id != owner.id {
        return Err(refusal::access_denied("The owner of a resource can't be changed"));
    }
    if policy.grants.len() > GRANTS_MAX {
        let message = format!("An ACL has at most {GRANTS_MAX} grants");
        return Err(StoreError::new(ErrorKind::Invalid, "MalformedACLError", message));
    }
    let grants = policy.grants.into_iter().map(|grant| resolve_grant(grant, owner));
    Ok(Acl { owner: owner.clone(), grants: grants.collect::<StoreResult<_>>()? })
}

fn resolve_grant(grant: Grant, owner: &Owner) -> StoreResult<Grant> {
    let grantee = match grant.grantee {
        Grantee::Group { uri } => resolve_group(uri)?,
        Grantee::CanonicalUser { id, .. } => resolve_user(id, owner)?,
        Grantee::Email { address } => resolve_email(&address, owner)?,
    };
    Ok(Grant { grantee, permission: grant.permission })
}

fn resolve_group(uri: String) -> StoreResult<Grantee> {
    match uri.as_str() {
        ALL_USERS | AUTHENTICATED_USERS | LOG_DELIVERY => Ok(Grantee::Group { uri }),
        _ => Err(refusal::invalid_argument(format!("Invalid group uri: {uri}"))),
    }
}

fn resolve_user(id: String, owner: &Owner) -> StoreResult<Grantee> {
    let is_known = id == owner.id || id == OTHER_USER.1;
    let is_well_formed =
        id.len() == CANONICAL_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_known && !is_well_formed {
        return Err(refusal::invalid_argument(format!("Invalid id: {id}")));
    }
    if id == owner.id {
        return Ok(user(owner));
    }
    let display_name = (id == OTHER_USER.1).then(|| OTHER_USER.2.to_owned());
    Ok(Grantee::CanonicalUser { id, display_name })
}

fn resolve_email(address: &str, owner: &Owner) -> StoreResult<Grantee> {
    let (other, id, _) = OTHER_USER;
    if address.eq_ignore_ascii_case(OWNER_EMAIL) {
        Ok(user(owner))
    } else if address.eq_ignore_ascii_case(other) {
        resolve_user(id.to_owned(), owner)
    } else {
        let message = format!("The email address does not match any account: {address}");
        Err(StoreError::new(ErrorKind::Invalid, "UnresolvableGrantByEmailAddress", message))
    }
}

fn user(owner: &Owner) -> Grantee {
    Grantee::CanonicalUser { id: owner.id.clone(), display_name: owner.display_name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { id: "ab".repeat(32), display_name: Some("me".to_owned()) }
    }

    fn granted_to(grantee: Grantee) -> StoreResult<Grantee> {
        let grant = Grant { grantee, permission: Permission::Read };
        let policy = Acl { owner: Owner::default(), grants: vec![grant] };
        plan_acl(AclChange::Policy(policy), &owner()).map(|mut acl| acl.grants.remove(0).grantee)
    }

    fn email(address: &str) -> Grantee {
        Grantee::Email { address: address.to_owned() }
    }

    fn canonical(id: &str) -> Grantee {
        Grantee::CanonicalUser { id: id.to_owned(), display_name: None }
    }

    #[test]
    fn canned_acls_grant_the_owner_everything_first() {
        for canned in CannedAcl::ALL {
            let acl = expand(canned, &owner());
            let first = Grant { grantee: user(&owner()), permission: Permission::FullControl };
            assert_eq!(acl.grants[0], first, "{canned:?}");
        }
        assert_eq!(expand(CannedAcl::Private, &owner()).grants.len(), 1);
        assert_eq!(expand(CannedAcl::PublicReadWrite, &owner()).grants.len(), 3);
    }

    #[test]
    fn an_address_becomes_the_user_it_belongs_to() {
        assert_eq!(granted_to(email("Owner@example.com")).unwrap(), user(&owner()));
        let other = granted_to(email("other@example.com")).unwrap();
        assert!(matches!(other, Grantee::CanonicalUser { id, .. } if id == OTHER_USER.1));
        let error = granted_to(email("nobody@example.com")).unwrap_err();
        assert_eq!(error.code, "UnresolvableGrantByEmailAddress");
    }

    #[test]
    fn ids_and_groups_are_checked() {
        assert!(granted_to(canonical(&"0f".repeat(32))).is_ok());
        assert_eq!(granted_to(canonical("bob")).unwrap_err().code, "InvalidArgument");
        assert_eq!(granted_to(canonical(&owner().id)).unwrap(), user(&owner()));
        let group = |uri: &str| Grantee::Group { uri: uri.to_owned() };
        assert!(granted_to(group(LOG_DELIVERY)).is_ok());
        assert_eq!(granted_to(group("http://example.com")).unwrap_err().code, "InvalidArgument");
    }

    #[test]
    fn the_owner_stays_the_owner() {
        let stranger = Owner { id: "cd".repeat(32), display_name: None };
        let policy = AclChange::Policy(Acl { owner: stranger, grants: vec![] });
        assert_eq!(plan_acl(policy, &owner()).unwrap_err().code, "AccessDenied");
    }
}
