//! Renaming files and directories.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::mounted::{check_errno, mounted};
use crate::support::mount::Site;
use crate::support::servers::Kind;

#[test]
fn a_renamed_file_keeps_its_bytes() {
    let (site, mount) = mounted();
    mount.shell("echo text > old && mkdir dir && mv old dir/new").ok();
    assert_eq!(site.bucket.keys(), ["dir/", "dir/new"]);
    assert_eq!(mount.shell("cat dir/new").ok(), "text\n");
    check_errno(fs::metadata(mount.path("old")), Errno::NOENT);
}

#[test]
fn renaming_over_a_file_replaces_it() {
    let (site, mount) = mounted();
    mount.shell("echo new > new && echo old > old && mv -f new old").ok();
    assert_eq!(site.bucket.keys(), ["old"]);
    assert_eq!(mount.shell("cat old").ok(), "new\n");
}

#[test]
fn renaming_without_replacing_leaves_a_file_alone() {
    let (site, mount) = mounted();
    mount.shell("echo 1 > one && echo 2 > two").ok();
    let rename = |from: &str, to: &str| {
        let (from, to) = (mount.path(from), mount.path(to));
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(std::io::Error::from)
    };
    check_errno(rename("one", "two"), Errno::EXIST);
    assert_eq!(mount.shell("cat one two").ok(), "1\n2\n");
    rename("one", "three").expect("a free name");
    assert_eq!(site.bucket.keys(), ["three", "two"]);
}

#[test]
fn renaming_a_file_onto_itself_changes_nothing() {
    let (site, mount) = mounted();
    mount.shell("echo text > file").ok();
    fs::rename(mount.path("file"), mount.path("file")).expect("a rename");
    assert_eq!(site.bucket.get("file").as_deref(), Some(b"text\n".as_slice()));
}

#[test]
fn a_file_does_not_replace_a_directory() {
    let (site, mount) = mounted();
    mount.shell("mkdir dir && echo x > file").ok();
    check_errno(fs::rename(mount.path("file"), mount.path("dir")), Errno::ISDIR);
    check_errno(fs::rename(mount.path("missing"), mount.path("new")), Errno::NOENT);
    assert_eq!(site.bucket.keys(), ["dir/", "file"]);
}

#[test]
fn write_to_a_temporary_name_sync_and_rename_is_safe() {
    let (site, mount) = mounted();
    site.bucket.put("config", "old");
    let mut file = File::create(mount.path("config.tmp")).expect("a new file");
    file.write_all(b"new").expect("a write");
    file.sync_all().expect("fsync");
    drop(file);
    fs::rename(mount.path("config.tmp"), mount.path("config")).expect("a rename");
    assert_eq!(site.bucket.get("config").as_deref(), Some(b"new".as_slice()));
    assert_eq!(site.bucket.keys(), ["config"]);
}

#[test]
fn a_renamed_large_file_keeps_its_bytes() {
    let (site, mount) = mounted();
    mount.shell("seq 3000000 > large && mv large moved && seq 3000000 | cmp - moved").ok();
    assert_eq!(site.bucket.keys(), ["moved"]);
}

#[test]
fn a_directory_is_renamed_with_all_that_is_in_it() {
    for kind in [Kind::Pailfs, Kind::Seaweedfs] {
        let site = Site::new(kind);
        let mount = site.mount(&[]);
        mount.shell("mkdir -p old/sub/deep old/empty").ok();
        let key = |number: usize| match number % 3 {
            0 => format!("{number:04}"),
            1 => format!("sub/{number:04}"),
            _ => format!("sub/deep/{number:04}"),
        };
        for number in 0..3000 {
            site.bucket.put(&format!("old/{}", key(number)), number.to_string());
        }
        mount.shell("echo beside > old-beside").ok();
        fs::rename(mount.path("old"), mount.path("new")).expect("a rename");
        check_errno(fs::metadata(mount.path("old")), Errno::NOENT);
        assert_eq!(mount.names(""), ["new", "old-beside"], "{kind:?}");
        assert_eq!(mount.shell("find new -type f | wc -l").ok(), "3000\n");
        let keys = site.bucket.keys();
        assert!(!keys.iter().any(|key| key.starts_with("old/")), "{kind:?}: {keys:?}");
        assert!(keys.contains(&"new/empty/".to_owned()), "{kind:?}");
        for number in (0..3000).step_by(97) {
            let read = fs::read_to_string(mount.path(format!("new/{}", key(number))));
            assert_eq!(read.expect("a file"), number.to_string(), "{kind:?}");
        }
    }
}

