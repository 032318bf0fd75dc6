//! What must not harm a sweep: kills at any moment, disks that fail, trials that end badly.
//!
//! Every test runs the built program on sweeps of seconds, in the way, and then asks whether everything in the
//! database is what an undisturbed run puts there, bit for bit. The short forms run with all tests; the long ones are
//!
//! ```text
//! cargo test --release --test faults -- --ignored --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checkpoints;
mod disk;
mod ends;
mod kills;
mod stage;
