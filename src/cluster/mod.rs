//! A sweep on a Slurm cluster: its trials go there as a job array, its results come home.
//!
//! [`submit`](submit()) asks the database what is left to do, as a run does, and hands it to Slurm in a job folder on the shared file
//! system. An array task [`work`](work())s through its trials with a database of its own, its *shard*, on the node's own disk, and
//! puts a whole copy of it into the job folder whenever something is done: no database is ever open on two hosts, nor on
//! a network file system. [`collect`](collect()) merges the shards into the database, as often as anybody likes.
//!
//! ```text
//! results/effsweep.db
//! results/effsweep.jobs/
//!     files/weights/<trial>.safetensors     of all jobs, so that another job goes on
//!     files/checkpoints/<trial>/            from where one was cut off
//!     quickstart-1/
//!         job.json                          what was asked for: trials by task, program, commands
//!         quickstart.toml                   the sweep file, as it was
//!         train.sbatch, measure.sbatch      what Slurm runs
//!         slurm.json                        Slurm's numbers of these jobs
//!         start.db                          what tasks begin with, if they evaluate trained trials
//!         shards/<task>.db                  what came out
//!         logs/<task>.out
//! ```
//!
//! *Architecture invariant*: nothing below knows a cluster. Slurm is asked by its own commands, in one file.

mod batches;
mod collect;
mod error;
mod folder;
mod script;
mod slurm;
mod submit;
mod work;

pub use batches::batches;
pub use collect::{Collected, collect};
pub use error::ClusterError;
pub use folder::{Job, JobFolder, Jobs, SlurmIds, Task};
pub use script::Resources;
pub use slurm::{Slurm, TaskState};
pub use submit::{Submission, plan, submit};
pub use work::{Part, Worked, work};
