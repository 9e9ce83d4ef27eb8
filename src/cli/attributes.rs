//! Attributes of files and directories, for the commands that read and change them.

pub mod access;
pub mod changes;
pub mod target;
pub mod text;
