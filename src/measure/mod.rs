//! The throughput protocol: how a step is timed so that the number means something.
//!
//! A measurement has the machine to itself. It [samples](sampling) a step until the interval of the median is
//! tight or the time is spent, [probes](probe) the machine's own speed before and after, and says how much of
//! the machine [others](quiet) used meanwhile. Every sample is kept; what is reported is a median and its
//! interval, never a best case.
//!
//! *Architecture invariant*: the protocol knows no tensor. What is timed comes in as a closure, the time as
//! a [`Clock`](sampling::Clock).

pub mod machine;
pub mod probe;
pub mod quiet;
pub mod resources;
pub mod sampling;
pub mod step;
