//! The tree of names: what is where, and under which name.
//!
//! Decides which key a path is and which name a key is shown under. Reading and writing bytes
//! is `read`'s and `write`'s business, and neither is called from here.

pub mod archive;
pub mod content_type;
pub mod directory;
pub mod habit;
pub mod inode;
pub mod listing;
pub mod names;
pub mod posix;
pub mod remembered;
