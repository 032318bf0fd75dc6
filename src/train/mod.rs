//! Training: the loop, its schedule, optimizer and averages; checkpoints; fine-tuning; evaluation.
//!
//! A trial is a function of its settings, its seed and its images. Order, augmentation, mixing and dropping
//! are drawn from streams named by seed, epoch and step, so a trial that goes on from a checkpoint computes
//! what it would have computed without the interruption, bit for bit, on any number of threads.
//!
//! *Architecture invariant*: imports `model`, `ops` and `data`, the settings from `sweep`, and the report
//! types of `protocol`. It knows neither pipes nor a database; it tells an observer what happens.

mod average;
mod checkpoint;
mod cutmix;
mod error;
mod evaluate;
mod fine_tune;
mod mixup;
mod optimizer;
mod resizing;
mod run;
mod schedule;
mod signals;
mod step;
mod stream;
mod targets;

pub use average::Averages;
pub use checkpoint::CheckpointError;
pub use error::TrainError;
pub use evaluate::evaluate;
pub use fine_tune::{FineTuned, fine_tune};
pub use mixup::mix_rows;
pub use optimizer::Optimizer;
pub use run::{Event, Trained, Trial, Wish, train};
pub use schedule::Schedule;
pub use step::{Outcome, Trainee, recipe};
pub use targets::smoothed;
