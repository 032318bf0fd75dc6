//! effsweep: EfficientNet experiment sweeps with a results database.
