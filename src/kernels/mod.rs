//! Computing: plain slices in, plain slices out, f32, channels last.
//!
//! Images are `(n, h, w, c)`, weights of spatial convolutions `(k, k, c_in / groups, c_out)`, matrices
//! row-major. Every kernel splits its work in parts that depend on shapes alone, and adds partial sums in
//! the order of the parts: results do not depend on the number of threads. Each is held against the nested
//! loops of `reference`.
//!
//! *Architecture invariant*: imports nothing of this crate; knows neither tape nor network.

mod activation;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod buffers;
pub mod conv;
mod gemm;
mod geometry;
pub mod mbconv;
mod norm;
mod optimizer;
mod pool;
mod proxy_norm;
mod rounding;
mod signals;
mod simd;
mod squeeze_excite;
mod strided;
mod team;
mod threads;
mod tile;

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
pub(crate) mod testing;

pub use activation::{Activation, sigmoid, swish};
pub use buffers::{Buffer, release_idle};
pub use geometry::{ConvGeometry, Padding};
pub use norm::{AffineGradients, Moments, NormPass, Statistics};
pub use optimizer::{Adam, RmsProp, Sgd, blend};
pub use proxy_norm::{ProxyGradients, ProxyVectors, QUANTILES, proxy_moments, proxy_moments_backward};
pub use signals::ChannelSignals;
pub use simd::instruction_set;
pub use squeeze_excite::{Gate, GateGradients, GateShape, GateWeights};

/// Matrix products.
pub mod matmul {
    pub use super::gemm::{add_product_nt, add_product_tn, product};
}

/// Pooling over pixels.
pub mod pooling {
    pub use super::pool::{add_spread, average};
}
