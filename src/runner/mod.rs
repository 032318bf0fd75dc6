//! The parent: what is left to do, in which order, in which processes; what comes back goes into the database.
//!
//! A [`Plan`] compares a sweep with a database. A [`Run`] carries it out: a scheduler without a clock decides, workers
//! train and measure in processes of their own, and what happens is told as [`Event`]s.
//!
//! *Architecture invariant*: knows no tensor, draws nothing, prints nothing. Only this layer writes the database.

mod code;
mod crew;
mod error;
mod estimate;
mod event;
mod exit;
mod files;
mod front;
mod keep;
mod measuring;
mod oom;
mod plan;
mod process;
mod register;
mod retry;
mod run;
mod scheduler;
mod signal;
mod training;
mod usage;

pub use crew::Interrupter;
pub use error::RunError;
pub use estimate::estimate;
pub use event::{Event, Subject, Summary, TrialTask};
pub use files::Files;
pub use front::{Candidate, candidates, front};
pub use plan::{Counts, Known, Place, Plan, ToMeasure, Todo, Why};
pub use register::{Counted, Register};
pub use run::{Phases, Run, RunOptions, place, workers};
pub use scheduler::{GRACE, Limits};
pub use signal::Caught;
