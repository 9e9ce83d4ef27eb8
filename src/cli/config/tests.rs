//! Command lines and environments, and what they mean.

use std::ffi::OsString;

use super::*;
use crate::cli::args;

fn environment() -> Environment {
    Environment {
        endpoint_url_s3: None,
        endpoint_url: None,
        ignore_endpoint_urls: false,
        ca_bundle: None,
        home: Some(PathBuf::from("/home/u")),
        state_home: None,
        data_home: None,
        region: None,
        access_key_id: None,
        uid: 1000,
        gid: 100,
        directory: PathBuf::from("/here"),
        memory_bytes: 2 * GIB,
        cgroup_bytes_max: None,
    }
}

fn typed(line: &str) -> Typed {
    args::parse(line.split(' ').map(OsString::from).collect()).unwrap()
}

fn meant(line: &str) -> MountConfig {
    mount(&typed(&format!("pailfs mount {line}")), &environment()).unwrap()
}

#[track_caller]
fn check_refused(line: &str, option: &str, part: &str) {
    let error = mount(&typed(&format!("pailfs mount {line}")), &environment()).unwrap_err();
    assert_eq!(error.option, option);
    assert!(error.problem.contains(part), "{part} is missing in: {error}");
}

#[test]
fn nothing_said_means_the_defaults() {
    let config = meant("b/p mnt");
    assert_eq!(config.mountpoint, Path::new("/here/mnt"));
    assert_eq!(config.kernel.source_name, "s3://b/p/");
    assert!(config.kernel.default_permissions && !config.kernel.allow_other);
    assert_eq!((config.vfs.uid, config.vfs.gid), (1000, 100));
    assert_eq!((config.vfs.file_mode, config.vfs.directory_mode), (0o644, 0o755));
    assert_eq!(config.vfs.ttl, Duration::from_secs(1));
    assert_eq!(config.vfs.memory_bytes_max, 512 * MIB);
    assert!(config.checks_source && !config.vfs.read_only && !config.stays_in_front);
    assert_eq!(config.s3.credentials, CredentialSource::Chain);
    assert_eq!(config.s3.endpoint_url, None);
    let file = PathBuf::from("/home/u/.local/state/pailfs/here-mnt.log");
    assert_eq!(config.log, LogConfig { level: LevelFilter::WARN, to: LogTarget::File(file) });
}

#[test]
fn what_is_said_is_meant() {
    let config = meant(
        "/ /mnt -r -f --ttl 0.5 --timeout 7 --umask 077 --uid 5 --gid 6 --memory 128M \
         --part-size 16M --permissions off --allow-other --no-check --create-region r2 \
         --region r1 --profile p --addressing virtual --ca-bundle c.pem --access-key-file k \
         --log debug",
    );
    assert_eq!(config.source, Source::Account);
    assert!(config.vfs.read_only && config.kernel.read_only && config.stays_in_front);
    assert_eq!(config.vfs.ttl, Duration::from_millis(500));
    assert_eq!(config.vfs.operation_timeout, Duration::from_secs(7));
    assert_eq!(config.s3.operation_timeout, Duration::from_secs(7));
    assert_eq!(config.kernel.operation_timeout, Duration::from_secs(7));
    assert_eq!((config.vfs.file_mode, config.vfs.directory_mode), (0o600, 0o700));
    assert_eq!((config.vfs.uid, config.vfs.gid), (5, 6));
    assert_eq!((config.vfs.memory_bytes_max, config.vfs.part_bytes), (128 * MIB, 16 * MIB));
    assert!(!config.kernel.default_permissions && config.kernel.allow_other);
    assert!(!config.checks_source);
    assert_eq!(config.vfs.create_region.as_deref(), Some("r2"));
    assert_eq!(config.s3.region.as_deref(), Some("r1"));
    assert_eq!(config.s3.profile.as_deref(), Some("p"));
    assert_eq!(config.s3.addressing, Addressing::VirtualHost);
    assert_eq!(config.s3.ca_bundle.as_deref(), Some(Path::new("/here/c.pem")));
    assert_eq!(config.s3.credentials, CredentialSource::KeyFile(PathBuf::from("/here/k")));
    assert_eq!(config.log.to, LogTarget::StandardError);
    assert_eq!(config.log.level, LevelFilter::DEBUG);
}

