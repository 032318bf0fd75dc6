//! Convolutions of stride 1 in groups that fill vectors, by fewer multiplications (Winograd 1980; Lavin & Gray 2016, "Fast
//! Algorithms for Convolutional Neural Networks").
//!
//! Along an axis, a filter of `r` taps gives `m` neighbouring outputs as the product of two polynomials, which is known once it is
//! known at `m + r − 1` points: `y = Aᵀ ((G w) ⊙ (Bᵀ x))` (`points`). Along both axes a tile of 6 × 6 inputs gives 4 × 4 outputs of a
//! kernel of 3, or 2 × 2 of one of 5, by 36 products instead of 144 or 100. Tiles (`tiles`) become 36 planes, one for each
//! pair of points (`images`), and so do weights (`weights`); what is left is a matrix product of channels a plane (`products`).
//! The input's gradient is the same convolution with the kernel turned around (`gather`), the weight's is the transpose of it
//! (`weight_gradient`).
//!
//! Rounding adds two to three times as much as it does when products are added one by one.

#![allow(
    clippy::needless_range_loop,
    reason = "what iterates over arrays of vectors is compiled to calls and memory, not to registers"
)]

mod gather;
mod images;
mod planes;
mod points;
mod products;
mod tiles;
mod weight_gradient;
mod weights;

pub(super) use gather::Side;
pub(super) use weight_gradient::sum as sum_weight_gradient;

use super::super::geometry::ConvGeometry;
use super::large_groups;

/// Points along an axis, and inputs of a tile.
const POINTS: usize = 6;

/// Pairs of points.
const PLANES: usize = POINTS * POINTS;

/// Channels of a group must be a multiple: a vector of AVX-512.
const WIDTH: usize = 16;

/// Tiles that become planes together, at most: their planes fit the core's own cache.
const MOST_TILES: usize = 32;

/// Fewest tiles of a batch for which transforming the weights pays.
const LEAST_TILES: usize = 16;

/// In tenths, how many times as many products the taps must take: what transforms cost, and what narrow products lose.
const WORTH: usize = 14;

/// Whether this is possible and takes less time.
pub(super) fn fit(g: &ConvGeometry) -> bool {
    let channels = [g.c_in / g.groups, g.c_out / g.groups];
    let possible = g.stride == 1
        && matches!(g.kernel, 3 | 5)
        && channels.iter().all(|count| count.is_multiple_of(WIDTH))
        && large_groups::fit(g);
    possible && {
        let tiles = |size: usize| size.div_ceil(outputs(g.kernel));
        let (tiles, taps) = (tiles(g.h) * tiles(g.w), g.meetings(g.h) * g.meetings(g.w));
        g.n * tiles >= LEAST_TILES && 10 * taps >= WORTH * PLANES * tiles
    }
}

/// Outputs of a tile along an axis.
fn outputs(kernel: usize) -> usize {
    POINTS + 1 - kernel
}
