//! The parent: what is left to do, in which order, in which processes; what comes back goes into the database.
//!
//! A [`Plan`] compares a sweep with a database. A [`Run`] carries it out: a scheduler without a clock decides, workers
//! train and measure in processes of their own, and what happens is told as [`Event`]s.
//!
//! *Architecture invariant*: knows no tensor, draws nothing, prints nothing. Only this layer writes the database.

mod archive;
mod candidate;
mod code;
pub mod comparing;
mod crew;
mod doctor;
mod error;
mod estimate;
mod event;
mod exit;
mod files;
mod judging;
mod keep;
mod measuring;
mod memory;
mod merge;
mod oom;
mod plan;
mod process;
mod register;
mod retry;
mod run;
mod scheduler;
mod settling;
mod signal;
mod training;
mod usage;

pub use archive::{Archived, archive, forget};
pub use candidate::{Candidate, OfSeed, candidates};
pub use crew::Interrupter;
pub use doctor::{Finding, Severity, examine, mend};
pub use error::RunError;
pub use estimate::{Costs, costs, estimate};
pub use event::{Event, Subject, Summary, TrialTask};
pub use files::Files;
pub use judging::{Advice, Judged, Judgement, front, judge};
pub use merge::{Merged, lend, merge};
pub use plan::{Counts, Known, Place, Plan, ToMeasure, Todo, Why};
pub use register::{Counted, Register, key};
pub use run::{Phases, Run, RunOptions, place, workers};
pub use scheduler::{GRACE, Limits};
pub use settling::Observation;
pub use signal::{Caught, catch_preemption};
