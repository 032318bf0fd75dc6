//! effsweep: EfficientNet experiment sweeps with a results database.

pub mod arch;
pub mod data;
pub mod protocol;
pub mod sweep;
