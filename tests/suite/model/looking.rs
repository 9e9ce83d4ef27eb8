//! What looking at files and reading them costs in requests.

use pailfs::vfs::types::Listing;

use crate::model::attributes::{World, read_root};
use crate::model::{TTL, in_virtual_time};

const FILES: usize = 200;
const FILE_BYTES: usize = 10_000;

/// Objects that others have put there a while ago.
async fn small_files() -> World {
    let world = World::new().await;
    for number in 0..FILES {
        world.put(&name(number), vec![number as u8; FILE_BYTES]).await;
    }
    tokio::time::advance(TTL * 5).await;
    world
}

fn name(number: usize) -> String {
    format!("{number:03}")
}

/// How often each of these was called since call `first`.
fn count<const N: usize>(world: &World, first: usize, operations: [&str; N]) -> [usize; N] {
    let calls = world.faulty.calls().split_off(first);
    operations.map(|wanted| calls.iter().filter(|(operation, _)| *operation == wanted).count())
}

const ALL: [&str; 3] = ["get_object", "head_object", "list_objects"];

#[test]
fn small_files_are_read_by_one_request_each() {
    in_virtual_time(async {
        let world = small_files().await;
        let client = world.mount();
        read_root(&client, Listing::Entries).await;
        for number in 0..FILES {
            let content = client.read(&name(number)).await.expect("a file");
            assert_eq!(content, vec![number as u8; FILE_BYTES]);
        }
        assert_eq!(count(&world, 0, ALL), [FILES, 0, 1]);
    });
}

#[test]
fn a_file_that_nobody_listed_is_read_in_one_round_trip() {
    in_virtual_time(async {
        let world = small_files().await;
        let client = world.mount();
        let content = client.read(&name(7)).await.expect("a file");
        assert_eq!(content, vec![7; FILE_BYTES]);
        // The directory of that name is asked for beside it.
        assert_eq!(count(&world, 0, ALL), [1, 0, 1]);
    });
}

#[test]
fn files_that_are_only_looked_at_are_not_read() {
    in_virtual_time(async {
        let world = small_files().await;
        let client = world.mount();
        read_root(&client, Listing::Entries).await;
        for number in 0..FILES {
            client.attr(&name(number)).await;
        }
        let [gets, heads, _] = count(&world, 0, ALL);
        assert_eq!(gets + heads, FILES);
        assert!(gets <= FILES / 4, "{gets} files were read");
    });
}

#[test]
fn the_first_bytes_of_a_large_file_come_with_the_look() {
    const BYTES: usize = 40 << 20;
    in_virtual_time(async {
        let world = World::new().await;
        let content: Vec<u8> = (0..BYTES).map(|at| (at >> 8) as u8).collect();
        world.put("large", content.clone()).await;
        let client = world.mount();
        assert!(client.read("large").await.expect("a file") == content);
        assert_eq!(world.faulty.bytes_moved().fetched, BYTES as u64);
        assert_eq!(count(&world, 0, ["head_object"]), [0]);
    });
}

#[test]
fn empty_files_are_read_without_a_get() {
    in_virtual_time(async {
        let world = World::new().await;
        world.put("empty", Vec::new()).await;
        tokio::time::advance(TTL * 5).await;
        let client = world.mount();
        read_root(&client, Listing::Entries).await;
        assert_eq!(client.read("empty").await.expect("a file"), b"");
        assert_eq!(count(&world, 0, ["get_object", "head_object"]), [0, 1]);
    });
}
