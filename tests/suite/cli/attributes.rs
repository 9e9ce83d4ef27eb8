//! `pailfs info`, `get`, `set` and `unset`: attributes past the kernel's limits.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pailfs::cli::control::socket_path;
use pailfs::cli::runtime_file;
use serde_json::{Value, json};

use crate::support::command::{Output, pailfs, run, shell};
use crate::support::mount::{Site, TestMount};
use crate::support::servers::Kind;
use crate::support::tools;

/// What the kernel carries of an attribute.
const KERNEL_BYTES_MAX: usize = 64 << 10;

/// Runs a command of the program in the root of a mount.
#[track_caller]
fn at(mount: &TestMount, arguments: &[&str]) -> Output {
    let mut command = Command::new(tools::pailfs());
    command.args(arguments).current_dir(mount.root());
    run(command)
}

/// The value that is shown to people beside a name, on one line.
fn shown(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix("  "))?;
    Some(value.trim().to_owned())
}

#[track_caller]
fn check_refused(output: Output, words: &[&str]) {
    assert_eq!(output.code, Some(1), "{output}");
    let said = output.refused();
    for word in words {
        assert!(said.contains(word), "{word:?} is in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn info_shows_people_what_is_known_of_each_path() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("mkdir d; echo text > d/a.txt; echo text > b.txt").ok();
    at(&mount, &["set", "user.color", "dark blue", "d/a.txt"]).ok();
    let text = at(&mount, &["info", "d/a.txt", "b.txt"]).ok();
    let (first, second) = text.split_once("\n\n").expect("two paths");
    assert!(first.starts_with("d/a.txt\n  user.color"), "{text}");
    assert_eq!(shown(first, "user.color").as_deref(), Some("dark blue"));
    assert_eq!(shown(first, "content-type").as_deref(), Some("text/plain"));
    assert!(second.starts_with("b.txt\n"), "{text}");
    assert_eq!(shown(second, "user.color"), None);
    assert_eq!(shown(second, "content-type").as_deref(), Some("text/plain"));
}

#[test]
fn info_gives_programs_an_object_for_each_path() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("echo text > a.txt").ok();
    at(&mount, &["set", "tags", r#"{"TagSet":[{"Key":"k","Value":"v"}]}"#, "a.txt"]).ok();
    let output = at(&mount, &["info", "--json", "none", "a.txt"]);
    assert_eq!(output.code, Some(1), "one of them is not there: {output}");
    assert!(output.stderr.contains("none: No such file"), "{output}");
    let array: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(array[0]["path"], "none");
    assert!(array[0]["error"].as_str().is_some_and(|why| why.contains("No such file")));
    assert_eq!(array[1]["path"], "a.txt");
    let attributes = &array[1]["attributes"];
    assert_eq!(attributes["s3.content-type"], "text/plain");
    assert_eq!(attributes["s3.tags"], json!({ "TagSet": [{ "Key": "k", "Value": "v" }] }));
    assert_eq!(array.as_array().map(Vec::len), Some(2));
}

#[test]
fn an_attribute_of_several_files_is_set_read_and_removed() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("touch a b c").ok();
    at(&mount, &["set", "tag.team", "blue", "a", "b"]).ok();
    assert_eq!(at(&mount, &["get", "tag.team", "a"]).ok(), "blue\n");
    assert_eq!(at(&mount, &["get", "user.s3.tag.team", "a", "b"]).ok(), "a: blue\nb: blue\n");
    let output = at(&mount, &["get", "tag.team", "a", "c", "b"]);
    assert_eq!(output.stdout, "a: blue\nb: blue\n", "{output}");
    check_refused(output, &["pailfs: c: no such attribute"]);
    at(&mount, &["unset", "tag.team", "a", "b"]).ok();
    check_refused(at(&mount, &["get", "tag.team", "a"]), &["pailfs: a: no such attribute"]);
}

#[test]
fn a_value_comes_from_a_file_or_from_standard_input() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("value");
    std::fs::write(&file, "of a file").expect("a file");
    mount.shell("touch a b").ok();
    at(&mount, &["set", "user.note", &format!("@{}", file.display()), "a"]).ok();
    assert_eq!(at(&mount, &["get", "user.note", "a"]).ok(), "of a file\n");
    let program = tools::pailfs();
    mount.shell(&format!("printf 'of a pipe' | {program} set user.note - a b")).ok();
    assert_eq!(at(&mount, &["get", "user.note", "a", "b"]).ok(), "a: of a pipe\nb: of a pipe\n");
    check_refused(at(&mount, &["set", "user.note", "@none", "a"]), &["none: No such file"]);
}

#[test]
fn a_value_may_be_longer_than_the_kernel_carries() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    let rule = |index: u32| {
        let prefix = format!("{}/{index:04}/", "directory".repeat(5));
        let expiration = json!({ "Days": index + 1 });
        json!({
            "ID": format!("rule-{index:04}"),
            "Status": "Enabled",
            "Filter": { "Prefix": prefix },
            "Expiration": expiration,
        })
    };
    let rules: Vec<Value> = (0..600).map(rule).collect();
    let text = json!({ "Rules": rules }).to_string();
    assert!(text.len() > KERNEL_BYTES_MAX);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("rules.json");
    std::fs::write(&file, text).expect("a file");
    at(&mount, &["set", "lifecycle", &format!("@{}", file.display()), "."]).ok();
    let text = at(&mount, &["get", "lifecycle", "."]).ok();
    assert!(text.len() > KERNEL_BYTES_MAX);
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["Rules"].as_array().map(Vec::len), Some(600));
    for index in [0, 599] {
        let (found, expected) = (&found["Rules"][index], &rules[index]);
        for member in ["ID", "Status", "Filter", "Expiration"] {
            assert_eq!(found[member], expected[member], "{member} of rule {index}");
        }
    }
}

