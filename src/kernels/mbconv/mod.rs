//! A whole MBConv block, a few images at a time, its expanded activations in the core's own cache.
//!
//! ```text
//! x ── expand ── norm, swish ── spatial ── norm, swish ── gate ── project ── norm ──(· survival + x)── y
//!        e          a             d           b            b        p
//! ```
//!
//! A block's expanded activations are an order of magnitude larger than what goes in and out. Layer by layer over a
//! whole batch they pass through memory a dozen times; here a tile of images goes through all layers before the next
//! begins (Labatie et al. 2021 name this freedom of batch-independent norms). Batch norm cannot do that: its tiles stop at
//! each norm until all have contributed their moments. Either way the way back needs `e`, `d` and `p`, which are
//! kept, and computes `a` and `b` again; of `e` and `d`, which are large, [`Storage`] says how.
//!
//! Tiles hang on shapes alone and their sums are added in order, so no result depends on the number of threads.

mod backward;
mod forward;
mod parts;
mod tile;

#[cfg(test)]
mod tests;

use super::buffers::Buffer;
use super::norm::{Moments, NormPass};
use super::squeeze_excite::{GateGradients, GateWeights};
use super::threads::add_in_order;
use super::{Activation, AffineGradients, ConvGeometry};

pub use tile::{Kept, Storage};

/// Sizes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockShape {
    /// The spatial convolution: images, their size before it, kernel, stride, groups, padding.
    pub spatial: ConvGeometry,
    /// Channels that come in.
    pub c_in: usize,
    /// Channels that go out.
    pub c_out: usize,
    /// Channels between the layers of the gate, if there is one.
    pub c_hidden: Option<usize>,
    /// Whether the input is added to the output.
    pub residual: bool,
}

/// Weights of a heavy block, at least: 1 MiB, half of what a core's own cache holds.
const HEAVY: usize = 256 << 10;

impl BlockShape {
    /// Whether the weights, rather than the activations, are what passes through memory.
    fn is_heavy(&self) -> bool {
        self.spatial.weight_len() + self.c_mid() * (self.c_in + self.c_out) >= HEAVY
    }

    fn c_mid(&self) -> usize {
        self.spatial.c_in
    }

    /// Pixels of an image before the spatial convolution.
    fn pixels_in(&self) -> usize {
        self.spatial.h * self.spatial.w
    }

    /// Pixels of an image after it.
    fn pixels_out(&self) -> usize {
        self.spatial.h_out() * self.spatial.w_out()
    }
}

/// Where a norm's statistics come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormStatistics<'a> {
    /// Each image, in this many groups of channels.
    Groups(usize),
    /// The batch.
    Batch,
    /// Running moments.
    Frozen(&'a Moments),
}

/// A norm with what follows it; all vectors `(c)`.
#[derive(Debug, Clone, Copy)]
pub struct BlockNorm<'a> {
    /// Where its statistics come from.
    pub statistics: NormStatistics<'a>,
    /// Its epsilon.
    pub epsilon: f32,
    /// Gain.
    pub gamma: &'a [f32],
    /// Shift, if there is one.
    pub beta: Option<&'a [f32]>,
    /// Proxy norm's mean, if there is one.
    pub proxy_mean: Option<&'a [f32]>,
    /// Proxy norm's scale, if it is applied right after the activation.
    pub proxy_scale: Option<&'a [f32]>,
}

impl BlockNorm<'_> {
    fn pass(&self, pixels: usize, activation: Activation) -> NormPass<'_> {
        NormPass {
            pixels,
            activation,
            gamma: self.gamma,
            beta: self.beta,
            proxy_mean: self.proxy_mean,
            proxy_scale: self.proxy_scale,
        }
    }
}

/// A block's weights.
#[derive(Debug, Clone, Copy)]
pub struct BlockWeights<'a> {
    /// `(c_in, c_mid)` and its norm, of a block that expands.
    pub expand: Option<(&'a [f32], BlockNorm<'a>)>,
    /// `(k, k, c_mid / groups, c_mid)`.
    pub spatial: &'a [f32],
    /// Its norm.
    pub spatial_norm: BlockNorm<'a>,
    /// The gate, if there is one.
    pub gate: Option<GateWeights<'a>>,
    /// `(c_mid, c_out)`.
    pub project: &'a [f32],
    /// Its norm, which no activation follows.
    pub project_norm: BlockNorm<'a>,
}

impl BlockWeights<'_> {
    /// Whether images have to wait for each other.
    fn sees_batch(&self) -> bool {
        self.spatial_norm.statistics == NormStatistics::Batch
    }
}

/// Moments of a batch that the norms of a block saw.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockMoments {
    /// After the expansion, of a block that expands.
    pub expand: Option<Moments>,
    /// After the spatial convolution.
    pub spatial: Moments,
    /// After the projection.
    pub project: Moments,
}

/// A weight's gradient, in parts that are yet to be added.
#[derive(Debug)]
pub struct WeightGradient(Vec<Buffer>);

impl WeightGradient {
    /// Adds the parts to `total`, in order.
    ///
    /// # Panics
    /// If `total` is shorter than the weight.
    pub fn add_to(&self, total: &mut [f32]) {
        add_in_order(total, &self.0);
    }
}

/// Gradients of a block's weights, shaped as they are.
#[derive(Debug)]
pub struct BlockGradients {
    /// Of the expansion and its norm.
    pub expand: Option<(WeightGradient, AffineGradients)>,
    /// Of the spatial convolution.
    pub spatial: WeightGradient,
    /// Of its norm.
    pub spatial_norm: AffineGradients,
    /// Of the gate.
    pub gate: Option<GateGradients>,
    /// Of the projection.
    pub project: WeightGradient,
    /// Of its norm.
    pub project_norm: AffineGradients,
}

/// A block, ready to run.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Its sizes.
    pub shape: BlockShape,
    /// Its weights.
    pub weights: BlockWeights<'a>,
    /// A factor an image for what is added to the input: 0 where stochastic depth drops the block; 1 throughout if
    /// absent.
    pub survival: Option<&'a [f32]>,
}
