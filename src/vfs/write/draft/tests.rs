//! Drafts over the model store, in virtual time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::store::clock::{Clock, VirtualClock};
use crate::store::error::{ErrorKind, StoreError};
use crate::store::faulty::{Faulty, When};
use crate::store::model::{Model, ModelOptions};
use crate::store::types::{
    AclChange, CannedAcl, CreateBucket, DeleteObject, GetObject, HeadObject, ListUploads, Payload,
    Resource, WriteOptions,
};
use crate::vfs::cache::disk::DiskCache;
use crate::vfs::options::DiskCacheOptions;
use crate::vfs::read::plan::ReadLimits;
use crate::vfs::write::copy::{copy_object, look};

mod kept;
mod random;

const BUCKET: &str = "bucket";
const MIB: u64 = 1 << 20;
/// Of a cell: the smallest that S3 takes.
const CELL: u64 = 5 * MIB;
const AMPLE: u64 = 256 * MIB;

/// A store and what drafts of it share.
struct World {
    store: Arc<Faulty>,
    budget: Arc<Budget>,
    multiparts: Arc<Multiparts>,
    drafting: Drafting,
    /// What is read and written is kept there.
    kept: Option<Arc<DiskCache>>,
    /// With the staging files, which have no names.
    directory: TempDir,
}

/// Where what memory lacks goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Disk {
    There,
    /// A directory that can't be made.
    Broken,
    None,
}

impl World {
    async fn new(memory_bytes: u64, disk: Disk) -> Self {
        Self::over(memory_bytes, disk, None).await
    }

    /// As [`Self::new`], with a disk cache of so many bytes.
    async fn keeping(memory_bytes: u64, disk: Disk, bytes_max: u64) -> Self {
        Self::over(memory_bytes, disk, Some(bytes_max)).await
    }

    async fn over(memory_bytes: u64, disk: Disk, kept_bytes_max: Option<u64>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(SystemTime::UNIX_EPOCH));
        let model: Arc<dyn ObjectStore> =
            Arc::new(Model::in_memory(Arc::clone(&clock), ModelOptions::default()));
        model.create_bucket(BUCKET, CreateBucket::default()).await.unwrap();
        let store = Arc::new(Faulty::new(model));
        let shared: Arc<dyn ObjectStore> = Arc::<Faulty>::clone(&store);
        let budget = Budget::new(memory_bytes);
        let limits = ReadLimits::for_memory(memory_bytes, Duration::from_secs(60));
        let directory = tempfile::tempdir().unwrap();
        let kept = kept_bytes_max.map(|bytes_max| {
            let options = DiskCacheOptions { directory: directory.path().join("kept"), bytes_max };
            DiskCache::open(&options, memory_bytes, Arc::clone(&clock)).unwrap()
        });
        let (reading, memory) = (Arc::clone(&shared), Arc::clone(&budget));
        let reader = Reader::over_disk(reading, kept.clone(), memory, limits);
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let staging_directory = match disk {
            Disk::There => Some(directory.path().join("staging")),
            Disk::Broken => Some(file.join("staging")),
            Disk::None => None,
        };
        let multiparts = Multiparts::new(Arc::clone(&shared), None, clock);
        let uploads = UploadLimits { first: 4, min: 4, max: 4 };
        let options = DraftingOptions { uploads, part_bytes: CELL, staging_directory };
        let drafting = Drafting::new(&multiparts, &budget, &reader, options);
        Self { store, budget, multiparts, drafting, kept, directory }
    }

    fn shared(&self) -> Arc<dyn ObjectStore> {
        Arc::<Faulty>::clone(&self.store)
    }

    fn new_file(&self) -> Arc<Draft> {
        Arc::new(Draft::empty(&self.drafting, target("file"), None, Kept::default()))
    }

    /// Puts an object past the draft.
    async fn put(&self, key: &str, content: &[u8]) -> ObjectRef {
        let payload = Payload::from(Bytes::copy_from_slice(content));
        let options = WriteOptions::default();
        let written = self.store.put_object(BUCKET, key, payload, options).await.unwrap();
        let size = content.len() as u64;
        ObjectRef { bucket: BUCKET.into(), key: key.into(), etag: written.etag, size }
    }

    async fn draft_over(&self, object: &ObjectRef) -> Arc<Draft> {
        let target = target(&object.key);
        let (_, kept) = look(&self.shared(), &target).await.unwrap();
        Arc::new(Draft::over(&self.drafting, object.clone(), kept))
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.store.get_object(BUCKET, key, GetObject::default()).await.unwrap();
        let chunks: Vec<Bytes> = got.body.try_collect().await.unwrap();
        chunks.concat()
    }

    async fn metadata(&self, key: &str) -> BTreeMap<String, String> {
        let head = self.store.head_object(BUCKET, key, HeadObject::default()).await.unwrap();
        head.attributes.metadata
    }

    async fn read(&self, draft: &Draft, range: Range<u64>) -> VfsResult<Vec<u8>> {
        let pieces = draft.read(range).await?;
        Ok(self.drafting.gatherer.gather(pieces).await?.chunks.concat())
    }

    /// Calls made since there were so many.
    fn calls_since(&self, count: usize) -> Vec<&'static str> {
        self.store.calls()[count..].iter().map(|(name, _)| *name).collect()
    }

    fn calls(&self) -> usize {
        self.store.calls().len()
    }

    async fn uploads(&self) -> usize {
        let page = self.store.list_uploads(BUCKET, ListUploads::default()).await.unwrap();
        page.uploads.len()
    }
}

