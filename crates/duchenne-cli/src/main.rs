//! The `duchenne` program; all of it is in the library of the same package.

use std::process::ExitCode;

/// Training allocates and frees large buffers at every step; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    duchenne_cli::main()
}
