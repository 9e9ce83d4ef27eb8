//! Symbolic links, pipes, sockets and device nodes.

use std::fs;
use std::os::unix::net::UnixListener;

use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};
use crate::support::mount::Site;
use crate::support::servers::Kind;

#[test]
fn symbolic_links_are_kept() {
    let (site, mount) = mounted();
    mount.shell("echo text > file && ln -s file link && ln -s '/no where/\u{e9}' dangling").ok();
    let shown = "readlink link dangling && cat link && stat -c '%F %s' link";
    let expected = "file\n/no where/\u{e9}\ntext\nsymbolic link 4\n";
    assert_eq!(mount.shell(shown).ok(), expected);
    assert_eq!(site.mount(&[]).shell(shown).ok(), expected);
    assert_eq!(site.bucket.get("link").as_deref(), Some(b"file".as_slice()));
    assert_eq!(site.bucket.metadata("link", "file-permissions").as_deref(), Some("0120777"));
    mount.shell("mv link moved && readlink moved && rm moved && cat file").ok();
}

#[test]
fn a_listing_tells_links_from_files() {
    let (site, mount) = mounted();
    mount
        .shell("mkdir dir && cd dir && for i in 1 2 3; do echo $i > f$i; ln -s f$i l$i; done")
        .ok();
    let types = "find dir -type l | sort | tr '\\n' ' '; find dir -type f | sort | tr '\\n' ' '";
    let expected = "dir/l1 dir/l2 dir/l3 dir/f1 dir/f2 dir/f3 ";
    assert_eq!(mount.shell(types).ok(), expected);
    assert_eq!(site.mount(&[]).shell(types).ok(), expected);
}

#[test]
fn a_link_is_followed_to_a_directory() {
    let (_site, mount) = mounted();
    mount.shell("mkdir -p a/b && ln -s a/b short && echo deep > short/file").ok();
    assert_eq!(mount.shell("cat a/b/file && ls short").ok(), "deep\nfile\n");
    mount.shell("ln -s loop loop; cat loop").refused();
}

#[test]
fn pipes_sockets_and_devices_are_kept() {
    let (site, mount) = mounted();
    mount.shell("mkfifo pipe && mknod null c 1 3 && mknod disk b 8 1").ok();
    drop(UnixListener::bind(mount.path("socket")).expect("a socket"));
    let shown = "stat -c '%n %F %t %T' disk null pipe socket";
    let expected = "disk block special file 8 1\nnull character special file 1 3\n\
                    pipe fifo 0 0\nsocket socket 0 0\n";
    assert_eq!(mount.shell(shown).ok(), expected);
    assert_eq!(site.mount(&[]).shell(shown).ok(), expected);
    assert_eq!(mount.shell("(echo through > pipe &) ; cat pipe").ok(), "through\n");
}

#[test]
fn hard_links_are_refused() {
    let (_site, mount) = mounted();
    mount.shell("echo text > file").ok();
    check_errno(fs::hard_link(mount.path("file"), mount.path("link")), Errno::PERM);
}

#[test]
fn names_of_links_are_free_or_taken_like_those_of_files() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("echo text > file").ok();
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, mount.path(name));
    check_errno(link("x", "file"), Errno::EXIST);
    link("x", "dangling").expect("a link");
    check_errno(fs::create_dir(mount.path("dangling")), Errno::EXIST);
    check_errno(fs::read(mount.path("dangling")), Errno::NOENT);
}
