//! Versions of an object as an attribute shows them: `user.s3.versions`.

use crate::store::types::ListedVersion;
use crate::vfs::xattr::time::rfc3339;

/// One line a version: `<id> <RFC 3339> <bytes>`, then what there is to say: `latest`,
/// `delete-marker` (with `-` for bytes), `storage-class=<class>` unless it is `STANDARD`.
#[must_use]
pub fn shown(versions: &[ListedVersion]) -> String {
    let lines: Vec<String> = versions.iter().map(line).collect();
    lines.join("\n")
}

fn line(version: &ListedVersion) -> String {
    let bytes = version.object.as_ref().map_or("-".to_owned(), |object| object.size.to_string());
    let mut line = format!("{} {} {bytes}", version.version_id, rfc3339(version.last_modified));
    if version.is_latest {
        line += " latest";
    }
    let Some(object) = &version.object else { return line + " delete-marker" };
    match object.storage_class.as_deref() {
        None | Some("STANDARD") => line,
        Some(class) => format!("{line} storage-class={class}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::store::types::{ETag, VersionedObject};

    fn version(id: &str, storage_class: Option<&str>) -> ListedVersion {
        let object = VersionedObject {
            size: 12,
            etag: ETag::new("e"),
            storage_class: storage_class.map(str::to_owned),
        };
        ListedVersion {
            key: "key".to_owned(),
            version_id: id.to_owned(),
            is_latest: false,
            last_modified: UNIX_EPOCH,
            object: Some(object),
        }
    }

    #[track_caller]
    fn check(versions: &[ListedVersion], expected: &str) {
        assert_eq!(shown(versions), expected);
    }

    #[test]
    fn a_version_is_one_line() {
        let time = "1970-01-01T00:00:00Z";
        let marker = ListedVersion { object: None, is_latest: true, ..version("v3", None) };
        let versions = [marker, version("v2", Some("GLACIER")), version("null", Some("STANDARD"))];
        let lines = [
            format!("v3 {time} - latest delete-marker"),
            format!("v2 {time} 12 storage-class=GLACIER"),
            format!("null {time} 12"),
        ];
        check(&versions, &lines.join("\n"));
        check(&[], "");
    }
}
