//! `docs/xattrs.md`: the tables of attributes, from the table.

use crate::vfs::xattr::table::{Attribute, On, TABLE};
use crate::vfs::xattr::user::BYTES_MAX;

const HEAD: &str = "# Extended attributes: all of S3 that is not bytes

Generated from `src/vfs/xattr/table.rs`; a test keeps it so.

Every attribute is read with `getfattr --only-values -n NAME PATH`, set with `setfattr -n NAME -v VALUE PATH` and
removed with `setfattr -x NAME PATH`; `pailfs get`, `set` and `unset` do the same for many paths at once, with S3's own
words where it refuses, and for values of any length. `pailfs info PATH` prints all there is.

A set is in S3 when it returns, or it failed and changed nothing: `EINVAL` a value that makes no sense, `EACCES` refused,
`ENODATA` nothing of that name, `EOPNOTSUPP` the server or this kind of thing has none, `EPERM` it can only be read,
`ENOSPC` no room, `E2BIG` over the 64 KiB that the kernel carries. Why stands in the mount's log, with S3's message.
One newline at the end of a value of `user.s3` is taken away, and none of the others'. `XATTR_CREATE` and `XATTR_REPLACE` are honoured.

## User metadata: `user.<name>`

`x-amz-meta-<name>` of the object, or of a directory's marker, which the first set makes. Listed, so that `cp -a`,
`rsync -X` and `tar --xattrs` carry it. Kept when a file is overwritten, renamed, or given another owner or mode. On a file that is being written it goes along with the upload; on one at rest S3 copies the object
onto itself. Owner, mode and times stand among the metadata of an object too and are not shown here.

A name of lower-case letters, digits, `-`, `_` and `.` is the header's; any other byte is written as `%` and two
hexadecimal digits, in lower case. A value of printable ASCII is the header's; other text is an encoded word of RFC 2047
(`=?UTF-8?B?...?=`), and what is no text or has spaces around it a data URL (`data:;base64,...`). What others wrote is
read by the same rules. S3 takes 2 KiB of names and values; ";

const TAIL: &str = "
Buckets: `mkdir` in a mount of `/` creates one, in the region of `--create-region`; `rmdir` deletes an empty one; `rm -r`
empties it by batches of deletes. What carries no attributes of its own, as the root of all buckets does, has the last
family alone.
";

/// A heading, and which rows stand below it.
type Section = (&'static str, fn(&Attribute) -> bool);

/// The whole manual.
#[must_use]
pub fn text() -> String {
    let room = format!("{BYTES_MAX} of them are for attributes, the rest is left for owner, mode");
    let mut text = format!("{HEAD}{room}\nand times. `ENOSPC` beyond that.\n");
    let sections: [Section; 3] = [
        ("On a file or directory: what S3 knows", |row| {
            matches!(row.on, On::Object | On::Both | On::All) && is_of_s3(row)
        }),
        ("On a bucket: its directory, or the root of a mount of one bucket", |row| {
            matches!(row.on, On::Bucket | On::Both | On::All) && is_of_s3(row)
        }),
        ("What this mount knows", |row| !is_of_s3(row)),
    ];
    for (title, belongs) in sections {
        text += &format!("\n## {title}\n\n| name | get | set | remove |\n|---|---|---|---|\n");
        for row in TABLE.iter().filter(|row| belongs(row)) {
            let [get, set, remove] = [row.get, row.set, row.remove].map(cell);
            text += &format!("| `{}` | {get} | {set} | {remove} |\n", row.name);
        }
    }
    text + TAIL
}

fn is_of_s3(row: &Attribute) -> bool {
    row.name.starts_with("user.s3")
}

fn cell(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_in_docs_is_the_one_the_table_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/xattrs.md");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        if kept != text() {
            std::fs::write(format!("{path}.new"), text()).unwrap();
            panic!("docs/xattrs.md is not what the table says; docs/xattrs.md.new is");
        }
    }
}
