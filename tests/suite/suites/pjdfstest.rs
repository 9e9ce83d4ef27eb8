//! pjdfstest: what every call of POSIX must do and refuse, as several users.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::suites::expected::check;
use crate::suites::ground::{Ground, built};
use crate::suites::report::parse_lines;

pub(super) const SUITE: &str = "pjdfstest";

/// Version 0.2.2 has 398 of them with these features.
const CASES_MIN: usize = 385;

/// Cases whose names hold this make the file system read-only for a while.
const REMOUNTING: &str = "erofs";

/// Two users that Debian has from the start; all features that Linux has.
const USERS: &str = "
[dummy_auth]
entries = [[\"nobody\", \"nogroup\"], [\"daemon\", \"daemon\"]]
";

/// In a remount nobody shall ask the helper of a file system's type: the kernel is asked.
const MOUNT_WITHOUT_HELPERS: &str = "#!/bin/sh\nexec /bin/mount --internal-only \"$@\"\n";

#[test]
fn pjdfstest_passes() {
    let ground = Ground::new();
    let outside = ground.outside();
    let mount = outside.join("mount");
    fs::write(&mount, MOUNT_WITHOUT_HELPERS).expect("a file");
    fs::set_permissions(&mount, fs::Permissions::from_mode(0o755)).expect("permissions");
    // A plain directory can't be remounted without its whole disk.
    let (elsewhere, remount) = if ground.is_mount() {
        (outside.display().to_string(), "true")
    } else {
        ("/dev/shm".to_owned(), "false")
    };
    let features = ["posix_fallocate", "rename_ctime", "utime_now", "utimensat"];
    let features = features.map(|feature| format!("{feature} = {{}}\n")).concat();
    let settings = format!("[settings]\nnaptime = 0.01\nallow_remount = {remount}\n");
    let text = format!("[features]\nsecondary_fs = \"{elsewhere}\"\n{features}{settings}{USERS}");
    let configuration = outside.join("pjdfstest.toml");
    fs::write(&configuration, text).expect("a file");
    let run = |patterns: &[&str]| {
        let mut command = ground.command(built("pjdfstest"));
        command.arg("-c").arg(&configuration).arg("-p").arg(ground.root()).args(patterns);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", outside.display()));
        let (_, output) = ground.run(SUITE, command);
        assert!(output.contains("Summary:"), "it did not end well: {output:.2000}");
        parse_lines(&output)
    };
    let mut report = run(&[]);
    // Some cases leave removed files open, with which nothing can be made read-only: those that
    // do are run once more, in a process of their own.
    report.failures.retain(|failure| !failure.case.contains(REMOUNTING));
    if ground.is_mount() {
        report.failures.extend(run(&[REMOUNTING]).failures);
    }
    check(&ground, SUITE, CASES_MIN, &report);
}
