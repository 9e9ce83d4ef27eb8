//! ACLs as attributes show and take them: `user.s3.acl` and `user.s3.grant`.

use serde_json::{Value, json};

use crate::store::types::{Acl, AclChange, CannedAcl, Grant, Grantee, Owner, Permission};
use crate::vfs::xattr::documents::schema::ACCESS_CONTROL_POLICY;
use crate::vfs::xattr::documents::{json, parse_value};
use crate::vfs::xattr::escape::one_line;

/// The groups that S3 has, and what they are called here.
const GROUPS: [(&str, &str); 3] = [
    ("all-users", "http://acs.amazonaws.com/groups/global/AllUsers"),
    ("authenticated-users", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
    ("log-delivery", "http://acs.amazonaws.com/groups/s3/LogDelivery"),
];

/// An ACL as `aws s3api get-object-acl` prints it.
#[must_use]
pub fn shown(acl: &Acl) -> String {
    let Owner { id, display_name } = &acl.owner;
    let owner = object(&[("DisplayName", display_name.as_deref()), ("ID", Some(id))]);
    let grants: Vec<Value> = acl.grants.iter().map(grant_value).collect();
    json::pretty(&json!({ "Grants": grants, "Owner": owner }))
}

/// What an ACL is to become: a canned name, an ACL as [`shown`] has it, or S3's XML.
pub fn parse(text: &str) -> Result<AclChange, String> {
    let text = text.trim_ascii();
    if !text.starts_with(['{', '<']) {
        return canned(text).map(AclChange::Canned);
    }
    let value = parse_value(ACCESS_CONTROL_POLICY, "AccessControlPolicy", text)?;
    let owner = Owner {
        id: text_at(&value["Owner"], "ID").unwrap_or_default(),
        display_name: text_at(&value["Owner"], "DisplayName"),
    };
    let grants = value["Grants"].as_array().into_iter().flatten().enumerate();
    let grants = grants.map(|(index, grant)| {
        grant_of(grant).map_err(|what| format!("Grants[{index}].Grantee: {what}"))
    });
    Ok(AclChange::Policy(Acl { owner, grants: grants.collect::<Result<_, _>>()? }))
}

/// The grants of an ACL, one a line, as [`parse_grant`] takes them.
#[must_use]
pub fn grants_shown(acl: &Acl) -> String {
    let lines: Vec<String> = acl.grants.iter().map(grant_shown).collect();
    lines.join("\n")
}

/// A grant: a permission in any case and who gets it, such as `READ email=foo@example.com`,
/// `FULL_CONTROL id=...` (perhaps with `name=...` behind it), `READ uri=...` or `READ all-users`.
pub fn parse_grant(text: &str) -> Result<Grant, String> {
    let text = text.trim_ascii();
    let (permission, grantee) = text.split_once(' ').unwrap_or((text, ""));
    let known = Permission::named(&permission.to_ascii_uppercase());
    let permission = known.ok_or_else(|| {
        let names = Permission::ALL.map(Permission::as_str).join(", ");
        format!("there is no permission {permission:?}, only {names}")
    })?;
    Ok(Grant { grantee: parse_grantee(grantee.trim_ascii())?, permission })
}

fn canned(name: &str) -> Result<CannedAcl, String> {
    CannedAcl::named(name).ok_or_else(|| {
        let names = CannedAcl::ALL.map(CannedAcl::as_str).join(", ");
        format!("there is no ACL {name:?}, only {names}, or an ACL as JSON")
    })
}

fn grant_value(grant: &Grant) -> Value {
    let grantee = match &grant.grantee {
        Grantee::CanonicalUser { id, display_name } => object(&[
            ("DisplayName", display_name.as_deref()),
            ("ID", Some(id)),
            ("Type", Some("CanonicalUser")),
        ]),
        Grantee::Email { address } => {
            object(&[("EmailAddress", Some(address)), ("Type", Some("AmazonCustomerByEmail"))])
        }
        Grantee::Group { uri } => object(&[("Type", Some("Group")), ("URI", Some(uri))]),
    };
    json!({ "Grantee": grantee, "Permission": grant.permission.as_str() })
}

/// An object of the members that have a value.
fn object(members: &[(&str, Option<&str>)]) -> Value {
    let there = members
        .iter()
        .filter_map(|(name, value)| value.map(|value| ((*name).to_owned(), Value::from(value))));
    Value::Object(there.collect())
}

fn grant_of(value: &Value) -> Result<Grant, String> {
    let grantee = &value["Grantee"];
    let needed = |name: &str| text_at(grantee, name).ok_or_else(|| format!("{name} is missing"));
    let grantee = match grantee["Type"].as_str() {
        Some("Group") => Grantee::Group { uri: needed("URI")? },
        Some("AmazonCustomerByEmail") => Grantee::Email { address: needed("EmailAddress")? },
        _ => Grantee::CanonicalUser {
            id: needed("ID")?,
            display_name: text_at(grantee, "DisplayName"),
        },
    };
    let permission = value["Permission"].as_str().and_then(Permission::named);
    Ok(Grant { grantee, permission: permission.ok_or("a permission is needed")? })
}

fn text_at(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn grant_shown(grant: &Grant) -> String {
    let grantee = match &grant.grantee {
        Grantee::CanonicalUser { id, display_name: None } => format!("id={id}"),
        Grantee::CanonicalUser { id, display_name: Some(name) } => format!("id={id} name={name}"),
        Grantee::Email { address } => format!("email={address}"),
        Grantee::Group { uri } => match GROUPS.iter().find(|(_, group)| group == uri) {
            Some((name, _)) => (*name).to_owned(),
            None => format!("uri={uri}"),
        },
    };
    one_line(&format!("{} {grantee}", grant.permission.as_str()))
}

fn parse_grantee(text: &str) -> Result<Grantee, String> {
    if let Some((_, uri)) = GROUPS.iter().find(|(name, _)| *name == text) {
        return Ok(Grantee::Group { uri: (*uri).to_owned() });
    }
    let (kind, value) = text.split_once('=').unwrap_or((text, ""));
    let is_plain = !value.is_empty() && !value.contains(char::is_whitespace);
    match kind {
        "id" => {
            let (id, name) = match value.split_once(" name=") {
                Some((id, name)) => (id, Some(name.to_owned())),
                None => (value, None),
            };
            match id.is_empty() || id.contains(char::is_whitespace) {
                true => Err("id: one word is needed".to_owned()),
                false => Ok(Grantee::CanonicalUser { id: id.to_owned(), display_name: name }),
            }
        }
        "email" if is_plain => Ok(Grantee::Email { address: value.to_owned() }),
        "uri" if is_plain => Ok(Grantee::Group { uri: value.to_owned() }),
        "email" | "uri" => Err(format!("{kind}: one word is needed")),
        _ => {
            let groups = GROUPS.map(|(name, _)| name).join(", ");
            Err(format!("there is no grantee {text:?}, only id=..., email=..., uri=..., {groups}"))
        }
    }
}

#[cfg(test)]
mod tests;
