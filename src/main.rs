//! The table of contents: arguments, configuration, one command.

use std::process::ExitCode;

/// Half of a small request's CPU under concurrency is glibc's allocator (`docs/decisions`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    pailfs::cli::main()
}
