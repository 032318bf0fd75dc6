//! Computing: plain slices in, plain slices out, f32, channels last.
//!
//! Images are `(n, h, w, c)`, weights of spatial convolutions `(k, k, c_in / groups, c_out)`, matrices
//! row-major. Every kernel splits its work in parts that depend on shapes alone, and adds partial sums in
//! the order of the parts: results do not depend on the number of threads. Each is held against the nested
//! loops of `reference`.
//!
//! *Architecture invariant*: imports nothing of this crate; knows neither tape nor network.

mod activation;
mod dense;
mod depthwise;
mod gemm;
mod geometry;
mod grouped;
mod norm;
mod optimizer;
mod pool;
mod proxy_norm;
mod signals;
mod simd;
mod squeeze_excite;
mod threads;
mod tile;
mod weight_gradient;

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
pub(crate) mod testing;

pub use activation::{Activation, sigmoid, swish};
pub use geometry::{ConvGeometry, Padding};
pub use norm::{AffineGradients, Moments, NormPass, Statistics};
pub use optimizer::{Adam, RmsProp, Sgd, blend};
pub use proxy_norm::{ProxyGradients, ProxyVectors, QUANTILES, proxy_moments, proxy_moments_backward};
pub use signals::ChannelSignals;
pub use squeeze_excite::{Gate, GateGradients, GateShape, GateWeights};

/// Matrix products.
pub mod matmul {
    pub use super::gemm::{add_product_nt, add_product_tn, product};
}

/// Spatial convolutions; each picks the kernel that fits its groups.
pub mod conv {
    use super::{ConvGeometry, dense, depthwise, grouped};

    /// `y (n, h_out, w_out, c_out)` of `x (n, h, w, c_in)` and `w (k, k, c_in / groups, c_out)`.
    pub fn forward(g: &ConvGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
        match g.kind() {
            Kind::Depthwise => depthwise::forward(g, x, w, y),
            Kind::Grouped => grouped::forward(g, x, w, y),
            Kind::Dense => dense::forward(g, x, w, y),
        }
    }

    /// Adds to `dx` the gradient that `dy` gives it.
    pub fn add_grad_input(g: &ConvGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        match g.kind() {
            Kind::Depthwise => depthwise::add_grad_input(g, dy, w, dx),
            Kind::Grouped => grouped::add_grad_input(g, dy, w, dx),
            Kind::Dense => dense::add_grad_input(g, dy, w, dx),
        }
    }

    /// Adds to `dw` the gradient that `x` and `dy` give it.
    pub fn add_grad_weight(g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        match g.kind() {
            Kind::Depthwise => depthwise::add_grad_weight(g, x, dy, dw),
            Kind::Grouped => grouped::add_grad_weight(g, x, dy, dw),
            Kind::Dense => dense::add_grad_weight(g, x, dy, dw),
        }
    }

    pub(super) enum Kind {
        Depthwise,
        Grouped,
        Dense,
    }

    impl ConvGeometry {
        fn kind(&self) -> Kind {
            if self.groups == 1 {
                Kind::Dense
            } else if self.groups == self.c_in && self.c_in == self.c_out {
                Kind::Depthwise
            } else {
                Kind::Grouped
            }
        }
    }
}

/// Pooling over pixels.
pub mod pooling {
    pub use super::pool::{add_spread, average};
}
