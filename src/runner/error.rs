//! Why a run could not be, or ended early: fragments that complete "failed to …".

use std::io;
use std::path::PathBuf;

use crate::arch::ArchError;
use crate::data::DataError;
use crate::durable::WriteError;
use crate::store::{Kind, StoreError};
use crate::sweep::settings::FineTuningError;

/// A run's error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The images of the sweep.
    #[error("open the images of the sweep")]
    Data(#[from] DataError),
    /// A network that cannot be, in spite of the sweep's validation.
    #[error("count a configuration's network")]
    Network(#[from] ArchError),
    /// The worker process.
    #[error("start the worker `{command}`")]
    Worker {
        /// Its program.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Signal handlers.
    #[error("wait for signals")]
    Signals(#[source] io::Error),
    /// A fine-tuning in the database that this program does not know.
    #[error("read what the database asks of a trial")]
    FineTuning {
        /// Why.
        #[source]
        source: FineTuningError,
    },
    /// Settings in the database that this program cannot read.
    #[error("read the settings of configuration {key} in the database")]
    Settings {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Something that would have happened to every trial.
    #[error("go on with the sweep: {message}")]
    Halted {
        /// What.
        message: String,
    },
    /// The weights of a trial that is moved.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file beside the database.
    #[error("{doing} `{}`", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl RunError {
    /// Whose move it is; the exit code follows from it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Data(_) => Kind::User,
            Self::Worker { .. }
            | Self::Signals(_)
            | Self::Halted { .. }
            | Self::Write(_)
            | Self::File { .. } => Kind::Environment,
            Self::Network(_) | Self::Settings { .. } | Self::FineTuning { .. } => Kind::Bug,
        }
    }
}
