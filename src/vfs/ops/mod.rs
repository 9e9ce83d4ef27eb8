//! What a program can ask of a file or a directory, one file per family.

pub mod archive;
pub mod asking;
pub mod attr;
pub mod backing;
pub mod commit;
pub mod dir;
pub mod file;
pub mod handles;
pub mod looking;
pub mod lookup;
pub mod make;
pub mod moves;
pub mod ranges;
pub mod recover;
pub mod remove;
pub mod rename;
pub mod rename_tree;
pub mod unlinking;
pub mod xattr;
