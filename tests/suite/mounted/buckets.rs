//! Buckets as directories: ours, other people's, here and elsewhere.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pailfs::store::ObjectStore;
use pailfs::store::types::{CannedAcl, CreateBucket, Payload, WriteOptions};
use rustix::io::Errno;

use crate::mounted::check_errno;
use crate::support::bucket::Bucket;
use crate::support::hosted::Hosted;
use crate::support::mount::{Site, TestMount, mount_at};
use crate::support::runtime::block_on;
use crate::support::servers::{Kind, environment};
use crate::support::wait::until;

/// Far longer than the default `--ttl` of a second.
const SEEN: Duration = Duration::from_secs(20);

fn make(store: &dyn ObjectStore, bucket: &str, region: Option<&str>) {
    let options = CreateBucket { region: region.map(str::to_owned), ..CreateBucket::default() };
    block_on(store.create_bucket(bucket, options)).expect("a new bucket");
}

#[track_caller]
fn check_said(mount: &TestMount, words: &str) {
    until(&format!("{words:?} is in the log"), SEEN, || mount.log().contains(words));
}

/// Why the root can't be listed, if it can't.
fn listing_failure(mount: &TestMount) -> Option<Errno> {
    let listed = fs::read_dir(mount.root()).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    listed.err().and_then(|error| Errno::from_io_error(&error))
}

#[test]
fn buckets_of_several_regions_are_side_by_side() {
    let site = Site::new(Kind::Pailfs);
    let store = site.server().store();
    let regions = ["eu-west-1", "ap-southeast-2"];
    for region in regions {
        make(store.as_ref(), &format!("in-{region}"), Some(region));
    }
    let mount = site.mount_source("/", &["--log", "debug"]);
    let home = &site.bucket.name;
    assert_eq!(mount.names(""), ["in-ap-southeast-2", "in-eu-west-1", home]);
    for bucket in mount.names("") {
        let script =
            format!("cd {bucket} && echo {bucket} > file && mkdir dir && cp file dir/copy");
        mount.shell(&script).ok();
        assert_eq!(mount.shell(&format!("cat {bucket}/dir/copy")).ok(), format!("{bucket}\n"));
    }
    mount.shell(&format!("mv in-eu-west-1/file {home}/moved")).ok();
    assert_eq!(site.bucket.get("moved").as_deref(), Some(b"in-eu-west-1\n".as_slice()));
    assert_eq!(redirects(&mount), 0, "the list says where they are: {}", mount.log());
}

/// How many requests had to be sent again to another region.
fn redirects(mount: &TestMount) -> usize {
    mount.log().matches("bucket is in another region").count()
}

#[test]
fn a_bucket_elsewhere_is_mounted_by_itself() {
    let site = Site::new(Kind::Pailfs);
    let store = site.server().store();
    make(store.as_ref(), "far-away", Some("eu-north-1"));
    let mount = site.mount_source("far-away", &["--log", "debug"]);
    mount.shell("echo text > file && mkdir dir && cp file dir/copy && ls -lR && rm -r dir").ok();
    assert_eq!(redirects(&mount), 1, "{}", mount.log());
}

#[test]
fn a_bucket_has_the_time_when_it_was_made() {
    let site = Hosted::start();
    make(site.store(), "first-bucket", None);
    // Long enough between the two, and between them and the mount, to be told apart.
    site.pass(Duration::from_secs(3600));
    make(site.store(), "second-bucket", None);
    let buckets = block_on(site.store().list_buckets()).expect("the buckets");
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
        i64::try_from(since.as_secs()).expect("a time of now")
    };
    let expected: Vec<_> =
        buckets.iter().map(|bucket| seconds(bucket.created.expect("a time"))).collect();
    let times = |mount: &TestMount| {
        ["first-bucket", "second-bucket"].map(|bucket| {
            let found = fs::metadata(mount.path(bucket)).expect("a bucket");
            assert_eq!(found.mtime(), found.ctime(), "{bucket}");
            found.mtime()
        })
    };
    let by_name = site.mount("/", &[]);
    assert_eq!(times(&by_name), expected[..]);
    let by_listing = site.mount("/", &[]);
    assert_eq!(by_listing.names(""), ["first-bucket", "second-bucket"]);
    assert_eq!(times(&by_listing), expected[..]);
}

#[test]
fn mkdir_makes_a_bucket_in_the_region_that_is_chosen() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount_source("/", &["--create-region", "eu-central-1"]);
    mount.shell("mkdir made-there && echo text > made-there/file && cat made-there/file").ok();
    let store = site.server().store();
    let region = block_on(store.head_bucket("made-there")).expect("a bucket");
    assert_eq!(region, "eu-central-1");
    mount.shell("rm made-there/file && rmdir made-there").ok();
    assert!(block_on(store.head_bucket("made-there")).is_err(), "it is gone");
}

