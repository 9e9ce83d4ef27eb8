//! What two programs see of each other through one mount.

use std::sync::Arc;

use bytes::Bytes;
use pailfs::store::ObjectStore;
use pailfs::store::types::{Payload, WriteOptions};
use pailfs::vfs::Vfs;
use pailfs::vfs::types::{DirEntry, Fh, Ino, Listing, OpenHow, Privilege, Room};

use crate::model::client::Client;
use crate::model::{BUCKET, empty_bucket, in_virtual_time, mount};

const WRITE: OpenHow =
    OpenHow { read: false, write: true, append: false, truncate: false, exclusive: false };

async fn mounted_with(files: &[&str]) -> (Arc<dyn ObjectStore>, Client) {
    let (store, clock) = empty_bucket().await;
    for path in files {
        let payload = Payload::from(Bytes::from_static(b"ten bytes."));
        let put = store.put_object(BUCKET, path, payload, WriteOptions::default());
        put.await.expect("the store takes it");
    }
    let client = mount(&store, &clock);
    (store, client)
}

/// The next entry of a directory being read, with its size.
async fn next_entry(vfs: &Vfs, fh: Fh, offset: &mut u64) -> Option<(String, u64)> {
    let mut told = None;
    let asked = *offset;
    let mut sink = |entry: &DirEntry<'_>| {
        if told.is_some() {
            return Room::Full;
        }
        *offset = entry.next_offset;
        told = entry.entry.map(|found| (entry.name.to_owned(), found.attr.size));
        Room::Taken
    };
    vfs.readdir(fh, asked, Listing::Entries, &mut sink).await.expect("a listing");
    told
}

#[test]
fn a_listing_tells_a_file_as_it_is_when_it_is_told() {
    in_virtual_time(async {
        let (_store, client) = mounted_with(&["a", "b", "c"]).await;
        let vfs = client.vfs();
        let fh = vfs.opendir(Ino::ROOT).await.expect("a directory").fh;
        let mut offset = 0;
        assert_eq!(next_entry(vfs, fh, &mut offset).await, Some(("a".to_owned(), 10)));
        client.write("b", b"changed while the directory is read").await.expect("a write");
        client.unlink("c").await.expect("a removal");
        assert_eq!(next_entry(vfs, fh, &mut offset).await, Some(("b".to_owned(), 35)));
        assert_eq!(next_entry(vfs, fh, &mut offset).await, None);
        vfs.releasedir(fh);
    });
}

#[test]
fn writing_in_place_holds_no_more_memory_than_the_file_has_bytes() {
    in_virtual_time(async {
        let (_store, client) = mounted_with(&["file"]).await;
        let vfs = client.vfs();
        let ino = client.ino("file").await;
        let fh = vfs.open(ino, WRITE, Privilege::Kept).await.expect("the file").fh;
        for _ in 0..1000 {
            vfs.write(fh, 0, Bytes::from(vec![1; 1 << 20]), Privilege::Kept)
                .await
                .expect("a write");
        }
        assert!(vfs.memory_bytes() <= 2 << 20, "{}", vfs.memory_bytes());
        vfs.release(fh).await.expect("a release");
    });
}

#[test]
fn what_is_written_while_a_file_is_renamed_is_under_its_new_name() {
    in_virtual_time(async {
        let (store, client) = mounted_with(&["old"]).await;
        let vfs = client.vfs();
        let ino = client.ino("old").await;
        let fh = vfs.open(ino, WRITE, Privilege::Kept).await.expect("the file").fh;
        let write = async {
            vfs.write(fh, 0, Bytes::from_static(b"TEN"), Privilege::Kept).await?;
            vfs.fsync(fh).await
        };
        let (renamed, written) = tokio::join!(client.rename("old", "new"), write);
        renamed.expect("a rename");
        written.expect("a write");
        vfs.release(fh).await.expect("a release");
        assert_eq!(client.read("new").await.expect("the file"), b"TEN bytes.");
        let page = store.list_objects(BUCKET, pailfs::store::types::ListObjects::default()).await;
        assert_eq!(page.expect("a listing").objects.len(), 1);
    });
}

#[test]
fn what_is_made_while_its_directory_is_renamed_goes_with_it() {
    in_virtual_time(async {
        let (store, client) = mounted_with(&["dir/a", "dir/b"]).await;
        let made = client.begin("dir/made", b"made").await;
        let (renamed, ended, late) = tokio::join!(
            client.rename("dir", "new"),
            client.end(made),
            client.write("dir/late", b"late"),
        );
        renamed.expect("a rename");
        ended.expect("a close");
        let mut expected = vec!["new/a", "new/b"];
        // It was made before its directory had another name, or not at all.
        if late.is_ok() {
            expected.push("new/late");
        }
        expected.push("new/made");
        let page = store.list_objects(BUCKET, pailfs::store::types::ListObjects::default()).await;
        let keys: Vec<_> = page.expect("a listing").objects.into_iter().map(|o| o.key).collect();
        assert_eq!(keys, expected);
        assert_eq!(client.read("new/made").await.expect("the file"), b"made");
    });
}

#[test]
fn a_directory_of_more_than_one_round_is_renamed() {
    const FILES: usize = 12_345;
    in_virtual_time(async {
        let names: Vec<String> = (0..FILES).map(|number| format!("dir/{number:05}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (_store, client) = mounted_with(&names).await;
        client.rename("dir", "new").await.expect("a rename");
        let all = client.list("").await.expect("the root");
        assert_eq!(all, b"new");
        let all = client.list("new").await.expect("a directory");
        assert_eq!(all.split(|byte| *byte == b'\n').count(), FILES);
        assert_eq!(client.read("new/12344").await.expect("the last file"), b"ten bytes.");
    });
}
