//! What can go wrong between here and a cluster.

use std::io;
use std::path::PathBuf;

use crate::durable::WriteError;
use crate::runner::RunError;
use crate::store::StoreError;
use crate::sweep::SweepError;

/// Why trials could not be handed to a cluster, worked through there, or brought home: fragments that complete
/// "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A command of Slurm's is not there.
    #[error("run `{command}`: Slurm's commands are not there; a cluster's login node has them")]
    NoSlurm {
        /// The command.
        command: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Slurm said no.
    #[error("{doing}: `{command}` says: {said}")]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// The command.
        command: &'static str,
        /// What it printed.
        said: String,
    },
    /// A job folder's file cannot be read or written.
    #[error("{doing} `{}`", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A job folder's file is none of ours.
    #[error("read `{}`: it is no file of this effsweep's jobs", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The program is another one than the job was made with.
    #[error("work at `{}`: the program has changed since it was submitted; submit again with this one", job.display())]
    OtherProgram {
        /// The job folder.
        job: PathBuf,
    },
    /// There is no such task.
    #[error("work at `{}`: it has no task {task}, only 0 to {last}", job.display())]
    NoSuchTask {
        /// The job folder.
        job: PathBuf,
        /// The number asked for.
        task: usize,
        /// The last one there is.
        last: usize,
    },
    /// The sweep file in the job folder, or the one to submit.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file that could not be put in its place.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ClusterError {
    /// Whether whoever called asked for something that cannot be.
    pub fn is_users(&self) -> bool {
        matches!(self, Self::NoSlurm { .. } | Self::NoSuchTask { .. } | Self::Refused { .. })
    }
}
