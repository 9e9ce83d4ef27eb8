//! Single faults while parts of files, attributes and special files are changed, while files are
//! copied, and while files are read whose names go.

use crate::model::faults::{LARGE_BYTES, check, large};
use crate::model::steps::Action;

#[test]
fn the_middle_of_a_large_file_is_changed_or_stays() {
    let content = vec![0xA5; 4096];
    check(&[("file", large(1))], &Action::Patch { path: "file".into(), at: 6 << 20, content });
}

#[test]
fn a_large_file_is_cut_in_the_middle_or_grows_or_stays() {
    for bytes in [(6 << 20) + 123, 11 << 20, LARGE_BYTES + 100, 18 << 20] {
        check(&[("file", large(1))], &Action::Truncate { path: "file".into(), bytes });
    }
}

fn chmod(path: &str) -> Action {
    Action::Chmod { path: path.into(), mode: 0o640 }
}

#[test]
fn a_mode_is_changed_or_the_program_is_told() {
    check(&[("file", b"content".to_vec())], &chmod("file"));
    check(&[("file", large(1))], &chmod("file"));
}

#[test]
fn the_mode_of_a_directory_is_changed_or_the_program_is_told() {
    check(&[("dir/", Vec::new()), ("dir/file", b"x".to_vec())], &chmod("dir"));
    check(&[("dir/file", b"x".to_vec())], &chmod("dir"));
}

#[test]
fn a_link_or_a_pipe_is_made_or_the_program_is_told() {
    check(
        &[("other", b"o".to_vec())],
        &Action::Symlink { path: "l".into(), target: "other".into() },
    );
    check(&[("dir/other", b"o".to_vec())], &Action::Fifo { path: "dir/pipe".into() });
}

#[test]
fn a_large_file_is_copied_or_the_program_is_told() {
    check(&[("file", large(1))], &Action::Copy { from: "file".into(), to: "copy".into() });
}

#[test]
fn a_removed_file_is_read_on_or_the_program_is_told() {
    for content in [b"content".to_vec(), large(1)] {
        let before = [("dir/file", content.clone())];
        check(&before, &Action::UnlinkReading { path: "dir/file".into(), content });
    }
}

#[test]
fn a_replaced_file_is_read_on_or_the_program_is_told() {
    for content in [b"content".to_vec(), large(1)] {
        let before = [("source", large(2)), ("target", content.clone())];
        let (from, to) = ("source".into(), "target".into());
        check(&before, &Action::RenameReading { from, to, content });
    }
}