fn target(key: &str) -> Target {
    Target { bucket: BUCKET.into(), key: key.into() }
}

/// Bytes that are not the same everywhere.
fn content(bytes: u64, seed: u8) -> Vec<u8> {
    (0..bytes).map(|index| seed ^ (index >> 10) as u8).collect()
}

async fn write_all(draft: &Draft, at: u64, content: &[u8]) -> VfsResult<()> {
    for (index, chunk) in content.chunks(MIB as usize).enumerate() {
        let offset = at + index as u64 * MIB;
        draft.write(Some(offset), Bytes::copy_from_slice(chunk)).await?;
    }
    Ok(())
}

async fn commit(draft: &Draft) -> VfsResult<Option<Committed>> {
    draft.commit(Urgency::Always, BTreeMap::new()).await
}

fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

fn passing() -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "ServiceUnavailable", "failed on purpose")
}

#[test]
fn four_kibibytes_changed_in_a_large_object_move_one_cell() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let mut expected = content(100 * MIB, 1);
        let object = world.put("file", &expected).await;
        let draft = world.draft_over(&object).await;
        let before = world.store.bytes_moved();
        assert_eq!(before.fetched, 0, "nothing is fetched at the open");
        let at = 50 * MIB as usize + 12345;
        expected[at..at + 4096].fill(9);
        draft.write(Some(at as u64), Bytes::from(vec![9; 4096])).await.unwrap();
        commit(&draft).await.unwrap().unwrap();
        let moved = world.store.bytes_moved();
        assert_eq!(moved.sent - before.sent, CELL);
        assert!(moved.fetched <= CELL + MIB, "{moved:?}");
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn bytes_that_went_up_are_read_and_changed() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let mut expected = content(3 * CELL + MIB, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(world.calls_since(0).contains(&"upload_part"), "parts went up");
        assert!(world.read(&draft, 0..u64::MAX).await.unwrap() == expected);
        for at in [10, CELL as usize - 3, 3 * CELL as usize + 5] {
            expected[at..at + 6].fill(99);
            draft.write(Some(at as u64), Bytes::from(vec![99; 6])).await.unwrap();
        }
        assert!(world.read(&draft, 0..u64::MAX).await.unwrap() == expected);
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
        assert!(world.read(&draft, 0..u64::MAX).await.unwrap() == expected);
        assert_eq!(world.uploads().await, 0);
    });
}

#[test]
fn a_part_that_changes_while_it_goes_up_is_sent_again() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let mut expected = content(2 * CELL, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        // No time has passed: both parts are on their way.
        expected[7..10].fill(0);
        draft.punch(7..10).await.unwrap();
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
        let parts = world.calls_since(0).iter().filter(|call| **call == "upload_part").count();
        assert_eq!(parts, 3);
        drop(draft);
        assert_eq!(world.budget.used(), 0);
    });
}

#[test]
fn many_writers_keep_to_the_memory_there_is() {
    in_virtual_time(async {
        let memory = 8 * MIB;
        let world = World::new(memory, Disk::There).await;
        let files: Vec<Draft> = (0..20)
            .map(|index| {
                let target = target(&index.to_string());
                Draft::empty(&world.drafting, target, None, Kept::default())
            })
            .collect();
        let contents: Vec<Vec<u8>> = (0..20).map(|index| content(3 * MIB, index)).collect();
        for at in (0..3 * MIB).step_by(100_000) {
            for (file, content) in files.iter().zip(&contents) {
                let end = content.len().min(at as usize + 100_000);
                let data = Bytes::copy_from_slice(&content[at as usize..end]);
                file.write(Some(at), data).await.unwrap();
                assert!(world.budget.used() <= memory, "{}", world.budget.used());
            }
        }
        for (index, (file, content)) in files.iter().zip(&contents).enumerate() {
            assert!(world.read(file, 0..u64::MAX).await.unwrap() == *content);
            commit(file).await.unwrap().unwrap();
            assert!(world.get(&index.to_string()).await == *content);
        }
    });
}

