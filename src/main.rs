//! The effsweep binary.

/// Memory of one step serves the next, without a detour through the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    effsweep::cli::run()
}
