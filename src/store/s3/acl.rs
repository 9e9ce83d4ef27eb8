//! ACLs and tags.

use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types;

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::s3::connection::{Connection, Work};
use crate::store::s3::requests::Extra;
use crate::store::types::{Acl, AclChange, Grant, Grantee, Owner, Permission, Resource, Tags};

/// What has to be shown before tags of objects are written.
const TAGGING_NAME: &str = "object tagging";

impl Connection {
    pub(super) async fn get_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        let answer = self.ask_acl(resource).await;
        self.probes().note(acl_name(resource), "", answer)
    }

    async fn ask_acl(&self, resource: &Resource) -> StoreResult<Acl> {
        let (owner, grants) = match resource {
            Resource::Bucket { bucket } => {
                let answer = self
                    .call(bucket, Work::Request, |client| {
                        client.get_bucket_acl().bucket(bucket).send()
                    })
                    .await?;
                (answer.owner, answer.grants)
            }
            Resource::Object { bucket, key, version } => {
                let extra = Extra::default().object(key);
                let answer = self
                    .call(bucket, Work::Request, |client| {
                        let request = client.get_object_acl().bucket(bucket);
                        let request = request.set_key(extra.sdk_key());
                        let request = request.set_version_id(version.clone());
                        request.customize().map_request(extra.mapper()).send()
                    })
                    .await?;
                (answer.owner, answer.grants)
            }
        };
        let grants = grants.into_iter().flatten().map(grant_from).collect::<StoreResult<_>>()?;
        Ok(Acl { owner: owner_from(owner), grants })
    }

    pub(super) async fn put_acl(&self, resource: &Resource, change: AclChange) -> StoreResult<()> {
        let (canned, policy) = match change {
            AclChange::Canned(canned) => (Some(canned), None),
            AclChange::Policy(acl) => {
                (None, Some(policy_of(acl).map_err(|error| invalid(&error))?))
            }
        };
        self.probes().require(acl_name(resource), "", self.get_acl(resource)).await?;
        let extra = Extra::default().digest();
        match resource {
            Resource::Bucket { bucket } => {
                let canned = canned.map(|acl| types::BucketCannedAcl::from(acl.as_str()));
                self.call(bucket, Work::Request, |client| {
                    let request = client.put_bucket_acl().bucket(bucket);
                    let request = request.set_acl(canned.clone());
                    let request = request.set_access_control_policy(policy.clone());
                    request.customize().map_request(extra.mapper()).send()
                })
                .await?;
            }
            Resource::Object { bucket, key, version } => {
                let extra = extra.object(key);
                let canned = canned.map(|acl| types::ObjectCannedAcl::from(acl.as_str()));
                self.call(bucket, Work::Request, |client| {
                    let request = client.put_object_acl().bucket(bucket).set_key(extra.sdk_key());
                    let request = request.set_version_id(version.clone());
                    let request = request.set_acl(canned.clone());
                    let request = request.set_access_control_policy(policy.clone());
                    request.customize().map_request(extra.mapper()).send()
                })
                .await?;
            }
        }
        Ok(())
    }

    pub(super) async fn get_tags(&self, resource: &Resource) -> StoreResult<Tags> {
        let (bucket, key, version) = object_of(resource)?;
        let extra = Extra::default().object(key);
        let answer = self
            .call(bucket, Work::Request, |client| {
                let request = client.get_object_tagging().bucket(bucket).set_key(extra.sdk_key());
                let request = request.set_version_id(version.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await;
        let answer = self.probes().note(TAGGING_NAME, "", answer)?;
        Ok(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    pub(super) async fn put_tags(&self, resource: &Resource, tags: Tags) -> StoreResult<()> {
        let (bucket, key, version) = object_of(resource)?;
        self.probes().require(TAGGING_NAME, "", self.get_tags(resource)).await?;
        if tags.is_empty() {
            let extra = Extra::default().object(key);
            self.call(bucket, Work::Request, |client| {
                let request =
                    client.delete_object_tagging().bucket(bucket).set_key(extra.sdk_key());
                let request = request.set_version_id(version.clone());
                request.customize().map_request(extra.mapper()).send()
            })
            .await?;
            return Ok(());
        }
        let tagging = tagging_of(tags).map_err(|error| invalid(&error))?;
        let extra = Extra::default().object(key).digest();
        self.call(bucket, Work::Request, |client| {
            let request = client.put_object_tagging().bucket(bucket).set_key(extra.sdk_key());
            let request = request.set_version_id(version.clone()).tagging(tagging.clone());
            request.customize().map_request(extra.mapper()).send()
        })
        .await?;
        Ok(())
    }
}

/// What has to be shown before an ACL is written.
fn acl_name(resource: &Resource) -> &'static str {
    match resource {
        Resource::Bucket { .. } => "bucket acl",
        Resource::Object { .. } => "object acl",
    }
}

fn object_of(resource: &Resource) -> StoreResult<(&str, &str, &Option<String>)> {
    match resource {
        Resource::Object { bucket, key, version } => Ok((bucket, key, version)),
        Resource::Bucket { .. } => {
            let message = "the tags of a bucket are a document";
            Err(StoreError::new(ErrorKind::Invalid, "InvalidRequest", message))
        }
    }
}

fn invalid(error: &BuildError) -> StoreError {
    StoreError::new(ErrorKind::Invalid, "InvalidRequest", error.to_string())
}

fn tagging_of(tags: Tags) -> Result<types::Tagging, BuildError> {
    let tags = tags.into_iter().map(|(key, value)| types::Tag::builder().key(key).value(value));
    let tags = tags.map(|tag| tag.build()).collect::<Result<Vec<_>, _>>()?;
    types::Tagging::builder().set_tag_set(Some(tags)).build()
}

fn policy_of(acl: Acl) -> Result<types::AccessControlPolicy, BuildError> {
    let grants = acl.grants.into_iter().map(grant_of).collect::<Result<Vec<_>, _>>()?;
    let owner = types::Owner::builder().id(acl.owner.id);
    let owner = owner.set_display_name(acl.owner.display_name).build();
    Ok(types::AccessControlPolicy::builder().owner(owner).set_grants(Some(grants)).build())
}

fn grant_of(grant: Grant) -> Result<types::Grant, BuildError> {
    let grantee = match grant.grantee {
        Grantee::CanonicalUser { id, display_name } => types::Grantee::builder()
            .r#type(types::Type::CanonicalUser)
            .id(id)
            .set_display_name(display_name),
        Grantee::Email { address } => types::Grantee::builder()
            .r#type(types::Type::AmazonCustomerByEmail)
            .email_address(address),
        Grantee::Group { uri } => types::Grantee::builder().r#type(types::Type::Group).uri(uri),
    };
    let permission = types::Permission::from(grant.permission.as_str());
    Ok(types::Grant::builder().grantee(grantee.build()?).permission(permission).build())
}

fn owner_from(owner: Option<types::Owner>) -> Owner {
    let (id, display_name) = owner.map(|owner| (owner.id, owner.display_name)).unwrap_or_default();
    Owner { id: id.unwrap_or_default(), display_name }
}

/// A grant that can't be read is an error: an ACL without it, written back, would revoke it.
fn grant_from(grant: types::Grant) -> StoreResult<Grant> {
    let unknown = || {
        let message = "the ACL has a grant of a kind that S3's API does not know";
        StoreError::new(ErrorKind::Unsupported, "UnknownGrant", message)
    };
    let permission = grant.permission.as_ref().map(types::Permission::as_str);
    let permission = permission.and_then(Permission::named).ok_or_else(unknown)?;
    let grantee = grant.grantee.ok_or_else(unknown)?;
    let grantee = match (grantee.uri, grantee.id, grantee.email_address) {
        (Some(uri), _, _) => Grantee::Group { uri },
        (None, Some(id), _) => Grantee::CanonicalUser { id, display_name: grantee.display_name },
        (None, None, Some(address)) => Grantee::Email { address },
        (None, None, None) => return Err(unknown()),
    };
    Ok(Grant { grantee, permission })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_grant_survives_the_trip() {
        let user = Grantee::CanonicalUser {
            id: "75aa57f0".to_owned(),
            display_name: Some("owner".to_owned()),
        };
        let email = Grantee::Email { address: "foo@example.com".to_owned() };
        let uri = "http://acs.amazonaws.com/groups/global/AllUsers".to_owned();
        for grantee in [user, email, Grantee::Group { uri }] {
            for permission in Permission::ALL {
                let grant = Grant { grantee: grantee.clone(), permission };
                assert_eq!(grant_from(grant_of(grant.clone()).unwrap()).unwrap(), grant);
            }
        }
    }

    #[test]
    fn a_grant_that_is_not_understood_is_an_error() {
        let grantee =
            types::Grantee::builder().r#type(types::Type::Group).uri("u").build().unwrap();
        let strange = types::Permission::from("DANCE");
        let grant = types::Grant::builder().grantee(grantee).permission(strange).build();
        assert_eq!(grant_from(grant).unwrap_err().kind, ErrorKind::Unsupported);
        let nobody = types::Grant::builder().permission(types::Permission::Read).build();
        assert_eq!(grant_from(nobody).unwrap_err().kind, ErrorKind::Unsupported);
    }
}
