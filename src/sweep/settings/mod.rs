//! Every setting of a sweep file, one section a file, with its type, default, range and meaning.
//!
//! `[data]`, `[model]` and `[train]` say what a trial computes and so make its key; `[fine_tune]` says what else is
//! asked of it, `[measure]` and `[run]` how it is timed and run, and never change a key.
//!
//! A section's struct is the only list of its settings: names, defaults, forms and ranges that the reader, the
//! keys and the documentation need are all asked of it.

mod data;
mod fine_tune;
mod forms;
mod limit;
mod measure;
mod model;
mod run;
mod setting;
mod train;

pub use data::{Crop, Data, ImageSet};
pub use fine_tune::{FineTune, FineTuningError, Part};
pub use limit::Limit;
pub use measure::Measure;
pub use model::{Compensate, Expand, Model, ProxyPlacement};
pub use run::{Keep, Run};
pub use setting::Setting;
pub use train::{Activations, Average, Optimizer, Resizing, Schedule, Train};

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Sides of images that make sense, pixels: below, nothing is left to see; above, a typing mistake is likelier.
pub const RESOLUTIONS: RangeInclusive<usize> = 8..=4096;

/// The six sections.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which images, and how they are cropped.
    pub data: Data,
    /// Which network.
    pub model: Model,
    /// How it is trained.
    pub train: Train,
    /// How it is trained further at a test resolution.
    pub fine_tune: FineTune,
    /// How its throughput is measured.
    pub measure: Measure,
    /// How trials are run.
    pub run: Run,
}

/// What every section of settings has.
pub trait Section: Default + Serialize + DeserializeOwned {
    /// Its name in the file.
    const NAME: &'static str;

    /// The range of every setting that has one, and whether its value lies in it.
    fn limits(&self) -> Vec<Limit>;
}
