//! The results database: what sweeps ask for, what was tried, what came out.
//!
//! Rows go in and come out as plain structs that mirror the columns of `migrations/*.sql`; SQL stands as
//! literals beside the function that runs it. One process writes, the runner that holds the [`RunLock`];
//! every change is one `BEGIN IMMEDIATE` transaction, and a result and the state it leads to are one
//! change. Any number of processes read meanwhile.
//!
//! *Architecture invariant*: imports nothing of the crate, and no other module names rusqlite. It knows
//! neither sweep files nor settings: those lie here as text.

mod attempts;
mod claim;
mod column;
mod configurations;
mod epochs;
mod error;
mod evaluations;
mod key;
mod lock;
mod machines;
mod measurements;
mod open;
mod query;
mod results;
mod schema;
mod signals;
mod standing;
mod sweeps;
mod time;
mod trials;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use attempts::{AttemptEnd, AttemptRow, AttemptStart, AttemptState, Job, Next, Outcome};
pub use claim::{Claim, Code, Runner, TestResolution};
pub use column::{AttemptId, ConfigurationId, MachineId, MeasurementId, SweepId, TrialId};
pub use configurations::ConfigurationRow;
pub use epochs::EpochRow;
pub use error::{Kind, StoreError};
pub use evaluations::{EvaluationRow, MissingEvaluation};
pub use key::{BadKey, Key};
pub use lock::{Holder, RunLock};
pub use machines::MachineRow;
pub use measurements::{MeasureKind, MeasurementRow, Mode, ToMeasure, Wanted};
pub use open::{Access, Store};
pub use query::{Query, Reader, Rows, Value};
pub use results::{RateRow, ResultRow};
pub use schema::LATEST;
pub use signals::{ChannelRow, LayerSignalsRow, SignalPlace};
pub use standing::{Step, TrainingSpeed};
pub use sweeps::{Asked, Point, PointTrial, Progress, Registered, SweepRow};
pub use trials::{PlannedTrial, TrialRecord, TrialRow, TrialState};
