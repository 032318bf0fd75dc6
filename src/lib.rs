//! effsweep: EfficientNet experiment sweeps with a results database.

pub mod arch;
pub mod kernels;
pub mod model;
pub mod ops;
pub mod protocol;
pub mod sweep;