#[test]
fn a_value_that_makes_no_sense_names_its_option() {
    check_refused("b /mnt --umask 9z", "--umask", "octal");
    check_refused("b /mnt --umask 7777", "--umask", "777");
    check_refused("b /mnt --ttl soon", "--ttl", "seconds");
    check_refused("b /mnt --ttl=-1", "--ttl", "seconds");
    check_refused("b /mnt --timeout 0", "--timeout", "1 at least");
    check_refused("b /mnt --memory 1M", "--memory", "64M");
    check_refused("b /mnt --memory much", "--memory", "512M");
    check_refused("b /mnt --part-size 1M", "--part-size", "5M to 5G");
    check_refused("b /mnt --part-size 6G", "--part-size", "5M to 5G");
    check_refused("b /mnt --permissions maybe", "--permissions", "on or off");
    check_refused("b /mnt --posix-dialect posix", "--posix-dialect", "aws, s3fs, rclone or none");
    check_refused("b /mnt --addressing dns", "--addressing", "auto, path or virtual");
    check_refused("b /mnt --endpoint-url localhost:9000", "--endpoint-url", "http://");
    check_refused("b /mnt --log loud", "--log", "error, warn");
    check_refused("b /mnt --uid me", "--uid", "a number");
    check_refused("b /mnt --no-sign-request --access-key-file k", "--no-sign-request", "contra");
    check_refused("b:c /mnt", "SOURCE", "':'");
}

#[track_caller]
fn check_endpoint(option: &str, s3: Option<&str>, all: Option<&str>, expected: Option<&str>) {
    let around = Environment {
        endpoint_url_s3: s3.map(str::to_owned),
        endpoint_url: all.map(str::to_owned),
        ..environment()
    };
    let config = mount(&typed(&format!("pailfs mount b /mnt{option}")), &around).unwrap();
    assert_eq!(config.s3.endpoint_url.as_deref(), expected);
}

#[test]
fn the_nearest_endpoint_counts() {
    let option = " --endpoint-url http://o";
    check_endpoint(option, Some("http://s"), Some("http://a"), Some("http://o"));
    check_endpoint("", Some("http://s"), Some("http://a"), Some("http://s"));
    check_endpoint("", None, Some("http://a"), Some("http://a"));
    check_endpoint("", None, None, None);
}

#[test]
fn endpoints_of_the_environment_can_be_switched_off() {
    let around = Environment {
        endpoint_url: Some("http://a".to_owned()),
        ignore_endpoint_urls: true,
        ..environment()
    };
    let config = mount(&typed("pailfs mount b /mnt"), &around).unwrap();
    assert_eq!(config.s3.endpoint_url, None);
}

#[test]
fn a_certificate_of_the_environment_gives_way_to_the_option() {
    let around = Environment { ca_bundle: Some(PathBuf::from("e.pem")), ..environment() };
    let config = mount(&typed("pailfs mount b /mnt"), &around).unwrap();
    assert_eq!(config.s3.ca_bundle.as_deref(), Some(Path::new("/here/e.pem")));
    let config = mount(&typed("pailfs mount b /mnt --ca-bundle /o.pem"), &around).unwrap();
    assert_eq!(config.s3.ca_bundle.as_deref(), Some(Path::new("/o.pem")));
}

