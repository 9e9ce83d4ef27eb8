//! What the process finds around it: variables, user, memory. Read once, here alone.
//!
//! What any of it means is `config`'s business.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables by name, and the user and the machine; tests make their own.
#[derive(Clone, Debug)]
pub struct Environment {
    pub endpoint_url_s3: Option<String>,
    pub endpoint_url: Option<String>,
    pub ignore_endpoint_urls: bool,
    pub ca_bundle: Option<PathBuf>,
    pub home: Option<PathBuf>,
    pub state_home: Option<PathBuf>,
    pub data_home: Option<PathBuf>,
    pub region: Option<String>,
    /// Of keys that last: none of a session's.
    pub access_key_id: Option<String>,
    pub uid: u32,
    pub gid: u32,
    /// Where relative paths begin.
    pub directory: PathBuf,
    /// Bytes.
    pub memory_bytes: u64,
    /// The bound of the process's cgroup, where it has one.
    pub cgroup_bytes_max: Option<u64>,
}

/// The environment of this process.
#[must_use]
pub fn read() -> Environment {
    let text = |name| variable(name).and_then(|value| value.into_string().ok());
    let path = |name| variable(name).map(PathBuf::from);
    Environment {
        endpoint_url_s3: text("AWS_ENDPOINT_URL_S3"),
        endpoint_url: text("AWS_ENDPOINT_URL"),
        ignore_endpoint_urls: text("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        ca_bundle: path("AWS_CA_BUNDLE"),
        home: path("HOME").or_else(home_of_user),
        state_home: path("XDG_STATE_HOME"),
        data_home: path("XDG_DATA_HOME"),
        region: text("AWS_REGION"),
        access_key_id: text("AWS_ACCESS_KEY_ID").filter(|_| text("AWS_SESSION_TOKEN").is_none()),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        memory_bytes: memory_bytes(),
        cgroup_bytes_max: cgroup_bytes_max(),
    }
}

/// What mount(8) takes out of the environment, credentials are found by.
fn home_of_user() -> Option<PathBuf> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    home_in(&users, rustix::process::getuid().as_raw())
}

/// Reads passwd(5): `name:password:uid:gid:comment:home:shell`.
fn home_in(users: &str, uid: u32) -> Option<PathBuf> {
    let lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut homes = lines.filter_map(|fields| match fields.as_slice() {
        [_, _, id, _, _, home, ..] if id.parse() == Ok(uid) => Some(PathBuf::from(home)),
        _ => None,
    });
    homes.next()
}

/// A variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn memory_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    machine.totalram.saturating_mul(u64::from(machine.mem_unit))
}

/// The tightest bound on the way from the process's cgroup to the root.
fn cgroup_bytes_max() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let bounds = Path::new(own).ancestors().filter_map(|group| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    });
    bounds.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_home_is_the_sixth_field() {
        let users = "root:x:0:0:root:/root:/bin/sh\nodd\nu:x:1000:100::/home/u:/bin/sh\n";
        assert_eq!(home_in(users, 0), Some(PathBuf::from("/root")));
        assert_eq!(home_in(users, 1000), Some(PathBuf::from("/home/u")));
        assert_eq!(home_in(users, 100), None);
    }
}
