//! What can be wrong with a weights file.

use std::io;
use std::path::PathBuf;

use crate::arch::ArchError;
use crate::durable::WriteError;
use crate::model::WeightsError;

/// A weights file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsFileError {
    /// The file system refused to write.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The weights could not be encoded.
    #[error("encode the weights for `{}`", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system refused to read.
    #[error("read the weights `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("read the weights `{}`: it is no whole safetensors file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// Tensors that are not the ones that were written.
    #[error("read the weights `{}`: the file is damaged, its checksum is another", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A state dict that does not say what network it is of.
    #[error("read the weights `{}`: nothing in it says what network they are of", path.display())]
    Undescribed {
        /// The file.
        path: PathBuf,
    },
    /// A description that cannot be understood.
    #[error("read the weights `{}`: {problem}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The settings describe no network.
    #[error("build the network of the weights")]
    Network(#[from] ArchError),
    /// The file's tensors are not those of the network.
    #[error("take the weights of `{}`", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// The difference.
        #[source]
        source: WeightsError,
    },
}

impl WeightsFileError {
    /// Whether the user named a file, or described a network, that cannot be it; otherwise the world failed.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Write(_) | Self::Encode { .. } => false,
            Self::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Format { .. }
            | Self::Damaged { .. }
            | Self::Undescribed { .. }
            | Self::Description { .. }
            | Self::Network(_)
            | Self::Tensors { .. } => true,
        }
    }
}
