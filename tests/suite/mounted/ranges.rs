//! Ranges of files: copies that S3 makes, holes, and what can't be had.

use std::fs;

use crate::mounted::mounted;

#[test]
fn a_copy_inside_the_mount_is_made_by_s3() {
    let (site, mount) = mounted();
    let content: Vec<u8> = (0..30_000_000u32).map(|index| (index >> 8) as u8).collect();
    site.bucket.put("file", &content);
    mount.shell("cp file copy && mkdir dir && cp --preserve=all file dir/").ok();
    for key in ["copy", "dir/file"] {
        assert!(site.bucket.get(key).is_some_and(|copied| copied == content), "{key}");
    }
    // Bytes that had gone through the mount would have gone up in parts.
    let etag = |key: &str| site.bucket.head(key).expect("an object").etag;
    assert_eq!(etag("copy"), etag("file"));
    assert_eq!(site.bucket.uploads(), 0);
}

#[test]
fn holes_are_made_and_found() {
    let (_site, mount) = mounted();
    let script = "import os
file = open('file', 'wb+', 0)
file.write(b'x' * 300000)
os.truncate('file', 1000000)
assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == 300000
file.seek(900000); file.write(b'y')
assert os.lseek(file.fileno(), 400000, os.SEEK_DATA) == 900000
os.posix_fallocate(file.fileno(), 0, 2000000)
assert os.fstat(file.fileno()).st_size == 2000000
file.close()
data = open('file', 'rb').read()
assert data == b'x' * 300000 + bytes(600000) + b'y' + bytes(1099999)";
    mount.shell(&format!("python3 -c \"{script}\"")).ok();
    mount.shell("fallocate -p -o 1000 -l 5000 file && fallocate -z -o 10 -l 10 file").ok();
    let content = fs::read(mount.path("file")).expect("the file");
    assert!(content[1000..6000].iter().all(|byte| *byte == 0) && content[999] == b'x');
    assert!(content[10..20].iter().all(|byte| *byte == 0) && content[20] == b'x');
    let refused = mount.shell("fallocate -c -o 0 -l 4096 file").refused();
    assert!(refused.contains("not supported"), "{refused}");
}

#[test]
fn two_names_are_not_exchanged() {
    let (_site, mount) = mounted();
    let script = "import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
RENAME_EXCHANGE = 2
assert libc.renameat2(-100, b'one', -100, b'two', RENAME_EXCHANGE) == -1
assert os.strerror(ctypes.get_errno()) == 'Invalid argument'";
    mount.shell("echo 1 > one && echo 2 > two").ok();
    mount.shell(&format!("python3 -c \"{script}\" && cat one two")).ok();
}

#[test]
fn many_processes_append_to_one_file() {
    let (site, mount) = mounted();
    let script =
        "for p in 1 2 3 4; do (for i in $(seq 100); do echo $p-$i >> log; done) & done; wait";
    mount.shell(script).ok();
    assert_eq!(mount.shell("sort -u log | wc -l").ok(), "400\n");
    let content = site.bucket.get("log").expect("the log");
    assert_eq!(content.iter().filter(|byte| **byte == b'\n').count(), 400);
}

#[test]
fn a_removed_file_is_used_on_until_it_is_closed() {
    let (site, mount) = mounted();
    site.bucket.put("read", vec![7; 3_000_000]);
    site.bucket.put("written", "old");
    site.bucket.put("replaced", "before");
    let script = "import os
read = open('read', 'rb', 0)
assert read.read(10) == bytes([7]) * 10
written = open('written', 'rb+', 0)
replaced = open('replaced', 'rb')
os.unlink('read'); os.unlink('written')
open('new', 'w').write('after')
os.rename('new', 'replaced')
assert not os.path.exists('read') and open('replaced').read() == 'after'
assert read.read() + read.read() == bytes([7]) * 2999990
written.seek(0, 2); written.write(b' and new'); written.seek(0)
assert written.read() == b'old and new'
assert os.fstat(written.fileno()).st_nlink == 0
assert replaced.read() == b'before'
for file in (read, written, replaced): file.close()";
    mount.shell(&format!("python3 -c \"{script}\"")).ok();
    assert_eq!(site.bucket.keys(), ["replaced"]);
}
