//! The results database: what sweeps ask for, what was tried, what came out.
//!
//! Rows go in and come out as plain structs that mirror the columns of `migrations/*.sql`; SQL stands as
//! literals beside the function that runs it. Runs write, one at a time or several that share (see [`RunLock`]);
//! every change is one `BEGIN IMMEDIATE` transaction, and a result and the state it leads to are one
//! change. Any number of processes read meanwhile.
//!
//! *Architecture invariant*: imports nothing of the crate, and no other module names rusqlite. It knows
//! neither sweep files nor settings: those lie here as text.

mod attempts;
mod choice;
mod claim;
mod column;
mod condition;
mod configurations;
mod epochs;
mod error;
mod evaluations;
mod forget;
mod key;
mod lock;
mod machines;
mod measurement_failures;
mod measurements;
mod memory;
mod open;
mod query;
mod results;
mod runs;
mod schema;
mod settling;
mod signals;
mod soundness;
mod standing;
mod sweeps;
mod time;
mod transfer;
mod trials;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use attempts::{AttemptEnd, AttemptRow, AttemptStart, AttemptState, Job, Next, Outcome};
pub use choice::{Choice, Chosen};
pub use claim::{Claim, Code, Runner, Test, UNTUNED};
pub use column::{AttemptId, ConfigurationId, MachineId, MeasurementId, RunId, SweepId, TrialId};
pub use condition::meeting;
pub use configurations::ConfigurationRow;
pub use epochs::EpochRow;
pub use error::{Kind, StoreError};
pub use evaluations::{EvaluationRow, MissingEvaluation};
pub use forget::Forgotten;
pub use key::{BadKey, Key};
pub use lock::{Company, Holder, RunLock, Stage};
pub use machines::{MachineRow, MeasuringMachine, Rates};
pub use measurement_failures::MeasurementFailureRow;
pub use measurements::{MeasureKind, MeasurementRow, Mode, ToMeasure, Wanted};
pub use memory::MemoryFacts;
pub use open::{Access, Store};
pub use query::{Query, Reader, Rows, Value};
pub use results::{RateRow, ResultRow};
pub use runs::RunRow;
pub use schema::LATEST;
pub use signals::{ChannelRow, LayerSignalsRow, SignalPlace};
pub use soundness::Weighted;
pub use standing::{Step, TrainingSpeed};
pub use sweeps::{Asked, Point, PointTrial, Progress, Registered, SweepRow};
pub use transfer::Copied;
pub use trials::{PlannedTrial, TrialRecord, TrialRow, TrialState};
