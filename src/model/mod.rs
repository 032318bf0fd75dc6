//! EfficientNet over dfdx, read like the paper: stem, MBConv blocks, top, classifier.
//!
//! A network is two things here. [`EfficientNet`] is its structure: which layers there are and which
//! parameters each uses; it never changes. [`Parameters`] are its numbers, one named list of flat vectors,
//! so that optimizers, averages, checkpoints and weight files all work on the same list, and an averaged
//! network is the same structure run with another list.
//!
//! Images are `(n, h, w, c)`; weights `(k, k, c_in / groups, c_out)` and `(c_in, c_out)`.
//!
//! *Architecture invariant*: imports `arch` and `ops`. It does not know what a sweep is.

mod efficientnet;
mod init;
mod mbconv;
mod norm;
mod parameters;
mod pass;
mod signals;
mod squeeze_excite;
mod timm;
mod weights;

#[cfg(test)]
mod tests;

pub use efficientnet::{Cut, EfficientNet, Recipe};
pub use parameters::{Parameter, ParameterId, Parameters, Role};
pub use pass::{Pass, Training};
pub use signals::{LayerSignals, Signals};
pub use weights::WeightsError;
