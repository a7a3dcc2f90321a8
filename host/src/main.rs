//! `trimtab`, the command.

use std::process::ExitCode;

// A request is some thirty short-lived allocations on one thread: the case that it is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    trimtab::cli::main()
}
