//! What can end a training without a result.

use crate::arch::ArchError;
use crate::data::DataError;

use super::checkpoint::CheckpointError;

/// A training that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings describe no network.
    #[error("failed to build the network")]
    Network(#[from] ArchError),
    /// Images could not be read.
    #[error("failed to read images")]
    Data(#[from] DataError),
    /// A checkpoint could not be written or read.
    #[error("failed to keep a checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The tape failed.
    #[error("the tape failed: {0}")]
    Tape(String),
}

impl From<dfdx::tensor::CpuError> for TrainError {
    fn from(error: dfdx::tensor::CpuError) -> Self {
        Self::Tape(format!("{error:?}"))
    }
}