#[test]
fn a_long_file_is_written_with_little_memory() {
    for disk in [Disk::There, Disk::Broken, Disk::None] {
        in_virtual_time(async {
            let world = World::new(16 * MIB, disk).await;
            let draft = world.new_file();
            let expected = content(40 * MIB + 3, 1);
            write_all(&draft, 0, &expected).await.unwrap();
            let beginning = world.read(&draft, 0..10).await;
            match disk {
                Disk::There => assert_eq!(beginning.unwrap(), &expected[..10]),
                Disk::Broken | Disk::None => {
                    assert!(matches!(beginning, Err(VfsError::Unsupported(_))));
                    let changed = draft.write(Some(5), Bytes::from_static(b"x")).await;
                    assert!(matches!(changed, Err(VfsError::Unsupported(_))));
                }
            }
            // Parts under way may take a little more, one at a time.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(world.budget.used() <= 17 * MIB, "{disk:?}: {}", world.budget.used());
            commit(&draft).await.unwrap().unwrap();
            assert!(world.get("file").await == expected, "{disk:?}");
        });
    }
}

#[test]
fn what_went_up_without_room_to_keep_it_can_be_written_anew() {
    in_virtual_time(async {
        let world = World::new(16 * MIB, Disk::Broken).await;
        let draft = world.new_file();
        let mut expected = content(40 * MIB, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        world.read(&draft, 0..10).await.unwrap_err();
        expected[..CELL as usize].fill(5);
        draft.write(Some(0), Bytes::from(vec![5; CELL as usize])).await.unwrap();
        draft.truncate(35 * MIB).await.unwrap();
        expected.truncate(35 * MIB as usize);
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn without_room_anywhere_a_write_says_so() {
    in_virtual_time(async {
        let world = World::new(2 * MIB, Disk::Broken).await;
        let draft = world.new_file();
        draft.write(None, Bytes::from(vec![1; MIB as usize])).await.unwrap();
        let more = draft.write(None, Bytes::from(vec![2; MIB as usize])).await;
        let Err(error @ VfsError::NoSpace(_)) = more else { panic!("{more:?}") };
        assert_eq!(error.errno(), rustix::io::Errno::NOSPC);
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == vec![1; MIB as usize]);
    });
}

#[test]
fn after_a_failed_part_nothing_is_lost() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let expected = content(2 * CELL + 7, 1);
        world.store.fail_operation("upload_part", passing());
        write_all(&draft, 0, &expected).await.unwrap();
        commit(&draft).await.unwrap_err();
        assert!(world.read(&draft, 0..u64::MAX).await.unwrap() == expected);
        world.store.heal();
        assert_eq!(world.uploads().await, 0);
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn a_refused_part_ends_the_writing_and_can_still_be_committed() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let expected = content(CELL + 7, 1);
        let refused = StoreError::new(ErrorKind::Forbidden, "AccessDenied", "failed on purpose");
        world.store.fail_operation("create_multipart", refused);
        write_all(&draft, 0, &expected).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        draft.write(None, Bytes::from_static(b"more")).await.unwrap_err();
        world.store.heal();
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn a_failed_completion_without_other_copies_is_tried_again() {
    in_virtual_time(async {
        let world = World::new(16 * MIB, Disk::None).await;
        let draft = world.new_file();
        let expected = content(40 * MIB, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        world.store.fail_operation("complete_multipart", passing());
        commit(&draft).await.unwrap_err();
        world.store.heal();
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn changed_attributes_alone_are_one_copy() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let object = world.put("file", &content(12 * MIB, 1)).await;
        let draft = world.draft_over(&object).await;
        let before = world.calls();
        draft
            .set_attributes(|attributes| {
                attributes.metadata.insert("mode".to_owned(), "0600".to_owned());
            })
            .await;
        let stamp = BTreeMap::from([("mtime".to_owned(), "1".to_owned())]);
        let committed = draft.commit(Urgency::Always, stamp).await.unwrap().unwrap();
        assert!(committed.stamped);
        assert_eq!(world.calls_since(before), ["copy_object"]);
        let expected = [("mode", "0600"), ("mtime", "1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(world.metadata("file").await, BTreeMap::from(expected));
        assert!(commit(&draft).await.unwrap().is_none(), "there is nothing more to do");
    });
}

#[test]
fn attributes_that_change_after_the_first_part_are_those_of_the_object() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let expected = content(CELL + 7, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        draft
            .set_attributes(|attributes| {
                attributes.metadata.insert("mode".to_owned(), "0600".to_owned());
            })
            .await;
        let stamp = BTreeMap::from([("mtime".to_owned(), "1".to_owned())]);
        let committed = draft.commit(Urgency::Always, stamp).await.unwrap().unwrap();
        assert!(committed.stamped, "the copy that was needed anyway took it along");
        assert_eq!(world.metadata("file").await.len(), 2);
        assert!(world.get("file").await == expected);
        let head = world.store.head_object(BUCKET, "file", HeadObject::default()).await.unwrap();
        assert_eq!(head.etag, committed.object.etag);
    });
}

#[test]
fn the_stamp_alone_is_not_worth_a_request() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(CELL + 7, 1)).await.unwrap();
        let stamp = BTreeMap::from([("mtime".to_owned(), "1".to_owned())]);
        let committed = draft.commit(Urgency::Always, stamp.clone()).await.unwrap().unwrap();
        assert!(!committed.stamped);
        assert!(!world.calls_since(0).contains(&"copy_object"));
        draft.truncate(10).await.unwrap();
        let committed = draft.commit(Urgency::Always, stamp.clone()).await.unwrap().unwrap();
        assert!(committed.stamped);
        assert_eq!(world.metadata("file").await, stamp);
    });
}

