//! Each op on dfdx's tape: forward, and backward as a closure on the tape. Nothing about networks.
//!
//! The rule of the folder: an op splits the tape off its input, runs a kernel into a fresh vector, wraps the
//! vector as a tensor, and puts on the tape a closure that takes the output's gradient out of the map (every
//! consumer has run by then, so nothing else needs it) and adds to the gradients of its inputs. Stem and blocks are one
//! op (`trunk`).
//!
//! *Architecture invariant*: imports `kernels` only.

mod conv;
mod gate;
mod linear;
mod mbconv;
mod norm;
mod proxy_norm;
mod residual;
mod tape;
mod trunk;
mod view;

pub use conv::{ConvShape, conv, image_conv, pointwise};
pub use gate::{SqueezeExcite, squeeze_excite};
pub use linear::{global_average_pool, linear, mask};
pub use mbconv::{BlockStatistics, MbConv, MbConvNorm};
pub use norm::{Affine, ProxyScaling, batch_norm, frozen_norm, group_norm};
pub use proxy_norm::{ProxyMoments, ProxyParameters, proxy_moments};
pub use residual::residual;
pub use tape::{image, matrix};
pub use trunk::{SeenByBlock, Stem, TrunkMoments, trunk};
pub use view::{view, view_mut};

pub use crate::kernels::mbconv::{BlockMoments, Storage};
pub use crate::kernels::{Activation, ChannelSignals, Moments, Padding};

use dfdx::tensor::{Cpu, NoneTape, Tensor};

/// Images `(n, h, w, c)`, channels last.
pub type Image<T = NoneTape> = Tensor<(usize, usize, usize, usize), f32, Cpu, T>;

/// Rows of features `(n, c)`.
pub type Matrix<T = NoneTape> = Tensor<(usize, usize), f32, Cpu, T>;

/// A parameter: any shape, flat.
pub type Vector = Tensor<(usize,), f32, Cpu>;
