//! What must hold for any shape: outputs are those of the definition in double precision, gradients are the
//! slopes of that definition, and images do not see each other where they should not.
//!
//! Shapes are drawn (1 to 40 channels, sides of 1 to 9, batches of 1 to 4), from fixed seeds, so that every
//! run is the same run; the shapes that hurt (one channel, one pixel, vectors with a rest) are also listed
//! by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod convolutions;
mod definition;
mod gates;
mod held;
mod norms;
mod shapes;
#[path = "../golden/tape.rs"]
mod tape;