#[test]
fn the_acl_is_put_again_and_a_failure_of_that_is_told() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let object = world.put("file", b"old").await;
        let resource = Resource::object(BUCKET, "file");
        let public = AclChange::Canned(CannedAcl::PublicRead);
        world.store.put_acl(&resource, public).await.unwrap();
        let acl = world.store.get_acl(&resource).await.unwrap();
        let draft = world.draft_over(&object).await;
        draft.write(Some(0), Bytes::from_static(b"new")).await.unwrap();
        world.store.fail_operation("put_acl", passing());
        commit(&draft).await.unwrap_err();
        assert_eq!(world.get("file").await, b"new");
        assert!(draft.is_dirty().await);
        world.store.heal();
        let before = world.calls();
        commit(&draft).await.unwrap().unwrap();
        assert_eq!(world.calls_since(before), ["put_acl"]);
        assert_eq!(world.store.get_acl(&resource).await.unwrap(), acl);
    });
}

#[test]
fn appending_and_syncing_fetches_nothing() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let mut expected = Vec::new();
        for index in 0..50 {
            expected.extend_from_slice(&[index; 1000]);
            draft.write(None, Bytes::from(vec![index; 1000])).await.unwrap();
            commit(&draft).await.unwrap().unwrap();
        }
        assert!(!world.calls_since(0).contains(&"get_object"));
        assert!(world.get("file").await == expected);
        assert_eq!(world.budget.used(), expected.len() as u64);
    });
}

#[test]
fn a_copy_inside_the_store_moves_nothing_through_here() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let mut expected = content(12 * MIB, 1);
        let source = world.put("source", &expected).await;
        let draft = world.new_file();
        let before = (world.calls(), world.store.bytes_moved());
        draft.copy_from(0, source.clone(), 0..4 * MIB).await.unwrap();
        draft.copy_from(4 * MIB, source.clone(), 4 * MIB..12 * MIB).await.unwrap();
        commit(&draft).await.unwrap().unwrap();
        assert_eq!(world.calls_since(before.0), ["copy_object"]);
        assert_eq!(world.store.bytes_moved(), before.1);
        assert!(world.get("file").await == expected);
        draft.copy_from(12 * MIB, source, 0..12 * MIB).await.unwrap();
        expected.extend_from_within(..);
        commit(&draft).await.unwrap().unwrap();
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn a_detached_draft_needs_no_object() {
    for (memory, disk) in [(AMPLE, Disk::None), (4 * MIB, Disk::There)] {
        in_virtual_time(async {
            let world = World::new(memory, disk).await;
            let mut expected = content(12 * MIB, 1);
            let object = world.put("file", &expected).await;
            let draft = world.draft_over(&object).await;
            draft.write(Some(5), Bytes::from_static(b"new")).await.unwrap();
            draft.hold().await.orphan().await;
            draft.detach().await.unwrap();
            let options = DeleteObject::default();
            world.store.delete_object(BUCKET, "file", options).await.unwrap();
            expected[5..8].copy_from_slice(b"new");
            draft.write(None, Bytes::from_static(b"more")).await.unwrap();
            expected.extend_from_slice(b"more");
            assert!(world.read(&draft, 0..u64::MAX).await.unwrap() == expected);
            assert!(commit(&draft).await.unwrap().is_none());
        });
    }
    in_virtual_time(async {
        let world = World::new(4 * MIB, Disk::None).await;
        let object = world.put("file", &content(12 * MIB, 1)).await;
        let draft = world.draft_over(&object).await;
        assert!(matches!(draft.detach().await, Err(VfsError::NoSpace(_))));
    });
}

