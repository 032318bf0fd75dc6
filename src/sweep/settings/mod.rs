//! Every setting of a sweep file, one section a file, with its type, default and meaning.
//!
//! `[data]`, `[model]` and `[train]` say what a trial computes and so make its key; `[measure]` and
//! `[run]` say how it is timed and run, and never change a key.

mod data;
mod forms;
mod measure;
mod model;
mod run;
mod train;

pub use data::{Crop, Data, ImageSet};
pub use measure::Measure;
pub use model::{Compensate, Expand, Model, ProxyPlacement};
pub use run::{Keep, Run};
pub use train::{Average, Optimizer, Schedule, Train};

use serde::{Deserialize, Serialize};

/// The five sections.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which images, and how they are cropped.
    pub data: Data,
    /// Which network.
    pub model: Model,
    /// How it is trained.
    pub train: Train,
    /// How its throughput is measured.
    pub measure: Measure,
    /// How trials are run.
    pub run: Run,
}
