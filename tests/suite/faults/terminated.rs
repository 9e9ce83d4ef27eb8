//! The mount is told to end, or dies, while files are open.

use rustix::io::Errno;

use crate::support::command::pailfs;
use crate::support::mount::Site;
use crate::support::servers::Kind;
use crate::support::writer::Writer;

#[test]
fn a_half_written_open_file_reaches_s3_when_the_mount_is_terminated() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    let mut small = Writer::open(&mount.path("small"));
    small.write(0, b"half").expect("a write");
    let mut large = Writer::open(&mount.path("large"));
    large.write(0, &vec![b'x'; 20 << 20]).expect("a write");
    assert!(mount.terminate().success());
    assert_eq!(site.bucket.get("small").as_deref(), Some(b"half".as_slice()));
    assert!(site.bucket.get("large") == Some(vec![b'x'; 20 << 20]));
    assert_eq!(site.bucket.uploads(), 0);
    // The mount is detached: what the descriptor still points to is gone.
    let error = small.write(4, b"more").and_then(|()| small.sync()).expect_err("no mount");
    let errno = Errno::from_io_error(&error);
    assert!(matches!(errno, Some(Errno::NOTCONN | Errno::CONNABORTED | Errno::IO)), "{error}");
}

#[test]
fn what_can_not_be_written_at_the_end_is_named() {
    let mut site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&["--timeout", "3"]);
    let mut file = Writer::open(&mount.path("unlucky"));
    file.write(0, b"text").expect("a write");
    site.server_mut().kill();
    let status = mount.terminate();
    assert!(!status.success(), "not everything was written");
    assert!(mount.log().contains("unlucky"), "{}", mount.log());
}

#[test]
fn a_dead_mount_is_unmounted_and_mounted_anew() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    mount.shell("echo text > file").ok();
    mount.kill();
    let error = std::fs::metadata(mount.path("file")).expect_err("nobody serves it");
    assert_eq!(Errno::from_io_error(&error), Some(Errno::NOTCONN));
    pailfs(["umount".as_ref(), mount.root().as_os_str()], &[]).ok();
    let next = site.mount(&[]);
    assert_eq!(next.shell("cat file").ok(), "text\n");
}

#[test]
fn names_come_back_when_the_mount_dies_before_s3_has_removed_them() {
    let mut site = Site::new(Kind::Pailfs);
    for number in 0..40 {
        site.bucket.put(&format!("dir/{number:02}"), "x");
    }
    let mut mount = site.mount(&["--ttl", "600"]);
    let names = mount.names("dir");
    let remove = |name: &String| std::fs::remove_file(mount.path(format!("dir/{name}")));
    names[..16].iter().for_each(|name| remove(name).expect("a removal"));
    site.server_mut().kill();
    names[16..30].iter().for_each(|name| remove(name).expect("nobody waits for S3"));
    mount.kill();
    site.server_mut().resume();
    let next = site.mount(&[]);
    assert_eq!(next.names("dir"), names[16..]);
    next.shell("rm -r dir").ok();
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
}
