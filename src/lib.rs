//! effsweep: EfficientNet experiment sweeps with a results database.

pub mod analysis;
pub mod arch;
pub mod cli;
pub mod cluster;
pub mod data;
pub mod durable;
pub mod kernels;
pub mod measure;
pub mod model;
pub mod ops;
pub mod protocol;
pub mod report;
pub mod runner;
pub mod store;
pub mod sweep;
pub mod train;
pub mod weights;
pub mod worker;
