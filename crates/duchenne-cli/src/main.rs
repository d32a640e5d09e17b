//! The `duchenne` program; everything it does is in the library.

use std::process::ExitCode;

/// Training allocates and frees large buffers at every step; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    duchenne_cli::main()
}
