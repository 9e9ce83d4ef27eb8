//! What the kernel says: FUSE requests in, replies out.