#[test]
fn what_s3_refuses_is_said_in_its_own_words() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("touch a b").ok();
    let words = ["pailfs: a: ", "pailfs: b: ", "Invalid id: bob", "pailfs: 2 of 2 failed"];
    check_refused(at(&mount, &["set", "grant", "READ id=bob", "a", "b"]), &words);
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("touch a b").ok();
    let output = at(&mount, &["set", "user.color", "blue", "a", "none", "b"]);
    check_refused(output, &["pailfs: none: No such file", "pailfs: 1 of 3 failed"]);
    assert_eq!(at(&mount, &["get", "user.color", "a", "b"]).ok(), "a: blue\nb: blue\n");
}

#[test]
fn a_tree_stands_for_its_files() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("mkdir -p t/d/e; touch t/a t/d/b t/d/e/c outside; ln -s ../outside t/link").ok();
    at(&mount, &["set", "-R", "user.color", "blue", "t"]).ok();
    let files = ["t/a", "t/d/b", "t/d/e/c"];
    let expected: String = files.iter().map(|file| format!("{file}: blue\n")).collect();
    let get = |paths: &[&str]| at(&mount, &[&["get", "user.color"], paths].concat());
    assert_eq!(get(&files).ok(), expected);
    for other in ["t", "t/d", "t/link", "outside"] {
        check_refused(get(&[other]), &[other, "no such attribute"]);
    }
    at(&mount, &["unset", "-R", "user.color", "t/d"]).ok();
    assert_eq!(get(&files[..1]).ok(), "blue\n");
    check_refused(get(&files[1..]), &["t/d/b: no such attribute", "t/d/e/c: no such attribute"]);
}

#[test]
fn a_path_may_lead_over_links_and_bind_mounts() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&[]);
    mount.shell("mkdir d; touch d/a").ok();
    at(&mount, &["set", "user.color", "blue", "d/a"]).ok();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = format!(
        "ln -s {mount}/d link
        {program} get user.color link/a
        mkdir bound
        unshare --mount sh -ec 'mount --bind {mount}/d bound; {program} get user.color bound/a'",
        mount = mount.root().display(),
        program = tools::pailfs()
    );
    assert_eq!(shell(directory.path(), &script).ok(), "blue\nblue\n");
}

#[test]
fn a_path_outside_every_mount_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "text").expect("a file");
    let words = |path: &Path| format!("pailfs: {}: it is on no mount of pailfs", path.display());
    for arguments in [["get", "acl"].as_slice(), &["set", "acl", "private"], &["info"]] {
        let arguments = arguments.iter().map(OsStr::new).chain([file.as_os_str()]);
        check_refused(pailfs(arguments, &[]), &[&words(&file)]);
    }
}

