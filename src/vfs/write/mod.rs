//! Writing: how the bytes a program writes become an object.

pub mod cells;
pub mod copy;
pub mod draft;
pub mod extents;
pub mod gather;
pub mod memory;
pub mod multipart;
pub mod plan;
pub mod staging;
pub mod turns;
pub mod upload;