#[test]
fn memory_is_a_quarter_within_bounds() {
    assert_eq!(plan_memory(2 * GIB, None), 512 * MIB);
    assert_eq!(plan_memory(64 * GIB, None), GIB);
    assert_eq!(plan_memory(100 * MIB, None), 64 * MIB);
    assert_eq!(plan_memory(64 * GIB, Some(GIB)), 256 * MIB);
    assert_eq!(plan_memory(GIB, Some(64 * GIB)), 256 * MIB);
}

#[test]
fn the_log_is_where_the_system_keeps_logs() {
    let root = Environment { uid: 0, ..environment() };
    let config = mount(&typed("pailfs mount b /mnt/a"), &root).unwrap();
    assert_eq!(config.log.to, LogTarget::File(PathBuf::from("/var/log/pailfs/mnt-a.log")));
    let stateful = Environment { state_home: Some(PathBuf::from("/state")), ..environment() };
    let config = mount(&typed("pailfs mount b /mnt/a"), &stateful).unwrap();
    assert_eq!(config.log.to, LogTarget::File(PathBuf::from("/state/pailfs/mnt-a.log")));
    let homeless = Environment { home: None, ..environment() };
    let error = mount(&typed("pailfs mount b /mnt/a"), &homeless).unwrap_err();
    assert_eq!(error.option, "--log-file");
}

#[test]
fn a_server_is_told_where_for_whom_and_on_what() {
    let config = serve(&typed("pailfs serve"), &environment()).unwrap();
    assert_eq!(config.data, Data::Memory);
    assert_eq!(config.listen, "127.0.0.1:9000".parse().unwrap());
    assert_eq!(config.keys, None);
    let line = "pailfs serve --data d --listen 0.0.0.0:0 --access-key A --secret-key S";
    let config = serve(&typed(line), &environment()).unwrap();
    assert_eq!(config.data, Data::Directory(PathBuf::from("/here/d")));
    assert_eq!(config.listen, "0.0.0.0:0".parse().unwrap());
    let keys = Keys { access: "A".to_owned(), secret: "S".to_owned() };
    assert_eq!(config.keys, Some(keys.clone()));
    assert!(!format!("{keys:?}").contains('S'), "a secret is never printed");
    assert_eq!(config.day, Duration::from_secs(86_400));
    let quick = serve(&typed("pailfs serve --day 2"), &environment()).unwrap();
    assert_eq!(quick.day, Duration::from_secs(2));
    let none = serve(&typed("pailfs serve --day 0"), &environment()).unwrap_err();
    assert_eq!(none.option, "--day");
    let half = serve(&typed("pailfs serve --access-key A"), &environment()).unwrap_err();
    assert_eq!(half.option, "--access-key");
    let odd = serve(&typed("pailfs serve --listen here"), &environment()).unwrap_err();
    assert_eq!(odd.option, "--listen");
}

#[test]
fn a_demo_keeps_its_bucket_with_the_user_s_data() {
    let config = demo(&typed("pailfs demo mnt --ttl 3"), &environment()).unwrap();
    assert_eq!(config.data, Path::new("/home/u/.local/share/pailfs/demo"));
    assert_eq!(config.mount.mountpoint, Path::new("/here/mnt"));
    assert_eq!(config.mount.kernel.source_name, "s3://demo");
    assert_eq!(config.mount.vfs.ttl, Duration::from_secs(3));
    assert!(config.mount.stays_in_front);
}

/// The mount of a bucket with these options.
fn with_options(options: &str, around: &Environment) -> MountConfig {
    mount(&typed(&format!("pailfs mount b /mnt{options}")), around).unwrap()
}

