//! Extended attributes: what S3 and this mount know of a path, as text.
//!
//! Which there are stands in one table; everything else here is how they are spelt: text in, S3's
//! words out, and back. All of it is pure. What is asked of S3 for them is `ops::xattr`'s
//! business. A text that can't be read is answered with what is wrong with it and what would be
//! right, in a message for whoever wrote it.

pub mod manual;
pub mod table;

pub mod acl;
pub mod documents;
pub mod facts;
pub mod restore;
pub mod tags;
pub mod uploads;
pub mod user;
pub mod versions;

mod escape;
pub mod time;
