//! What goes up in parts and is kept on disk as it goes.

use super::*;

/// Of the disk cache: more than any file here has.
const KEPT_BYTES_MAX: u64 = 64 * MIB;

/// How often to look for what the cache does on the real disk: for half a minute or so.
const LOOKS_MAX: usize = 1_000_000;

/// Three parts, the last of which ends in a short block.
const FILE_BYTES: u64 = 2 * CELL + MIB + 1000;

async fn keeping() -> World {
    let world = World::keeping(AMPLE, Disk::None, KEPT_BYTES_MAX).await;
    // As long as it is not known what is there, that may be anything.
    while world.kept.as_ref().unwrap().may_have_some(BUCKET, "nothing") {
        tokio::task::yield_now().await;
    }
    world
}

/// Commits, and looks for what the object is.
async fn commit_object(draft: &Draft) -> ObjectRef {
    commit(draft).await.unwrap().unwrap().object
}

/// What of the object is not on disk, in cells; what is there is what it has.
async fn missing(world: &World, object: &ObjectRef) -> Vec<u64> {
    let expected = world.get(&object.key).await;
    assert_eq!(object.size, expected.len() as u64);
    let disk = world.kept.as_ref().unwrap();
    let mut missing = Vec::new();
    for cell in 0..object.size.div_ceil(CELL) {
        let range = cell * CELL..object.size.min((cell + 1) * CELL);
        match disk.read(object, &range).await {
            Some(read) => {
                assert!(read == expected[range.start as usize..range.end as usize], "{range:?}");
            }
            None => missing.push(cell),
        }
    }
    missing
}

async fn pass_time() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[test]
fn all_parts_are_kept_with_the_short_end() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
        let object = commit_object(&draft).await;
        assert_eq!(missing(&world, &object).await, [0; 0]);
        assert!(!world.calls_since(0).contains(&"put_object"));
    });
}

#[test]
fn parts_that_change_after_they_went_up_are_kept_as_they_became() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
        pass_time().await;
        draft.write(Some(CELL - 3), Bytes::from(vec![9; 100])).await.unwrap();
        draft.truncate(FILE_BYTES - MIB / 2).await.unwrap();
        let object = commit_object(&draft).await;
        assert_eq!(missing(&world, &object).await, [0; 0]);
        assert_eq!(world.calls_since(0).iter().filter(|call| **call == "upload_part").count(), 5);
    });
}

#[test]
fn a_part_that_there_is_no_memory_for_is_missing_also_where_it_was_kept_before() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
        pass_time().await;
        draft.write(Some(5), Bytes::from(vec![9; 100])).await.unwrap();
        let all = world.budget.reserve_over(AMPLE);
        let object = commit_object(&draft).await;
        drop(all);
        assert_eq!(missing(&world, &object).await, [0, 2]);
    });
}

#[test]
fn what_s3_copies_is_missing_also_where_other_bytes_were_kept_before() {
    in_virtual_time(async {
        let world = keeping().await;
        let source = world.put("source", &content(4 * CELL, 7)).await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(4 * CELL + 10, 1)).await.unwrap();
        pass_time().await;
        // One request copies both, so that the second of them is no part of the object.
        draft.copy_from(CELL, source, 0..2 * CELL).await.unwrap();
        let object = commit_object(&draft).await;
        assert!(world.calls_since(0).contains(&"upload_part_copy"));
        assert_eq!(missing(&world, &object).await, [1, 2]);
    });
}

#[test]
fn a_file_that_is_cut_while_it_goes_up_keeps_what_is_left() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(4 * CELL, 1)).await.unwrap();
        pass_time().await;
        draft.truncate(2 * CELL).await.unwrap();
        let object = commit_object(&draft).await;
        assert_eq!(missing(&world, &object).await, [0; 0]);
        draft.truncate(0).await.unwrap();
        write_all(&draft, 0, &content(2 * CELL, 3)).await.unwrap();
        let object = commit_object(&draft).await;
        assert_eq!(missing(&world, &object).await, [0; 0]);
    });
}

#[test]
fn what_is_copied_for_its_attributes_is_still_kept() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
        pass_time().await;
        let change = |attributes: &mut ObjectAttributes| {
            attributes.metadata.insert("mode".to_owned(), "0600".to_owned());
        };
        draft.set_attributes(change).await;
        let object = commit_object(&draft).await;
        assert!(world.calls_since(0).contains(&"copy_object"));
        assert_eq!(missing(&world, &object).await, [0; 0]);
    });
}

#[test]
fn a_copy_that_only_looks_like_ours_is_not_taken_for_the_same_bytes() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
        commit_object(&draft).await;
        let change = |attributes: &mut ObjectAttributes| {
            attributes.metadata.insert("mode".to_owned(), "0600".to_owned());
        };
        draft.set_attributes(change).await;
        let again = StoreError::new(ErrorKind::Precondition, "PreconditionFailed", "again");
        world.store.fail_call(world.calls(), again, When::After);
        let object = commit_object(&draft).await;
        assert_eq!(missing(&world, &object).await, [0, 1, 2]);
    });
}

#[test]
fn a_completion_whose_answer_was_lost_is_kept_as_well() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(CELL + 100, 1)).await.unwrap();
        pass_time().await;
        let again = StoreError::new(ErrorKind::Precondition, "PreconditionFailed", "again");
        // After the part that is left.
        world.store.fail_call(world.calls() + 1, again, When::After);
        let object = commit_object(&draft).await;
        assert_eq!(missing(&world, &object).await, [0; 0]);
    });
}

#[test]
fn after_failures_what_is_kept_is_what_went_up_at_last() {
    for operation in ["upload_part", "complete_multipart"] {
        in_virtual_time(async {
            let world = keeping().await;
            let draft = world.new_file();
            write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
            world.store.fail_operation(operation, passing());
            commit(&draft).await.unwrap_err();
            world.store.heal();
            draft.write(Some(CELL), Bytes::from(vec![9; 100])).await.unwrap();
            let object = commit_object(&draft).await;
            assert_eq!(missing(&world, &object).await, [0; 0], "{operation}");
        });
    }
}

#[test]
fn an_upload_that_is_tried_again_with_what_it_has_is_kept_right() {
    in_virtual_time(async {
        // Too little memory for the file, and no disk beside the cache.
        let world = World::keeping(32 * MIB, Disk::None, KEPT_BYTES_MAX).await;
        let draft = world.new_file();
        let expected = content(40 * MIB + 5, 1);
        write_all(&draft, 0, &expected).await.unwrap();
        world.store.fail_operation("complete_multipart", passing());
        commit(&draft).await.unwrap_err();
        world.store.heal();
        let object = commit_object(&draft).await;
        // How much memory there was at the time depends on how fast the disk is.
        missing(&world, &object).await;
        assert!(world.get("file").await == expected);
    });
}

#[test]
fn what_is_given_up_leaves_nothing_on_disk() {
    in_virtual_time(async {
        let world = keeping().await;
        let draft = world.new_file();
        write_all(&draft, 0, &content(FILE_BYTES, 1)).await.unwrap();
        pass_time().await;
        draft.discard().await;
        let kept = world.directory.path().join("kept");
        let mut looks = 0;
        while count_files(&kept) > 0 {
            assert!(looks < LOOKS_MAX, "they are still there");
            looks += 1;
            tokio::task::yield_now().await;
        }
    });
}

fn count_files(kept: &std::path::Path) -> usize {
    let folders = std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir());
    folders.map(|path| std::fs::read_dir(path).unwrap().count()).sum()
}
