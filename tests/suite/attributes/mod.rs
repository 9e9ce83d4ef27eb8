//! Attributes, set on real mounts and looked at with boto3, and the other way round; on our
//! server and on one that we did not write.

mod acl;
mod archive;
mod bad;
mod buckets;
mod headers;
mod metadata;
mod own;
mod tags;

use pailfs::vfs::xattr::table::TABLE;
use serde_json::{Value, json};

use crate::support::boto3;
use crate::support::command::{Output, run};
use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;

/// A mount of one bucket, and its server.
pub(crate) struct Bench {
    // First, so that it ends before its server.
    mount: TestMount,
    site: Site,
}

impl Bench {
    #[track_caller]
    fn new(kind: Kind, arguments: &[&str]) -> Self {
        let site = Site::new(kind);
        let mount = site.mount(arguments);
        let bench = Self { mount, site };
        // As on AWS, new buckets of ministack refuse what is public, and have no ACLs.
        if kind == Kind::Ministack {
            bench.s3("delete_public_access_block", json!({}));
            bench.s3("delete_bucket_ownership_controls", json!({}));
        }
        bench
    }

    /// What a method of boto3 answers about the bucket.
    fn try_s3(&self, method: &str, mut arguments: Value) -> Result<Value, String> {
        arguments["Bucket"] = json!(self.site.bucket.name);
        boto3::call(self.site.server(), method, &arguments)
    }

    #[track_caller]
    fn s3(&self, method: &str, arguments: Value) -> Value {
        let answer = self.try_s3(method, arguments);
        answer.unwrap_or_else(|code| panic!("{method}: {code}"))
    }

    #[track_caller]
    fn head(&self, key: &str) -> Value {
        self.s3("head_object", json!({ "Key": key }))
    }

    fn setfattr(&self, arguments: &[&str], path: &str) -> Output {
        let mut command = std::process::Command::new("setfattr");
        command.args(arguments).arg(self.mount.path(path));
        run(command)
    }

    #[track_caller]
    fn set(&self, path: &str, name: &str, value: &str) {
        self.setfattr(&["-n", name, "-v", value], path).ok();
    }

    #[track_caller]
    fn remove(&self, path: &str, name: &str) {
        self.setfattr(&["-x", name], path).ok();
    }

    /// Sets a value that must be refused; what `setfattr` says of it.
    #[track_caller]
    fn refuse(&self, path: &str, name: &str, value: &str, why: &str) {
        let said = self.setfattr(&["-n", name, "-v", value], path).refused();
        assert!(said.contains(why), "{name} {value}: {said}");
    }

    fn try_get(&self, path: &str, name: &str) -> Output {
        let mut command = std::process::Command::new("getfattr");
        command.args(["--absolute-names", "--only-values", "-n", name]);
        command.arg(self.mount.path(path));
        run(command)
    }

    #[track_caller]
    fn get(&self, path: &str, name: &str) -> String {
        self.try_get(path, name).ok()
    }

    #[track_caller]
    fn get_json(&self, path: &str, name: &str) -> Value {
        let text = self.get(path, name);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"))
    }

    /// There must be no such attribute.
    #[track_caller]
    fn none(&self, path: &str, name: &str) {
        let said = self.try_get(path, name).refused();
        assert!(said.contains("No such attribute"), "{name}: {said}");
    }
}

/// Runs a test on our server and on ministack.
fn on_both(test: impl Fn(&Bench)) {
    for kind in [Kind::Pailfs, Kind::Ministack] {
        test(&Bench::new(kind, &[]));
    }
}

/// A row of the table without a test is a promise that nobody keeps.
#[test]
fn every_attribute_of_the_table_has_a_test() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/attributes");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let files = std::fs::read_dir(directory).unwrap();
    let tests: String = files.map(|file| read(file.unwrap().path())).collect();
    for row in TABLE {
        let name = row.family().unwrap_or(row.name);
        assert!(tests.contains(name), "{} has no test", row.name);
    }
}
