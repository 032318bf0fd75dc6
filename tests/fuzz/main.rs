//! Nothing that a user, a file or a worker can say makes the program panic, hang, or take memory without bounds.
//!
//! Valid inputs are changed at random, by a seed, in ways that keep them nearly valid, and read as the program reads
//! them. The short forms run with all tests; ten million inputs in all are
//!
//! ```text
//! cargo test --release --test fuzz -- --ignored --nocapture --test-threads=1
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod mutation;
mod protocol;
mod readers;
mod sweeps;
mod trial;

/// Counts what is allocated, so that a trial knows what its input took.
#[global_allocator]
static ALLOCATED: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