#[test]
fn state_is_kept_where_the_system_keeps_it() {
    let state = |options: &str, around: &Environment| {
        let config = with_options(options, around);
        assert_eq!(config.vfs.state_directory.as_ref(), Some(&config.state_directory));
        config.state_directory
    };
    let root = Environment { uid: 0, ..environment() };
    assert_eq!(state("", &root), Path::new("/var/lib/pailfs"));
    assert_eq!(state("", &environment()), Path::new("/home/u/.local/state/pailfs"));
    let stateful = Environment { state_home: Some(PathBuf::from("/state")), ..environment() };
    assert_eq!(state("", &stateful), Path::new("/state/pailfs"));
    assert_eq!(state(" --state-dir s", &root), Path::new("/here/s"));
    assert_eq!(state(" -o state_dir=/s", &stateful), Path::new("/s"));
    let homeless = Environment { home: None, ..environment() };
    let error = mount(&typed("pailfs mount b /mnt -f"), &homeless).unwrap_err();
    assert_eq!(error.option, "--state-dir");
}

#[test]
fn the_demo_keeps_its_state_with_its_bucket() {
    let config = demo(&typed("pailfs demo mnt --data d"), &environment()).unwrap();
    assert_eq!(config.mount.state_directory, Path::new("/here/d/state"));
    assert_eq!(config.mount.vfs.state_scope, "demo");
}

#[track_caller]
fn check_scope(options: &str, key: Option<&str>, expected: &str) {
    let access_key_id = key.map(str::to_owned);
    let around = Environment { access_key_id, region: Some("r1".to_owned()), ..environment() };
    assert_eq!(with_options(options, &around).vfs.state_scope, expected);
}

#[test]
fn the_scope_of_state_is_the_server_and_the_key() {
    check_scope("", None, "r1");
    check_scope(" --region r2", None, "r2");
    check_scope(" --endpoint-url http://h:1/", None, "http://h:1");
    check_scope(" --endpoint-url http://h:1", Some("AKIA"), "http://h:1 AKIA");
    check_scope(" --profile p", Some("AKIA"), "r1");
    check_scope(" --access-key-file k", Some("AKIA"), "r1");
    assert_eq!(with_options("", &environment()).vfs.state_scope, "aws");
}

#[test]
fn every_mount_remembers_attributes_of_its_own() {
    let directory = |line: &str| meant(line).vfs.attributes_directory;
    let first = directory("b /mnt").unwrap();
    assert_eq!(first.parent(), Some(Path::new("/home/u/.local/state/pailfs/attributes")));
    assert_eq!(directory("b /mnt --ttl 5"), Some(first.clone()));
    for other in ["b/p /mnt", "c /mnt", "b /mnt2", "b /mnt --endpoint-url http://h:1"] {
        assert_ne!(directory(other), Some(first.clone()), "{other}");
    }
    assert_eq!(directory("b /mnt --posix-dialect none"), None);
}

#[test]
fn attributes_are_written_in_one_dialect() {
    assert_eq!(meant("b /mnt").vfs.posix_dialect, Dialect::Aws);
    for dialect in Dialect::ALL {
        let config = meant(&format!("b /mnt --posix-dialect {}", dialect.as_str()));
        assert_eq!(config.vfs.posix_dialect, dialect);
    }
}

#[test]
fn a_disk_cache_is_each_sources_and_servers_own() {
    assert_eq!(meant("b mnt").vfs.disk_cache, None);
    let of = |line: &str| meant(&format!("{line} mnt --cache-dir c")).vfs.disk_cache.unwrap();
    let one = of("b");
    assert_eq!(one.bytes_max, 10 * GIB);
    assert_eq!(one.directory.parent(), Some(Path::new("/here/c")));
    assert_eq!(one, meant("b elsewhere -o cache_dir=/here/c").vfs.disk_cache.unwrap());
    assert_ne!(one.directory, of("b/p").directory);
    assert_ne!(one.directory, of("b --endpoint-url http://s").directory);
    assert_eq!(of("b --cache-size 16M").bytes_max, 16 * MIB);
    check_refused("b mnt --cache-size 1G", "--cache-size", "--cache-dir");
    check_refused("b mnt --cache-dir c --cache-size 15M", "--cache-size", "16M");
    check_refused("b mnt --cache-dir c --cache-size much", "--cache-size", "number of bytes");
}
