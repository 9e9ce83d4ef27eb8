//! Owner, mode and times, and what else an object carries beside its bytes.

use pailfs::store::types::{CannedAcl, ObjectAttributes, WriteOptions};

use crate::mounted::mounted;
use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;

/// A mount that other users may use.
fn shared() -> (Site, TestMount) {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["-o", "allow_other"]);
    (site, mount)
}

/// Lines of Python that are run as another user, who belongs to one group.
fn as_user(mount: &TestMount, uid: u32, gid: u32, lines: &str) -> String {
    let script =
        format!("import os\nos.setgroups([])\nos.setgid({gid})\nos.setuid({uid})\n{lines}\n");
    mount.shell(&format!("python3 - <<'END'\n{script}END")).ok()
}

#[test]
fn owner_mode_and_times_are_kept() {
    let (site, mount) = mounted();
    let set = "echo text > file && chown 12:34 file && chmod 4751 file
               touch -m -d '2001-02-03 04:05:06.123456789 UTC' file
               touch -a -d '2002-03-04 05:06:07.5 UTC' file";
    mount.shell(set).ok();
    let shown = "TZ=UTC stat -c '%u %g %a %y %x' file && cat file";
    let expected = "12 34 4751 2001-02-03 04:05:06.123456789 +0000 \
                    2002-03-04 05:06:07.500000000 +0000\ntext\n";
    assert_eq!(mount.shell(shown).ok(), expected);
    assert_eq!(site.mount(&[]).shell(shown).ok(), expected);
    let metadata = |name| site.bucket.metadata("file", name);
    assert_eq!(metadata("file-permissions").as_deref(), Some("0104751"));
    assert_eq!(metadata("file-owner").as_deref(), Some("12"));
    assert_eq!(metadata("file-group").as_deref(), Some("34"));
    assert_eq!(metadata("file-mtime").as_deref(), Some("981173106123456789ns"));
}

#[test]
fn a_new_file_is_its_makers_with_the_mode_asked_for() {
    let (_site, mount) = shared();
    mount.shell("umask 027; echo 1 > file; mkdir dir; ln -s file link; chmod 777 .").ok();
    as_user(&mount, 1234, 5678, "os.umask(0o077)\nopen('theirs', 'w').write('2')\nos.mkdir('d')");
    let shown = mount.shell("stat -c '%n %u %g %a' file dir theirs d").ok();
    assert_eq!(shown, "file 0 0 640\ndir 0 0 750\ntheirs 1234 5678 600\nd 1234 5678 700\n");
}

#[test]
fn a_file_keeps_its_time_when_it_is_looked_at_again() {
    let (site, mount) = mounted();
    mount.shell("echo text > file").ok();
    let before = mount.shell("stat -c '%.9Y' file").ok();
    assert_eq!(site.mount(&[]).shell("stat -c '%.9Y' file").ok(), before);
}

#[test]
fn only_user_attributes_exist() {
    let (_site, mount) = mounted();
    let script = "echo text > file && mkdir dir && python3 - <<'END'
import errno, os
NAMES = ['security.selinux', 'security.capability', 'trusted.colour', 'system.posix_acl_access']
for path in ['.', 'dir', 'file']:
    for name in NAMES + (['system.posix_acl_default'] if path == 'dir' else []):
        for ask in [os.getxattr, os.removexattr, lambda *of: os.setxattr(*of, b'value')]:
            try:
                print('got', path, name, ask(path, name))
            except OSError as error:
                # Linux looks at values that it knows before it hands them on.
                is_known = name.startswith('system.') or name == 'security.capability'
                if error.errno != errno.ENOTSUP and not (is_known and error.errno == errno.EINVAL):
                    print(path, name, error)
END";
    assert_eq!(mount.shell(script).ok(), "");
    let copied =
        mount.shell("exec 2>&1; cp -a file copy && tar -c --acls --selinux --xattrs file | tar -t");
    assert_eq!(copied.ok(), "file\n");
}

