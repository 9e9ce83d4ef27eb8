//! Writing: how the bytes a program writes become an object.

pub mod copy;
pub mod draft;
pub mod extents;
pub mod plan;
pub mod upload;