#[test]
fn an_orphan_leaves_no_upload_and_is_read_on() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        let expected = content(2 * CELL + 1, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.uploads().await, 1);
        draft.hold().await.orphan().await;
        assert_eq!(world.uploads().await, 0);
        assert!(commit(&draft).await.unwrap().is_none());
        assert!(world.read(&draft, 0..u64::MAX).await.unwrap() == expected);
    });
}

#[test]
fn a_moved_draft_goes_on_under_its_new_name() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let mut expected = content(12 * MIB, 1);
        let object = world.put("file", &expected).await;
        let draft = world.draft_over(&object).await;
        draft.write(Some(1), Bytes::from_static(b"one")).await.unwrap();
        let mut hold = draft.hold().await;
        hold.commit(Urgency::Always, BTreeMap::new()).await.unwrap().unwrap();
        let (from, to) = (target("file"), target("moved"));
        let moved = copy_object(&world.multiparts, &from, &to, Default::default(), |_, _| ())
            .await
            .unwrap();
        world.store.delete_object(BUCKET, "file", DeleteObject::default()).await.unwrap();
        hold.moved(to, moved.object);
        drop(hold);
        draft.write(Some(7), Bytes::from_static(b"two")).await.unwrap();
        commit(&draft).await.unwrap().unwrap();
        expected[1..4].copy_from_slice(b"one");
        expected[7..10].copy_from_slice(b"two");
        assert!(world.get("moved").await == expected);
    });
}

#[test]
fn somebody_elses_object_stays() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        for bytes in [100, 12 * MIB] {
            let object = world.put("file", &content(bytes, 1)).await;
            let draft = world.draft_over(&object).await;
            draft.write(Some(1), Bytes::from_static(b"mine")).await.unwrap();
            world.put("file", b"theirs").await;
            let told = commit(&draft).await.unwrap_err();
            assert_eq!(told.errno(), rustix::io::Errno::STALE);
            assert_eq!(world.get("file").await, b"theirs");
            assert_eq!(world.uploads().await, 0);
        }
    });
}

#[test]
fn a_commit_whose_answer_was_lost_is_recognised() {
    for bytes in [100, CELL + 100] {
        in_virtual_time(async {
            let world = World::new(AMPLE, Disk::None).await;
            let draft = world.new_file();
            let expected = content(bytes, 1);
            write_all(&draft, 0, &expected).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The store sends again what it got no answer to.
            let again = StoreError::new(ErrorKind::Precondition, "PreconditionFailed", "again");
            world.store.fail_call(world.calls() + lost_call(bytes), again, When::After);
            commit(&draft).await.unwrap().unwrap();
            assert!(world.get("file").await == expected);
        });
    }
}

/// After the part that was left, if there are parts.
fn lost_call(bytes: u64) -> usize {
    usize::from(bytes > CELL)
}

#[test]
fn holes_and_data_are_told_apart() {
    in_virtual_time(async {
        let world = World::new(AMPLE, Disk::None).await;
        let draft = world.new_file();
        draft.allocate(100).await.unwrap();
        draft.write(Some(20), Bytes::from_static(b"data")).await.unwrap();
        assert_eq!(draft.bytes(), 100);
        assert_eq!(draft.seek_data(0).await, Some(20));
        assert_eq!(draft.seek_hole(0).await, Some(0));
        assert_eq!(draft.seek_hole(21).await, Some(24));
        assert_eq!(draft.seek_data(24).await, None);
        assert_eq!(draft.seek_hole(100).await, None);
        draft.punch(21..200).await.unwrap();
        assert_eq!(draft.bytes(), 100);
        assert_eq!(draft.seek_hole(20).await, Some(21));
        draft.allocate(50).await.unwrap();
        assert_eq!(draft.bytes(), 100);
        commit(&draft).await.unwrap().unwrap();
        assert_eq!(world.get("file").await.len(), 100);
    });
}