#[test]
fn attributes_of_all_dialects_are_read() {
    let (site, mount) = mounted();
    let put = |key: &str, metadata: &[(&str, &str)]| {
        let body = if key == "geesefs" { "" } else { "x" };
        site.bucket.put_described(key, body, metadata);
    };
    put("aws", &[("file-permissions", "0100640"), ("file-owner", "7"), ("file-mtime", "5000ns")]);
    put("s3fs", &[("mode", "33188"), ("uid", "8"), ("gid", "9"), ("mtime", "1000000000")]);
    put("rclone", &[("mode", "100600"), ("uid", "10"), ("mtime", "1000000000.5")]);
    put("geesefs", &[("--symlink-target", "aws")]);
    let shown = mount.shell("stat -c '%n %F %a %u %.1Y' aws s3fs rclone && readlink geesefs").ok();
    let expected = "aws regular file 640 7 0.0\n\
                    s3fs regular file 644 8 1000000000.0\n\
                    rclone regular file 600 10 1000000000.5\naws\n";
    assert_eq!(shown, expected);
}

#[test]
fn the_dialect_that_is_written_can_be_chosen() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["--posix-dialect", "s3fs"]);
    mount.shell("echo text > file && chmod 600 file").ok();
    assert_eq!(site.bucket.metadata("file", "mode").as_deref(), Some("33152"));
    assert_eq!(site.bucket.metadata("file", "file-permissions"), None);
    assert_eq!(site.mount(&[]).shell("stat -c %a file").ok(), "600\n");
}

#[test]
fn without_a_dialect_attributes_are_those_of_the_mount() {
    let site = Site::new(Kind::Pailfs);
    site.bucket.put_described("file", "text", &[("file-permissions", "0100600")]);
    let mount = site.mount(&["--posix-dialect", "none"]);
    assert_eq!(mount.shell("stat -c %a file").ok(), "644\n");
    assert!(mount.shell("chmod 600 file").refused().contains("not supported"));
    mount.shell("ln -s file link").refused();
    mount.shell("echo new > new && touch new && (umask 077; echo own > own; mkdir directory)").ok();
    assert_eq!(mount.shell("stat -c %a own directory").ok(), "644\n755\n");
    let head = site.bucket.head("new").expect("an object");
    assert!(head.attributes.metadata.is_empty(), "{:?}", head.attributes.metadata);
}

#[test]
fn changing_attributes_keeps_everything_else() {
    let (site, mount) = mounted();
    let attributes = ObjectAttributes {
        content_type: Some("text/x-special".to_owned()),
        cache_control: Some("max-age=5".to_owned()),
        metadata: [("colour".to_owned(), "green".to_owned())].into(),
        ..ObjectAttributes::default()
    };
    let tags = Some([("team".to_owned(), "storage".to_owned())].into());
    let acl = Some(CannedAcl::PublicRead);
    let options = WriteOptions { attributes, tags, acl, ..WriteOptions::default() };
    site.bucket.put_with("file", "text", options);
    let grants = site.bucket.grants("file");
    assert!(grants > 1);
    let check = |key: &str, what: &str| {
        let head = site.bucket.head(key).expect("an object");
        assert_eq!(head.attributes.content_type.as_deref(), Some("text/x-special"), "{what}");
        assert_eq!(head.attributes.cache_control.as_deref(), Some("max-age=5"), "{what}");
        assert_eq!(site.bucket.metadata(key, "colour").as_deref(), Some("green"), "{what}");
        assert_eq!(site.bucket.tags(key).len(), 1, "{what}");
        assert_eq!(site.bucket.grants(key), grants, "{what}");
    };
    mount.shell("chmod 600 file").ok();
    check("file", "chmod");
    mount.shell("echo other > file").ok();
    check("file", "rewritten");
    mount.shell("mv file moved").ok();
    check("moved", "renamed");
    assert_eq!(mount.shell("stat -c %a moved && cat moved").ok(), "600\nother\n");
}

