//! What programs that read in an order of their own cost in requests and bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Bytes;
use pailfs::store::types::{CreateBucket, Payload, WriteOptions};

use crate::support::hosted::Hosted;
use crate::support::mount::TestMount;
use crate::support::runtime::block_on;
use crate::support::wait::until;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const KEY: &str = "file";

/// What a test on a busy machine may wait for another process.
const SOON: Duration = Duration::from_secs(20);

/// A server that counts, an object, and a mount of it.
struct Site {
    mount: TestMount,
    server: Hosted,
    content: Vec<u8>,
}

impl Site {
    #[track_caller]
    fn new(bytes: usize) -> Self {
        let server = Hosted::start();
        let store = server.store();
        block_on(store.create_bucket("bucket", CreateBucket::default())).expect("a bucket");
        let mut content = vec![0; bytes];
        fastrand::Rng::with_seed(5).fill(&mut content);
        let payload = Payload::from(Bytes::copy_from_slice(&content));
        let put = store.put_object("bucket", KEY, payload, WriteOptions::default());
        block_on(put).expect("a put");
        let mount = server.mount("bucket", &[]);
        Self { mount, server, content }
    }

    #[track_caller]
    fn open(&self) -> File {
        File::open(self.mount.path(KEY)).expect("the file")
    }

    /// Reads a block and compares it.
    #[track_caller]
    fn check(&self, file: &File, start: usize, bytes: usize) {
        let mut block = vec![0; bytes];
        file.read_exact_at(&mut block, start as u64).expect("a read");
        assert!(block == self.content[start..start + bytes], "at {start}");
    }
}

#[test]
fn a_file_that_is_read_from_its_end_takes_few_requests() {
    let site = Site::new(32 * MIB);
    // Longer ones come as several requests of the kernel, upwards.
    for block in [64 * KIB, 2 * MIB] {
        let mount = site.server.mount("bucket", &[]);
        let file = File::open(mount.path(KEY)).expect("the file");
        let (gets, sent) = (site.server.gets(KEY), site.server.bytes_sent());
        for start in (0..32 * MIB).step_by(block).rev() {
            site.check(&file, start, block);
        }
        let (gets, sent) = (site.server.gets(KEY) - gets, site.server.bytes_sent() - sent);
        assert!(gets <= 50, "{gets} requests for {} blocks", 32 * MIB / block);
        assert!(sent <= 32 * MIB as u64, "{sent} bytes");
    }
}

#[test]
fn reads_at_equal_distances_are_on_their_way_before_they_are_asked_for() {
    let site = Site::new(64 * MIB);
    let file = site.open();
    let (gets, sent) = (site.server.gets(KEY), site.server.bytes_sent());
    let starts = (3 * MIB..64 * MIB).step_by(MIB);
    let reads = starts.len();
    for (index, start) in starts.enumerate() {
        site.check(&file, start, 64 * KIB);
        if index == 9 {
            let ahead = || site.server.gets(KEY) - gets >= 2 * (index + 1);
            until("requests for what nobody has read yet", SOON, ahead);
        }
    }
    let (gets, sent) = (site.server.gets(KEY) - gets, site.server.bytes_sent() - sent);
    assert!(gets <= reads + 5, "{gets} requests for {reads} reads");
    let read = (reads * 64 * KIB) as u64;
    assert!(sent <= read + read / 4, "{sent} bytes for {read}");
}