#[test]
fn a_mount_whose_daemon_has_died_is_told_from_others() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    mount.shell("touch file").ok();
    let (root, socket) = (mount.root().to_owned(), socket(&mount));
    mount.kill();
    assert!(socket.exists(), "a daemon that is killed leaves its socket");
    for path in [root.join("file"), root.clone()] {
        let arguments = [OsStr::new("get"), OsStr::new("acl"), path.as_os_str()];
        let clear = format!("pailfs umount {}", root.display());
        check_refused(pailfs(arguments, &[]), &["has died", &clear]);
    }
    std::fs::remove_file(socket).expect("the socket that was left");
}

/// The control socket of a mount of this user.
fn socket(mount: &TestMount) -> PathBuf {
    let device = std::fs::metadata(mount.root()).expect("the root of the mount").dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    socket_path(&runtime_file::directory(rustix::process::getuid().as_raw()), &device)
}

/// What another user hears from a socket.
#[track_caller]
fn ask_as_nobody(socket: &Path) -> Output {
    let script = "import socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
print('connected')
try:
    print(stream.recv(1))
except ConnectionResetError:
    print(b'')";
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.args(["/usr/bin/python3", "-c", script]).arg(socket);
    run(command)
}

#[test]
fn another_user_is_not_answered() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    let socket = socket(&mount);
    let mode = || std::fs::metadata(&socket).map(|metadata| metadata.permissions().mode() & 0o777);
    assert_eq!(mode().ok(), Some(0o600));
    check_refused(ask_as_nobody(&socket), &["PermissionError"]);
    // Even if the socket were anybody's.
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).expect("the owner's right");
    assert_eq!(ask_as_nobody(&socket).ok(), "connected\nb''\n");
    assert!(mount.terminate().success());
    assert!(!socket.exists(), "the socket is gone with the mount");
}

/// Runs a command of the program in the root of a mount, as a user who did not mount it.
#[track_caller]
fn at_as_nobody(mount: &TestMount, arguments: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", tools::pailfs()]);
    command.args(arguments).current_dir(mount.root());
    run(command)
}

#[test]
fn another_user_who_may_enter_has_what_the_kernel_carries() {
    let site = Site::new(Kind::Pailfs);
    let mount = site.mount(&["--allow-other"]);
    mount.shell("echo text > a.txt; touch theirs; chown 65534:65534 theirs").ok();
    assert_eq!(at_as_nobody(&mount, &["get", "content-type", "a.txt"]).ok(), "text/plain\n");
    let info = at_as_nobody(&mount, &["info", "a.txt"]).ok();
    assert_eq!(shown(&info, "content-type").as_deref(), Some("text/plain"));
    at_as_nobody(&mount, &["set", "user.color", "blue", "theirs"]).ok();
    assert_eq!(at(&mount, &["get", "user.color", "theirs"]).ok(), "blue\n");
    at_as_nobody(&mount, &["unset", "user.color", "theirs"]).ok();
    let refused = at_as_nobody(&mount, &["get", "user.color", "theirs"]);
    check_refused(refused, &["theirs: no such attribute"]);
    let refused = at_as_nobody(&mount, &["set", "user.color", "blue", "a.txt"]);
    check_refused(refused, &["a.txt: Permission denied"]);
    let script = format!(
        "head -c 70000 /dev/zero | tr '\\0' x | setpriv --reuid=65534 --regid=65534 \
         --clear-groups {} set user.color - theirs",
        tools::pailfs()
    );
    check_refused(mount.shell(&script), &["theirs: the kernel carries no more than 64 KiB"]);
}

#[test]
fn a_client_that_stalls_does_not_keep_the_mount() {
    let site = Site::new(Kind::Pailfs);
    let mut mount = site.mount(&[]);
    let stream = std::os::unix::net::UnixStream::connect(socket(&mount)).expect("a connection");
    mount.shell("touch a").ok();
    // Whoever came later was answered: the one that stalls is being listened to.
    check_refused(at(&mount, &["get", "user.color", "a"]), &["no such attribute"]);
    assert!(mount.terminate().success());
    drop(stream);
}
