//! The paper's network as integers: channels, strides, groups, costs, resolutions. No tensors.
//!
//! Planning a sweep of a million points asks this layer what each point would be; only a worker
//! that trains one of them builds tensors (`model`), and it reads the same [`Network`].
//!
//! *Architecture invariant*: imports nothing of this crate.

mod compensate;
mod cost;
mod network;
mod norm;
mod resolution;
mod scale;
mod table;

pub use compensate::{Compensation, compensated};
pub use cost::{Cost, LayerCost};
pub use network::{
    ArchError, Block, ChannelRounding, Expansion, Head, Network, NetworkSpec, SqueezeExcite, Stem,
};
pub use norm::{Norm, NormGroups};
pub use resolution::{Padding, aligned, down_sampled, nearest_aligned};
pub use scale::{CHANNEL_DIVISOR, round_channels, round_depth};
pub use table::{Preset, STAGES, STEM_CHANNELS, Stage, TOP_CHANNELS};
