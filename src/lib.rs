//! effsweep: EfficientNet experiment sweeps with a results database.

pub mod arch;
pub mod protocol;
pub mod store;
pub mod sweep;
