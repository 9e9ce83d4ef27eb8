//! Many names removed by one program: S3 is asked for them by the thousand, behind it.

use crate::mounted::mounted;
use crate::support::mount::Site;
use crate::support::servers::Kind;

#[test]
fn a_bucket_is_removed_with_all_that_is_in_it() {
    let site = Site::new(Kind::Pailfs);
    let bucket = &site.bucket.name;
    for number in 0..2500 {
        let directory = ["", "dir/", "dir/sub/", "marked/", "a//b/"][number % 5];
        site.bucket.put(&format!("{directory}file-{number:04}"), "x");
    }
    site.bucket.put("marked/", "");
    let mount = site.mount_source("/", &[]);
    let before = site.bucket.keys().len();
    assert_eq!(before, 2501);
    mount.shell(&format!("rm -r {bucket}")).ok();
    assert_eq!(mount.names(""), Vec::<String>::new());
    assert!(!site.bucket.is_there());
}

#[test]
fn removed_names_are_gone_from_s3_when_their_directory_is_synced() {
    let (site, mount) = mounted();
    for number in 0..300 {
        site.bucket.put(&format!("dir/{number:03}"), "x");
    }
    let remove = "python3 -c '
import os
for name in sorted(os.listdir(\"dir\"))[:-1]:
    os.unlink(\"dir/\" + name)
assert os.listdir(\"dir\") == [\"299\"]
dir = os.open(\"dir\", os.O_RDONLY)
os.fsync(dir)
print(\"synced\")
'";
    assert_eq!(mount.shell(remove).ok(), "synced\n");
    assert_eq!(site.bucket.keys(), ["dir/299"]);
    mount.shell("rm dir/299 && touch dir/000 dir/001").ok();
    assert_eq!(site.bucket.keys(), ["dir/", "dir/000", "dir/001"]);
}

#[test]
fn removed_names_are_gone_from_s3_when_the_mount_has_ended() {
    let (site, mut mount) = mounted();
    for number in 0..300 {
        site.bucket.put(&format!("dir/{number:03}"), "x");
    }
    assert_eq!(mount.shell("rm dir/* && ls dir").ok(), "");
    assert!(mount.terminate().success());
    assert_eq!(site.bucket.keys(), ["dir/"]);
}
