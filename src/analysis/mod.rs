//! What results mean: Pareto fronts and how sure a number is. Numbers in, numbers out.
//!
//! *Architecture invariant*: imports nothing of this crate. It knows no accuracy and no throughput, only
//! values and the direction in which they get better.

pub mod interval;
pub mod pareto;