#[test]
fn only_an_empty_bucket_is_removed() {
    let site = Site::new(Kind::Pailfs);
    let bucket = &site.bucket.name;
    site.bucket.put("dir/file", "text");
    let mount = site.mount_source("/", &[]);
    check_errno(fs::remove_dir(mount.path(bucket)), Errno::NOTEMPTY);
    assert_eq!(site.bucket.keys(), ["dir/file"]);
    mount.shell(&format!("rm -r {bucket}")).ok();
    assert_eq!(mount.names(""), Vec::<String>::new());
    check_errno(fs::remove_dir(mount.path(bucket)), Errno::NOENT);
}

#[test]
fn the_name_of_a_bucket_may_be_taken() {
    let site = Hosted::start();
    make(&site.stranger(), "theirs-alone", None);
    // So long that this mount does not learn of a bucket that is made elsewhere.
    let mount = site.mount("/", &["--ttl", "3600"]);
    check_errno(fs::create_dir(mount.path("theirs-alone")), Errno::EXIST);
    check_said(&mount, "theirs-alone");
    check_said(&mount, "not ours");
    check_errno(fs::metadata(mount.path("made-meanwhile")), Errno::NOENT);
    make(site.store(), "made-meanwhile", None);
    check_errno(fs::create_dir(mount.path("made-meanwhile")), Errno::EXIST);
    check_said(&mount, "BucketAlreadyOwnedByYou");
}

#[test]
fn a_bad_name_of_a_bucket_is_refused_with_the_rule() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount_source("/", &[]);
    let long = "a".repeat(64);
    for (name, rule) in [
        ("Upper-case", "no other characters"),
        ("under_score", "no other characters"),
        ("ab", "3 to 63 characters"),
        (&long, "3 to 63 characters"),
        ("-dash", "begins and ends"),
        ("a..b", "two dots"),
        ("192.168.5.4", "IP address"),
        ("xn--bucket", "does not begin with xn--"),
        ("bucket--x-s3", "does not end in"),
    ] {
        check_errno(fs::create_dir(mount.path(name)), Errno::INVAL);
        check_said(&mount, rule);
    }
    assert_eq!(mount.names(""), [site.bucket.name.as_str()]);
}

#[test]
fn a_bucket_that_is_not_listed_is_entered_by_name() {
    let site = Hosted::start();
    make(site.store(), "our-bucket", None);
    let stranger = site.stranger();
    let acl = Some(CannedAcl::PublicRead);
    let shared = CreateBucket { acl, ..CreateBucket::default() };
    block_on(stranger.create_bucket("their-bucket", shared)).expect("a new bucket");
    let readable = WriteOptions { acl, ..WriteOptions::default() };
    let payload = Payload::from(Bytes::from_static(b"for all\n"));
    block_on(stranger.put_object("their-bucket", "file", payload, readable)).expect("an object");
    let mount = site.mount("/", &[]);
    assert_eq!(mount.names(""), ["our-bucket"]);
    assert_eq!(mount.shell("cat their-bucket/file && ls their-bucket").ok(), "for all\nfile\n");
    let written = File::create(mount.path("their-bucket/new")).and_then(|file| file.sync_all());
    check_errno(written, Errno::ACCESS);
    check_said(&mount, "AccessDenied");
    mount.shell("cp their-bucket/file our-bucket/copy && cat our-bucket/copy").ok();
    assert_eq!(mount.names(""), ["our-bucket"]);
}

#[test]
fn without_a_check_nothing_is_asked_at_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a port that doesn't wait");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    for source in ["some-bucket", "/"] {
        let arguments = ["--no-check", "--timeout", "1"];
        let mount = mount_at(&endpoint, &environment(), source, &arguments).expect("a mount");
        let asked = listener.accept();
        assert!(asked.is_err(), "asked for {source}: {}", mount.log());
    }
    drop(listener);
    let arguments = ["--no-check", "--timeout", "1"];
    let mount = mount_at(&endpoint, &environment(), "some-bucket", &arguments).expect("a mount");
    assert_eq!(listing_failure(&mount), Some(Errno::TIMEDOUT), "there is no server");
}

#[test]
fn a_bucket_that_vanishes_is_told_and_may_come_back() {
    let site = Site::new(Kind::Pailfs);
    site.bucket.put("file", "text");
    let mount = site.mount(&[]);
    assert_eq!(mount.names(""), ["file"]);
    site.bucket.delete("file");
    let store = site.server().store();
    block_on(store.delete_bucket(&site.bucket.name)).expect("a removal");
    until("its root can't be listed", SEEN, || listing_failure(&mount) == Some(Errno::STALE));
    check_errno(fs::write(mount.path("new"), "x"), Errno::NOENT);
    check_said(&mount, "NoSuchBucket");
    let back = Bucket::create(store, site.bucket.name.clone());
    until("it can be written again", SEEN, || fs::write(mount.path("again"), "x").is_ok());
    assert_eq!(back.get("again").as_deref(), Some(b"x".as_slice()));
    assert_eq!(mount.names(""), ["again"]);
}
