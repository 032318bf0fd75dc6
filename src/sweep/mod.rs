//! What a user asks for: the sweep file, its settings, its grid, and the keys of its trials.
//!
//! *Architecture invariant*: imports `arch` only. A whole grid is checked here, before anything starts,
//! without a tensor, an image or a database.

pub mod settings;

pub use settings::Settings;
