//! When things break under a mount: errors in bounded time, nothing lost, right again after.

mod rename_cut_off;
mod server_lost;
mod terminated;