#[test]
fn the_content_type_is_guessed_from_the_name() {
    let (site, mount) = mounted();
    mount.shell("echo x > page.html && echo x > image.png && echo x > plain").ok();
    let content_type =
        |key: &str| site.bucket.head(key).expect("an object").attributes.content_type;
    assert_eq!(content_type("page.html").as_deref(), Some("text/html"));
    assert_eq!(content_type("image.png").as_deref(), Some("image/png"));
    assert_eq!(content_type("plain").as_deref(), Some("binary/octet-stream"));
}

#[test]
fn directories_keep_their_attributes() {
    let (site, mount) = mounted();
    site.bucket.put("unmarked/file", "text");
    let set = "mkdir -m 2750 made && chown 5:6 made && touch -d '2001-01-01 UTC' made
               chmod 711 unmarked";
    mount.shell(set).ok();
    let shown = "TZ=UTC stat -c '%a %u %g' made unmarked && TZ=UTC stat -c %y made";
    let expected = "2750 5 6\n711 0 0\n2001-01-01 00:00:00.000000000 +0000\n";
    assert_eq!(mount.shell(shown).ok(), expected);
    assert_eq!(site.mount(&[]).shell(shown).ok(), expected);
}

#[test]
fn the_root_of_a_bucket_keeps_attributes_as_long_as_it_is_mounted() {
    let (_site, mount) = mounted();
    mount.shell("chmod 700 . && touch -d '2001-01-01 UTC' .").ok();
    assert_eq!(mount.shell("stat -c '%a %Y' .").ok(), "700 978307200\n");
}

#[test]
fn a_directorys_time_changes_with_its_names() {
    let (_site, mount) = mounted();
    mount.shell("mkdir dir && echo 1 > dir/a").ok();
    for change in ["echo > dir/b", "rm dir/b", "mkdir dir/c", "rmdir dir/c", "mv dir/a dir/z"] {
        let script = format!("touch -d '2001-01-01 UTC' dir && {change} && stat -c %Y dir");
        let seconds: u64 = mount.shell(&script).ok().trim().parse().expect("a number");
        assert!(seconds > 978_307_200, "{change}: {seconds}");
    }
}

#[test]
fn a_directory_with_set_group_id_hands_its_group_on() {
    let (_site, mount) = mounted();
    mount.shell("mkdir dir && chown :77 dir && chmod 2775 dir && touch dir/f && mkdir dir/d").ok();
    assert_eq!(mount.shell("stat -c '%g %a' dir/f dir/d").ok(), "77 644\n77 2755\n");
}

#[test]
fn permissions_are_checked() {
    let (_site, mount) = shared();
    mount.shell("chmod 777 . && echo s > secret && chmod 600 secret && echo p > public").ok();
    mount.shell("mkdir -m 1777 sticky && echo mine > sticky/mine && chmod 666 sticky/mine").ok();
    let lines = "def refused(act):
    try:
        act()
    except PermissionError:
        return
    raise AssertionError('it was allowed')
refused(lambda: open('secret'))
refused(lambda: open('public', 'a'))
refused(lambda: os.unlink('sticky/mine'))
refused(lambda: os.chmod('public', 0o777))
print(open('public').read(), end='')
open('own', 'w').close(); os.chmod('own', 0o400)";
    assert_eq!(as_user(&mount, 1234, 1234, lines), "p\n");
    assert_eq!(mount.shell("stat -c '%u %a' own").ok(), "1234 400\n");
}

#[test]
fn set_user_id_goes_when_another_user_writes() {
    let (_site, mount) = shared();
    mount.shell("chmod 777 . && echo s > tool && chmod 6777 tool && echo s > cut").ok();
    mount.shell("chmod 6777 cut").ok();
    as_user(&mount, 1234, 1234, "open('tool', 'r+').write('x')\nos.truncate('cut', 0)");
    assert_eq!(mount.shell("stat -c %a tool cut").ok(), "777\n777\n");
}
