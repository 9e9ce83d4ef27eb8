//! What S3 does, asked of every store we have.
//!
//! The cases are tables of functions, a file for each family. `run` gives each a bucket of its
//! own; `deviations` lists what a server that is not ours is known to get wrong, exactly.

mod acl;
mod bench;
mod buckets;
mod checksums;
mod conditions;
mod copy;
mod delete;
mod deviations;
mod documents;
mod keys;
mod listing;
mod metadata;
mod multipart;
mod objects;
mod part_copy;
mod ranges;
mod refusals;
mod restore;
mod run;
mod stores;
mod tags;
mod versions;

use crate::conformance::bench::Case;

/// Every family of cases.
const FAMILIES: &[(&str, &[Case])] = &[
    ("buckets", buckets::CASES),
    ("objects", objects::CASES),
    ("listing", listing::CASES),
    ("conditions", conditions::CASES),
    ("ranges", ranges::CASES),
    ("multipart", multipart::CASES),
    ("part_copy", part_copy::CASES),
    ("copy", copy::CASES),
    ("delete", delete::CASES),
    ("versions", versions::CASES),
    ("metadata", metadata::CASES),
    ("checksums", checksums::CASES),
    ("acl", acl::CASES),
    ("tags", tags::CASES),
    ("documents", documents::CASES),
    ("refusals", refusals::CASES),
    ("restore", restore::CASES),
    ("keys", keys::CASES),
];
