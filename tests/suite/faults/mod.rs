//! When things break under a mount: errors in bounded time, nothing lost, right again after.

mod killed_uploading;
mod rename_cut_off;
mod server_lost;
mod terminated;
