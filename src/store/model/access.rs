//! Access: what one account may do with the buckets of another.
//!
//! Pure. Whose a bucket is stands in its ACL. Others read and list what its ACL and those of its
//! objects grant to them, to everybody or to whoever has an account; writing to a bucket of
//! somebody else is refused whatever is granted, and policies are kept but not looked at.

use crate::store::error::StoreResult;
use crate::store::model::acl;
use crate::store::model::refusal;
use crate::store::model::state::State;
use crate::store::types::{Acl, Grantee, Owner, Permission};

/// What is to be done with a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access<'a> {
    /// Listing it, or asking whether it is there.
    List,
    /// Reading one of its objects.
    Read { key: &'a str, version: Option<&'a str> },
    /// What only its owner may.
    Own,
}

/// Fails with `AccessDenied` where `account` may not; a bucket that is not there denies nothing.
pub(super) fn check(
    state: &State,
    bucket: &str,
    access: Access<'_>,
    account: &Owner,
) -> StoreResult<()> {
    let Some(found) = state.buckets.get(bucket) else { return Ok(()) };
    if is_own(&found.info.acl, account) {
        return Ok(());
    }
    let may_list = may_read(&found.info.acl, account);
    let is_allowed = match access {
        Access::Own => false,
        Access::List => may_list,
        // Whoever may list may know that there is no such object.
        Access::Read { key, version } => match found.find(key, version) {
            Ok(object) => may_read(&object.object.acl, account),
            Err(_) => may_list,
        },
    };
    if is_allowed { Ok(()) } else { Err(refusal::access_denied("Access Denied")) }
}

pub(super) fn is_own(acl: &Acl, account: &Owner) -> bool {
    acl.owner.id == account.id
}

fn may_read(acl: &Acl, account: &Owner) -> bool {
    acl.grants.iter().any(|grant| {
        let is_meant = match &grant.grantee {
            Grantee::Group { uri } => acl::is_group_of_accounts(uri),
            Grantee::CanonicalUser { id, .. } => *id == account.id,
            Grantee::Email { .. } => false,
        };
        is_meant && matches!(grant.permission, Permission::Read | Permission::FullControl)
    })
}
