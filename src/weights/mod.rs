//! A trained network as one file: a timm state dict that says what network it is of.
//!
//! The file is safetensors with timm's names and layouts, so that PyTorch users load it as it is; its header carries a
//! [`Description`], so that `predict` and a later training need nothing else. Every finished trial leaves such a file,
//! and a state dict that comes from timm becomes one when it is given a description.
//!
//! *Architecture invariant*: imports `model`, `train` for the recipe, `sweep` for settings, and what lies below. It knows
//! neither images nor a database.

mod description;
mod error;
mod file;
mod named;

pub use description::Description;
pub use error::WeightsFileError;
pub use file::{TrainedNetwork, import};
pub use named::{TIMM_MODELS, TimmModel};
