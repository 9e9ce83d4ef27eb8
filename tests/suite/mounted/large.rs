//! Files larger than one request.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Command;

use crate::support::command::run;
use crate::support::mount::Site;
use crate::support::servers::Kind;
use crate::support::tools;

/// Prints size, ETag and SHA-256 of an object as boto3 sees it, and the ETag that its bytes
/// have as a multipart upload of parts of 8 MiB.
const LOOK: &str = "
import boto3, hashlib, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1])
got = s3.get_object(Bucket=sys.argv[2], Key=sys.argv[3])
whole, parts = hashlib.sha256(), []
for part in iter(lambda: got['Body'].read(8 << 20), b''):
    whole.update(part)
    parts.append(hashlib.md5(part).digest())
multipart = hashlib.md5(b''.join(parts)).hexdigest() + '-' + str(len(parts))
print(got['ContentLength'], got['ETag'].strip('\"'), multipart, whole.hexdigest())
";

struct Look {
    bytes: u64,
    etag: String,
    /// The ETag of these bytes in parts of 8 MiB.
    etag_of_parts: String,
    sha256: String,
}

fn look(site: &Site, key: &str) -> Look {
    let mut command = Command::new(tools::tool("python3"));
    command.args(["-c", LOOK, &site.server().endpoint(), &site.bucket.name, key]);
    command.envs(site.server().environment());
    command.env("AWS_DEFAULT_REGION", crate::support::servers::REGION);
    let text = run(command).ok();
    let words: Vec<&str> = text.split_whitespace().collect();
    let [bytes, etag, etag_of_parts, sha256] = words[..] else { panic!("{text}") };
    Look {
        bytes: bytes.parse().expect("a size"),
        etag: etag.to_owned(),
        etag_of_parts: etag_of_parts.to_owned(),
        sha256: sha256.to_owned(),
    }
}

/// Copies so many bytes in, looks at the object with boto3, and reads the file back.
#[track_caller]
fn check_large(site: &Site, bytes: u64, parts: u64) {
    let mount = site.mount(&[]);
    let outside = tempfile::tempdir().expect("a temporary directory");
    let source = outside.path().join("source");
    let source = source.display();
    mount.shell(&format!("head -c {bytes} /dev/urandom > {source} && cp {source} large")).ok();
    let sum = mount.shell(&format!("sha256sum < {source}")).ok();
    let seen = look(site, "large");
    assert_eq!(seen.bytes, bytes);
    assert!(sum.starts_with(&seen.sha256), "the object has the bytes of the file");
    assert_eq!(seen.etag, seen.etag_of_parts);
    assert!(seen.etag.ends_with(&format!("-{parts}")), "{} has {parts} parts", seen.etag);
    assert_eq!(site.bucket.uploads(), 0, "no upload is left behind");
    assert_eq!(mount.shell("sha256sum < large").ok(), sum, "in the mount that wrote it");
    drop(mount);
    let fresh = site.mount(&[]);
    assert_eq!(fresh.shell("sha256sum < large").ok(), sum, "in a fresh mount");
    let tail = format!("tail -c 100000 large | cmp - <(tail -c 100000 {source})");
    fresh.shell(&tail).ok();
}

#[test]
fn two_hundred_mebibytes_are_uploaded_in_parts() {
    check_large(&Site::new(Kind::Pailfs), 200 << 20, 25);
}

#[test]
fn the_parts_are_right_to_a_server_that_we_did_not_write() {
    check_large(&Site::new(Kind::Ministack), (40 << 20) + 3, 6);
}

#[test]
fn a_file_is_larger_than_all_memory_for_data() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["--memory", "64M"]);
    mount.shell("seq 20000000 > numbers && seq 20000000 | cmp - numbers").ok();
    assert_eq!(site.bucket.head("numbers").map(|head| head.size), Some(168_888_897));
}

#[test]
fn the_size_of_parts_can_be_chosen() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["--part-size", "5M"]);
    mount.shell("head -c 12M /dev/zero > file").ok();
    let head = site.bucket.head("file").expect("the object");
    assert!(head.etag.as_str().ends_with("-3"), "{}", head.etag);
}

/// Bytes that are not the same everywhere.
fn content(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    fastrand::Rng::with_seed(3).fill(&mut content);
    content
}

#[test]
fn the_middle_of_a_large_file_is_changed() {
    for kind in [Kind::Pailfs, Kind::Ministack] {
        let site = Site::new(kind);
        let mut expected = content(40 << 20);
        site.bucket.put("file", &expected);
        let mount = site.mount(&[]);
        let file = OpenOptions::new().read(true).write(true).open(mount.path("file"));
        let file = file.expect("the file");
        for at in [0, (20 << 20) + 5, (40 << 20) - 1] {
            expected[at..at + 1].copy_from_slice(b"X");
            file.write_all_at(b"X", at as u64).expect("a write");
        }
        let mut middle = [0; 11];
        file.read_exact_at(&mut middle, 20 << 20).expect("a read");
        assert_eq!(middle[..], expected[20 << 20..(20 << 20) + 11]);
        drop(file);
        assert!(site.bucket.get("file") == Some(expected), "{kind:?}");
        assert_eq!(site.bucket.uploads(), 0);
        // Of five cells of 8 MiB, S3 has copied the two between those that were changed.
        let head = site.bucket.head("file").expect("the object");
        assert!(head.etag.as_str().ends_with("-5"), "{}", head.etag);
    }
}

#[test]
fn what_went_up_already_is_read_and_changed() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    let mut expected = content(30 << 20);
    let file = File::options().read(true).write(true).create_new(true).open(mount.path("file"));
    let mut file = file.expect("a new file");
    file.write_all(&expected).expect("writes");
    let up = crate::support::wait::poll(std::time::Duration::from_secs(30), || {
        (site.bucket.uploads() == 1).then_some(())
    });
    assert!(up.is_some(), "parts go up before the close");
    for at in [3, (8 << 20) - 2, 17 << 20] {
        expected[at..at + 4].copy_from_slice(b"anew");
        file.write_all_at(b"anew", at as u64).expect("a write");
    }
    let mut read = vec![0; expected.len()];
    file.read_exact_at(&mut read, 0).expect("a read");
    assert!(read == expected, "before the close");
    file.set_len(29 << 20).expect("a cut");
    expected.truncate(29 << 20);
    drop(file);
    assert!(site.bucket.get("file") == Some(expected), "after it");
}
