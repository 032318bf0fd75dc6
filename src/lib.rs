//! effsweep: EfficientNet experiment sweeps with a results database.

pub mod arch;
pub mod kernels;
pub mod protocol;
pub mod sweep;
