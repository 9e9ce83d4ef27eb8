//! User metadata.

use serde_json::json;

use crate::attributes::{Bench, on_both};
use crate::support::servers::Kind;

#[test]
fn user_metadata_go_both_ways() {
    on_both(|bench| {
        let metadata = json!({ "colour": "green", "file-owner": "7" });
        bench.s3("put_object", json!({ "Key": "theirs", "Body": "x", "Metadata": metadata }));
        assert_eq!(bench.get("theirs", "user.colour"), "green");
        bench.none("theirs", "user.file-owner");
        bench.mount.shell("echo text > ours").ok();
        bench.set("ours", "user.shape", "a round one");
        assert_eq!(bench.head("ours")["Metadata"]["shape"], "a round one");
        bench.set("theirs", "user.colour", "red");
        assert_eq!(bench.head("theirs")["Metadata"]["colour"], "red");
        bench.remove("theirs", "user.colour");
        assert_eq!(bench.head("theirs")["Metadata"].get("colour"), None);
        bench.none("theirs", "user.colour");
        assert_eq!(bench.mount.shell("cat ours theirs").ok(), "text\nx");
    });
}

#[test]
fn names_and_values_of_any_bytes_come_back() {
    on_both(|bench| {
        let script = r#"python3 - <<'END'
import os
open("file", "w").write("text")
values = {"Upper Case": b"x", "gr\u00fcn": "gr\u00fcn".encode(), "binary": bytes(range(256)),
          "empty": b"", "led": b" spaces ", "100%": b"=?UTF-8?B?eA==?=", "file-owner": b"me"}
for name, value in values.items():
    os.setxattr("file", "user." + name, value)
assert os.listxattr("file") and set(os.listxattr("file")) == {"user." + name for name in values}
for name, value in values.items():
    assert os.getxattr("file", "user." + name) == value, name
assert os.stat("file").st_uid == os.getuid()
END"#;
        bench.mount.shell(script).ok();
        let metadata = &bench.head("file")["Metadata"];
        assert_eq!(metadata["%55pper%20%43ase"], "x");
        assert_eq!(metadata["gr%c3%bcn"], "=?UTF-8?B?Z3LDvG4=?=");
        let again = bench.site.mount(&[]);
        let shown = again.shell("getfattr -d file | grep -c '^user'").ok();
        assert_eq!(shown.trim(), "7");
    });
}

#[test]
fn encoded_words_of_others_are_read() {
    on_both(|bench| {
        let metadata = json!({ "note": "=?UTF-8?Q?gr=C3=BCn_und?= =?UTF-8?B?IHJvdA==?=" });
        bench.s3("put_object", json!({ "Key": "file", "Body": "x", "Metadata": metadata }));
        assert_eq!(bench.get("file", "user.note"), "grün und rot");
    });
}

#[test]
fn what_does_not_fit_in_2_kib_is_refused_and_nothing_is_changed() {
    on_both(|bench| {
        bench.mount.shell("echo text > file && mkdir dir").ok();
        for path in ["file", "dir"] {
            bench.set(path, "user.a", &"x".repeat(1500));
            let key = if path == "dir" { "dir/" } else { path };
            let before = bench.head(key)["Metadata"].clone();
            bench.refuse(path, "user.b", &"y".repeat(500), "No space left");
            bench.refuse(path, "user.a", &"x".repeat(2100), "No space left");
            assert_eq!(bench.head(key)["Metadata"], before);
        }
        // Owner, mode and times still find their place.
        bench.set("file", "user.a", &"x".repeat(1855));
        let full = "chown 4000000000:4000000000 file && chmod 640 file && touch -d 2001-01-01 file";
        bench.mount.shell(full).ok();
        assert_eq!(bench.get("file", "user.a").len(), 1855);
    });
}

#[test]
fn user_metadata_survive_what_is_done_to_a_file() {
    on_both(|bench| {
        bench.mount.shell("mkdir dir && echo text > dir/file").ok();
        bench.set("dir/file", "user.colour", "green");
        bench.set("dir", "user.colour", "blue");
        for change in ["echo other > dir/file", "echo more >> dir/file", "chmod 600 dir/file"] {
            bench.mount.shell(change).ok();
            assert_eq!(bench.get("dir/file", "user.colour"), "green", "{change}");
        }
        bench.mount.shell("mv dir/file dir/moved && chmod 700 dir && mv dir there").ok();
        assert_eq!(bench.get("there/moved", "user.colour"), "green");
        assert_eq!(bench.get("there", "user.colour"), "blue");
        assert_eq!(bench.head("there/moved")["Metadata"]["colour"], "green");
    });
}

