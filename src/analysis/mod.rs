//! What results mean: Pareto fronts and how sure a number is. Numbers in, numbers out.
//!
//! *Architecture invariant*: imports nothing of this crate. It knows no accuracy and no throughput, only
//! values and the direction in which they get better.

pub mod confidence;
pub mod hypervolume;
pub mod interval;
pub mod knee;
pub mod paired;
pub mod pareto;
pub mod settle;
mod shrinkage;
pub mod variance;
