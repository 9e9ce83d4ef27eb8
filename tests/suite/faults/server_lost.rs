//! The server dies while it is needed, and comes back.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::io::Errno;

use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;
use crate::support::wait::until;
use crate::support::writer::Writer;

/// Short, so that tests are; the operations fail soon after.
const TIMEOUT: [&str; 2] = ["--timeout", "3"];

/// What a program is told of a server that does not answer.
#[track_caller]
fn check_is_io_error(error: &io::Error) {
    let errno = Errno::from_io_error(error);
    assert!(matches!(errno, Some(Errno::IO | Errno::TIMEDOUT)), "{error}");
}

/// The server is back, and all is as if nothing had been.
#[track_caller]
fn check_recovers(site: &Site, mount: &TestMount) {
    let write = || fs::write(mount.path("after"), "written after").is_ok();
    until("a file can be written", Duration::from_secs(30), write);
    assert_eq!(site.bucket.get("after").as_deref(), Some(b"written after".as_slice()));
    assert!(mount.names("").contains(&"after".to_owned()));
}

#[test]
fn a_read_fails_in_time_and_the_mount_recovers() {
    let mut site = Site::new(Kind::Pailfs);
    let mut bytes = vec![0; 64 << 20];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    site.bucket.put("large", &bytes);
    let mount = site.mount(&TIMEOUT);
    let mut file = File::open(mount.path("large")).expect("the file");
    let mut head = vec![0; 4096];
    file.read_exact(&mut head).expect("a read");
    site.server_mut().kill();
    let mut tail = vec![0; 4096];
    let error = file.read_exact_at(&mut tail, 60 << 20).expect_err("the server is gone");
    check_is_io_error(&error);
    site.server_mut().resume();
    until("the file can be read", Duration::from_secs(30), || {
        fs::read(mount.path("large")).is_ok_and(|read| read == bytes)
    });
    check_recovers(&site, &mount);
}

#[test]
fn a_write_fails_in_time_and_the_mount_recovers() {
    let mut site = Site::new(Kind::Pailfs);
    site.bucket.put("file", "old");
    let mount = site.mount(&TIMEOUT);
    let mut file = Writer::open(&mount.path("file"));
    file.write(0, &vec![b'x'; 20 << 20]).expect("the server is there");
    site.server_mut().kill();
    let failed = file.write(20 << 20, &vec![b'y'; 20 << 20]).and_then(|()| file.sync());
    check_is_io_error(&failed.expect_err("the server is gone"));
    drop(file);
    site.server_mut().resume();
    // The end of the program closes the file, which tries once more to send what was written; but
    // never anything else.
    let now = site.bucket.get("file").expect("the file");
    let written = |at| if at < 20 << 20 { b'x' } else { b'y' };
    let is_prefix = now.iter().enumerate().all(|(at, byte)| *byte == written(at));
    assert!(now == b"old" || is_prefix, "torn: {} bytes", now.len());
    check_recovers(&site, &mount);
    until("the file can be written", Duration::from_secs(30), || {
        fs::write(mount.path("file"), "new").is_ok()
    });
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"new".as_slice()));
}

#[test]
fn close_reports_what_could_not_be_written() {
    let mut site = Site::new(Kind::Pailfs);
    let mount = site.mount(&TIMEOUT);
    mount.shell("ls").ok();
    let mut file = Writer::open(&mount.path("file"));
    file.write(0, b"text").expect("a write");
    site.server_mut().kill();
    let said = mount.shell("cp /etc/hostname other").refused();
    assert!(said.contains("Input/output error") || said.contains("timed out"), "{said}");
    check_is_io_error(&file.close().expect_err("the server is gone"));
    site.server_mut().resume();
    check_recovers(&site, &mount);
}

#[test]
fn names_fail_in_time_and_come_back() {
    let mut site = Site::new(Kind::Pailfs);
    site.bucket.put("dir/file", "text");
    let mount = site.mount(&["--timeout", "3", "--ttl", "0"]);
    site.server_mut().kill();
    check_is_io_error(&fs::metadata(mount.path("dir/file")).expect_err("the server is gone"));
    check_is_io_error(&fs::create_dir(mount.path("new")).expect_err("the server is gone"));
    site.server_mut().resume();
    until("the file is there", Duration::from_secs(30), || {
        fs::read(mount.path("dir/file")).is_ok_and(|read| read == b"text")
    });
    check_recovers(&site, &mount);
}

#[test]
fn a_short_absence_goes_unnoticed() {
    let mut site = Site::new(Kind::Pailfs);
    site.bucket.put("file", "text");
    let mount = site.mount(&["--timeout", "60", "--ttl", "0"]);
    site.server_mut().kill();
    let path = mount.path("file");
    let reader = std::thread::spawn(move || fs::read(path));
    site.server_mut().resume();
    let read = reader.join().expect("a thread").expect("the server was only gone for a while");
    assert_eq!(read, b"text");
}

#[test]
fn names_that_s3_could_not_remove_come_back() {
    let mut site = Site::new(Kind::Pailfs);
    for number in 0..60 {
        site.bucket.put(&format!("dir/{number:02}"), "x");
    }
    // What was listed once is believed for longer than the test takes.
    let mount = site.mount(&["--timeout", "3", "--ttl", "600"]);
    let names = mount.names("dir");
    let remove = |name: &String| fs::remove_file(mount.path(format!("dir/{name}")));
    let sync = || File::open(mount.path("dir")).expect("a directory").sync_all();
    names[..20].iter().for_each(|name| remove(name).expect("a removal"));
    sync().expect("all of them are gone");
    site.server_mut().kill();
    names[20..40].iter().for_each(|name| remove(name).expect("nobody waits for S3"));
    assert_eq!(mount.names("dir"), names[40..]);
    check_is_io_error(&sync().expect_err("the server is gone"));
    site.server_mut().resume();
    assert_eq!(mount.names("dir"), names[20..]);
    assert_eq!(site.bucket.keys().len(), 40);
    assert!(mount.log().contains("removed, and is there again"), "{}", mount.log());
    names[20..].iter().for_each(|name| remove(name).expect("a removal"));
    sync().expect("all of them are gone");
    assert_eq!(site.bucket.keys(), ["dir/"]);
}