#[test]
fn tools_that_copy_attributes_copy_them() {
    on_both(|bench| {
        bench.mount.shell("mkdir from && echo text > from/file").ok();
        bench.set("from/file", "user.Colour", "grün");
        bench.set("from", "user.kind", "directory");
        let copies = "cp -a from copied && rsync -aX from/ synced/
            tar --xattrs --xattrs-include='user.*' -cf ../packed.tar from
            mkdir out && tar --xattrs --xattrs-include='user.*' -xf ../packed.tar -C out
            rm ../packed.tar && rsync -aX --itemize-changes from/ synced/";
        assert_eq!(bench.mount.shell(copies).ok(), "", "there is nothing left to copy");
        for copy in ["copied", "synced", "out/from"] {
            assert_eq!(bench.get(&format!("{copy}/file"), "user.Colour"), "grün", "{copy}");
            assert_eq!(bench.get(copy, "user.kind"), "directory", "{copy}");
            let metadata = &bench.head(&format!("{copy}/file"))["Metadata"];
            assert_eq!(metadata["%43olour"], "=?UTF-8?B?Z3LDvG4=?=", "{copy}");
        }
    });
}

#[test]
fn a_file_that_is_being_written_takes_them_along() {
    on_both(|bench| {
        let script = r#"python3 - <<'END'
import os
with open("file", "w") as file:
    file.write("text")
    os.setxattr(file.fileno(), "user.colour", b"green")
    os.setxattr(file.fileno(), "user.s3.content-type", b"text/x-own")
    assert os.getxattr("file", "user.colour") == b"green"
    assert os.getxattr("file", "user.s3.content-type") == b"text/x-own"
    os.setxattr(file.fileno(), "user.s3.tag.team", b"storage")
    os.setxattr(file.fileno(), "user.s3.acl", b"public-read")
    file.write(" and more")
END
cat file"#;
        assert_eq!(bench.mount.shell(script).ok(), "text and more");
        let head = bench.head("file");
        assert_eq!(head["Metadata"]["colour"], "green");
        assert_eq!(head["ContentType"], "text/x-own");
        let tags = bench.s3("get_object_tagging", json!({ "Key": "file" }));
        assert_eq!(tags["TagSet"], json!([{ "Key": "team", "Value": "storage" }]));
        let acl = bench.s3("get_object_acl", json!({ "Key": "file" }));
        assert_eq!(acl["Grants"].as_array().map(Vec::len), Some(2), "{acl}");
    });
}

#[test]
fn whether_a_value_may_be_made_or_replaced_is_honoured() {
    on_both(|bench| {
        let script = r#"python3 - <<'END'
import errno, os
open("file", "w").close()
def refused(number, *arguments):
    try:
        os.setxattr("file", *arguments)
    except OSError as error:
        assert error.errno == number, error
        return
    raise AssertionError("it was taken")
for name in ["user.colour", "user.s3.tag.colour", "user.s3.cache-control"]:
    refused(errno.ENODATA, name, b"1", os.XATTR_REPLACE)
    os.setxattr("file", name, b"2", os.XATTR_CREATE)
    refused(errno.EEXIST, name, b"3", os.XATTR_CREATE)
    os.setxattr("file", name, b"4", os.XATTR_REPLACE)
    assert os.getxattr("file", name) == b"4"
    os.removexattr("file", name)
    try:
        os.removexattr("file", name)
    except OSError as error:
        assert error.errno == errno.ENODATA, error
END"#;
        bench.mount.shell(script).ok();
    });
}

#[test]
fn without_a_dialect_metadata_are_attributes_all_the_same() {
    let bench = Bench::new(Kind::Pailfs, &["--posix-dialect", "none"]);
    bench.mount.shell("echo text > file && mkdir dir").ok();
    for path in ["file", "dir"] {
        bench.set(path, "user.colour", "green");
        let listed = bench.mount.shell(&format!("getfattr -d {path}")).ok();
        assert!(listed.contains("user.colour=\"green\""), "{listed}");
    }
    assert_eq!(bench.head("file")["Metadata"], json!({ "colour": "green" }));
}

#[test]
fn what_is_no_text_is_spelt_out_for_people_and_programs() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    bench.mount.shell("echo text > file && setfattr -n user.bytes -v 0xff00 file").ok();
    assert_eq!(bench.get_json("file", "user.pailfs.info")["bytes"], "data:;base64,/wA=");
}

#[test]
fn more_metadata_than_there_is_room_for_is_said_so() {
    let bench = Bench::new(Kind::Pailfs, &[]);
    let metadata = json!({ "theirs": "x".repeat(2000) });
    bench.s3("put_object", json!({ "Key": "file", "Body": "x", "Metadata": metadata }));
    let said = bench.mount.shell("chmod 600 file").refused();
    assert!(said.contains("No space left"), "{said}");
    assert!(bench.mount.log().contains("MetadataTooLarge"), "{}", bench.mount.log());
}
