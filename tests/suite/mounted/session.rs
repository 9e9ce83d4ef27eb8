//! An hour at the shell, against our server and one that we did not write.

use crate::support::command::shell;
use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;

#[test]
fn a_session_at_the_shell_with_our_server() {
    check_session(Kind::Pailfs);
}

#[test]
fn a_session_at_the_shell_with_ministack() {
    check_session(Kind::Ministack);
}

#[test]
fn a_session_at_the_shell_with_seaweedfs() {
    check_session(Kind::Seaweedfs);
}

#[track_caller]
fn check_session(kind: Kind) {
    let site = Site::new(kind);
    let mount = site.mount(&[]);
    check_one_file(&site, &mount);
    check_directories(&site, &mount);
    check_trees(&mount);
    check_archive(&mount);
    mount.shell("rm -r -- *").ok();
    assert_eq!(site.bucket.keys(), Vec::<String>::new(), "everything is removed");
    assert_eq!(site.bucket.uploads(), 0, "no upload is left behind");
}

#[track_caller]
fn check_one_file(site: &Site, mount: &TestMount) {
    mount.shell("echo hello > greeting").ok();
    assert_eq!(site.bucket.get("greeting").as_deref(), Some(b"hello\n".as_slice()));
    assert_eq!(mount.shell("cat greeting").ok(), "hello\n");
    mount.shell("cp greeting copy && echo 'hello again' > greeting").ok();
    assert_eq!(mount.shell("cat copy greeting").ok(), "hello\nhello again\n");
    let listing = mount.shell("ls -la").ok();
    for line in [" 12 ", " greeting", " 6 ", " copy", "-rw-r--r-- ", "drwxr-xr-x ", " .\n", " ..\n"]
    {
        assert!(listing.contains(line), "{line:?} is in {listing}");
    }
    assert_eq!(mount.shell("stat -c '%s %F' greeting").ok(), "12 regular file\n");
    mount.shell("mv copy moved && rm greeting").ok();
    assert_eq!(mount.shell("ls").ok(), "moved\n");
    assert_eq!(site.bucket.keys(), ["moved"]);
    assert!(mount.shell("cat copy").refused().contains("No such file or directory"));
}

#[track_caller]
fn check_directories(site: &Site, mount: &TestMount) {
    mount.shell("mkdir -p a/b/c && echo 1 > a/b/c/1 && echo 2 > a/2").ok();
    assert_eq!(mount.shell("find a | sort").ok(), "a\na/2\na/b\na/b/c\na/b/c/1\n");
    assert!(mount.shell("rmdir a/b/c").refused().contains("Directory not empty"));
    assert!(mount.shell("rm a/b").refused().contains("Is a directory"));
    assert!(mount.shell("mkdir a").refused().contains("File exists"));
    assert!(mount.shell("cat a/2/3").refused().contains("Not a directory"));
    mount.shell("rm a/b/c/1 && rmdir a/b/c a/b").ok();
    assert_eq!(mount.shell("find a -type d").ok(), "a\n");
    assert!(site.bucket.keys().iter().all(|key| !key.starts_with("a/b/")));
    mount.shell("rm -r a").ok();
    assert!(mount.shell("ls a").refused().contains("No such file or directory"));
}

/// A tree of files of many sizes, made outside.
const TREE: &str = "mkdir -p tree/deep/er tree/empty
for size in 0 1 4095 4096 4097 65536 131073 1048577; do
    head -c $size /dev/urandom > tree/$size
    head -c $size /dev/urandom > tree/deep/er/$size
done";

#[track_caller]
fn check_trees(mount: &TestMount) {
    let outside = tempfile::tempdir().expect("a temporary directory");
    shell(outside.path(), TREE).ok();
    let source = outside.path().join("tree");
    mount.shell(&format!("cp -r {} there && diff -r {0} there", source.display())).ok();
    mount.shell("cp -r there here && diff -r there here").ok();
    let back = outside.path().join("back");
    mount
        .shell(&format!("cp -r here {0} && diff -r {1} {0}", back.display(), source.display()))
        .ok();
    let size = mount.shell("find there -type f -printf '%s\\n' | sort -n | tail -1").ok();
    assert_eq!(size, "1048577\n");
}

#[track_caller]
fn check_archive(mount: &TestMount) {
    mount.shell("tar -cf there.tar there && mkdir un && tar -xf there.tar -C un").ok();
    mount.shell("diff -r there un/there && gzip -k there.tar && gzip -t there.tar.gz").ok();
    assert_eq!(mount.shell("tar -tzf there.tar.gz | wc -l").ok(), "20\n");
}
