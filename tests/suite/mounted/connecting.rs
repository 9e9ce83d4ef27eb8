//! Who a mount is to S3: keys from everywhere, and keys that end while it is mounted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pailfs::store::clock::{Clock, SystemClock};
use pailfs::store::types::CreateBucket;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::hosted::Hosted;
use crate::support::mount::{TestMount, mount_at};
use crate::support::runtime::block_on;
use crate::support::servers::environment;

const HOUR: Duration = Duration::from_secs(3600);

/// In the log where keys had to be asked for again.
const TAKEN_NO_MORE: &str = "S3 takes the credentials no more";

fn hosted() -> Hosted {
    let site = Hosted::start();
    block_on(site.store().create_bucket("bucket", CreateBucket::default())).expect("a bucket");
    site
}

#[track_caller]
fn check_use(mount: &TestMount, name: &str) {
    mount.shell(&format!("echo {name} > {name} && mkdir {name}-dir")).ok();
    assert_eq!(mount.shell(&format!("cat {name} && stat -c %s {name}")).ok().lines().count(), 2);
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
}

#[test]
fn keys_come_from_a_file_the_environment_or_a_profile() {
    let site = hosted();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let without = |names: &[&str]| {
        let mut environment = environment();
        environment.retain(|(name, _)| !names.contains(name));
        environment
    };
    let from_environment = mount_at(&site.endpoint(), &environment(), "bucket", &[]);
    check_use(&from_environment.expect("a mount"), "environment");

    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE"];
    let file = directory.path().join("keys");
    write_private(&file, "test:test\n");
    let file = file.display().to_string();
    let arguments = ["--access-key-file", &file];
    let from_file = mount_at(&site.endpoint(), &without(&keys), "bucket", &arguments);
    check_use(&from_file.expect("a mount"), "file");

    let profiles = directory.path().join("credentials");
    let text = "[other]\naws_access_key_id = test\naws_secret_access_key = test\n";
    write_private(&profiles, text);
    let mut environment = without(&keys);
    environment.push(("AWS_SHARED_CREDENTIALS_FILE", profiles.display().to_string()));
    let from_profile = mount_at(&site.endpoint(), &environment, "bucket", &["--profile", "other"]);
    check_use(&from_profile.expect("a mount"), "profile");
}

/// A program that hands out keys, others each time it is asked: `key-1`, `key-2` and so on.
struct Dispenser {
    directory: TempDir,
}

impl Dispenser {
    /// The first key says that it is valid for so long, those after it for an hour.
    fn new(valid: Duration) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |valid: Duration| {
            let end: SystemTime = SystemClock::new().wall() + valid;
            OffsetDateTime::from(end).format(&Rfc3339).expect("a date")
        };
        let script = directory.path().join("dispense");
        let text = format!(
            "#!/bin/bash\ncd {}\nexec 9>lock; flock 9\necho x >> asked\nn=$(wc -l < asked)\n\
             end={}; [ $n = 1 ] && end={}\n\
             printf '{{\"Version\": 1, \"AccessKeyId\": \"key-%s\", \"SecretAccessKey\": \"secret\", \
             \"SessionToken\": \"token of key-%s\", \"Expiration\": \"%s\"}}' $n $n $end\n",
            directory.path().display(),
            at(HOUR),
            at(valid),
        );
        fs::write(&script, text).expect("a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("a mode");
        let config = format!("[profile test]\ncredential_process = {}\n", script.display());
        fs::write(directory.path().join("config"), config).expect("a configuration");
        Self { directory }
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// How many keys it has handed out.
    fn asked(&self) -> usize {
        let asked = fs::read_to_string(self.directory.path().join("asked")).unwrap_or_default();
        asked.lines().count()
    }
}

#[test]
fn temporary_keys_are_renewed_before_they_expire() {
    let site = hosted();
    site.give("key-1", HOUR);
    site.give("key-2", 3 * HOUR);
    // Sooner than the reserve with which keys are renewed.
    let dispenser = Dispenser::new(Duration::from_secs(5));
    let mount = site.mount_profile(&dispenser.config(), "bucket");
    check_use(&mount, "before");
    site.pass(2 * HOUR);
    check_use(&mount, "after");
    assert_eq!(dispenser.asked(), 2, "the second key is good for long");
    assert!(!mount.log().contains(TAKEN_NO_MORE), "{}", mount.log());
}

#[test]
fn keys_that_s3_takes_no_more_are_renewed_at_once() {
    let site = hosted();
    site.give("key-1", HOUR);
    site.give("key-2", 3 * HOUR);
    site.give("key-3", 5 * HOUR);
    // They believe to be good for longer than they are.
    let dispenser = Dispenser::new(24 * HOUR);
    let mount = site.mount_profile(&dispenser.config(), "bucket");
    check_use(&mount, "before");
    assert_eq!(dispenser.asked(), 1);
    site.pass(2 * HOUR);
    check_use(&mount, "after");
    assert_eq!(dispenser.asked(), 2, "{}", mount.log());
    site.pass(2 * HOUR);
    // Two requests at once find out, one of them by an answer without a body.
    assert!(mount.shell("stat nothing").refused().contains("No such file"));
    check_use(&mount, "later");
    assert_eq!(dispenser.asked(), 3, "{}", mount.log());
    assert_eq!(mount.log().matches(TAKEN_NO_MORE).count(), 2, "{}", mount.log());
}
