//! The table of contents: arguments, configuration, one command.

use std::process::ExitCode;

/// Half of a small request's CPU under concurrency is glibc's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is freed is kept for half a second, since fresh memory costs the kernel more than what is
/// done with it, and then goes back: the bound on memory is one on what the system sees. Blocks of
/// data are kept by `vfs::buffers`; kept here for the default ten seconds, the rest doubles what a
/// scan takes. Nor is there a page on top of each block, to spread them over the processor's
/// caches: that is a quarter of what random reads take.
// SAFETY: the symbol is jemalloc's own for its settings, a pointer to a C string, and a thin
// reference to bytes that end in NUL is one.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 58] =
    b"dirty_decay_ms:500,muzzy_decay_ms:0,cache_oblivious:false\0";

fn main() -> ExitCode {
    pailfs::cli::main()
}
