//! Key files: which access key a file names.
//!
//! Three forms that users have lying about are read: s3fs's `ACCESS:SECRET`, AWS's credentials
//! file (`aws_access_key_id = ...` in sections by profile) and s3cmd's (`access_key = ...`).
//! No error repeats anything of the file but names.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::store::error::{ErrorKind, StoreError, StoreResult};

/// An access key as a file spells it. No `Debug`: the secret must not reach a log.
#[derive(PartialEq)]
pub(super) struct Keys {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

const ACCESS_NAMES: &[&str] = &["aws_access_key_id", "access_key"];
const SECRET_NAMES: &[&str] = &["aws_secret_access_key", "secret_key"];
const TOKEN_NAMES: &[&str] = &["aws_session_token", "access_token"];
const SECTION_DEFAULT: &str = "default";
/// Permission bits that let others than the owner in.
const MODE_OTHERS: u32 = 0o077;

/// Reads the access key of `profile` (or `default`) from a file that is nobody else's to read.
pub(super) fn read_keys(path: &Path, profile: Option<&str>) -> StoreResult<Keys> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|error| refused(format!("key file {shown}: {error}")))?;
    check_mode(metadata.permissions().mode())
        .map_err(|reason| refused(format!("key file {shown} {reason}")))?;
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(format!("key file {shown}: {error}")))?;
    parse_keys(&text, profile).map_err(|reason| refused(format!("key file {shown} {reason}")))
}

fn refused(message: String) -> StoreError {
    StoreError::new(ErrorKind::Forbidden, "InvalidKeyFile", message)
}

fn check_mode(mode: u32) -> Result<(), String> {
    if mode & MODE_OTHERS == 0 {
        return Ok(());
    }
    Err(format!("can be read by others (mode {:03o}): chmod 600 it", mode & 0o777))
}

fn parse_keys(text: &str, profile: Option<&str>) -> Result<Keys, String> {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])).collect();
    match lines.as_slice() {
        [] => Err("is empty".to_owned()),
        [line] if !line.contains('=') || is_pair(line) => parse_pair(line),
        lines => parse_sections(lines, profile),
    }
}

/// A secret may hold `=`, the name of a setting never holds `:`.
fn is_pair(line: &str) -> bool {
    line.split_once('=').is_some_and(|(name, _)| name.contains(':'))
}

fn parse_pair(line: &str) -> Result<Keys, String> {
    match line.split(':').collect::<Vec<_>>().as_slice() {
        [access, secret] if !access.is_empty() && !secret.is_empty() => Ok(Keys {
            access_key: (*access).to_owned(),
            secret_key: (*secret).to_owned(),
            session_token: None,
        }),
        _ => {
            Err("must hold ACCESS:SECRET, or aws_access_key_id and aws_secret_access_key"
                .to_owned())
        }
    }
}

fn parse_sections(lines: &[&str], profile: Option<&str>) -> Result<Keys, String> {
    let wanted = profile.unwrap_or(SECTION_DEFAULT);
    let mut section = SECTION_DEFAULT;
    let mut settings = Vec::new();
    for line in lines {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
        } else if section == wanted {
            settings.extend(line.split_once('=').map(|(name, value)| (name.trim(), value.trim())));
        }
    }
    let find = |names: &[&str]| {
        let found = settings.iter().find(|(name, _)| names.contains(name));
        found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty())
    };
    let missing = |names: &[&str]| format!("has no {} in section [{wanted}]", names[0]);
    Ok(Keys {
        access_key: find(ACCESS_NAMES).ok_or_else(|| missing(ACCESS_NAMES))?,
        secret_key: find(SECRET_NAMES).ok_or_else(|| missing(SECRET_NAMES))?,
        session_token: find(TOKEN_NAMES),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        text: &str,
        profile: Option<&str>,
        expected: Result<(&str, &str, Option<&str>), &str>,
    ) {
        let found = parse_keys(text, profile);
        let found = found.as_ref().map_err(String::as_str).map(|keys| {
            (keys.access_key.as_str(), keys.secret_key.as_str(), keys.session_token.as_deref())
        });
        match (found, expected) {
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => assert_eq!(found, expected),
        }
    }

    #[test]
    fn a_line_of_two_fields_is_a_key_and_its_secret() {
        check("AKID:secret\n", None, Ok(("AKID", "secret", None)));
        check("# mine\n\n  AKID:se/c+ret==  \n", None, Ok(("AKID", "se/c+ret==", None)));
    }

    #[test]
    fn a_credentials_file_is_read_by_profile() {
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key = B\n\
                    [other]\naws_access_key_id=C\naws_secret_access_key=D=\naws_session_token=E\n";
        check(text, None, Ok(("A", "B", None)));
        check(text, Some("other"), Ok(("C", "D=", Some("E"))));
        check(text, Some("third"), Err("no aws_access_key_id in section [third]"));
    }

    #[test]
    fn settings_without_a_section_are_the_default_ones() {
        check("aws_access_key_id=A\naws_secret_access_key=B", None, Ok(("A", "B", None)));
    }

    #[test]
    fn the_configuration_of_s3cmd_is_read() {
        let text = "[default]\naccess_key = A\naccess_token = \nsecret_key = B\nuse_https = True\n";
        check(text, None, Ok(("A", "B", None)));
    }

    #[test]
    fn a_file_without_a_whole_key_is_refused_without_repeating_it() {
        check("", None, Err("is empty"));
        check("hush", None, Err("must hold ACCESS:SECRET"));
        check("bucket:hush:hush", None, Err("must hold ACCESS:SECRET"));
        check("aws_access_key_id = hush", None, Err("has no aws_secret_access_key"));
        for text in ["hush", "bucket:hush:hush", "aws_access_key_id = hush"] {
            assert!(!parse_keys(text, None).err().unwrap().contains("hush"));
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, "AKID:hush").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_keys(&path, None).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Forbidden);
        assert!(error.message.contains("mode 640"), "{error}");
        assert!(error.message.contains("chmod 600"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_keys(&path, None).ok().unwrap().access_key, "AKID");
    }
}
