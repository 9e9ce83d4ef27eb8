//! Extended attributes: what S3 and this mount know of a path, as text.
//!
//! The formats are pure: text in, S3's words out, and back. Whoever gets and sets attributes
//! talks to the store. A text that can't be read is answered with what is wrong with it and
//! what would be right, in a message for whoever wrote it.

pub mod acl;
pub mod documents;
mod escape;
pub mod restore;
pub mod tags;
pub mod time;
pub mod uploads;
pub mod versions;