#[test]
fn a_directory_replaces_an_empty_one() {
    let (site, mount) = mounted();
    site.bucket.put("from/file", "text");
    mount.shell("mkdir empty && mv -T from empty && cat empty/file").ok();
    assert_eq!(site.bucket.keys(), ["empty/file"]);
    mount.shell("mkdir one two && mv -T one two && rmdir two").ok();
    assert_eq!(site.bucket.keys(), ["empty/file"]);
}

#[test]
fn a_directory_does_not_replace_what_holds_something() {
    let (site, mount) = mounted();
    let keys = ["file", "from/file", "full/other"];
    for key in keys {
        site.bucket.put(key, key);
    }
    let rename = |from: &str, to: &str| fs::rename(mount.path(from), mount.path(to));
    check_errno(rename("from", "full"), Errno::NOTEMPTY);
    check_errno(rename("from", "file"), Errno::NOTDIR);
    check_errno(rename("from", "from/inside"), Errno::INVAL);
    let kept =
        renameat_with(CWD, mount.path("from"), CWD, mount.path("full"), RenameFlags::NOREPLACE);
    check_errno(kept.map_err(std::io::Error::from), Errno::EXIST);
    assert_eq!(site.bucket.keys(), keys);
    // What is only here so far counts too.
    fs::create_dir(mount.path("to")).expect("a directory");
    let mut open = File::create(mount.path("to/open")).expect("a new file");
    open.write_all(b"open").expect("a write");
    check_errno(rename("from", "to"), Errno::NOTEMPTY);
    open.sync_all().expect("fsync");
    assert_eq!(site.bucket.keys(), ["file", "from/file", "full/other", "to/", "to/open"]);
}

#[test]
fn a_path_that_would_grow_too_long_stops_a_rename_before_it_begins() {
    let (site, mount) = mounted();
    let long = format!("from/{}/{}", "a".repeat(255), vec!["b".repeat(250); 2].join("/"));
    site.bucket.put(&long, "long");
    site.bucket.put("from/first", "short");
    let deep = vec!["c".repeat(200); 2].join("/");
    fs::create_dir_all(mount.path(&deep)).expect("directories");
    let to = mount.path(format!("{deep}/to"));
    check_errno(fs::rename(mount.path("from"), to), Errno::NAMETOOLONG);
    assert!(site.bucket.get(&long).is_some() && site.bucket.get("from/first").is_some());
    assert!(!site.bucket.keys().iter().any(|key| key.contains("/to/")));
}

#[test]
fn a_program_goes_on_in_a_renamed_directory() {
    let (site, mount) = mounted();
    let text: Vec<u8> = (0..12 << 20).map(|at: u32| (at >> 7) as u8).collect();
    site.bucket.put("old/sub/read", &text);
    let mut reader = File::open(mount.path("old/sub/read")).expect("a file");
    let mut head = vec![0; 4096];
    reader.read_exact(&mut head).expect("a read");
    let mut writer = File::create(mount.path("old/sub/written")).expect("a new file");
    writer.write_all(b"before, ").expect("a write");
    fs::rename(mount.path("old"), mount.path("new")).expect("a rename");
    writer.write_all(b"after").expect("a write");
    writer.sync_all().expect("fsync");
    drop(writer);
    reader.seek(SeekFrom::Start(0)).expect("a seek");
    let mut read = Vec::new();
    reader.read_to_end(&mut read).expect("the file goes on");
    assert!(read == text, "{} bytes", read.len());
    fs::write(mount.path("new/sub/made"), "made").expect("a new file");
    assert_eq!(site.bucket.keys(), ["new/sub/made", "new/sub/read", "new/sub/written"]);
    let written = site.bucket.get("new/sub/written");
    assert_eq!(written.as_deref(), Some(b"before, after".as_slice()));
}

#[test]
fn a_directory_is_renamed_into_another_bucket() {
    let site = Site::new(Kind::Pailfs);
    let bucket = &site.bucket.name;
    for key in ["dir/a", "dir/sub/b"] {
        site.bucket.put(key, key);
    }
    let mount = site.mount_source("/", &[]);
    fs::create_dir(mount.path("other-bucket")).expect("a bucket");
    let (from, to) = (mount.path(format!("{bucket}/dir")), mount.path("other-bucket/moved"));
    fs::rename(&from, &to).expect("a rename");
    assert_eq!(
        mount.shell("cat other-bucket/moved/a other-bucket/moved/sub/b").ok(),
        "dir/adir/sub/b"
    );
    assert_eq!(site.bucket.keys(), Vec::<String>::new());
    check_errno(fs::rename(&to, mount.path("not-a-bucket")), Errno::PERM);
}
